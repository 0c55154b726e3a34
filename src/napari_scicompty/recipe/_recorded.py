"""The recipe of a result that carries none, from what it records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.algorithms import from_description as algorithm_of
from napari_scicompty.core.errors import InputError
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.recipe.sections import (
    STAGE_FIELDS,
    FileInput,
    RunChoices,
    Stage,
)
from napari_scicompty.refine import from_description as refiner_of
from napari_scicompty.workflow.start import AutoStart
from napari_scicompty.workflow.start import from_description as start_of

if TYPE_CHECKING:
    from napari_scicompty.data.snapshot import Snapshot


def recorded(result: Snapshot) -> dict[str, object]:
    """Return the fields of a recipe that leads to a result.

    Raises
    ------
    InputError
        A result that does not know its file or its runs.
    """
    opened = result.source.opened
    if not opened or not result.history.runs:
        raise InputError("this result carries no recipe; give a recipe as TOML")
    return {
        "input": FileInput(**opened),
        "start": start_of(result.settings.get("start")) or AutoStart(),
        "stages": _stages(result),
        "shared": _choices(result),
    }


def _stages(result: Snapshot) -> tuple[Stage, ...]:
    """Return one stage a run, as it began, of as many epochs as it did."""
    runs = result.history.runs
    ends = [*(run.epoch for run in runs[1:]), result.epoch]
    stages = []
    for run, end in zip(runs, ends, strict=True):
        settings = RunSettings(**run.run)
        own = {n: getattr(settings, n) for n in STAGE_FIELDS if n != "refine"}
        own |= {"epochs": end - run.epoch, "algorithm": algorithm_of(run.algorithm)}
        refine = tuple(refiner_of(item) for item in run.refine)
        stages.append(Stage(**own, refine=refine))
    return tuple(stages)


def _choices(result: Snapshot) -> RunChoices:
    """Return what all stages share, as the last run had it, with the first's modes."""
    runs = result.history.runs
    last = RunSettings(**runs[-1].run)
    shared = {name: getattr(last, name) for name in RunChoices.model_fields}
    shared |= {"modes": runs[0].run.get("modes"), "kernels": _asked_kernels(result)}
    return RunChoices(**shared)


def _asked_kernels(result: Snapshot) -> object:
    """Return what was asked for: a record has what was used, on that machine."""
    return result.settings.get("run", {}).get("kernels", "auto")
