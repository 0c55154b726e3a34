"""Patterns that lie in several datasets, such as data_000001, data_000002 and so on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.stacks import LazyStack
from napari_scicompty.formats._hdf5 import filled_in, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from napari_scicompty.core.stacks import Stack
    from napari_scicompty.files.hdf5_reading import Tree

_NUMBERED = re.compile(r"(.*?)(\d+)")


def natural(names: Iterable[str]) -> list[str]:
    """Sort names with their numbers counted as numbers."""
    return sorted(
        names,
        key=lambda name: [
            (int(part), "") if part.isdigit() else (-1, part)
            for part in re.split(r"(\d+)", name)
        ],
    )


def is_series(names: Iterable[str]) -> bool:
    """Whether names differ in the number at their end alone."""
    found = [_NUMBERED.fullmatch(name) for name in names]
    return len({match[1] if match else None for match in found} | {None}) == 2 and all(
        found
    )


def pieces_of(file: Tree, name: str) -> list[str]:
    """Datasets of a group whose names are one and a number, in that order.

    Parameters
    ----------
    file : Tree
        The open file; links that lead nowhere are left out, and its notes name them.
    name : str
        Of the group.

    Returns
    -------
    list of str
        Paths in the file; empty where this is no group, or holds no such datasets.
    """
    group = file.get(name)
    if not isinstance(group, h5py.Group):
        return []
    numbered = [f"{name.rstrip('/')}/{part}" for part in group]
    numbered = [path for path in numbered if _NUMBERED.fullmatch(path)]
    if not is_series(numbered):
        return []
    found = [path for path in natural(numbered) if file.get(path) is not None]
    return [path for path in found if isinstance(file.get(path), h5py.Dataset)]


def load_joined(
    file: Tree, parts: Sequence[h5py.Dataset], path: Path
) -> tuple[Stack, str, tuple[int, ...], NDArray[np.bool_] | None]:
    """Read one dataset as it is, or several as one stack (n, h, w).

    Parameters
    ----------
    file : Tree
        The open file.
    parts : sequence of h5py.Dataset
        That were checked, in order.
    path : Path
        The file, for sentences.

    Returns
    -------
    array : stack (..., h, w)
        In memory, or read as needed.
    how : str
        Which of both.
    absent : tuple of int
        Patterns that virtual datasets lack.
    present : array (h, w) bool or None
        Pixels that they have.

    Raises
    ------
    InputError
        Parts that differ in the shape or type of their frames.
    """
    if len(parts) == 1:
        array, how = load(parts[0], path)
        return array, how, *filled_in(file.missing(parts[0]), array.shape)
    for part in parts:
        if (part.shape[-2:], part.dtype) != (parts[0].shape[-2:], parts[0].dtype):
            raise InputError(
                f"{path}: {part.name} holds frames of {part.shape[-2:]}, {part.dtype}, "
                f"{parts[0].name} of {parts[0].shape[-2:]}, {parts[0].dtype}; name one "
                "of them alone"
            )
    whole = sum(part.nbytes for part in parts)
    most = room_for_a_stack() if whole <= room_for_a_stack() else 0
    loaded = [load(part, path, most) for part in parts]
    stacks = [array.reshape(-1, *array.shape[-2:]) for array, _ in loaded]
    absent: list[int] = []
    present = None
    begin = 0
    for part, stack in zip(parts, stacks, strict=True):
        lacking, good = filled_in(file.missing(part), part.shape)
        absent += [begin + j for j in lacking]
        begin += len(stack)
        if good is not None:
            present = good if present is None else present & good
    return joined(stacks), loaded[0][1], tuple(absent), present


def joined(stacks: Sequence[Stack]) -> Stack:
    """Put stacks (n, h, w) behind each other; what is on disk stays there.

    Parameters
    ----------
    stacks : sequence of stack (n, h, w)
        Of one shape and type of frames.
    """
    if all(isinstance(stack, np.ndarray) for stack in stacks):
        return np.concatenate(stacks)
    ends = np.cumsum([len(stack) for stack in stacks])

    def read(numbers: NDArray[np.int64]) -> NDArray[np.generic]:
        frames = np.empty((len(numbers), *stacks[0].shape[1:]), stacks[0].dtype)
        places = np.searchsorted(ends, numbers, "right")
        for at in np.unique(places):
            here = places == at
            frames[here] = stacks[at][numbers[here] - ends[at] + len(stacks[at])]
        return frames

    return LazyStack(read, (int(ends[-1]), *stacks[0].shape[1:]), stacks[0].dtype)


def joined_note(parts: Sequence[h5py.Dataset]) -> tuple[str, ...]:
    """Say which datasets were put behind each other, where there are several."""
    if len(parts) < 2:
        return ()
    counts = "+".join(str(len(part)) for part in parts[:6])
    more = "" if len(parts) < 7 else "+..."
    return (f"{len(parts)} datasets joined in their order ({counts}{more} patterns)",)


def files_of(parts: Iterable[h5py.Dataset]) -> tuple[Path, ...]:
    """Files in which datasets lie, each once."""
    return tuple(dict.fromkeys(Path(part.file.filename) for part in parts))
