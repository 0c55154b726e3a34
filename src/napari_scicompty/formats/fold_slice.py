"""fold_slice and PtychoShelves (HDF5): ``..._dp.hdf5`` and ``..._para.hdf5``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py

from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.formats._file_values import FileValues
from napari_scicompty.formats._pieces import load_joined
from napari_scicompty.formats._raw import Raw, as_stack, summary
from napari_scicompty.formats.known_positions import known_positions

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.formats._raw import Positions
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "fold_slice file"
_DATA, _ENDING, _BESIDE = "dp", "_dp", "_para"


def recognises(path: Path) -> bool:
    """Whether a file is called ``..._dp`` and holds patterns of that name.

    Parameters
    ----------
    path : Path
        The file.
    """
    if not path.stem.endswith(_ENDING):
        return False
    with opened(path, _KIND) as file:
        return isinstance(file.get(_DATA), h5py.Dataset)


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read patterns; positions and wavelength from the file beside it, if it is there.

    Parameters
    ----------
    path : Path
        The file of the patterns.
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    Raw
        What the files hold, unchecked.

    Raises
    ------
    InputError
        A file that is damaged.
    """
    with opened(path, _KIND, choices.allow_external) as file:
        array, how, absent, present = load_joined(file, [file[_DATA]], path)
        patterns, notes = as_stack(array, path)
        notes = (
            summary(path, patterns, how),
            *notes,
            "frames as stored; where MATLAB wrote them rows and columns are swapped: "
            "choose transpose",
            *file.notes,
        )
    beside = path.with_name(path.stem.removesuffix(_ENDING) + _BESIDE + path.suffix)
    positions: Positions | None = None
    geometry: dict[str, object] = {}
    if beside.is_file():
        with opened(beside, _KIND, choices.allow_external) as file:
            values = FileValues(file)
            values.take("wavelength_m", ["lambda"], "m")
            positions, geometry = known_positions(file, beside), values.geometry
            notes = (*notes, *values.report)
    files = (path, beside) if beside.is_file() else (path,)
    return Raw(patterns, files, positions, present, geometry, notes, excluded=absent)
