"""One run; `reconstruct`, command line and window are thin loops over `Run.advance`."""

from __future__ import annotations

import logging
import math
import time
import weakref
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from napari_scicompty.algorithms.base import StepContext
from napari_scicompty.core.device import (
    cpu_threads,
    fitting_threads,
    pick_device,
)
from napari_scicompty.data.snapshot import Refined, Snapshot
from napari_scicompty.engine.changes import after, steps_differ
from napari_scicompty.engine.checkpoint import Live, record_of
from napari_scicompty.engine.controls import Controls, PathValue, recorded
from napari_scicompty.engine.guard import Divergence, HoldoutStop
from napari_scicompty.engine.kernels import kernels_for
from napari_scicompty.engine.pattern_errors import PatternErrors, full_pass
from napari_scicompty.engine.plan import keep, plan
from napari_scicompty.engine.progress import Progress
from napari_scicompty.engine.recovery import Recovery
from napari_scicompty.engine.run_log import RunLog, as_engine_error
from napari_scicompty.engine.run_settings import RunSettings, included
from napari_scicompty.engine.schedule import Schedule
from napari_scicompty.engine.verdicts import FIRST, judged, verdicts
from napari_scicompty.model.ambiguities import recentre, rescale
from napari_scicompty.optics import registration
from napari_scicompty.optics.patches import intensity

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.algorithms.base import Algorithm
    from napari_scicompty.core.findings import Finding
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.refine.base import Refiner


