"""Values of result files of other packages: fields, pairs, numbers, and what is odd."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.geometry import Geometry
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.files.hdf5_values import attribute, read_small

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.files.hdf5_reading import Item, Tree

    Pair = tuple[float, float]

_MATLAB = ("real", "imag")
"""Parts of a complex number as MATLAB stores it."""


def has_all(file: Tree, names: tuple[str, ...]) -> bool:
    """Whether every one of these is a dataset of the file."""
    return all(isinstance(file.get(name), h5py.Dataset) for name in names)


def values_of(file: Tree, name: str) -> NDArray[Any]:
    """Read an array of real or complex numbers, those of MATLAB too.

    Raises
    ------
    InputError
        It is missing, no array of numbers, or too large.
    """
    item = file.get(name)
    if item is None:
        raise InputError(f"{file.path}: holds no {name}; save the result anew")
    is_pair = isinstance(item, h5py.Dataset) and item.dtype.names == _MATLAB
    values = read_small(item, "V" if is_pair else "uifc", room_for_a_stack())
    return values["real"] + 1j * values["imag"] if is_pair else values


def number_of(file: Tree, name: str) -> float | None:
    """Read a number above zero from a dataset; None where there is none."""
    item = file.get(name)
    return positive(read_small(item, "uif")) if isinstance(item, h5py.Dataset) else None


def attribute_of(item: Item, name: str) -> float | None:
    """Read a number above zero from an attribute; None where there is none."""
    return positive(attribute(item, name, ()))


def positive(values: object) -> float | None:
    """Return the first of some values where it is a number above zero, else None."""
    numbers = np.asarray(values)
    if not numbers.size or numbers.dtype.kind not in "uif":
        return None
    first = float(numbers.flat[0])
    return first if 0 < first < math.inf else None


def pixel_of(file: Tree, name: str, unit_m: float = 1.0) -> Pair | None:
    """Read an object pixel (y, x) in metres; one number is a square."""
    item = file.get(name)
    if not isinstance(item, h5py.Dataset):
        return None
    return pixel_from(*read_small(item, "uif").ravel()[:2] * unit_m)


def pixel_from(*sides: float | None) -> Pair | None:
    """Return a pixel (y, x) of one side or two; None where one is not above zero."""
    if not sides or any(side is None or not 0 < side < math.inf for side in sides):
        return None
    return float(sides[0] or 0), float(sides[-1] or 0)


def pair_of(file: Tree, name: str) -> Pair | None:
    """Read two numbers of any sign, (y, x); None where there are none."""
    item = file.get(name)
    if not isinstance(item, h5py.Dataset) or item.size != 2:
        return None
    y, x = read_small(item, "uif").ravel()
    return float(y), float(x)


def columns_of(file: Tree, name: str, count: int = 2) -> NDArray[np.float64] | None:
    """Read positions (n, count); None where there are none of this shape."""
    item = file.get(name)
    if not isinstance(item, h5py.Dataset):
        return None
    values = read_small(item, "uif").astype(np.float64)
    return values if values.ndim == 2 and values.shape[1] == count else None


def wavelength_of(energy_ev: float | None) -> float | None:
    """Return the wavelength of photons in metres."""
    if energy_ev is None:
        return None
    return Geometry.from_energy(energy_ev, 1, 1).wavelength_m


def first_of(
    values: NDArray[Any], axes: int, what: str
) -> tuple[NDArray[np.complex64], list[str]]:
    """Take the first of each leading axis until `axes` are left; say what is left out.

    Parameters
    ----------
    values : array
        With more axes than are wanted, or as many.
    axes : int
        That stay, the last ones.
    what : str
        Name of the array, for the sentence.
    """
    lead = values.shape[: values.ndim - axes]
    left_out = math.prod(lead) - 1
    taken = values[(0,) * len(lead)].astype(np.complex64)
    return taken, [f"{what}: the first of {left_out + 1} is taken"] if left_out else []


def through(slices: NDArray[Any], axis: int) -> tuple[NDArray[Any], list[str]]:
    """Multiply the slices of an object along one axis: all that the wave passes."""
    if slices.shape[axis] == 1:
        return slices.take(0, axis), []
    note = f"object: the product of its {slices.shape[axis]} slices is taken"
    return slices.prod(axis), [note]
