"""What every algorithm is: frozen settings with a step."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch

from napari_scicompty.core.device import copied_state
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import Tensor

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured

    DeviceStep = Callable[
        [Estimate, Measured, Tensor, "StepContext", "AlgorithmState"], Tensor
    ]


Kind = Literal["torch", "numba"]
"""Torch alone, or torch with kernels that numba has compiled."""


@dataclass(frozen=True)
class StepContext:
    """What the run says of a step; it holds until the epoch ends or a setting changes.

    Attributes
    ----------
    epoch : int
        Epochs that were completed.
    update_probe : bool
        False while the probe is held or frozen.
    clip_to_detector : bool
        True while light outside a near-field detector is to count as none: a low pass,
        which helps while positions and distance are far off.
    step_size : float
        Factor of the steps, which the algorithm's own state may lower.
    kernels : str
        Who does the passes over memory where an algorithm can choose, see `Kind`.
    """

    epoch: int = 0
    update_probe: bool = True
    clip_to_detector: bool = False
    step_size: float = 1.0
    kernels: Kind = "torch"


@dataclass
class AlgorithmState:
    """What an algorithm remembers from step to step; a subclass has its fields.

    It belongs to the run and travels with every snapshot, so that a run continues
    exactly. Fields hold numbers, numpy arrays, tensors and dictionaries of these.
    """

    @property
    def step_size(self) -> float:
        """Factor of the steps; the run tells it to each step."""
        return 1.0

    @contextmanager
    def shown(self, estimate: Estimate) -> Iterator[None]:
        """Let the estimate be what is to be shown and saved, for a while.

        Parameters
        ----------
        estimate : Estimate
            As steps leave it.

        Yields
        ------
        None
            No step is done while the block runs.
        """
        del estimate
        yield

    def take_up(self, estimate: Estimate) -> None:
        """Go on from a snapshot: the reverse of `shown`.

        Parameters
        ----------
        estimate : Estimate
            As the snapshot shows it.
        """

    def interrupt(self) -> None:
        """Take note that settings have changed between two steps."""

    def go_on(self) -> None:
        """Take note that a run goes on which had come to its end by itself."""

    def pause(self) -> None:
        """Take note that other settings than the algorithm's own do the steps."""

    def judge(self, error: float) -> None:
        """Look at the error of an epoch that has ended.

        Parameters
        ----------
        error : float
            As the patterns were visited, of those that take part.
        """

    def to_arrays(self) -> dict[str, object]:
        """Return copies of the fields that hold something, tensors on the CPU."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        known = {name: value for name, value in held.items() if value is not None}
        return copied_state(known, torch.device("cpu"))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, object], device: torch.device) -> Self:
        """Make it of copies of what `to_arrays` gave; names it does not know are left.

        Parameters
        ----------
        arrays : mapping
            Field name to value, as `to_arrays` gives it.
        device : torch.device
            Where tensors go.

        Returns
        -------
        AlgorithmState
            Fields without a stored value have their default.
        """
        names = {f.name for f in fields(cls)} & set(arrays)
        return cls(**copied_state({name: arrays[name] for name in names}, device))


class Algorithm(Settings):
    """Frozen settings of one rule; what changes from step to step lives in a state."""

    title: ClassVar[str] = ""
    default_batch: ClassVar[int] = 1
    default_epochs: ClassVar[int] = 40
    """Epochs of a stage that does not say how many."""
    state_type: ClassVar[type[AlgorithmState]] = AlgorithmState
    """What `step` gets as its state."""
    has_kernels: ClassVar[bool] = False
    """Whether its step can use kernels that numba has compiled."""

    def step(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        context: StepContext,
        state: AlgorithmState,
    ) -> Tensor:
        """Improve the estimate in place with the patterns of a batch.

        Parameters
        ----------
        estimate : Estimate
            Object, probe and positions, changed in place.
        measured : Measured
            The patterns, as amplitudes.
        batch : sequence of int
            Numbers (B,) of the patterns.
        context : StepContext
            What the run says of this step.
        state : AlgorithmState
            Of `state_type`: what was remembered, changed in place.

        Returns
        -------
        Tensor (B,) float32
            Squared error of each pattern before the step: the sum over good pixels of
            (sqrt(I_model) - sqrt(I))^2, in counts.
        """
        raise NotImplementedError

    def batch_for(self, patterns: int) -> int:
        """Return the patterns of a step where the run does not say.

        Parameters
        ----------
        patterns : int
            That take part.
        """
        del patterns
        return self.default_batch

    def before_step(
        self, estimate: Estimate, context: StepContext, state: AlgorithmState
    ) -> None:
        """Do what goes before a step and is not part of it; mostly nothing.

        Parameters
        ----------
        estimate : Estimate
            Object, probe and positions; changed in place.
        context : StepContext
            What the run says of the step.
        state : AlgorithmState
            What the algorithm remembers; changed in place.
        """

    def after_step(
        self, estimate: Estimate, state: AlgorithmState, share: float
    ) -> None:
        """Do what follows a step; mostly nothing.

        Parameters
        ----------
        estimate : Estimate
            Object, probe and positions; changed in place.
        state : AlgorithmState
            What the algorithm remembers; changed in place.
        share : float
            Of the epoch that is done, 1 at its end.
        """

    @property
    def device_step(self) -> DeviceStep | None:
        """`step` for patterns whose numbers (B,) only the device knows.

        It does the same with any of them and waits for nothing, so that it can be
        recorded on a GPU and replayed. None where there is no such step.
        """
        return None

    @property
    def refines(self) -> tuple[str, ...]:
        """What is refined beside object and probe, as refiners name it."""
        return ()

    def check(self, geometry: Geometry, *, probe_is_known: bool) -> None:
        """Refuse what is asked for and cannot be seen in this run.

        Parameters
        ----------
        geometry : Geometry
            Of the scan.
        probe_is_known : bool
            Whether the probe is calibrated and stays as it is.

        Raises
        ------
        InputError
            With the reason.
        """

    def end_epoch(
        self, estimate: Estimate, measured: Measured, state: AlgorithmState
    ) -> dict[str, float]:
        """Act on what an epoch has gathered.

        Parameters
        ----------
        estimate : Estimate
            Object, probe and positions as they are now.
        measured : Measured
            Amplitudes of the patterns.
        state : AlgorithmState
            What the algorithm remembers; changed in place.

        Returns
        -------
        dict
            Quantity -> size of its change, as `Refined` has it.
        """
        del estimate, measured, state
        return {}

    @property
    def begins_coarse(self) -> bool:
        """Whether a coarse level goes before the first epoch."""
        return False

    def for_epoch(
        self, state: AlgorithmState, *, refining: bool, moving: bool
    ) -> Algorithm:
        """Return what does the steps of an epoch: mostly the algorithm itself.

        Parameters
        ----------
        state : AlgorithmState
            What the algorithm remembers.
        refining : bool
            Whether anything is refined beside object and probe.
        moving : bool
            Whether what is refined still moves far.
        """
        del state, refining, moving
        return self

    @property
    def falls_fast(self) -> bool:
        """Whether the first five epochs show if the geometry is right."""
        return False

    @property
    def ends_itself(self) -> bool:
        """Whether the run may end before its last epoch, see `reason_to_end`."""
        return False

    def reason_to_end(self, estimate: Estimate, state: AlgorithmState) -> str:
        """Say why the run may end before its last epoch; mostly nothing.

        Parameters
        ----------
        estimate : Estimate
            As the epoch that has ended leaves it.
        state : AlgorithmState
            What the algorithm remembers.

        Returns
        -------
        str
            A sentence without its beginning; empty where the run goes on.
        """
        del estimate, state
        return ""

    def gentler(self) -> Self | None:
        """Return settings that diverge less easily; None when there are none."""
        return None

    def step_bytes(
        self, batch: int, modes: int, view: int, grid: int, canvas: int
    ) -> int:
        """Return the memory of a step beside amplitudes, object and probe, as measured.

        Parameters
        ----------
        batch, modes : int
            Positions of a step, probe modes.
        view, grid, canvas : int
            Pixels of a view, of the grid on which it is propagated (in far field the
            view itself), and of the object.
        """
        del canvas
        waves = 4 * view if grid == view else 3 * grid
        return 8 * batch * (4 * view + modes * waves)

    def kept_bytes(self, modes: int, view: int, canvas: int) -> int:
        """Return the memory that is held from step to step, but for object and probe.

        Parameters
        ----------
        modes, view, canvas : int
            Probe modes, pixels of a view and of the object.
        """
        del modes, view, canvas
        return 0


def as_algorithm(value: object) -> Algorithm:
    """Return an algorithm as it is; InputError for what is none, such as its class.

    Parameters
    ----------
    value : object
        What was given as the algorithm.

    Raises
    ------
    InputError
        It is no instance of an algorithm.
    """
    if not isinstance(value, Algorithm):
        what = value.__name__ if isinstance(value, type) else repr(value)
        raise InputError(f"algorithm is {what}; give an instance, such as RPIE()")
    return value
