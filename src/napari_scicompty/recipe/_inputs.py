"""The file of a recipe, and the files that its parts read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.settings import Settings
from napari_scicompty.files.hdf5_links import linked_files
from napari_scicompty.files.reading import check_file, expanded, reading
from napari_scicompty.recipe.sections import path_fields
from napari_scicompty.simulation.pictures import is_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BYTES = 2**22
"""Of a recipe: half a million excluded patterns."""


def input_files(*parts: Settings) -> Iterator[Path]:
    """Name the files that settings read: all in a folder, and what HDF5 links to."""
    for part in parts:
        fields, paths = type(part).model_fields, path_fields(type(part))
        for name, value in part:
            if isinstance(value, Settings):
                yield from input_files(value)
            elif name in paths and value is not None:
                if is_file in fields[name].metadata and not is_file(value):
                    continue  # a picture that comes with the package
                path = expanded(value)
                yield path
                if path.is_dir():
                    yield from path.iterdir()
                else:
                    yield from map(Path, linked_files(path))


def read_text(path: Path) -> str:
    """Read the text of a recipe; InputError where it cannot be one."""
    kind = "recipe (TOML, or a saved result)"
    check_file(path, kind, _MOST_BYTES)
    with reading(path, kind):
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}: is no recipe; give a TOML file or a saved result"
            ) from error
