"""The commands ``scicompty resolution`` and ``scicompty frc``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from napari_scicompty.analysis.metrics import (
    agreement,
    beam_diameter_m,
    ptychographic_resolution_gain,
)
from napari_scicompty.cli._asked import Asked, with_asked
from napari_scicompty.cli._options import assemble
from napari_scicompty.cli._outputs import Figure, Overwrite, check_outputs, door_of
from napari_scicompty.cli._show import length
from napari_scicompty.cli._signals import interruptible
from napari_scicompty.cli._terminal import quiet, say
from napari_scicompty.cli._words import load_recipe
from napari_scicompty.core.errors import InputError
from napari_scicompty.engine.controls import Controls
from napari_scicompty.figures import SUFFIXES
from napari_scicompty.figures.ring_correlation import (
    save_ring_correlation,
    save_ring_table,
)
from napari_scicompty.results import open_result
from napari_scicompty.results.foreign import is_foreign_result, open_foreign_result
from napari_scicompty.workflow.half_sets import run_halves

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from napari_scicompty.analysis.ring_correlation import FourierRingCorrelation
    from napari_scicompty.cli._outputs import Guard
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.workflow.half_sets import HalvesProgress, Resolution

TABLE = (".csv",)
"""How the name of a saved curve may end."""

Curve = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Ring correlation: .csv.",
        rich_help_panel="Saving",
    ),
]


@with_asked
def resolution(
    result: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="A result: its recipe is run anew, with half sets.",
            rich_help_panel="Input",
        ),
    ] = None,
    figure: Figure = None,
    save: Curve = None,
    overwrite: Overwrite = False,
    *,
    asked: Asked,
) -> None:
    """Reconstruct two halves of a scan; say up to which detail they agree.

    Ctrl-C stops and judges the last epoch that both halves have done.
    """
    source = asked.recipe or result
    base = None if source is None else load_recipe(source)
    chosen = assemble(base, asked.file, asked.positions, asked.settings)
    door = door_of(asked.recipe, result, *chosen.input_files, overwrite=overwrite)
    check_outputs((figure, SUFFIXES), (save, TABLE), **door)
    stages = [(stage.algorithm, chosen.settings_of(stage)) for stage in chosen.stages]
    controls = Controls()
    halves = run_halves(chosen.scan(), stages, chosen.start, controls)
    with interruptible(controls) as interruption:
        found = _followed(halves)
        interruption.saving = True
        _tell_all(found)
        _keep(found.frc, figure, save, door)
        interruption.end()


def _tell_all(found: Resolution) -> None:
    """Say what the half sets found."""
    _tell(found.frc)
    beam = beam_diameter_m(found.first)
    resolved = found.frc.one_bit_crossing.half_period_m
    if resolved and np.isfinite(resolved):
        gain = ptychographic_resolution_gain(beam, resolved)
        _line(
            "gain",
            f"{gain:.3g} (beam of {beam * 1e6:.3g} µm over the 1-bit half period)",
        )
    _line("judged", found.sentence)


def frc(
    first: Annotated[Path, typer.Argument(help="A saved result.")],
    second: Annotated[Path, typer.Argument(help="A saved result of the same object.")],
    figure: Figure = None,
    save: Curve = None,
    overwrite: Overwrite = False,
) -> None:
    """Correlate the objects of two results ring by ring.

    The thresholds are those of two halves of the data: the results must not share any
    pattern, or they agree in their noise too. One of the two may be a result of another
    package, which is brought to the pixels of the other one.
    """
    door = door_of(first, second, overwrite=overwrite)
    check_outputs((figure, SUFFIXES), (save, TABLE), **door)
    found = agreement(*_both(first, second))
    _tell(found)
    _keep(found, figure, save, door)


def _both(first: Path, second: Path) -> tuple[Snapshot, Snapshot]:
    """Open two results; one of another package takes the pixels of the other one."""
    foreign = [is_foreign_result(path) for path in (first, second)]
    if all(foreign):
        raise InputError(
            f"{first} and {second} are both of other packages; give one result of "
            "napari-scicompty, whose pixels the other one takes"
        )
    if foreign[0]:
        ours = open_result(second)
        return open_foreign_result(first).beside(ours), ours
    ours = open_result(first)
    if foreign[1]:
        return ours, open_foreign_result(second).beside(ours)
    return ours, open_result(second)


def tell_crossings(found: FourierRingCorrelation) -> Iterator[tuple[str, str]]:
    """Say where a ring correlation crosses its thresholds, as names and texts."""
    for name, crossing in (
        ("half-bit", found.half_bit_crossing),
        ("1-bit", found.one_bit_crossing),
    ):
        period = crossing.period_m
        if crossing.frequency == 0:
            yield name, str(crossing)
            continue
        full = f", full period {period * 1e9:.3g} nm" if period and period < 1 else ""
        yield name, f"half period {crossing}{full}"


def _followed(halves: Generator[HalvesProgress, None, Resolution]) -> Resolution:
    """Drive the half sets and show how far they are."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
        console=Console(file=quiet(sys.stderr)),
    )
    with bar:
        task = bar.add_task("half sets")
        while True:
            try:
                step = next(halves)
            except StopIteration as end:
                return end.value
            bar.update(
                task,
                completed=step.done,
                total=step.planned,
                description=step.what,
            )


def _tell(found: FourierRingCorrelation) -> None:
    for name, text in tell_crossings(found):
        _line(name, text)
    _line("object pixel", length(found.pixel_m))


def _keep(
    found: FourierRingCorrelation,
    figure: Path | None,
    save: Path | None,
    door: Guard,
) -> None:
    failed: InputError | None = None
    for path, save_as, what in (
        (figure, save_ring_correlation, "figure"),
        (save, save_ring_table, "curve"),
    ):
        if path is None:
            continue
        try:
            save_as(path, found, **door)
        except InputError as error:  # the other one is still to be had
            failed = failed or error
            continue
        say(f"{what} saved: {path}")
    if failed is not None:
        raise failed


def _line(name: str, text: str) -> None:
    say(f"{name + ':':<20} {text}")
