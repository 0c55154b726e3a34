"""Files become scans: the table of formats, and `open_scan`."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_scicompty.errors import InputError
from napari_scicompty.formats._assemble import assemble
from napari_scicompty.formats._raw import reading
from napari_scicompty.formats.choices import (
    GEOMETRY_CHOICES,
    OpenChoices,
    geometry_choices,
)

if TYPE_CHECKING:
    from napari_scicompty.formats._raw import Raw
    from napari_scicompty.geometry import Geometry
    from napari_scicompty.scan import Scan


class Format(NamedTuple):
    """One line of the table: how a format is named, recognised and read."""

    title: str
    suffixes: tuple[str, ...]
    module: str
    """Module in this folder with ``read(path) -> Raw``, imported when needed."""


FORMATS = {
    "tiff": Format("TIFF stack, or folder of TIFFs", (".tif", ".tiff", ".btf"), "tiff"),
    "cxi": Format("CXI", (".cxi", ".h5", ".hdf5", ".nxs"), "cxi"),
    "npy": Format("NumPy array", (".npy",), "npy"),
}
"""Formats of diffraction patterns by name; a folder is read as ``"tiff"``."""

__all__ = [
    "FORMATS",
    "GEOMETRY_CHOICES",
    "Format",
    "OpenChoices",
    "geometry_choices",
    "open_scan",
    "read_patterns",
]


def open_scan(
    path: str | os.PathLike[str],
    positions: str | os.PathLike[str] | None = None,
    geometry: Geometry | None = None,
    **choices: Any,
) -> Scan:
    """Open a measured scan.

    Parameters
    ----------
    path
        The patterns: TIFF stack, folder of TIFFs, CXI or NPY (see `FORMATS`).
    positions
        One position a pattern, as text, CSV, NPY or SciComPty HDF5; x then y in metres
        unless a choice or the file says otherwise. Replaces those in a CXI file.
    geometry
        The whole geometry; goes before what the file says.
    **choices
        Fields of `OpenChoices`; those of the geometry (``focus_sample_m=3.65e-3``)
        complete or override the file's and `geometry`.

    Returns
    -------
    Scan
        With every assumption and conversion in `Scan.report`.

    Raises
    ------
    InputError
        One sentence that says what is wrong, where, and what to do.
    """
    unknown = sorted(set(choices) - set(OpenChoices.model_fields))
    if unknown:
        raise InputError(
            f"open_scan knows no choice named {', '.join(unknown)}; it knows "
            f"{', '.join(OpenChoices.model_fields)}"
        )
    chosen = OpenChoices(**choices)
    where = None if positions is None else _path(positions, "positions")
    return assemble(_path(path, "path"), where, geometry, chosen, read=read_patterns)


def _path(value: str | os.PathLike[str], name: str) -> Path:
    if not isinstance(value, str | os.PathLike):
        raise InputError(
            f"{name} is a {type(value).__name__}, not a path; with arrays in hand make "
            "a Scan(patterns, positions_m, geometry)"
        )
    return Path(value).expanduser()


def read_patterns(path: Path) -> Raw:
    """Read what a file of any known format holds, unchecked.

    Raises
    ------
    InputError
        A file that cannot be read, or whose suffix is in no line of `FORMATS`.
    """
    with reading(path, "scan"):
        path.stat()
        is_folder = path.is_dir()
    suffix = path.suffix.lower()
    module = next((f.module for f in FORMATS.values() if suffix in f.suffixes), None)
    if is_folder:
        module = FORMATS["tiff"].module
    if module is None:
        known = ", ".join(s for f in FORMATS.values() for s in f.suffixes)
        raise InputError(
            f"{path}: files of kind {suffix or 'without a suffix'!r} are not known; "
            f"give one of {known}, or a folder of TIFFs"
        )
    raw: Raw = import_module(f"{__name__}.{module}").read(path)
    return raw
