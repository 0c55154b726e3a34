"""Views in a wrong minimum: found by their error, and searched anew.

A view that is several pixels off has no slope to go down. It stands out by its error,
and the object that the others agree on can be trusted: so its pattern is compared with
the model at every place around, and it is put where it fits best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_scicompty.optics import patches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.estimate import Estimate
    from napari_scicompty.measured import Measured

FAR_OFF = 3.0
"""Robust standard deviations above the median error that make a view suspect."""

WORSE = 1.5
"""Times the median error that a suspect view has at least."""

MOST = 0.25
"""Share of the views that are searched at one time, the worst first."""

BETTER = 0.8
"""A place is taken only if it has at most this share of the error."""

LONGEST_WAIT = 4
"""Searches that pass over a view that stayed, at most."""

COARSE, FINE = 4, 1
"""Pixels between places that are tried, and again around the best of them."""

_AT_ONCE = 2**18
"""Wave pixels in one go: a working set that stays in the cache."""


def find_lost_views(
    estimate: Estimate,
    measured: Measured,
    errors: Tensor,
    known: NDArray[np.bool_],
    reach: float,
    state: dict[str, Any],
) -> int:
    """Search suspect views around where they are; return how many were moved.

    Parameters
    ----------
    errors : Tensor (n,)
        Squared error of each pattern; zero where it took no part.
    known : (n,)
        Views that are known to be where they belong.
    reach : float
        How far, as a share of the view.
    state : dict
        Counts how often each view stayed where it was: more searches pass it over
        each time.
    """
    count = len(estimate.positions_m)
    stayed = state.setdefault("stayed", np.zeros(count, np.int64))
    waits = state.setdefault("waits", np.zeros(count, np.int64))
    waits -= 1
    shares = errors.cpu().numpy() / np.maximum(measured.power, 1e-30)
    positions = estimate.positions_m.copy()
    found = 0
    for j in suspects(np.where(known | (waits > 0), 0, shares), shares):
        place = _best_place(estimate, measured, int(j), reach)
        if place is None:
            stayed[j] += 1
            waits[j] = min(2 ** stayed[j], LONGEST_WAIT)
        else:
            positions[j] = estimate.canvas.to_metres(place)
            stayed[j] = 0
            found += 1
    if found:
        estimate.place(positions)
    return found


def suspects(
    candidates: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the views whose error stands out, the worst first.

    Parameters
    ----------
    candidates : (n,)
        Normalised error of each view; zero where it is not to be chosen.
    shares : (n,)
        Of all views; zero where one took no part.
    """
    seen = shares[shares > 0]
    if not len(seen):
        return np.zeros(0, np.int64)
    middle = np.median(seen)
    spread = 1.4826 * np.median(np.abs(seen - middle))
    limit = max(middle + FAR_OFF * spread, WORSE * middle)
    worst = np.argsort(-candidates, kind="stable")[: int(np.ceil(MOST * len(seen)))]
    return np.asarray(worst[candidates[worst] > limit])


def _best_place(
    estimate: Estimate, measured: Measured, j: int, reach: float
) -> NDArray[np.float64] | None:
    """Corner (2,) in pixels where pattern j fits best; None where it is."""
    here = float(measured.error(estimate.waves([j]), [j])[0])
    steps = round(reach * min(estimate.canvas.view) / COARSE)
    corner, best = estimate.corners([j])[0], (0, 0)
    lowest = here
    for step, count in ((COARSE, steps), (FINE, COARSE - 1)):
        around = (corner[0] + best[0], corner[1] + best[1])
        places = list(_places(estimate, around, step, count))
        if not places:
            return None
        found = _errors(estimate, measured, j, places)
        lowest = float(found.min())
        y, x = places[int(found.argmin())]
        best = (y - corner[0], x - corner[1])
    if lowest > BETTER * here:
        return None
    return np.array([corner[0] + best[0], corner[1] + best[1]], float)


def _places(
    estimate: Estimate, around: patches.Corner, step: int, count: int
) -> Iterator[patches.Corner]:
    """Corners on the canvas, on a grid around one."""
    (H, W), (h, w) = estimate.canvas.shape, estimate.canvas.view
    for dy in range(-count, count + 1):
        for dx in range(-count, count + 1):
            y, x = around[0] + step * dy, around[1] + step * dx
            if 0 <= y <= H - h and 0 <= x <= W - w:
                yield y, x


def _errors(
    estimate: Estimate, measured: Measured, j: int, places: list[patches.Corner]
) -> Tensor:
    """Squared error (places,) of pattern j at whole-pixel places."""
    view = estimate.canvas.view
    size = max(1, _AT_ONCE // estimate.probe.numel())
    parts = []
    for first in range(0, len(places), size):
        corners = places[first : first + size]
        views = patches.take(estimate.object, corners, view)
        waves = estimate.propagator.forward(estimate.probe * views[:, None])
        parts.append(measured.error(waves, [j]))
    return torch.cat(parts)
