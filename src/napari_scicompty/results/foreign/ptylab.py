"""Results of PtyLab (HDF5): object and probe of six axes, and corrected positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.results.foreign._result import ForeignResult
from napari_scicompty.results.foreign._values import (
    columns_of,
    first_of,
    has_all,
    number_of,
    pixel_of,
    through,
    values_of,
)

if TYPE_CHECKING:
    from napari_scicompty.files.hdf5_reading import Tree

_OBJECT, _PROBE, _PIXEL, _POSITIONS = "object", "probe", "dxp", "encoder_corrected"
_AXES = 6
"""Wavelength, mode of the object, mode of the probe, slice, row, column."""


def recognises(file: Tree) -> bool:
    """Whether a file has an object, a probe and the pixel of both.

    Parameters
    ----------
    file : Tree
        The open file.
    """
    return has_all(file, (_OBJECT, _PROBE, _PIXEL))


def read(file: Tree) -> ForeignResult:
    """Read a result; a position of zero is that of the view in the middle.

    Parameters
    ----------
    file : Tree
        The open file.

    Returns
    -------
    ForeignResult
        Unchecked.

    Raises
    ------
    InputError
        What holds no numbers.
    """
    objects, probes = (
        values.reshape((1,) * (_AXES - values.ndim) + values.shape)
        for values in (values_of(file, name) for name in (_OBJECT, _PROBE))
    )
    whole, notes = through(objects, -3)
    object, more = first_of(whole, 2, "modes of the object")
    probe, left = first_of(probes[..., 0, :, :], 3, "probes of other waves")
    pixel = pixel_of(file, _PIXEL)
    positions = columns_of(file, _POSITIONS)
    origin = None
    if pixel is not None:
        y, x = (
            (view // 2 - size // 2) * side
            for size, view, side in zip(
                object.shape, probe.shape[-2:], pixel, strict=True
            )
        )
        origin = y, x
    return ForeignResult(
        "PtyLab",
        file.path,
        object,
        probe,
        pixel,
        positions,
        origin,
        number_of(file, "wavelength"),
        number_of(file, "zo"),
        (*notes, *more, *left),
    )
