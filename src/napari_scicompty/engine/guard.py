"""How a run judges itself after an epoch; each rule decides, and does nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_scicompty.data.diverged import DivergedError
from napari_scicompty.engine.checkpoint import copied

if TYPE_CHECKING:
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.model.held_out import HeldOut

LARGEST_TRANSMISSION = 100.0
"""|O| above this is taken for divergence; vacuum is 1."""

LARGEST_RISE = 10.0
"""The error may rise to this many times its best before the run counts as diverged."""


@dataclass
class Divergence:
    """Whether the run has diverged.

    Attributes
    ----------
    best : float
        Smallest error so far.
    fell_back : bool
        Whether it went on with gentler settings once.
    """

    best: float = math.inf
    fell_back: bool = False

    def reason(self, epoch: int, error: float, largest: float) -> str:
        """Say why the epoch that has ended counts as diverged; nothing if it does not.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.
        error : float
            Normalised error of it.
        largest : float
            Of |O|.

        Returns
        -------
        str
            Empty where all is well; then the smallest error is noted.
        """
        sane = math.isfinite(error) and error <= LARGEST_RISE * self.best
        if sane and largest <= LARGEST_TRANSMISSION:
            self.best = min(self.best, error)
            return ""
        return (
            f"epoch {epoch + 1} diverged (error {error:.3g}, best {self.best:.3g}, "
            f"largest |object| {largest:.3g})"
        )


def given_up(why: str, good: Snapshot) -> DivergedError:
    """Return the error that ends a run which gentler settings did not help.

    Parameters
    ----------
    why : str
        What the last epoch showed.
    good : Snapshot
        The last good state.
    """
    return DivergedError(
        f"{why}; the last good state, epoch {good.epoch}, is kept: check the geometry, "
        "the start of the probe and the mask, or take smaller steps",
        good,
    )


@dataclass(frozen=True)
class EarlyEnd:
    """A run ends because noise is fitted from here on."""

    note: str
    """Why, for the history."""
    best: Snapshot | None
    """What to go back to; None where it is not at hand."""


class HoldoutStop:
    """Ends a run whose error of the held-out pixels does not fall any more.

    Parameters
    ----------
    start : Snapshot
        Where the run began.
    """

    def __init__(self, start: Snapshot) -> None:
        self._error, self._epoch = math.inf, start.epoch
        self._best: Snapshot | None = start

    def take_up(self, start: Snapshot, held_out: HeldOut | None) -> None:
        """Go on with what a run that was cut knows of its held-out pixels.

        Parameters
        ----------
        start : Snapshot
            Where the run begins.
        held_out : HeldOut, optional
            Held-out pixels of this run; their errors are set.
        """
        known, runs = start.state.get("held_out"), start.history.runs
        if held_out is None or known is None or not runs or runs[-1].finished:
            return
        squared = torch.tensor(known["squared"], device=held_out.squared.device)
        if squared.shape == held_out.squared.shape:
            held_out.squared.copy_(squared)
            self._error, self._best = float(known["best"]), None
            self._epoch = int(known["best_epoch"])

    def judge(
        self, error: float, good: Snapshot, patience: int, *, over: bool
    ) -> EarlyEnd | None:
        """Decide whether the run ends with the epoch that has passed.

        Parameters
        ----------
        error : float
            Normalised error of the held-out pixels.
        good : Snapshot
            The present state.
        patience : int
            Epochs without a fall after which the run ends; 0: it never does.
        over : bool
            Whether this was the last epoch.

        Returns
        -------
        EarlyEnd or None
            Why the run ends, and with which state; None where it goes on.
        """
        if error < self._error:
            self._error, self._epoch, self._best = error, good.epoch, good
        waited = good.epoch - self._epoch
        if not patience or not waited or (waited < patience and not over):
            return None
        why = (
            f"the error of the held-out pixels has not fallen since epoch {self._epoch}"
        )
        if self._best is None:  # of before the run was taken up
            why += ", which is not at hand any more: the run ends here"
        else:
            why += f", which is kept; the run went on to epoch {good.epoch}"
        return EarlyEnd(why, self._best)

    def arrays(self, held_out: HeldOut | None) -> dict[str, object]:
        """Return what a run that is cut needs to go on; nothing without such pixels.

        Parameters
        ----------
        held_out : HeldOut, optional
            Held-out pixels of this run.
        """
        if held_out is None:
            return {}
        squared = copied(held_out.squared)
        known = {"best": self._error, "best_epoch": self._epoch}
        return {"held_out": {"squared": squared, **known}}
