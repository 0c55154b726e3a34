"""What all HDF5 readers share: units, frames, and what is missing of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.core import units
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.stacks import LazyStack
from napari_scicompty.files.hdf5_reading import handle_of_its_own
from napari_scicompty.files.hdf5_values import attribute, check_bomb, read_small
from napari_scicompty.files.reading import reading
from napari_scicompty.formats._plain import READ, plain, runs
from napari_scicompty.formats._raw import check_frames

if TYPE_CHECKING:
    import h5py
    from numpy.typing import NDArray

    from napari_scicompty.core.stacks import Stack
    from napari_scicompty.files.hdf5_reading import Missing

_KIND = "HDF5 file"
SUFFIXES = (".cxi", ".h5", ".hdf5", ".hdf", ".nxs", ".mat")


def unit_of(dataset: h5py.Dataset) -> str:
    """Tell the unit by its usual name where that is known, as written where not."""
    unit = attribute(dataset, "units", attribute(dataset, "unit", ""))
    text = str(unit).strip()
    known = units.named(text)
    return text if known is None else known.name


def in_si(
    dataset: h5py.Dataset, path: Path, unit: str | None = None
) -> NDArray[np.float64]:
    """Values in SI units, by `unit` or by the attribute ``units``, else as they are.

    Raises
    ------
    InputError
        A unit that is not known.
    """
    unit = unit or unit_of(dataset)
    if unit and unit not in units.OF_FILES:
        raise InputError(
            f"{path}: {dataset.name} is in {unit!r}, a unit that is not known; use one "
            f"of {', '.join(units.OF_FILES)}"
        )
    factor = units.size(unit) if unit else 1.0
    return read_small(dataset, "uif").astype(np.float64) * factor


def load(
    data: h5py.Dataset, path: Path, most_bytes: int | None = None
) -> tuple[Stack, str]:
    """Read frames of a dataset that was checked, or as needed; and say which.

    At once where they take at most `most_bytes`, or less than memory has room for.
    """
    check_frames(data.shape or (), data.dtype, path)
    check_bomb(data)
    offset = None if data.external or data.is_virtual else data.id.get_offset()
    where = Path(data.file.filename)
    if offset is not None:
        return plain(where, offset, data.dtype, data.shape, _KIND, most_bytes)
    room = room_for_a_stack() if most_bytes is None else most_bytes
    if data.ndim < 3 or data.nbytes <= room:
        return data[()], READ[False]
    frames = Frames(handle_of_its_own(data), where)
    return LazyStack(frames.read, data.shape, data.dtype), READ[True]


class Frames:
    """Frames of a dataset that is compressed or lies in parts; its file stays open.

    An array of zarr is read in the same way.
    """

    def __init__(self, data: Any, path: Path) -> None:
        self._data, self._path = data, path

    def read(self, numbers: NDArray[np.int64]) -> NDArray[np.generic]:
        """Read frames (k, h, w), consecutive ones of a scan line at once."""
        *lead, h, w = self._data.shape
        frames = np.empty((len(numbers), h, w), self._data.dtype)
        with reading(self._path, _KIND):
            for begin, end in runs(numbers, lead[-1]):
                *line, first = np.unravel_index(numbers[begin], lead)
                run = slice(first, first + end - begin)
                frames[begin:end] = self._data[(*line, run)]
        return frames


def filled_in(
    missing: list[Missing], shape: tuple[int, ...]
) -> tuple[tuple[int, ...], NDArray[np.bool_] | None]:
    """Turn missing parts of a stack (..., h, w) into what is left out of it.

    Returns
    -------
    tuple of int
        Frames without any source for some of their pixels.
    array (h, w), optional
        False at pixels that have none in any frame: those are masked instead.
    """
    *lead, h, w = shape
    numbers = np.arange(math.prod(lead)).reshape(lead)
    out = np.zeros(numbers.size, bool)
    good = np.ones((h, w), bool)
    for part in missing:
        box = tuple(slice(a, b + 1) for a, b in zip(part[0], part[1], strict=True))
        frames = numbers[box[:-2]].ravel()
        if len(frames) == numbers.size and not _is_whole(box[-2:], (h, w)):
            good[box[-2:]] = False
        else:
            out[frames] = True
    return tuple(np.flatnonzero(out).tolist()), None if good.all() else good


def _is_whole(box: tuple[slice, ...], shape: tuple[int, int]) -> bool:
    return all(s.start == 0 and s.stop >= n for s, n in zip(box, shape, strict=True))
