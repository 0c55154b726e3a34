"""A recipe as a script of calls of the public face."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import napari_scicompty
from napari_scicompty.core.settings import Settings
from napari_scicompty.recipe.sections import FileInput

if TYPE_CHECKING:
    from napari_scicompty.recipe._written import WrittenRecipe


def script(recipe: WrittenRecipe) -> str:
    """Write the run of a recipe as Python; running it saves ``result.h5``."""
    if isinstance(recipe.input, FileInput):
        given = _given(recipe.input)
        lines = [f"scan = {_call('sc.open_scan', given, first='path')}"]
    else:
        experiment = _call(_name_of(recipe.input), _given(recipe.input))
        lines = [f"scan, truth = sc.simulate({experiment})"]
    start = _call(_name_of(recipe.start), _given(recipe.start))
    for stage in recipe.stages:
        algorithm = _call(_name_of(stage.algorithm), dict(stage.algorithm))
        settings = {"epochs": stage.epochs} | _given(recipe.settings_of(stage))
        rest = _call("", settings)[1:-1]
        if stage.refine:
            parts = [_call(_name_of(r), _given(r)) for r in stage.refine]
            rest += f", refine=[{', '.join(parts)}]"
        lines += [
            "for snapshot in sc.reconstruct(",
            f"    scan, {algorithm}, start={start}, {rest}",
            "):",
            "    print(snapshot.epoch, snapshot.error)",
        ]
        start = "snapshot"
    lines.append('sc.save_result("result.h5", snapshot)')
    own = [s for stage in recipe.stages for s in (stage.algorithm, *stage.refine)]
    return "\n".join([*_imports(recipe.input, recipe.start, *own), "", *lines, ""])


def _given(settings: Settings) -> dict[str, object]:
    """Fields that differ from their defaults; settings in settings as dictionaries."""
    fields = type(settings).model_fields
    given = {n: v for n, v in settings if v != fields[n].default}
    for name, value in given.items():
        if isinstance(value, Settings):
            kind = {"kind": value.kind} if hasattr(value, "kind") else {}
            given[name] = kind | _given(value)
    return given


def _call(function: str, values: dict[str, object], first: str = "") -> str:
    """Write out a call; `first` names an argument that goes by place."""
    parts: list[str] = []
    for name, value in values.items():
        text = repr(str(value) if isinstance(value, Path) else value)
        parts.insert(0, text) if name == first else parts.append(f"{name}={text}")
    return f"{function}({', '.join(parts)})"


def _name_of(settings: Settings) -> str:
    name = type(settings).__name__
    return f"sc.{name}" if name in napari_scicompty.__all__ else name


def _imports(*used: Settings) -> list[str]:
    lines = {
        f"from {type(s).__module__} import {type(s).__name__}"
        for s in used
        if type(s).__name__ not in napari_scicompty.__all__
        and not isinstance(s, FileInput)
    }
    return ["import napari_scicompty as sc", *sorted(lines)]
