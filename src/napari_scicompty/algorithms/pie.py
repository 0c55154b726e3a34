"""Multi-mode ePIE and rPIE: one step that differs in its weights.

Guzzi et al., "A modular software framework for the design and implementation of
ptychography algorithms" (PeerJ CS 2022), eqs. 5 to 7. With modes P_p, view o_j and
exit waves psi_p = P_p o_j, psi'_p from the modulus step, both from the OLD estimates::

    P'_p = P_p + a_P conj(o_j) (psi'_p - psi_p) / (b max|o_j|^2 + (1 - b) |o_j|^2)

    o'_j = o_j + a_O sum_p conj(P_p) (psi'_p - psi_p) / (g max S + (1 - g) S),
    S = sum_p |P_p|^2

In near field psi'_p - psi_p is what the change on the detector comes from; light
outside of it stays as it is. Taken by the letter (``context.clip_to_detector``), eq. 7
has no light there: a low pass, which helps while positions and distance are far off.

b = g = 1 is M-ePIE; one mode is ePIE / rPIE. In a batch of several positions numerators
and denominators are summed, and the maximum is taken of the summed denominator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from napari_scicompty.algorithms import _fused
from napari_scicompty.algorithms.base import Algorithm, AlgorithmState
from napari_scicompty.algorithms.momentum import MomentumState
from napari_scicompty.core.settings import Settings, like, setting
from napari_scicompty.optics.patches import (
    intensity,
    scale,
    total,
    total_intensity,
)

if TYPE_CHECKING:
    from torch import Tensor

    from napari_scicompty.algorithms.base import DeviceStep, StepContext
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured
    from napari_scicompty.optics.patches import Batch
    from napari_scicompty.optics.scratch import Scratch


Momentum = Literal["off", "nesterov", "friction"]

WITH_MOMENTUM = 5
"""Patterns of a step with momentum, where the run does not say."""


class MomentumSettings(Settings):
    """How ePIE and rPIE carry on what has moved."""

    momentum: Momentum = setting(
        "off",
        "Carry on what moved over parts of an epoch: growing (Nesterov), or by a "
        "constant share (mPIE)",
    )
    friction: float = setting(
        0.9,
        "Constant momentum: share of the last move that is made again",
        ge=0,
        lt=1,
        advanced=True,
    )
    parts: int = setting(
        3,
        "Parts of an epoch after which the momentum acts",
        title="Parts of an epoch",
        ge=1,
        le=100,
        advanced=True,
    )


class _PIE(Algorithm):
    """The step and the settings that ePIE and rPIE share."""

    has_kernels: ClassVar[bool] = True

    alpha_object: float = setting(
        0.5, "Step of the object; 1 is bold, 0.5 ends lower", gt=0, le=2
    )
    alpha_probe: float = setting(
        0.5, "Step of the probe; smaller for noisy data", gt=0, le=2
    )
    if TYPE_CHECKING:  # each has them after its own, see `MomentumSettings`
        momentum: Momentum
        friction: float
        parts: int
    state_type: ClassVar[type[AlgorithmState]] = MomentumState

    @property
    def alphas(self) -> tuple[float, float]:
        """Steps of object and probe."""
        return self.alpha_object, self.alpha_probe

    @property
    def weights(self) -> tuple[float, float]:
        """(beta, gamma): share of the maximum in the probe's and object's weight."""
        raise AttributeError(f"{type(self).__name__} must name its weights")

    @property
    def device_step(self) -> DeviceStep | None:
        """`step` itself; None for a subclass whose own step may look at the host."""
        return self.step if type(self).step is _PIE.step else None

    @property
    def falls_fast(self) -> bool:
        """Whether its steps are large enough for it."""
        return min(self.alphas) >= 0.5

    def gentler(self) -> Self:
        """Return settings that diverge less easily."""
        return self.replace(
            alpha_object=min(self.alpha_object, 0.25),
            alpha_probe=min(self.alpha_probe, 0.25),
        )

    def batch_for(self, patterns: int) -> int:
        """Return 1; with momentum 5, and at least five steps an epoch."""
        if self.momentum == "off":
            return self.default_batch
        return max(1, min(WITH_MOMENTUM, patterns // 5))

    def before_step(
        self, estimate: Estimate, context: StepContext, state: AlgorithmState
    ) -> None:
        """Go on from a point ahead where a part of an epoch begins."""
        if self.momentum == "off":
            return
        assert isinstance(state, MomentumState)
        friction = self.friction if self.momentum == "friction" else None
        state.begin_part(estimate, friction, with_probe=context.update_probe)

    def after_step(
        self, estimate: Estimate, state: AlgorithmState, share: float
    ) -> None:
        """Remember how far a part of an epoch has moved where it ends."""
        if self.momentum == "off":
            return
        assert isinstance(state, MomentumState)
        if state.reached(share, self.parts):
            state.end_part(estimate)

    def kept_bytes(self, modes: int, view: int, canvas: int) -> int:
        """Return the memory of momentum: object and probe twice more at most."""
        return 0 if self.momentum == "off" else 2 * 8 * (canvas + modes * view)

    def step(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Batch,
        context: StepContext,
        state: AlgorithmState,
    ) -> Tensor:
        """Improve the estimate in place with the patterns of a batch.

        Returns the squared error of each pattern before the step, shape (B,).
        """
        beta, gamma = self.weights
        alphas = [alpha * context.step_size for alpha in self.alphas]
        if _fused.is_covered(batch, estimate, context):
            sizes = _fused.Sizes((alphas[0], alphas[1]), (gamma, beta))
            return _fused.step(estimate, measured, batch, context, sizes)
        places, scratch = estimate.places(batch), estimate.scratch
        views, probes = estimate.views_at(places, batch), estimate.probes(batch)
        improved = _clipped if context.clip_to_detector else _improved
        change, error = improved(probes, views, estimate, measured, batch)

        conj = probes.conj_physical()
        update = conj.mul_(change) if len(conj) == len(change) else conj * change
        update = places.total(estimate.object_frame(total(update, 1), batch))
        lit = places.total(total_intensity(probes, scratch))
        _weigh(update, lit, gamma, scratch)

        if context.update_probe:
            conj = views.conj_physical()
            probe_update = change.mul_(conj)
            seen = total(intensity(conj, scratch), 0)
            _weigh(probe_update, seen, beta, scratch)
            estimate.add_to_probe(probe_update, batch, alphas[1])
        places.add(estimate.object, update, alphas[0])
        return error


def _improved(
    probes: Tensor,
    views: Tensor,
    estimate: Estimate,
    measured: Measured,
    batch: Batch,
) -> tuple[Tensor, Tensor]:
    """Return psi' - psi, shape (B, modes, h, w), and the squared errors (B,) of psi."""
    waves = estimate.propagator.forward(probes * views)
    error = measured.correct(waves, batch, estimate.scratch)
    return estimate.propagator.backward(waves), error


