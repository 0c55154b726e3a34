"""The truth of a simulated scan, from the file that `save_scan` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.geometry import Geometry
from napari_scicompty.formats import stored_truth
from napari_scicompty.simulation.experiment import Truth

if TYPE_CHECKING:
    import os


_SCHEMA = {
    "object": ("fc", 2),
    "probe": ("fc", 3),
    "positions_m": ("f", 2),
    "distance_m": ("if", 0),
    "origin_m": ("if", 1),
    "pixel_size_m": ("if", 1),
}
"""Kinds of numbers and axes of what a truth holds beside its geometry."""


def open_truth(path: str | os.PathLike[str]) -> Truth:
    """Open what a simulated scan was made of.

    Parameters
    ----------
    path : path
        A scan that was simulated and saved with its truth.

    Returns
    -------
    Truth
        Object, probe and positions.

    Raises
    ------
    InputError
        A file that is missing or damaged, holds no truth, or that of another version,
        or one with values of another kind.
    """
    try:
        truth = Truth(**stored_truth(path))
    except TypeError as error:
        raise InputError(
            f"{path}: its truth is of another version ({error}); simulate it again"
        ) from error
    for name, (kinds, ndim) in _SCHEMA.items():
        value = np.asarray(getattr(truth, name))
        if value.dtype.kind not in kinds or value.ndim != ndim or not value.size:
            raise InputError(
                f"{path}: {name} of its truth is no array of {ndim} axes of numbers "
                f"({value.dtype}, shape {value.shape}); simulate it again"
            )
        if not np.isfinite(value).all():
            raise InputError(f"{path}: {name} of its truth is not finite; simulate it")
    if not isinstance(truth.geometry, Geometry):
        raise InputError(f"{path}: its truth holds no geometry; simulate it again")
    lengths = (*truth.pixel_size_m, truth.distance_m)
    if len(lengths) != 3 or len(truth.origin_m) != 2 or min(lengths) <= 0:
        raise InputError(
            f"{path}: pixel_size_m, origin_m and distance_m of its truth are "
            f"{truth.pixel_size_m}, {truth.origin_m} and {truth.distance_m}; simulate "
            "it again"
        )
    return truth
