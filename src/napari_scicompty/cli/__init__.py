"""The command line: exit code 0, 2 for bad input, 1 for a failure."""

from __future__ import annotations

import functools
from pathlib import Path  # noqa: TC003 - typer reads the hints
from typing import TYPE_CHECKING, Annotated, Any

import typer

import napari_scicompty
from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.cli import _show
from napari_scicompty.cli._compare import compare_with_truth
from napari_scicompty.cli._focus import focus
from napari_scicompty.cli._follow import Follower
from napari_scicompty.cli._options import (
    QUANTITIES,
    assemble,
    read_sets,
    with_options,
)
from napari_scicompty.cli._outputs import check_outputs
from napari_scicompty.cli._resolution import frc, resolution
from napari_scicompty.cli._simulate import simulate_scan
from napari_scicompty.cli._words import in_options, load_recipe, spoken
from napari_scicompty.errors import EngineError, InputError
from napari_scicompty.figures import SUFFIXES, FigureOptions, save_figure
from napari_scicompty.formats import MissingChoice, open_scan
from napari_scicompty.reading import expanded
from napari_scicompty.refine import REFINERS
from napari_scicompty.results import (
    is_result,
    open_result,
    provenance,
    save_ome_tiff,
    save_result,
    stored_recipe,
)
from napari_scicompty.start import STARTS

RESULTS = (".h5", ".hdf5")
"""How the name of a result may end."""

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.recipe import Recipe
    from napari_scicompty.snapshot import Snapshot

app = typer.Typer(
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
    def guarded(**values: Any) -> None:
        try:
            command(**values)
        except (InputError, EngineError) as error:
            typer.echo(f"error: {in_options(error)}", err=True)
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from None

    return guarded


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"scicompty {napari_scicompty.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say which."),
    ] = False,
) -> None:
    pass


@app.command()
@_sentences
@with_options("input")
def info(
    file: Annotated[Path, typer.Argument(help="Diffraction patterns, or a result.")],
    positions: Annotated[
        Path | None, typer.Option(help="One position a pattern.")
    ] = None,
    *,
    given: dict[str, Any],
) -> None:
    """Say what a scan or a result holds, and what was assumed about it."""
    if is_result(file):
        _print(_show.describe_result(open_result(file), provenance(file)))
        return
    choices = {path.partition(".")[2]: value for path, value in given.items()}
    try:
        scan = open_scan(file, positions, **choices)
    except MissingChoice as missing:
        _print(_show.describe_file(expanded(file)))
        _print([("still needed", spoken(str(missing)))])
        return
    _print(_show.describe_scan(scan))


def _print(lines: Any) -> None:
    for name, text in lines:
        typer.echo(f"{name + ':':<20} {spoken(text) if name == 'note' else text}")


@app.command()
@_sentences
@with_options("input", "run", "algorithm", "start")
def reconstruct(
    file: Annotated[
        Path | None,
        typer.Argument(help="Diffraction patterns; or by --recipe, --from."),
    ] = None,
    positions: Annotated[
        Path | None, typer.Option(help="One position a pattern.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="TOML, or a result that carries one.")
    ] = None,
    continued: Annotated[
        Path | None, typer.Option("--from", help="Continue from this result.")
    ] = None,
    algorithm: Annotated[
        str | None,
        typer.Option(metavar="|".join(ALGORITHMS), rich_help_panel="Algorithm"),
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="|".join(STARTS), rich_help_panel="Start")
    ] = None,
    refine: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join((*QUANTITIES, *REFINERS)),
            help="Refine this too, or several: positions,distance. Settings by --set "
            "positions.NAME=VALUE.",
            rich_help_panel="Algorithm",
        ),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PART.NAME=VALUE",
            help="Any setting of a recipe, or figure.NAME.",
        ),
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Result, HDF5.")] = None,
    save_recipe: Annotated[Path | None, typer.Option(help="Recipe, TOML.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Figure: PNG, SVG, PDF.")] = None,
    tiff: Annotated[
        Path | None, typer.Option(help="Phase and magnitude, .ome.tif.")
    ] = None,
    *,
    given: dict[str, Any],
) -> None:
    """Reconstruct a scan; Ctrl-C stops, and what there is is saved."""
    named = {
        "stage.algorithm": algorithm,
        "stage.refine": _each(refine or []) or None,
        "start.name": start,
    }
    given = {k: v for k, v in named.items() if v is not None} | given
    given |= read_sets(sets or [])
    drawn = {k: given.pop(k) for k in list(given) if k.startswith("figure.")}
    options = FigureOptions(**{k.partition(".")[2]: v for k, v in drawn.items()})
    check_outputs(
        (save, RESULTS),
        (save_recipe, (".toml",)),
        (figure, SUFFIXES),
        (tiff, (".ome.tif", ".ome.tiff")),
    )
    first = None if continued is None else open_result(continued)
    earlier = None
    if continued is not None and stored_recipe(continued) is not None:
        earlier = load_recipe(continued)
    base = None if earlier is None else earlier.replace(stages=earlier.stages[-1:])
    if recipe is not None:
        base = load_recipe(recipe)
    if continued is not None and base is None and file is None:
        raise InputError(
            f"{continued} carries no recipe; also give FILE, --positions and the "
            "geometry, or a recipe"
        )
    chosen = assemble(base, file, positions, given)
    if save_recipe is not None:
        chosen.save(save_recipe)
    scan = chosen.scan()
    _print(("note", note) for note in scan.report)
    follower = Follower(chosen, scan, first)
    failure = follower.run()
    last = follower.snapshot
    if last is not None:
        done = chosen.until(last.epoch - (first.epoch if first else 0))
        if first is not None and earlier is not None:
            done = done.replace(stages=(*earlier.stages, *done.stages))
        _tell(last)
        _keep(last, done, save, tiff)
        if figure is not None:
            save_figure(figure, last, **dict(options))
            typer.echo(f"figure saved: {figure}")
    if failure is not None:
        raise failure


app.command("simulate")(_sentences(simulate_scan))
app.command("resolution")(_sentences(resolution))
app.command("frc")(_sentences(frc))
app.command("compare")(_sentences(compare_with_truth))
app.command("focus")(_sentences(focus))


@app.command()
@_sentences
def demo(
    output: Annotated[
        Path | None,
        typer.Option(help="Leave screenshot, figure and result here, and close."),
    ] = None,
) -> None:
    """Open napari and reconstruct a virtual experiment with a known truth."""
    from napari_scicompty.ui.demo import main as show

    raise typer.Exit(show(output))


# -- parts of a reconstruction ------------------------------------------------------
def _each(texts: list[str]) -> list[str]:
    """Read ``positions,distance``, once or several times."""
    return [name.strip() for text in texts for name in text.split(",")]


def _tell(snapshot: Snapshot) -> None:
    _print(("note", note) for note in snapshot.history.notes)
    _print(_show.refined_geometry(snapshot))
    _print([("error", f"{snapshot.error:.5f} at epoch {snapshot.epoch}")])


def _keep(
    snapshot: Snapshot, recipe: Recipe, save: Path | None, tiff: Path | None
) -> None:
    if save is not None:
        save_result(save, snapshot, recipe)
        typer.echo(f"result saved: {save}")
    if tiff is not None:
        save_ome_tiff(tiff, snapshot)
        typer.echo(f"OME-TIFF saved: {tiff}")
