"""Figures as files: PNG, SVG or PDF."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

from napari_scicompty.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
"""File types that a figure can have."""


def write_figure(
    path: str | os.PathLike[str], draw: Callable[[], Figure], dpi: int
) -> None:
    """Draw and write a figure; text stays text in SVG and PDF.

    Raises
    ------
    InputError
        Another suffix, a folder that is missing or cannot be written.
    """
    where = Path(path).expanduser()
    kind = where.suffix.lower()
    if kind not in SUFFIXES:
        raise InputError(
            f"{where}: no figure can be saved as {kind or 'a file without suffix'!r}; "
            f"end its name with one of {', '.join(SUFFIXES)}"
        )
    page = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
        draw().savefig(page, format=kind[1:], dpi=dpi, facecolor="white")
    try:
        where.write_bytes(page.getvalue())
    except OSError as error:
        raise InputError(
            f"{where}: cannot be written ({error.strerror}); choose a folder that "
            "exists and that you may write to"
        ) from None
