"""How a run goes back to a state that was good, and on from there."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from napari_scicompty.core.device import is_out_of_memory
from napari_scicompty.core.findings import as_warning
from napari_scicompty.engine.guard import Divergence, HoldoutStop, given_up
from napari_scicompty.engine.plan import less_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scicompty.algorithms.base import Algorithm
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import History, Snapshot
    from napari_scicompty.engine.checkpoint import Live
    from napari_scicompty.engine.controls import Controls, PathValue
    from napari_scicompty.engine.pattern_errors import PatternErrors
    from napari_scicompty.engine.plan import Plan
    from napari_scicompty.engine.refiner_set import RefinerSet
    from napari_scicompty.engine.run_log import RunLog
    from napari_scicompty.engine.run_settings import RunSettings
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured


class Recovery:
    """What of a run goes back: after divergence, overfit, or lack of memory.

    Attributes
    ----------
    scan, algorithm, settings, controls, plan, live, refining, estimate, measured
        Of the run, see `Run`.
    epoch, last_epoch : int
        Epochs that were completed, and at which it ends.
    history : History
        What has happened.
    """

    scan: Scan
    algorithm: Algorithm
    settings: RunSettings
    controls: Controls
    epoch: int
    last_epoch: int
    history: History
    plan: Plan
    live: Live
    refining: RefinerSet
    estimate: Estimate
    measured: Measured
    _log: RunLog
    _good: Snapshot
    _errors: PatternErrors
    _divergence: Divergence
    _holdout: HoldoutStop

    @property
    def _batch_size(self) -> int:
        raise NotImplementedError

    def step(self) -> None:
        """Do a batch."""
        raise NotImplementedError

    def _begin_epoch(self) -> None:
        raise NotImplementedError

    def _apply(self, changes: Sequence[PathValue]) -> None:
        raise NotImplementedError

    def _end_early(self, error: float) -> None:
        """Go back to the best where the error of held-out pixels falls no more."""
        patience, over = self.settings.patience, self.epoch >= self.last_epoch
        if not (end := self._holdout.judge(error, self._good, patience, over=over)):
            return
        history = self.history
        if end.best is None:
            self.last_epoch = self.epoch
        else:
            self.live.restore(end.best, self.algorithm)
            self.epoch = self.last_epoch = end.best.epoch
            history = dataclasses.replace(end.best.history, changes=history.changes)
        self.history = history.add(notes=[end.note])
        self._log.info(end.note, self.epoch)

    def _end_where_it_is_done(self) -> None:
        """Make this epoch the last where algorithm and refiners have come to rest."""
        if self.epoch >= self.last_epoch or not self.refining.at_rest(self.history):
            return
        why = self.algorithm.reason_to_end(self.estimate, self.live.state)
        if why:
            self.last_epoch = self.epoch
            note = f"ended by itself at epoch {self.epoch}: {why}"
            self.history = self.history.add(notes=[note]).ended(why)
            self._log.info(note, self.epoch)

    def _fall_back(self, why: str) -> None:
        """Go back to the last good state with gentler weights, once; else stop."""
        good = self._good
        gentler = None if self._divergence.fell_back else self.algorithm.gentler()
        if gentler is None:
            self._log.gives_up(why, good.epoch)
            raise given_up(why, good.replace(history=self.history))
        self._divergence.fell_back = True
        with self.controls.exclusively():
            self.algorithm = gentler
        self._log.goes_back(why, good.epoch, gentler)
        self.live.restore(good, gentler)
        note = f"{why}: went back to epoch {good.epoch} and on with {gentler!r}"
        self.history = self.history.add(notes=[as_warning(note)])
        self._begin_epoch()

    def _step_within_memory(self) -> None:
        """Do a step; where it does not fit, go back and on with less memory."""
        try:
            self.step()
            return
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self._log.warning(error)
        # Only here, after the traceback, is the memory of the step free again.
        good, device = self._good, self._errors.squared.device
        asked = (self.scan, self.algorithm, self.settings, len(self.estimate.probe))
        less = less_memory(self.plan, *asked, self._batch_size, self.epoch)
        if less.plan is not None:
            self.plan = less.plan
            self.measured.keep(self.scan, less.plan.keeping, device)
        note = less.note(self.epoch + 1, device, good.epoch)
        self._log.warning(note)
        self.live.restore(good, self.algorithm)
        self.epoch = good.epoch
        self.history = good.history.before(self.history, good.epoch, good.batch, note)
        self._begin_epoch()
        if less.plan is None:
            with self.controls.exclusively():
                self._apply([("run.batch", less.batch)])
