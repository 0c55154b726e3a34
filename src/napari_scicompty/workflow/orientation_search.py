"""How the detector lies against the scan: every orientation tried, and ranked.

Turning or mirroring the patterns and the positions alike turns or mirrors the whole
picture, which no pattern can tell, and in far field neither can a change of the sign of
all positions, see The twin. So what can be told apart are eight orientations in near
field and four in far field, and the angle of the scan.

Each is tried as a start is (see `search`), on neighbouring patterns and larger pixels;
then runs of several seeds are judged by pixels that took no part. Where the patterns
move with the scan (see `pattern_motion`), that tells the angle and the handedness, too.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.analysis.pattern_motion import PatternMotion, pattern_motion
from napari_scicompty.core.errors import EngineError
from napari_scicompty.core.quarter_turns import split
from napari_scicompty.engine.run import Run
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.workflow.coarse_level import (
    BOLD,
    coarse_scan,
    coarse_shape,
    coarser,
)
from napari_scicompty.workflow.orientation import OrientationCandidate
from napari_scicompty.workflow.search import search
from napari_scicompty.workflow.start import AutoStart, begin
from napari_scicompty.workflow.trials import compact_part, ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.engine.controls import Controls
    from napari_scicompty.workflow.start import KnownProbe

log = logging.getLogger(__name__)

PATTERNS = 100
"""Patterns next to each other by which orientations are told apart."""
EPOCHS, SEEDS, HELD_OUT = 10, 3, 0.1
"""Of the runs that decide, and the share of the pixels that takes no part."""
SMALLEST_ANGLE = 1.5
"""Degrees of the scan below which nothing needs to be turned."""
AROUND = (-4.0, -2.0, 0.0, 2.0, 4.0)
"""Degrees about an angle that is found, by whose errors its last digits are told."""
MOTION, MOST = 8.0, 6.0
"""What a clear motion of the patterns weighs, and what errors weigh at most: a run may
end in a wrong picture that fits well; motion was never seen to mislead."""
ALL = tuple(
    OrientationCandidate(transpose=t, flip_rows=r, flip_columns=c)
    for t in (False, True)
    for c in (False, True)
    for r in (False, True)
)
"""The eight orientations of the patterns."""


def find_orientation(
    scan: Scan,
    *,
    modes: int = 1,
    start: KnownProbe | None = None,
    device: str = "auto",
    seed: int = 0,
    controls: Controls | None = None,
    progress: Callable[[int, int, OrientationCandidate], None] | None = None,
) -> list[OrientationCandidate]:
    """Try the orientations that patterns can tell apart; return them, best first.

    Parameters
    ----------
    scan : Scan
        What was measured.
    modes : int
        Probe modes of the tries.
    start : start settings, optional
        A probe that is known; else the start is searched for each orientation.
    device : str
        As in `reconstruct`.
    seed : int
        Of the order of the patterns and the choice of pixels.
    controls : Controls, optional
        To stop from another thread; what was tried until then is returned.
    progress : callable, optional
        Called with (tried, planned, candidate) after each; its error is not yet that
        by which candidates are ranked.

    Returns
    -------
    list of OrientationCandidate
        Each with its error and the probability that it is the right one; where the
        first has less than 95 %, the data leave it undecided.

    Raises
    ------
    InputError
        A geometry that cannot be reconstructed.
    """
    settings = RunSettings(modes=modes, device=device, seed=seed)
    trials = Trials(scan, settings, start, controls)
    for tried in trials.first():
        if progress is not None:
            progress(*tried)
    return trials.judged()


def apart(scan: Scan) -> Sequence[OrientationCandidate]:
    """Return the orientations that patterns can tell apart.

    Parameters
    ----------
    scan : Scan
        Near field: eight. Far field: four, for the twin hides the other four.
    """
    if scan.geometry.propagation == "near-field":
        return ALL
    return [replace(c, has_twin=True) for c in ALL if not c.flip_columns]


def by_motion(motion: PatternMotion) -> tuple[float, NDArray[np.float64]]:
    """Return how to make patterns and scan move along the same line.

    Parameters
    ----------
    motion : PatternMotion
        From `pattern_motion`.

    Returns
    -------
    float, array (2, 2)
        Degrees by which positions are turned, within 45 of none, and what is done to
        the patterns, on (y, x).
    """
    degrees, quarter = split(motion.matrix)
    return degrees * float(np.linalg.det(quarter)), quarter.T


def is_alike(candidate: OrientationCandidate, frames: NDArray[np.float64]) -> bool:
    """Whether a candidate does this to the patterns, or its twin does.

    Parameters
    ----------
    candidate : OrientationCandidate
        One of `apart`.
    frames : array (2, 2)
        From `by_motion`.
    """
    signs = (1, -1) if candidate.has_twin else (1,)
    return any(np.array_equal(candidate.frames_matrix, s * frames) for s in signs)


@dataclass(frozen=True, eq=False)
class _Tried:
    """A candidate and what the runs that decide gave."""

    candidate: OrientationCandidate
    share: NDArray[np.float64]
    """Squared error of the pixels that took no part, over the mean power there, of
    each pattern (n,)."""


class Trials:
    """Tries of the orientations of one scan.

    Parameters
    ----------
    scan : Scan
        What was measured.
    settings : RunSettings, optional
        Modes, device and seed; one mode when left out.
    start : start settings, optional
        A probe that is known.
    controls : Controls, optional
        To stop from another thread.
    patterns : int
        At most this many, next to each other, are used.
    """

    def __init__(
        self,
        scan: Scan,
        settings: RunSettings | None = None,
        start: KnownProbe | None = None,
        controls: Controls | None = None,
        patterns: int = PATTERNS,
    ) -> None:
        settings = settings or RunSettings(modes=1)
        self._settings, self._start, self._controls = settings, start, controls
        self.motion = pattern_motion(scan, settings.seed)
        if self.motion is not None and not self.motion.is_clear:
            self.motion = None
        log.info("motion of the patterns: %s", self.motion or "not clear")
        self._part = compact_part(scan, patterns)
        self._tried: list[_Tried] = []

    @property
    def stopped(self) -> bool:
        """Whether the search is to end."""
        return self._controls is not None and self._controls.stopped

    def first(self) -> Iterator[tuple[int, int, OrientationCandidate]]:
        """Try each.

        Yields
        ------
        int, int, OrientationCandidate
            How many were tried, how many there are, and the newest.
        """
        candidates = [*apart(self._part)]
        if self.motion is not None:
            degrees, like = by_motion(self.motion)
            if abs(degrees) > SMALLEST_ANGLE:
                first = next(c for c in candidates if is_alike(c, like))
                candidates.insert(0, replace(first, rotation_deg=degrees))
        for number, candidate in enumerate(candidates, 1):
            tried = self._decided(candidate)
            if self.stopped:
                return
            if tried is not None:
                self._tried.append(tried)
                yield number, len(candidates), tried.candidate
        self._tried.sort(key=lambda t: t.candidate.error)
        if self._tried and self._tried[0].candidate.rotation_deg:
            self._tried[0] = self._with_last_digits(self._tried[0])
            self._drop_doubles()

    def _drop_doubles(self) -> None:
        """Leave one of two that differ by an angle that is not worth turning."""
        best = self._tried[0].candidate
        if abs(best.rotation_deg) > SMALLEST_ANGLE:
            return
        flat = replace(best, rotation_deg=0.0)
        others = [t for t in self._tried[1:] if t.candidate.words != flat.words]
        self._tried = [replace(self._tried[0], candidate=flat), *others]

    def _with_last_digits(self, best: _Tried) -> _Tried:
        """Find the angle of the smallest error, on a parabola around the best."""
        angle = best.candidate.rotation_deg
        near = [replace(best.candidate, rotation_deg=angle + a) for a in AROUND]
        known = [self._decided(candidate) for candidate in near]
        errors = [t.candidate.error for t in known if t is not None]
        if len(errors) < len(AROUND):
            return best
        bend, slope, _ = np.polyfit(AROUND, errors, 2)
        if not bend > 0:
            return best
        lowest = min(max(-slope / (2 * bend), AROUND[0]), AROUND[-1])
        finer = self._decided(replace(best.candidate, rotation_deg=angle + lowest))
        if finer is None or finer.candidate.error > best.candidate.error:
            return best
        return finer

    def all_judged(self) -> list[OrientationCandidate]:
        """Try all.

        Returns
        -------
        list of OrientationCandidate
            Most likely first.
        """
        for _ in self.first():
            pass
        return self.judged()

    def judged(self) -> list[OrientationCandidate]:
        """Return what was tried, most likely first, with confidence."""
        candidates = [t.candidate for t in self._tried]
        odds = [
            -against(*self.evidence(c)) - self._against_motion(c) for c in candidates
        ]
        shares = np.exp(np.array(odds) - max(odds, default=0))
        shares /= shares.sum()
        told = [
            replace(candidate, confidence=float(share))
            for candidate, share in zip(candidates, shares, strict=True)
        ]
        return sorted(told, key=lambda c: c.confidence, reverse=True)

    def _against_motion(self, candidate: OrientationCandidate) -> float:
        """Say what the motion of the patterns speaks against a candidate."""
        if self.motion is None:
            return 0.0
        return 0.0 if is_alike(candidate, by_motion(self.motion)[1]) else MOTION

    def evidence(self, candidate: OrientationCandidate) -> tuple[float, float]:
        """Say how much worse a candidate fits than the best one.

        Parameters
        ----------
        candidate : OrientationCandidate
            One that was tried.

        Returns
        -------
        float, float
            Mean of the differences of the patterns' errors over its standard error,
            and logarithm of the ratio of errors; zeros for the best.
        """
        best = self._tried[0]
        other = next(t for t in self._tried if t.candidate.words == candidate.words)
        if other is best:
            return 0.0, 0.0
        away = other.share - best.share
        spread = max(float(away.std()), 1e-30) / math.sqrt(len(away))
        ratio = math.log(other.candidate.error / best.candidate.error)
        return float(away.mean()) / spread, ratio

    def _decided(self, candidate: OrientationCandidate) -> _Tried | None:
        """Find the start, if none is known, then run with several seeds."""
        scan = candidate.apply(self._part)
        start = candidate.start or self._start or self._best_start(scan)
        if start is None:
            return None
        shape = coarse_shape(scan)
        coarse = scan if shape is None else coarse_scan(scan, shape)
        shares, error, picture = [], [], None
        for seed in range(self._settings.seed, self._settings.seed + SEEDS):
            settings = self._settings.replace(
                seed=seed, epochs=EPOCHS, held_out=HELD_OUT
            )
            first = begin(scan, start, modes=settings.modes, seed=seed)
            if shape is not None:
                first = coarser(first, coarse)
            run = _Trial(coarse, BOLD, first, settings)
            try:
                while not run.done:
                    if self.stopped:
                        return None
                    run.advance(0.1)
            except EngineError as failed:
                log.info("an orientation could not be tried: %s", failed)
                return None
            held = run.measured.held_out
            assert held is not None
            share = held.squared.cpu().double().numpy() / held.power.mean()
            shares.append(share)
            error.append(share.mean())
            picture = run.snapshot().object
        tried = replace(
            candidate, error=float(np.mean(error)), start=start, picture=picture
        )
        log.info("%s", tried)
        return _Tried(tried, np.mean(shares, axis=0))

    def _best_start(self, scan: Scan) -> KnownProbe | None:
        known = {}
        for _, _, tried in search(scan, AutoStart(), self._settings, self._controls):
            known[tried.start] = tried
        return ranked([*known.values()])[0].start if known else None


def against(clear: float, ratio: float) -> float:
    """Say what errors speak against a candidate, as minus the logarithm of its odds.

    Its constants, and `MOTION`, are from simulated scans, see the benchmark
    ``orientation.py``.

    Parameters
    ----------
    clear, ratio : float
        From `Trials.evidence`.

    Returns
    -------
    float
        0 for the best, and more for worse ones.
    """
    return min(0.4 * clear, 25 * ratio, MOST)


class _Trial(Run):
    """One of many: its epochs are for those who look at the details of the log."""

    log_level = logging.DEBUG
