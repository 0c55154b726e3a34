"""EMPAD (.raw): frames of 130 x 128 numbers, of which the last two rows are notes."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.reading import check_file, reading
from napari_scicompty.formats._plain import plain
from napari_scicompty.formats._raw import Raw

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.formats.choices import OpenChoices

_KIND = "EMPAD file"
_STORED, _ROWS = (130, 128), 128
_FRAME_BYTES = 4 * math.prod(_STORED)
_OF_NAME = re.compile(r"x(\d+)_y(\d+)")
_MOST_BYTES = 2**24


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read frames of 128 x 128; an XML of the same name tells the scan, or the name.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        None of them matters here.

    Returns
    -------
    Raw
        Patterns, rows and columns of the scan, and its step where the XML gives the
        field of view.

    Raises
    ------
    InputError
        A file of another size than whole frames.
    """
    del choices
    check_file(path, _KIND)
    size = path.stat().st_size
    count, rest = divmod(size, _FRAME_BYTES)
    if rest:
        raise InputError(
            f"{path}: holds {size} bytes, no multiple of {_FRAME_BYTES}, a frame of "
            "EMPAD; it is cut short or of another detector: save it as NPY or HDF5"
        )
    dtype = np.dtype("<f4")
    array, how = plain(path, 0, dtype, (count, *_STORED), _KIND)
    patterns = array[..., :_ROWS, :]
    grid, step, report = _scan(path, count)
    shape = f"{_ROWS} x {_STORED[1]}"
    note = f"{path.name}: {count} patterns of {shape} pixels, {dtype}, {how}"
    return Raw(
        patterns,
        (path,),
        report=(note, "two rows of notes a frame left out", *report),
        grid=grid,
        step_m=step,
    )


def _scan(
    path: Path, count: int
) -> tuple[tuple[int, int] | None, tuple[float, float] | None, list[str]]:
    """Rows and columns, and the step, from the XML beside or from the name."""
    beside = path.with_suffix(".xml")
    values = _values(beside) if beside.is_file() else {}
    named = _OF_NAME.search(path.name)
    try:
        columns, rows = int(values["pix_x"]), int(values["pix_y"])
    except (KeyError, ValueError):
        columns, rows = (int(named[1]), int(named[2])) if named else (0, 0)
    if rows * columns != count:
        told = f"a scan of {rows} x {columns} is told and not used" if named else ""
        return None, None, [told] if told else []
    grid = (rows, columns)
    view = re.findall(r"[-+.\deE]+", values.get("get_full_scan_field_of_view", ""))
    try:
        x, y = (float(part) for part in view)
    except ValueError:
        return grid, None, []
    if not (0 < x < 1 and 0 < y < 1):
        return grid, None, []
    note = f"step of the scan from the field of view in {beside.name}"
    return grid, (y / rows, x / columns), [note]


def _values(path: Path) -> dict[str, str]:
    """Read the texts of all elements, by name."""
    check_file(path, "XML file", _MOST_BYTES)
    with reading(path, "XML file"):
        text = path.read_text(encoding="utf-8", errors="replace")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise InputError(f"{path}: declares entities; remove them, or the file")
        tree = ElementTree.fromstring(text)
        return {part.tag: (part.text or "").strip() for part in tree.iter()}
