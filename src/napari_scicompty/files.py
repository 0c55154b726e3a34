"""The one door through which files are written: all of one, or nothing.

What is there is never lost in silence: inputs are refused, files that this program did
not write are asked about, an older result can be kept under another name, and a disk
that is full leaves the old file whole.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from napari_scicompty.errors import InputError
from napari_scicompty.processes import owner_of, this_process
from napari_scicompty.reading import expanded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    StrPath = str | os.PathLike[str]

MARK = "napari-scicompty"
"""Stands in every file that can carry it, so that we know our own."""
RING_TABLE = "frequency_per_m,correlation,half_bit,one_bit,pixels"
"""First line of a table that only we write, and that can carry no mark."""
_MARK_WITHIN = 2**16
"""Bytes at either end of a file in which the mark is looked for."""
_LONGEST_NAME = 255
"""Bytes of a file name on all usual file systems."""
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EROFS: "the disk can only be read",
    errno.ENOENT: "its folder is missing",
    errno.ENOTDIR: "its folder is missing",
    errno.EACCES: "there is no right to write there",
    errno.EPERM: "there is no right to write there",
    errno.ENAMETOOLONG: "the name is too long",
}


class WriteError(InputError):
    """A file could not be written; what was there before is whole."""


class ExistsError(InputError):
    """A file is in the way that this program did not write."""


# -- the door -----------------------------------------------------------------------
@contextmanager
def replacing(
    path: StrPath,
    *,
    inputs: Iterable[StrPath] = (),
    overwrite: bool = False,
    keep_as: StrPath | None = None,
) -> Iterator[Path]:
    """Write to the path that is given; it takes the old file's place when complete.

    Links are followed; rights and owner of the old file are kept where that is allowed.

    Parameters
    ----------
    inputs : iterable of paths
        Files that the work read; none of them is ever written over.
    overwrite : bool
        Whether a file that this program did not write may be replaced.
    keep_as : path, optional
        The old file is moved here, just before the new one takes its place.

    Raises
    ------
    InputError
        What cannot be written, and why; the old file is as it was.
    """
    target = checked_target(path, inputs=inputs, overwrite=overwrite)
    part = target.with_name(_part_name(target.name))
    with _writing(target), _recorded(part):
        try:
            with part.open("xb"):
                pass
            _take_over_rights(target, part)
            yield part
            _sync(part)
            if keep_as is not None and target.exists():
                os.replace(target, keep_as)
            os.replace(part, target)
            _sync_folder(target.parent)
        finally:
            with suppress(OSError):
                part.unlink()


def checked_target(
    path: StrPath, *, inputs: Iterable[StrPath] = (), overwrite: bool = False
) -> Path:
    """Return where a file is to be written, links followed.

    Raises
    ------
    InputError
        It is one of `inputs` or a link to one, a folder or a device; or a file that
        this program did not write, and `overwrite` is not set.
    """
    try:
        target = Path(os.path.realpath(expanded(path)))
        found = target.stat()
    except FileNotFoundError:
        return target
    except (OSError, ValueError) as error:
        raise WriteError(_sentence(path, error)) from error
    if stat.S_ISDIR(found.st_mode):
        raise WriteError(f"{path}: is a folder; give the name of a file")
    if not stat.S_ISREG(found.st_mode):
        raise WriteError(f"{path}: is no regular file; choose another name")
    for source in inputs:
        if _is_same(found, source):
            raise InputError(
                f"{path}: is an input of this run ({source}), which is never written "
                "over; choose another name"
            )
    if not overwrite and not is_ours(target):
        raise ExistsError(
            f"{path}: exists, and this program did not write it; choose another name, "
            "or allow it by overwrite=True"
        )
    return target


def _is_same(found: os.stat_result, path: StrPath) -> bool:
    """Whether a path leads to a file that was found; a hard link to it does."""
    try:
        return os.path.samestat(found, os.stat(path))
    except (OSError, ValueError):
        return False


def is_ours(path: StrPath) -> bool:
    """Whether this program wrote a file, as far as its content tells.

    An empty file is nobody's loss. Tables without a comment cannot tell.
    """
    where = Path(path)
    try:
        with where.open("rb") as file:
            head = file.read(_MARK_WITHIN)
            file.seek(max(0, where.stat().st_size - _MARK_WITHIN))
            tail = file.read(_MARK_WITHIN)
    except OSError:
        return False
    if not head:
        return True
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _is_our_hdf5(where)
    marks = (MARK.encode(), RING_TABLE.encode())
    return any(mark in end for mark in marks for end in (head, tail))


def _is_our_hdf5(path: Path) -> bool:
    import h5py

    with suppress(Exception), h5py.File(path) as file:
        return MARK in str(file.attrs.get("format", "")) or "napari_scicompty" in file
    return False


def write_bytes(path: StrPath, data: bytes, **door: object) -> None:
    """Write a whole file at once; parameters and errors are those of `replacing`."""
    with replacing(path, **door) as part:  # type: ignore[arg-type]
        part.write_bytes(data)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn what goes wrong while `target` is written into one sentence."""
    try:
        yield
    except InputError:
        raise
    except (OSError, MemoryError, UnicodeError) as error:
        raise WriteError(_sentence(target, error)) from error


