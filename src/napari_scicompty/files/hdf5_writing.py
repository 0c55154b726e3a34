"""HDF5 files that are written whole or not at all, with checksums of every part.

The HDF5 library must never meet a disk that is full: it cannot close such a file, and
ends the program at its exit. So it writes into `_Sink`, which remembers the first fault
and lets the library go on to a proper end.

Checksums: the dataset ``/checksums`` is JSON text, for each dataset, link and group one
SHA-256 over type, shape, content and attributes; its attribute ``sha256`` is that of
the text itself. Of a dataset with Fletcher32 the chunks are listed in place of their
content, which HDF5 then guards itself.

Seal: behind the end of HDF5's own file stands a SHA-256 of all its bytes. Where it
fits, nothing else is looked at; where it does not, the parts are looked at in a process
apart, because a damaged file can end the process that reads it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import check_bomb
from napari_scicompty.files.reading import check_file, reading
from napari_scicompty.files.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Unpack

    from _typeshed import ReadableBuffer, WriteableBuffer

    from napari_scicompty.files.hdf5_reading import Item
    from napari_scicompty.files.writing import Door

CHECKSUMS = "checksums"
"""Dataset of the root that holds the checksums."""
_DIGITS = 16
"""Of a checksum that are kept: one change in 2^64 goes unseen."""
_SEAL = b"\nnapari-scicompty, SHA-256 of all bytes before: "
_LOOK_S = 10.0
"""How long a damaged file is looked at."""
_UNREADABLE = "unreadable"


@contextmanager
def new_hdf5(path: str | os.PathLike[str], **door: Unpack[Door]) -> Iterator[h5py.File]:
    """Write a new HDF5 file with checksums; it takes its place when it is complete.

    Parameters
    ----------
    path : path
        Where to write.
    **door
        As in `files.writing.replacing`.

    Yields
    ------
    h5py.File
        Open for writing.

    Raises
    ------
    InputError
        What cannot be written, and why; the old file is as it was.
    """
    with replacing(path, **door) as part, part.open("r+b", buffering=0) as raw:
        sink = _Sink(raw)
        try:
            with h5py.File(sink, "w") as file:
                yield file
                _add_checksums(file)
        except Exception as error:
            if sink.fault is not None:
                raise sink.fault from error
            raise
        if sink.fault is not None:
            raise sink.fault
        _seal(raw)


class _Sink(io.RawIOBase):
    """A file that keeps its first fault for later, and takes everything from then on.

    What it is given after a fault is kept in memory, so that what the library wrote it
    also reads.
    """

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        self._at = 0
        self._end = 0
        self._late: dict[int, bytes] = {}
        self.fault: OSError | None = None

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def truncate(self, size: int | None = None) -> int:
        self._end = self._at if size is None else size
        if self.fault is None:
            try:
                self._file.truncate(self._end)
            except OSError as error:
                self.fault = error
        return self._end

    def write(self, data: ReadableBuffer) -> int:
        view = memoryview(data).cast("B")
        if self.fault is None:
            try:
                self._file.seek(self._at)
                done = 0
                while done < len(view):
                    done += self._file.write(view[done:]) or 0
            except OSError as error:
                self.fault = error
        if self.fault is not None:
            self._late[self._at] = bytes(view)
        self._at += len(view)
        self._end = max(self._end, self._at)
        return len(view)

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        view[:] = bytes(len(view))
        self._file.seek(self._at)
        self._file.readinto(view)
        for at, data in self._late.items():
            first, last = max(at, self._at), min(at + len(data), self._at + len(view))
            if first < last:
                view[first - self._at : last - self._at] = data[first - at : last - at]
        self._at += len(view)
        return len(view)

    def flush(self) -> None:
        """Nothing waits here."""


# -- checksums ----------------------------------------------------------------------
def _add_checksums(file: h5py.File) -> None:
    text = json.dumps(dict(sorted(_checksums(file))))
    file[CHECKSUMS] = text
    file[CHECKSUMS].attrs["sha256"] = hashlib.sha256(text.encode()).hexdigest()


def damaged_parts(file: h5py.File, only: Sequence[str] = ()) -> list[str]:
    """Name the parts of a file whose checksums do not fit.

    Parameters
    ----------
    file : h5py.File
        Open for reading.
    only : sequence of str
        Look at these parts alone; all of them when left out.

    Returns
    -------
    list of str
        Paths of datasets and groups, a group for its attributes; empty where all is
        whole, and for a file of before there were checksums.
    """
    link = file.get(CHECKSUMS, getlink=True)
    if link is None:
        return []
    if not isinstance(link, h5py.HardLink):
        return [f"/{CHECKSUMS}"]
    try:
        text = str(file[CHECKSUMS].asstr()[()])
        known = json.loads(text)
        told = file[CHECKSUMS].attrs["sha256"]
        fits = told == hashlib.sha256(text.encode()).hexdigest()
    except Exception:
        fits = False
    if not fits:
        return [f"/{CHECKSUMS}"]
    found = dict(_those(file, only) if only else _checksums(file))
    # What somebody has added since belongs to no checksum, and is no damage.
    looked_at = only or sorted(known)
    return [name for name in looked_at if known.get(name) != found.get(name)]


# -- the seal -----------------------------------------------------------------------
def _seal(raw: io.RawIOBase) -> None:
    raw.seek(0, io.SEEK_END)
    size = raw.tell()
    raw.seek(0)
    seal = _SEAL + _bytes_sum(raw, size).encode()
    raw.seek(size)
    if raw.write(seal) != len(seal):
        raise OSError("not all of it was written")


def _bytes_sum(raw: io.RawIOBase | io.BufferedReader, size: int) -> str:
    """SHA-256 of the next `size` bytes of a file."""
    digest = hashlib.sha256()
    while size > 0 and (piece := raw.read(min(size, 2**20))):
        digest.update(piece)
        size -= len(piece)
    return digest.hexdigest()


def is_whole(path: Path) -> bool | None:
    """Whether the bytes of a file are as they were written; None without a seal.

    Parameters
    ----------
    path : Path
        The file.
    """
    length = len(_SEAL) + 64
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END) - length
        if size < 0:
            return None
        file.seek(size)
        seal = file.read(length)
        if not seal.startswith(_SEAL):
            return None
        file.seek(0)
        return _bytes_sum(file, size).encode() == seal[len(_SEAL) :]


def damaged_in(path: Path, only: Sequence[str] = ()) -> list[str]:
    """Name the damaged parts of an HDF5 file, without any danger to this process.

    Parameters
    ----------
    path : Path
        The file.
    only : sequence of str
        As in `damaged_parts`.

    Returns
    -------
    list of str
        As of `damaged_parts`.

    Raises
    ------
    InputError
        A file that cannot be looked at.
    """
    with reading(path, "HDF5 file"):
        check_file(path, "HDF5 file")
        sealed = is_whole(path)
        if sealed or not h5py.is_hdf5(path):
            return []
    if sealed is None:  # of an older version, or changed by another program
        with opened(path, "HDF5 file") as tree:
            return damaged_parts(tree.file, only)
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__, os.fspath(path), *only],
            capture_output=True,
            check=False,
            timeout=_LOOK_S,
        )
        return list(json.loads(done.stdout))
    except (ValueError, subprocess.TimeoutExpired) as error:
        raise InputError(
            f"{path}: is so damaged that it cannot be looked at; use another copy"
        ) from error


def refuse_damaged(path: Path, only: Sequence[str] = ()) -> None:
    """Raise InputError where a file is damaged; see `damaged_in`.

    Parameters
    ----------
    path : Path
        The file.
    only : sequence of str
        As in `damaged_parts`.

    Raises
    ------
    InputError
        Damage, with the names of the parts.
    """
    if damaged := damaged_in(path, only):
        raise InputError(
            f"{path}: is damaged, or was changed after it was saved "
            f"({', '.join(damaged)}: the checksum does not fit); use another copy, or "
            "open it as it is by damaged=True"
        )


def _those(file: h5py.File, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        link, item = ("", file) if name == "/" else _member(file, name.strip("/"))
        if item is None:
            yield name, link
            continue
        is_group = isinstance(item, h5py.Group)
        yield name, _checksum(_attributes if is_group else _dataset, item)


def _checksums(file: h5py.File) -> Iterator[tuple[str, str]]:
    """Yield (path, checksum) of every part of a file."""
    groups: list[h5py.Group] = [file]
    while groups:
        group = groups.pop()
        yield group.name, _checksum(_attributes, group)
        for name in _names(group):
            path = f"{group.name.rstrip('/')}/{name}"
            if path == f"/{CHECKSUMS}":
                continue
            link, item = _member(group, name)
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif item is None:
                yield path, link
            else:
                yield path, _checksum(_dataset, item)


def _names(group: h5py.Group) -> list[str]:
    try:
        return list(group)
    except Exception:
        return []


def _member(group: h5py.Group, name: str) -> tuple[str, object]:
    """Return (what a link says, None), or ("", what lies in the group)."""
    try:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.HardLink):
            return "", group[name]
        return f"{type(link).__name__} {getattr(link, 'path', '')}", None
    except Exception:
        return _UNREADABLE, None


def _checksum(parts: Callable[[Item], Iterator[Any]], item: Item) -> str:
    digest = hashlib.sha256()
    try:
        for part in parts(item):
            is_array = isinstance(part, np.ndarray)
            digest.update(memoryview(part) if is_array else repr(part).encode())
    except Exception:
        return _UNREADABLE
    return digest.hexdigest()[:_DIGITS]


def _attributes(item: Item) -> Iterator[object]:
    """Give the attributes of a group or dataset, in the order of their names."""
    for name in sorted(item.attrs):
        kind = item.attrs.get_id(name)
        yield name, kind.dtype, kind.shape
        yield from _content(item.attrs[name])


def _dataset(data: h5py.Dataset) -> Iterator[object]:
    if data.is_virtual or data.external:
        raise ValueError("no dataset that was written here")
    check_bomb(data)
    yield data.dtype, data.shape
    yield from _attributes(data)
    if not data.fletcher32:
        yield from _content(data[()])
        return
    chunks: list[tuple[tuple[int, ...], int, int]] = []
    data.id.chunk_iter(lambda c: chunks.append((c.chunk_offset, c.filter_mask, c.size)))
    yield sorted(chunks)


def _content(value: object) -> Iterator[object]:
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        yield array.tolist()
    else:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8)


if __name__ == "__main__":
    with opened(Path(sys.argv[1]), "HDF5 file") as _tree:
        print(json.dumps(damaged_parts(_tree.file, sys.argv[2:])))
