"""Positions of a scan that was a raster: worked out from rows, columns and the step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.formats._raw import MissingChoice, Positions

if TYPE_CHECKING:
    from napari_scicompty.formats._raw import Raw
    from napari_scicompty.formats.choices import OpenChoices

RASTER_CHOICES = ("scan_rows", "scan_columns", "scan_step_m")
"""The fields of `OpenChoices` that describe a raster."""


def raster_positions(raw: Raw, choices: OpenChoices) -> Positions | None:
    """Work out the positions of a raster, by what the file and the choices say.

    Parameters
    ----------
    raw : Raw
        What the file holds; its grid and step go behind those that were chosen.
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    Positions or None
        (rows * columns, 2) as (y, x) in metres, row by row, centred; None where
        neither says anything of a step.

    Raises
    ------
    InputError
        A raster of which a part is missing, a step that is zero, or a unit beside it.
    """
    step = raw.step_m if choices.scan_step_m is None else choices.scan_step_m
    if step is None:
        if choices.scan_rows is None and choices.scan_columns is None:
            return None
        raise MissingChoice("scan_rows, scan_columns: a raster needs scan_step_m, too")
    for name in ("position_order", "position_unit"):
        if getattr(choices, name) != "auto":
            raise InputError(
                f"{name}: scan_step_m is (y, x) in metres, so that it has no meaning "
                "for a raster; leave it out"
            )
    step_m = np.broadcast_to(np.asarray(step, float), 2)
    if not (np.isfinite(step_m).all() and (step_m != 0).all()):
        raise InputError(f"scan_step_m is {step}; give a step that is not zero")
    rows, columns = _grid(raw, choices)
    places = np.indices((rows, columns)).reshape(2, -1).T
    middle = (np.array([rows, columns]) - 1) / 2
    of = "the file" if choices.scan_step_m is None else "scan_step_m"
    shown = " x ".join(dict.fromkeys(f"{s:.6g}" for s in step_m))
    note = (
        f"raster of {rows} x {columns} positions, {shown} m apart by {of}: row by row, "
        "columns (x) fastest, centred"
    )
    name = f"the raster of {rows} x {columns}"
    return Positions((places - middle) * step_m, "yx", "m", name, (note,))


def raster_hint(raw: Raw) -> str:
    """Say what would make the patterns of a file a raster.

    Parameters
    ----------
    raw : Raw
        What the file holds.

    Returns
    -------
    str
        The end of a sentence that asks for positions.
    """
    if raw.grid is None:
        return "scan_rows, scan_columns and scan_step_m of a raster"
    return f"scan_step_m of its raster of {raw.grid[0]} x {raw.grid[1]}"


def _grid(raw: Raw, choices: OpenChoices) -> tuple[int, int]:
    """Rows and columns: chosen, or of the file, or as many as the other one leaves."""
    rows, columns = choices.scan_rows, choices.scan_columns
    if rows is not None and columns is not None:
        return rows, columns
    n = len(raw.patterns)
    if rows is None and columns is None:
        if raw.grid is None:
            raise MissingChoice(
                f"scan_step_m: the {n} patterns are no grid in the file; also give "
                "scan_rows and scan_columns"
            )
        return raw.grid
    given = rows or columns or 1
    name, other = ("rows", "columns") if rows else ("columns", "rows")
    if n % given:
        raise InputError(
            f"scan_{name} is {given}, and {n} patterns are no multiple of it; also "
            f"give scan_{other}"
        )
    return (given, n // given) if rows else (n // given, given)
