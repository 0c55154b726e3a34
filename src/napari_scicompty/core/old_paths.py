"""Paths of before the rooms: they work for one release, with a warning.

A module `run` must not come back: once imported it would hide `napari_scicompty.run`.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

PACKAGE = "napari_scicompty"
MOVED = {
    "geometry": "core.geometry",
    "scan": "data.scan",
    "findings": "core.findings",
    "reconstruction": "workflow.reconstruction",
    "controls": "engine.controls",
    "run_settings": "engine.run_settings",
    "snapshot": "data.snapshot",
    "search": "workflow.search",
    "start": "workflow.start",
    "halves": "workflow.half_sets",
    "refocusing": "workflow.refocusing",
    "errors": "core.errors",
    "settings": "core.settings",
    "canvas": "data.canvas",
    "affine": "core.affine",
    "estimate": "model.estimate",
    "measured": "model.measured",
    "device": "core.device",
    "stacks": "core.stacks",
}
"""Old name of a module -> where it lives now, both inside the package."""


class _Moved(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds a module at its old path, and warns."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package != PACKAGE or name not in MOVED:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        new = f"{PACKAGE}.{MOVED[spec.name.rpartition('.')[2]]}"
        warnings.warn(
            f"{spec.name} is now {new}; the old path goes with version 0.3",
            DeprecationWarning,
            stacklevel=2,
        )
        module = importlib.import_module(new)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module has run already, and keeps its own name."""
        spec = module.__spec__
        module.__spec__ = None if spec is None else spec.loader_state


def install() -> None:
    """Let the old paths be found, after all others."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
