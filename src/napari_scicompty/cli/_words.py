"""Sentences about settings, in the words of the command line."""

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
"""Part of a recipe by what owns a setting in our sentences."""
_OWNED = re.compile(rf"(?<![\w/.'\"])({'|'.join(_PARTS)})\.([a-z]\w*)(?![\w/'\"])")
_BARE = re.compile(r"(?<![\w/.'\"-])([a-z]\w*)(?![\w/.'\"])(=?)")
_SWITCH = re.compile(r"\b(overwrite|damaged)=True")
"""What scripts say where the command line has a switch."""
_BY_NAME = {flag[2:].replace("-", "_"): flag for flag in FLAGS.values()}
_STAGE = ("stage", "run", "algorithm")
"""What a stage may own."""
_ANY = {"epochs"} | {
    name
    for kind in (*STARTS.values(), *REFINERS.values())
    for name in kind.model_fields
}
"""Settings that have no option of their own, and are reached by ``--set``."""


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
    return str(error) if isinstance(error, RecipeError) else spoken(str(error))


def spoken(text: str) -> str:
    """Name settings by their options; names of files and datasets stay as they are."""
    switched = _SWITCH.sub(lambda found: f"--{found[1]}", text)
    return _BARE.sub(_bare, _OWNED.sub(_owned, switched))


def _owned(found: re.Match[str]) -> str:
    """Take ``FileInput.rebin``; what has no option is reached by ``--set``."""
    part, name = _PARTS[found[1]], found[2]
    for owner in _STAGE if part == "stage" else (part,):
        if (path := f"{owner}.{name}") in FLAGS:
            return FLAGS[path]
    known = name in FigureOptions.model_fields or name in _ANY
    return f"--set {part}.{name}" if known else found[0]


def _bare(found: re.Match[str]) -> str:
    """Take ``energy_ev`` and ``propagation=``; a plain word may be just a word."""
    flag = _BY_NAME.get(found[1])
    is_name = "_" in found[1] or found[2]
    return f"{flag}{found[2]}" if flag and is_name else found[0]
