"""Units: what they are called, how large they are, and which one suits a number.

One table for all that is read and shown: number boxes, attributes of files, positions,
scale bars, plots and sentences. The sizes come from pint, which napari brings. What a
person or a file wrote never goes to pint's own parser: it works powers out (a long
``9**9**9`` never ends), "A" is an ampere to it and "px" a length of web pages. Only the
spellings of the table are read.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["length", "energy", "voltage", "angle", "pixels"]


@dataclass(frozen=True)
class Unit:
    """A unit that can be read and shown."""

    name: str
    """In settings and recipes, in plain letters."""
    kind: Kind
    """What it measures; units of one kind can be converted."""
    symbol: str
    """As it is shown."""
    pint: str
    """Its name in pint; empty where no size belongs to it."""
    spellings: tuple[str, ...] = ()
    """How else it may be written."""
    any_case: bool = True
    """Whether capital and small letters are the same."""


_TABLE = (
    Unit("m", "length", "m", "meter", ("meter", "meters", "metre", "metres")),
    Unit("cm", "length", "cm", "centimeter", ("centimeter", "centimetre")),
    Unit("mm", "length", "mm", "millimeter",
         ("millimeter", "millimeters", "millimetre", "millimetres")),
    Unit("um", "length", "µm", "micrometer",
         ("micron", "microns", "micrometer", "micrometers", "micrometre",
          "micrometres")),
    Unit("nm", "length", "nm", "nanometer",
         ("nanometer", "nanometers", "nanometre", "nanometres")),
    # No field here holds a current: A is an angstrom.
    Unit("angstrom", "length", "Å", "angstrom", ("A", "ang", "angstroms", "Ångström")),
    Unit("pm", "length", "pm", "picometer", ("picometer", "picometers", "picometre")),
    Unit("J", "energy", "J", "joule", ("joule",)),
    Unit("eV", "energy", "eV", "electron_volt"),
    Unit("keV", "energy", "keV", "kiloelectron_volt"),
    Unit("MeV", "energy", "MeV", "megaelectron_volt", any_case=False),  # not meV
    Unit("GeV", "energy", "GeV", "gigaelectron_volt"),
    Unit("V", "voltage", "V", "volt"),
    Unit("kV", "voltage", "kV", "kilovolt"),
    Unit("rad", "angle", "rad", "radian"),
    Unit("mrad", "angle", "mrad", "milliradian", any_case=False),  # not Mrad
    Unit("deg", "angle", "°", "degree", ("degree", "degrees")),
    Unit("px", "pixels", "px", "", ("pixel", "pixels")),
)  # fmt: skip
UNITS = {unit.name: unit for unit in _TABLE}
"""Name -> unit."""

OF_FILES = tuple(u.name for u in _TABLE if u.kind in ("length", "energy"))
"""Units that a dataset of a file may be in."""
OF_POSITIONS = ("m", "mm", "um", "nm", "angstrom")
"""Units that positions may be in, beside pixels of the object."""
SHOWN = ("m", "mm", "um", "nm", "pm")
"""Units that lengths are shown in, the largest first."""

_SI: dict[Kind, str] = {"length": "m", "energy": "J", "voltage": "V", "angle": "rad"}
_OTHER_UNITS = {"M", "Mm", "Pm"}
"""Molar, mega- and petametre: not to be taken for m, mm and pm."""
_LONGEST = 32


def _folded(text: str) -> str:
    """Bring both signs of micro, and of the angstrom, to one; and to small letters."""
    return unicodedata.normalize("NFKC", text).lower()


_EXACT = {
    unicodedata.normalize("NFKC", text): unit
    for unit in _TABLE
    for text in (unit.name, unit.symbol, *unit.spellings)
}
_ANY_CASE = {_folded(text): unit for text, unit in _EXACT.items() if unit.any_case}


def named(text: str) -> Unit | None:
    """Tell which unit a text means; None where that is not known for sure.

    >>> named("KeV").name, named("µm").name, named("A").name
    ('keV', 'um', 'angstrom')

    Parameters
    ----------
    text : str
        As a user or a file writes it.

    Returns
    -------
    Unit or None
        Its line of the table.
    """
    text = text.strip()
    if len(text) > _LONGEST or text in _OTHER_UNITS:
        return None
    exact = _EXACT.get(unicodedata.normalize("NFKC", text))
    return exact or _ANY_CASE.get(_folded(text))


@cache
def size(name: str, of: str | None = None) -> float:
    """Size of a unit of the table in SI: metres, joule, volts, radians; or in `of`.

    Parameters
    ----------
    name : str
        Name in `UNITS`.
    of : str, optional
        Name of another unit of the same kind.

    Returns
    -------
    float
        How many of the other unit one of it is.

    Examples
    --------
    >>> size("keV", "eV")
    1000.0
    """
    unit = UNITS[name]
    other = UNITS[of or _SI[unit.kind]]
    if unit is other:
        return 1.0
    import pint  # takes 0.2 to 0.4 s: only where a unit that is not of SI is met

    registry = pint.get_application_registry()
    return float(registry.convert(1.0, unit.pint, other.pint))


def number_in_si(name: str) -> float:
    """How many of a unit go into the one of SI: 1e9 for nm, a whole number.

    Parameters
    ----------
    name : str
        Name in `UNITS` of a unit smaller than that of SI.

    Returns
    -------
    float
        A whole number.
    """
    return float(round(1 / size(name)))


def fitting(
    length_m: float, among: Sequence[str] = SHOWN, least: float = 0.9999
) -> Unit:
    """Choose a unit for a length: the first of which it holds `least`, else the last.

    Parameters
    ----------
    length_m : float
        Metres; the sign does not matter.
    among : sequence of str
        Names of units, the largest first.
    least : float
        How much of the unit it must hold; just below 1 for lengths that are
        rounded.

    Returns
    -------
    Unit
        Of `among`.
    """
    held = (name for name in among if abs(length_m) >= least * size(name))
    return UNITS[next(held, among[-1])]


def shown_length(length_m: float, digits: str = ".5g") -> str:
    """Write a length with a unit that suits it.

    >>> shown_length(7.5e-5)
    '75 µm'

    Parameters
    ----------
    length_m : float
        Metres.
    digits : str
        How the number is formatted.

    Returns
    -------
    str
        Number and symbol.
    """
    unit = fitting(length_m)
    return f"{length_m / size(unit.name):{digits}} {unit.symbol}"
