"""Units: all that the ten tables of old read and wrote, and what stays unread."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy import constants

from napari_scicompty.core import units

# -- what the tables of old read ----------------------------------------------------
OF_FILES = {
    "m": 1.0, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "angstrom": 1e-10, "pm": 1e-12,
    "J": 1.0, "eV": constants.e, "keV": 1e3 * constants.e,
}  # fmt: skip
OTHER_NAMES = {
    "metre": "m", "metres": "m", "meter": "m", "meters": "m",
    "millimeter": "mm", "millimetre": "mm",
    "µm": "um", "μm": "um", "micron": "um", "microns": "um", "micrometer": "um",
    "micrometre": "um", "nanometer": "nm", "nanometre": "nm",
    "å": "angstrom", "a": "angstrom", "ang": "angstrom", "angstroms": "angstrom",
    "joule": "J", "pixel": "px", "pixels": "px", "px": "px",
}  # fmt: skip
READ_IN_FILES = {name.lower(): name for name in OF_FILES} | OTHER_NAMES
OF_BOXES = {
    "m": {"pm": 1e-12, "Å": 1e-10, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "m": 1.0},
    "V": {"V": 1.0, "kV": 1e3},
    "eV": {"eV": 1.0, "keV": 1e3, "MeV": 1e6},
    "rad": {"mrad": 1e-3, "rad": 1.0, "°": math.pi / 180},
}
READ_IN_BOXES = {
    "um": "µm", "μm": "µm", "A": "Å", "deg": "°", "kev": "keV", "ev": "eV", "kv": "kV",
}  # fmt: skip
OF_POSITIONS = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "angstrom": 1e-10}

CASES = [
    (form, name)
    for text, name in READ_IN_FILES.items()
    for form in {text, text.upper(), text.title(), text.lower(), f" {text}\n"}
    if form not in ("M", "Mm", "Pm")  # were read as m, mm and pm
]


@pytest.mark.parametrize(("text", "name"), CASES)
def test_reads_what_files_had(text: str, name: str) -> None:
    unit = units.named(text)
    assert unit is not None
    assert unit.name == name


@pytest.mark.parametrize(
    "text", [*READ_IN_BOXES, *(s for t in OF_BOXES.values() for s in t)]
)
def test_reads_what_boxes_had(text: str) -> None:
    unit = units.named(text)
    assert unit is not None
    assert unit.symbol == READ_IN_BOXES.get(text, text)


def test_the_sizes_are_those_of_the_tables_to_the_last_bit() -> None:
    assert {name: units.size(name) for name in OF_FILES} == OF_FILES
    assert {name: units.size(name) for name in OF_POSITIONS} == OF_POSITIONS
    for stored, table in OF_BOXES.items():
        for symbol, factor in table.items():
            unit = units.named(symbol)
            assert unit is not None
            assert units.size(unit.name, stored) == factor
    assert [units.number_in_si(n) for n in ("nm", "um", "mm")] == [1e9, 1e6, 1e3]


def test_positions_and_files_may_be_in_what_they_could() -> None:
    assert tuple(OF_POSITIONS) == units.OF_POSITIONS
    assert set(units.OF_FILES) == {*OF_FILES, "MeV", "GeV", "cm"}


@pytest.mark.parametrize(
    ("text", "name"),
    [("KeV", "keV"), ("KEV", "keV"), ("NM", "nm"), ("MeV", "MeV"), ("Å", "angstrom"),
     ("\u212b", "angstrom"), ("A\u030a", "angstrom"), ("Deg", "deg"), ("MM", "mm")],
)  # fmt: skip
def test_reads_other_cases_where_only_one_unit_is_meant(text: str, name: str) -> None:
    unit = units.named(text)
    assert unit is not None
    assert unit.name == name


@pytest.mark.parametrize(
    "text",
    ["", "M", "Mm", "Pm", "meV", "mev", "MEV", "Mrad", "m*m", "m/s", "1", "1/A",
     "nm nm", "9**9**9 m", "(" * 10_000, "m" * 10_000, "__import__('os')"],
)  # fmt: skip
def test_leaves_unread_what_may_mean_something_else(text: str) -> None:
    assert units.named(text) is None


# -- what was shown -----------------------------------------------------------------
def old_cli_length(metres: float) -> str:
    prefixes = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"))
    scale, prefix = next(
        (pair for pair in prefixes if abs(metres) >= 0.9999 * pair[0]), prefixes[-1]
    )
    return f"{metres / scale:.5g} {prefix}m"


def old_scale_bar(metres: float) -> tuple[float, str]:
    power = 10.0 ** math.floor(math.log10(metres))
    length = max(step * power for step in (1, 2, 5) if step * power <= metres)
    table = {"m": 1.0, "mm": 1e-3, "µm": 1e-6, "nm": 1e-9, "pm": 1e-12}
    unit = next((u for u, s in table.items() if length >= 0.9999 * s), "pm")
    return length, f"{length / table[unit]:.3g} {unit}"


def old_preview_length(*metres: float) -> str:
    table = (("mm", 1e-3), ("µm", 1e-6), ("nm", 1e-9))
    name, factor = next((u for u in table if max(metres) >= u[1]), table[-1])
    return " x ".join(f"{length / factor:.4g}" for length in metres) + f" {name}"


def old_report_metres(length: float) -> str:
    small = length < 1e-6
    return f"{length * 1e9:.1f} nm" if small else f"{length * 1e6:.3g} µm"


def old_ring_unit(pixel_m: float) -> tuple[float, str, str]:
    table = ((1e-6, "µm", "mm"), (1e-9, "nm", "µm"), (1e-12, "pm", "nm"))
    return next((u for u in table if pixel_m >= u[0]), table[-1])


_RNG = np.random.default_rng(0)
LENGTHS = [
    *(10.0 ** _RNG.uniform(-13.5, 2.5, 2000)).tolist(),
    *(float(f"{digits}e{power}") for power in range(-14, 3)
      for digits in (1, 0.99985, 0.99995, 0.9999, 1.05, 1.25, 2, 5, 9.995, 12.25)),
]  # fmt: skip


def test_lengths_are_shown_as_they_were() -> None:
    from napari_scicompty.cli._show import length
    from napari_scicompty.figures._panels import round_length
    from napari_scicompty.figures.ring_correlation import ring_unit

    for metres in LENGTHS:
        assert length(metres) == old_cli_length(metres)
        assert length(-metres) == old_cli_length(-metres)
        assert round_length(metres) == old_scale_bar(metres)
        assert ring_unit(metres) == old_ring_unit(metres)
    assert length(0.0) == old_cli_length(0.0)


@pytest.mark.gui
def test_lengths_are_shown_in_windows_as_they_were() -> None:
    from napari_scicompty.ui.reconstruction.positions_report import _metres
    from napari_scicompty.ui.virtual.preview import _length
    from napari_scicompty.ui.widgets import number_box

    for metres in LENGTHS:
        assert _metres(metres) == old_report_metres(metres)
        assert _length(metres, metres / 3) == old_preview_length(metres, metres / 3)
    assert number_box.UNITS == OF_BOXES
    assert [list(t) for t in number_box.UNITS.values()] == [
        list(t) for t in OF_BOXES.values()
    ]


def test_pint_is_imported_where_a_unit_is_met_and_not_before() -> None:
    code = (
        "import sys, napari_scicompty, napari_scicompty.cli, napari_scicompty.formats\n"
        "from napari_scicompty.core import units\n"
        "assert 'pint' not in sys.modules\n"
        "units.size('nm')\n"
        "assert 'pint' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


@pytest.mark.gui
@pytest.mark.parametrize(
    ("stored", "text", "value", "symbol"),
    [
        ("eV", "8.8 KeV", 8800.0, "keV"),
        ("eV", "8.8keV", 8800.0, "keV"),
        ("m", "75 um", 7.5e-5, "µm"),
        ("m", "1,5 A", 1.5e-10, "Å"),
        ("m", "2 microns", 2e-6, "µm"),
        ("m", "3 Mm", 1.0, "m"),  # neither mm nor m: left as it was
        ("m", "3 keV", 1.0, "m"),
        ("m", "3 px", 1.0, "m"),
        ("V", "200 A", 1.0, "V"),
        ("eV", "9**9**9 eV", 1.0, "eV"),
    ],
)
def test_a_number_box_reads_a_unit(
    qtbot: Any, stored: str, text: str, value: float, symbol: str
) -> None:
    from napari_scicompty.ui.widgets.number_box import UnitSpinBox

    edit = UnitSpinBox(stored)
    qtbot.addWidget(edit)
    edit.set_value(1.0)
    edit.box.lineEdit().setText(text)
    edit.box.editingFinished.emit()
    assert edit.units is not None
    assert (edit.value, edit.units.currentText()) == (value, symbol)
