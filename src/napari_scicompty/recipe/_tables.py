"""Tables of a TOML file become settings, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.errors import InputError
from napari_scicompty.recipe.sections import STAGE_FIELDS, Stage, path_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from napari_scicompty.settings import Settings

NONE = "none"
"""How a recipe says that something is switched off: TOML has no word for it."""


PARTS = ("input", "virtual_experiment", "start", "run", "stage")
"""What the parts of a recipe are called in TOML."""


def check_parts(data: Mapping[str, Any]) -> None:
    """Refuse parts that no recipe has, and none or two inputs."""
    for key in data:
        if key not in PARTS:
            raise InputError(f"{key}: no such part; a recipe has {listed(PARTS)}")
    if ("input" in data) == ("virtual_experiment" in data):
        raise InputError("give either [input] or [virtual_experiment], and not both")
    if not isinstance(data.get("stage", []), list) or data.get("stage") == []:
        raise InputError("stage: write [[stage]], in double brackets, once or more")


def named(table: Mapping[str, type[Settings]], name: Any, where: str) -> type[Any]:
    """Look a kind up by its name."""
    if not isinstance(name, str) or name not in table:
        raise InputError(f"{where} is {name!r}; choose one of {listed(table)}")
    return table[name]


def table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Take a table of the file; empty when it is not there."""
    value = data.get(key, {})
    if not isinstance(value, dict):
        raise InputError(f"{key}: write [{key}] and its keys below it")
    return value


def stage(data: Any, number: int) -> Stage:
    """Make a stage of its table: algorithm, its settings and the stage's own."""
    where = "stage" if number == 1 else f"stage {number}"
    if not isinstance(data, dict):
        raise InputError(f"{where}: write [[stage]] and its keys below it")
    own = {name: value for name, value in data.items() if name in STAGE_FIELDS}
    rest = {k: v for k, v in data.items() if k not in own and k != "algorithm"}
    default = next(iter(ALGORITHMS))
    kind = named(ALGORITHMS, data.get("algorithm", default), f"{where}.algorithm")
    made: Stage = parsed(Stage, own | {"algorithm": parsed(kind, rest, where)}, where)
    return made


def stage_dict(stage: Stage) -> dict[str, Any]:
    """Return the table of a stage."""
    kind = type(stage.algorithm)
    name = next(key for key, value in ALGORITHMS.items() if value is kind)
    own = {k: v for k, v in plain(stage).items() if k in STAGE_FIELDS}
    return {"algorithm": name} | own | plain(stage.algorithm)


def parsed(
    kind: type[Any], data: Mapping[str, Any], where: str, folder: Path | None = None
) -> Any:
    """Make settings of a table; an error names the key in the file."""
    values: dict[str, Any] = dict(data)
    values |= {key: None for key, value in data.items() if value == NONE}
    for name in path_fields(kind) & set(values):
        if folder is not None and isinstance(values[name], str):
            values[name] = str(folder / Path(values[name]).expanduser())
    try:
        return kind(**values)
    except InputError as error:
        raise InputError(str(error).replace(f"{kind.__name__}.", f"{where}.")) from None


def plain(settings: Settings, folder: Path | None = None) -> dict[str, Any]:
    """Return the values a TOML table can hold; None only where it is no default."""
    values = settings.model_dump(mode="json")
    paths = path_fields(type(settings))
    for name in paths:
        if values.get(name) is not None and folder is not None:
            path = Path(values[name]).expanduser().absolute()
            below = path.is_relative_to(folder)
            values[name] = (path.relative_to(folder) if below else path).as_posix()
    fields = type(settings).model_fields
    paths_first = sorted(values, key=lambda name: name not in paths)
    return {
        name: NONE if values[name] is None else values[name]
        for name in paths_first
        if values[name] is not None or fields[name].default is not None
    }


def listed(names: Iterable[str]) -> str:
    """Write out names."""
    return ", ".join(repr(name) for name in names)
