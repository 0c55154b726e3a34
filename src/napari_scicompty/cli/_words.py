"""Errors and notes, in the words of the command line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.cli._options import FLAGS, QUANTITIES
from napari_scicompty.core.errors import InputError
from napari_scicompty.figures import FigureOptions
from napari_scicompty.recipe import Recipe
from napari_scicompty.refine import REFINERS
from napari_scicompty.workflow.start import STARTS

if TYPE_CHECKING:
    from pathlib import Path

_PARTS = {
    **dict.fromkeys(("FileInput", "OpenChoices", "Geometry", "input"), "input"),
    **dict.fromkeys(("RunSettings", "RunChoices", "run"), "run"),
    **dict.fromkeys(("Stage", "stage"), "stage"),
    **{kind.__name__: "algorithm" for kind in ALGORITHMS.values()},
    **{kind.__name__: "start" for kind in STARTS.values()},
    **dict(zip(QUANTITIES, QUANTITIES, strict=True)),
    "FigureOptions": "figure",
    "start": "start",
    "algorithm": "algorithm",
}
"""Part of a recipe by what owns a setting."""
_STAGE = ("stage", "run", "algorithm")
"""What a stage may own."""
_ANY = {"epochs"} | {
    name
    for kind in (*STARTS.values(), *REFINERS.values())
    for name in kind.model_fields
}
"""Settings that have no option of their own, and are reached by ``--set``."""
_ALONE = {"start": "--start", "refine": "--refine", "epochs": "--epochs"}
"""Fields that are named without an owner."""
_BY_NAME = {flag[2:].replace("-", "_"): flag for flag in FLAGS.values()}
_NAME = re.compile(r"(?<![\w/.'\"-])((?:\w+\.)?[a-z]\w*)(?![\w/.'\"])(=True\b|=)?")
"""A name in a sentence that comes as plain text, and what it is set to."""


class RecipeError(InputError):
    """A recipe that cannot be used: its keys are named as it names them."""


def load_recipe(path: Path) -> Recipe:
    """Load a recipe; an error names the keys of the file, not options."""
    try:
        return Recipe.load(path)
    except InputError as error:
        raise RecipeError(str(error)) from error


def in_options(error: Exception) -> str:
    """Tell an error with ``--energy-ev`` where scripts say ``energy_ev``."""
    if isinstance(error, RecipeError):
        return str(error)
    if isinstance(error, InputError) and error.field:
        return error.told(option_of)
    return spoken(str(error))


def option_of(field: str) -> str:
    """Return the option for a field; ``--set`` where it has none of its own."""
    owner, dot, name = field.rpartition(".")
    if not dot:
        return _ALONE.get(field, field)
    if owner == "stage.refine":
        kinds = (kind for kind in REFINERS.values() if name in kind.model_fields)
        owner = next((kind.quantity for kind in kinds), owner)
    part = _PARTS.get(owner, "")
    for each in _STAGE if part == "stage" else (part,):
        if (path := f"{each}.{name}") in FLAGS:
            return FLAGS[path]
    known = part and (name in FigureOptions.model_fields or name in _ANY)
    return f"--set {part}.{name}" if known else field


def spoken(text: str) -> str:
    """Name settings in a note by their options; files and datasets stay as they are."""
    return _NAME.sub(_named, text)


def _named(found: re.Match[str]) -> str:
    """Take ``FileInput.rebin``, ``energy_ev``, ``propagation=`` and ``overwrite=True``.

    A plain word may be just a word.
    """
    name, value = found[1], found[2] or ""
    if "." in name:
        return option_of(name) + value
    if value == "=True" and name in ("overwrite", "damaged"):
        return f"--{name}"
    flag = _BY_NAME.get(name)
    return f"{flag}{value}" if flag and ("_" in name or value) else found[0]
