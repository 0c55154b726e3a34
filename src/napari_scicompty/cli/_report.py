"""The command ``scicompty report``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the hints
from typing import Annotated

import typer

from napari_scicompty.cli._terminal import say
from napari_scicompty.cli._words import load_recipe
from napari_scicompty.core.report import report
from napari_scicompty.results import is_result, open_result


def report_trouble(
    file: Annotated[
        Path | None,
        typer.Argument(help="Recipe or result, whose settings are listed too."),
    ] = None,
) -> None:
    """Tell versions, devices and the end of the log, to paste where you ask for help.

    The home folder is written as ~, and no data are told.
    """
    settings, notes = "", tuple[str, ...]()
    if file is not None:
        settings = load_recipe(file).to_toml_without_folders()
        if is_result(file):
            notes = open_result(file).history.notes
    say(report(settings, notes).rstrip())
