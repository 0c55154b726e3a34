"""The outputs of a reconstruction: each of them saved, whatever became of the rest."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_scicompty.cli._outputs import door_of, tell_saved
from napari_scicompty.cli._terminal import say
from napari_scicompty.cli._words import in_options
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.log import log_fault
from napari_scicompty.figures import save_figure
from napari_scicompty.results import save_result
from napari_scicompty.results.ome_tiff import save_ome_tiff
from napari_scicompty.workflow.autosave import rescue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_scicompty.cli._job import Job
    from napari_scicompty.cli._outputs import Guard
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.figures import FigureOptions

log = logging.getLogger(__name__)


@dataclass
class Outputs:
    """Files that are wanted."""

    result: Path | None
    tiff: Path | None
    figure: Path | None
    figure_options: FigureOptions
    overwrite: bool
    inputs: tuple[str, ...] = ()
    """Files that are never written over."""

    @property
    def door(self) -> Guard:
        """Options of all that writes."""
        return door_of(*self.inputs, overwrite=self.overwrite)


def save_all(
    job: Job, last: Snapshot, outputs: Outputs, failure: Exception | None
) -> Exception | None:
    """Save what is wanted; return the first error, after all has been tried.

    Parameters
    ----------
    failure : Exception, optional
        What ended the run before its time.
    """
    door, errors = outputs.door, []
    if outputs.result is not None:
        errors.append(_save_or_rescue(job, last, outputs.result, door))
    if outputs.tiff is not None:
        tiff = outputs.tiff
        errors.append(_attempt(lambda: save_ome_tiff(tiff, last, **door)))
        if errors[-1] is None:
            say(f"OME-TIFF saved: {tiff}")
    if outputs.figure is not None:
        figure, options = outputs.figure, dict(outputs.figure_options)
        errors.append(_attempt(lambda: save_figure(figure, last, **door, **options)))
        if errors[-1] is None:
            say(f"figure saved: {figure}")
    failed = [error for error in errors if error is not None]
    for error in failed[1:]:
        say(f"error: {in_options(error)}", err=True)
    if outputs.result is None:
        if failure is None and not failed and not job.controls.stopped:
            job.discard()  # it came to its end, and no result was wanted
        else:
            _tell_kept(job)
    return failed[0] if failed else None


def _save_or_rescue(
    job: Job, last: Snapshot, path: Path, door: Guard
) -> Exception | None:
    done = job.done(last)
    try:
        older = save_result(path, last, done, **door)
    except Exception as error:  # whatever it is: the result must not be lost
        log_fault(log, error)
        place = rescue(last, done)
        if place is None:
            return InputError(f"{error}; no other place took the result either")
        job.discard()
        return InputError(f"{error}; the result is kept in {place}")
    tell_saved(path, older)
    job.discard(path)
    return None


def _tell_kept(job: Job) -> None:
    """Say where a run is kept that did not come to its end."""
    if job.autosave is not None:
        job.autosave.wait()
        if job.autosave.path.exists():
            say(f"the run is kept in {job.autosave.path} (go on from it with --from)")


def _attempt(save: Callable[[], object]) -> Exception | None:
    try:
        save()
    except InputError as error:
        return error
    except Exception as error:  # one output must not take the others with it
        log_fault(log, error)
        return InputError(f"an output could not be made: {error}")
    return None
