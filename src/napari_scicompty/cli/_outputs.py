"""Refuse before the work is done what could not be saved after it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from napari_scicompty.errors import InputError
from napari_scicompty.reading import expanded

if TYPE_CHECKING:
    from pathlib import Path


def check_outputs(*outputs: tuple[Path | None, tuple[str, ...]]) -> None:
    """Check files that are to be written: their folders, and how their names end.

    Parameters
    ----------
    *outputs : (path, suffixes)
        Those without a path are not wanted.

    Raises
    ------
    InputError
        A folder that is missing or cannot be written, or another suffix.
    """
    for path, suffixes in outputs:
        if path is None:
            continue
        folder = expanded(path).absolute().parent
        if not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise InputError(
                f"{path}: its folder is missing or cannot be written; choose another"
            )
        if not path.name.lower().endswith(suffixes):
            raise InputError(f"{path}: end its name with {' or '.join(suffixes)}")
