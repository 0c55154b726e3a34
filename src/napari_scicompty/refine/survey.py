"""The distance, surveyed before anything is reconstructed.

At the true distance what neighbouring views show alone agrees best. It takes neither
their positions nor an object, only that they overlap, and so it leads through where
slopes do not: while positions are far off, the object explains any distance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.model.defocus import defocus_coupled, farthest
from napari_scicompty.refine.mosaic import arranged
from napari_scicompty.refine.overlaps import overlaps

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured

RUNG = 1.15
"""Between two distances that are tried."""

PRESENT = 3
"""Rung of the present distance."""

LADDER = RUNG ** np.arange(-PRESENT, 5.0)
"""Distances that are tried, over the present one: 0.66 to 1.75."""

VIEWS = 36
"""Views that are compared: those nearest to the middle of the scan."""

REACH = 0.25
"""How far the distance of two neighbours may be wrong, as a share of the view."""

CLEARLY = 1.03
"""Times the evidence at the present distance that another one must have."""


def surveyed_distance(
    estimate: Estimate, measured: Measured, seen: NDArray[np.int64]
) -> float:
    """Return the distance at which neighbours agree best; the present one if unclear.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions as they are now.
    measured : Measured
        Amplitudes of the patterns.
    seen : (m,)
        Views that take part.
    """
    here = estimate.canvas.to_pixels(estimate.positions_m)
    away = np.linalg.norm(here[seen] - here[seen].mean(0), axis=1)
    chosen = np.sort(seen[np.argsort(away, kind="stable")[:VIEWS]])
    present = estimate.distance_m
    ladder = LADDER[LADDER * present <= farthest(estimate)]
    evidence = []
    for factor in ladder:
        other = defocus_coupled(estimate, (factor - 1) * present)
        pairs = overlaps(other, measured, chosen, REACH)
        if not len(pairs.first):
            return present
        evidence.append(arranged(pairs, here, here).evidence)
    best = int(np.argmax(evidence))
    # Without a top in between, it is no distance that makes the difference.
    if best in (0, len(ladder) - 1) or evidence[best] < CLEARLY * evidence[PRESENT]:
        return present
    return float(present * ladder[best] * RUNG ** _top(evidence[best - 1 : best + 2]))


def _top(values: list[float]) -> float:
    """Return the steps from the second of three values to the top of their parabola."""
    before, middle, after = values
    return 0.5 * (before - after) / (before - 2 * middle + after)
