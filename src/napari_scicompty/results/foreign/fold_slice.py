"""Results of fold_slice and PtychoShelves: ``Niter*.mat`` of MATLAB v7.3 (HDF5).

HDF5 sees the axes of MATLAB in the reverse order. Positions are (x, y) in pixels from
the middle of the object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from napari_scicompty.results.foreign._result import ForeignResult
from napari_scicompty.results.foreign._values import (
    first_of,
    has_all,
    number_of,
    pixel_of,
    through,
    values_of,
)

if TYPE_CHECKING:
    from napari_scicompty.files.hdf5_reading import Tree

_OBJECT, _PROBE = "object", "probe"
_PIXEL, _WAVELENGTH = "p/dx_spec", "p/lambda"
_POSITIONS = "outputs/probe_positions"


def recognises(file: Tree) -> bool:
    """Whether a file has an object, a probe, and the structure of parameters.

    Parameters
    ----------
    file : Tree
        The open file.
    """
    is_group = isinstance(file.get("p"), h5py.Group)
    return is_group and has_all(file, (_OBJECT, _PROBE))


def read(file: Tree) -> ForeignResult:
    """Read a result, its axes brought to the order of rows and columns.

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
    slices = values_of(file, _OBJECT).swapaxes(-1, -2)
    whole, notes = through(slices.reshape(-1, *slices.shape[-2:]), 0)
    modes = values_of(file, _PROBE).swapaxes(-1, -2)
    modes = modes.reshape((1,) * (3 - modes.ndim) + modes.shape)
    probe, more = first_of(modes, 3, "variations of the probe")
    pixel = pixel_of(file, _PIXEL)
    positions = origin = None
    if pixel is not None and _POSITIONS in file:
        from_middle = values_of(file, _POSITIONS).T[:, ::-1].astype(np.float64)
        room = np.subtract(whole.shape, probe.shape[-2:])
        first = 1 - np.ceil(room / 2)
        positions = from_middle * pixel
        origin = float(first[0] * pixel[0]), float(first[1] * pixel[1])
    return ForeignResult(
        "fold_slice",
        file.path,
        whole.astype(np.complex64),
        probe,
        pixel,
        positions,
        origin,
        number_of(file, _WAVELENGTH),
        report=(*notes, *more),
    )
