"""The command ``scicompty simulate``: virtual experiments from a terminal."""

from __future__ import annotations

import dataclasses
from pathlib import Path  # noqa: TC003 - typer reads the hints
from typing import Annotated, Any

import typer

from napari_scicompty.cli._options import completing, read_value
from napari_scicompty.cli._outputs import Overwrite, check_outputs, door_of
from napari_scicompty.cli._show import report_of
from napari_scicompty.cli._terminal import say, tell
from napari_scicompty.core.errors import InputError
from napari_scicompty.files.writing import never
from napari_scicompty.formats import save_scan
from napari_scicompty.formats.saving import SUFFIXES as SCANS
from napari_scicompty.recipe import Recipe
from napari_scicompty.simulation import PRESETS, VirtualExperiment, preset, simulate


def simulate_scan(
    name: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="An experiment of a paper, see --list.",
            autocompletion=completing(PRESETS),
        ),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List the presets, and end.")
    ] = False,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any setting: modes=3, detector.photons=1e5, probe.kind=zernike.",
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Scan with its truth, CXI: .cxi, or .h5 of that layout.",
            rich_help_panel="Saving",
        ),
    ] = None,
    save_recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Recipe that reconstructs it: .toml.",
            rich_help_panel="Saving",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Simulate a scan of a known object; the truth is saved beside it."""
    if listed:
        for key, known in PRESETS.items():
            say(f"{key:<20} {known.title}\n{'':<20} {known.source}")
        return
    recipe = chosen_recipe(name, sets or [])
    door = door_of(*recipe.input_files, overwrite=overwrite)
    check_outputs((save, SCANS), (save_recipe, (".toml",)), **door, ours=never)
    assert isinstance(recipe.input, VirtualExperiment)
    scan, truth = simulate(recipe.input)
    tell(report_of(scan))
    if save is not None:
        save_scan(save, scan, truth, **door)
        say(f"scan saved as CXI: {save}")
    if save_recipe is not None:
        recipe.save(save_recipe, **door)
        say(f"recipe saved: {save_recipe}")
    if save is None and save_recipe is None:
        say("nothing is saved; give --save=scan.cxi, or --save-recipe=run.toml")


def chosen_recipe(name: str | None, sets: list[str]) -> Recipe:
    """Lay settings over the experiment of a preset, or over the default one.

    Raises
    ------
    InputError
        A preset or setting that is not there, or a value that does not fit.
    """
    base = None if name is None else preset(name)
    first = VirtualExperiment() if base is None else base.experiment
    data = Recipe(input=first).to_dict()
    for text in sets:
        path, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}: write name=value, such as modes=3")
        _lay_over(data["virtual_experiment"], path.strip(), value.strip())
    experiment = Recipe.from_dict(data).input
    assert isinstance(experiment, VirtualExperiment)
    if base is None:
        return Recipe.of_experiment(experiment)
    return Recipe.of_preset(dataclasses.replace(base, experiment=experiment))


def _lay_over(table: dict[str, Any], path: str, text: str) -> None:
    """Set one value; another kind of a part begins with that kind's defaults."""
    part, _, name = path.rpartition(".")
    if part:
        table = table.setdefault(part, {})
    value = read_value(text)
    if name == "kind" and table.get("kind") != value:
        table.clear()
    table[name] = value
