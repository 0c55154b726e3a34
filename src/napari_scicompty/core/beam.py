"""What is said of a beam: photons or electrons, and the angle of a detector pixel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_scicompty.core.geometry import Geometry

_VOLTAGES_V = (10e3, 1e6)
"""Of electron microscopes; a wavelength that belongs to one may be of electrons."""
_HARDEST_EV = 200e3
"""Photons of more are not used for this."""


def is_electrons(geometry: Geometry, voltage_given: bool = False) -> bool:
    """Whether a wavelength may be that of electrons.

    Parameters
    ----------
    geometry : Geometry
        How it was measured.
    voltage_given : bool
        Whether a voltage was given, and no wavelength or energy of photons.

    Returns
    -------
    bool
        True where a voltage was given, or belongs to an electron microscope.
    """
    low, high = _VOLTAGES_V
    return voltage_given or low <= geometry.voltage_v <= high


def beam_words(geometry: Geometry, voltage_given: bool = False) -> str:
    """Say which photons and which electrons have the wavelength, as far as they may.

    Parameters
    ----------
    geometry : Geometry
        How it was measured.
    voltage_given : bool
        Whether a voltage was given, and no wavelength or energy of photons.

    Returns
    -------
    str
        In brackets after a space, or empty: photons only below 200 keV and where no
        voltage was given, electrons only of 10 kV to 1 MV or where one was given.

    Examples
    --------
    >>> from napari_scicompty.core.geometry import Geometry
    >>> beam_words(Geometry.from_energy(8800, 1, 1e-6))
    ' (photons of 8.8 keV)'
    >>> beam_words(Geometry.from_voltage(300e3, 1, 1e-6))
    ' (electrons of 300 kV)'
    """
    said = []
    if geometry.energy_ev < _HARDEST_EV and not voltage_given:
        soft = geometry.energy_ev < 1e3
        size, unit = (1, "eV") if soft else (1e3, "keV")
        said.append(f"photons of {geometry.energy_ev / size:.5g} {unit}")
    if is_electrons(geometry, voltage_given):
        said.append(f"electrons of {geometry.voltage_v / 1e3:.5g} kV")
    return f" ({' or '.join(said)})" if said else ""


def pixel_angle(geometry: Geometry) -> str:
    """Say which angle and which spatial frequency a detector pixel covers.

    Parameters
    ----------
    geometry : Geometry
        How it was measured.

    Returns
    -------
    str
        In mrad and in 1/angstrom, of y and of x where they differ.

    Examples
    --------
    >>> from napari_scicompty.core.geometry import Geometry
    >>> pixel_angle(Geometry.from_voltage(300e3, 1, 5e-5))
    '0.05 mrad, 0.0025397 1/Å'
    """
    y, x = (math.atan(p / geometry.distance_m) for p in geometry.detector_pixel_m)
    angles = [y] if math.isclose(y, x) else [y, x]
    mrad = " x ".join(f"{angle * 1e3:.5g}" for angle in angles)
    inverse = " x ".join(
        f"{angle / geometry.wavelength_m * 1e-10:.5g}" for angle in angles
    )
    return f"{mrad} mrad, {inverse} 1/Å"
