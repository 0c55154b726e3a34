"""rPIE whose object goes on like a heavy ball.

Polyak, USSR Comput. Math. Math. Phys. 4, 1 (1964): every T steps the object goes on by
a share of what it has moved since the last time,

    v' = eta v + (o - o_T),    o' = o_T + v'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from napari_scicompty.algorithms import RPIE, AlgorithmState, StepContext
from napari_scicompty.core.settings import setting

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class HeavyBallState(AlgorithmState):
    """What is remembered from step to step."""

    steps: int = 0
    before: Tensor | None = None
    """The object (H, W) of T steps ago."""
    velocity: Tensor | None = None
    """v, (H, W)."""


class HeavyBall(RPIE):
    """rPIE with momentum of the object alone."""

    kept: float = setting(0.5, "eta: share of the way that is kept", ge=0, lt=1)
    period: int = setting(30, "T: steps between two of them", ge=1)

    title: ClassVar[str] = "Heavy ball"
    state_type: ClassVar[type[AlgorithmState]] = HeavyBallState

    def step(
        self, estimate: Any, measured: Any, batch: Any, context: StepContext, state: Any
    ) -> Tensor:
        """Improve the estimate in place with the patterns of a batch."""
        errors = super().step(estimate, measured, batch, context, state)
        if state.before is None or state.before.shape != estimate.object.shape:
            state.before = estimate.object.clone()
            state.velocity = estimate.object.new_zeros(estimate.object.shape)
        state.steps += 1
        if state.steps % self.period == 0:
            moved = estimate.object - state.before
            state.velocity.mul_(self.kept).add_(moved)
            estimate.object.copy_(state.before + state.velocity)
            state.before.copy_(estimate.object)
        return errors
