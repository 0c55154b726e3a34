"""A saved result made once more, with everything that was changed under way.

A history records how each run of the chain began, and each change with its
(epoch, batch). Done again at the same points they lead to the same numbers.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.algorithms import from_description as algorithm_of
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.geometry import Geometry
from napari_scicompty.engine.kernels import is_installed
from napari_scicompty.engine.run import Run
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.optics.compiled import INSTALL
from napari_scicompty.refine import from_description as refiner_of
from napari_scicompty.workflow.coarse_level import STOPPED
from napari_scicompty.workflow.reconstruction import prepare
from napari_scicompty.workflow.start import from_description as start_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Change, RunRecord, Snapshot
    from napari_scicompty.engine.controls import Controls

Point = tuple[int, int]
"""Epochs that are completed, and patterns of the next that had their turn."""


class RepeatedRun(Run):
    """A run that makes recorded changes by itself, and ends where the first did.

    Parameters
    ----------
    *args : any
        As of `Run`, by place.
    changes : sequence of Change
        Those of this run, in order.
    end : (int, int), optional
        Where the first run was stopped; None where it came to its end by itself.
    """

    def __init__(
        self, *args: Any, changes: Sequence[Change], end: Point | None
    ) -> None:
        self._to_come = list(changes)
        self._end = end
        super().__init__(*args)

    @property
    def _point(self) -> Point:
        return (self.epoch, self.batch)

    @property
    def _is_due(self) -> bool:
        """Whether a change was made at this point."""
        head = self._to_come[:1]
        return bool(head) and (head[0].epoch, head[0].batch) == self._point

    @property
    def done(self) -> bool:
        """Whether it has come to where the first run ended."""
        if self.controls.stopped:
            return True
        at_end = self._point == self._end and not self.controls.waiting
        return not self._is_due and (at_end or super().done)

    @property
    def _has_finished(self) -> bool:
        return self._end is None and super()._has_finished

    def step(self) -> None:
        """Make the changes that were made here, then do the next batch."""
        while self._is_due:
            change = self._to_come.pop(0)
            is_algorithm = change.path == "algorithm"
            value = algorithm_of(change.value) if is_algorithm else change.value
            self.controls.set(change.path, value)
        super().step()


def repeated_runs(
    scan: Scan, result: Snapshot, controls: Controls | None = None
) -> Generator[Run, None, None]:
    """Prepare the runs that led to a result; each must be done before the next.

    Parameters
    ----------
    scan : Scan
        What the result was made from.
    result : Snapshot
        What is to be made once more.
    controls : Controls, optional
        To pause or stop from another thread.

    Yields
    ------
    Run
        Ready to advance; it makes the recorded changes by itself.

    Raises
    ------
    InputError
        A result whose way is not recorded: of an older version, changed by hand, or
        begun from a state of another origin.
    """
    records, changes = result.history.runs, result.history.changes
    start: Any = start_of(result.settings.get("start"))
    _check_recorded(result, start)
    run: Run | None = None
    for number, record in enumerate(records):
        later = records[number + 1] if number + 1 < len(records) else None
        last = len(changes) if later is None else later.changes
        end = (result.epoch, result.batch)
        if later is not None:
            end = (later.epoch, later.batch)
        make = functools.partial(
            RepeatedRun,
            changes=changes[record.changes : last],
            end=None if record.finished else end,
        )
        if run is not None:
            if run.controls.stopped:
                return
            start = run.snapshot(exact=record.exact)
        run = prepare(
            _as_it_was(scan, record, result),
            algorithm_of(record.algorithm),
            _settings(record),
            start,
            controls,
            refine=[refiner_of(item) for item in record.refine],
            make=make,
        )
        yield run


def repeated(
    scan: Scan, result: Snapshot, controls: Controls | None = None
) -> Iterator[Snapshot]:
    """Make a result once more; yield a snapshot an epoch, the last is the result.

    Parameters
    ----------
    scan : Scan
        What the result was made from.
    result : Snapshot
        What is to be made once more.
    controls : Controls, optional
        To pause or stop from another thread.

    Yields
    ------
    Snapshot
        After each epoch.

    Raises
    ------
    InputError
        As for `repeated_runs`.
    """
    run: Run | None = None
    for run in repeated_runs(scan, result, controls):
        while not run.done:
            before = run.epoch
            run.advance()
            if run.epoch > before and not run.done:
                yield run.snapshot()
    if run is not None:
        yield run.snapshot(exact=result.exact)


def differences(result: Snapshot, again: Snapshot) -> list[str]:
    """Name what is not the same to the last bit; nothing where all is.

    Parameters
    ----------
    result, again : Snapshot
        The result, and what was made once more.

    Returns
    -------
    list of str
        One sentence a difference.
    """
    names = ("epoch", "batch", "error", "distance_m", "origin_m")
    arrays = ("object", "probe", "positions_m", "pattern_error")
    differ = []
    for name in names:
        a, b = getattr(result, name), getattr(again, name)
        if not np.array_equal(a, b, equal_nan=True):
            differ.append(f"{name} is {b}, not {a}")
    for name in arrays:
        a, b = getattr(result, name), getattr(again, name)
        if a.shape != b.shape:
            differ.append(f"{name} is of shape {b.shape}, not {a.shape}")
        elif not np.array_equal(a, b, equal_nan=True):
            differ.append(f"{name} differs by up to {np.nanmax(abs(a - b)):.3g}")
    return differ


def _check_recorded(result: Snapshot, start: object) -> None:
    history = result.history
    why = ""
    if not history.runs:
        why = "it was saved by a version that did not record how"
    elif history.edits:
        why = (
            "its positions or geometry were changed between two runs, at epoch "
            f"{history.edits[0]}"
        )
    elif STOPPED in result.settings:
        why = "its coarse level was stopped by hand"
    elif history.runs[0].epoch or history.runs[0].batch or start is None:
        why = "it goes on from a state that is not recorded"
    if why:
        raise InputError(f"this result cannot be repeated: {why}; run its recipe anew")


def _settings(record: RunRecord) -> RunSettings:
    """Return the settings of a run; records without kernels are of torch alone."""
    settings = RunSettings(**{"kernels": "torch"} | record.run)
    if settings.kernels != "numba":
        return settings
    if not is_installed():
        raise InputError(
            "this result was made with kernels of numba, which is not installed; it "
            f"can be repeated to the last bit after: {INSTALL}"
        )
    return settings.replace(device="cpu")  # they run nowhere else


def _as_it_was(scan: Scan, record: RunRecord, result: Snapshot) -> Scan:
    """Return the scan with the geometry, positions and exclusions of a run."""
    nominal = result.nominal_positions_m
    if nominal is not None and not np.array_equal(nominal, scan.positions_m):
        scan = scan.with_positions(nominal)
    if record.geometry and record.geometry != scan.geometry.described:
        scan = scan.with_geometry(Geometry(**record.geometry))
    if set(record.excluded) != set(scan.excluded):
        scan = scan.replace(excluded=record.excluded)
    return scan
