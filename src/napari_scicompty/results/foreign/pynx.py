"""Results of PyNX (CXI): the last entry's object, probe and positions.

Both images have their first row on top, where y is largest; positions are (x, y) of
the middles of views, y up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.results.foreign._result import ForeignResult
from napari_scicompty.results.foreign._values import (
    first_of,
    has_all,
    number_of,
    pixel_from,
    through,
    values_of,
)

if TYPE_CHECKING:
    from napari_scicompty.files.hdf5_reading import Tree

_ENTRIES = ("entry_last", "entry_1")
_OBJECT, _PROBE, _POSITIONS = "result_1/data", "result_2/data", "result_5/data"
_CORNER = "result_1/corner_positions"
_DISTANCE = "instrument_1/detector_1/distance"
_WAVELENGTH = "instrument_1/beam_1/incident_wavelength"


def recognises(file: Tree) -> bool:
    """Whether a file has an entry with both results.

    Parameters
    ----------
    file : Tree
        The open file.
    """
    return _entry(file) is not None


def read(file: Tree) -> ForeignResult:
    """Read the last entry, in its order of rows.

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
    at = _entry(file)
    object, notes = through(values_of(file, f"{at}/{_OBJECT}"), 0)
    probe, more = first_of(values_of(file, f"{at}/{_PROBE}"), 3, "probes")
    sides = (number_of(file, f"{at}/result_1/{axis}_pixel_size") for axis in "yx")
    pixel = pixel_from(*sides)
    positions = origin = None
    rows = file.get(f"{at}/{_POSITIONS}")
    if rows is not None and pixel is not None:
        x, y = values_of(file, f"{at}/{_POSITIONS}")[:2].astype(np.float64)
        positions = np.stack([-y, x], 1) - np.multiply(probe.shape[-2:], pixel) / 2
        if has_all(file, (f"{at}/{_CORNER}",)):
            left, top = values_of(file, f"{at}/{_CORNER}").ravel()[:2]
            # Of each pixel the lowest y and the lowest x are told.
            origin = -float(top) - pixel[0], float(left)
    return ForeignResult(
        "PyNX",
        file.path,
        object.astype(np.complex64),
        probe,
        pixel,
        positions,
        origin,
        number_of(file, f"{at}/{_WAVELENGTH}"),
        number_of(file, f"{at}/{_DISTANCE}"),
        (*notes, *more, "rows begin on top, where y is largest"),
    )


def _entry(file: Tree) -> str | None:
    both = (_OBJECT, _PROBE)
    fitting = (e for e in _ENTRIES if has_all(file, tuple(f"{e}/{n}" for n in both)))
    return next(fitting, None)
