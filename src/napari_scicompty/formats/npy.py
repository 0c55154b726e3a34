"""NPY: a numpy array of patterns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.files.reading import mapped_npy, read_npy
from napari_scicompty.formats._plain import READ, plain
from napari_scicompty.formats._raw import Raw, as_stack, check_frames, grid_of, summary

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.formats.choices import OpenChoices

_KIND = "NPY file"


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read patterns (n, h, w) or one frame (h, w).

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        None of them matters here.

    Returns
    -------
    Raw
        What the file holds, unchecked.

    Raises
    ------
    InputError
        A file that is missing, empty, damaged or holds something else.
    """
    del choices
    mapped = mapped_npy(path, _KIND)
    check_frames(mapped.shape, mapped.dtype, path)
    if mapped.flags.c_contiguous:
        array, how = plain(path, mapped.offset, mapped.dtype, mapped.shape, _KIND)
    else:  # in Fortran's order a frame lies all over the file
        array = np.ascontiguousarray(read_npy(path, _KIND, room_for_a_stack()))
        how = READ[False]
    patterns, notes = as_stack(array, path)
    note = summary(path, patterns, how)
    grid = grid_of(array.shape)
    return Raw(patterns, (path,), report=(*notes, note), grid=grid)
