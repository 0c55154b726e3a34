"""Findings about positions: alone, repeated, still, spread too thinly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.findings import Finding, leaving_out, numbered
from napari_scicompty.data.canvas import MARGIN
from napari_scicompty.data.checks import spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan

_FEWEST = 4
"""Views below which there is hardly any overlap to reconstruct from."""
_REPEATED = 0.1
"""Share of the positions from which repeats are told."""
_SEEN = 0.2
"""Share of the canvas below which it is mostly empty."""


def few(scan: Scan) -> Finding | None:
    """Ask whether there are views that can overlap.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    count = len(scan.included)
    if count >= _FEWEST:
        return None
    return Finding(
        "few-patterns",
        "positions",
        f"only {count} pattern(s) take part: the error says nothing of the object "
        "where no views overlap",
        "open the whole scan",
        "error",
    )


def alone(scan: Scan) -> Finding | None:
    """Ask whether a few positions lie far from all others.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    points, lost = _points(scan), _alone(scan)
    if not len(lost):
        return None
    kept = np.setdiff1d(np.arange(len(points)), lost)
    away = np.abs(points[lost] - np.median(points[kept], axis=0)).max()
    size, rest = (_by(_canvas(scan, p)) for p in (points, points[kept]))
    numbers = scan.included[lost]
    return Finding(
        "position-alone",
        "positions",
        f"position(s) {_listed(numbers)} stand alone, up to {away:.0f} pixels from the "
        f"others: the object has {size} pixels with them, {rest} without",
        f"mend them in the file, or leave them out (run.excluded={numbered(numbers)})",
        **leaving_out(numbers),
    )


def repeated(scan: Scan) -> Finding | None:
    """Ask whether many positions are the same as another one.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    points = _points(scan)
    places = len(spread.distinct(points))
    if len(points) - places <= _REPEATED * len(points) or places == 1:
        return None
    return Finding(
        "positions-repeated",
        "positions",
        f"{len(points)} positions lie at {places} different places only",
        "where frames were not taken several times at a place, the file or the columns "
        "are wrong",
    )


def still_axis(scan: Scan) -> Finding | None:
    """Ask whether one axis does not move at all.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    points = _points(scan)
    span = np.ptp(points, axis=0)
    if len(points) < _FEWEST or span.min() >= 1 or span.max() < 1:
        return None
    axis = "yx"[int(span.argmin())]
    return Finding(
        "axis-still",
        "positions",
        f"{axis} does not move: all {len(points)} positions have the same {axis} to "
        f"within {span.min():.2g} pixels",
        "where it is no line scan, the motor was not recorded: choose another column "
        "or dataset of positions",
    )


def empty_canvas(scan: Scan) -> Finding | None:
    """Ask whether most of the canvas is never seen.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    points = _points(scan)
    share = spread.seen_share(points, scan.frame_shape)
    if share >= _SEEN:
        return None
    lost = scan.included[_alone(scan)]
    blame = f", for position(s) {_listed(lost)} stand alone" if len(lost) else ""
    size = _canvas(scan, points)
    return Finding(
        "canvas-empty",
        "positions",
        f"the views show {share:.1%} of the object's {_by(size)} pixels{blame}; each "
        f"copy of it takes {8 * size[0] * size[1] / 2**20:.0f} MiB",
        "look at the scan path, the unit and the columns of the positions",
    )


def _points(scan: Scan) -> NDArray[np.float64]:
    """Positions (n, 2) in pixels of the patterns that take part."""
    return scan.positions_m[scan.included] / scan.pixel_size_m


def _alone(scan: Scan) -> NDArray[np.int64]:
    return spread.standing_alone(_points(scan), scan.frame_shape)


def _canvas(scan: Scan, points: NDArray[np.float64]) -> tuple[int, int]:
    y, x = np.ceil(np.ptp(points, axis=0)).astype(int) + scan.frame_shape + 2 * MARGIN
    return int(y), int(x)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"


def _listed(numbers: NDArray[np.int64]) -> str:
    return numbered(numbers)[1:-1].replace(",", ", ")
