"""The engine in a thread: what is shared with the window, and the loop that runs there.

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
from napari_scicompty.reconstruction import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scicompty.algorithms import Algorithm
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


def drive(jobs: list[Job]) -> Iterator[None]:
    """Carry out the job in the list; return when it is done, stopped or has failed.

    The list is emptied, because napari keeps a worker's arguments for ever. A worker
    that is quit from outside would leak the run, and one that raises a RuntimeError
    would never be reported as finished: neither happens here.
    """
    job = jobs.pop()
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield from _carry_out(job)
    except (InputError, EngineError) as error:
        # Frames of the traceback hold the run: its tensors would outlive it.
        error.__traceback__ = error.__context__ = None
        job.failure = error
        job.latest = getattr(error, "snapshot", job.latest)
    except Exception as error:
        traceback.clear_frames(error.__traceback__)
        job.failure = EngineError(f"The engine failed: {type(error).__name__}: {error}")
    finally:
        sys.setswitchinterval(before)


def _carry_out(job: Job) -> Iterator[None]:
    job.run = prepare(
        job.scan,
        job.algorithm,
        job.settings,
        job.start,
        job.controls,
        lambda _, planned, candidate: _note(job, planned, candidate),
    )
    job.latest = job.run.snapshot()
    yield
    while not job.run.done:
        job.run.advance(HEARTBEAT_S)
        if job.wanted.is_set():
            job.latest = job.run.snapshot()
            job.wanted.clear()
        if job.controls.paused:
            time.sleep(HEARTBEAT_S)
        yield
    job.latest = job.run.snapshot(exact=True)


def _note(job: Job, planned: int, candidate: Candidate) -> None:
    job.planned = planned
    job.tried.append(candidate)
