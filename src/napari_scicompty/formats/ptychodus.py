"""Patterns of Ptychodus (HDF5), with their numbers and bad pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import attribute, read_small
from napari_scicompty.formats._pieces import load_joined
from napari_scicompty.formats._raw import Raw, as_stack, summary
from napari_scicompty.formats.masks import good_pixels

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.formats.choices import OpenChoices

_KIND = "Ptychodus file"
_DATA, _NUMBERS, _BAD = "patterns", "indexes", "bad_pixels"
_PIXEL = ("detector_pixel_height_m", "detector_pixel_width_m")


def recognises(path: Path) -> bool:
    """Whether a file holds patterns, their numbers, and bad pixels.

    Parameters
    ----------
    path : Path
        The file.
    """
    with opened(path, _KIND) as file:
        names = (_DATA, _NUMBERS, _BAD)
        return all(isinstance(file.get(name), h5py.Dataset) for name in names)


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read patterns, mask and detector pixel; positions lie in a file of their own.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    Raw
        What the file holds, unchecked.

    Raises
    ------
    InputError
        A file that is damaged.
    """
    with opened(path, _KIND, choices.allow_external) as file:
        dataset = file[_DATA]
        array, how, absent, _ = load_joined(file, [dataset], path)
        patterns, notes = as_stack(array, path)
        n = len(patterns)
        good, note = good_pixels(read_small(file[_BAD]), _BAD, "bad")
        numbers = read_small(file[_NUMBERS], "ui").ravel().astype(np.int64)
        sides = [float(attribute(dataset, name, 0.0)) for name in _PIXEL]
        has_pixel = all(0 < side < 1 for side in sides)
        return Raw(
            patterns,
            (path,),
            mask=good,
            geometry={"detector_pixel_m": tuple(sides)} if has_pixel else {},
            report=(
                summary(path, patterns, how),
                *notes,
                note,
                *file.notes,
            ),
            excluded=absent,
            numbers=numbers if len(numbers) == n else None,
        )
