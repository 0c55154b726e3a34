"""A folder of files of one kind, each with one frame or several: NPY, HDF5, CBF."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.stacks import LazyStack
from napari_scicompty.files.reading import reading
from napari_scicompty.formats import FORMATS, read_patterns
from napari_scicompty.formats._pieces import natural
from napari_scicompty.formats._plain import READ
from napari_scicompty.formats._raw import Raw, summary
from napari_scicompty.formats.tiff import holds_frames

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.core.stacks import Stack
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "folder of patterns"


def recognises(path: Path) -> bool:
    """Whether a folder holds no TIFFs, and files of another known kind.

    Parameters
    ----------
    path : Path
        The folder.
    """
    with reading(path, _KIND):
        return not holds_frames(path) and bool(_files(path))


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read the files of the commonest kind in natural order, as one stack.

    Parameters
    ----------
    path : Path
        The folder.
    choices : OpenChoices
        ``data_key`` names the dataset in each file of HDF5.

    Returns
    -------
    Raw
        Patterns; mask and geometry are those of the first file.

    Raises
    ------
    InputError
        Files that cannot be read, or whose frames differ.
    """
    with reading(path, _KIND):
        files = _files(path)
    room, held, counts = room_for_a_stack(), 0, []
    stacks: list[Stack] = []
    first = read_patterns(files[0], choices)
    for file in files:
        patterns = first.patterns if file is files[0] else _frames(file, choices)
        shape, dtype = patterns.shape[1:], patterns.dtype
        if (shape, dtype) != (first.patterns.shape[1:], first.patterns.dtype):
            raise InputError(
                f"{file}: holds frames of {shape}, {dtype}, {files[0].name} of "
                f"{first.patterns.shape[1:]}, {first.patterns.dtype}; keep only "
                "patterns of one kind in the folder"
            )
        counts.append(len(patterns))
        held += patterns.nbytes
        stacks = [*stacks, patterns] if held <= room else []
    whole = len(stacks) == len(files)
    stack: Stack = (
        np.concatenate([np.asarray(part) for part in stacks])
        if whole
        else _as_needed(files, counts, first.patterns, choices)
    )
    return Raw(
        stack,
        tuple(files),
        mask=first.mask,
        geometry=first.geometry,
        report=(
            f"frames in the order of {len(files)} files, {files[0].name} to "
            f"{files[-1].name}",
            summary(path, stack, READ[not whole]),
        ),
        unused=first.unused,
        saturation=first.saturation,
        energy_ev=first.energy_ev,
    )


def _files(folder: Path) -> list[Path]:
    """Files of the kind that there are most of, in natural order."""
    known = {suffix for form in FORMATS.values() for suffix in form.suffixes}
    found = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in known
        and not file.name.startswith(".")
        and file.is_file()
    ]
    if not found:
        return []
    suffix = Counter(file.suffix.lower() for file in found).most_common(1)[0][0]
    names = natural(f.name for f in found if f.suffix.lower() == suffix)
    return [folder / name for name in names]


def _frames(file: Path, choices: OpenChoices) -> Stack:
    return read_patterns(file, choices).patterns


def _as_needed(
    files: list[Path], counts: list[int], like: Stack, choices: OpenChoices
) -> LazyStack:
    """Open a file again whenever frames of it are asked for."""
    ends = np.cumsum(counts)

    def read(numbers: NDArray[np.int64]) -> NDArray[np.generic]:
        frames = np.empty((len(numbers), *like.shape[1:]), like.dtype)
        places = np.searchsorted(ends, numbers, "right")
        for at in np.unique(places):
            here = places == at
            within = numbers[here] - ends[at] + counts[at]
            frames[here] = _frames(files[at], choices)[within]
        return frames

    return LazyStack(read, (int(ends[-1]), *like.shape[1:]), like.dtype)
