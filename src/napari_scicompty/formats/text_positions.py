"""Positions as text or CSV, with any number of columns."""

from __future__ import annotations

import math
import re
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.reading import check_file
from napari_scicompty.formats._raw import Positions
from napari_scicompty.formats._text_columns import columns_of, layout, names_axes
from napari_scicompty.formats.choices import COLUMN_CHOICES

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.formats._text_columns import Column, Layout
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "positions file"
_MOST_BYTES = 2**26
"""Of a text: some two million positions."""
_LONGEST_LINE = 4096
_BETWEEN = re.compile(r"\s*[,;]\s*|\s+")
_DECIMAL_COMMA = re.compile(r"\d,\d")


def read(path: Path, choices: OpenChoices) -> Positions:
    """Read one position a line.

    Numbers are separated by spaces, tabs, commas or semicolons; ``#`` starts a comment.
    One line of column names may come first, or stand in the last comment before the
    numbers: it tells which columns are x and y, their unit, and which one numbers the
    patterns. Without names two columns are x and y.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        Its ``x_column`` and ``y_column`` go before the names.

    Returns
    -------
    Positions
        In the order of the columns, with their unit.

    Raises
    ------
    InputError
        A file without positions, a line that does not parse, a value that is not
        finite, with the line; columns that do not tell which ones are positions.
    """
    check_file(path, _KIND, _MOST_BYTES)
    table = _Table(path, choices)
    with path.open(encoding="utf-8-sig") as file:
        number = 0
        while line := file.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE:
                raise InputError(
                    f"{path}, line {number}: is longer than {_LONGEST_LINE} characters;"
                    " give a position a line"
                )
            table.take(line, number)
    return table.positions()


class _Table:
    """Lines that become positions one by one."""

    def __init__(self, path: Path, choices: OpenChoices) -> None:
        self._path, self._choices = path, choices
        self._has_chosen = any(getattr(choices, n) is not None for n in COLUMN_CHOICES)
        if self._has_chosen and choices.position_order != "auto":
            raise InputError(
                "position_order: x_column and y_column tell it; leave it out"
            )
        self._names: list[Column] = []
        self._comment: list[Column] = []
        self._layout: Layout | None = None
        self._count = 0
        self._rows = array("d")

    def take(self, line: str, number: int) -> None:
        """Take a line: names, a comment or a position."""
        text, _, comment = line.partition("#")
        text = text.strip().strip(",;")
        if not text:
            if comment.strip() and self._layout is None:
                self._comment = columns_of(comment)
            return
        words = _BETWEEN.split(text)
        is_first = self._layout is None and not self._names
        if is_first and not any(_is_number(word) for word in words):
            self._names = columns_of(text)
            return
        self._check_commas(text, number)
        if self._layout is None:
            self._layout = self._laid_out(len(words))
            self._count = len(words)
        self._rows.extend(self._row(words, text, number))

    def _laid_out(self, count: int) -> Layout:
        names = self._names
        if not names and (self._has_chosen or names_axes(self._comment)):
            names = self._comment
        return layout(names, count, self._choices, self._path.name)

    def _check_commas(self, text: str, number: int) -> None:
        """Refuse ``1,5 2,5`` and ``1,5;2,5``: which commas part numbers is not told."""
        rest = re.sub(r"\s*,\s*", ",", text)
        if _DECIMAL_COMMA.search(text) and re.search(r"[;\s]", rest):
            raise InputError(
                f"{self._path}, line {number}: {text[:60]!r} has commas inside its "
                "numbers, or two kinds of separators; write 1.5 for 1,5"
            )

    def _row(self, words: list[str], text: str, number: int) -> list[float]:
        assert self._layout is not None
        x, y, index, _, _ = self._layout
        places = [x, y] if index is None else [x, y, index]
        where = f"{self._path}, line {number}"
        try:
            if len(words) != self._count:
                raise ValueError
            values = [float(words[place]) for place in places]
        except ValueError as error:
            wanted = "two numbers" if self._count == 2 else (
                f"{self._count} columns with numbers for x and y"
            )  # fmt: skip
            raise InputError(
                f"{where}: {text[:60]!r} is not {wanted}; give as many a line as "
                "before, separated by a space or a comma"
            ) from error
        if not all(map(math.isfinite, values)):
            raise InputError(
                f"{where}: the position {text[:60]!r} is not finite; mend the line, or "
                "drop it together with its pattern"
            )
        return values

    def positions(self) -> Positions:
        """Return what was taken."""
        if self._layout is None:
            raise InputError(
                f"{self._path}: holds no positions; give two numbers a line"
            )
        x, y, index, unit, report = self._layout
        rows = np.array(self._rows).reshape(-1, 2 if index is None else 3)
        columns, order = rows[:, :2], "xy"
        if y < x and not self._has_chosen:  # position_order counts as the file does
            columns, order = columns[:, ::-1], "yx"
        frames = None
        if index is not None:
            frames, note = _numbers(rows[:, 2], self._path)
            report = (*report, f"{self._path.name}: {self._names_index(index)} {note}")
        given: Any = {"order": order, "unit": unit or "m"}
        return Positions(
            columns, name=self._path.name, report=report, frames=frames, **given
        )

    def _names_index(self, index: int) -> str:
        return f"column {(self._names or self._comment)[index].name!r}"


def _numbers(
    values: NDArray[np.float64], path: Path
) -> tuple[NDArray[np.int64] | None, str]:
    """Turn a column into the numbers of the patterns, where it says more than order."""
    frames = values.astype(np.int64)
    if not np.array_equal(frames, values):
        raise InputError(
            f"{path}: the numbers of the patterns are not whole; mend them, or choose "
            "x_column and y_column by number in a file without names"
        )
    if frames[0] in (0, 1) and (np.diff(frames) == 1).all():
        return None, "counts the lines and is not used"
    return frames, "numbers the patterns, from 0"


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
