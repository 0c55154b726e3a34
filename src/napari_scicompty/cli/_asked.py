"""What `reconstruct` and `resolution` are asked for: the options that both have."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.cli._help import BY_SET
from napari_scicompty.cli._options import (
    FLAGS,
    QUANTITIES,
    completing,
    described,
    metavar,
    read_sets,
    with_options,
)
from napari_scicompty.figures import FigureOptions
from napari_scicompty.recipe import RunChoices, Stage
from napari_scicompty.refine import REFINERS
from napari_scicompty.workflow.start import STARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_scicompty.core.settings import Settings


@dataclass(frozen=True)
class Asked:
    """The scan and the settings that were given."""

    file: Path | None
    positions: Path | None
    recipe: Path | None
    settings: dict[str, object]
    """By their path in a recipe: ``{"run.modes": 3}``."""


_REFINABLE = (*QUANTITIES, *REFINERS)
_SETTABLE = dict.fromkeys(
    [
        *(path for path in FLAGS if path.split(".")[0] not in ("run", "stage")),
        *(f"run.{name}" for name in RunChoices.model_fields),
        *(f"stage.{name}" for name in Stage.model_fields),
        *(f"{k.quantity}.{n}" for k in REFINERS.values() for n in k.model_fields),
        *(f"figure.{name}" for name in FigureOptions.model_fields),
    ]
)
"""What ``--set`` takes."""


def by_set(*, figure: bool) -> Iterator[tuple[str, str]]:
    """Yield what only ``--set`` reaches, as it is written, and what it is."""
    kinds: list[tuple[str, type[Settings]]] = [
        *(("start", kind) for kind in STARTS.values()),
        *((kind.quantity, kind) for kind in REFINERS.values()),
        *([("figure", FigureOptions)] if figure else []),
    ]
    told = set(FLAGS)
    for part, kind in kinds:
        for name, field in kind.model_fields.items():
            path = f"{part}.{name}"
            if path not in told:
                told.add(path)
                value = metavar(path, field) or "true"
                yield f"{path}={value}", described(field)


File = Annotated[
    Path | None,
    typer.Argument(help="Diffraction patterns; none with --recipe or --from."),
]
Positions = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="File of the positions, one a pattern.",
        rich_help_panel="Input",
    ),
]
_Recipe = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Take all settings from a recipe (TOML), or from a result.",
        rich_help_panel="Input",
    ),
]
_Algorithm = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"One of: {', '.join(ALGORITHMS)} (default {next(iter(ALGORITHMS))}).",
        rich_help_panel="Algorithm",
        autocompletion=completing(ALGORITHMS),
    ),
]
_Start = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"The first probe. One of: {', '.join(STARTS)} (default auto).",
        rich_help_panel="Start",
        autocompletion=completing(STARTS),
    ),
]
_Refine = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="What is refined beside object and probe, one or several: "
        "positions,distance. Or by which way: "
        f"{', '.join(REFINERS)}. Their settings by --set positions.NAME=VALUE.",
        rich_help_panel="Refinement",
        autocompletion=completing(_REFINABLE, several=True),
    ),
]
_Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any setting of a recipe, such as stage.epochs=60, positions.rate_px=1 "
        "or figure.dpi=600; as often as needed.",
        rich_help_panel="Run",
        autocompletion=completing(f"{path}=" for path in _SETTABLE),
    ),
]


def _shared(
    *,
    file: File = None,
    positions: Positions = None,
    recipe: _Recipe = None,
    algorithm: _Algorithm = None,
    start: _Start = None,
    refine: _Refine = None,
    sets: _Sets = None,
    given: dict[str, object],
) -> Asked:
    """Gather what was given, by its path in a recipe."""
    names = [name.strip() for text in refine or [] for name in text.split(",")]
    named = {
        "stage.algorithm": algorithm,
        "stage.refine": names or None,
        "start.name": start,
    }
    settings = {path: value for path, value in named.items() if value is not None}
    return Asked(file, positions, recipe, settings | given | read_sets(sets or []))


def with_asked(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a whole run, as one object `asked`."""
    shared = inspect.signature(_shared, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True).parameters

    @functools.wraps(command)
    def taking(**values: Any) -> None:
        asked = _shared(**{name: values.pop(name) for name in shared})
        command(**values, asked=asked)

    parameters = [*shared.values(), *(p for n, p in own.items() if n != "asked")]
    keyword = inspect.Parameter.KEYWORD_ONLY
    # Functions may have one, which inspect and typer read; their type does not say so.
    taking.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [p.replace(kind=keyword) for p in parameters]
    )
    return with_options("input", "run", "algorithm", "start")(taking)


BY_SET.append(by_set)
