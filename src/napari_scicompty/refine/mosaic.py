"""Views put where their neighbours say that they are: a mosaic.

A view in a wrong minimum draws its own picture there, and then explains itself: neither
its slope nor its error tells, least of all at the rim of a scan, where few others
overlap it. So neighbours are compared by what each shows alone (`overlaps`), the places
that are most probable together are found (`beliefs`), and then the pixel, by robust
least squares over all pairs. What pairs of neighbours tell badly, a slow drift, scale,
rotation and shear of them all, is left as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.sparse import coo_array, diags_array, eye_array
from scipy.sparse.linalg import splu

from napari_scicompty.core.affine import FEWEST, fit_map
from napari_scicompty.refine.beliefs import believed
from napari_scicompty.refine.overlaps import overlaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured
    from napari_scicompty.refine.overlaps import Overlaps

    Places = NDArray[np.float64]

AROUND = 2
"""Cells around the believed one in which the pixel is looked for."""

AGREED = 3.0
"""Pixels by which a pair may be off and still agree."""

CONFIRMED = 2
"""Pairs that must agree on a view's place."""

MOST_AGREE = 0.6
"""Share of the pairs that must agree..."""

MORE_AGREE = 0.4
"""...or by which more must agree than where the views are now."""

NEARLY = 0.7
"""Share of a pair's best evidence that is as good as the best."""

STRONGEST = 15.0
"""Evidence above it says no more: a repeated structure has a lot of it."""

STRETCH = 0.15
"""Change of scale that no mosaic has: pictures that show the beam, and not what is
under it, lie all in one place."""

MISPLACED = 2.0
"""Pixels from its place in the mosaic that make a view misplaced; what is closer is
known better from the slope."""

ROUNDS = 30
"""Of reweighted least squares, with each of two weights."""

TIE = 1e-3
"""Weight that ties a view to where it is, against that of a pair."""


class Arrangement(NamedTuple):
    """Places of views, and what pairs of neighbours say of them."""

    places: Places
    """(n, 2) in pixels."""
    asked: NDArray[np.int64]
    """Pairs of each view, (n,)."""
    agree: NDArray[np.int64]
    """Those of them that agree, (n,)."""
    share: float
    """Share of all pairs that agree."""
    evidence: float
    """Mean of all pairs that do not contradict."""


class Distances(NamedTuple):
    """How far pairs of views are apart."""

    first: NDArray[np.int64]
    """Numbers of the views, (pairs,)."""
    second: NDArray[np.int64]
    """Numbers of their neighbours, (pairs,)."""
    apart: Places
    """Place of the second minus place of the first in pixels, (pairs, 2)."""
    evidence: NDArray[np.float64]
    """(pairs,)"""

    def off(self, places: Places) -> NDArray[np.float64]:
        """By how many pixels each pair of `places` (n, 2) is off.

        Parameters
        ----------
        places : array (n, 2)
            (y, x) in pixels.

        Returns
        -------
        array (pairs,) float64
            Pixels.
        """
        apart = places[self.second] - places[self.first]
        return np.asarray(np.linalg.norm(apart - self.apart, axis=1))


