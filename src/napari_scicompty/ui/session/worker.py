"""The engine in a thread: what is shared with the window, and the loop that runs there.

A `Job` reconstructs; a `HalvesJob` measures the resolution by half sets.

Measured on two cores with software OpenGL (128 px, 3 modes, layers updated at 5 Hz) the
engine keeps three quarters of its headless speed in a thread: no process is needed.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

from napari_scicompty.core.device import Switch
from napari_scicompty.core.errors import EngineError, InputError
from napari_scicompty.core.log import log_fault
from napari_scicompty.engine.controls import Controls
from napari_scicompty.ui.session.preferences import with_preferences
from napari_scicompty.workflow.corrections import as_refined
from napari_scicompty.workflow.half_sets import run_halves
from napari_scicompty.workflow.start import from_description

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_scicompty.algorithms import Algorithm
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.engine.progress import Progress
    from napari_scicompty.engine.run import Run
    from napari_scicompty.engine.run_settings import RunSettings
    from napari_scicompty.recipe import Recipe, Stage
    from napari_scicompty.refine import Refiner
    from napari_scicompty.workflow.half_sets import HalvesProgress, Resolution
    from napari_scicompty.workflow.search import Candidate
    from napari_scicompty.workflow.start import Start

log = logging.getLogger(__name__)

HEARTBEAT_S = 0.05
"""The engine looks at the window's wishes this often."""

SWITCH_INTERVAL_S = 0.0005
"""How long the window may keep the interpreter from the engine, or the other way."""

_SWITCH_INTERVAL = Switch(sys.getswitchinterval, sys.setswitchinterval)


@dataclass(frozen=True)
class JobProgress:
    """How far a job is, at one moment."""

    stage: int = 0
    """Number of the stage under way, from 0."""
    run: Progress | None = None
    """Of that stage; None before the first one has begun."""
    tried: tuple[Candidate, ...] = ()
    """Starts that the search has tried, each with its newest error."""
    count: int = 0
    """Tries so far; the best starts are tried for more epochs."""
    planned: int = 0
    """Starts that it is going to try."""
    coarse: tuple[int, int] | None = None
    """Epochs of the coarse level that are done, and all; None without one."""


@dataclass
class Job:
    """The stages of a recipe, shared between the window and the thread that computes.

    The window sets `wanted` when it could show something; the thread copies one
    snapshot and publishes it. What the window reads, `progress` and the snapshot that
    `take` hands over, is frozen and changes hands under a lock: it never looks at the
    run itself. No arrays are yielded.
    """

    scan: Scan
    recipe: Recipe
    start: Snapshot | None = None
    """What to go on from, instead of the recipe's start."""
    controls: Controls = field(default_factory=Controls)
    wanted: threading.Event = field(default_factory=threading.Event)
    run: Run | None = None
    """Of the stage under way; the engine's thread alone uses it."""
    first_epoch: int = 0
    """Epochs done before the first stage."""
    failure: Exception | None = None
    """What ended the run before its time; the state before it is the last snapshot."""
    abandoned: bool = False
    """Whether the window is gone, so that nobody else will let go of the run."""
    _runs: Generator[Run, None, None] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _latest: Snapshot | None = None
    _preview: Snapshot | None = None
    _progress: JobProgress = field(default_factory=lambda: JobProgress())

    @classmethod
    def of(
        cls,
        scan: Scan,
        recipe: Recipe,
        start: Snapshot | None,
        standby: Sequence[Refiner] = (),
    ) -> Self:
        """Make a job by the user's preferences.

        Parameters
        ----------
        standby : sequence of Refiner
            They take part, switched off, where a stage does not refine their quantity.
        """
        return cls(scan, with_preferences(_with_standby(recipe, standby)), start)

    @property
    def progress(self) -> JobProgress:
        """How far the job is."""
        with self._lock:
            return self._progress

    @property
    def stage(self) -> Stage:
        """The stage under way, as it was planned."""
        return self.recipe.stages[self.progress.stage]

    @property
    def last_epoch(self) -> int:
        """Epoch at which the last stage ends."""
        now = self.progress
        later = sum(stage.epochs for stage in self.recipe.stages[now.stage + 1 :])
        planned = self.first_epoch + self.recipe.stages[now.stage].epochs
        return (planned if now.run is None else now.run.last_epoch) + later

    def take(self) -> Snapshot | None:
        """Hand over the newest snapshot, once."""
        with self._lock:
            latest, self._latest = self._latest, None
            return latest

    def take_preview(self) -> Snapshot | None:
        """Hand over the newest picture of the coarse level, once; it is no result."""
        with self._lock:
            preview, self._preview = self._preview, None
            return preview

    def _publish(self, snapshot: Snapshot | None = None, **progress: Any) -> None:
        """Let the window see how far the job is, and a snapshot."""
        with self._lock:
            self._progress = replace(self._progress, **progress)
            self._latest = snapshot or self._latest

    def release(self) -> None:
        """Let go of what is large, on the device and off it.

        A worker that napari has quit, because its window went, keeps its job for ever.
        """
        if self._runs is not None:
            self._runs.close()
        self.run = self._runs = None
        self._preview = None
        if self.abandoned:
            self._latest = None
        del self.scan, self.start

    def fail(self, error: Exception) -> None:
        """Note what ended the run, and keep the state before it."""
        self.failure = error
        self._publish(getattr(error, "snapshot", None))

    def carry_out(self) -> Iterator[None]:
        """Reconstruct, stage by stage; yield about every `HEARTBEAT_S`."""
        self.first_epoch = 0 if self.start is None else self.start.epoch
        runs = self._runs = self.recipe.runs(
            self.scan,
            start=self.start,
            controls=self.controls,
            progress=self._note,
            show=self._note_coarse,
        )
        numbers = iter(range(len(self.recipe.stages)))
        # The run gets no name of this frame (nor of enumerate), which may be kept, too.
        for self.run in runs:
            self._publish(
                self.run.snapshot(), stage=next(numbers), run=self.run.progress
            )
            yield
            while not self.run.done:
                self.run.advance(HEARTBEAT_S)
                wanted = self.wanted.is_set()
                shown = self.run.snapshot() if wanted else None
                self._publish(shown, run=self.run.progress)
                if wanted:
                    self.wanted.clear()
                if self.controls.paused:
                    time.sleep(HEARTBEAT_S)
                yield
        if self.run is not None:
            self._publish(self.run.snapshot(exact=True), run=self.run.progress)

    def _note_coarse(self, snapshot: Snapshot, epochs: int) -> None:
        with self._lock:
            self._preview = snapshot
        if epochs:
            self._publish(coarse=(snapshot.epoch, epochs))

    def _note(self, number: int, planned: int, candidate: Candidate) -> None:
        before = [c for c in self._progress.tried if c.start != candidate.start]
        self._publish(count=number, planned=planned, tried=(*before, candidate))


