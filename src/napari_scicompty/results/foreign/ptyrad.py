"""Results of PtyRAD (HDF5): tensors of object, probe and shifts; lengths in Å."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.results.foreign._result import ForeignResult
from napari_scicompty.results.foreign._values import (
    columns_of,
    first_of,
    has_all,
    number_of,
    pixel_of,
    through,
    values_of,
)

if TYPE_CHECKING:
    from napari_scicompty.files.hdf5_reading import Tree

_TENSORS, _MODEL = "optimizable_tensors/", "model_attributes/"
_AMPLITUDE, _PHASE = _TENSORS + "obja", _TENSORS + "objp"
_PROBE, _SHIFTS = _TENSORS + "probe", _TENSORS + "probe_pos_shifts"
_CORNERS, _PIXEL = _MODEL + "crop_pos", _MODEL + "dx"
_WAVELENGTH = _MODEL + "lambd"
_ANGSTROM = 1e-10


def recognises(file: Tree) -> bool:
    """Whether a file has the tensors of amplitude, phase and probe.

    Parameters
    ----------
    file : Tree
        The open file.
    """
    return has_all(file, (_AMPLITUDE, _PHASE, _PROBE))


def read(file: Tree) -> ForeignResult:
    """Read a result; positions are the corners of views and their shifts, in pixels.

    Parameters
    ----------
    file : Tree
        The open file.

    Returns
    -------
    ForeignResult
        Unchecked.

    Raises
    ------
    InputError
        What holds no numbers.
    """
    modes = values_of(file, _AMPLITUDE) * np.exp(1j * values_of(file, _PHASE))
    whole, notes = through(modes, -3)
    object, more = first_of(whole, 2, "modes of the object")
    pixel = pixel_of(file, _PIXEL, _ANGSTROM)
    corners, shifts = columns_of(file, _CORNERS), columns_of(file, _SHIFTS)
    positions = origin = None
    if corners is not None and pixel is not None:
        moved = corners if shifts is None else corners + shifts
        positions, origin = moved * pixel, (0.0, 0.0)
    wavelength = number_of(file, _WAVELENGTH)
    return ForeignResult(
        "PtyRAD",
        file.path,
        object,
        values_of(file, _PROBE).astype(np.complex64),
        pixel,
        positions,
        origin,
        None if wavelength is None else wavelength * _ANGSTROM,
        report=(*notes, *more),
    )
