"""What every refiner is: frozen settings that watch the steps and act once an epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from napari_scicompty.core.settings import Settings, setting

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured
    from napari_scicompty.refine.gains import Memory as GainMemory


class State(TypedDict, total=False):
    """What the refiners of this package remember, each its own part of it.

    Attributes
    ----------
    epochs, step : int
        Epochs that have passed, and steps that were taken.
    mean, square : float
        Adam's moments of the distance's slope.
    errors : (k,)
        Normalised errors of the last epochs.
    seen : Tensor (n, ...)
        What the signal needs of each pattern of this epoch.
    weight : Tensor (h, w)
        |P|^2 of the beam when the epoch began.
    gain : dict
        What the gain remembers.
    quiet : int
        Searches that have found nothing, one after the other.
    stayed, waits : (n,) int
        How often a search left each view where it was; searches that pass it over.
    settled : (n,) bool
        Views whose own pattern tells where they are.
    """

    epochs: int
    step: int
    mean: float
    square: float
    errors: NDArray[np.float64]
    seen: Tensor
    weight: Tensor
    gain: GainMemory
    quiet: int
    stayed: NDArray[np.int64]
    waits: NDArray[np.int64]
    settled: NDArray[np.bool_]


class Refiner(Settings):
    """Settings of one refiner; what changes from step to step lives in `state`.

    ``state`` is a dictionary of arrays and numbers that belongs to the run and travels
    with every snapshot, so that a run continues exactly.
    """

    title: ClassVar[str] = ""
    quantity: ClassVar[str] = ""
    """What is refined, and how its settings are reached: ``"positions.rate_px"``."""
    large: ClassVar[float] = math.inf
    """Change in an epoch from which on the object has to follow it in small steps."""
    rest: ClassVar[float] = 0.0
    """Change in an epoch, as `end_epoch` returns it, below which it is at rest."""

    enabled: bool = setting(True, "Refine, or hold what was reached", title="Refine")

    def check(self, geometry: Geometry) -> None:
        """Refuse a geometry in which this cannot be refined.

        Parameters
        ----------
        geometry : Geometry
            Of the scan.

        Raises
        ------
        InputError
            With the reason.
        """

    def waits(self, state: State) -> int:
        """Epochs that must still go before the first step.

        Parameters
        ----------
        state : dict
            What the refiner remembers.

        Returns
        -------
        int
            0: the next epoch makes a step.
        """
        del state
        return 0

    def watches(self, state: State) -> bool:
        """Whether the steps of this epoch matter.

        Parameters
        ----------
        state : dict
            What the refiner remembers.
        """
        del state
        return self.enabled

    def clips_to_detector(self, state: State) -> bool:
        """Whether light outside the detector should count as none in this epoch.

        Parameters
        ----------
        state : dict
            What the refiner remembers.
        """
        del state
        return False

    def before_step(
        self, estimate: Estimate, measured: Measured, batch: Sequence[int]
    ) -> object:
        """Keep what the signal needs from before the algorithm's step.

        Parameters
        ----------
        estimate : Estimate
            Object, probe and positions as they are now.
        measured : Measured
            Amplitudes of the patterns.
        batch : sequence of int, length B
            Numbers of the patterns.

        Returns
        -------
        any
            Given to `after_step`.
        """
        raise NotImplementedError

    def after_step(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        before: Any,
        state: State,
    ) -> None:
        """Take the signal of a batch, without waiting for the device.

        Parameters
        ----------
        estimate : Estimate
            Object, probe and positions as they are now.
        measured : Measured
            Amplitudes of the patterns.
        batch : sequence of int, length B
            Numbers of the patterns.
        before : any
            What `before_step` has returned.
        state : dict
            What the refiner remembers; changed in place.
        """
        raise NotImplementedError

    def end_epoch(
        self,
        estimate: Estimate,
        measured: Measured,
        errors: Tensor,
        state: State,
    ) -> float:
        """Act on the signals of an epoch.

        Parameters
        ----------
        estimate : Estimate
            Object, probe and positions as they are now.
        measured : Measured
            Amplitudes of the patterns.
        errors : Tensor (n,)
            Squared error of each pattern; zero where it took no part.
        state : dict
            What the refiner remembers; changed in place.

        Returns
        -------
        float
            How much was changed, in the unit of the quantity's curve (pixels).
        """
        raise NotImplementedError


class FallingRate(Refiner):
    """What refiners share that make one step an epoch, ever smaller."""

    start_epoch: int = setting(
        5, "Epochs that go before the first step, for a first picture", ge=0
    )
    half_life: float = setting(
        25.0,
        "Epochs in which the rate halves",
        title="Half life",
        gt=0,
        advanced=True,
    )
    floor: float = setting(
        0.05,
        "Share of the rate that is never gone below",
        ge=0,
        le=1,
        advanced=True,
    )

    def waits(self, state: State) -> int:
        """Epochs that must still go before the first step."""
        return max(0, self.start_epoch - int(state.get("epochs", 0)))

    def share_of_rate(self, step: int) -> float:
        """Share of the first rate that is left at a step, counted from 1.

        Parameters
        ----------
        step : int
            Number of the step, from 1 on.

        Returns
        -------
        float
            1 at the first step, halved every `half_life` steps, never below
            `floor`.
        """
        return max(self.floor, 0.5 ** ((step - 1) / self.half_life))
