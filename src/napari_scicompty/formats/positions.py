"""Scan positions: text, CSV, NPY, or SciComPty's HDF5 (micrometres); and saving."""

from __future__ import annotations

import math
import re
from array import array
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.files.hdf5_writing import refuse_damaged
from napari_scicompty.files.reading import check_file, read_npy, reading
from napari_scicompty.files.writing import never, replacing
from napari_scicompty.formats import datasets, hdf5
from napari_scicompty.formats._hdf5 import SUFFIXES as HDF5_SUFFIXES
from napari_scicompty.formats._raw import Positions
from napari_scicompty.formats.choices import POSITION_KEYS

if TYPE_CHECKING:
    import os
    from pathlib import Path
    from typing import Unpack

    from numpy.typing import ArrayLike

    from napari_scicompty.files.writing import Door
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "positions file"
_MOTORS = ("sample_motors/sample_x_pos", "sample_motors/sample_y_pos")
_EXACT = "%.17g"
"""Digits that give the same number back."""
_MOST_BYTES = 2**26
"""Of a text: some two million positions."""
_LONGEST_LINE = 4096
_BETWEEN = re.compile(r"\s*[,;]\s*|\s+")


def read(path: Path, choices: OpenChoices) -> Positions:
    """Read one position a pattern.

    Text and CSV: two numbers a line, separated by spaces, tabs, commas or semicolons;
    lines that start with ``#`` and one line of column names are skipped (names that
    begin with y and x tell that y comes first). NPY: an array (n, 2). SciComPty HDF5:
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
            return _from_hdf5(path, choices)
        if named := [name for name in POSITION_KEYS if getattr(choices, name)]:
            raise InputError(
                f"{path}: {named[0]} names a dataset of an HDF5 file; leave it out"
            )
        return _from_npy(path) if suffix == ".npy" else _from_text(path)


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


def _from_npy(path: Path) -> Positions:
    held = read_npy(path, _KIND)
    if (
        held.ndim != 2
        or held.shape[1] != 2
        or not held.size
        or held.dtype.kind not in "uif"
    ):
        raise InputError(
            f"{path}: holds an array of shape {held.shape} and dtype {held.dtype}; "
            "positions need (n, 2) numbers"
        )
    return Positions(_finite(held.astype(np.float64), path), name=path.name)


def _from_hdf5(path: Path, choices: OpenChoices) -> Positions:
    if not choices.damaged:
        refuse_damaged(path)
    if (named := hdf5.read_positions(path, choices)) is not None:
        return named
    with opened(path, _KIND, choices.allow_external) as file:
        missing = [name for name in _MOTORS if name not in file]
        if missing:
            fits = hdf5.hints(datasets.list_datasets(path)).get("positions_key", "")
            raise InputError(
                f"{path}: has no dataset /{missing[0]}, as SciComPty's positions have; "
                f"choose positions_key, or x_key and y_key{fits and ': '}{fits}"
            )
        x, y = (
            read_small(file[name], "uif").astype(np.float64).ravel() for name in _MOTORS
        )
    if len(x) != len(y) or not len(x):
        raise InputError(f"{path}: holds {len(x)} x and {len(y)} y; mend the file")
    return Positions(_finite(np.stack([x, y], 1), path), unit="um", name=path.name)


def _from_text(path: Path) -> Positions:
    check_file(path, _KIND, _MOST_BYTES)
    rows = array("d")
    names: list[str] = []
    with path.open(encoding="utf-8-sig") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE:
                raise InputError(
                    f"{path}, line {number}: is longer than {_LONGEST_LINE} characters;"
                    " give two numbers a line"
                )
            words = _BETWEEN.split(line.split("#")[0].strip().strip(",;"))
            if words == [""]:
                continue
            if not rows and not names and not any(_is_number(word) for word in words):
                names = words
                continue
            rows.extend(_row(words, path, number))
    if not rows:
        raise InputError(f"{path}: holds no positions; give two numbers a line")
    first_y = len(names) == 2 and [name[0].lower() for name in names] == ["y", "x"]
    return Positions(
        np.array(rows).reshape(-1, 2),
        order="yx" if first_y else "xy",
        name=path.name,
        report=(f"{path.name}: column names {', '.join(names)} skipped",)
        if names
        else (),
    )


def _row(words: list[str], path: Path, number: int) -> tuple[float, float]:
    try:
        x, y = map(float, words)
    except ValueError as error:
        raise InputError(
            f"{path}, line {number}: {' '.join(words)[:60]!r} is not two numbers; give "
            "two a line, separated by a space or a comma"
        ) from error
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InputError(
            f"{path}, line {number}: the position {' '.join(words)[:60]!r} is not "
            "finite; "
            "mend the line, or drop it together with its pattern"
        )
    return x, y


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _finite(columns: np.ndarray, path: Path) -> np.ndarray:
    bad = np.flatnonzero(~np.isfinite(columns).all(1))
    if len(bad):
        raise InputError(
            f"{path}: {len(bad)} position(s) are not finite, the first is number "
            f"{bad[0]} (from 0); mend them, or drop them together with their patterns"
        )
    return columns
