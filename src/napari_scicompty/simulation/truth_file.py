"""The truth of a simulated scan, from the file that `save_scan` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.errors import InputError
from napari_scicompty.formats import stored_truth
from napari_scicompty.simulation.experiment import Truth

if TYPE_CHECKING:
    import os


def open_truth(path: str | os.PathLike[str]) -> Truth:
    """Open what a simulated scan was made of.

    Raises
    ------
    InputError
        A file that is missing or damaged, holds no truth, or that of another version.
    """
    try:
        return Truth(**stored_truth(path))
    except TypeError as error:
        raise InputError(
            f"{path}: its truth is of another version ({error}); simulate it again"
        ) from None
