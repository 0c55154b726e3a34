"""Scan positions: text, CSV, NPY, or SciComPty's HDF5 (micrometres); and saving."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_writing import refuse_damaged
from napari_scicompty.files.reading import check_file, read_npy, reading
from napari_scicompty.files.writing import never, replacing
from napari_scicompty.formats import datasets, hdf5, text_positions
from napari_scicompty.formats._hdf5 import SUFFIXES as HDF5_SUFFIXES
from napari_scicompty.formats._raw import Positions
from napari_scicompty.formats._text_columns import layout
from napari_scicompty.formats.choices import COLUMN_CHOICES, POSITION_KEYS
from napari_scicompty.formats.known_positions import MOTORS, known_positions

if TYPE_CHECKING:
    import os
    from pathlib import Path
    from typing import Unpack

    from numpy.typing import ArrayLike

    from napari_scicompty.files.writing import Door
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "positions file"
_EXACT = "%.17g"
"""Digits that give the same number back."""


def read(path: Path, choices: OpenChoices) -> Positions:
    """Read one position a pattern.

    Text and CSV: see `text_positions`. NPY: an array (n, 2), or columns of a wider one
    that were chosen. SciComPty HDF5:
    the datasets ``/sample_motors/sample_x_pos`` and ``sample_y_pos``. Any other HDF5:
    the datasets that were named.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    Positions
        As the file has them, with their unit and order.

    Raises
    ------
    InputError
        A file that is missing, empty or damaged, a line that does not parse, a value
        that is not finite; with the file and the line.
    """
    with reading(path, _KIND):
        check_file(path, _KIND)
        suffix = path.suffix.lower()
        if suffix in HDF5_SUFFIXES:
            if named := [n for n in COLUMN_CHOICES if getattr(choices, n) is not None]:
                raise InputError(
                    f"{path}: {named[0]} names a column of a text; in HDF5 name "
                    "datasets, x_key and y_key"
                )
            return _from_hdf5(path, choices)
        if named := [name for name in POSITION_KEYS if getattr(choices, name)]:
            raise InputError(
                f"{path}: {named[0]} names a dataset of an HDF5 file; leave it out"
            )
        read = _from_npy if suffix == ".npy" else text_positions.read
        return read(path, choices)


def save_positions(
    path: str | os.PathLike[str], positions_m: ArrayLike, **door: Unpack[Door]
) -> None:
    """Save positions so that `open_scan` reads back the same numbers.

    Parameters
    ----------
    path
        Text; CSV where the name ends in ``.csv``, NPY where it ends in ``.npy``. Each
        holds x then y in metres.
    positions_m : (n, 2)
        (y, x) in metres.
    **door
        As in `files.writing.replacing`: ``overwrite=True`` replaces a table.

    Raises
    ------
    InputError
        A table that is there, a folder that is missing or cannot be written, or a full
        disk.
    """
    door = {"ours": never, **door}  # measured ones look the same
    columns = np.asarray(positions_m, np.float64)[:, ::-1]
    suffix = str(path).lower()[-4:]
    with replacing(path, **door) as part:
        if suffix == ".npy":
            with part.open("wb") as file:
                np.save(file, columns)
        elif suffix == ".csv":
            np.savetxt(part, columns, _EXACT, ",", header="x_m,y_m", comments="")
        else:
            np.savetxt(part, columns, _EXACT, header="x_m y_m")


def _from_npy(path: Path, choices: OpenChoices) -> Positions:
    held = read_npy(path, _KIND)
    if held.ndim != 2 or not held.size or held.dtype.kind not in "uif":
        raise InputError(
            f"{path}: holds an array of shape {held.shape} and dtype {held.dtype}; "
            "positions need (n, 2) numbers"
        )
    x, y, _, _, report = layout([], held.shape[1], choices, path.name)
    columns = _finite(held[:, [x, y]].astype(np.float64), path)
    return Positions(columns, name=path.name, report=report)


def _from_hdf5(path: Path, choices: OpenChoices) -> Positions:
    if not choices.damaged:
        refuse_damaged(path)
    if (named := hdf5.read_positions(path, choices)) is not None:
        return named
    with opened(path, _KIND, choices.allow_external) as file:
        found = known_positions(file, path)
        if found is None:
            fits = hdf5.hints(datasets.list_datasets(path)).get("positions_key", "")
            raise InputError(
                f"{path}: has no dataset /{MOTORS[0]}, as SciComPty's positions have, "
                "nor those of another program; choose positions_key, or x_key and "
                f"y_key{fits and ': '}{fits}"
            )
    return dataclasses.replace(found, columns=_finite(found.columns, path))


def _finite(columns: np.ndarray, path: Path) -> np.ndarray:
    bad = np.flatnonzero(~np.isfinite(columns).all(1))
    if len(bad):
        raise InputError(
            f"{path}: {len(bad)} position(s) are not finite, the first is number "
            f"{bad[0]} (from 0); mend them, or drop them together with their patterns"
        )
    return columns
