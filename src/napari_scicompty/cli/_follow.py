"""Run a recipe in a terminal: a progress bar, and what there is is kept on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from napari_scicompty.cli._terminal import console
from napari_scicompty.core.errors import EngineError
from napari_scicompty.data.diverged import DivergedError
from napari_scicompty.workflow.search import ranked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    from napari_scicompty.cli._signals import Interruption
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.engine.controls import Controls
    from napari_scicompty.engine.run import Run
    from napari_scicompty.workflow.search import Candidate

_SECONDS = 0.25
"""How often the bar moves."""


class Follower:
    """Drives runs, one after the other, and shows how far they are.

    Parameters
    ----------
    controls : Controls
        Of these runs.
    interruption : Interruption
        What signals have asked for.
    keep : callable, optional
        Called with (snapshot, run, whether it is the end of a stage) after each epoch
        and about every minute.
    due : callable, optional
        Whether it is time for `keep` in mid-epoch.
    exact : bool
        Whether the error at the end is taken by a full pass.

    Attributes
    ----------
    snapshot : Snapshot or None
        The last state that is good, also after Ctrl-C or a failure.
    """

    def __init__(
        self,
        controls: Controls,
        interruption: Interruption,
        keep: Callable[[Snapshot, Run, bool], None] = lambda *_: None,
        due: Callable[[], bool] = lambda: False,
        *,
        exact: bool = True,
    ) -> None:
        self.snapshot: Snapshot | None = None
        self._controls, self._interruption = controls, interruption
        self._keep, self._due, self._exact = keep, due, exact
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console(),
        )
        self._search: TaskID | None = None
        self._coarse: TaskID | None = None
        self._tried: dict[object, Candidate] = {}

    def run(self, runs: Iterator[Run]) -> EngineError | None:
        """Run to the end, to Ctrl-C or to a failure, which is returned.

        Raises
        ------
        InputError
            A start or settings that do not fit the scan.
        """
        with self._bar:
            try:
                for run in runs:
                    self._follow(run)
            except EngineError as error:
                if isinstance(error, DivergedError):
                    self.snapshot = error.snapshot
                return error
        return None

    def _follow(self, run: Run) -> None:
        if self._search is not None:
            self._bar.update(self._search, note=str(ranked([*self._tried.values()])[0]))
        first = run.epoch
        task = self._bar.add_task(
            type(run.algorithm).__name__, total=run.last_epoch - first, note=""
        )
        most = " at most " if run.algorithm.ends_itself else "/"
        while True:
            is_new = self.snapshot is None or run.epoch > self.snapshot.epoch
            if is_new or (self._due() and run.epoch > first):
                self.snapshot = run.snapshot()
                if run.epoch > first:
                    self._keep(self.snapshot, run, False)
            if run.done:
                break
            run.advance(_SECONDS)
            self._bar.update(
                task,
                completed=run.epoch - first + run.batch / len(run.scan),
                note=f"epoch {run.epoch}{most}{run.last_epoch}, error "
                f"{run.history.errors[-1]:.5f}",
            )
        # A program that must end does no further pass over the patterns.
        exact = self._exact and self._interruption.number is None
        self.snapshot = run.snapshot(exact=exact)
        self._keep(self.snapshot, run, True)

    def coarse(self, snapshot: Snapshot, epochs: int) -> None:
        """Show how far the coarse level is."""
        if not epochs:
            return
        if self._coarse is None:
            self._coarse = self._bar.add_task("coarse level", total=epochs, note="")
        said = f"epoch {snapshot.epoch}/{epochs}, error {snapshot.error:.5f}"
        self._bar.update(self._coarse, completed=snapshot.epoch, note=said)

    def searched(self, tried: int, planned: int, candidate: Candidate) -> None:
        """Show a start that was tried."""
        self._tried[candidate.start] = candidate
        if self._search is None:
            self._search = self._bar.add_task("start", total=planned, note="")
        self._bar.update(
            self._search, completed=tried, total=planned, note=str(candidate)
        )
        self._bar.console.print(f"tried: {candidate}", markup=False, highlight=False)
