"""The one door through which files are written: all of one, or nothing.

What is there is never lost in silence: inputs are refused, files that this program did
not write are asked about, an older result can be kept under another name, and a disk
that is full leaves the old file whole.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import secrets
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import platformdirs

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.processes import owner_of, this_process
from napari_scicompty.files.reading import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Unpack

    StrPath = str | os.PathLike[str]
    Ours = Callable[[Path], bool]

log = logging.getLogger(__name__)


class Door(TypedDict, total=False):
    """Options of all that writes.

    Attributes
    ----------
    inputs, overwrite, keep_as, ours
        As of `replacing`.
    """

    inputs: Iterable[StrPath]
    overwrite: bool
    keep_as: Path | None
    ours: Ours | None


MARK = "napari-scicompty 5d1f6a2c"
"""Stands in every picture and table that can carry it, so that we know our own."""
RESULT = "napari-scicompty result"
"""Attribute ``format`` of a result."""
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
    ours: Ours | None = None,
) -> Iterator[Path]:
    """Write to the path that is given; it takes the old file's place when complete.

    Links are followed; rights and owner of the old file are kept where that is allowed.

    Parameters
    ----------
    path : path
        Where to write.
    inputs : iterable of paths
        Files that the work read; none of them is ever written over.
    overwrite : bool
        Whether a file that this program did not write may be replaced.
    keep_as : path, optional
        The old file is moved here, just before the new one takes its place.
    ours : callable, optional
        Whether a file that is there may go without a question; `is_ours` when left out.

    Yields
    ------
    Path
        An empty file in the same folder, to be written to.

    Raises
    ------
    InputError
        What cannot be written, and why; the old file is as it was.
    """
    inputs = tuple(inputs)
    target = checked_target(path, inputs=inputs, overwrite=overwrite, ours=ours)
    if keep_as is not None:
        keep_as = checked_target(keep_as, inputs=inputs)
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
            log.debug("wrote %s", target)
        finally:
            with suppress(OSError):
                part.unlink()


def checked_target(
    path: StrPath,
    *,
    inputs: Iterable[StrPath] = (),
    overwrite: bool = False,
    ours: Ours | None = None,
) -> Path:
    """Return where a file is to be written, links followed.

    Parameters
    ----------
    path : path
        Where to write.
    inputs, overwrite, ours : any
        As of `replacing`.

    Raises
    ------
    InputError
        It is one of `inputs` or a link to one, a picture among those of a folder, a
        folder or a device; or a file that this program did not write, and `overwrite`
        is not set.
    """
    inputs = tuple(inputs)
    try:
        target = Path(os.path.realpath(expanded(path)))
        _refuse_among(target, inputs)
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
    if not overwrite and not (ours or is_ours)(target):
        why = "exists" if ours is never else "exists, and this program did not write it"
        raise ExistsError(
            f"{path}: {why}; choose another name, or allow it by overwrite=True"
        )
    return target


def _refuse_among(target: Path, inputs: Iterable[StrPath]) -> None:
    """Refuse a picture in a folder whose pictures are the input."""
    if target.suffix.lower() not in (".tif", ".tiff"):
        return
    for source in inputs:
        if os.path.isdir(source) and os.path.realpath(source) == str(target.parent):
            raise InputError(
                f"{target}: lies among the patterns of this run ({source}), and would "
                "be taken for one; choose another folder"
            )


def _is_same(found: os.stat_result, path: StrPath) -> bool:
    """Whether a path leads to a file that was found; a hard link to it does."""
    try:
        return os.path.samestat(found, os.stat(path))
    except (OSError, ValueError):
        return False


def is_ours(path: StrPath) -> bool:
    """Whether a file may go without a question: a result, picture or table of ours.

    An empty file is nobody's loss. Recipes and positions are edited by hand, and a scan
    may be all that there is: those are not meant.

    Parameters
    ----------
    path : path
        The file.
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
        return bool(file.attrs.get("format") == RESULT)
    return False


def never(_: Path) -> bool:
    """Say of any file that it may not go without a question.

    Parameters
    ----------
    _ : Path
        Any file.

    Returns
    -------
    bool
        False.
    """
    return False


def write_bytes(path: StrPath, data: bytes, **door: Unpack[Door]) -> None:
    """Write a whole file at once; parameters and errors are those of `replacing`.

    Parameters
    ----------
    path : path
        Where to write.
    data : bytes
        All of the file.
    **door : any
        As in `replacing`.
    """
    with replacing(path, **door) as part:
        part.write_bytes(data)


@contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn what goes wrong while `target` is written into one sentence."""
    try:
        yield
    except InputError:
        raise
    except (OSError, MemoryError, UnicodeError) as error:
        log.debug("%s was not written", target, exc_info=True)
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
    """Return ``NAME.ending.h5`` beside ``NAME.h5``, no longer than names may be.

    Parameters
    ----------
    path : Path
        ``NAME.h5``.
    ending : str
        What goes between name and suffix.
    """
    return path.with_name(_shortened(path.stem, f"{ending}{path.suffix}"))


def _part_name(name: str) -> str:
    """Name of the file while it is incomplete."""
    return "." + _shortened(name, f".{secrets.token_hex(4)}.part", _LONGEST_NAME - 1)


def _shortened(name: str, ending: str, most: int = _LONGEST_NAME) -> str:
    """Put an ending to a name; what is cut off is told by a few digits."""
    whole, room = os.fsencode(name), most - len(os.fsencode(ending))
    if len(whole) <= room:
        return whole.decode("utf-8", "ignore") + ending
    digits = hashlib.sha256(whole).hexdigest()[:8]
    return f"{whole[: room - 9].decode('utf-8', 'ignore')}-{digits}{ending}"


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
    return Path(platformdirs.user_state_dir("napari-scicompty")) / "writing"


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
                    log.info("removed %s, which a killed process left", part)
            note.unlink(missing_ok=True)
