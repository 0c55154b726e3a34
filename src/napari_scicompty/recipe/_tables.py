"""Tables of a TOML file become settings, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.former import with_former
from napari_scicompty.core.settings import Settings, nearest
from napari_scicompty.files.reading import expanded
from napari_scicompty.recipe.sections import STAGE_FIELDS, Stage, path_fields
from napari_scicompty.refine import REFINERS, refiners
from napari_scicompty.simulation.pictures import is_file
from napari_scicompty.workflow.start import STARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from napari_scicompty.refine import Refiner
    from napari_scicompty.workflow.start import Start

NONE = "none"
"""How a recipe says that something is switched off: TOML has no word for it."""


_MOST_STAGES = 1000
_DEEPEST = 8

FORMAT_VERSION = 3
"""Of recipes; those without one are of any earlier version, and are migrated.

With version 3 some defaults changed, see `core.former`.
"""

PARTS = ("format_version", "input", "virtual_experiment", "start", "run", "stage")
"""What the parts of a recipe are called in TOML."""


def check_parts(data: Mapping[str, object]) -> None:
    """Refuse parts that no recipe has, and none or two inputs."""
    version = data.get("format_version", FORMAT_VERSION)
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise InputError(
            field="format_version",
            problem=f"{version!r} is of a newer napari-scicompty",
            remedy="update it to read this recipe",
        )
    for key in data:
        if key not in PARTS:
            raise InputError(
                field=key,
                problem="no such part",
                remedy=f"a recipe has {listed(PARTS)}{nearest(key, PARTS)}",
            )
    if ("input" in data) == ("virtual_experiment" in data):
        raise InputError("give either [input] or [virtual_experiment], and not both")
    stages = data.get("stage", [{}])
    if not isinstance(stages, list) or not stages:
        raise InputError(
            field="stage", problem="write [[stage]], in double brackets, once or more"
        )
    if len(stages) > _MOST_STAGES:
        raise InputError(
            field="stage",
            problem=f"there are {len(stages)}, and a recipe has at most {_MOST_STAGES}",
            remedy="one stage may have any number of epochs",
        )
    _check_depth(data)


def _check_depth(data: Any) -> None:
    """Refuse tables in tables in tables, which no part has."""
    level = [data]
    for _ in range(_DEEPEST):
        inside = (i.values() if isinstance(i, dict) else i for i in level)
        level = [v for part in inside for v in part if isinstance(v, dict | list)]
    if level:
        raise InputError(f"its tables are nested more than {_DEEPEST} deep; mend it")


def named(
    table: Mapping[str, type[Settings]], name: object, where: str
) -> type[object]:
    """Look a kind up by its name."""
    if not isinstance(name, str) or name not in table:
        problem, near = f"is {name!r}", nearest(name, table)
        remedy = f"choose one of {listed(table)}{near}"
        raise InputError(
            f"{where} {problem}; {remedy}", field=where, problem=problem, remedy=remedy
        )
    return table[name]


def table(data: Mapping[str, object], key: str) -> Mapping[str, object]:
    """Take a table of the file; empty when it is not there."""
    value = data.get(key, {})
    if not isinstance(value, dict):
        raise InputError(field=key, problem=f"write [{key}] and its keys below it")
    return value


def stage(data: object, number: int, version: int) -> Stage:
    """Make a stage of its table: algorithm, its settings and the stage's own.

    What a recipe of an earlier version leaves out has the default of that version.
    """
    where = "stage" if number == 1 else f"stage {number}"
    if not isinstance(data, dict):
        raise InputError(field=where, problem="write [[stage]] and its keys below it")
    data = with_former("stage", data, version)
    own = {name: value for name, value in data.items() if name in STAGE_FIELDS}
    rest = {k: v for k, v in data.items() if k not in own and k != "algorithm"}
    default = next(iter(ALGORITHMS))
    name = data.get("algorithm", default)
    kind = named(ALGORITHMS, name, f"{where}.algorithm")
    rest = with_former(str(name), rest, version)
    chosen = own.get("refine", [])
    own["refine"] = refiners(
        _refiner(item, f"{where}.refine")
        for item in (chosen if isinstance(chosen, list | tuple) else [chosen])
    )
    made: Stage = parsed(Stage, own | {"algorithm": parsed(kind, rest, where)}, where)
    return made


def _refiner(data: object, where: str) -> str | Refiner:
    """Make a refiner of its table; a name alone stays one."""
    if not isinstance(data, dict):
        return str(data)
    rest = {k: v for k, v in data.items() if k != "name"}
    kind = named(REFINERS, data.get("name"), f"{where}.name")
    made: Refiner = parsed(kind, rest, where)
    return made


def stage_dict(stage: Stage) -> dict[str, object]:
    """Return the table of a stage."""
    name = ALGORITHMS.name_of(type(stage.algorithm))
    own = {k: v for k, v in plain(stage).items() if k in STAGE_FIELDS}
    own.pop("refine")
    table = {"algorithm": name} | own | plain(stage.algorithm)
    if stage.refine:
        table["refine"] = [_refiner_dict(refiner) for refiner in stage.refine]
    return table


def _refiner_dict(refiner: Refiner) -> dict[str, object]:
    name = REFINERS.name_of(type(refiner))
    return {"name": name} | plain(refiner)


def start_name(start: Start) -> str:
    """Look up what recipes call a start; InputError where it is in no table."""
    for name, kind in STARTS.items():
        if type(start) is kind:
            return name
    raise InputError(
        f"{type(start).__name__} is not a known start, so that no recipe can name it; "
        f"choose one of {listed(STARTS)}"
    )


def parsed(
    kind: type[Any], data: Mapping[str, Any], where: str, folder: Path | None = None
) -> Any:
    """Make settings of a table; an error names the key in the file."""
    try:
        made: Settings = kind(**_without_none(data))
    except InputError as error:
        raise error.moved(kind.__name__, where) from error
    if folder is None:
        return made
    return _with_paths(made, lambda path: str(folder / expanded(path)))


def plain(settings: Settings, folder: Path | None = None) -> dict[str, object]:
    """Return the values a TOML table can hold; None only where it is no default."""

    def seen_from(path: Path) -> str:
        path = expanded(path).absolute()
        below = folder is not None and path.is_relative_to(folder)
        return (path.relative_to(folder) if below and folder else path).as_posix()

    told = settings if folder is None else _with_paths(settings, seen_from)
    fields = type(told).model_fields
    paths = path_fields(type(told))
    values: dict[str, object] = {}
    for name in sorted(fields, key=lambda name: name not in paths):
        value = getattr(told, name)
        if isinstance(value, Settings):
            values[name] = plain(value)
        elif value is not None:
            values[name] = told.model_dump(mode="json", include={name})[name]
        elif fields[name].default is not None:
            values[name] = NONE
    return values


def _without_none(data: object) -> Any:
    """Turn what says "none" into None, in tables in tables as well."""
    if isinstance(data, dict):
        return {key: _without_none(value) for key, value in data.items()}
    return None if isinstance(data, str) and data == NONE else data


def _with_paths(settings: Settings, place: Callable[[Path], str]) -> Settings:
    """Change every path of some settings, and of the settings in them."""
    changes: dict[str, object] = {}
    paths, fields = path_fields(type(settings)), type(settings).model_fields
    for name, value in settings:
        if isinstance(value, Settings):
            changes[name] = _with_paths(value, place)
        elif name in paths and value is not None:
            by_name = is_file in fields[name].metadata and not is_file(value)
            changes[name] = value if by_name else place(Path(value))
    return settings.replace(**changes) if changes else settings


def without_folders(settings: Settings) -> Settings:
    """Return settings whose paths are the names of the files alone."""
    return _with_paths(settings, lambda path: path.name)


def listed(names: Iterable[str]) -> str:
    """Write out names."""
    return ", ".join(repr(name) for name in names)
