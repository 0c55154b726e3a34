"""Frames that lie in a file one after the other: read into memory, never mapped.

A memory map would end the whole process where another program cuts the file short.
"""

from __future__ import annotations

import math
import threading
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.stacks import LazyStack
from napari_scicompty.files.reading import reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.core.stacks import Stack

READ = {False: "read into memory", True: "larger than memory, read as needed"}
"""How frames were read, by whether they come as a `LazyStack`."""
_SMALL_BYTES = 2**28
"""Up to so many, plain frames are read at once: what is larger is not worth a copy."""


def plain(
    path: Path,
    offset: int,
    dtype: np.dtype[np.generic],
    shape: tuple[int, ...],
    kind: str,
    most_bytes: int | None = None,
) -> tuple[Stack, str]:
    """Read frames (..., h, w), now if they are small, else as needed; and say which."""
    room = room_for_a_stack() if most_bytes is None else most_bytes
    size = math.prod(shape) * dtype.itemsize
    with reading(path, kind):
        if offset + size > path.stat().st_size:
            raise InputError(f"{path}: is truncated; copy or save it again")
        frames = _Frames(path, offset, dtype, shape[-2:], kind)
    stack = LazyStack(frames.read, (math.prod(shape[:-2]), *shape[-2:]), dtype)
    if size <= min(_SMALL_BYTES, room):
        return stack[:].reshape(shape), READ[False]
    return stack.reshape(*shape), "large, read as needed"


def runs(numbers: NDArray[np.int64], line: int) -> Iterator[tuple[int, int]]:
    """Yield where runs of consecutive numbers begin and end, none over a line's end."""
    jumps = (np.diff(numbers) != 1) | (numbers[1:] % line == 0)
    starts = [0, *(np.flatnonzero(jumps) + 1), len(numbers)]
    return ((begin, end) for begin, end in pairwise(starts) if end > begin)


class _Frames:
    """Frames from an offset on; the file stays open."""

    def __init__(
        self,
        path: Path,
        offset: int,
        dtype: np.dtype[np.generic],
        shape: tuple[int, ...],
        kind: str,
    ) -> None:
        self._path, self._offset, self._kind = path, offset, kind
        self._shape, self._dtype = shape, dtype
        self._frame_bytes = math.prod(shape) * dtype.itemsize
        self._file = path.open("rb", buffering=0)
        self._reading = threading.Lock()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def read(self, numbers: NDArray[np.int64]) -> NDArray[np.generic]:
        """Read frames (k, h, w), consecutive ones at once."""
        frames = np.empty((len(numbers), *self._shape), self._dtype)
        with reading(self._path, self._kind), self._reading:
            for begin, end in runs(numbers, 2**62):
                self._file.seek(self._offset + int(numbers[begin]) * self._frame_bytes)
                self._fill(frames[begin:end].reshape(-1).view(np.uint8).data)
        return frames

    def _fill(self, wanted: memoryview) -> None:
        while len(wanted):
            got = self._file.readinto(wanted)
            if not got:
                raise InputError(
                    f"{self._path}: ends before its last pattern, another program has "
                    "cut it short; copy it again and open it again"
                )
            wanted = wanted[got:]
