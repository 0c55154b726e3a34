"""RefinerSet positions: from signals of every step, a move once an epoch."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import torch

from napari_scicompty.core.affine import fit_map
from napari_scicompty.core.settings import setting
from napari_scicompty.optics.patches import intensity
from napari_scicompty.refine.base import FallingRate
from napari_scicompty.refine.gains import GAINS
from napari_scicompty.refine.lost_views import find_lost_views
from napari_scicompty.refine.mosaic import place_by_neighbours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured
    from napari_scicompty.refine.base import State

    Moves = NDArray[np.float64]

log = logging.getLogger(__name__)


FIRST_SEARCH = 2
"""Epoch in which views are first placed by their neighbours: the distance is surveyed
one before, and nothing has been drawn in a wrong place yet."""

LONGEST_PAUSE = 2
"""Searches that moved nothing are followed by pauses of 2, then 4 times as long."""


class PositionRefiner(FallingRate):
    """What all refiners of positions share: gain, schedule, limits, lost views."""

    gain: Literal["adam", "constant", "feedback"] = setting(
        "adam", "How a weak signal becomes a move"
    )
    rate_px: float = setting(
        1.5, "Adam: pixels an epoch at first; else times the signal", gt=0, le=1000
    )
    largest_px: float = setting(
        2.0, "Largest move of a position in an epoch", unit="px", gt=0, advanced=True
    )
    density: bool = setting(
        False,
        "Move views less where the canvas was lit by few of them",
        advanced=True,
    )
    model: Literal["free", "affine"] = setting(
        "free",
        "Free: each position by itself; affine: all by one drift, scale, rotation and "
        "shear, for scans too noisy for more",
        advanced=True,
    )
    search_every: int = setting(
        10,
        "Epochs between searches for views that are lost; 0 is never",
        ge=0,
        advanced=True,
    )
    search_reach: float = setting(
        0.25,
        "How far a lost view is searched, as a share of the view",
        gt=0,
        le=0.5,
        advanced=True,
    )

    quantity: ClassVar[str] = "positions"
    large: ClassVar[float] = 0.15
    rest: ClassVar[float] = 0.005

    def watches(self, state: State) -> bool:
        """Whether the steps of this epoch matter."""
        return self.enabled and state.get("epochs", 0) >= self.start_epoch

    # -- the signal -------------------------------------------------------------------
    def _keep(
        self,
        estimate: Estimate,
        batch: Sequence[int],
        values: Tensor,
        state: State,
    ) -> None:
        """Keep what was seen of each pattern of a batch until the end of the epoch."""
        if "seen" not in state:
            count = len(estimate.positions_m)
            state["seen"] = values.new_zeros((count, *values.shape[1:]))
        index = batch[0] if len(batch) == 1 else list(batch)
        state["seen"][index] = values[0] if len(batch) == 1 else values

    def _weight(self, estimate: Estimate, state: State) -> Tensor:
        """|P|^2 of the beam (h, w), as it was when the epoch began."""
        if "weight" not in state:
            state["weight"] = intensity(estimate.probe).sum(0)
        weight: Tensor = state["weight"]
        return weight

    def _corrections(self, seen: NDArray[np.float64]) -> Moves:
        """Corrections (n, 2) in pixels, up to a gain, from what was kept (n, ...)."""
        return seen

    # -- the move ---------------------------------------------------------------------
    def end_epoch(
        self,
        estimate: Estimate,
        measured: Measured,
        errors: Tensor,
        state: State,
    ) -> float:
        """Move the positions; return the mean move in pixels."""
        state["epochs"] = state.get("epochs", 0) + 1
        before, pixel = estimate.positions_m, np.array(estimate.canvas.pixel_size_m)
        seen = errors.cpu().numpy() > 0
        kept = state.pop("seen", None)
        state.pop("weight", None)
        if kept is not None:
            signal = self._corrections(kept.cpu().double().numpy())
            self._move(estimate, signal, seen, state)
        if self._search_is_due(estimate, state, stepped=kept is not None):
            self._search(estimate, measured, errors, state)
        way = (estimate.positions_m - before)[seen] / pixel
        moved = float(np.hypot(*way.T).mean())
        told = (state["epochs"], int(seen.sum()), moved)
        log.debug("positions, epoch %d: %d views moved by %.4g px on average", *told)
        return moved

    def _move(
        self,
        estimate: Estimate,
        signal: Moves,
        seen: NDArray[np.bool_],
        state: State,
    ) -> None:
        """Follow the signals (n, 2) of the views that were seen (n,)."""
        step = state["step"] = state.get("step", 0) + 1
        signal = np.where(seen[:, None], signal, 0)
        memory = state.setdefault("gain", {})
        move = GAINS[self.gain](signal, step, self._rate(step), memory)
        if self.density:
            move *= _density(estimate)[:, None]
        length = np.linalg.norm(move, axis=1, keepdims=True)
        move *= np.minimum(1, self.largest_px / np.maximum(length, 1e-30))
        # A move of all views together only moves the object.
        move -= move[seen].mean(0) * seen[:, None]
        moved = estimate.positions_m + move * np.array(estimate.canvas.pixel_size_m)
        if self.model == "affine":
            moved = self._affine(estimate.positions_m, moved, seen)
        estimate.place(moved)

    # -- lost views -------------------------------------------------------------------
    def _search_is_due(
        self, estimate: Estimate, state: State, *, stepped: bool
    ) -> bool:
        """Neighbours can tell from the first epochs on, patterns after some steps."""
        if not self.search_every or self.model == "affine":
            return False
        if estimate.propagator.sees_shifts and state["epochs"] == FIRST_SEARCH:
            return True
        searches, over = divmod(state.get("step", 0), self.search_every)
        pause = 2 ** min(state.get("quiet", 0), LONGEST_PAUSE)
        return stepped and not over and not searches % pause

    def _search(
        self,
        estimate: Estimate,
        measured: Measured,
        errors: Tensor,
        state: State,
    ) -> None:
        """Ask the neighbours of a view where they can tell; its pattern elsewhere."""
        seen = errors.cpu().numpy() > 0
        if not estimate.propagator.sees_shifts:
            find_lost_views(estimate, measured, errors, self.search_reach, state)
            return
        settled = state.get("settled", np.zeros_like(seen))
        known, moved = place_by_neighbours(
            estimate, measured, seen, self.search_reach, settled
        )
        if known.any():
            found = find_lost_views(
                estimate, measured, errors, self.search_reach, state, known, moved
            )
            quiet = not moved.any() and not found
            state["quiet"] = state.get("quiet", 0) + 1 if quiet else 0

    def _rate(self, step: int) -> float:
        """Adam's pixels an epoch, which fall; a plain factor does not."""
        if self.gain != "adam":
            return self.rate_px
        return self.rate_px * self.share_of_rate(step)

    def _affine(self, before: Moves, after: Moves, seen: NDArray[np.bool_]) -> Moves:
        found = fit_map(after[seen], before[seen])
        return found.apply(before, before[seen].mean(0))


def _density(estimate: Estimate) -> Moves:
    """Share (n,) of the usual light on the canvas that each view has under it."""
    light = intensity(estimate.probe).sum(0)
    h, w = estimate.canvas.view
    total = torch.zeros(estimate.canvas.shape, device=light.device)
    corners = estimate.placement.corners(range(len(estimate.positions_m)))
    for y, x in corners:
        total[y : y + h, x : x + w] += light
    views = torch.stack(
        [(total[y : y + h, x : x + w] * light).sum() for y, x in corners]
    )
    share = views.cpu().numpy().astype(float)
    return np.asarray(np.minimum(1, share / np.median(share)))
