"""The command line: exit code 0, 2 for bad input, 1 for a failure."""

from __future__ import annotations

import functools
import logging
import sys
from pathlib import Path  # noqa: TC003 - typer reads the hints
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_scicompty.cli import _show
from napari_scicompty.cli._asked import Positions  # noqa: TC001 - typer reads it
from napari_scicompty.cli._check import check_scan
from napari_scicompty.cli._compare import compare_with_truth
from napari_scicompty.cli._focus import focus
from napari_scicompty.cli._help import App, Group
from napari_scicompty.cli._options import with_options
from napari_scicompty.cli._orient import orient
from napari_scicompty.cli._reconstruct import reconstruct
from napari_scicompty.cli._report import report_trouble
from napari_scicompty.cli._resolution import frc, resolution
from napari_scicompty.cli._simulate import simulate_scan
from napari_scicompty.cli._terminal import listen, say, tell
from napari_scicompty.cli._words import in_options, spoken
from napari_scicompty.core.errors import EngineError, InputError
from napari_scicompty.core.log import is_fault, kept_log, log_fault
from napari_scicompty.core.version import __version__
from napari_scicompty.files.reading import expanded
from napari_scicompty.files.writing import remove_parts
from napari_scicompty.formats import MissingChoice, open_scan
from napari_scicompty.results import is_result, open_result, provenance

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

app = App(
    cls=Group,
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="Ptychography: open a scan, reconstruct it, keep the result.",
)


def main() -> None:
    """Run the command line."""
    app(prog_name="scicompty")


def _sentences(command: Callable[..., None]) -> Callable[..., None]:
    """Turn our errors into a sentence and an exit code."""

    @functools.wraps(command)
    def guarded(**values: object) -> None:
        remove_parts()
        try:
            command(**values)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            log_fault(log, error)
            is_ours = isinstance(error, InputError | EngineError)
            if is_ours:
                say(f"error: {in_options(error)}", err=True)
            if is_fault(error) and (path := kept_log()) is not None:
                say(f"details in {path}; 'scicompty report' tells them", err=True)
            if not is_ours:
                raise
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from error

    return guarded


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"scicompty {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            metavar="",
            help="Tell what is being done; -vv tells more.",
        ),
    ] = 0,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which."),
    ] = False,
) -> None:
    context.call_on_close(listen(verbose))
    log.info("scicompty %s: %s", __version__, " ".join(sys.argv[1:]))


@app.command()
@_sentences
@with_options("input")
def info(
    file: Annotated[Path, typer.Argument(help="Diffraction patterns, or a result.")],
    positions: Positions = None,
    *,
    given: dict[str, Any],
) -> None:
    """Say what a scan or a result holds, and what was assumed."""
    choices = {path.partition(".")[2]: value for path, value in given.items()}
    if is_result(file):
        damaged = bool(choices.get("damaged"))
        made = {} if damaged else provenance(file)
        tell(_show.describe_result(open_result(file, damaged=damaged), made))
        return
    try:
        scan = open_scan(file, positions, **choices)
    except MissingChoice as missing:
        tell(_show.describe_file(expanded(file)))
        tell([("still needed", spoken(str(missing)))])
        return
    tell(_show.describe_scan(scan))


app.command("check")(_sentences(check_scan))
app.command("reconstruct")(_sentences(reconstruct))
app.command("simulate")(_sentences(simulate_scan))
app.command("resolution")(_sentences(resolution))
app.command("frc")(_sentences(frc))
app.command("compare")(_sentences(compare_with_truth))
app.command("focus")(_sentences(focus))
app.command("orient")(_sentences(orient))
app.command("report")(_sentences(report_trouble))


@app.command()
@_sentences
def demo(
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Leave screenshot, figure and result here, and close."
        ),
    ] = None,
) -> None:
    """Open napari and reconstruct a virtual experiment with a known truth."""
    from napari_scicompty.ui.plugin.demo import main as show

    raise typer.Exit(show(output))
