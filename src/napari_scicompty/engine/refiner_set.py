"""The refiners of a run: they watch its steps, and act when an epoch ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch

from napari_scicompty.core.device import copied_state
from napari_scicompty.core.errors import InputError
from napari_scicompty.data.snapshot import Refined

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from torch import Tensor

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.data.snapshot import History
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured
    from napari_scicompty.refine.base import Refiner, State


RECENT = 12
"""Epochs that count as a short while."""


def too_few_epochs(
    refiners: Sequence[Refiner], state: Mapping[str, State], epochs: int
) -> list[str]:
    """Note what will not take a step, because the epochs end before it begins.

    Parameters
    ----------
    refiners : sequence of Refiner
        One a quantity.
    state : mapping
        What the refiners remember of an earlier run, by quantity.
    epochs : int
        Epochs of the run.

    Returns
    -------
    list of str
        One sentence a refiner; empty where all of them act.
    """
    waiting = {r.quantity: r.waits(state.get(r.quantity, {})) for r in refiners}
    return [
        f"refine: {epochs} epoch(s) are too few for a step of the {refiner.quantity}, "
        f"as {waiting[refiner.quantity]} go before it; give more epochs, or a smaller "
        f"{refiner.quantity}.start_epoch"
        for refiner in refiners
        if refiner.enabled and 0 < epochs <= waiting[refiner.quantity]
    ]


class RefinerSet:
    """Refiners, one a quantity, with what they remember.

    Parameters
    ----------
    refiners : sequence of Refiner
        One a quantity.
    geometry : Geometry
        Of the scan: it decides what can be refined.
    device : torch.device
        Where their tensors lie.

    Attributes
    ----------
    refiners : dict
        Quantity -> settings; set them with `choose`.

    Raises
    ------
    InputError
        A quantity that cannot be seen in this geometry.
    """

    def __init__(
        self, refiners: Sequence[Refiner], geometry: Geometry, device: torch.device
    ) -> None:
        self._geometry, self._device = geometry, device
        self._state: dict[str, State] = {}
        self.refiners: Mapping[str, Refiner] = {}
        self.choose({refiner.quantity: refiner for refiner in refiners})

    def choose(self, refiners: Mapping[str, Refiner]) -> None:
        """Go on with these settings.

        Parameters
        ----------
        refiners : mapping
            Quantity to its refiner.

        Raises
        ------
        InputError
            As for `check`.
        """
        self.check(refiners)
        self.refiners = dict(refiners)

    def check(
        self, refiners: Mapping[str, Refiner], by_algorithm: Collection[str] = ()
    ) -> None:
        """Refuse what cannot be refined in this geometry; what is off may wait.

        Parameters
        ----------
        refiners : mapping
            Quantity to its refiner.
        by_algorithm : collection of str
            Quantities that the algorithm refines by itself.

        Raises
        ------
        InputError
            A quantity that no pattern tells in this geometry, or that the algorithm
            refines already.
        """
        for quantity, refiner in refiners.items():
            if not refiner.enabled:
                continue
            refiner.check(self._geometry)
            if quantity in by_algorithm:
                raise InputError(
                    f"refine: the algorithm refines {quantity} by itself "
                    f"(algorithm.free_{quantity}); switch one of the two off"
                )

    @property
    def watches(self) -> bool:
        """Whether any refiner wants to see the steps of this epoch."""
        return any(refiner.watches(state) for refiner, state in self._active())

    def step(
        self,
        step: Callable[[], Tensor],
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
    ) -> Tensor:
        """Do the algorithm's step while the refiners watch; return what it returns.

        Parameters
        ----------
        step : callable
            Does the step, and returns the squared errors (B,).
        estimate : Estimate
            Object, probe and positions as they are now.
        measured : Measured
            Amplitudes of the patterns.
        batch : sequence of int, length B
            Numbers of the patterns.

        Returns
        -------
        Tensor (B,)
            Squared errors.
        """
        if not self.refiners:
            return step()
        now = (estimate, measured, batch)
        watching = [
            (refiner, state, refiner.before_step(*now))
            for refiner, state in self._active()
            if refiner.watches(state)
        ]
        errors = step()
        for refiner, state, before in watching:
            refiner.after_step(*now, before, state)
        return errors

    @property
    def clips_to_detector(self) -> bool:
        """Whether light outside the detector should count as none in this epoch."""
        return any(
            refiner.clips_to_detector(state) for refiner, state in self._active()
        )

    def end_epoch(
        self, estimate: Estimate, measured: Measured, errors: Tensor, epoch: int
    ) -> list[Refined]:
        """Let the refiners act on what they have seen; return what they did.

        Parameters
        ----------
        estimate : Estimate
            Object, probe and positions as they are now.
        measured : Measured
            Amplitudes of the patterns.
        errors : Tensor (n,)
            Squared error of each pattern; zero where it took no part.
        epoch : int
            Epochs that were completed.

        Returns
        -------
        list of Refined
            One for each refiner that is active.
        """
        done = []
        for refiner, state in self._active():
            change = refiner.end_epoch(estimate, measured, errors, state)
            done.append(Refined(epoch, refiner.quantity, change, estimate.distance_m))
        return done

    def is_active(self) -> bool:
        """Whether anything is refined."""
        return any(True for _ in self._active())

    def has_moved_far(self, history: History) -> bool:
        """Whether anything that is refined has changed much a short while ago.

        Parameters
        ----------
        history : History
            Its last epochs are looked at; without one the answer is yes.
        """
        since = (history.epochs[-1] if history.epochs else 0) - RECENT
        for refiner, _ in self._active():
            changes = [
                r.change
                for r in history.refined
                if r.quantity == refiner.quantity and r.epoch > since
            ]
            if refiner.large < max(changes, default=math.inf):
                return True
        return False

    def at_rest(self, history: History) -> bool:
        """Whether nothing that is refined still changes.

        Parameters
        ----------
        history : History
            Its last epoch is looked at.
        """
        now = history.epochs[-1] if history.epochs else 0
        changes = {r.quantity: r.change for r in history.refined if r.epoch == now}
        return all(
            not refiner.waits(state)
            and changes.get(refiner.quantity, math.inf) < refiner.rest
            for refiner, state in self._active()
        )

    def _active(self) -> Iterator[tuple[Refiner, State]]:
        for quantity, refiner in self.refiners.items():
            if refiner.enabled:
                yield refiner, self._state.setdefault(quantity, {})

    # -- what is kept -----------------------------------------------------------------
    @property
    def state(self) -> dict[str, object]:
        """Copy of what the refiners remember, on the CPU."""
        return copied_state(self._state, torch.device("cpu"))

    def take_up(self, state: Mapping[str, object]) -> None:
        """Go on from what an earlier `state` remembered.

        Parameters
        ----------
        state : dict
            By quantity; copied.
        """
        self._state = cast("dict[str, State]", copied_state(state, self._device))

    @property
    def described(self) -> dict[str, object]:
        """Settings by quantity, for a snapshot."""
        return {name: refiner.described for name, refiner in self.refiners.items()}
