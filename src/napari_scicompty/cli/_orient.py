"""The command ``scicompty orient``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the hints
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_scicompty.cli._asked import Positions  # noqa: TC001 - typer reads it
from napari_scicompty.cli._options import FLAGS, assemble, with_options
from napari_scicompty.cli._outputs import (
    Overwrite,
    SavedRecipe,
    check_outputs,
    door_of,
)
from napari_scicompty.cli._signals import interruptible
from napari_scicompty.cli._terminal import say
from napari_scicompty.core.errors import InputError
from napari_scicompty.engine.controls import Controls
from napari_scicompty.recipe import FileInput
from napari_scicompty.workflow.orientation import undecided_words, verdict
from napari_scicompty.workflow.orientation_search import find_orientation

if TYPE_CHECKING:
    from napari_scicompty.workflow.orientation import OrientationCandidate


@with_options("input")
def orient(
    file: Annotated[Path, typer.Argument(help="Diffraction patterns.")],
    positions: Positions = None,
    modes: Annotated[
        int, typer.Option(metavar="NUMBER", help="Probe modes of the tries.")
    ] = 1,
    save_recipe: SavedRecipe = None,
    overwrite: Overwrite = False,
    *,
    given: dict[str, Any],
) -> None:
    """Find how the detector lies against the scan: try all, rank them.

    Ctrl-C stops and ranks what was tried.
    """
    recipe = assemble(None, file, positions, given)
    assert isinstance(recipe.input, FileInput)
    door = door_of(*recipe.input_files, overwrite=overwrite)
    check_outputs((save_recipe, (".toml",)), **door)
    scan, controls = recipe.scan(), Controls()
    with interruptible(controls) as interruption:
        found = find_orientation(
            scan, modes=modes, controls=controls, progress=_tell_tried
        )
        interruption.saving = True
        if not found:
            raise InputError("stopped before any orientation was tried")
        for candidate in found:
            options = _options(candidate.choices(recipe.input))
            say(f"{candidate}{f'   {options}' if options else ''}")
        say(verdict(found))
        say(undecided_words(scan))
        if save_recipe is not None:
            turned = recipe.input.replace(**found[0].choices(recipe.input))
            recipe.replace(input=turned).save(save_recipe, **door)
            say(f"recipe saved: {save_recipe}, with {found[0].words}")
        interruption.end()


def _tell_tried(number: int, planned: int, candidate: OrientationCandidate) -> None:
    say(f"tried {number} of {planned}: {candidate.words}", err=True)


def _options(choices: dict[str, Any]) -> str:
    """Write out choices as options of the command line."""
    words = []
    for name, value in choices.items():
        flag = FLAGS[f"input.{name}"]
        if value is True:
            words.append(flag)
        elif value:
            words.append(f"{flag}={value:g}")
    return " ".join(words)
