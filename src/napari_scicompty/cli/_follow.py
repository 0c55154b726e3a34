"""Run a recipe in a terminal: progress bar, Ctrl-C stops and keeps the result."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from napari_scicompty.controls import Controls
from napari_scicompty.errors import DivergedError, EngineError
from napari_scicompty.search import ranked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from napari_scicompty.recipe import Recipe
    from napari_scicompty.run import Run
    from napari_scicompty.scan import Scan
    from napari_scicompty.search import Candidate
    from napari_scicompty.snapshot import Snapshot

_SECONDS = 0.25
"""How often the bar moves."""


class Follower:
    """Runs a recipe and shows how far it is.

    Attributes
    ----------
    snapshot : Snapshot or None
        The last state that is good, also after Ctrl-C or a failure.
    """

    def __init__(self, recipe: Recipe, scan: Scan, start: Snapshot | None) -> None:
        self.snapshot: Snapshot | None = None
        self._recipe, self._scan, self._start = recipe, scan, start
        self._controls = Controls()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._search: TaskID | None = None
        self._tried: list[Candidate] = []

    def run(self) -> EngineError | None:
        """Run to the end, to Ctrl-C or to a failure, which is returned.

        Raises
        ------
        InputError
            A start or settings that do not fit the scan.
        """
        options: dict[str, Any] = {
            "start": self._start,
            "controls": self._controls,
            "progress": self._searched,
        }
        with interrupts(self._controls), self._bar:
            try:
                for run in self._recipe.runs(self._scan, **options):
                    self._follow(run)
            except EngineError as error:
                if isinstance(error, DivergedError):
                    self.snapshot = error.snapshot
                return error
        return None

    def _follow(self, run: Run) -> None:
        if self._search is not None:
            self._bar.update(self._search, note=str(ranked(self._tried)[0]))
        first = run.epoch
        task = self._bar.add_task(
            type(run.algorithm).__name__, total=run.last_epoch - first, note=""
        )
        while True:
            if self.snapshot is None or run.epoch > self.snapshot.epoch:
                self.snapshot = run.snapshot()
            if run.done:
                break
            run.advance(_SECONDS)
            self._bar.update(
                task,
                completed=run.epoch - first + run.batch / len(self._scan),
                note=f"epoch {run.epoch}/{run.last_epoch}, error "
                f"{run.history.errors[-1]:.5f}",
            )
        self.snapshot = run.snapshot(exact=True)

    def _searched(self, tried: int, planned: int, candidate: Candidate) -> None:
        self._tried.append(candidate)
        if self._search is None:
            self._search = self._bar.add_task("start", total=planned, note="")
        self._bar.update(
            self._search, completed=tried, total=planned, note=str(candidate)
        )
        self._bar.console.print(f"tried: {candidate}", markup=False, highlight=False)


@contextmanager
def interrupts(controls: Controls) -> Iterator[None]:
    """Let the first Ctrl-C stop the run; the second one ends the program."""

    def stop(_number: int, _frame: Any) -> None:
        if controls.stopped:
            raise KeyboardInterrupt
        controls.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
