"""The command ``scicompty check``."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path  # noqa: TC003 - typer reads the hints
from typing import Annotated, Any

import typer

from napari_scicompty.cli._asked import Positions  # noqa: TC001 - typer reads it
from napari_scicompty.cli._options import with_options
from napari_scicompty.cli._terminal import say, tell
from napari_scicompty.formats import open_scan
from napari_scicompty.workflow.checking import check


@with_options("input")
def check_scan(
    file: Annotated[Path, typer.Argument(help="Diffraction patterns.")],
    positions: Positions = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a list for other programs.")
    ] = False,
    *,
    given: dict[str, Any],
) -> None:
    """Look at a scan before it is reconstructed: what is well, and what is not.

    Exit code 0; 1 where something is wrong that leaves no picture (level error), 2 for
    input that cannot be opened.
    """
    choices = {path.partition(".")[2]: value for path, value in given.items()}
    findings = check(open_scan(file, positions, **choices))
    if as_json:
        told = [
            dataclasses.asdict(found) | {"change": dict(found.change)}
            for found in findings
        ]
        say(json.dumps(told, indent=1))
    else:
        tell((found.level, str(found)) for found in findings)
    if any(found.level == "error" for found in findings):
        raise typer.Exit(1)
