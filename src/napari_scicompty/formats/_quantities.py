"""Quantities of the geometry that the user names in an HDF5 file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.geometry import Geometry
from napari_scicompty.core.units import UNITS, size

if TYPE_CHECKING:
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

    from napari_scicompty.formats.choices import OpenChoices

QUANTITIES = {
    "wavelength": "m",
    "energy": "eV",
    "distance": "m",
    "detector_pixel": "m",
}
"""What may be named, and its unit where neither user nor file say one."""


def is_of_kind(unit: str, kind: str) -> bool:
    return unit in UNITS and UNITS[unit].kind == kind


def check_kind(
    unit: str, default: str, dataset: h5py.Dataset, path: Path, key: str
) -> None:
    if not is_of_kind(unit, UNITS[default].kind):
        raise InputError(
            f"{path}: {dataset.name} ({key}) is in {unit!r}, not a unit that fits; "
            f"choose {key.removesuffix('_key')}_unit"
        )


def numbers_of(
    dataset: h5py.Dataset, values: NDArray[np.float64], path: Path, key: str
) -> NDArray[np.float64]:
    """One number, two for the pixel; many only when they are all the same."""
    values = values.ravel()
    if values.size and np.allclose(values, values[0], rtol=1e-6, atol=0):
        return values[:1]
    if key == "detector_pixel_key" and values.size == 2:
        return values
    raise InputError(
        f"{path}: {key}={dataset.name!r} has shape {dataset.shape}; one number is "
        "needed: choose another dataset, or give the value itself"
    )


def energy_of(geometry: dict[str, Any], choices: OpenChoices) -> float | None:
    if choices.energy_key is None:
        return None
    return Geometry(geometry["wavelength_m"], 1, 1).energy_ev


def field_of(quantity: str, numbers: NDArray[np.float64]) -> tuple[str, object]:
    """Return the field of `Geometry` that a quantity gives, and its value."""
    if quantity == "energy":
        energy_ev = float(numbers[0]) / size("eV")
        return "wavelength_m", Geometry.from_energy(energy_ev, 1, 1).wavelength_m
    if quantity == "detector_pixel":
        return "detector_pixel_m", (float(numbers[0]), float(numbers[-1]))
    return f"{quantity}_m", float(numbers[0])
