"""Values of HDF5 datasets: what they declare is looked at before any of it is read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.files.reading import MOST_BYTES, check_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MOST_TEXTS = 10_000
_LARGEST_CHUNK = 2**30
_EXPANDS = 10_000
"""Bytes that one stored byte becomes at most; gzip reaches 1030."""


def read_small(
    data: h5py.Group | h5py.Dataset, kinds: str = "uifb", most_bytes: int = MOST_BYTES
) -> NDArray[Any]:
    """Read a dataset of numbers that was checked, if it declares no more than it may.

    Parameters
    ----------
    data : h5py.Dataset
        One that was checked.
    kinds : str
        Kinds of dtype that it may have; ``"O"`` and ``"S"`` are texts.
    most_bytes : int
        Bytes that it may have.

    Returns
    -------
    array
        Of the shape of the dataset; texts as str.

    Raises
    ------
    InputError
        A group, another kind of values, or too many of them.
    """
    if not isinstance(data, h5py.Dataset):
        raise InputError(f"{data.file.filename}: {data.name} is a group, no dataset")
    where = f"{data.file.filename}: {data.name}"
    if data.shape is None or data.dtype.kind not in kinds:
        what = "nothing" if data.shape is None else f"values of dtype {data.dtype}"
        wanted = "text" if "O" in kinds else "real numbers"
        raise InputError(f"{where} holds {what}, and {wanted} are needed")
    check_size(_declared(data), most_bytes, where, "dataset of this kind")
    if data.dtype.kind != "O":
        return np.asarray(data[()])
    return _texts(data, most_bytes, where)


def attribute(item: Any, name: str, default: Any = None) -> Any:
    """Read an attribute that is a text or a number; others may end the process.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset
        What has it; also a group of zarr.
    name : str
        Of the attribute.
    default : any
        Where it is not there, or of another kind.

    Returns
    -------
    str, number or array
        Bytes as text.
    """
    if name not in item.attrs:
        return default
    if isinstance(item, h5py.Group | h5py.Dataset):
        dtype = item.attrs.get_id(name).dtype
        if dtype.kind not in "uifbS" and h5py.check_string_dtype(dtype) is None:
            return default
    value = item.attrs[name]
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def check_bomb(data: h5py.Dataset) -> None:
    """Refuse a dataset that declares far more than its file can hold.

    Parameters
    ----------
    data : h5py.Dataset
        Virtual and external ones are let through.

    Raises
    ------
    InputError
        With both sizes.
    """
    stored = data.id.get_storage_size()
    if data.is_virtual or data.external:
        return
    if _declared(data) > _EXPANDS * max(stored, 2**16):
        raise InputError(
            f"{data.file.filename}: {data.name} declares {_declared(data):.3g} bytes "
            f"and {stored} are stored; it was not filled: copy it again"
        )


def check_chunks(data: h5py.Dataset, path: Path) -> None:
    """Refuse chunks that do not fit memory: one is decompressed as a whole.

    Parameters
    ----------
    data : h5py.Dataset
        Its chunks are looked at, nothing is read.
    path : Path
        The file, for the sentence of the error.

    Raises
    ------
    InputError
        With the size of a chunk.
    """
    chunk = math.prod(data.chunks or (0,)) * data.dtype.itemsize
    if chunk > _LARGEST_CHUNK or (chunk > MOST_BYTES and chunk > room_for_a_stack()):
        raise InputError(
            f"{path}: {data.name} is stored in chunks of {chunk:.3g} bytes, which do "
            "not fit into memory; store it a frame a chunk (h5repack)"
        )


def _texts(data: h5py.Dataset, most_bytes: int, where: str) -> NDArray[np.generic]:
    """Read texts one by one: what one takes is known only when it is there."""
    if h5py.check_string_dtype(data.dtype) is None:
        raise InputError(f"{where} holds values of dtype {data.dtype}, no text")
    if (data.size or 0) > _MOST_TEXTS:
        raise InputError(f"{where} holds {data.size} texts, over {_MOST_TEXTS}")
    texts = np.empty(data.shape, object)
    total = 0
    for index in np.ndindex(data.shape):
        texts[index] = data[index]
        total += len(texts[index])
        check_size(total, most_bytes, where, "text")
    return texts


def _declared(data: h5py.Dataset) -> int:
    return math.prod(data.shape or (0,)) * data.dtype.itemsize
