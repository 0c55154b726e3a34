"""One run: batches, snapshots on demand, changes under way, a guard against divergence.

`reconstruct`, the command line and the window are thin loops over `Run.advance`.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from napari_scicompty.controls import Controls
from napari_scicompty.errors import DivergedError, EngineError, InputError
from napari_scicompty.estimate import Estimate
from napari_scicompty.measured import Measured
from napari_scicompty.optics.patches import intensity
from napari_scicompty.optics.propagators import propagator_for
from napari_scicompty.settings import Settings, setting
from napari_scicompty.snapshot import Change, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.algorithms.base import Algorithm
    from napari_scicompty.scan import Scan

__all__ = ["Controls", "Run", "RunSettings", "pick_device"]

LARGEST_TRANSMISSION = 100.0
"""|O| above this is taken for divergence; vacuum is 1."""

LARGEST_RISE = 10.0
"""The error may rise to this many times its best before the run counts as diverged."""


class RunSettings(Settings):
    """How a run is carried out, whatever the algorithm."""

    epochs: int = setting(40, "Passes over all patterns (added ones when continuing)", ge=0)
    modes: int | None = setting(
        None, "Incoherent probe modes; empty keeps those of the start", ge=1, le=64,
        live=False,
    )
    batch: int | None = setting(
        None, "Positions per step; empty is the algorithm's own choice", ge=1
    )
    hold_probe: int = setting(
        0, "Epochs before the probe is updated for the first time", ge=0
    )
    freeze_probe: bool = setting(False, "Keep the probe as it is (a calibrated probe)")
    excluded: tuple[int, ...] = setting(
        (), "Patterns that take no part, by their number from 0", title="Exclude"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "auto", "Where to compute; auto takes a GPU when there is one", live=False
    )
    seed: int = setting(
        0, "Of the random order and the weak modes: same seed, same numbers", ge=0,
        live=False,
    )
    threads: int = setting(
        0, "CPU threads; 0 is automatic, which is fastest", ge=0, live=False
    )


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

    Raises
    ------
    InputError
        The start does not fit the scan, the device is not there, or a control that was
        set beforehand is not valid.
    """

    def __init__(
        self,
        scan: Scan,
        algorithm: Algorithm,
        start: Snapshot,
        settings: RunSettings,
        controls: Controls | None = None,
    ) -> None:
        self.scan = scan
        self.algorithm = algorithm
        self.settings = settings
        self.controls = controls or Controls()
        self.device = pick_device(settings.device)
        propagator = propagator_for(scan.geometry)
        self._origin = start
        self.epoch = start.epoch
        self.last_epoch = start.epoch + settings.epochs
        self.batch = start.batch
        self.history = start.history
        self.elapsed_s = start.elapsed_s
        self._state = dict(start.state)
        self.measured = Measured.of(scan, self.device)
        self.estimate = Estimate(
            start.canvas,
            propagator,
            torch.from_numpy(start.object.copy()).to(self.device),
            torch.from_numpy(start.probe.copy()).to(self.device),
            start.distance_m,
        )
        self.estimate.place(start.positions_px)
        self._threads = settings.threads or _fitting_threads(self.estimate.probe)
        self._power = self.estimate.power
        self._included = _included(scan, settings)
        self._errors = torch.zeros(len(scan), device=self.device)
        self._visited = np.zeros(len(scan), bool)
        self._restore_visited(start)
        self._error = start.error
        self._best = min([e for e in start.history.errors if e > 0], default=math.inf)
        self._fell_back = False
        self._order = self._order_of(self.epoch)
        self.controls.bind(self._changed)
        if not math.isfinite(start.error):
            self._error = self.full_error()[0]
            self.history = self.history.add(epochs=[self.epoch], errors=[self._error])
        self._good = self.snapshot()

    # -- the loop ---------------------------------------------------------------------
    @property
    def done(self) -> bool:
        """Whether all epochs were done or the run was stopped."""
        return self.controls.stopped or self.epoch >= self.last_epoch

    def advance(self, seconds: float | None = None) -> None:
        """Do batches until the epoch ends, or `seconds` have passed, or the run is done.

        While paused it waits; with `seconds` it returns instead.

        Raises
        ------
        DivergedError
            With the last good snapshot.
        EngineError
            Out of memory, or another fault of the device.
        """
        began = time.perf_counter()
        try:
            with torch.no_grad(), _threads(self._threads):
                while not self.done:
                    if self.controls.paused:
                        if seconds is not None:
                            break
                        self.elapsed_s += time.perf_counter() - began
                        self.controls.wait_while_paused()
                        began = time.perf_counter()
                        continue
                    self.step()
                    if seconds is None and self.batch == 0:
                        break
                    if seconds is not None and time.perf_counter() - began > seconds:
                        break
        except torch.OutOfMemoryError:
            raise EngineError(
                f"The device {self.device} ran out of memory at epoch {self.epoch}; use "
                "fewer modes, a smaller batch or crop the patterns"
            ) from None
        except RuntimeError as error:
            raise EngineError(f"The engine failed at epoch {self.epoch}: {error}") from None
        finally:
            self.elapsed_s += time.perf_counter() - began

    def step(self) -> None:
        """Apply changes, then do one batch; at the end of an epoch, tidy up."""
        if changes := self.controls.take():
            self._apply(changes)
        batch = self._next_batch()
        if batch:
            self._state["epoch"] = self.epoch
            self._state["update_probe"] = (
                not self.settings.freeze_probe and self.epoch >= self.settings.hold_probe
            )
            errors = self.algorithm.step(
                self.estimate, self.measured, batch, self._state
            )
            if len(batch) == 1:
                self._errors[batch[0]] = errors[0]
            else:
                self._errors[torch.as_tensor(batch, device=self.device)] = errors
            self._visited[batch] = True
        if self.batch >= len(self._order):
            self._end_epoch()

    def _next_batch(self) -> list[int]:
        size = self.settings.batch or self.algorithm.default_batch
        batch: list[int] = []
        while len(batch) < size and self.batch < len(self._order):
            j = self._order[self.batch]
            self.batch += 1
            if self._included[j]:
                batch.append(j)
        return batch

    def _order_of(self, epoch: int) -> list[int]:
        """Random order of an epoch; a function of the seed, so that runs continue."""
        rng = np.random.default_rng([self.settings.seed, epoch])
        return [int(j) for j in rng.permutation(len(self.scan))]

    def _end_epoch(self) -> None:
        error = self._summed(self._errors)
        largest = math.sqrt(float(intensity(self.estimate.object).amax()))
        if not self._sane(error, largest):
            self._fall_back(error, largest)
            return
        self._state.pop("update_probe", None)
        if not self.settings.freeze_probe:
            self.estimate.rescale(self._power)
            self.estimate.recentre()
        self._error = error
        self._best = min(self._best, error)
        self.epoch += 1
        self.history = self.history.add(epochs=[self.epoch], errors=[error])
        self._begin_epoch()
        self._good = self.snapshot()

    def _begin_epoch(self) -> None:
        self.batch = 0
        self._order = self._order_of(self.epoch)
        self._last_visited = self._visited
        self._visited = np.zeros(len(self.scan), bool)

    # -- the guard --------------------------------------------------------------------
    def _sane(self, error: float, largest: float) -> bool:
        return (
            math.isfinite(error)
            and error <= LARGEST_RISE * self._best
            and largest <= LARGEST_TRANSMISSION
        )

    def _fall_back(self, error: float, largest: float) -> None:
        """Go back to the last good state with gentler weights, once; else stop."""
        gentler = None if self._fell_back else self.algorithm.gentler()
        why = (
            f"epoch {self.epoch + 1} diverged (error {error:.3g}, best {self._best:.3g}, "
            f"largest |object| {largest:.3g})"
        )
        if gentler is None:
            raise DivergedError(
                f"{why}; the last good state, epoch {self._good.epoch}, is kept: "
                "check the geometry, the start of the probe and the mask, or take "
                "smaller steps",
                self._good,
            )
        self._fell_back = True
        self.algorithm = gentler
        note = f"{why}: went back to epoch {self._good.epoch} with gentler weights, {gentler!r}"
        good = self._good
        self.estimate.object.copy_(torch.from_numpy(good.object))
        self.estimate.probe.copy_(torch.from_numpy(good.probe))
        self._state = dict(good.state)
        self.history = self.history.add(notes=[note])
        self._begin_epoch()

    # -- changes under way ------------------------------------------------------------
    def _changed(
        self, changes: Sequence[tuple[str, Any]]
    ) -> tuple[Algorithm, RunSettings]:
        """Settings after `changes`; raises InputError and alters nothing."""
        algorithm, settings = self.algorithm, self.settings
        for path, value in changes:
            group, _, name = path.partition(".")
            owner: Settings | None
            owner = {"algorithm": algorithm, "run": settings}.get(group)
            info = type(owner).model_fields.get(name) if owner else None
            if owner is None or info is None:
                raise InputError(
                    f"there is no setting {path!r}; settings are "
                    + ", ".join(self._live_paths())
                )
            extra = info.json_schema_extra
            if isinstance(extra, dict) and not extra.get("live", True):
                raise InputError(
                    f"{path} cannot be changed while the run is under way; stop, change "
                    "it and continue from the result"
                )
            if group == "algorithm":
                algorithm = algorithm.replace(**{name: value})
            else:
                settings = settings.replace(**{name: value})
                _included(self.scan, settings)
        return algorithm, settings

    def _live_paths(self) -> list[str]:
        names = [f"algorithm.{name}" for name in type(self.algorithm).model_fields]
        return names + [f"run.{name}" for name in RunSettings.model_fields]

    def _apply(self, changes: Sequence[tuple[str, Any]]) -> None:
        before = self.algorithm, self.settings
        self.algorithm, self.settings = self._changed(changes)
        self.last_epoch = self._origin.epoch + self.settings.epochs
        self._included = _included(self.scan, self.settings)
        groups = {"algorithm": before[0], "run": before[1]}
        records = []
        for path, value in changes:
            group, _, name = path.partition(".")
            previous = getattr(groups[group], name)
            records.append(Change(self.epoch, self.batch, path, value, previous))
        self.history = self.history.add(changes=records)

    # -- what can be seen -------------------------------------------------------------
    def snapshot(self, *, exact: bool = False) -> Snapshot:
        """Copy the present state; with `exact`, its error by a full pass.

        Works at any moment between two batches, in mid-epoch too.
        """
        error, errors, seen = self._error, self._errors, self._shown
        if exact:
            error, errors = self.full_error()
            seen = self._included
        power = self.measured.power.cpu().numpy()
        values = errors.cpu().numpy().astype(np.float64) / np.maximum(power, 1e-30)
        return Snapshot(
            epoch=self.epoch,
            error=error,
            object=_copied(self.estimate.object),
            probe=_copied(self.estimate.probe),
            positions_m=self.estimate.canvas.to_metres(self.estimate.positions_px),
            origin_m=self.estimate.canvas.origin_m,
            pixel_size_m=self.estimate.canvas.pixel_size_m,
            distance_m=self.estimate.distance_m,
            pattern_error=np.where(seen, values, np.nan).astype(np.float32),
            geometry=self.scan.geometry,
            settings=self._described(),
            seed=self.settings.seed,
            source=self.scan.source,
            history=self.history,
            elapsed_s=self.elapsed_s,
            batch=self.batch,
            state={k: v for k, v in self._state.items() if k != "update_probe"},
            nominal_positions_m=self.scan.positions_m,
        )

    @property
    def _shown(self) -> NDArray[np.bool_]:
        """Patterns whose error is known: those of this epoch and of the one before."""
        return (self._visited | self._last_visited) & self._included

    def _restore_visited(self, start: Snapshot) -> None:
        self._last_visited = np.isfinite(start.pattern_error)
        power = self.measured.power.cpu().numpy()
        known = np.nan_to_num(start.pattern_error) * power
        self._errors += torch.from_numpy(known.astype(np.float32)).to(self.device)
        if self.batch:
            self._visited[self._order_of(self.epoch)[: self.batch]] = True

    def _described(self) -> dict[str, Any]:
        algorithm = {"name": type(self.algorithm).__name__.lower()}
        run = self.settings.model_dump()
        return {
            **self._origin.settings,
            "algorithm": algorithm | self.algorithm.model_dump(),
            "run": run | {"modes": len(self.estimate.probe)},
        }

    def full_error(self) -> tuple[float, Tensor]:
        """Error by a full pass, and the squared error of each pattern, shape (n,)."""
        errors = torch.zeros_like(self._errors)
        modes, h, w = self.estimate.probe.shape
        size = max(1, 2**20 // (modes * h * w))
        indices = [int(j) for j in np.flatnonzero(self._included)]
        with torch.no_grad(), _threads(self._threads):
            for start in range(0, len(indices), size):
                batch = indices[start : start + size]
                waves = self.estimate.waves(batch)
                where = torch.as_tensor(batch, device=self.device)
                errors[where] = self.measured.error(waves, batch)
        return self._summed(errors), errors

    @property
    def _threads_or_one(self) -> int:
        return getattr(self, "_threads", 1)

    def _summed(self, errors: Tensor) -> float:
        included = self._included
        power = self.measured.power.cpu().numpy()[included].sum()
        return float(errors.cpu().numpy()[included].sum(dtype=np.float64) / power)


def pick_device(name: str) -> torch.device:
    """Turn ``"auto"`` or a name into a device.

    Raises
    ------
    InputError
        The device is not there.
    """
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = "cuda" if there["cuda"] else "mps" if there["mps"] else "cpu"
    if not there.get(name, False):
        have = ", ".join(key for key, value in there.items() if value)
        raise InputError(
            f"device {name!r} is not available here; PyTorch sees: {have}. Choose one of "
            "these or 'auto', or install a build of PyTorch for your GPU"
        )
    return torch.device(name)


def _included(scan: Scan, settings: RunSettings) -> NDArray[np.bool_]:
    """Which patterns take part, shape (n,)."""
    included = np.ones(len(scan), bool)
    included[list(scan.excluded)] = False
    wrong = [j for j in settings.excluded if not 0 <= j < len(scan)]
    if wrong:
        raise InputError(
            f"RunSettings.excluded: there is no pattern {wrong[0]}; they are numbered "
            f"0 to {len(scan) - 1}"
        )
    included[list(settings.excluded)] = False
    if not included.any():
        raise InputError("RunSettings.excluded: every pattern is excluded")
    return included


def _fitting_threads(probe: Tensor) -> int:
    """One thread for small waves: on busy cores several are many times slower."""
    if probe.numel() < 2**20:
        return 1
    return max(1, (os.cpu_count() or 2) - 1)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _copied(tensor: Tensor) -> NDArray[Any]:
    """A numpy copy that no later step can change."""
    return tensor.detach().to("cpu", copy=True).numpy()
