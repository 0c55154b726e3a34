"""What a parameter of AutoDiff is: how it is stepped, and what it is told."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from napari_scicompty.algorithms._optimisers import (
    OPTIMISERS,
    Way,
    adam_of_rows,
    normalised,
)
from napari_scicompty.algorithms.base import AlgorithmState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.core.settings import Settings
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.forward import Model
    from napari_scicompty.model.measured import Measured

    Memory = dict[str, Any]

FALLEN = 0.01
"""Share of itself that an error must fall by to count as falling."""

PATIENCE = 2
"""Epochs without that after which the rates fall."""

FALL = 0.7
"""What is left of them each time."""


@dataclass
class AutoDiffState(AlgorithmState):
    """What AutoDiff remembers from step to step."""

    epochs: int = 0
    """That it has completed; its rates fall with them."""
    share: float = 1.0
    """Of the rates of object and probe, once the error has stopped falling."""
    squared: Tensor | None = None
    """Squared error () of this epoch so far, counts."""
    lowest: float = math.inf
    """Least squared error of an epoch, counts."""
    stalled: int = 0
    """Epochs since it was reached."""
    origin_m: Sequence[float] | None = None
    """Of the canvas that the object's moments lie on."""
    moments: dict[str, Memory] = field(default_factory=dict)
    """Name of a parameter -> what its optimiser, or it itself, remembers."""

    def of(self, name: str) -> Memory:
        """Return what is remembered of a parameter, to be changed in place."""
        return self.moments.setdefault(name, {})

    def note_error(self, squared: Tensor) -> None:
        """Add squared errors (B,) of patterns, counts, to those of this epoch."""
        if self.squared is None:
            self.squared = squared.new_zeros(())
        self.squared.add_(squared.sum())

    def judge_epoch(self) -> None:
        """Let the rates of object and probe fall where the error has stopped falling.

        Without it a step of the size that was right at first keeps the noise alive.
        """
        if self.squared is None:
            return
        error = float(self.squared)
        self.squared = None
        if error < (1 - FALLEN) * self.lowest:
            self.lowest, self.stalled = error, 0
            return
        self.stalled += 1
        if self.stalled >= PATIENCE:
            self.share *= FALL
            self.lowest, self.stalled = min(error, self.lowest), 0


class Curvature(NamedTuple):
    """Bounds of the second derivatives."""

    loss: float | Tensor
    """Of the loss, for light of 1."""
    object: float | Tensor
    """Of what the object pays beside it; (H, W) or a number."""


class Shares(NamedTuple):
    """What is left of the rates, 0 to 1."""

    waves: float
    """Of object and probe."""
    others: float
    """Of all else, which Adam steps: its steps do not shrink by themselves."""


@dataclass
class Epoch:
    """What a parameter is told when an epoch ends.

    Attributes
    ----------
    settings : Settings
        With the fields ``free_NAME`` and ``rate_NAME`` of every parameter.
    shares : Shares
        What is left of the rates, which fall.
    """

    settings: Settings
    estimate: Estimate
    state: AutoDiffState
    shares: Shares

    def rate(self, name: str) -> float:
        """Return what is left of a rate: the setting ``rate_NAME``."""
        first: float = getattr(self.settings, f"rate_{name}")
        waves = name in ("object", "probe")
        return first * (self.shares.waves if waves else self.shares.others)


@dataclass
class Descent(Epoch):
    """What a parameter is told to take a step with the patterns of a batch."""

    measured: Measured
    batch: Sequence[int]
    model: Model
    curvature: Curvature
    optimiser: str
    """Of object and probe, by its name in `OPTIMISERS`."""
    way: Way
    position_pull: float

    def optimised(self, name: str, gradient: Tensor, bound: Tensor) -> Tensor:
        """Return a step of a wave, by the optimiser that was chosen."""
        optimiser = OPTIMISERS[self.optimiser]
        return optimiser(gradient, bound, self.state.of(name), self.way)

    def of_rows(self, name: str, gradient: Tensor) -> Tensor:
        """Return the step of what each pattern has of its own."""
        count, memory = len(self.estimate.positions_m), self.state.of(name)
        return adam_of_rows(gradient, list(self.batch), count, memory)

    def of_number(self, name: str, gradient: Tensor) -> float:
        """Return the step of a number, of the order of 1."""
        return float(normalised(gradient, self.state.of(name)))


class FreeParameter:
    """A quantity that AutoDiff can refine, where the setting ``free_NAME`` says so.

    Attributes
    ----------
    name : str
        That of its field in `Parameters`, which gets a gradient.
    quantity : str
        What refiners call it; empty where none refines it.
    since : str
        Setting that holds the epochs before its first step; empty for none.
    """

    name: ClassVar[str]
    quantity: ClassVar[str] = ""
    since: ClassVar[str] = ""

    def is_free(self, settings: Settings) -> bool:
        """Whether it is to be refined at all."""
        return bool(getattr(settings, f"free_{self.name}"))

    def first_epoch(self, settings: Settings) -> int:
        """Epochs that go before its first step."""
        return int(getattr(settings, self.since)) if self.since else 0

    def check(self, geometry: Geometry, *, probe_is_known: bool) -> None:
        """Refuse what no pattern can tell.

        Raises
        ------
        InputError
            With the reason.
        """

    def step(self, descent: Descent, gradient: Tensor) -> None:
        """Take a step down the gradient, with the patterns of a batch."""
        raise NotImplementedError

    def end_epoch(self, epoch: Epoch) -> float | None:
        """Act on what an epoch has gathered; keep ambiguities in place.

        Returns
        -------
        float or None
            Size of the change, as `Refined` has it; None where nothing changed.
        """
        return None
