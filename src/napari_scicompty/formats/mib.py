"""Merlin and Medipix (.mib): a line of text and a frame, again and again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.stacks import changed
from napari_scicompty.files.reading import check_file, reading
from napari_scicompty.formats._plain import plain
from napari_scicompty.formats._raw import Raw, summary

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.formats.choices import OpenChoices

_KIND = "MIB file"
_TYPES = {"U08": ">u1", "U16": ">u2", "U32": ">u4"}
_LONGEST = 4096
_MOST_BYTES = 2**20


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read all frames; a ``.hdr`` of the same name may tell the lines of the scan.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        None of them matters here.

    Returns
    -------
    Raw
        Patterns, and rows and columns of the scan where they are told.

    Raises
    ------
    InputError
        A file that does not begin as these do, or of another size than whole frames;
        packed raw data (R64).
    """
    del choices
    check_file(path, _KIND)
    with reading(path, _KIND):
        header, (h, w), dtype = _header(path)
        stride = header + h * w * dtype.itemsize
        size = path.stat().st_size
        count, rest = divmod(size, stride)
        if rest or not count:
            raise InputError(
                f"{path}: holds {size} bytes, no multiple of {stride}, a frame with "
                "its header; it is cut short: copy it again"
            )
        stored, how = plain(path, 0, np.dtype("u1"), (count, 1, stride), _KIND)

        def frames(parts: NDArray[Any]) -> NDArray[Any]:
            held = np.ascontiguousarray(parts[:, 0, header:])
            return held.view(dtype).reshape(-1, h, w).astype(dtype.newbyteorder("="))

        patterns = changed(stored, frames, room_for_a_stack())
    grid, report = _lines(path, count)
    note = summary(path, patterns, how)
    return Raw(patterns, (path,), report=(note, *report), grid=grid)


def _header(path: Path) -> tuple[int, tuple[int, int], np.dtype[Any]]:
    """Length of a header, shape of a frame, and type of its numbers."""
    with path.open("rb") as file:
        words = file.read(_LONGEST).decode("ascii", errors="replace").split(",")
    if len(words) < 7 or words[0] != "MQ1":
        raise InputError(
            f"{path}: does not begin with MQ1, as MIB files do; save it as NPY or HDF5"
        )
    length, w, h, kind = int(words[2]), int(words[4]), int(words[5]), words[6]
    if kind not in _TYPES:
        raise InputError(
            f"{path}: holds numbers of kind {kind[:8]!r}, and {', '.join(_TYPES)} can "
            "be read; save it processed, not raw"
        )
    if min(length, h, w) < 1 or max(length, h, w) > 2**16:
        raise InputError(f"{path}: declares frames of {h} x {w}; it is damaged")
    return length, (h, w), np.dtype(_TYPES[kind])


def _lines(path: Path, count: int) -> tuple[tuple[int, int] | None, list[str]]:
    """Take a line of the scan to be what one trigger starts, as the .hdr tells it."""
    beside = path.with_suffix(".hdr")
    if not beside.is_file():
        return None, []
    check_file(beside, "HDR file", _MOST_BYTES)
    text = beside.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"Frames per Trigger[^:\n]*:\s*(\d+)", text)
    columns = 0 if found is None else int(found[1])
    if not 1 < columns < count or count % columns:
        return None, []
    note = f"{columns} patterns a row, as many as {beside.name} tells a trigger"
    return (count // columns, columns), [note]