def _clipped(
    probes: Tensor,
    views: Tensor,
    estimate: Estimate,
    measured: Measured,
    batch: Batch,
) -> tuple[Tensor, Tensor]:
    """Return the same with no light outside the detector."""
    waves = estimate.propagator.forward(probes * views)
    seen = waves.clone()
    error = measured.correct(waves, batch, estimate.scratch)
    after = estimate.propagator.backward(seen.add_(waves))
    return after.sub_(probes * views), error


def _weigh(update: Tensor, power: Tensor, share: float, scratch: Scratch) -> None:
    """Divide an update by share max(power) + (1 - share) power, both in place."""
    most = power.amax().clamp_min_(1e-30)
    weight = power.lerp_(most, max(share, 1e-9))
    scale(update, weight.reciprocal_(), scratch)


class EPIE(_PIE):
    """ePIE; M-ePIE with several modes (beta = gamma = 1)."""

    momentum: Momentum = like(MomentumSettings, "momentum")
    friction: float = like(MomentumSettings, "friction")
    parts: int = like(MomentumSettings, "parts")

    title: ClassVar[str] = "M-ePIE"

    @property
    def weights(self) -> tuple[float, float]:
        """(1, 1): only the maximum counts."""
        return 1.0, 1.0


class RPIE(_PIE):
    """rPIE; M-rPIE with several modes."""

    beta: float = setting(
        0.5,
        "Probe's weight: 1 is ePIE, smaller trusts dark parts of the object more",
        ge=0,
        le=1,
    )
    gamma: float = setting(
        0.5,
        "Object's weight: 1 is ePIE, smaller reaches further into the probe's tail",
        ge=0,
        le=1,
    )
    momentum: Momentum = like(MomentumSettings, "momentum")
    friction: float = like(MomentumSettings, "friction")
    parts: int = like(MomentumSettings, "parts")

    title: ClassVar[str] = "M-rPIE"

    @property
    def weights(self) -> tuple[float, float]:
        """(beta, gamma)."""
        return self.beta, self.gamma

    def gentler(self) -> Self:
        """Return settings that diverge less easily: half steps of ePIE."""
        return super().gentler().replace(beta=1.0, gamma=1.0)


class MPIE(RPIE):
    """mPIE: rPIE, one position a step, with a constant momentum once an epoch.

    Maiden, Johnson & Li, Optica 4, 736 (2017).
    """

    alpha_object: float = like(RPIE, "alpha_object", 1.0)
    alpha_probe: float = like(RPIE, "alpha_probe", 1.0)
    beta: float = like(RPIE, "beta", 1.0)
    gamma: float = like(RPIE, "gamma", 0.2)
    momentum: Momentum = like(RPIE, "momentum", "friction")
    parts: int = like(RPIE, "parts", 1)

    title: ClassVar[str] = "mPIE"

    def batch_for(self, patterns: int) -> int:
        """Return 1, as published."""
        del patterns
        return 1
