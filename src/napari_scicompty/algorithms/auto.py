"""Auto: M-rPIE with a coarse level before it, momentum, and an end that it finds.

Full steps with momentum over quarters of an epoch. The steps become smaller each time
the error has risen in two epochs running, so that they fall to the noise by themselves;
nothing is scheduled by the number of an epoch. The run ends when the object hardly
moves any more, or when the steps have fallen so far that only noise is left to be
fitted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from napari_scicompty.algorithms.momentum import MomentumState
from napari_scicompty.algorithms.pie import RPIE, Momentum
from napari_scicompty.core.settings import like, setting

if TYPE_CHECKING:
    from napari_scicompty.algorithms.base import Algorithm, AlgorithmState
    from napari_scicompty.model.estimate import Estimate

STILL = 2e-3
"""The object counts as still if it moves by less than this share in an epoch."""

RESTARTS = 4
"""Times that the steps become smaller until only noise is left: they are a quarter."""


class Auto(RPIE):
    """M-rPIE that needs no settings: coarse level, momentum, its own end."""

    alpha_object: float = like(RPIE, "alpha_object", 1.0)
    alpha_probe: float = like(RPIE, "alpha_probe", 1.0)
    beta: float = like(RPIE, "beta", 1.0)
    momentum: Momentum = like(RPIE, "momentum", "nesterov")
    parts: int = like(RPIE, "parts", 4)
    coarse: bool = setting(
        True,
        "Begin with the middle of the patterns, on larger pixels: a first picture "
        "within seconds, kept where it helps (far field)",
        title="Coarse level",
        live=False,
    )
    ends: bool = setting(
        True,
        "End when the object hardly moves any more or only noise is left; the epochs "
        "are a limit",
        title="Ends by itself",
    )

    title: ClassVar[str] = "Auto"
    default_epochs: ClassVar[int] = 200

    @property
    def begins_coarse(self) -> bool:
        """Whether a coarse level goes before the first epoch."""
        return self.coarse

    def for_epoch(
        self, state: AlgorithmState, *, refining: bool, moving: bool
    ) -> Algorithm:
        """Return M-rPIE in half steps, one by one, where momentum would mislead.

        A view in a wrong place is drawn there the sooner the bolder the steps are, and
        is found the harder; and once only noise is left, positions that are refined
        come nearer without momentum.
        """
        assert isinstance(state, MomentumState)
        if not moving and not (refining and state.restarts >= RESTARTS):
            return self
        return self.replace(
            alpha_object=min(self.alpha_object, 0.5),
            alpha_probe=min(self.alpha_probe, 0.5),
            beta=min(self.beta, 0.5),
            momentum="off",
        )

    @property
    def ends_itself(self) -> bool:
        """Whether it does."""
        return self.ends and self.momentum != "off"

    def reason_to_end(self, estimate: Estimate, state: AlgorithmState) -> str:
        """Say that the object is still, or that only noise is left."""
        if not self.ends_itself:
            return ""
        assert isinstance(state, MomentumState)
        if state.restarts >= RESTARTS:
            return (
                "the error no longer falls, at steps of "
                f"{state.step_size:.0%} of the first"
            )
        moved = state.share_moved(estimate) * self.parts
        if moved < STILL:
            return f"the object moved by only {moved:.2%} over the last epoch"
        return ""
