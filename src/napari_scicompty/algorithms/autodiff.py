"""AutoDiff: everything that is not known, by the gradients of one loss.

Guzzi et al., "A parameter refinement method for ptychography based on deep learning
concepts", Condensed Matter 6, 36 (2021); Seifert et al., "Efficient and flexible
approach to ptychography using an optimization framework based on automatic
differentiation", OSA Continuum 4, 121 (2021). With the model of a batch::

    M_j = c_j sum_p |D_z{P_p exp(i pi kappa r^2 / lambda) o(r_j)}|^2 + b

the loss of its patterns is differentiated by all that is free, and an optimiser takes a
step with every batch; an affine map of all positions takes one an epoch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch

from napari_scicompty.algorithms import _regularisers
from napari_scicompty.algorithms._descent import (
    AutoDiffState,
    Curvature,
    Descent,
    Epoch,
    Shares,
)
from napari_scicompty.algorithms._losses import LOSSES, Noise
from napari_scicompty.algorithms._optimisers import Way
from napari_scicompty.algorithms.base import Algorithm, AlgorithmState
from napari_scicompty.algorithms.free_parameters import PARAMETERS, FreeSettings
from napari_scicompty.core.settings import setting
from napari_scicompty.model.forward import Parameters, model_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from napari_scicompty.algorithms._descent import FreeParameter
    from napari_scicompty.algorithms.base import StepContext
    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured

STEPS_A_PATTERN = 4.0
"""Steps that the momentum remembers at most, for each pattern of a batch; 10 always."""


class AutoDiff(FreeSettings, Algorithm):
    """Gradients of one loss by object, probe and whatever else is free."""

    loss: Literal["amplitude", "intensity", "poisson"] = setting(
        "amplitude",
        "Amplitude for counting noise (and readout noise, see there), intensity where "
        "readout noise is above all counting noise, Poisson likelihood for few photons",
    )
    readout: float = setting(
        0.0,
        "Standard deviation of the readout noise, counts: losses of amplitude and "
        "Poisson trust dark pixels less",
        ge=0,
        advanced=True,
    )
    view: Literal["fourier", "bilinear"] = setting(
        "fourier",
        "Fractions of a pixel: exact, in Fourier space, or by four taps, which smooth",
        advanced=True,
    )
    optimiser: Literal["momentum", "adam"] = setting(
        "momentum",
        "Steps of object and probe: Gauss-Newton with momentum, or Adam",
        advanced=True,
    )
    momentum_share: float = setting(
        0.95,
        "Share of a step of object and probe that the next one has, too",
        ge=0,
        le=0.999,
        advanced=True,
    )
    warm_up: int = setting(
        8,
        "Epochs in which the momentum grows: the first steps lead nowhere",
        ge=0,
        advanced=True,
    )
    falls: Literal["error", "half life"] = setting(
        "error",
        "When the rates of object and probe fall: where the error has stopped falling, "
        "or with the half life",
        advanced=True,
    )
    half_life: float = setting(
        40.0,
        "Epochs in which rates halve, but for what falls with the error",
        title="Half life",
        gt=0,
        advanced=True,
    )
    floor: float = setting(
        0.02, "Share of the rates that is never gone below", ge=0, le=1, advanced=True
    )
    damping: float = setting(
        0.2,
        "0: every pixel takes full steps; 1: those that are seen less take less",
        ge=0,
        le=1,
        advanced=True,
    )
    energy: float = setting(
        0.0,
        "Weight of the probe's power being that of the patterns",
        ge=0,
        advanced=True,
    )
    magnitude_limit: float = setting(
        1.0, "|object| above which it is paid for, see its weight", gt=0, advanced=True
    )
    magnitude_weight: float = setting(
        0.0, "Weight of |object| above its limit", ge=0, advanced=True
    )
    phase_low: float = setting(
        -math.pi,
        "Phase below which it is paid for",
        unit="rad",
        ge=-4,
        le=4,
        advanced=True,
    )
    phase_high: float = setting(
        math.pi,
        "Phase above which it is paid for",
        unit="rad",
        ge=-4,
        le=4,
        advanced=True,
    )
    phase_weight: float = setting(
        0.0, "Weight of phases beyond their limits", ge=0, advanced=True
    )
    total_variation: float = setting(
        0.0,
        "Weight of the object's total variation: takes noise, keeps edges",
        ge=0,
        advanced=True,
    )

    title: ClassVar[str] = "Automatic differentiation"
    default_batch: ClassVar[int] = 5

    state_type: ClassVar[type[AlgorithmState]] = AutoDiffState

    @property
    def refines(self) -> tuple[str, ...]:
        """What is refined beside object and probe, as refiners name it."""
        named = (p.quantity for p in PARAMETERS if p.quantity and p.is_free(self))
        return tuple(dict.fromkeys(named))

    def check(self, geometry: Geometry, *, probe_is_known: bool) -> None:
        """Refuse a distance or a focus that no pattern can tell."""
        for parameter in PARAMETERS:
            if parameter.is_free(self):
                parameter.check(geometry, probe_is_known=probe_is_known)

    def gentler(self) -> Self:
        """Return settings that diverge less easily."""
        return self.replace(
            rate_object=min(self.rate_object, 0.05),
            rate_probe=min(self.rate_probe, 0.05),
            rate_positions_px=min(self.rate_positions_px, 0.1),
        )

    def step_bytes(
        self, batch: int, modes: int, view: int, grid: int, canvas: int
    ) -> int:
        """Return the memory of a step: waves, gradients and moments, as measured."""
        on_grid = 4.5 if self.free_distance else 3.4
        waves = 7 * view if grid == view else on_grid * grid
        return 8 * round(batch * (7 * view + modes * waves) + 5 * canvas)

    # -- a batch ----------------------------------------------------------------------
    def step(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        context: StepContext,
        state: AlgorithmState,
    ) -> Tensor:
        """Improve the estimate in place with the patterns of a batch.

        Returns the squared error of each pattern before the step, shape (B,).
        """
        assert isinstance(state, AutoDiffState)
        free = tuple(self._free(context, state))
        names = [parameter.name for parameter in free]
        given = Parameters.of(estimate, measured, batch, names)
        with torch.enable_grad():
            model = model_of(estimate, batch, given, bilinear=self.view == "bilinear")
            penalty, stiffness = self._penalty(given, measured)
        counts, amplitude = model.intensity.detach(), measured.pattern(batch)
        noise = Noise(measured.smallest, self.readout**2)
        _, slope, steepest = LOSSES[self.loss](counts, amplitude, noise)
        root = counts.sqrt()
        error = (root - amplitude).square()
        if measured.held_out is not None:
            measured.held_out.record(root, batch)
        if measured.good is not None:
            slope, error = slope * measured.good, error * measured.good
        share = 1 / max(float(measured.power[list(batch)].sum()), 1e-30)
        outputs, weights = [model.intensity], [slope.mul_(share)]
        if context.clip_to_detector:
            outputs.append(model.missing)
            weights.append(torch.full_like(model.missing.detach(), share))
        if penalty is not None and penalty.requires_grad:
            outputs.append(penalty)
            weights.append(torch.ones_like(penalty.detach()))
        if free:
            leaves = [getattr(given, name) for name in names]
            gradients = torch.autograd.grad(outputs, leaves, weights, allow_unused=True)
            descent = Descent(
                self,
                estimate,
                state,
                self.shares_left(state),
                measured=measured,
                batch=batch,
                model=model,
                curvature=Curvature(2 * share * steepest, stiffness),
                optimiser=self.optimiser,
                way=Way(self.damping, self.momentum_now(state, len(batch))),
                position_pull=self.position_pull,
            )
            for parameter, gradient in zip(free, gradients, strict=True):
                parameter.step(descent, gradient)
        squared = error.sum((1, 2))
        state.note_error(squared)
        return squared

    def _free(
        self, context: StepContext, state: AutoDiffState
    ) -> Iterator[FreeParameter]:
        """Return what is refined in this epoch."""
        for parameter in PARAMETERS:
            held = parameter.name == "probe" and not context.update_probe
            due = state.epochs >= parameter.first_epoch(self)
            if parameter.is_free(self) and due and not held:
                yield parameter

    def _penalty(
        self, given: Parameters, measured: Measured
    ) -> tuple[Tensor | None, Tensor | float]:
        """Return what regularisers add to the loss, and a bound of its curvature."""
        object = given.object
        paid: dict[str, Callable[[], tuple[Tensor, Tensor | float]]] = {
            "magnitude_weight": lambda: _regularisers.above(
                object, self.magnitude_limit
            ),
            "phase_weight": lambda: _regularisers.phase_beyond(
                object, self.phase_low, self.phase_high
            ),
            "total_variation": lambda: _regularisers.total_variation(object),
        }
        total: Tensor | None = None
        curvature: Tensor | float = 0.0
        for name, regulariser in paid.items():
            if weight := getattr(self, name):
                value, bound = regulariser()
                total = weight * value if total is None else total + weight * value
                curvature = curvature + weight * bound
        if self.energy:
            power = float(measured.power.mean())
            value = self.energy * _regularisers.energy(given.probe, power)
            total = value if total is None else total + value
        return total, curvature

    def shares_left(self, state: AutoDiffState) -> Shares:
        """Return what is left of the rates, which fall.

        Parameters
        ----------
        state : AutoDiffState
            What the algorithm remembers.
        """
        by_half = max(self.floor, 0.5 ** (state.epochs / self.half_life))
        # Adam's steps are of one size, however small the gradients have become.
        timed = self.falls == "half life" or self.optimiser == "adam"
        by_error = max(self.floor, state.share)
        return Shares(by_half if timed else by_error, by_half)

    def momentum_now(self, state: AutoDiffState, batch: int) -> float:
        """Return the momentum of a step: its memory grows evenly in the first epochs.

        Few patterns in a step tell little, and so they get a shorter memory.

        Parameters
        ----------
        state : AutoDiffState
            What the algorithm remembers; its epochs are counted.
        batch : int
            Patterns of the step.
        """
        steps = min(1 / (1 - self.momentum_share), max(10.0, STEPS_A_PATTERN * batch))
        if state.epochs < self.warm_up:
            steps *= (state.epochs + 1) / self.warm_up
        return max(0.0, 1 - 1 / steps)

    # -- an epoch ---------------------------------------------------------------------
    def end_epoch(
        self, estimate: Estimate, measured: Measured, state: AlgorithmState
    ) -> dict[str, float]:
        """Step what is one for all patterns; keep ambiguities in place.

        Returns
        -------
        dict
            Mean move of the positions in pixels, change of the distance as a share, of
            the wavefront's curvature in 1/m.
        """
        assert isinstance(state, AutoDiffState)
        epoch, done = Epoch(self, estimate, state, self.shares_left(state)), {}
        for parameter in PARAMETERS:
            change = parameter.end_epoch(epoch)
            if change is not None:
                done[parameter.name] = change
        state.judge_epoch()
        state.epochs += 1
        return done
