"""The command ``scicompty focus``: where the probe's curvature puts the focus."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the hints
from typing import Annotated

import typer

from napari_scicompty.analysis.focus import probe_focus, probe_is_found
from napari_scicompty.cli._outputs import Overwrite, check_outputs, door_of, tell_saved
from napari_scicompty.cli._terminal import say
from napari_scicompty.cli._words import load_recipe
from napari_scicompty.core.errors import InputError
from napari_scicompty.recipe import FileInput
from napari_scicompty.results import open_result, save_result, stored_recipe
from napari_scicompty.workflow.refocusing import with_focus


def focus(
    result: Annotated[Path, typer.Argument(help="A saved result.")],
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The result with that focus, to continue by --from: .h5.",
            rich_help_panel="Saving",
        ),
    ] = None,
    focus_sample_m: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER",
            help="Take this focus instead of the one found.",
            rich_help_panel="Geometry",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the focus of the beam in the phase of a result's probe."""
    door = door_of(result, overwrite=overwrite)
    check_outputs((save, (".h5", ".hdf5")), **door)
    snapshot = open_result(result)
    if not probe_is_found(snapshot):
        raise InputError(
            f"{result}: no epoch has formed this probe yet; continue it first, by "
            "reconstruct --from, and look again"
        )
    found = probe_focus(snapshot)
    say(found.sentence)
    if save is None:
        return
    if stored_recipe(result) is None:
        raise InputError(
            f"{result} carries no recipe, and its patterns cannot be found; save it "
            "from the window or the command line"
        )
    recipe = load_recipe(result)
    if not isinstance(recipe.input, FileInput):
        raise InputError(
            f"{result} is of a virtual experiment, which has its focus from its "
            "settings; only a scan from a file can be given another"
        )
    told = found.focus_sample_m if focus_sample_m is None else focus_sample_m
    _, taken = with_focus(recipe.scan(), snapshot, told)
    retold = recipe.input.replace(focus_sample_m=told)
    older = save_result(save, taken, recipe.replace(input=retold), **door)
    for note in taken.history.notes[len(snapshot.history.notes) :]:
        say(note)
    tell_saved(save, older)
