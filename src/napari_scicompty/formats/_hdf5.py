"""What all HDF5 readers share: opening, units, memory maps."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin  # noqa: F401  (registers the compression filters of detectors)
import numpy as np
from scipy import constants

from napari_scicompty.errors import InputError
from napari_scicompty.formats._raw import READ, check_file, reading
from napari_scicompty.host_memory import room_for_a_stack
from napari_scicompty.stacks import LazyStack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.stacks import Stack

SUFFIXES = (".cxi", ".h5", ".hdf5", ".hdf", ".nxs", ".mat")
SI = {
    "m": 1.0, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "angstrom": 1e-10, "pm": 1e-12,
    "J": 1.0, "eV": constants.e, "keV": 1e3 * constants.e,
}  # fmt: skip
"""Units by their usual names, in metres and joule."""
_OTHER_NAMES = {
    "metre": "m", "metres": "m", "meter": "m", "meters": "m",
    "millimeter": "mm", "millimetre": "mm",
    "µm": "um", "μm": "um", "micron": "um", "microns": "um", "micrometer": "um",
    "micrometre": "um", "nanometer": "nm", "nanometre": "nm",
    "å": "angstrom", "a": "angstrom", "ang": "angstrom", "angstroms": "angstrom",
    "joule": "J", "pixel": "px", "pixels": "px", "px": "px",
}  # fmt: skip
_CACHE_BYTES = 64 * 2**20
"""Chunks of a dataset that stay decompressed."""
_NAMES = {name.lower(): name for name in SI} | _OTHER_NAMES


@contextmanager
def opened(path: Path, kind: str) -> Iterator[h5py.File]:
    """Open a file for reading; whatever goes wrong with it becomes one sentence.

    Raises
    ------
    InputError
        A file that is missing, empty, damaged, or no HDF5.
    """
    with reading(path, kind):
        check_file(path, kind)
        if not h5py.is_hdf5(path):
            raise InputError(
                f"{path}: cannot be read as a {kind}, it is damaged or of another "
                "kind: copy it again, or save it as HDF5 (MATLAB: with -v7.3)"
            )
        with h5py.File(path) as file:
            yield file


def unit_of(dataset: h5py.Dataset) -> str:
    """Tell the unit by its usual name where that is known, as written where not."""
    unit = dataset.attrs.get("units", dataset.attrs.get("unit", ""))
    text = (unit.decode() if isinstance(unit, bytes) else str(unit)).strip()
    return _NAMES.get(text.lower(), text)


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
    factor = SI.get(unit) if unit else 1.0
    if factor is None:
        raise InputError(
            f"{path}: {dataset.name} is in {unit!r}, a unit that is not known; use one "
            f"of {', '.join(SI)}"
        )
    return np.asarray(dataset[()], np.float64) * factor


def load(data: h5py.Dataset) -> tuple[Stack, str]:
    """Map a plain dataset into memory, read any other if it fits; and say which."""
    offset = None if data.external or data.is_virtual else data.id.get_offset()
    name = data.file.filename
    if offset is not None:
        return np.memmap(name, data.dtype, "r", offset, data.shape), "memory-mapped"
    if data.ndim < 3 or data.nbytes <= room_for_a_stack():
        return data[()], READ[False]
    # A handle of its own: the file that is being looked at is closed soon.
    frames = _Frames(h5py.File(name, rdcc_nbytes=_CACHE_BYTES)[data.name])
    return LazyStack(frames.read, data.shape, data.dtype), READ[True]


class _Frames:
    """Frames of a dataset that is not mapped; its file stays open."""

    def __init__(self, data: h5py.Dataset) -> None:
        self._data = data

    def read(self, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """Read frames (k, h, w), consecutive ones of a scan line at once."""
        *lead, h, w = self._data.shape
        frames = np.empty((len(numbers), h, w), self._data.dtype)
        jumps = (np.diff(numbers) != 1) | (numbers[1:] % lead[-1] == 0)
        starts = [0, *(np.flatnonzero(jumps) + 1), len(numbers)]
        for begin, end in pairwise(starts):
            if end > begin:
                *line, first = np.unravel_index(numbers[begin], lead)
                run = slice(first, first + end - begin)
                frames[begin:end] = self._data[(*line, run)]
        return frames
