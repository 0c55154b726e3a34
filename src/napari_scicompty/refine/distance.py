"""RefinerSet the distance from sample to detector, along the valley of its defocus.

A wrong distance with a free object and probe is a nearly flat valley: both become
defocused by what is missing, and the error hardly tells. A plain extra parameter
stalls there. So the slope is taken along the valley: the distance is changed and the
object and the probe are propagated back by the change, all at once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from napari_scicompty.core.settings import setting
from napari_scicompty.model.defocus import defocus_coupled, farthest
from napari_scicompty.optics.adam import moments
from napari_scicompty.refine.base import FallingRate
from napari_scicompty.refine.survey import surveyed_distance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured
    from napari_scicompty.refine.base import State

log = logging.getLogger(__name__)

BETAS = (0.5, 0.9)
"""Memory of the slope's mean and of its square."""

NUDGE = 0.01
"""Share of the distance by which it is moved to either side to find the slope."""

LOOK_BACK = 10
"""Epochs..."""

FALLS = 0.95
"""...in which the error falls to less than this share, while the low pass helps."""

_AT_ONCE = 2**18
"""Wave pixels in one go: a working set that stays in the cache."""


class DefocusCoupledDistance(FallingRate):
    """Sample to detector, in near field: one step of Adam an epoch along the valley."""

    rate: float = setting(
        0.03, "Share of the distance that a step has at first", gt=0, le=0.2
    )
    floor: float = setting(
        0.02,
        "Share of the rate that is never gone below",
        ge=0,
        le=1,
        advanced=True,
    )
    survey: bool = setting(
        True,
        "First try distances of 0.7 to 1.7 times the given one, and begin where "
        "neighbouring patterns agree best on what both show",
    )
    clipped_epochs: int = setting(
        60,
        "Epochs at most in which light outside the detector counts as none: a low pass "
        "that leads positions and distance through; what comes after is exact",
        ge=0,
        advanced=True,
    )
    patterns: int = setting(
        30,
        "Patterns that the slope is taken from, others each time",
        ge=1,
        advanced=True,
    )

    title: ClassVar[str] = "Coupled with defocus"
    quantity: ClassVar[str] = "distance"
    rest: ClassVar[float] = 3e-5

    def check(self, geometry: Geometry) -> None:
        """Refuse geometries in which the distance cannot be seen.

        Raises
        ------
        InputError
            A far field, or a cone beam.
        """
        geometry.check_distance_shows()

    def clips_to_detector(self, state: State) -> bool:
        """Whether light outside the detector should count as none in this epoch."""
        return state.get("epochs", 0) < self.clipped_epochs and not self._led(state)

    def _led(self, state: State) -> bool:
        """Whether the low pass has done its work: the error no longer falls by it."""
        errors: Sequence[float] | NDArray[np.float64] = state.get("errors", ())
        half = state.get("epochs", 0) >= self.clipped_epochs / 2
        return half and len(errors) > LOOK_BACK and errors[-1] > FALLS * errors[0]

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
        state: State,
    ) -> None:
        """Take nothing."""

    def end_epoch(
        self,
        estimate: Estimate,
        measured: Measured,
        errors: Tensor,
        state: State,
    ) -> float:
        """Move the distance; return by which share of it."""
        squared = errors.cpu().numpy()
        seen = np.flatnonzero(squared > 0)
        if self.clips_to_detector(state):
            error = squared.sum(dtype=float) / measured.power[seen].sum()
            last = state.get("errors", np.zeros(0))[-LOOK_BACK:]
            state["errors"] = np.append(last, error)
        state["epochs"] = state.get("epochs", 0) + 1
        if state["epochs"] == 1 and self.survey:
            share = (
                surveyed_distance(estimate, measured, seen) / estimate.distance_m - 1
            )
        elif state["epochs"] > self.start_epoch:
            share = self._step(estimate, measured, seen, state)
        else:
            return 0.0
        estimate.replace_with(defocus_coupled(estimate, share * estimate.distance_m))
        told = (state["epochs"], share, estimate.distance_m)
        log.debug("distance, epoch %d: changed by %+.3g of it to %.6g m", *told)
        return abs(share)

    def _step(
        self,
        estimate: Estimate,
        measured: Measured,
        seen: NDArray[np.int64],
        state: State,
    ) -> float:
        """Share of the distance by which Adam moves it."""
        step = state["step"] = state.get("step", 0) + 1
        chosen = np.random.default_rng([step, len(seen)]).permutation(seen)
        slope = coupled_slope(estimate, measured, chosen[: self.patterns].tolist())
        mean, unbiased, spread = moments(state, slope, step, BETAS)
        rate = self.rate * self.share_of_rate(step)
        share = -rate * mean / unbiased / (spread + 1e-30)
        # The next slope is taken a nudge further.
        most = farthest(estimate) / (1 + 2 * NUDGE)
        return float(min(share, most / estimate.distance_m - 1))


def coupled_slope(
    estimate: Estimate, measured: Measured, chosen: Sequence[int]
) -> float:
    """Slope of the squared error of some patterns over the relative distance.

    It is the central difference along the valley: the forward model alone, and no
    gradient that could miss a term.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions as they are now.
    measured : Measured
        Amplitudes of the patterns.
    chosen : sequence of int
        Numbers of the patterns.

    Returns
    -------
    float
        Counts per relative change of the distance; > 0: nearer is better.
    """
    nudge = NUDGE * estimate.distance_m
    further, nearer = (
        _squared_error(defocus_coupled(estimate, change), measured, chosen)
        for change in (nudge, -nudge)
    )
    return (further - nearer) / (2 * NUDGE)


def _squared_error(
    estimate: Estimate, measured: Measured, chosen: Sequence[int]
) -> float:
    size = max(1, _AT_ONCE // estimate.probe.numel())
    parts = [chosen[i : i + size] for i in range(0, len(chosen), size)]
    return float(
        sum(
            measured.error(estimate.waves(part), part).cpu().double().sum()
            for part in parts
        )
    )
