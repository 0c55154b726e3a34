"""Refining the distance from sample to detector, along the valley of its defocus.

A wrong distance with a free object and probe is a nearly flat valley: both become
defocused by what is missing, and the error hardly tells. A plain extra parameter
stalls there. So the slope is taken along the valley: the distance is changed and the
object and the probe are propagated back by the change, all at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from napari_scicompty.errors import InputError
from napari_scicompty.refine.base import Refiner
from napari_scicompty.settings import setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_scicompty.estimate import Estimate
    from napari_scicompty.geometry import Geometry
    from napari_scicompty.measured import Measured

BETAS = (0.5, 0.9)
"""Memory of the slope's mean and of its square."""

NUDGE = 0.01
"""Share of the distance by which it is moved to either side to find the slope."""

_AT_ONCE = 2**18
"""Wave pixels in one go: a working set that stays in the cache."""


class ValleyDistance(Refiner):
    """Sample to detector, in near field: one step of Adam an epoch along the valley."""

    rate: float = setting(
        0.03, "Share of the distance that a step has at first", gt=0, le=0.2
    )
    start_epoch: int = setting(
        5, "Epochs that go before the first step, for a first picture", ge=0
    )
    half_life: float = setting(
        25.0, "Epochs in which the rate halves", title="Half life", gt=0
    )
    floor: float = setting(
        0.02, "Share of the rate that is never gone below", ge=0, le=1
    )
    literal_epochs: int = setting(
        60,
        "Epochs in which light beside the detector counts as none: a low pass that "
        "leads positions and distance through; what comes after is exact",
        ge=0,
    )
    patterns: int = setting(
        30, "Patterns that the slope is taken from, others each time", ge=1
    )

    title: ClassVar[str] = "Along the valley"
    quantity: ClassVar[str] = "distance"

    def check(self, geometry: Geometry) -> None:
        """Refuse geometries in which the distance cannot be seen.

        Raises
        ------
        InputError
            A far field, or a cone beam.
        """
        if geometry.propagation == "far-field":
            raise InputError(
                "refine: in the far field another distance only rescales the object "
                "pixel, and no pattern can tell; measure it, or refine positions only"
            )
        if geometry.focus_sample_m is not None:
            raise InputError(
                "refine: behind a point source the distance sets the magnification, "
                "and the probe takes up the defocus, so that no pattern can tell it; "
                "calibrate it, or refine positions only"
            )

    def wants_literal(self, state: dict[str, Any]) -> bool:
        """Whether light beside the detector should count as none in this epoch."""
        return state.get("epochs", 0) < self.literal_epochs

    def before_step(
        self, estimate: Estimate, measured: Measured, batch: Sequence[int]
    ) -> None:
        """Keep nothing: the slope is taken at the end of an epoch."""

    def after_step(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        before: None,
        state: dict[str, Any],
    ) -> None:
        """Take nothing."""

    def end_epoch(
        self,
        estimate: Estimate,
        measured: Measured,
        errors: Tensor,
        state: dict[str, Any],
    ) -> float:
        """Move the distance; return by which share of it."""
        state["epochs"] = state.get("epochs", 0) + 1
        if state["epochs"] <= self.start_epoch:
            return 0.0
        step = state["step"] = state.get("step", 0) + 1
        seen = np.flatnonzero(errors.cpu().numpy() > 0)
        chosen = np.random.default_rng([step, len(seen)]).permutation(seen)
        slope = valley_slope(estimate, measured, chosen[: self.patterns].tolist())
        b1, b2 = BETAS
        state["mean"] = b1 * state.get("mean", 0.0) + (1 - b1) * slope
        state["square"] = b2 * state.get("square", 0.0) + (1 - b2) * slope**2
        rate = self.rate * max(self.floor, 0.5 ** ((step - 1) / self.half_life))
        spread = math.sqrt(state["square"] / (1 - b2**step))
        share = -rate * state["mean"] / (1 - b1**step) / (spread + 1e-30)
        estimate.become(estimate.along_valley(share * estimate.distance_m))
        return abs(share)


def valley_slope(
    estimate: Estimate, measured: Measured, chosen: Sequence[int]
) -> float:
    """Slope of the squared error of some patterns over the relative distance.

    It is the central difference along the valley: the forward model alone, and no
    gradient that could miss a term.
    """
    nudge = NUDGE * estimate.distance_m
    further, nearer = (
        _squared_error(estimate.along_valley(change), measured, chosen)
        for change in (nudge, -nudge)
    )
    return (further - nearer) / (2 * NUDGE)


def _squared_error(
    estimate: Estimate, measured: Measured, chosen: Sequence[int]
) -> float:
    size = max(1, _AT_ONCE // estimate.probe.numel())
    parts = [chosen[i : i + size] for i in range(0, len(chosen), size)]
    return float(
        sum(measured.error(estimate.waves(part), part).double().sum() for part in parts)
    )
