"""Results of cdtools (HDF5): object, probe, their bases, and translations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.results.foreign._result import ForeignResult
from napari_scicompty.results.foreign._values import (
    columns_of,
    first_of,
    has_all,
    number_of,
    pair_of,
    pixel_from,
    values_of,
)

if TYPE_CHECKING:
    from napari_scicompty.files.hdf5_reading import Tree

_OBJECT, _PROBE, _BASIS = "obj", "probe", "obj_basis"
_POSITIONS, _FIRST = "translations", "state_dict/min_translation"


def recognises(file: Tree) -> bool:
    """Whether a file has an object, its basis, and a probe by these names.

    Parameters
    ----------
    file : Tree
        The open file.
    """
    return has_all(file, (_OBJECT, _PROBE, _BASIS))


def read(file: Tree) -> ForeignResult:
    """Read a result; translations are projected on the basis of the object's pixels.

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
    object, notes = first_of(values_of(file, _OBJECT), 2, "modes of the object")
    probe, more = first_of(values_of(file, _PROBE), 3, "probes")
    basis = columns_of(file, _BASIS)
    pixel = None if basis is None else pixel_from(*np.linalg.norm(basis, axis=0))
    translations = columns_of(file, _POSITIONS, 3)
    positions = origin = None
    if basis is not None and pixel is not None and translations is not None:
        positions = translations @ np.linalg.pinv(basis).T * pixel
        first = pair_of(file, _FIRST)
        if first is None:
            notes.append("the file does not tell where the first view begins")
        else:
            origin = first[0] * pixel[0], first[1] * pixel[1]
    return ForeignResult(
        "cdtools",
        file.path,
        object,
        probe,
        pixel,
        positions,
        origin,
        number_of(file, "wavelength"),
        report=(*notes, *more),
    )
