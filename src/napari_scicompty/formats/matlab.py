"""MATLAB files of before v7.3, which are no HDF5; and what scipy writes as such."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.files.reading import check_file, reading
from napari_scicompty.formats._named_arrays import Declared, read_named

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.formats._raw import Raw
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "MATLAB file"
_BYTES = {
    "double": 8, "single": 4, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2,
    "int32": 4, "uint32": 4, "int64": 8, "uint64": 8, "logical": 1,
}  # fmt: skip


def recognises(path: Path) -> bool:
    """Whether a file says that it is one of MATLAB before v7.3.

    Parameters
    ----------
    path : Path
        The file.
    """
    with reading(path, _KIND), path.open("rb") as file:
        return file.read(10) == b"MATLAB 5.0"


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read the only stack, or the arrays that were named.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        Names of arrays, where there are several.

    Returns
    -------
    Raw
        What the file holds, unchecked.

    Raises
    ------
    InputError
        A file that is damaged, or arrays that do not fit.
    """
    from scipy import io

    with reading(path, _KIND):
        check_file(path, _KIND)
        held = {
            name: Declared(shape, math.prod(shape) * _BYTES[kind])
            for name, shape, kind in io.whosmat(path)
            if kind in _BYTES
        }

        def get(name: str) -> NDArray[Any]:
            return np.asarray(io.loadmat(path, variable_names=[name])[name])

        return read_named(path, choices, held, get, _frames_first)


def _frames_first(array: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Bring frames to (..., h, w): MATLAB counts them along the last axes.

    Where the frames are square and the count differs, the shape tells which axes they
    are; python programs write the count first.
    """
    if array.ndim < 3:
        return array, ""
    is_first = array.shape[-1] == array.shape[-2] and array.shape[0] != array.shape[1]
    if is_first:
        return array, f"axes {array.shape}: the patterns are counted along the first"
    lead = range(array.ndim - 1, 1, -1)
    turned = np.ascontiguousarray(array.transpose(*lead, 0, 1))
    return turned, (
        f"axes {array.shape}: the patterns are counted along the last, as in MATLAB"
    )