class Run(Recovery):
    """A reconstruction under way.

    Parameters
    ----------
    scan : Scan
        What was measured.
    algorithm : Algorithm
        The rule and its settings.
    start : Snapshot
        Where to begin: a first guess (epoch 0) or an earlier result.
    settings : RunSettings
        Epochs, batch, device, seed and the like; `epochs` are additional to `start`.
    controls : Controls, optional
        Knobs for other threads.
    refiners : sequence of Refiner
        Of other quantities, one each; their settings are reached by the quantity's
        name (``"positions.rate_px"``).

    Raises
    ------
    InputError
        The geometry cannot be reconstructed, the device is not there, or an excluded
        pattern or a control that was set beforehand is not valid.
    """

    log_level: ClassVar[int] = logging.INFO
    """Level of the lines of the log that any run has."""

    def __init__(
        self,
        scan: Scan,
        algorithm: Algorithm,
        start: Snapshot,
        settings: RunSettings,
        controls: Controls | None = None,
        refiners: Sequence[Refiner] = (),
    ) -> None:
        self.scan, self.algorithm, self.settings = scan, algorithm, settings
        self.controls = controls or Controls()
        self.epoch, self.last_epoch = start.epoch, start.epoch + settings.epochs
        self.history = start.history
        self.elapsed_s = self.started_s = start.elapsed_s
        self._start, self._log = start, RunLog(self.log_level)
        self.found: tuple[Finding, ...] = ()
        """What epochs of this run told, see `verdicts`."""
        self._included = included(scan, settings)
        device = pick_device(settings.device)
        self._threads = settings.threads or fitting_threads(start.probe.size)
        self._kernels = kernels_for(settings, algorithm, device, self._threads)
        asked = (scan, algorithm, settings, len(start.probe))
        self.plan, self.measured = keep(plan(*asked), *asked, self._included)
        if not self.plan.is_plain and str(self.plan) not in self.history.notes:
            self.history = self.history.add(notes=[str(self.plan)])
        self.live = Live.begin(
            scan, algorithm, start, refiners, self.measured, self._included, device
        )
        self.estimate, self.refining = self.live.estimate, self.live.refining
        if start.history.runs and start.history.runs[-1].why_ended:
            self.live.state.go_on()
        self._divergence, self._holdout = Divergence(), HoldoutStop(start)
        self._holdout.take_up(start, self.measured.held_out)
        self._power: float = start.state.get("power", self.estimate.power)
        self._schedule = Schedule(self.live, settings, start.batch)
        self._choose_steps()
        self._schedule.begin(self.epoch, self._batch_size, self.settings)
        self._expect_steps()
        self._errors, self._error = self._begun_errors(start)
        best = min(self.history.errors, default=math.inf)
        self._divergence.best = start.state.get("best", best)
        as_run = settings.replace(kernels=self._kernels)
        record = record_of(start, scan, algorithm, as_run, self.refining.refiners)
        self.history = self.history.add(runs=[record])
        self.controls.bind(self._checked)
        weakref.finalize(self, registration.release)
        self._good = self.snapshot()
        self._log.begins(self, self._batch_size, self._included, self._error)

    # -- the loop ---------------------------------------------------------------------
    @property
    def done(self) -> bool:
        """Whether all epochs were done or the run was stopped."""
        over = self.epoch >= self.last_epoch and not self.controls.waiting
        return self.controls.stopped or over

    @property
    def _has_finished(self) -> bool:
        """Whether the run came to its end by itself."""
        return self.done and not self.controls.stopped

    def advance(self, seconds: float | None = None) -> None:
        """Do batches until the epoch ends, `seconds` have passed, or the run is done.

        While paused it waits; with `seconds` it returns instead.

        Parameters
        ----------
        seconds : float, optional
            Time after which to return; an epoch when left out.

        Raises
        ------
        DivergedError
            With the last good snapshot.
        EngineError
            Out of memory, or another fault of the device.
        """
        began, first, was_done = time.perf_counter(), self.epoch, self.done
        try:
            with torch.no_grad(), cpu_threads(self._threads):
                while not self.done:
                    if self.controls.paused:
                        if seconds is not None:
                            break
                        began += self.controls.wait_while_paused()
                        continue
                    self._step_within_memory()
                    if seconds is None and self.epoch > first:
                        break
                    if seconds is not None and time.perf_counter() - began > seconds:
                        break
        except Exception as error:
            fault = as_engine_error(error, self.epoch, self.algorithm)
            raise fault from fault.__cause__
        finally:
            self.elapsed_s += time.perf_counter() - began
        if self.done and not was_done:
            self._log.ends(self, self._error)

    def step(self) -> None:
        """Apply changes, then do one batch; at the end of an epoch, tidy up."""
        if self.controls.apply(self._apply) and self.done:
            return
        self._schedule.step(self._batch_size, self._included, self._errors)
        if self._schedule.order.over:
            self._end_epoch()

    @property
    def batch(self) -> int:
        """Patterns of the epoch that had their turn."""
        return self._schedule.order.at

    @property
    def _batch_size(self) -> int:
        own = self._stepping.batch_for(int(self._included.sum()))
        return self.settings.batch or own

    def _choose_steps(self) -> None:
        """Choose what does the steps of this epoch."""
        self._stepping = self.algorithm.for_epoch(
            self.live.state,
            refining=self.refining.is_active(),
            moving=self.refining.has_moved_far(self.history),
        )
        if self._stepping is not self.algorithm:
            self.live.state.pause()

    def _expect_steps(self) -> None:
        """Tell what holds until the epoch ends or settings change."""
        now = (self.settings.updates_probe(self.epoch), self.refining.clips_to_detector)
        context = StepContext(
            self.epoch, *now, self.live.state.step_size, self._kernels
        )
        self.estimate.probe_is_known = self.settings.freeze_probe
        told = (self._stepping, context, self._batch_size, self._included)
        if why := self._schedule.expect(*told):
            self.history = self.history.add(notes=[why])
            self._log.warning(why)

    def _end_epoch(self) -> None:
        error = self._errors.error(self._included)
        largest = math.sqrt(float(intensity(self.estimate.object).amax()))
        if why := self._divergence.reason(self.epoch, error, largest):
            self._fall_back(why)
            return
        if self.settings.updates_probe(self.epoch):
            rescale(self.estimate, self._power)
            if not self.estimate.propagator.sees_shifts:
                recentre(self.estimate)
        self._error = error
        self.epoch += 1
        self.history = self.history.add(epochs=[self.epoch], errors=[error])
        self._log.epoch(self.epoch, error)
        self.live.state.judge(error)
        own = self.algorithm.end_epoch(self.estimate, self.measured, self.live.state)
        z = self.estimate.distance_m
        refined = [Refined(self.epoch, name, size, z) for name, size in own.items()]
        now = (self.estimate, self.measured, self._errors.of_epoch, self.epoch)
        self.history = self.history.add(refined=refined + self.refining.end_epoch(*now))
        seen = (self._errors.on_host, self.scan, self._included, self.found)
        refines = any(r.enabled for r in self.refining.refiners.values())
        fast = self.algorithm.falls_fast and not refines
        for finding in verdicts(self.history, *seen, falls_fast=fast):
            self.found = (*self.found, finding)
            self.note(finding)
        self._begin_epoch()
        if self.measured.held_out is not None:
            error = self.measured.held_out.error(self._included)
            self.history = self.history.add(held_out=[(self.epoch, error)])
        if self.done and (told := self.verdict) is not None and told.level != "ok":
            self.note(told)
        self._good = self.snapshot()
        if self.measured.held_out is not None:
            self._end_early(error)
        self._end_where_it_is_done()

    def _begin_epoch(self) -> None:
        self._choose_steps()
        self._schedule.begin(self.epoch, self._batch_size, self.settings)
        self._expect_steps()
        self._errors.begin_epoch()

    # -- changes under way ------------------------------------------------------------
    def _checked(
        self, changes: Sequence[PathValue]
    ) -> tuple[dict[str, Any], NDArray[np.bool_]]:
        """Return what `changes` lead to; raise InputError and alter nothing."""
        own = {"algorithm": self.algorithm, "run": self.settings}
        return after(own, changes, self.refining, self.scan)

    def _apply(self, changes: Sequence[PathValue]) -> None:
        kind, own = type(self.algorithm), {"algorithm": self.algorithm}
        groups = {**own, "run": self.settings, **self.refining.refiners}
        records = recorded(groups, changes, self.epoch, self.batch)
        self.history = self.history.add(changes=records)
        self._log.changes(records)
        to, self._included = self._checked(changes)
        if steps_differ(groups, to):
            self.live.state.interrupt()
        self.estimate.include(self._included)
        self.algorithm, self.settings = to.pop("algorithm"), to.pop("run")
        self.refining.choose(to)
        self.last_epoch = self._start.epoch + self.settings.epochs
        if type(self.algorithm) is not kind:
            self.live.state = self.algorithm.state_type()
            self._divergence.fell_back = False
        self._choose_steps()
        self._expect_steps()

    def _begun_errors(self, start: Snapshot) -> tuple[PatternErrors, float]:
        """Take up the errors of the start; measure them by a full pass at epoch 0."""
        errors = self._errors = PatternErrors(
            self.measured.power, self.estimate.object.device
        )
        if math.isfinite(start.error):
            errors.take_up_from(start, self._schedule.order.visited)
            return errors, start.error
        error, passed = self.full_error()
        errors.take_up(passed, self._included, self._schedule.order.visited)
        self.history = self.history.add(epochs=[self.epoch], errors=[error])
        return errors, error

    def full_error(self, only: NDArray[np.bool_] | None = None) -> tuple[float, Tensor]:
        """Return the error by a full pass, and squared errors (n,), counts.

        Parameters
        ----------
        only : (n,), optional
            Patterns that are looked at; those that take part when left out.
        """
        with self.live.shown():
            return self._full_error(only)

    def _full_error(
        self, only: NDArray[np.bool_] | None = None
    ) -> tuple[float, Tensor]:
        which = self._included if only is None else only & self._included
        with torch.no_grad(), cpu_threads(self._threads):
            squared = full_pass(self.estimate, self.measured, which)
        return self._errors.error(which, squared), squared

    def note(self, finding: Finding | None) -> None:
        """Keep in the history what was found to be odd, once.

        Parameters
        ----------
        finding : Finding, optional
            Nothing happens without one.
        """
        if finding is not None and finding.as_note not in self.history.notes:
            self.history = self.history.add(notes=[finding.as_note])
            self._log.info(finding, self.epoch)

    # -- what can be seen -------------------------------------------------------------
    @property
    def progress(self) -> Progress:
        """How far the run is, as a record of its own."""
        epochs = (self.epoch, self.last_epoch, self._start.epoch)
        rest = (len(self.scan), self.elapsed_s - self.started_s, self.history)
        return Progress(*epochs, self.batch, *rest, self.verdict)

    @property
    def verdict(self) -> Finding | None:
        """How the run goes, in a sentence; None before its fifth epoch."""
        if self.epoch < FIRST or not self.history.errors:
            return None
        still = [
            finding
            for finding in self.found
            if not finding.patterns or self._included[list(finding.patterns)].any()
        ]
        # Not the estimate's: to look at it changes which space it is kept in.
        modes = len(self._start.probe)
        return judged(still, self.history, self.scan, modes)

    def snapshot(self, *, exact: bool = False) -> Snapshot:
        """Return a copy of the present state; with `exact`, its error by a full pass.

        It works between any two batches.

        Parameters
        ----------
        exact : bool
            Whether errors are those of one and the same estimate.
        """
        with self.live.shown():
            return self._snapshot(exact=exact)

    def _snapshot(self, *, exact: bool) -> Snapshot:
        met = (self._error, self._errors.squared)
        error, squared = self._full_error() if exact else met
        known = self._included if exact else self._errors.known(self._included)
        return Snapshot(
            **self.live.fields,
            epoch=self.epoch,
            error=error,
            pattern_error=self._errors.shares(squared, known),
            nominal_geometry=self.scan.geometry,
            settings=self.live.described(self._start, self.algorithm, self.settings),
            seed=self.settings.seed,
            source=self.scan.source,
            history=self.history.with_end(finished=self._has_finished),
            elapsed_s=self.elapsed_s,
            batch=self.batch,
            state={
                **self.live.arrays(),
                **self._errors.arrays,
                **self._holdout.arrays(self.measured.held_out),
                "power": self._power,
                "best": self._divergence.best,
            },
            nominal_positions_m=self.scan.positions_m,
            exact=exact,
        )
