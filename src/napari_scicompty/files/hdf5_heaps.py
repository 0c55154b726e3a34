"""Heaps of texts in HDF5 files that the library would walk through for ever."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01\0\0\0"
"""How a global heap begins, always at a multiple of eight bytes."""
_HEADER = 16
_END_BYTES = 2**25
"""Of a large file, so much of its two ends is looked at: there are the texts."""


def check_heaps(path: Path) -> None:
    """Refuse a file with a heap whose objects do not lead to its end.

    The library goes from one to the next by their sizes, and a size of zero, or one
    that wraps around, leads it nowhere.

    Parameters
    ----------
    path : Path
        An HDF5 file.

    Raises
    ------
    InputError
        A damaged heap.
    """
    status = path.stat()
    if not _are_sound(path, status.st_size, status.st_mtime_ns, status.st_ino):
        raise InputError(
            f"{path}: is damaged (a list of its texts has no end); copy it again"
        )


@functools.lru_cache(16)
def _are_sound(path: Path, size: int, *changed: int) -> bool:
    del changed
    with path.open("rb") as file:
        head = file.read(16)
        if not head.startswith(_SIGNATURE) or head[14 if head[8] < 2 else 10] != 8:
            return True  # lengths of other than eight bytes are out of use
        file.seek(0)
        if size <= 2 * _END_BYTES:
            return _is_sound(file.read())
        first = _is_sound(file.read(_END_BYTES))
        file.seek(size - size % 8 - _END_BYTES)
        return first and _is_sound(file.read())


def _is_sound(data: bytes) -> bool:
    """Whether every heap in some bytes can be walked through."""
    at = data.find(_HEAP)
    while at >= 0:
        if at % 8 == 0 and not _leads_on(data, at):
            return False
        at = data.find(_HEAP, at + 1)
    return True


def _leads_on(data: bytes, at: int) -> bool:
    end = min(len(data), at + int.from_bytes(data[at + 8 : at + 16], "little"))
    at += _HEADER
    while at + _HEADER <= end:
        size = int.from_bytes(data[at + 8 : at + 16], "little")
        is_free = data[at : at + 2] == b"\0\0"
        step = size if is_free else _HEADER + (size + 7) // 8 * 8
        if step < _HEADER or step > 2**40:
            return False
        at += step
    return True
