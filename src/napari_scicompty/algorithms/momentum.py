"""Momentum over parts of an epoch: a memory that carries what a step hardly moves.

After every part of an epoch the estimate x (object and probe) goes on from a point
ahead of it::

    y = x + m (x - x_before)

with m = (k - 1) / (k + 2) at the k-th time (Nesterov 1983; Beck & Teboulle, SIAM J.
Imaging Sci. 2, 183 (2009)), or with a constant friction m: then it is the momentum of
mPIE (Maiden, Johnson & Li, Optica 4, 736 (2017)). Where the error of an epoch rises
twice in a row the memory begins anew and steps become smaller (O'Donoghue & Candes,
Found. Comput. Math. 15, 715 (2015)).

The estimate that is shown, judged and saved is always x, the end of a part; the end of
an epoch is the end of a part, too. So all that is done between two epochs (positions
that are refined, the power of the probe that is kept) acts on x. The memory is carried
over it where positions move, and begins anew where the distance changes or the canvas
grows: both were measured to be the better way.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from napari_scicompty.algorithms.base import AlgorithmState
from napari_scicompty.optics.two_spaces import TwoSpaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from napari_scicompty.model.estimate import Estimate

LARGEST = 0.98
"""Most momentum that Nesterov's rule gives."""

SHRINK = 0.7
"""Steps become this much smaller when the memory begins anew."""

RISES = 2
"""Epochs in a row whose error must rise before the memory begins anew."""


