"""Views in a wrong minimum: found by their error, and searched anew.

A view that is several pixels off has no slope to go down. It stands out by its error,
and the object that the others agree on can be trusted: so its pattern is compared with
the model at every place around, and it is put where it fits best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_scicompty.core.robust import spread
from napari_scicompty.optics import patches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured
    from napari_scicompty.refine.base import State

FAR_OFF = 3.0
"""Robust standard deviations above the median error that make a view suspect."""

WORSE = 1.5
"""Times the median error that a suspect view has at least."""

MOST = 0.25
"""Share of the views that are searched at one time, the worst first."""

BETTER = 0.8
"""A place is taken only if it has at most this share of the error."""

OVERRULES = 0.25
"""The same for a view that its neighbours agree on: all of them may be off by a period
of the picture, and a pattern knows better."""

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
    reach: float,
    state: State,
    known: NDArray[np.bool_] | None = None,
    moved: NDArray[np.bool_] | None = None,
) -> int:
    """Search suspect views around where they are, and around where they were measured.

    Returns how many were moved.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions as they are now.
    measured : Measured
        Amplitudes of the patterns.
    errors : Tensor (n,)
        Squared error of each pattern; zero where it took no part.
    reach : float
        How far, as a share of the view.
    state : dict
        Counts how often each view stayed where it was: more searches pass it over
        each time. Tells which views are ``"settled"`` by their pattern, whatever their
        neighbours say.
    known : (n,), optional
        Views that their neighbours agree on.
    moved : (n,), optional
        Views that were moved just now: their errors are old.

    Returns
    -------
    int
        Views that were moved.
    """
    count = len(estimate.positions_m)
    known = np.zeros(count, bool) if known is None else known
    moved = np.zeros(count, bool) if moved is None else moved
    stayed = state.setdefault("stayed", np.zeros(count, np.int64))
    waits = state.setdefault("waits", np.zeros(count, np.int64))
    settled = state.setdefault("settled", np.zeros(count, bool))
    waits -= 1
    shares = errors.cpu().numpy() / np.maximum(measured.power, 1e-30)
    positions = estimate.positions_m.copy()
    nominal = np.round(estimate.canvas.to_pixels(measured.positions_m)).astype(int)
    found = 0
    for j in suspects(np.where(moved | (waits > 0), 0, shares), shares):
        centres = {
            estimate.placement.corners([j])[0],
            (int(nominal[j, 0]), int(nominal[j, 1])),
        }
        better = OVERRULES if known[j] else BETTER
        place = _best_place(estimate, measured, int(j), centres, reach, better)
        if place is None:
            stayed[j] += 1
            waits[j] = min(2 ** stayed[j], LONGEST_WAIT)
        else:
            positions[j] = estimate.canvas.to_metres(place)
            stayed[j], settled[j] = 0, known[j]
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
    limit = max(middle + FAR_OFF * spread(seen), WORSE * middle)
    worst = np.argsort(-candidates, kind="stable")[: int(np.ceil(MOST * len(seen)))]
    return np.asarray(worst[candidates[worst] > limit])


def _best_place(
    estimate: Estimate,
    measured: Measured,
    j: int,
    centres: Collection[patches.Corner],
    reach: float,
    better: float,
) -> NDArray[np.float64] | None:
    """Corner (2,) in pixels where pattern j fits far better; None where it is."""
    lowest = here = float(measured.error(estimate.waves([j]), [j])[0])
    steps = round(reach * min(estimate.canvas.view) / COARSE)
    best: patches.Corner | None = None
    for step, count in ((COARSE, steps), (FINE, COARSE - 1)):
        around = centres if best is None else (best,)
        places = sorted({p for c in around for p in _places(estimate, c, step, count)})
        if not places:
            return None
        found = _errors(estimate, measured, j, places)
        lowest, best = float(found.min()), places[int(found.argmin())]
    return None if lowest > better * here else np.array(best, float)


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
