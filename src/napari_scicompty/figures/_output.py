"""Figures as files: PNG, SVG or PDF."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import matplotlib as mpl

from napari_scicompty.errors import InputError
from napari_scicompty.reading import expanded

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
"""File types that a figure can have."""
_MOST_PIXELS = 2**26


def write_figure(
    path: str | os.PathLike[str], draw: Callable[[], Figure], dpi: int
) -> None:
    """Draw and write a figure; text stays text in SVG and PDF.

    Raises
    ------
    InputError
        Another suffix, a folder that is missing or cannot be written.
    """
    where = expanded(path)
    kind = where.suffix.lower()
    if kind not in SUFFIXES:
        raise InputError(
            f"{where}: no figure can be saved as {kind or 'a file without suffix'!r}; "
            f"end its name with one of {', '.join(SUFFIXES)}"
        )
    page = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
        figure = draw()
        _check_pixels(figure, dpi)
        figure.savefig(page, format=kind[1:], dpi=dpi, facecolor="white")
    try:
        where.write_bytes(page.getvalue())
    except OSError as error:
        raise InputError(
            f"{where}: cannot be written ({error.strerror}); choose a folder that "
            "exists and that you may write to"
        ) from None


def _check_pixels(figure: Figure, dpi: int) -> None:
    """Refuse a page that would take gigabytes while it is drawn."""
    wide, high = figure.get_size_inches() * dpi
    if wide * high > _MOST_PIXELS:
        fitting = int(dpi * math.sqrt(_MOST_PIXELS / (wide * high)))
        raise InputError(
            f"FigureOptions.dpi: at {dpi} the figure would have {wide:.0f} x {high:.0f}"
            f" pixels; take at most {fitting} dots per inch, or a smaller width_mm"
        )