def _sentence(path: StrPath, error: BaseException) -> str:
    reason = str(error) or type(error).__name__
    if isinstance(error, OSError):
        short = "not all of it was taken: the disk is full, or a limit is reached"
        known = short if error.errno is None else error.strerror or reason
        reason = _REASONS.get(error.errno or 0, known)
        if sys.platform == "win32" and isinstance(error, PermissionError):
            reason = "another program holds it open, or there is no right to write it"
    return (
        f"{path}: cannot be written ({reason}); choose a folder that exists, that you "
        "may write to and that has room"
    )


def beside(path: Path, ending: str) -> Path:
    """Return ``NAME.ending.h5`` beside ``NAME.h5``, no longer than names may be."""
    return path.with_name(_shortened(path.stem, f"{ending}{path.suffix}"))


def _part_name(name: str) -> str:
    """Name of the file while it is incomplete."""
    return "." + _shortened(name, f".{secrets.token_hex(4)}.part", _LONGEST_NAME - 1)


def _shortened(name: str, ending: str, most: int = _LONGEST_NAME) -> str:
    kept = os.fsencode(name)[: most - len(os.fsencode(ending))]
    return kept.decode("utf-8", "ignore") + ending


def _take_over_rights(old: Path, new: Path) -> None:
    """Give `new` the owner, rights and attributes that `old` has, where allowed."""
    try:
        was = old.stat()
    except OSError:
        return
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(new, was.st_uid, was.st_gid)
    with suppress(OSError):
        os.chmod(new, stat.S_IMODE(was.st_mode))
    if hasattr(os, "listxattr"):
        with suppress(OSError):
            for name in os.listxattr(old):
                os.setxattr(new, name, os.getxattr(old, name))


def _sync(path: Path) -> None:
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Let the new name outlive a power cut, too; not every system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


# -- what a killed process leaves ---------------------------------------------------
def _records() -> Path:
    """Folder with one note for each file that is being written."""
    return Path(platformdirs.user_state_dir(MARK)) / "writing"


@contextmanager
def _recorded(part: Path) -> Iterator[None]:
    """Note an incomplete file while it is written, for `remove_parts`."""
    note = _records() / f"{this_process().token}.{secrets.token_hex(4)}"
    with suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps(os.fspath(part)), encoding="ascii")
    try:
        yield
    finally:
        with suppress(OSError):
            note.unlink()


def remove_parts() -> None:
    """Remove incomplete files that processes left which are gone."""
    with suppress(OSError):
        for note in list(_records().iterdir()):
            owner = owner_of(note.name.rpartition(".")[0])
            if owner is None or not owner.is_gone:
                continue
            with suppress(OSError, ValueError):
                part = Path(json.loads(note.read_text(encoding="ascii")))
                if part.suffix == ".part":
                    part.unlink(missing_ok=True)
            note.unlink(missing_ok=True)
