"""One run: batches, snapshots on demand, changes under way, a guard against divergence.

`reconstruct`, the command line and the window are thin loops over `Run.advance`.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch

from napari_scicompty.core.device import (
    copied_state,
    cpu_threads,
    fitting_threads,
    is_out_of_memory,
    pick_device,
)
from napari_scicompty.core.errors import EngineError, InputError
from napari_scicompty.core.log import OFTEN, log_fault
from napari_scicompty.data.diverged import DivergedError
from napari_scicompty.data.snapshot import Change, Refined, RunRecord, Snapshot
from napari_scicompty.engine.controls import Controls, PathValue, changed, value_of
from napari_scicompty.engine.cuda_graph import RecordedSteps, recording
from napari_scicompty.engine.ordering import Visits, groups_apart
from napari_scicompty.engine.pattern_errors import PatternErrors, full_pass
from napari_scicompty.engine.plan import SHORT_OF_MEMORY, keep, plan, smaller
from napari_scicompty.engine.refiner_set import Refining
from napari_scicompty.engine.run_settings import RunSettings, included
from napari_scicompty.engine.verdicts import verdicts
from napari_scicompty.model.estimate import Estimate
from napari_scicompty.optics.patches import intensity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.algorithms.base import Algorithm
    from napari_scicompty.core.findings import Finding
    from napari_scicompty.core.settings import Settings
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.refine.base import Refiner

log = logging.getLogger(__name__)

LARGEST_TRANSMISSION = 100.0
"""|O| above this is taken for divergence; vacuum is 1."""

LARGEST_RISE = 10.0
"""The error may rise to this many times its best before the run counts as diverged."""


class Run:
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
        self.scan = scan
        self.algorithm = algorithm
        self.settings = settings
        self.controls = controls or Controls()
        self.epoch = start.epoch
        self.last_epoch = start.epoch + settings.epochs
        self.history = start.history
        self.elapsed_s = self.started_s = start.elapsed_s
        self._start = start
        self._fell_back = False
        self._best = math.inf
        self._best_held: tuple[float, int, Snapshot | None]
        self._best_held = (math.inf, start.epoch, start)
        self._included = included(scan, settings)
        device = pick_device(settings.device)
        self._state = self._remembered(start, device)
        self.refining = Refining(refiners, scan.geometry, device)
        self.refining.take_up(start.state.get("refine", {}))
        self.estimate = Estimate(
            start.canvas,
            scan.geometry.replace(distance_m=start.distance_m),
            torch.from_numpy(start.object.copy()).to(device),
            torch.from_numpy(start.probe.copy()).to(device),
        )
        self.estimate.taking_part = self._included
        self.estimate.place(start.positions_m)
        told = (scan, algorithm, settings, len(start.probe))
        self.plan, self.measured = keep(plan(*told), *told, self._included)
        if not self.plan.is_plain and str(self.plan) not in self.history.notes:
            self.history = self.history.add(notes=[str(self.plan)])
        self.measured.smallest = start.state.get("smallest", self.measured.smallest)
        self._take_up_beside(start)
        self._take_up_held_out(start)
        self._threads = settings.threads or fitting_threads(start.probe.size)
        self._power: float = start.state.get("power", self.estimate.power)
        self._recorded = recording(len(scan), device) if settings.recorded else None
        self._visits = Visits(len(scan), settings.seed)
        self._begin_visits()
        self._visits.at = start.batch
        self._tell()
        self._begin_errors(start, device)
        self.history = self.history.add(runs=[self._record(start)])
        self.controls.bind(self._checked)
        self._good = self.snapshot()
        self._log_begin()

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
        except (InputError, EngineError) as error:
            log_fault(log, error)
            raise
        except Exception as error:  # an algorithm or a refiner may raise anything
            fault = EngineError(
                f"The engine failed at epoch {self.epoch} with "
                f"{type(self.algorithm).__name__}: {type(error).__name__}: {error}"
            )
            fault.__cause__ = error
            log_fault(log, fault)
            raise fault from error
        finally:
            self.elapsed_s += time.perf_counter() - began
        if self.done and not was_done:
            how = "stopped" if self.controls.stopped else "ends"
            told = (how, self.epoch, self._error, self.elapsed_s)
            log.log(self.log_level, "run %s at epoch %d, error %.6g, %.1f s", *told)

    def step(self) -> None:
        """Apply changes, then do one batch; at the end of an epoch, tidy up."""
        if changes := self.controls.take():
            self._apply(changes)
            if self.done:
                return
        batch = self._visits.take(self._batch_size, self._included)
        if batch:
            errors = None
            if self._replayed is None:
                now = (self.estimate, self.measured, batch)
                errors = self.refining.step(
                    lambda: self.algorithm.step(*now, self._state), *now
                )
            else:
                self.estimate.before_replay()
                self._replayed.step(len(batch), self._step_on_device)
                self.estimate.after_replay()
            self._errors.visit(batch[0] if len(batch) == 1 else batch, errors)
        if self._visits.over:
            self._end_epoch()

    def _step_on_device(self, batch: Tensor) -> None:
        """Do a step whose patterns (B,) only the device knows."""
        step = self.algorithm.device_step
        assert step is not None
        errors = step(self.estimate, self.measured, batch, self._state)
        self._errors.squared.index_copy_(0, batch, errors)

    @property
    def batch(self) -> int:
        """Patterns of the epoch that had their turn."""
        return self._visits.at

    @property
    def _updates_probe(self) -> bool:
        settings = self.settings
        return not settings.freeze_probe and self.epoch >= settings.hold_probe

    @property
    def _batch_size(self) -> int:
        return self.settings.batch or self.algorithm.default_batch

    def _tell(self) -> None:
        """Tell everyone what holds until the epoch ends or settings change."""
        self._state["epoch"] = self.epoch
        self._state["update_probe"] = self._updates_probe
        self._state["literal"] = self.refining.literal
        self.estimate.probe_is_known = self.settings.freeze_probe
        order = self._visits.to_come(self._included)
        self.measured.storage.expect(order, self._batch_size)
        self._replayed = self._told_of(order)

    def _told_of(self, order: list[int]) -> RecordedSteps | None:
        """Return the recorded steps, told what comes, where steps can be recorded."""
        steps, read = self._recorded, self.measured.addresses
        if steps is None or read is None:
            return None
        if steps.trouble:
            note = f"steps are not recorded here, they go on plainly: {steps.trouble}"
            self.history, self._recorded = self.history.add(notes=[note]), None
            log.warning("%s", note)
            return None
        if self.algorithm.device_step is None or self.refining.watches:
            return None
        told = (self._state["update_probe"], self._state["literal"])
        steps.expect(order, (repr(self.algorithm), told, self.estimate.addresses, read))
        return steps

    def _begin_visits(self) -> None:
        size = self._batch_size
        if size == 1 or not self.settings.apart:
            self._visits.begin(self.epoch)
            return
        corners = np.array(self.estimate.corners(range(len(self.scan))))
        reach = self.estimate.lit_size
        self._visits.begin(
            self.epoch, lambda seed: groups_apart(corners, reach, size, seed)
        )

    def _end_epoch(self) -> None:
        error = self._errors.error(self._included)
        largest = math.sqrt(float(intensity(self.estimate.object).amax()))
        sane = math.isfinite(error) and error <= LARGEST_RISE * self._best
        if not sane or not largest <= LARGEST_TRANSMISSION:
            self._fall_back(error, largest)
            return
        if self._updates_probe:
            self.estimate.rescale(self._power)
            if not self.estimate.propagator.sees_shifts:
                self.estimate.recentre()
        self._error = error
        self._best = min(self._best, error)
        self.epoch += 1
        self.history = self.history.add(epochs=[self.epoch], errors=[error])
        now = (self.epoch, error)
        log.log(self.log_level, "epoch %d: error %.6g", *now, extra=OFTEN)
        own = self.algorithm.end_epoch(self.estimate, self.measured, self._state)
        z = self.estimate.distance_m
        refined = [Refined(self.epoch, name, size, z) for name, size in own.items()]
        refined += self.refining.end_epoch(
            self.estimate, self.measured, self._errors.of_epoch, self.epoch
        )
        self.history = self.history.add(refined=refined)
        told = (self.scan, self._included)
        for finding in verdicts(self.history, self._errors.on_host, *told):
            self.note(finding)
        self._begin_epoch()
        if self.measured.held_out is None:
            self._good = self.snapshot()
        else:
            self._judge(self.measured.held_out.error(self._included))

    def _begin_epoch(self) -> None:
        self._begin_visits()
        self._tell()
        self._errors.begin_epoch()

    # -- the held-out pixels ----------------------------------------------------------
    def _judge(self, error: float) -> None:
        """Note the held-out error; go back to the best where it falls no more."""
        self.history = self.history.add(held_out=[(self.epoch, error)])
        self._good = self.snapshot()
        if error < self._best_held[0]:
            self._best_held = (error, self.epoch, self._good)
        _, best_epoch, best = self._best_held
        patience = self.settings.patience
        waited, over = self.epoch - best_epoch, self.epoch >= self.last_epoch
        if not patience or not waited or (waited < patience and not over):
            return
        why = (
            f"the error of the held-out pixels has not fallen since epoch {best_epoch}"
        )
        if best is None:  # of before the run was taken up
            self.last_epoch = self.epoch
            note = f"{why}, which is not at hand any more: the run ends here"
            self.history = self.history.add(notes=[note])
            return
        note = f"{why}, which is kept; the run went on to epoch {self.epoch}"
        log.log(self.log_level, "%s", note)
        self._go_back_to(best)
        self.epoch = self.last_epoch = best_epoch
        self.history = dataclasses.replace(
            best.history.add(notes=[note]), changes=self.history.changes
        )

    def _take_up_held_out(self, start: Snapshot) -> None:
        """Go on with what a run that was cut knows of its held-out pixels."""
        known, held_out = start.state.get("held_out"), self.measured.held_out
        runs = start.history.runs
        if held_out is None or known is None or not runs or runs[-1].finished:
            return
        squared = torch.as_tensor(known["squared"], device=held_out.squared.device)
        if squared.shape == held_out.squared.shape:
            held_out.squared.copy_(squared)
            self._best_held = (float(known["best"]), int(known["best_epoch"]), None)

    def _go_back_to(self, good: Snapshot) -> None:
        self.estimate.restore(good)
        self._state = self._remembered(good, self._errors.squared.device)
        self._take_up_beside(good)
        self.refining.take_up(good.state["refine"])

    # -- the guard --------------------------------------------------------------------
    def _fall_back(self, error: float, largest: float) -> None:
        """Go back to the last good state with gentler weights, once; else stop."""
        good = self._good
        gentler = None if self._fell_back else self.algorithm.gentler()
        why = (
            f"epoch {self.epoch + 1} diverged (error {error:.3g}, "
            f"best {self._best:.3g}, largest |object| {largest:.3g})"
        )
        loud = logging.WARNING if self.log_level >= logging.INFO else self.log_level
        if gentler is None:
            log.log(loud, "%s; the run ends with epoch %d", why, good.epoch)
            raise DivergedError(
                f"{why}; the last good state, epoch {good.epoch}, is kept: check the "
                "geometry, the start of the probe and the mask, or take smaller steps",
                good.replace(history=self.history),
            )
        self._fell_back = True
        self.algorithm = gentler
        self._go_back_to(good)
        log.log(loud, "%s: back to epoch %d, on with %r", why, good.epoch, gentler)
        self.history = self.history.add(
            notes=[f"{why}: went back to epoch {good.epoch} and on with {gentler!r}"]
        )
        self._begin_epoch()

    def _remembered(self, snapshot: Snapshot, device: torch.device) -> dict[str, Any]:
        """Take up what the algorithm of a snapshot kept, if it is of the same kind."""
        then = snapshot.settings.get("algorithm", {}).get("name")
        if then != self.algorithm.described["name"]:
            return {}
        return copied_state(snapshot.state.get("algorithm", {}), device)

    # -- memory -----------------------------------------------------------------------
    def _step_within_memory(self) -> None:
        """Do a step; where it does not fit, go back and on with less memory."""
        try:
            self.step()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            log.warning("out of memory: %s", str(error))  # no frames of the step
        else:
            return
        # Only here, after the traceback, is the memory of the step free again.
        good, device = self._good, self._errors.squared.device
        told = (self.scan, self.algorithm, self.settings, len(self.estimate.probe))
        less, half = smaller(self.plan, *told), self._batch_size // 2
        if less is not None:
            self.plan = less
            self.measured.keep(self.scan, less.keeping, device)
            how = str(less)
        elif half:
            how = f"batches of {half}"
        else:
            raise EngineError(SHORT_OF_MEMORY.format(device, f"at epoch {self.epoch}"))
        note = (
            f"epoch {self.epoch + 1}: {device} ran out of memory; went back to epoch "
            f"{good.epoch} and on with less: {how}"
        )
        log.warning("%s", note)
        self._go_back_to(good)
        self.epoch = good.epoch
        # Settings stay as they are, so they act from the beginning of that epoch on.
        epoch, batch = good.epoch, good.batch
        changes = [
            dataclasses.replace(c, epoch=epoch, batch=batch) if c.epoch >= epoch else c
            for c in self.history.changes
        ]
        self.history = dataclasses.replace(
            good.history,
            changes=tuple(changes),
            notes=(*self.history.notes, note),
        )
        self._begin_epoch()
        if less is None:
            self._apply([("run.batch", half)])

    def _log_begin(self) -> None:
        log.log(
            self.log_level,
            "run begins at epoch %d: %r on %s, to epoch %d, batch %d, %d mode(s), "
            "%d of %d patterns, error %.6g, seed %d, %s",
            *(self.epoch, self.algorithm, self._errors.squared.device),
            *(self.last_epoch, self._batch_size, len(self._start.probe)),
            *(int(self._included.sum()), len(self.scan), self._error),
            *(self.settings.seed, self.plan),
        )
        for refiner in self.refining.refiners.values():
            log.log(self.log_level, "the run refines %s: %r", refiner.quantity, refiner)

    # -- changes under way ------------------------------------------------------------
    def _checked(
        self, changes: Sequence[PathValue]
    ) -> tuple[dict[str, Any], NDArray[np.bool_]]:
        """Return what `changes` lead to; raise InputError and alter nothing."""
        after: dict[str, Any] = changed(self._groups, changes)
        after["algorithm"].check(
            self.scan.geometry, probe_is_known=after["run"].freeze_probe
        )
        self.refining.check(
            {name: after[name] for name in self.refining.refiners},
            after["algorithm"].refines,
        )
        return after, included(self.scan, after["run"])

    @property
    def _groups(self) -> dict[str, Settings]:
        """Everything that can be changed under way, by the name of its group."""
        own = {"algorithm": self.algorithm, "run": self.settings}
        return {**own, **self.refining.refiners}

    def _apply(self, changes: Sequence[PathValue]) -> None:
        kind, groups, records = type(self.algorithm), self._groups, []
        after, self._included = self._checked(changes)
        for change in changes:
            path, previous = change[0], value_of(groups, change[0])
            groups = changed(groups, [change])
            value = value_of(groups, path)
            records.append(Change(self.epoch, self.batch, path, value, previous))
            told = (self.epoch, self.batch, path, value, previous)
            log.info("epoch %d, pattern %d: %s = %r, before %r", *told)
        self.estimate.include(self._included)
        self.history = self.history.add(changes=records)
        self.algorithm, self.settings = after.pop("algorithm"), after.pop("run")
        self.refining.choose(after)
        self.last_epoch = self._start.epoch + self.settings.epochs
        if type(self.algorithm) is not kind:
            self._state, self._fell_back = {}, False
        self._tell()

    # -- errors -----------------------------------------------------------------------
    def _begin_errors(self, start: Snapshot, device: torch.device) -> None:
        """Take up the errors of the start; measure them by a full pass at epoch 0."""
        self._errors = PatternErrors(self.measured.power, device)
        self._error, known = start.error, np.isfinite(start.pattern_error)
        visited = self._visits.visited
        if math.isfinite(start.error):
            shown = np.nan_to_num(start.pattern_error) * self.measured.power
            squared = start.state.get("squared_errors", shown)
            self._errors.take_up(squared, known, visited)
        else:
            self._error, passed = self.full_error()
            self._errors.take_up(passed, self._included, visited)
            self.history = self.history.add(epochs=[self.epoch], errors=[self._error])
        best = min(self.history.errors, default=math.inf)
        self._best = start.state.get("best", best)

    def full_error(self, only: NDArray[np.bool_] | None = None) -> tuple[float, Tensor]:
        """Error by a full pass, and the squared error of each pattern, shape (n,).

        Parameters
        ----------
        only : (n,), optional
            Patterns that are looked at; those that take part when left out.
        """
        which = self._included if only is None else only & self._included
        with torch.no_grad(), cpu_threads(self._threads):
            squared = full_pass(self.estimate, self.measured, which)
        return self._errors.error(which, squared), squared

    def note(self, finding: Finding | None) -> None:
        """Keep in the history what was found to be odd, once."""
        if finding is not None and finding.as_note not in self.history.notes:
            self.history = self.history.add(notes=[finding.as_note])
            log.info("epoch %d: %s", self.epoch, finding)

    # -- what can be seen -------------------------------------------------------------
    def snapshot(self, *, exact: bool = False) -> Snapshot:
        """Copy the present state; with `exact`, its error by a full pass.

        Works at any moment between two batches, in mid-epoch too.
        """
        error, squared = self._error, self._errors.squared
        known = self._errors.known(self._included)
        if exact:
            error, squared = self.full_error()
            known = self._included
        canvas = self.estimate.canvas
        *earlier, now = self.history.runs
        now = dataclasses.replace(now, finished=self._has_finished)
        history = dataclasses.replace(self.history, runs=(*earlier, now))
        return Snapshot(
            epoch=self.epoch,
            error=error,
            object=_copied(self.estimate.object),
            probe=self.estimate.probe_kept.copied().cpu().numpy(),
            positions_m=self.estimate.positions_m,
            origin_m=canvas.origin_m,
            pixel_size_m=canvas.pixel_size_m,
            distance_m=self.estimate.distance_m,
            pattern_error=self._errors.shares(squared, known),
            geometry=self.scan.geometry,
            settings=self._described(),
            seed=self.settings.seed,
            source=self.scan.source,
            history=history,
            elapsed_s=self.elapsed_s,
            batch=self.batch,
            state={
                "algorithm": copied_state(self._state, torch.device("cpu")),
                **self._beside(),
                "refine": self.refining.state,
                "power": self._power,
                "best": self._best,
                "smallest": self.measured.smallest,
                "squared_errors": _copied(self._errors.squared),
            },
            nominal_positions_m=self.scan.positions_m,
            exact=exact,
        )

    def _record(self, start: Snapshot) -> RunRecord:
        """Tell how this run begins, so that it can be repeated."""
        return RunRecord(
            epoch=start.epoch,
            batch=start.batch,
            algorithm=self.algorithm.described,
            run=self.settings.model_dump(mode="json"),
            refine=tuple(r.described for r in self.refining.refiners.values()),
            geometry=self.scan.geometry.described,
            excluded=self.scan.excluded,
            changes=len(start.history.changes),
            exact=start.exact,
        )

    def _beside(self) -> dict[str, Any]:
        """Brightness, background, probe spectrum, held-out errors, where they are."""
        known = {
            "brightness": self.estimate.brightness,
            "background": self.measured.background,
            "probe_spectrum": self.estimate.probe_kept.stepped,
        }
        beside: dict[str, Any]
        beside = {name: _copied(v) for name, v in known.items() if v is not None}
        if (held_out := self.measured.held_out) is not None:
            best, at, _ = self._best_held
            squared = _copied(held_out.squared)
            beside["held_out"] = {"squared": squared, "best": best, "best_epoch": at}
        return beside

    def _take_up_beside(self, snapshot: Snapshot) -> None:
        kept = {
            name: torch.tensor(snapshot.state[name], device=self.estimate.object.device)
            for name in ("brightness", "background", "probe_spectrum")
            if name in snapshot.state
        }
        self.estimate.brightness = kept.get("brightness")
        self.measured.background = kept.get("background")
        if "probe_spectrum" in kept:
            self.estimate.probe_kept.take_up(kept["probe_spectrum"])

    def _described(self) -> dict[str, Any]:
        run = self.settings.model_dump(mode="json")
        return {
            **self._start.settings,
            **self.refining.described,
            "algorithm": self.algorithm.described,
            "run": run | {"modes": len(self._start.probe)},
        }


def _copied(tensor: Tensor) -> NDArray[Any]:
    """Return a numpy copy that no later step can change."""
    return tensor.detach().to("cpu", copy=True).numpy()
