"""Refuse before the work is done what could not be saved after it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from napari_scicompty.cli._terminal import say
from napari_scicompty.core.errors import InputError
from napari_scicompty.files.reading import expanded
from napari_scicompty.files.writing import checked_target, never

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_scicompty.files.writing import Ours

Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace outputs that exist and that this program did not write.",
        rich_help_panel="Saving",
    ),
]


def _output(help: str) -> Any:
    return typer.Option(metavar="PATH", help=help, rich_help_panel="Saving")


Saved = Annotated[Path | None, _output("Result: .h5 or .hdf5.")]
SavedRecipe = Annotated[Path | None, _output("Recipe: .toml.")]
Figure = Annotated[Path | None, _output("Picture: .png, .svg or .pdf.")]


class Guard(TypedDict):
    """What is never written over, and leave to write over the rest."""

    inputs: list[Path | str]
    overwrite: bool


def door_of(*inputs: Path | str | None, overwrite: bool) -> Guard:
    """Return the options of all that writes: what is never written over, and leave."""
    return {"inputs": [path for path in inputs if path], "overwrite": overwrite}


def tell_saved(path: Path, older: Path | None) -> None:
    """Say where a result is, and where one is now that was there before."""
    if older is not None:
        say(f"{path} held the result of another run, which is now {older}")
    say(f"result saved: {path}")


def check_outputs(
    *outputs: tuple[Path | None, tuple[str, ...]],
    inputs: Iterable[Path | str | None] = (),
    overwrite: bool = False,
    ours: Ours | None = None,
) -> None:
    """Check files that are to be written: their folders, names, and what is there.

    Parameters
    ----------
    *outputs : (path, suffixes)
        Those without a path are not wanted.
    inputs
        Files that the command reads, which none of them may be.
    overwrite
        Whether files that this program did not write may be replaced.
    ours
        As in `files.checked_target`.

    Raises
    ------
    InputError
        A folder that is missing or cannot be written, another suffix, two outputs of
        one name, an input, or a file that this program did not write.
    """
    read = [path for path in inputs if path is not None]
    taken: dict[str, Path] = {}
    for path, suffixes in outputs:
        if path is None:
            continue
        folder = expanded(path).absolute().parent
        if not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise InputError(
                f"{path}: its folder is missing or cannot be written; choose another"
            )
        if not path.name.lower().endswith(suffixes):
            raise InputError(f"{path}: end its name with {' or '.join(suffixes)}")
        may_go = never if path.suffix.lower() == ".toml" else ours
        target = checked_target(path, inputs=read, overwrite=overwrite, ours=may_go)
        if taken.setdefault(str(target), path) is not path:
            raise InputError(f"{path}: two outputs have this name; give each its own")
