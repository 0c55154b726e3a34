"""Options of the command line, made from the settings, and the recipe they make."""

from __future__ import annotations

import functools
import inspect
import tomllib
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.cli._help import DATASETS, PREPARATION, HelpAll
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.settings import choices_of
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.formats import GEOMETRY_CHOICES, HDF5_CHOICES, OpenChoices
from napari_scicompty.formats.choices import BEAM_CHOICES
from napari_scicompty.recipe import Recipe
from napari_scicompty.recipe._tables import FORMAT_VERSION
from napari_scicompty.recipe.sections import STAGE_FIELDS, path_fields
from napari_scicompty.refine import REFINERS
from napari_scicompty.workflow.start import STARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pydantic.fields import FieldInfo

    from napari_scicompty.core.settings import Settings

_NAMES = {"start.path": "probe_file"}
"""Options whose name would say too little."""
QUANTITIES = tuple(dict.fromkeys(kind.quantity for kind in REFINERS.values()))
"""What can be refined: ``--set positions.rate_px=1``."""
_PANELS = {"input": PREPARATION, "run": "Run"}
_GROUPS = {"Geometry": GEOMETRY_CHOICES, DATASETS: HDF5_CHOICES}
"""Panels of the help for some fields of the input."""
_REFINES = ("free_", "rate_", "start_", "position_")
"""How settings of an algorithm begin that are about refining more than the object."""


