"""Wavelength of a CXI or NXcxi_ptycho file, and why a value of it is not used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from scipy import constants

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.geometry import Geometry
from napari_scicompty.core.units import OF_FILES
from napari_scicompty.formats._hdf5 import in_si, unit_of

if TYPE_CHECKING:
    from pathlib import Path

    import h5py

    from napari_scicompty.files.hdf5_reading import Tree

SOURCE = "entry_1/instrument_1/source_1/"
_BEAM = "entry_1/instrument_1/beam_1/"
_CANDIDATES = (
    _BEAM + "incident_beam_energy",
    _BEAM + "energy",
    SOURCE + "wavelength",
    SOURCE + "energy",
)
"""The beam goes before the source: NXcxi_ptycho has the storage ring's energy there."""
_WAVELENGTHS_M = (1e-13, 1e-4)


class Beam(NamedTuple):
    """What a file says of the wavelength."""

    wavelength_m: float | None
    energy_ev: float | None
    """Where it gives that and not the wavelength."""
    notes: tuple[str, ...]
    unused: str
    """Values that are there and mean nothing; empty where there are none."""


def beam_of(file: Tree, path: Path) -> Beam:
    """Find the first value that can be a wavelength, or an energy of photons.

    Parameters
    ----------
    file : Tree
        The open file.
    path : Path
        The file, for sentences.

    Returns
    -------
    Beam
        Energies without a unit are in joule, as CXI has them.

    Raises
    ------
    InputError
        Values that are no number, or several.
    """
    faults = []
    for name in _CANDIDATES:
        if name not in file:
            continue
        wavelength, fault = _wavelength(file[name], path)
        if wavelength is None:
            faults.append(fault)
            continue
        ev = Geometry(wavelength, 1, 1).energy_ev
        unit = "" if unit_of(file[name]) or name.endswith("wavelength") else " (joule)"
        said = f"wavelength {wavelength:.5g} m ({ev:.6g} eV) from /{name}{unit}"
        energy = None if name.endswith("wavelength") else ev
        return Beam(wavelength, energy, (*faults, said), "")
    return Beam(None, None, (), "; ".join(faults))


def _wavelength(dataset: h5py.Dataset, path: Path) -> tuple[float | None, str]:
    """Return a wavelength in metres, or why it is none."""
    unit = unit_of(dataset)
    if unit and unit not in OF_FILES:
        return None, f"{dataset.name} is in {unit[:40]!r}: not used"
    values = in_si(dataset, path)
    if values.ndim > 2 or not values.size:
        raise InputError(
            f"{path}: {dataset.name} has shape {values.shape}; one number is needed"
        )
    value = float(values.flat[0])
    is_length = dataset.name.endswith("wavelength")
    wavelength = value if is_length else constants.h * constants.c / (value or 1e99)
    if _WAVELENGTHS_M[0] < wavelength < _WAVELENGTHS_M[1]:
        return wavelength, ""
    shown = f"{float(dataset[()].flat[0]):.6g} {unit or 'without a unit'}"
    hint = "" if unit or is_length else "; if it is in eV choose energy_ev"
    return None, (
        f"{dataset.name} = {shown} gives a wavelength of {wavelength:.3g} m and is not "
        f"used{hint}"
    )
