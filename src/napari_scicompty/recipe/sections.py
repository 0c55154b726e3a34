"""The parts of a recipe: input, stages, and what all stages share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import SerializeAsAny

from napari_scicompty.algorithms import Algorithm, Auto
from napari_scicompty.core.settings import Numbers, Settings, like, setting
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.formats import OpenChoices, open_scan
from napari_scicompty.formats.choices import FilePath
from napari_scicompty.refine import Refiner

if TYPE_CHECKING:
    from napari_scicompty.data.scan import Scan


def _of_run(name: str) -> Any:
    """Describe a setting here as `RunSettings` does."""
    return like(RunSettings, name)


class FileInput(OpenChoices):
    """A measured scan: its files, and every choice of `open_scan`."""

    path: FilePath = setting(..., "Diffraction patterns, see the formats.", live=False)
    positions: FilePath | None = setting(
        None, "Positions, where the file of the patterns has none.", live=False
    )

    def open(self) -> Scan:
        """Open the scan; raises InputError as `open_scan` does.

        Returns
        -------
        Scan
            Checked, with its report.
        """
        names = OpenChoices.model_fields
        return open_scan(
            self.path, self.positions, **{name: getattr(self, name) for name in names}
        )


class Stage(Settings):
    """One algorithm for some epochs; the next stage goes on from its result.

    Parameters
    ----------
    *args
        The algorithm.
    **values
        Fields by name; the epochs are the algorithm's own where they are left out.
    """

    algorithm: SerializeAsAny[Algorithm] = Auto()
    """The rule and its settings."""
    epochs: int = _of_run("epochs")
    batch: int | None = _of_run("batch")
    non_overlapping: bool = _of_run("non_overlapping")
    hold_probe: int = _of_run("hold_probe")
    freeze_probe: bool = _of_run("freeze_probe")
    patience: int = _of_run("patience")
    refine: tuple[SerializeAsAny[Refiner], ...] = setting(
        (), "What is refined beside object and probe, such as positions."
    )

    def __init__(self, *args: object, **values: object) -> None:
        named = values.get("algorithm", args[0] if args else Auto())
        if isinstance(named, Algorithm) and len(args) < 2:
            values.setdefault("epochs", named.default_epochs)
        super().__init__(*args, **values)


class RunChoices(Settings):
    """What all stages share."""

    modes: int | None = _of_run("modes")
    excluded: Numbers = _of_run("excluded")
    held_out: float = _of_run("held_out")
    positions_of: Literal["result", "scan"] = _of_run("positions_of")
    device: Literal["auto", "cpu", "cuda", "mps"] = _of_run("device")
    cuda_graphs: bool = _of_run("cuda_graphs")
    kernels: Literal["auto", "torch", "numba"] = _of_run("kernels")
    memory_gb: float = _of_run("memory_gb")
    seed: int = _of_run("seed")
    threads: int = _of_run("threads")


STAGE_FIELDS = tuple(name for name in Stage.model_fields if name != "algorithm")
"""What a stage says beside its algorithm."""


def path_fields(kind: type[Settings]) -> set[str]:
    """Names of the fields that hold paths.

    Parameters
    ----------
    kind : type of settings
        A class of settings.

    Returns
    -------
    set of str
        Their names.
    """
    # Annotated has it at run time; its types do not say so.
    (mark,) = FilePath.__metadata__  # type: ignore[attr-defined]
    return {
        name
        for name, field in kind.model_fields.items()
        if mark in field.metadata
        or {Path, FilePath} & {field.annotation, *get_args(field.annotation)}
    }
