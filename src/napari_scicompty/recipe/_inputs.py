"""The files that the parts of a recipe read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.reading import expanded
from napari_scicompty.recipe.sections import path_fields
from napari_scicompty.settings import Settings
from napari_scicompty.simulation.pictures import is_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def input_files(*parts: Settings) -> Iterator[Path]:
    """Name the files that settings read, of a folder all that lie in it."""
    for part in parts:
        fields, paths = type(part).model_fields, path_fields(type(part))
        for name, value in part:
            if isinstance(value, Settings):
                yield from input_files(value)
            elif name in paths and value is not None:
                if is_file in fields[name].metadata and not is_file(value):
                    continue  # a picture that comes with the package
                path = expanded(value)
                yield from path.iterdir() if path.is_dir() else [path]
