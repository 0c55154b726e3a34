"""How positions lie: steps, groups that stand apart, how much of a canvas is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SAME = 1e-3
"""Pixels: positions that agree to this are the same."""
_FEW = 0.1
"""Share of the positions up to which a group is no part of the scan."""
_STEPS = 5
"""Groups are so many steps apart, and at least a view."""
_COARSE = 512
"""Cells along an axis in which a canvas is looked at."""


def distinct(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each of the points (n, 2) in pixels once.

    Parameters
    ----------
    points : array (n, 2)
        (y, x) in pixels; equal where they are equal to `SAME`.
    """
    return np.unique(np.round(points / SAME), axis=0) * SAME


def around_middle(points: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    """Choose the points that lie next to the middle, with all their neighbours.

    Parameters
    ----------
    points : array (n, 2)
        (y, x) in any unit.
    most : int
        How many.

    Returns
    -------
    (k,)
        Their numbers, in order.
    """
    away = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    return np.sort(np.argsort(away, kind="stable")[:most])


def step_between(points: NDArray[np.float64]) -> float:
    """Median distance of a point to its nearest neighbour at another place.

    Parameters
    ----------
    points : array (n, 2)
        (y, x) in pixels.

    Returns
    -------
    float
        Pixels; 0 where all lie at one place.
    """
    places = distinct(points)
    if len(places) < 2:
        return 0.0
    return float(np.median(cKDTree(places).query(places, k=2)[0][:, 1]))


def standing_alone(
    points: NDArray[np.float64], view: Sequence[int]
) -> NDArray[np.int64]:
    """Find the few points (n, 2) in pixels that lie far from all others.

    Cells as large as a view (or five steps) that touch belong together; the group with
    most points is the scan, and the others stand alone if they are few together.

    Parameters
    ----------
    points : array (n, 2)
        (y, x) in pixels.
    view : (h, w)
        Pixels of a view.

    Returns
    -------
    (k,)
        Their numbers.
    """
    if len(points) < 3:
        return np.empty(0, np.int64)
    reach = np.maximum(view, _STEPS * step_between(points))
    cells, of = np.unique(np.floor(points / reach), axis=0, return_inverse=True)
    pairs = cKDTree(cells).query_pairs(1.5, p=np.inf, output_type="ndarray")
    linked = coo_array(
        (np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(cells), len(cells))
    )
    groups = connected_components(linked, directed=False)[1][of.ravel()]
    away = np.flatnonzero(groups != np.bincount(groups).argmax())
    return away if len(away) <= max(1, _FEW * len(points)) else away[:0]


def seen_share(points: NDArray[np.float64], view: Sequence[int]) -> float:
    """Share of the rectangle around the views at these points (n, 2) that any sees.

    Parameters
    ----------
    points : array (n, 2)
        (y, x) in pixels, corners of the views.
    view : (h, w)
        Pixels of a view.

    Returns
    -------
    float
        0 to 1, on a coarse grid.
    """
    corners = points - points.min(0)
    size = np.ceil(corners.max(0)) + view
    cell = np.maximum(size / _COARSE, 1)
    shape = np.ceil(size / cell).astype(int)
    first = np.floor(corners / cell).astype(int)
    last = np.minimum(np.ceil((corners + view) / cell).astype(int), shape)
    edges = np.zeros(shape + 1)
    for sign, ys, xs in (
        (1, first[:, 0], first[:, 1]),
        (1, last[:, 0], last[:, 1]),
        (-1, first[:, 0], last[:, 1]),
        (-1, last[:, 0], first[:, 1]),
    ):
        np.add.at(edges, (ys, xs), sign)
    covered = edges.cumsum(0).cumsum(1)[:-1, :-1]
    return float((covered > 0.5).mean())
