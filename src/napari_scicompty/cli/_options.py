"""Options of the command line, made from the settings, and the recipe they make."""

from __future__ import annotations

import functools
import inspect
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.core.errors import InputError
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.formats import GEOMETRY_CHOICES, HDF5_CHOICES, OpenChoices
from napari_scicompty.formats.choices import BEAM_CHOICES
from napari_scicompty.recipe import Recipe
from napari_scicompty.recipe.sections import STAGE_FIELDS, path_fields
from napari_scicompty.refine import REFINERS
from napari_scicompty.workflow.start import STARTS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic.fields import FieldInfo

    from napari_scicompty.core.settings import Settings

_NAMES = {"start.path": "probe_file"}
"""Options whose name would say too little."""
QUANTITIES = tuple(dict.fromkeys(kind.quantity for kind in REFINERS.values()))
"""What can be refined: ``--set positions.rate_px=1``."""
_PANELS = {
    "input": "Preparation",
    "run": "Run",
    "algorithm": "Algorithm",
    "start": "Start",
}
_GROUPS = {"Geometry": GEOMETRY_CHOICES, "Plain HDF5": HDF5_CHOICES}
"""Panels of `--help` for some fields of the input."""


# -- settings -> options ------------------------------------------------------------
def with_options(*parts: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of some parts of a recipe.

    The command gets those that were given as `given`, ``{"run.modes": 3}``.
    """
    table = {path: option for path, option in _TABLE.items() if _part(path) in parts}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = inspect.signature(command, eval_str=True).parameters
        own = [p for p in hints.values() if p.name != "given"]

        @functools.wraps(command)
        def wrapped(**values: Any) -> None:
            named = {path: values.pop(option.name) for path, option in table.items()}
            given = {
                path: read_value(value, as_text=path in _TEXTS)
                for path, value in named.items()
                if value is not None
            }
            command(**values, given=given)

        parameters = [*own, *table.values()]
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorate


def _part(path: str) -> str:
    return path.partition(".")[0]


def _option(path: str, field: FieldInfo) -> inspect.Parameter:
    part, _, name = path.partition(".")
    name = _NAMES.get(path, name)
    panel = _PANELS[part]
    if part == "input":
        panel = next((p for p, names in _GROUPS.items() if name in names), panel)
    flag = "--" + name.replace("_", "-")
    kind: Any = str
    metavar: str | None = _metavar(field)
    if field.annotation is bool:
        kind, flag, metavar = bool, f"{flag}/--no-{flag[2:]}", None
    option = typer.Option(
        flag, help=_help(field), metavar=metavar, rich_help_panel=panel
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _metavar(field: FieldInfo) -> str:
    for kind in (field.annotation, *get_args(field.annotation)):
        if get_origin(kind) is Literal:
            return "|".join(get_args(kind))
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    return str(unit or "VALUE")


def _help(field: FieldInfo) -> str:
    text = (field.description or "").rstrip(".")
    if field.is_required() or field.default in (None, (), False):
        return text + "."
    return f"{text} (default {field.default})."


def _table() -> tuple[dict[str, inspect.Parameter], set[str]]:
    """Options by path; a name that is taken is reached by --set only."""
    models: list[tuple[str, type[Settings]]] = [
        ("input", OpenChoices),
        ("run", RunSettings),
        *(("algorithm", kind) for kind in ALGORITHMS.values()),
        *(("start", kind) for kind in STARTS.values()),
    ]
    table: dict[str, inspect.Parameter] = {}
    texts = {"input.path", "input.positions"}
    taken: dict[str, str] = {}
    for part, model in models:
        for name, field in model.model_fields.items():
            option = _option(f"{part}.{name}", field)
            if taken.setdefault(option.name, part) == part:
                table.setdefault(f"{part}.{name}", option)
        kinds = {n: field.annotation for n, field in model.model_fields.items()}
        names = {n for n, kind in kinds.items() if str in (kind, *get_args(kind))}
        texts |= {f"{part}.{name}" for name in names | path_fields(model)}
    return table, texts


_TABLE, _TEXTS = _table()
FLAGS = {path: f"--{option.name.replace('_', '-')}" for path, option in _TABLE.items()}
FLAGS |= {"stage.algorithm": "--algorithm", "start.name": "--start"}
FLAGS |= {"input.path": "FILE", "input.positions": "--positions"}
"""Option by the path of its setting in a recipe."""


def read_value(text: Any, *, as_text: bool = False) -> Any:
    """Read a value as TOML does; ``1,2`` is a list, what is no TOML stays text."""
    if as_text or not isinstance(text, str):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return [read_value(t) for t in text.split(",")] if "," in text else text


def read_sets(texts: list[str]) -> dict[str, Any]:
    """Read ``--set part.name=value``, any number of them."""
    given = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or "." not in path:
            raise InputError(
                f"--set {text}: write part.name=value, such as algorithm.alpha_object=1"
            )
        given[path.strip()] = read_value(value.strip(), as_text=path in _TEXTS)
    return given


# -- options -> recipe --------------------------------------------------------------
def assemble(
    base: Recipe | None,
    file: Path | None,
    positions: Path | None,
    given: dict[str, Any],
) -> Recipe:
    """Lay what was given on the command line over a recipe.

    Raises
    ------
    InputError
        No input, a part or setting that is not there, a value that does not fit.
    """
    data = base.to_dict() if base else {"stage": [{}]}
    if file is not None:
        data.pop("virtual_experiment", None)
        kept = data.get("input", {})
        kept.pop("positions", None)
        data["input"] = kept | {"path": str(file)}
    if positions is not None:
        data.setdefault("input", {})["positions"] = str(positions)
    if isinstance(given.get("stage.refine"), str):
        given = given | {"stage.refine": [given["stage.refine"]]}
    for path, value in given.items():
        _lay_over(data, path, value)
    _name_the_start(data, given)
    if not {"input", "virtual_experiment"} & set(data):
        raise InputError(
            "no input: give a FILE of diffraction patterns, --recipe or --from"
        )
    return Recipe.from_dict(data)


def _lay_over(data: dict[str, Any], path: str, value: Any) -> None:
    part, _, name = path.partition(".")
    if part in QUANTITIES:
        _lay_over_refiner(data["stage"], part, name, value)
        return
    if part in ("algorithm", "stage") or (part == "run" and name in STAGE_FIELDS):
        _lay_over_stage(data["stage"], name, value)
        return
    table = data.setdefault(part, {})
    if (part, name) == ("start", "name") and value != table.get("name"):
        table.clear()
    if part == "input" and name in BEAM_CHOICES:
        for other in BEAM_CHOICES:
            table.pop(other, None)
    table[name] = value


def _only_stage(stages: list[dict[str, Any]], name: str) -> dict[str, Any]:
    if len(stages) > 1:
        raise InputError(
            f"{name}: the recipe has {len(stages)} stages, so that it is not clear "
            "which one is meant; change it in the recipe"
        )
    return stages[0]


def _lay_over_stage(stages: list[dict[str, Any]], name: str, value: Any) -> None:
    stage = _only_stage(stages, name)
    if name in ("algorithm", "name") and value != stage.get("algorithm"):
        kept = {k: v for k, v in stage.items() if k in STAGE_FIELDS}
        stage.clear()
        stage.update(kept)
    stage["algorithm" if name == "name" else name] = value


def _lay_over_refiner(
    stages: list[dict[str, Any]], quantity: str, name: str, value: Any
) -> None:
    """Change a setting of the refiner of a quantity, which is there from then on."""
    stage = _only_stage(stages, f"{quantity}.{name}")
    default = next(n for n, kind in REFINERS.items() if kind.quantity == quantity)
    tables: dict[str, dict[str, Any]] = {}
    for item in (*stage.get("refine", []), default):
        table = dict(item) if isinstance(item, dict) else {"name": item}
        if table["name"] == quantity:
            table["name"] = default
        kind = REFINERS.get(table["name"])
        tables.setdefault(kind.quantity if kind else table["name"], table)
    tables[quantity][name] = value
    stage["refine"] = list(tables.values())


def _name_the_start(data: dict[str, Any], given: dict[str, Any]) -> None:
    """Take the start that knows the settings given, where none was named."""
    names = {path.partition(".")[2] for path in given if _part(path) == "start"}
    if not names or "name" in data["start"]:
        return
    fitting = (name for name, kind in STARTS.items() if names <= set(kind.model_fields))
    data["start"]["name"] = next(fitting, "auto")
