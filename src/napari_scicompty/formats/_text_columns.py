"""Columns of a text of positions: what their names say, and which ones were chosen."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from napari_scicompty.core import units
from napari_scicompty.core.errors import InputError
from napari_scicompty.formats._raw import POSITION_UNITS, MissingChoice

if TYPE_CHECKING:
    from napari_scicompty.formats.choices import OpenChoices

_IN_BRACKETS = re.compile(r"\s*[\[(]\s*([^\])]*?)\s*[\])]\s*$")
_AT_THE_END = re.compile(r"[_\s-]([A-Za-zµμÅ]+)$")
_INDEX = re.compile(
    r"(frame|pattern|image|exposure)s?([ _-]?(index|indices|idx|number|num|nr|no|id))?"
    r"|index|indices|idx",
    re.IGNORECASE,
)


def _axis(letter: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?<![a-z]){letter}(?![a-z])|(pos|sam|mot|stage|probe|encoder){letter}(?![a-z])"
        rf"|(?<![a-z]){letter}(pos|mot|axis)",
        re.IGNORECASE,
    )


_AXES = {axis: _axis(axis) for axis in "xy"}


class Column(NamedTuple):
    """The name of a column, and its unit where the name tells one."""

    name: str
    base: str
    unit: str


class Layout(NamedTuple):
    """Which columns hold what, counted from 0."""

    x: int
    y: int
    frame: int | None
    unit: str
    report: tuple[str, ...]


def columns_of(line: str) -> list[Column]:
    """Take the names of columns apart: ``x [um], y [um]``, ``x_um y_um``.

    Parameters
    ----------
    line : str
        Without the sign of a comment.

    Returns
    -------
    list of Column
        In the order of the line.
    """
    if re.search("[,;\t]", line):
        names = re.split(r"\s*[,;\t]\s*", line.strip().strip(",;"))
    else:  # a space before a bracket parts a unit from its name
        names = re.sub(r"\s+(?=[\[(])", "", line.strip()).split()
    return [_column(name.strip("\"' ")) for name in names]


def _column(name: str) -> Column:
    for pattern in (_IN_BRACKETS, _AT_THE_END):
        if (found := pattern.search(name)) is not None:
            unit = units.named(found[1])
            if unit is not None:
                return Column(name, name[: found.start()], unit.name)
            if pattern is _IN_BRACKETS:
                return Column(name, name[: found.start()], found[1])
    return Column(name, name, "")


def layout(
    columns: list[Column], count: int, choices: OpenChoices, where: str
) -> Layout:
    """Say which of `count` columns are x, y and the number of the pattern.

    Parameters
    ----------
    columns : list of Column
        Empty where the file names none.
    count : int
        Columns of the numbers.
    choices : OpenChoices
        Its ``x_column`` and ``y_column`` go first.
    where : str
        The file, for sentences.

    Returns
    -------
    Layout
        With lines for the report.

    Raises
    ------
    InputError
        A column that was chosen and is not there, or columns that do not tell.
    """
    if len(columns) != count:
        columns = []
    of_x, of_y = choices.x_column, choices.y_column
    if (of_x is None) != (of_y is None):
        raise InputError("x_column and y_column belong together; give both")
    if of_x is not None and of_y is not None:
        x = _chosen(of_x, "x", columns, count, where)
        y = _chosen(of_y, "y", columns, count, where)
        how = "as chosen"
    elif (pair := _by_name(columns, where)) is not None:
        (x, y), how = pair, "by their names"
    elif count == 2:
        x, y, how = 0, 1, ""
        if columns and [c.base[:1].lower() for c in columns] == ["y", "x"]:
            x, y = 1, 0
    else:
        held = ", ".join(repr(c.name) for c in columns[:12]) or "without names"
        raise MissingChoice(
            f"{where}: holds {count} columns ({held}); choose x_column and y_column, "
            "by name or by number from 0"
        )
    if x == y:
        raise InputError(f"{where}: x_column and y_column are the same column")
    return _told(columns, count, (x, y), how, where, choices)


def names_axes(columns: list[Column]) -> bool:
    """Whether columns are called x and y."""
    return all(any(p.search(c.base) for c in columns) for p in _AXES.values())


def _chosen(name: str, axis: str, columns: list[Column], count: int, where: str) -> int:
    fits = [j for j, column in enumerate(columns) if name in (column.name, column.base)]
    if len(fits) == 1:
        return fits[0]
    if name.isdigit() and int(name) < count:
        return int(name)
    names = ", ".join(repr(column.name) for column in columns[:12])
    raise InputError(
        f"{where}: {axis}_column={name!r} is not among its columns; choose one of "
        f"{f'{names}, or ' if names else ''}0 to {count - 1}"
    )


def _by_name(columns: list[Column], where: str) -> tuple[int, int] | None:
    """Find the two columns that are called x and y; None where there are no such."""
    found = []
    for axis, pattern in _AXES.items():
        fits = [j for j, column in enumerate(columns) if pattern.search(column.base)]
        exact = [j for j in fits if columns[j].base.lower() == axis]
        fits = exact if len(exact) == 1 else fits
        if not fits:
            return None
        if len(fits) > 1:
            names = " or ".join(repr(columns[j].name) for j in fits[:4])
            raise MissingChoice(f"{where}: choose {axis}_column={names}")
        found += fits
    return found[0], found[1]


def _told(
    columns: list[Column],
    count: int,
    places: tuple[int, int],
    how: str,
    where: str,
    choices: OpenChoices,
) -> Layout:
    """Check the unit, find the numbers of patterns, and say it all."""
    x, y = places
    if not columns:
        shown = f"{where}: columns {x} (x) and {y} (y) of {count}, {how}"
        return Layout(x, y, None, "", (shown,) if how else ())
    names = ", ".join(column.name for column in columns)
    if not how:
        return Layout(x, y, None, "", (f"{where}: column names {names} skipped",))
    unit, other = columns[x].unit, columns[y].unit
    if choices.position_unit != "auto":
        unit = other = ""
    if unit != other or (unit and unit not in POSITION_UNITS):
        raise InputError(
            f"{where}: {columns[x].name!r} and {columns[y].name!r} name no common unit "
            f"of positions; choose position_unit, one of {', '.join(POSITION_UNITS)}"
        )
    rest = [j for j in range(count) if j not in places]
    index = next((j for j in rest if _INDEX.fullmatch(columns[j].base)), None)
    left = ", ".join(columns[j].name for j in rest if j != index)
    text = f"{where}: x from column {columns[x].name!r}, y from {columns[y].name!r}"
    text += f", {how}" + (f"; not used: {left}" if left else "")
    return Layout(x, y, index, unit, (text,))