# -- settings -> options ------------------------------------------------------------
def with_options(*parts: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of some parts of a recipe.

    The command gets those that were given as `given`, ``{"run.modes": 3}``.
    """
    table = {path: option for path, option in _TABLE.items() if _part(path) in parts}
    more = inspect.Parameter(
        "help_all", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=HelpAll
    )

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = inspect.signature(command, eval_str=True).parameters
        own = [p for p in hints.values() if p.name != "given"]

        @functools.wraps(command)
        def wrapped(**values: object) -> None:
            named = {path: values.pop(option.name) for path, option in table.items()}
            given = {
                path: read_value(value, as_text=path in _TEXTS)
                for path, value in named.items()
                if value is not None
            }
            values.pop(more.name)
            command(**values, given=given)

        parameters = [*own, *table.values(), more]
        # As in `_asked`: inspect and typer read it, the type of functions lacks it.
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapped

    return decorate


def _part(path: str) -> str:
    return path.partition(".")[0]


def _option(path: str, field: FieldInfo) -> inspect.Parameter:
    name = _NAMES.get(path, path.partition(".")[2])
    flag = "--" + name.replace("_", "-")
    kind: type = str
    names, shown = flag, metavar(path, field)
    if field.annotation is bool:
        kind, names, shown = bool, f"{flag}/--no-{flag[2:]}", None
    words = choices_of(field.annotation)
    option = typer.Option(
        names,
        help=described(field, flag),
        metavar=shown,
        rich_help_panel=_panel(path),
        autocompletion=completing(words) if words else None,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _panel(path: str) -> str:
    """Return the group of an option; it names whose setting it is."""
    part, _, name = path.partition(".")
    if part == "input":
        groups = (group for group, names in _GROUPS.items() if name in names)
        return next(groups, _PANELS[part])
    if part in _PANELS:
        return _PANELS[part]
    kinds: dict[str, Any] = dict(ALGORITHMS if part == "algorithm" else STARTS)
    owners = ", ".join(k for k, kind in kinds.items() if name in kind.model_fields)
    refines = part == "algorithm" and name.startswith(_REFINES)
    return f"{'Refinement' if refines else part.capitalize()} ({owners})"


def metavar(path: str, field: FieldInfo) -> str | None:
    """Name the kind of a value: a word, a file, a number or two."""
    kind = field.annotation
    if kind is bool:
        return None
    if choices_of(kind) or path.endswith("_key"):
        return "NAME"
    if path in _PATHS:
        return "PATH"
    kinds = {kind, *get_args(kind)}
    if ... in kinds:
        return "NUMBERS"
    if kinds & {int, float}:
        return "NUMBER"
    return "NUMBERS" if tuple in {get_origin(k) for k in kinds} else "TEXT"


def described(field: FieldInfo, flag: str = "") -> str:
    """Say what a setting is, its choices, its unit, and what it is by default."""
    text, default = _with_flags((field.description or "").rstrip(".")), field.default
    words = choices_of(field.annotation)
    if words:
        text += f". One of: {', '.join(words)}"
    extra = field.json_schema_extra
    unit = str(extra.get("unit") or "") if isinstance(extra, dict) else ""
    if unit:
        text += f" [{unit}]"
    if default is True and flag:
        return f"{text} (on; --no-{flag[2:]} switches it off)."
    if field.is_required() or default in (None, (), False):
        return f"{text}."
    return f"{text} (default {_written(default)})."


def _written(value: object) -> str:
    """Write a value as it is given on the command line."""
    if isinstance(value, tuple):
        return ",".join(map(_written, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return "true" if value is True else str(value)


def _with_flags(text: str) -> str:
    """Name other settings of the input by their options."""
    for name in OpenChoices.model_fields:
        if "_" in name:
            flag = f"--{name.replace('_', '-')}"
            text = " ".join(
                word.replace(name, flag) if word.rstrip(".,;") == name else word
                for word in text.split(" ")
            )
    return text


def completing(words: Iterable[str], *, several: bool = False) -> Callable[..., Any]:
    """Complete one of some words at the Tab key, or several with commas between."""
    known = list(words)

    def complete(incomplete: str) -> list[str]:
        done, comma, last = "", "", incomplete
        if several:
            done, comma, last = incomplete.rpartition(",")
        return [f"{done}{comma}{word}" for word in known if word.startswith(last)]

    return complete


_MODELS: tuple[tuple[str, type[Settings]], ...] = (
    ("input", OpenChoices),
    ("run", RunSettings),
    *(("algorithm", kind) for kind in ALGORITHMS.values()),
    *(("start", kind) for kind in STARTS.values()),
)
_PATHS = {f"{part}.{name}" for part, kind in _MODELS for name in path_fields(kind)}
"""Settings that are files."""


def _table() -> tuple[dict[str, inspect.Parameter], set[str]]:
    """Options by path; a name that is taken is reached by --set only."""
    table: dict[str, inspect.Parameter] = {}
    texts = {"input.path", "input.positions"} | _PATHS
    taken: dict[str, str] = {}
    for part, model in _MODELS:
        for name, field in model.model_fields.items():
            option = _option(f"{part}.{name}", field)
            if taken.setdefault(option.name, part) == part:
                table.setdefault(f"{part}.{name}", option)
        kinds = {n: field.annotation for n, field in model.model_fields.items()}
        names = {n for n, kind in kinds.items() if str in (kind, *get_args(kind))}
        texts |= {f"{part}.{name}" for name in names}
    return table, texts


_TABLE, _TEXTS = _table()
FLAGS = {path: f"--{option.name.replace('_', '-')}" for path, option in _TABLE.items()}
FLAGS |= {"stage.algorithm": "--algorithm", "start.name": "--start"}
FLAGS |= {"input.path": "FILE", "input.positions": "--positions"}
"""Option by the path of its setting in a recipe."""


def read_value(text: object, *, as_text: bool = False) -> Any:
    """Read a value as TOML does; ``1,2`` is a list, what is no TOML stays text."""
    if as_text or not isinstance(text, str):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return [read_value(t) for t in text.split(",")] if "," in text else text


def read_sets(texts: list[str]) -> dict[str, object]:
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
    anew: dict[str, Any] = {"format_version": FORMAT_VERSION, "stage": [{}]}
    data = base.to_dict() if base else anew
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


def _lay_over_stage(stages: list[dict[str, object]], name: str, value: object) -> None:
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
