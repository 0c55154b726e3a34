"""Publication figures of a snapshot: PNG, SVG or PDF, sized in millimetres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl

from napari_scicompty.figures import _panels
from napari_scicompty.figures._options import FigureOptions
from napari_scicompty.figures._output import SUFFIXES, save_picture, write_figure

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from matplotlib.figure import Figure

    from napari_scicompty.data.snapshot import Snapshot

__all__ = ["SUFFIXES", "FigureOptions", "draw_figure", "save_figure", "save_picture"]


def save_figure(
    path: str | os.PathLike[str],
    snapshot: Snapshot,
    *,
    overwrite: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
    **options: object,
) -> None:
    """Draw a snapshot and save it; the suffix says how: PNG, SVG or PDF.

    Text stays text in SVG and PDF.

    Parameters
    ----------
    path
        Ends in ``.png``, ``.svg`` or ``.pdf``.
    snapshot
        What to draw.
    overwrite
        Whether a file that this program did not write may be replaced.
    inputs
        Files that are never written over, beside those the snapshot was made from.
    **options
        Fields of `FigureOptions`: ``what=("phase", "modes")``, ``width_mm=85``.

    Raises
    ------
    InputError
        Another suffix, an option that is not there or out of range, a file that the
        result was made from or that this program did not write, a folder that is
        missing or cannot be written, or a full disk.
    """
    chosen = FigureOptions(**options)
    write_figure(
        path,
        lambda: draw_figure(snapshot, chosen),
        chosen.dpi,
        inputs=(*inputs, *snapshot.source.files),
        overwrite=overwrite,
    )


def draw_figure(snapshot: Snapshot, options: FigureOptions) -> Figure:
    """Draw a snapshot with matplotlib's objects, free of any backend.

    The object is cropped to the lit region; what was not lit stays white. Limits of the
    magnitude are the 0.5 and 99.5 percentiles over the lit region.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    options : FigureOptions
        Panels, size, colours and text.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved or shown.
    """
    with mpl.rc_context(
        {"font.size": options.font_size_pt, "axes.titlesize": "medium"}
    ):
        return _panels.draw(snapshot, options)