@dataclass
class HalvesJob:
    """Two half sets, shared between the window and the thread that computes."""

    scan: Scan
    stages: list[tuple[Algorithm, RunSettings]]
    start: Start
    controls: Controls = field(default_factory=Controls)
    progress: HalvesProgress | None = None
    resolution: Resolution | None = None
    failure: Exception | None = None
    abandoned: bool = False
    """Whether the window is gone."""

    @classmethod
    def of(cls, scan: Scan, recipe: Recipe, found: Snapshot | None) -> Self:
        """Make a job that reconstructs the halves by a recipe.

        Parameters
        ----------
        found : Snapshot, optional
            A result whose positions they have, and whose start, if it was searched.
        """
        recipe = with_preferences(recipe)
        stages = [
            (stage.algorithm, recipe.settings_of(stage))
            for stage in recipe.stages
            if stage.epochs
        ]
        if found is None:
            return cls(scan, stages, recipe.start)
        start = from_description(found.settings.get("start")) or recipe.start
        return cls(as_refined(scan, found), stages, start)

    def release(self) -> None:
        """Let go of what is large."""
        del self.scan

    def fail(self, error: Exception) -> None:
        """Note what ended the measurement."""
        self.failure = error

    def carry_out(self) -> Iterator[None]:
        """Reconstruct both halves and compare them."""
        halves = run_halves(self.scan, self.stages, self.start, self.controls)
        while True:
            try:
                self.progress = next(halves)
            except StopIteration as end:
                self.resolution = end.value
                return
            yield


def _with_standby(recipe: Recipe, standby: Sequence[Refiner]) -> Recipe:
    """Add refiners, switched off, to the stages that do not refine their quantity."""
    stages = []
    for stage in recipe.stages:
        refined = {refiner.quantity for refiner in stage.refine}
        waiting = (r for r in standby if r.quantity not in refined)
        off = (refiner.replace(enabled=False) for refiner in waiting)
        stages.append(stage.replace(refine=(*stage.refine, *off)))
    return recipe.replace(stages=tuple(stages))


def _let_go(error: BaseException) -> None:
    """Forget the frames of an error: they hold the run, whose tensors would stay.

    The log has told them by then. Whoever keeps its records has empty frames.
    """
    seen: BaseException | None = error
    while seen is not None:
        traceback.clear_frames(seen.__traceback__)
        seen = seen.__cause__ or seen.__context__
    error.__traceback__ = error.__cause__ = error.__context__ = None


class AnyJob(Protocol):
    """What the thread carries out."""

    abandoned: bool

    def carry_out(self) -> Iterator[None]:
        """Do a part of the work, again and again."""

    def fail(self, error: Exception) -> None:
        """Note what ended it before its time."""

    def release(self) -> None:
        """Let go of what is large."""


def drive(jobs: list[AnyJob]) -> Iterator[None]:
    """Carry out the job in the list; return when it is done, stopped or has failed.

    The list is emptied, because napari keeps a worker's arguments for ever. A worker
    that is quit from outside would leak the run, and one that raises a RuntimeError
    would never be reported as finished: neither happens here.
    """
    job = jobs.pop()
    try:
        with _SWITCH_INTERVAL.to(SWITCH_INTERVAL_S):
            yield from job.carry_out()
    except (InputError, EngineError) as error:
        log_fault(log, error)
        _let_go(error)
        job.fail(error)
    except Exception as error:
        fault = EngineError(f"The engine failed: {type(error).__name__}: {error}")
        fault.__cause__ = error
        log_fault(log, fault)
        _let_go(fault)
        job.fail(fault)
    finally:
        if job.abandoned:
            job.release()
