"""The engine in a thread: what is shared with the window, and the loop that runs there.

A `Job` reconstructs; a `HalvesJob` measures the resolution by half scans.

Measured on two cores with software OpenGL (128 px, 3 modes, layers updated at 5 Hz) the
engine keeps three quarters of its headless speed in a thread: no process is needed.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_scicompty.controls import Controls
from napari_scicompty.errors import EngineError, InputError
from napari_scicompty.halves import run_halves
from napari_scicompty.reconstruction import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scicompty.algorithms import Algorithm
    from napari_scicompty.halves import HalvesProgress, Resolution
    from napari_scicompty.refine import Refiner
    from napari_scicompty.run import Run
    from napari_scicompty.run_settings import RunSettings
    from napari_scicompty.scan import Scan
    from napari_scicompty.search import Candidate
    from napari_scicompty.snapshot import Snapshot
    from napari_scicompty.start import Start

HEARTBEAT_S = 0.05
"""The engine looks at the window's wishes this often."""

SWITCH_INTERVAL_S = 0.0005
"""How long the window may keep the interpreter from the engine, or the other way."""


@dataclass
class Job:
    """One reconstruction, shared between the window and the thread that computes.

    The window sets `wanted` when it could show something; the thread copies one
    snapshot, puts it into `latest` and clears the flag. No arrays are yielded.
    """

    scan: Scan
    algorithm: Algorithm
    settings: RunSettings
    start: Start | Snapshot
    refine: tuple[Refiner, ...] = ()
    controls: Controls = field(default_factory=Controls)
    wanted: threading.Event = field(default_factory=threading.Event)
    run: Run | None = None
    latest: Snapshot | None = None
    tried: list[Candidate] = field(default_factory=list)
    planned: int = 0
    failure: Exception | None = None
    """What ended the run before its time; the state before it is in `latest`."""

    def take(self) -> Snapshot | None:
        """Hand over the newest snapshot, once."""
        latest, self.latest = self.latest, None
        return latest

    def release(self) -> None:
        """Let go of what is large, on the device and off it.

        A worker that napari has quit, because its window went, keeps its job for ever.
        """
        self.run = None
        del self.scan, self.start

    def fail(self, error: Exception) -> None:
        """Note what ended the run, and keep the state before it."""
        self.failure = error
        self.latest = getattr(error, "snapshot", self.latest)

    def carry_out(self) -> Iterator[None]:
        """Reconstruct; yield about every `HEARTBEAT_S`."""
        self.run = prepare(
            self.scan,
            self.algorithm,
            self.settings,
            self.start,
            self.controls,
            lambda _, planned, candidate: self._note(planned, candidate),
            self.refine,
        )
        self.latest = self.run.snapshot()
        yield
        while not self.run.done:
            self.run.advance(HEARTBEAT_S)
            if self.wanted.is_set():
                self.latest = self.run.snapshot()
                self.wanted.clear()
            if self.controls.paused:
                time.sleep(HEARTBEAT_S)
            yield
        self.latest = self.run.snapshot(exact=True)

    def _note(self, planned: int, candidate: Candidate) -> None:
        self.planned = planned
        self.tried.append(candidate)


@dataclass
class HalvesJob:
    """Two half scans, shared between the window and the thread that computes."""

    scan: Scan
    stages: list[tuple[Algorithm, RunSettings]]
    start: Start
    controls: Controls = field(default_factory=Controls)
    progress: HalvesProgress | None = None
    resolution: Resolution | None = None
    failure: Exception | None = None

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


def drive(jobs: list[Job] | list[HalvesJob]) -> Iterator[None]:
    """Carry out the job in the list; return when it is done, stopped or has failed.

    The list is emptied, because napari keeps a worker's arguments for ever. A worker
    that is quit from outside would leak the run, and one that raises a RuntimeError
    would never be reported as finished: neither happens here.
    """
    job = jobs.pop()
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield from job.carry_out()
    except (InputError, EngineError) as error:
        # Frames of the traceback hold the run: its tensors would outlive it.
        error.__traceback__ = error.__context__ = None
        job.fail(error)
    except Exception as error:
        traceback.clear_frames(error.__traceback__)
        job.fail(EngineError(f"The engine failed: {type(error).__name__}: {error}"))
    finally:
        sys.setswitchinterval(before)