@dataclass
class MomentumState(AlgorithmState):
    """What momentum remembers.

    Within a part of an epoch `object` and `probe` hold x, where the part began; between
    two parts they hold x - x_before.
    """

    object: Tensor | None = None
    """(H, W) complex64."""
    probe: Tensor | None = None
    """(modes, h, w) complex64, in the space where the probe is stepped; None while it
    is held."""
    in_part: bool = False
    """Whether a part of an epoch is under way."""
    in_fourier: bool = False
    """Whether `probe` is in Fourier space."""
    distance_m: float = 0.0
    """Sample to detector of what is remembered: a refined one changes the object."""
    parts: int = 0
    """Parts of the present epoch that have ended."""
    count: int = 0
    """k: parts since the memory began."""
    shrunk: float = 1.0
    """Factor of the steps; falls as the memory begins anew."""
    last_error: float = math.inf
    """Error of the epoch before."""
    rises: int = 0
    """Epochs in a row whose error has risen."""
    restarts: int = 0
    """Times that the memory began anew because the error rose."""

    @property
    def step_size(self) -> float:
        """Factor of the steps."""
        return self.shrunk

    # -- a part of an epoch ------------------------------------------------------------
    def begin_part(
        self, estimate: Estimate, friction: float | None, *, with_probe: bool
    ) -> None:
        """Go on from a point ahead, unless a part is under way.

        Parameters
        ----------
        estimate : Estimate
            x; becomes y.
        friction : float, optional
            m; that of Nesterov when left out.
        with_probe : bool
            Whether the probe is stepped.
        """
        if self.in_part:
            return
        stepped = estimate.stepped_probe if with_probe else None
        in_fourier = estimate.placement.shifts_probe
        same_place = self.distance_m == estimate.distance_m
        if not same_place or not self._fits(estimate.object, stepped, in_fourier):
            self.forget()
        ahead = self.momentum(friction)
        self.in_fourier, self.distance_m = in_fourier, estimate.distance_m
        self.object = _moved_on(estimate.object, self.object, ahead)
        if stepped is not None:
            self.probe = _moved_on(stepped, self.probe, ahead)
            if in_fourier:
                estimate.probe_kept.was_stepped()
        self.in_part = True

    def end_part(self, estimate: Estimate) -> None:
        """Remember how far the part has moved.

        Parameters
        ----------
        estimate : Estimate
            x, where the part ends.
        """
        assert self.object is not None
        self.object = estimate.object - self.object
        if self.probe is not None:
            self.probe = estimate.stepped_probe - self.probe
        self.in_part = False
        self.count += 1

    def share_moved(self, estimate: Estimate) -> float:
        """Return how far the last part has moved the object, as a share of it.

        Parameters
        ----------
        estimate : Estimate
            x, where the part ends.

        Returns
        -------
        float
            Infinite where nothing is remembered; it waits for the device.
        """
        if self.object is None or self.in_part:
            return math.inf
        norms = [
            float(torch.linalg.vector_norm(o)) for o in (self.object, estimate.object)
        ]
        return norms[0] / max(norms[1], 1e-30)

    def reached(self, share: float, parts: int) -> bool:
        """Whether a part ends where `share` of the epoch is done.

        Parameters
        ----------
        share : float
            Of the patterns of an epoch that had their turn, 0 to 1.
        parts : int
            Of an epoch.
        """
        ended = min(int(share * parts + 1e-9), parts)
        ends = ended > self.parts or share >= 1
        self.parts = 0 if share >= 1 else max(ended, self.parts)
        return ends and self.in_part

    def momentum(self, friction: float | None) -> float:
        """Return m, for the part that is to begin.

        Parameters
        ----------
        friction : float, optional
            m; that of Nesterov when left out.
        """
        if self.count < 1:
            return 0.0
        if friction is not None:
            return friction
        return min((self.count - 1) / (self.count + 2), LARGEST)

    def _fits(self, object: Tensor, probe: Tensor | None, in_fourier: bool) -> bool:
        """Whether what is remembered is of the same arrays."""
        if self.object is None or self.object.shape != object.shape:
            return False
        if self.probe is None or probe is None:
            return self.probe is probe
        return self.probe.shape == probe.shape and self.in_fourier == in_fourier

    # -- beginning anew ----------------------------------------------------------------
    def interrupt(self) -> None:
        """Begin the memory anew: settings have changed."""
        self.forget()

    def go_on(self) -> None:
        """Count anew how often the steps become smaller; they stay as small."""
        self.restarts = 0

    def pause(self) -> None:
        """Begin the memory anew, with steps of full size, after a while without it."""
        self.forget()
        self.shrunk = 1.0

    def forget(self) -> None:
        """Begin the memory anew; the steps stay as they are."""
        self.object = self.probe = None
        self.in_part, self.count, self.rises = False, 0, 0

    def judge(self, error: float) -> None:
        """Begin anew, with smaller steps, where errors rise; without memory do nothing.

        Parameters
        ----------
        error : float
            Of the epoch that has ended.
        """
        if self.object is None:
            return
        self.rises = self.rises + 1 if error > self.last_error else 0
        self.last_error = error
        if self.rises >= RISES:
            self.forget()
            self.shrunk *= SHRINK
            self.restarts += 1

    # -- what is shown -----------------------------------------------------------------
    @contextmanager
    def shown(self, estimate: Estimate) -> Iterator[None]:
        """Let the estimate be x while it is looked at.

        Parameters
        ----------
        estimate : Estimate
            Within a part it is on its way.

        Yields
        ------
        None
            While the block runs, what is on its way is remembered in its place.
        """
        if not self.in_part:
            yield
            return
        others = self._exchange(estimate)
        try:
            yield
        finally:
            self.object, estimate.object = estimate.object, others[0]
            self.probe = others[1]
            if others[2] is not None:
                estimate.probe_kept = others[2]

    def _exchange(
        self, estimate: Estimate
    ) -> tuple[Tensor, Tensor | None, TwoSpaces | None]:
        """Put x into the estimate; return object, memory and probe as they were."""
        assert self.object is not None
        on_the_way, x_probe, kept = estimate.object, self.probe, None
        estimate.object, self.object = self.object, on_the_way
        if x_probe is not None:
            self.probe, kept = estimate.stepped_probe, estimate.probe_kept
            estimate.probe_kept = TwoSpaces.of(x_probe, in_fourier=self.in_fourier)
        return on_the_way, x_probe, kept

    def take_up(self, estimate: Estimate) -> None:
        """Go on within a part: a snapshot shows x.

        Parameters
        ----------
        estimate : Estimate
            Of the snapshot; becomes what was on its way.
        """
        if self.in_part:
            self._exchange(estimate)


def _moved_on(x: Tensor, change: Tensor | None, momentum: float) -> Tensor:
    """Add to x, in place, momentum times its last change; return x as it was."""
    if change is None or momentum == 0:
        return x.clone() if change is None else change.copy_(x)
    before = x.clone()
    x.add_(change, alpha=momentum)
    return change.copy_(before)
