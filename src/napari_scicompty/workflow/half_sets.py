"""Honest resolution: two half sets, reconstructed apart and compared ring by ring."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_scicompty.analysis.comparison import agreement
from napari_scicompty.core.errors import InputError
from napari_scicompty.data.snapshot import Snapshot
from napari_scicompty.engine.controls import Controls, PathValue
from napari_scicompty.engine.run_settings import RunSettings, included
from napari_scicompty.workflow.reconstruction import prepare
from napari_scicompty.workflow.search import ranked, search
from napari_scicompty.workflow.start import AutoStart

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_scicompty.algorithms.base import Algorithm
    from napari_scicompty.analysis.ring_correlation import FourierRingCorrelation
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.engine.run import Run
    from napari_scicompty.workflow.search import Candidate
    from napari_scicompty.workflow.start import KnownProbe, Start

    Stages = Sequence[tuple[Algorithm, RunSettings]]
    Pair = tuple[Snapshot, Snapshot]

log = logging.getLogger(__name__)

HEARTBEAT_S = 0.05
"""How often the halves say how far they are."""


@dataclass(frozen=True)
class HalvesProgress:
    """How far two half sets are."""

    done: float
    """Epochs of both halves, or starts that were tried."""
    planned: int
    """In the unit of `done`."""
    what: str
    """One line for a progress bar."""


@dataclass(frozen=True, eq=False)
class Resolution:
    """What two half sets say of the resolution."""

    first: Snapshot
    """Of the 1st, 3rd, 5th ... position that takes part."""
    second: Snapshot
    """Of the 2nd, 4th, 6th ... position."""
    frc: FourierRingCorrelation
    """Of the two objects, over the region that is lit in both."""

    @property
    def sentence(self) -> str:
        """The two crossings as half periods, and what they are of."""
        found, after = self.frc.resolved, f"after {self.first.epoch} epochs"
        if self.frc.half_bit_crossing.frequency == 0:
            return f"{found} {after}: two half sets of the scan agree in no detail"
        return f"{found} {after}: up to there two half sets of the scan agree"


def split_half_frc(
    scan: Scan,
    algorithm: Algorithm,
    *,
    epochs: int,
    modes: int | None = None,
    batch: int | None = None,
    device: str = "auto",
    seed: int = 0,
    start: str | Start = "auto",
    progress: Callable[[HalvesProgress], None] | None = None,
    controls: Controls | None = None,
    **settings: object,
) -> Resolution:
    """Reconstruct odd and even positions apart; say up to which detail they agree.

    Both halves have the same settings and the same start, so that they end in the same
    twin; each refines its own probe. Scale, shift and ramp are removed, and the ring
    correlation is taken where both were lit.

    Each half has half the photons, half the overlap and half the steps in an epoch.
    The thresholds are made for halves and tell of the whole data, but they count the
    photons only: where half the overlap is too little, or the epochs are too few for a
    half to settle, the whole scan is better than they say. Where an algorithm goes on
    with large steps at few photons, the whole has hardly less noise than its halves,
    and they flatter (see Judging a result). What both halves share is not seen: a wrong
    distance, wrong positions, a detector that is not linear.

    Parameters
    ----------
    scan, algorithm, epochs, modes, batch, device, seed, **settings
        As in `reconstruct`.
    start : str or start settings
        ``"auto"`` is searched once, with the whole scan.
    progress : callable, optional
        Called with a `HalvesProgress` about twenty times a second.
    controls : Controls, optional
        To pause or stop from another thread. After a stop the last epoch that both
        halves have done is judged.

    Returns
    -------
    Resolution
        The ring correlation of both halves.

    Raises
    ------
    InputError
        A snapshot as start (it knows both halves), no epochs, too few positions, a
        stop before the first epoch was done, or settings that do not fit.
    DivergedError, EngineError
        As in `reconstruct`.
    """
    chosen = RunSettings(
        epochs=epochs, modes=modes, batch=batch, device=device, seed=seed, **settings
    )
    if start == "auto":
        start = AutoStart()
    halves = run_halves(scan, [(algorithm, chosen)], start, controls)
    while True:
        try:
            step = next(halves)
        except StopIteration as end:
            return end.value
        if progress is not None:
            progress(step)


class _NoChanges:
    """Refuses changes under way: both halves have to be made alike."""

    def check(self, changes: Sequence[PathValue]) -> None:
        """Raise InputError where something is to be changed."""
        if changes:
            raise InputError(
                f"{changes[0][0]}: settings cannot be changed while half sets are "
                "under way; stop, change them and measure again"
            )


def run_halves(
    scan: Scan,
    stages: Stages,
    start: object,
    controls: Controls | None = None,
) -> Generator[HalvesProgress, None, Resolution]:
    """Do what `split_half_frc` does, as a generator that a worker can drive.

    Both halves go forward together, epoch by epoch. ``yield from`` it: its value is
    the `Resolution`.

    Parameters
    ----------
    scan : Scan
        All of it.
    stages : sequence of (Algorithm, RunSettings)
        One after the other, as in a recipe.
    start : start settings
        `AutoStart` is searched first.
    controls : Controls, optional
        To pause or stop from another thread.

    Yields
    ------
    HalvesProgress
        About twenty times a second.

    Raises
    ------
    InputError
        No epochs, fewer than four positions, or a start from a result.
    """
    controls = controls or Controls()
    refusing = _NoChanges()
    controls.bind(refusing.check)
    planned = sum(settings.epochs for _, settings in stages)
    if planned < 1:
        raise InputError(
            field="epochs",
            problem="half sets need at least one epoch",
            remedy="give more",
        )
    if isinstance(start, str | Snapshot):
        raise InputError(
            field="start",
            problem="half sets begin anew, because a result knows both half sets",
            remedy="give 'auto' or a start such as DiscProbe(radius_m)",
        )
    parts = split(scan, stages[0][1])
    log.info("half sets of %d patterns, %d epochs", len(scan), planned)
    if isinstance(start, AutoStart):
        start = yield from _searched(scan, start, stages[0][1], controls)
    current: list[Any] = [start, start]
    pair: Pair | None = None
    for algorithm, settings in stages:
        runs = [
            prepare(part, algorithm, settings, begin)
            for part, begin in zip(parts, current, strict=True)
        ]
        while not all(run.done for run in runs):
            for run in runs:
                yield from _one_epoch(run, runs, controls, planned)
            if controls.stopped:
                break
            pair = (runs[0].snapshot(), runs[1].snapshot())
        if controls.stopped:
            break
        pair = (runs[0].snapshot(exact=True), runs[1].snapshot(exact=True))
        current = list(pair)
    if pair is None:
        raise InputError("the half sets were stopped before their first epoch")
    found = Resolution(*pair, agreement(*pair))
    log.info("half sets: %s", found.sentence)
    return found


def split(scan: Scan, settings: RunSettings) -> tuple[Scan, Scan]:
    """Return the scan with every other position that takes part left out, twice.

    Parameters
    ----------
    scan : Scan
        What was measured.
    settings : RunSettings
        Its `excluded` take no part.

    Raises
    ------
    InputError
        Fewer than four positions take part.
    """
    taking_part = included(scan, settings).nonzero()[0]
    if len(taking_part) < 4:
        raise InputError(
            f"half sets: only {len(taking_part)} position(s) take part; at least 4 "
            "are needed"
        )
    return scan.exclude(taking_part[1::2]), scan.exclude(taking_part[::2])


def _searched(
    scan: Scan, auto: AutoStart, settings: RunSettings, controls: Controls
) -> Generator[HalvesProgress, None, KnownProbe]:
    tried: dict[object, Candidate] = {}
    for number, planned, candidate in search(scan, auto, settings, controls):
        tried[candidate.start] = candidate
        yield HalvesProgress(number, planned, f"start: {candidate}")
    if controls.stopped or not tried:
        raise InputError("the half sets were stopped while their start was searched")
    return ranked([*tried.values()])[0].start


def _one_epoch(
    run: Run, runs: list[Run], controls: Controls, planned: int
) -> Generator[HalvesProgress, None, None]:
    """Bring one half an epoch further, unless it is stopped on the way."""
    goal = run.epoch + 1
    while run.epoch < goal and not run.done:
        controls.wait_while_paused()
        if controls.stopped:
            return
        began = time.perf_counter()
        while run.epoch < goal and time.perf_counter() - began < HEARTBEAT_S:
            run.advance(0)  # one batch, so that the halves stay abreast
        first, second = runs
        shares = sum(r.epoch + r.batch / len(r.scan) for r in runs)
        yield HalvesProgress(
            min(shares, 2.0 * planned),
            2 * planned,
            f"half sets: epoch {second.epoch}/{planned}, errors "
            f"{first.history.errors[-1]:.5f} and {second.history.errors[-1]:.5f}",
        )
