"""The command ``scicompty reconstruct``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the hints
from typing import TYPE_CHECKING, Annotated

import typer

from napari_scicompty.cli import _show
from napari_scicompty.cli._asked import Asked, with_asked
from napari_scicompty.cli._follow import Follower
from napari_scicompty.cli._job import Job, begun_anew, continued_from, repeated, resumed
from napari_scicompty.cli._options import assemble
from napari_scicompty.cli._outputs import (
    Figure,
    Overwrite,
    Saved,
    SavedRecipe,
    check_outputs,
)
from napari_scicompty.cli._saving import Outputs, save_all
from napari_scicompty.cli._signals import interruptible
from napari_scicompty.cli._terminal import say, tell
from napari_scicompty.cli._words import in_options, load_recipe
from napari_scicompty.core.errors import InputError
from napari_scicompty.figures import SUFFIXES, FigureOptions
from napari_scicompty.workflow.repeating import differences

if TYPE_CHECKING:
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot

RESULTS = (".h5", ".hdf5")
"""How the name of a result may end."""


@with_asked
def reconstruct(
    continued: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="Go on from this result.",
            rich_help_panel="Input",
        ),
    ] = None,
    repeat: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Make this result once more, with every change that was made under "
            "way, and say whether it is the same bit for bit.",
            rich_help_panel="Run",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Take up the run that was cut, beside the file of --save.",
            rich_help_panel="Run",
        ),
    ] = False,
    save: Saved = None,
    save_recipe: SavedRecipe = None,
    figure: Figure = None,
    tiff: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Phase and magnitude: .ome.tif.",
            rich_help_panel="Saving",
        ),
    ] = None,
    overwrite: Overwrite = False,
    *,
    asked: Asked,
) -> None:
    """Reconstruct a scan; Ctrl-C stops, and what there is is saved.

    A run is kept on disk every minute, beside the file of --save; --resume takes it up.
    """
    file, positions, recipe = asked.file, asked.positions, asked.recipe
    given = dict(asked.settings)
    drawn = {k: given.pop(k) for k in list(given) if k.startswith("figure.")}
    options = FigureOptions(**{k.partition(".")[2]: v for k, v in drawn.items()})
    outputs = Outputs(save, tiff, figure, options, overwrite)
    checks: tuple[tuple[Path | None, tuple[str, ...]], ...] = (
        (save, RESULTS),
        (save_recipe, (".toml",)),
        (figure, SUFFIXES),
        (tiff, (".ome.tif", ".ome.tiff")),
    )
    sources = (recipe, continued, repeat)
    if repeat is not None and (continued is not None or resume):
        raise InputError("--repeat: leave out --from and --resume")
    check_outputs(*checks, inputs=(file, positions, *sources), overwrite=overwrite)
    is_given = file is not None or recipe is not None or bool(given)
    job: Job
    if repeat is not None:
        if given or recipe is not None:
            raise InputError("--repeat: takes its settings from the result; give none")
        job = repeated(repeat, file, positions)
    else:
        base = None if recipe is None else load_recipe(recipe)
        taken_up = resumed(save) if resume else None
        if continued is not None:
            job = continued_from(continued, base, file, positions, given)
        elif taken_up is None or is_given:
            job = begun_anew(assemble(base, file, positions, given))
        if taken_up is not None:
            is_known = is_given or continued is not None
            job = taken_up.checked(job.recipe if is_known else None)
    inputs = (*sources, *job.recipe.input_files)
    check_outputs(*checks, inputs=inputs, overwrite=overwrite)
    if save_recipe is not None:
        read = [path for path in sources if path is not None]
        job.recipe.save(save_recipe, inputs=read, overwrite=overwrite)
    outputs.inputs = tuple(str(path) for path in inputs if path is not None)
    _carry_out(job, outputs)


def _carry_out(job: Job, outputs: Outputs) -> None:
    """Run, save what there is, say what happened, and end as it should."""
    scan = job.recipe.scan()
    tell(_show.report_of(scan))
    job.begin(outputs.result, outputs.inputs)
    with interruptible(job.controls) as interruption:
        exact = job.repeats is None or job.repeats.exact
        follower = Follower(job.controls, interruption, job.keep, job.due, exact=exact)
        failure: Exception | None
        failure = follower.run(job.runs(scan, follower.searched, follower.coarse))
        interruption.saving = True
        last = follower.snapshot
        same = True
        if last is None or (job.controls.stopped and not job.has_moved(last)):
            if failure is None:
                say("stopped before anything was computed; nothing was saved")
        else:
            failure = save_all(job, last, outputs, failure) or failure
            same = _say_what_came_out(job, scan, last)
        if interruption.number is not None:
            if failure is not None:
                say(f"error: {in_options(failure)}", err=True)
            interruption.end()
    if failure is not None:
        raise failure
    if not same:
        raise typer.Exit(1)


def _say_what_came_out(job: Job, scan: Scan, last: Snapshot) -> bool:
    """Say what the run found; return whether a repetition is the same."""
    tell(_show.notes_of(last.history, told=scan.findings))
    tell(_show.refined_geometry(last))
    how = ", all patterns compared with it" if last.exact else ""
    tell([("error", f"{last.error:.5f} at epoch {last.epoch}{how}")])
    if job.repeats is None or job.controls.stopped:
        return True
    differ = differences(job.repeats, last)
    same = "the same as the saved result, bit for bit"
    tell([("repeated", f"not the same: {'; '.join(differ)}" if differ else same)])
    return not differ
