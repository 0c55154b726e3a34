"""Refining positions: a signal from every step, a gain, and a move once an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch

from napari_scicompty.affine import fit_map
from napari_scicompty.optics.patches import intensity
from napari_scicompty.refine import signals
from napari_scicompty.refine.base import Refiner
from napari_scicompty.refine.gains import GAINS
from napari_scicompty.refine.lost_views import find_lost_views
from napari_scicompty.settings import setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.estimate import Estimate
    from napari_scicompty.measured import Measured

    Moves = NDArray[np.float64]


class PositionRefiner(Refiner):
    """What all refiners of positions share: gain, schedule, limits, lost views."""

    gain: Literal["adam", "constant", "feedback"] = setting(
        "adam", "How a weak signal becomes a move"
    )
    rate_px: float = setting(
        1.5, "Adam: pixels an epoch at first; else times the signal", gt=0, le=1000
    )
    start_epoch: int = setting(
        5, "Epochs that go before the first move, for a first picture", ge=0
    )
    half_life: float = setting(
        25.0,
        "Adam: epochs in which the rate halves",
        title="Half life",
        gt=0,
        advanced=True,
    )
    floor: float = setting(
        0.05,
        "Adam: share of the rate that is never gone below",
        ge=0,
        le=1,
        advanced=True,
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

    def watches(self, state: dict[str, Any]) -> bool:
        """Whether the steps of this epoch matter."""
        return self.enabled and state.get("epochs", 0) >= self.start_epoch

    # -- the signal -------------------------------------------------------------------
    def _take(
        self, state: dict[str, Any], name: str, batch: Sequence[int], values: Tensor
    ) -> None:
        """Keep a value of each pattern of a batch until the end of the epoch."""
        index = batch[0] if len(batch) == 1 else list(batch)
        state[name][index] = values[0] if len(batch) == 1 else values

    def _weight(self, estimate: Estimate, state: dict[str, Any]) -> Tensor:
        """|P|^2 of the beam (h, w), as it was when the epoch began."""
        if "weight" not in state:
            state["weight"] = intensity(estimate.probe).sum(0)
        weight: Tensor = state["weight"]
        return weight

    def _signal(self, state: dict[str, Any]) -> Moves | None:
        """Corrections (n, 2) in pixels, up to a gain; None where nothing was seen.

        What was kept is used up.
        """
        raise NotImplementedError

    # -- the move ---------------------------------------------------------------------
    def end_epoch(
        self,
        estimate: Estimate,
        measured: Measured,
        errors: Tensor,
        state: dict[str, Any],
    ) -> float:
        """Move the positions; return the mean move in pixels."""
        state["epochs"] = state.get("epochs", 0) + 1
        signal = self._signal(state)
        state.pop("weight", None)
        if signal is None:
            return 0.0
        step = state["step"] = state.get("step", 0) + 1
        seen = errors.cpu().numpy() > 0
        signal = np.where(seen[:, None], signal, 0)
        memory = state.setdefault("gain", {})
        move = GAINS[self.gain](signal, step, self._rate(step), memory)
        if self.density:
            move *= _density(estimate)[:, None]
        length = np.linalg.norm(move, axis=1, keepdims=True)
        move *= np.minimum(1, self.largest_px / np.maximum(length, 1e-30))
        # A move of all views together only moves the object.
        move -= move[seen].mean(0) * seen[:, None]
        pixel = np.array(estimate.canvas.pixel_size_m)
        moved = estimate.positions_m + move * pixel
        if self.model == "affine":
            moved = self._affine(estimate.positions_m, moved, seen)
        before = estimate.positions_m
        estimate.place(moved)
        if self.search_every and step % self.search_every == 0:
            find_lost_views(estimate, measured, errors, self.search_reach, state)
        way = (estimate.positions_m - before)[seen] / pixel
        return float(np.hypot(*way.T).mean())

    def _rate(self, step: int) -> float:
        """Adam's pixels an epoch, which fall; a plain factor does not."""
        if self.gain != "adam":
            return self.rate_px
        return self.rate_px * max(self.floor, 0.5 ** ((step - 1) / self.half_life))

    def _affine(self, before: Moves, after: Moves, seen: NDArray[np.bool_]) -> Moves:
        found = fit_map(after[seen], before[seen])
        return found.apply(before, before[seen].mean(0))


def _density(estimate: Estimate) -> Moves:
    """Share (n,) of the usual light on the canvas that each view has under it."""
    light = intensity(estimate.probe).sum(0)
    h, w = estimate.canvas.view
    total = torch.zeros(estimate.canvas.shape, device=light.device)
    corners = estimate.corners(range(len(estimate.positions_m)))
    for y, x in corners:
        total[y : y + h, x : x + w] += light
    views = torch.stack(
        [(total[y : y + h, x : x + w] * light).sum() for y, x in corners]
    )
    share = views.cpu().numpy().astype(float)
    return np.asarray(np.minimum(1, share / np.median(share)))


class LeastSquaresShift(PositionRefiner):
    """The shift that best explains a view's update by the view's own gradient.

    Cheap and accurate: one pass over the view, no Fourier transform.
    """

    title: ClassVar[str] = "Least-squares shift"

    def before_step(
        self, estimate: Estimate, measured: Measured, batch: Sequence[int]
    ) -> Tensor:
        """Copy the views (B, h, w)."""
        del measured
        return estimate.views(batch).clone()

    def after_step(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        before: Tensor,
        state: dict[str, Any],
    ) -> None:
        """Keep the products that the shift follows from."""
        del measured
        if "products" not in state:
            count = len(estimate.positions_m)
            state["products"] = before.real.new_zeros((count, 2, 3))
        weight = self._weight(estimate, state)
        products = signals.gradient_products(before, estimate.views(batch), weight)
        self._take(state, "products", batch, products)

    def _signal(self, state: dict[str, Any]) -> Moves | None:
        products = state.pop("products", None)
        if products is None:
            return None
        return signals.least_squares_corrections(products.double().cpu().numpy())


class CrossCorrelationShift(PositionRefiner):
    """The peak of a cross-correlation: the signal of the SciComPty paper."""

    plane: Literal["object", "detector"] = setting(
        "object",
        "Object: a view against its update (XCORR_A); detector: the modelled pattern "
        "against the measured one (XCORR_B), which diverges",
        advanced=True,
    )

    title: ClassVar[str] = "Cross-correlation"

    def before_step(
        self, estimate: Estimate, measured: Measured, batch: Sequence[int]
    ) -> Tensor:
        """Copy the views, or take the signal at the detector, (B, ...)."""
        if self.plane == "object":
            return estimate.views(batch).clone()
        model = intensity(estimate.waves(batch)).sum(1).sqrt_()
        return signals.detector_correlation(model, measured.pattern(batch))

    def after_step(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        before: Tensor,
        state: dict[str, Any],
    ) -> None:
        """Keep the shifts."""
        del measured
        if "shifts" not in state:
            count = len(estimate.positions_m)
            state["shifts"] = before.new_zeros((count, 2), dtype=torch.float32)
        shifts = before
        if self.plane == "object":
            weight = self._weight(estimate, state)
            after = estimate.views(batch)
            shifts = signals.object_correlation(before, after, weight)
        self._take(state, "shifts", batch, shifts)

    def _signal(self, state: dict[str, Any]) -> Moves | None:
        shifts = state.pop("shifts", None)
        return None if shifts is None else shifts.double().cpu().numpy()
