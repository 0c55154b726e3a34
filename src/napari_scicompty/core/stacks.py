"""Stacks of frames that may be larger than memory: walked and read piece by piece.

`LazyStack` is kept although napari brings dask.array, which does the same: a pass over
1 GB in random order takes half the time of dask's best where frames are compressed (2.1
against 4.5 s), and a twentieth or less where they are plain (0.15 against 3.9 s), with
less memory (36 against 43 MB, 5 against 24 MB); ``tests/benchmarks/stacks.py``.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import DTypeLike, NDArray

    Stack: TypeAlias = "NDArray[Any] | LazyStack"
    """Frames (n, h, w) in memory, in a memory map, or read when needed."""
    Read = Callable[[NDArray[np.int64]], NDArray[Any]]
    Step = Callable[[NDArray[Any]], NDArray[Any]]

_CHUNK_BYTES = 8 * 2**20


class LazyStack:
    """Frames that are read from their file when they are asked for.

    Indexed along its first axis it gives arrays. What is done to whole frames
    (``stack[..., rows, columns]``, `swapaxes`, `then`) is done as they are read.

    Parameters
    ----------
    read : callable
        Frames (k, h, w) by their numbers (k,), counted along all axes before the frame.
    shape : tuple of int
        (..., h, w).
    dtype : dtype
        Of the frames.
    """

    def __init__(self, read: Read, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._read = read
        self.shape = tuple(int(length) for length in shape)
        self.dtype = np.dtype(dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes that all frames would take."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return self.shape[0]

    def __getitem__(self, key: object) -> Any:
        """Read frames; of all of them, ``[..., rows, columns]``, when asked for."""
        first, *inside = key if isinstance(key, tuple) else (key,)
        if first is Ellipsis:
            return self.then(lambda frames: frames[(..., *inside)])
        if isinstance(first, slice) and self.ndim == 3:
            chosen = np.arange(*first.indices(len(self)))
        else:
            numbers = np.arange(int(np.prod(self.shape[:-2])))
            chosen = numbers.reshape(self.shape[:-2])[first]
        frames = self._read(chosen.ravel()).reshape(*chosen.shape, *self.shape[-2:])
        return frames[(*[slice(None)] * chosen.ndim, *inside)] if inside else frames

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> Any:
        """Read everything."""
        del copy
        return np.asarray(self[:], dtype)

    def reshape(self, *shape: int) -> LazyStack:
        """Arrange the frames in another way; they stay as they are.

        Parameters
        ----------
        *shape : int
            New shape (..., h, w); the last two must stay as they are.

        Returns
        -------
        LazyStack
            Nothing is read.
        """
        lead = np.empty(self.shape[:-2], bool).reshape(shape[:-2]).shape
        return LazyStack(self._read, (*lead, *self.shape[-2:]), self.dtype)

    def swapaxes(self, first: int, second: int) -> LazyStack:
        """Swap axes of the frames, counted from the end.

        Parameters
        ----------
        first, second : int
            -2 (rows) and -1 (columns).

        Returns
        -------
        LazyStack
            Nothing is read.
        """
        return self.then(lambda frames: frames.swapaxes(first, second))

    def then(self, step: Step) -> LazyStack:
        """Apply `step` to frames (k, h, w) as they are read.

        Parameters
        ----------
        step : callable
            Takes frames (k, h, w) and returns as many, maybe of another size and
            type.

        Returns
        -------
        LazyStack
            Nothing is read; `step` is tried on one frame of zeros.
        """
        seen = step(np.zeros((1, *self.shape[-2:]), self.dtype))
        shape = (*self.shape[:-2], *seen.shape[-2:])
        return LazyStack(lambda numbers: step(self._read(numbers)), shape, seen.dtype)


def changed(patterns: Stack, step: Step, room: float) -> Stack:
    """Apply `step` to frames (k, h, w) of a stack (n, h, w).

    At once, into a new array, where that takes at most `room` bytes; else as they are
    read.

    Parameters
    ----------
    patterns : stack (n, h, w)
        Array, memory map or `LazyStack`.
    step : callable
        Takes frames (k, h, w) and returns as many.
    room : float
        Bytes that a new array may take.

    Returns
    -------
    array or LazyStack (n, h', w')
        The size of the frames is that of what `step` returns.
    """
    lazy = patterns
    if not isinstance(lazy, LazyStack):
        lazy = LazyStack(lambda j: patterns[j], patterns.shape, patterns.dtype)
    after = lazy.then(step)
    if after.nbytes > room:
        return after
    array = np.empty(after.shape, after.dtype)
    for part, frames in chunks(patterns):
        array[part] = step(frames)
    return array


def taken(patterns: Stack, numbers: NDArray[np.int64]) -> Stack:
    """Take frames of a stack (n, h, w) by number; what is on disk stays there.

    Parameters
    ----------
    patterns : stack (n, h, w)
        Array, memory map or `LazyStack`.
    numbers : array (k,) int
        Which ones, in this order.

    Returns
    -------
    array or LazyStack (k, h, w)
        A view of the array where the numbers are evenly spaced.
    """
    steps = np.unique(np.diff(numbers))
    is_regular = len(steps) == 1 and steps[0] > 0
    if is_regular and isinstance(patterns, np.ndarray):
        return patterns[numbers[0] : numbers[-1] + 1 : steps[0]]
    shape = (len(numbers), *patterns.shape[1:])
    stack = LazyStack(lambda k: patterns[numbers[k]], shape, patterns.dtype)
    return stack if isinstance(patterns, np.memmap | LazyStack) else stack[:]


def chunks(patterns: Stack) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield (slice, patterns as stored) of a stack (n, h, w) in small pieces.

    Parameters
    ----------
    patterns : stack (n, h, w)
        Array, memory map or `LazyStack`.
    """
    n, h, w = patterns.shape
    step = max(1, _CHUNK_BYTES // max(1, 4 * h * w))
    for start in range(0, n, step):
        part = slice(start, min(n, start + step))
        yield part, patterns[part]
        release(patterns)


def release(patterns: Stack) -> None:
    """Let go of the memory that a read-only memory map has been read into.

    The system would do so only when memory is short; what is read again comes from the
    system's cache of files.

    Parameters
    ----------
    patterns : stack (n, h, w)
        Nothing happens where it is no read-only memory map.
    """
    owner: object = patterns
    is_read_only = False
    while isinstance(owner, np.ndarray):
        is_read_only = isinstance(owner, np.memmap) and owner.mode == "r"
        owner = owner.base
    if is_read_only and isinstance(owner, mmap.mmap) and hasattr(owner, "madvise"):
        owner.madvise(mmap.MADV_DONTNEED)
