"""Short runs by which starts are told apart, and their ranking."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.algorithms.pie import RPIE
from napari_scicompty.core.errors import EngineError
from napari_scicompty.core.units import shown_length
from napari_scicompty.data.checks.spread import around_middle
from napari_scicompty.engine.run import Run
from napari_scicompty.workflow.coarse_level import coarse_scan, coarse_shape, coarser
from napari_scicompty.workflow.start import (
    AutoStart,
    BackPropagatedProbe,
    DiscProbe,
    PupilProbe,
    begin,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.engine.controls import Controls
    from napari_scicompty.engine.run_settings import RunSettings

log = logging.getLogger(__name__)

BEST_OF_A_KIND = {"upstream": 2, "downstream": 2, "disc": 2}
"""How many go on, of each sign of the defocus and of the discs."""

BOLD = RPIE(alpha_object=1.0, alpha_probe=1.0, beta=1.0, gamma=0.5)
"""Tells starts apart in the fewest epochs."""


Tried = PupilProbe | DiscProbe | BackPropagatedProbe


@dataclass(frozen=True)
class Candidate:
    """A start that was tried."""

    start: Tried
    """How the probe began."""
    error: float
    """Error by a full pass after the epochs of the search; infinite if it diverged."""

    @property
    def is_disc(self) -> bool:
        """Whether the start is a disc, and not the mean pattern's pupil."""
        return isinstance(self.start, DiscProbe)

    @property
    def kind(self) -> str:
        """Disc, or on which side of the sample the focus lies; one of a few words."""
        if isinstance(self.start, PupilProbe):
            return "upstream" if self.start.defocus_m > 0 else "downstream"
        return "disc" if self.is_disc else "other"

    @property
    def defocus_m(self) -> float | None:
        """Focus to sample, positive: diverging; None where it is no pupil."""
        return self.start.defocus_m if isinstance(self.start, PupilProbe) else None

    def __str__(self) -> str:
        if isinstance(self.start, PupilProbe):
            what = (
                f"defocus {shown_length(self.start.defocus_m + 0.0, '+.4g')}"  # no -0
            )
        elif isinstance(self.start, DiscProbe):
            what = f"disc of {self.start.radius_m * 1e6:.4g} µm radius"
        else:
            what = "mean pattern propagated back"
        return f"{what}: error {self.error:.4f}"


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Sort candidates, best first; a disc counts as 10 % worse than it is.

    The pupil was measured and a disc is a guess: it must be clearly better.

    Parameters
    ----------
    candidates : sequence of Candidate
        Starts with their errors.

    Returns
    -------
    list of Candidate
        Best first.

    Examples
    --------
    >>> disc, pupil = DiscProbe(1e-6), PupilProbe(1e-4)
    >>> best = ranked([Candidate(disc, 0.100), Candidate(pupil, 0.105)])[0]
    >>> best.start is pupil
    True
    """
    return sorted(candidates, key=lambda c: c.error * (1.1 if c.is_disc else 1.0))


def best_of_each_kind(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the best few of each sign of defocus, and of the discs; best first.

    Parameters
    ----------
    candidates : sequence of Candidate
        After the same number of epochs.
    """
    left, best = dict(BEST_OF_A_KIND), []
    for candidate in ranked(candidates):
        if left.get(candidate.kind, 0):
            left[candidate.kind] -= 1
            best.append(candidate)
    return best


class Trials:
    """Short runs of one start after the other.

    Parameters
    ----------
    scan : Scan
        What was measured.
    auto : AutoStart
        Epochs, rungs, patterns.
    settings : RunSettings
        Epochs, batch, device, seed and the like.
    controls : Controls, optional
        To stop from another thread.
    show : callable, optional
        Is given the picture of each start that is the best so far.
    """

    def __init__(
        self,
        scan: Scan,
        auto: AutoStart,
        settings: RunSettings,
        controls: Controls | None,
        show: Callable[[Snapshot], None] | None,
    ) -> None:
        self.tried: list[Candidate] = []
        """One a start, with its newest error."""
        self.planned = 0
        self._count = 0
        self._kept: dict[Tried, Snapshot] = {}
        """States of the best few, to go on from."""
        self._part = compact_part(scan, auto.patterns)
        shape = coarse_shape(self._part) if auto.coarse else None
        self._coarse = None if shape is None else coarse_scan(self._part, shape)
        self._settings = settings.replace(batch=None, excluded=(), hold_probe=0)
        self._controls, self._show, self._halving = controls, show, auto.coarse

    @property
    def stopped(self) -> bool:
        """Whether the search is to end."""
        return self._controls is not None and self._controls.stopped

    def each(
        self, starts: Sequence[Tried], epochs: int, after: int = 0
    ) -> Iterator[tuple[int, int, Candidate]]:
        """Yield (tried, planned, candidate) after so many epochs of each start.

        Parameters
        ----------
        starts : sequence of start settings
            What is tried.
        epochs : int
            Of each; a start that was among the best goes on from where it was.
        after : int
            Tries that will follow these.
        """
        self.planned = max(self.planned, self._count + len(starts) + after)
        for start in starts:
            if self.stopped:
                return
            error, state = self._run(start, epochs)
            if self.stopped:
                return
            candidate = Candidate(start, error)
            self.tried = [c for c in self.tried if c.start != start] + [candidate]
            self._keep(state)
            if self._show is not None and state and ranked(self.tried)[0] == candidate:
                self._show(state)
            self._count += 1
            told = (self._count, max(self.planned, self._count), candidate)
            log.info("tried %d of %d: %s", *told)
            yield told

    def _keep(self, state: Snapshot | None) -> None:
        """Keep the state of the newest candidate while it is among the best."""
        if not self._halving:
            return
        best = [c.start for c in best_of_each_kind(self.tried)]
        if state is not None:
            self._kept[self.tried[-1].start] = state
        self._kept = {s: kept for s, kept in self._kept.items() if s in best}

    def _run(self, start: Tried, epochs: int) -> tuple[float, Snapshot | None]:
        """Return error and state after some epochs; infinite where they diverge."""
        first = self._kept.pop(start, None)
        if first is None:
            named = self._settings
            first = begin(self._part, start, modes=named.modes, seed=named.seed)
            if self._coarse is not None:
                first = coarser(first, self._coarse)
        settings = self._settings.replace(epochs=epochs - first.epoch)
        run = _ShortRun(self._coarse or self._part, BOLD, first, settings)
        try:
            while not run.done:
                if self._controls is not None:
                    self._controls.wait_while_paused()
                    if self._controls.stopped:
                        return math.inf, None
                run.advance(0.1)
        except EngineError as error:
            log.info("a start could not be tried: %s", error)
            return math.inf, None
        return run.full_error()[0], run.snapshot() if self._halving else None


class _ShortRun(Run):
    """One of many: its candidate is in the log, its epochs are for those who look."""

    log_level = logging.DEBUG


def compact_part(scan: Scan, most: int) -> Scan:
    """Keep the patterns next to the middle of the scan, with all their overlap.

    Parameters
    ----------
    scan : Scan
        What was measured.
    most : int
        Patterns that are kept.

    Returns
    -------
    Scan
        With copies of these patterns; the same where it has no more.
    """
    if len(scan.included) <= most:
        return scan
    chosen = scan.included[around_middle(scan.positions_m[scan.included], most)]
    return scan.replace(
        patterns=np.asarray(scan.patterns[chosen]),
        positions_m=scan.positions_m[chosen],
        excluded=(),
    )
