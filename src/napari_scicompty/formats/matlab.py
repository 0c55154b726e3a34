"""MATLAB files of before v7.3, which are no HDF5: arrays of numbers, packed or not.

A file is a row of elements, each with a type and a length: matrices, which hold flags,
shape, name and numbers as elements of their own, or the same packed by zlib.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_scicompty.files.reading import check_file, reading
from napari_scicompty.formats._named_arrays import Declared, read_named

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.formats._raw import Raw
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "MATLAB file"
_START, _HEAD = 128, 4096
_MATRIX, _PACKED = 14, 15
_STORED = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
    13: "u8",
}  # fmt: skip
"""Types of numbers as they are stored."""
_CLASSES = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4",
    14: "i8", 15: "u8",
}  # fmt: skip
"""Types of arrays, which may be stored as smaller ones."""
_COMPLEX = 0x800


class _Element(NamedTuple):
    """One element: its type, and where its content begins and ends."""

    kind: int
    begin: int
    end: int


class _Array(NamedTuple):
    """Where the numbers of an array lie, counted from the begin of its matrix."""

    place: _Element
    numbers: _Element
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def recognises(path: Path) -> bool:
    """Whether a file says that it is one of MATLAB before v7.3.

    Parameters
    ----------
    path : Path
        The file.
    """
    with reading(path, _KIND), path.open("rb") as file:
        return file.read(10) == b"MATLAB 5.0"


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read the only stack, or the arrays that were named.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        Names of arrays, where there are several.

    Returns
    -------
    Raw
        What the file holds, unchecked.

    Raises
    ------
    InputError
        A file that is damaged, or arrays that do not fit.
    """
    with reading(path, _KIND):
        check_file(path, _KIND)
        arrays, order = _arrays(path)
        held = {
            name: Declared(array.shape, math.prod(array.shape) * array.dtype.itemsize)
            for name, array in arrays.items()
        }
        return read_named(
            path, choices, held, lambda n: _read(path, arrays[n], order), _frames_first
        )


def _arrays(path: Path) -> tuple[dict[str, _Array], str]:
    """Find the arrays of real numbers; of packed ones only the begin is unpacked."""
    found = {}
    size = path.stat().st_size
    with path.open("rb") as file:
        order = "<" if file.read(_START)[-2:] == b"IM" else ">"
        at = _START
        while at + 8 <= size:
            file.seek(at)
            place = _element(file.read(8), 0, order)
            place = _Element(place.kind, at + 8, at + place.end)
            file.seek(place.begin)
            head = file.read(min(_HEAD, place.end - place.begin))
            if place.kind == _PACKED:
                head = zlib.decompressobj().decompress(head, _HEAD)[8:]
            if place.kind in (_MATRIX, _PACKED):
                name, array = _described(head, place, order)
                if array is not None:
                    found[name] = array
            at = place.end
    return found, order


def _described(head: bytes, place: _Element, order: str) -> tuple[str, _Array | None]:
    flags = _element(head, 0, order)
    shape = _element(head, _padded(flags.end), order)
    name = _element(head, _padded(shape.end), order)
    numbers = _element(head, _padded(name.end), order)
    word = int.from_bytes(
        head[flags.begin : flags.begin + 4], "little" if order == "<" else "big"
    )
    sides = np.frombuffer(head[shape.begin : shape.end], f"{order}i4")
    known = word & 0xFF in _CLASSES and numbers.kind in _STORED
    if not known or word & _COMPLEX or (sides < 1).any():
        return "", None
    text = head[name.begin : name.end].decode("ascii", errors="replace")
    dtype = np.dtype(_CLASSES[word & 0xFF])
    return text, _Array(place, numbers, tuple(sides.tolist()), dtype)


def _element(data: bytes, at: int, order: str) -> _Element:
    """Read the tag of an element; those of up to four bytes have it in one word."""
    kind, count = (int(n) for n in np.frombuffer(data[at : at + 8], f"{order}u4"))
    if kind >> 16:
        return _Element(kind & 0xFFFF, at + 4, at + 4 + (kind >> 16))
    return _Element(kind, at + 8, at + 8 + count)


def _padded(end: int) -> int:
    return -(-end // 8) * 8


def _read(path: Path, array: _Array, order: str) -> NDArray[Any]:
    place, numbers = array.place, array.numbers
    dtype = np.dtype(order + _STORED[numbers.kind])
    count = math.prod(array.shape)
    with reading(path, _KIND), path.open("rb") as file:
        if place.kind == _PACKED:
            file.seek(place.begin)
            packed = file.read(place.end - place.begin)
            most = 8 + numbers.begin + count * dtype.itemsize
            content = zlib.decompressobj().decompress(packed, most)[8 + numbers.begin :]
        else:
            file.seek(place.begin + numbers.begin)
            content = file.read(count * dtype.itemsize)
        flat = np.frombuffer(content, dtype, count)
        return flat.reshape(array.shape, order="F").astype(array.dtype)


def _frames_first(array: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Bring frames to (..., h, w): MATLAB counts them along the last axes.

    Where the frames are square and the count differs, the shape tells which axes they
    are; python programs write the count first.
    """
    if array.ndim < 3:
        return array, ""
    is_first = array.shape[-1] == array.shape[-2] and array.shape[0] != array.shape[1]
    if is_first:
        return array, f"axes {array.shape}: the patterns are counted along the first"
    lead = range(array.ndim - 1, 1, -1)
    turned = np.ascontiguousarray(array.transpose(*lead, 0, 1))
    return turned, (
        f"axes {array.shape}: the patterns are counted along the last, as in MATLAB"
    )