def place_by_neighbours(
    estimate: Estimate,
    measured: Measured,
    seen: NDArray[np.bool_],
    reach: float,
    settled: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Move misplaced views to where their neighbours say that they are.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions as they are now.
    measured : Measured
        Amplitudes of the patterns.
    seen : (n,)
        Views that take part.
    reach : float
        How far the distance of two neighbours may be wrong, as a share of the view.
    settled : (n,), optional
        Views that stay, as their patterns know better.

    Returns
    -------
    known, moved : (n,)
        Views that most of their neighbours agree on, and those that were moved.
    """
    nothing = np.zeros_like(seen)
    here = estimate.canvas.to_pixels(estimate.positions_m)
    pairs = overlaps(estimate, measured, np.flatnonzero(seen), reach)
    if not len(pairs.first):
        return nothing, nothing
    nominal = estimate.canvas.to_pixels(measured.positions_m)
    new, now = arranged(pairs, here, nominal), as_they_are(pairs, here)
    told = new.agree >= CONFIRMED
    trusted = new.share > MOST_AGREE or new.share - now.share > MORE_AGREE
    if not trusted or told.sum() < FEWEST:
        return nothing, nothing
    # Scale, rotation and shear, which neighbours tell badly, stay as they were.
    kept = fit_map(new.places[told], here[told])
    if abs(kept.magnification - 1) > STRETCH:
        return nothing, nothing
    places = kept.undo(new.places, here[told].mean(0))
    moved = told & (np.linalg.norm(places - here, axis=1) > MISPLACED)
    if settled is not None:
        moved &= ~settled
    metres = estimate.canvas.to_metres(places)
    estimate.place(np.where(moved[:, None], metres, estimate.positions_m))
    return 2 * new.agree >= new.asked, moved


def arranged(pairs: Overlaps, here: Places, measured: Places) -> Arrangement:
    """Arrange views, which are `here` (n, 2) now, as their pairs say.

    Parameters
    ----------
    pairs : Overlaps
        Evidence of every pair of neighbours.
    here : array (n, 2)
        (y, x) in pixels of the canvas.
    measured : array (n, 2)
        Measured positions (y, x) in pixels of the canvas.

    Returns
    -------
    Arrangement
        The new places, and how well the pairs agree on them.
    """
    cells = believed(pairs, (measured - here) / pairs.cell)
    distances = _most_evident(pairs, cells)
    return _judged(pairs, distances, solved(distances, here + cells * pairs.cell))


def as_they_are(pairs: Overlaps, here: Places) -> Arrangement:
    """Judge views where they are, `here` (n, 2).

    Parameters
    ----------
    pairs : Overlaps
        Evidence of every pair of neighbours.
    here : array (n, 2)
        (y, x) in pixels of the canvas.

    Returns
    -------
    Arrangement
        The same places, and how well the pairs agree on them.
    """
    return _judged(pairs, _most_evident(pairs, np.zeros(here.shape, int)), here)


def _judged(pairs: Overlaps, distances: Distances, places: Places) -> Arrangement:
    close = distances.off(places) < AGREED
    best = pairs.evidence.max((1, 2))
    agree = close & (distances.evidence >= NEARLY * best)
    asked, agreeing = (
        np.bincount(pairs.first[chosen], minlength=len(places))
        + np.bincount(pairs.second[chosen], minlength=len(places))
        for chosen in (slice(None), agree)
    )
    evidence = np.where(close, np.minimum(distances.evidence, STRONGEST), 0).mean()
    return Arrangement(places, asked, agreeing, float(agree.mean()), float(evidence))


def _most_evident(pairs: Overlaps, cells: NDArray[np.int64]) -> Distances:
    """Take the most evident displacement of each pair near that of its views.

    Parameters
    ----------
    pairs : Overlaps
        Evidence of every pair of neighbours.
    cells : (n, 2)
        Displacement of each view.
    """
    size = pairs.evidence.shape[-1]
    middle = size // 2 + cells[pairs.second] - cells[pairs.first]
    middle = np.clip(middle, AROUND, size - 1 - AROUND)
    lags = np.arange(-AROUND, AROUND + 1)
    rows = (middle[:, :1] + lags)[:, :, None]
    columns = (middle[:, 1:] + lags)[:, None, :]
    pair = np.arange(len(middle))
    near = pairs.evidence[pair[:, None, None], rows, columns]
    highest = near.reshape(len(near), -1).argmax(1)
    y, x = np.unravel_index(highest, near.shape[1:])
    best = pairs.best[pair, rows[pair, y, 0], columns[pair, 0, x]]
    return Distances(pairs.first, pairs.second, pairs.supposed + best, near[pair, y, x])


def solved(distances: Distances, start: Places) -> Places:
    """Places (n, 2) in pixels that agree best with distances of which some are wrong.

    Parameters
    ----------
    distances : Distances
        Of pairs of views, in pixels.
    start : (n, 2)
        Where to begin; it decides what the distances leave open.

    Returns
    -------
    array (n, 2) float64
        (y, x) in pixels.
    """
    count, size = len(distances.first), len(start)
    signs = np.repeat([-1.0, 1.0], count)
    ends = np.concatenate([distances.first, distances.second])
    row = np.tile(np.arange(count), 2)
    difference = coo_array((signs, (row, ends)), (count, size)).tocsr()
    places = start
    for weigh in (_absolute, _forgetting):
        for _ in range(ROUNDS):
            weight = diags_array(weigh(distances.off(places)))
            weighted = difference.T @ weight
            matrix = weighted @ difference + TIE * eye_array(size)
            right = weighted @ distances.apart + TIE * start
            places = splu(matrix.tocsc()).solve(right)
    return places


def _absolute(off: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that make squares to absolute values."""
    return 1 / np.maximum(off, 1)


def _forgetting(off: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of Geman and McClure: what is far more off than `AGREED` has no pull."""
    return np.asarray(1 / (1 + (off / AGREED) ** 2) ** 2)
