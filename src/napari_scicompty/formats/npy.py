"""NPY: a numpy array of patterns, memory-mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.formats._raw import Raw, as_stack, check_file, reading

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path) -> Raw:
    """Read patterns (n, h, w) or one frame (h, w).

    Raises
    ------
    InputError
        A file that is missing, empty, damaged or holds something else.
    """
    with reading(path, "NPY file"):
        check_file(path, "NPY file")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        patterns, notes = as_stack(array, path)
    n, h, w = patterns.shape
    note = (
        f"{path.name}: {n} patterns of {h} x {w} pixels, {array.dtype}, memory-mapped"
    )
    return Raw(patterns, (path,), report=(*notes, note))
