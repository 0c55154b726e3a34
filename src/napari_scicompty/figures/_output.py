"""Figures as files: PNG, SVG or PDF."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib import image

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.reading import expanded
from napari_scicompty.files.writing import MARK, write_bytes

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from typing import Unpack

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from napari_scicompty.files.writing import Door

_MADE_BY = {
    ".png": {"Software": MARK},
    ".svg": {"Creator": MARK},
    ".pdf": {"Creator": MARK},
}
SUFFIXES = tuple(_MADE_BY)
"""File types that a figure can have."""
_MOST_PIXELS = 2**26


def save_picture(
    path: str | os.PathLike[str], pixels: NDArray[np.uint8], **door: Unpack[Door]
) -> None:
    """Save pixels (h, w, 3 or 4) as they are, as PNG.

    Raises
    ------
    InputError
        A file that this program did not write, a folder that is missing or cannot be
        written, or a full disk.
    """
    page = io.BytesIO()
    image.imsave(page, pixels, format="png", metadata=_MADE_BY[".png"])
    write_bytes(path, page.getvalue(), **door)


def write_figure(
    path: str | os.PathLike[str],
    draw: Callable[[], Figure],
    dpi: int,
    **door: Unpack[Door],
) -> None:
    """Draw and write a figure; text stays text in SVG and PDF.

    Parameters
    ----------
    path : path
        Where to write; the suffix tells the format.
    draw : callable
        Returns the figure.
    dpi : int
        Pixels per inch, where the format has pixels.
    **door
        As in `files.writing.replacing`.

    Raises
    ------
    InputError
        Another suffix, a file that this program did not write, a folder that is missing
        or cannot be written, or a full disk.
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
        figure.savefig(
            page, format=kind[1:], dpi=dpi, facecolor="white", metadata=_MADE_BY[kind]
        )
    write_bytes(where, page.getvalue(), **door)


def _check_pixels(figure: Figure, dpi: int) -> None:
    """Refuse a page that would take gigabytes while it is drawn."""
    wide, high = figure.get_size_inches() * dpi
    if wide * high > _MOST_PIXELS:
        fitting = int(dpi * math.sqrt(_MOST_PIXELS / (wide * high)))
        raise InputError(
            field="FigureOptions.dpi",
            problem=f"at {dpi} the figure would have {wide:.0f} x {high:.0f} pixels",
            remedy=f"take at most {fitting} dots per inch, or a smaller width_mm",
        )
