"""Reading files: regular ones only, within bounds; what goes wrong is one sentence."""

from __future__ import annotations

import re
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

MOST_BYTES = 2**28
"""Of what is no stack of patterns: positions, a probe, a picture."""


def expanded(path: str | os.PathLike[str]) -> Path:
    """Return a path with its ``~`` written out.

    Parameters
    ----------
    path : path
        As a user writes it.

    Raises
    ------
    InputError
        The home folder of a user that is not there.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(
            f"{path}: there is no such user here; write the path without '~'"
        ) from error


def as_text(text: str) -> str:
    r"""Write out bytes that are no UTF-8, which names of files may hold.

    With two backslashes: in TOML ``"\\udcff"`` is a text, and one alone is a fault.

    Parameters
    ----------
    text : str
        May hold surrogates, as `os.fsdecode` makes them.

    Returns
    -------
    str
        Can be encoded as UTF-8.
    """
    return re.sub("[\ud800-\udfff]", lambda found: f"\\\\u{ord(found[0]):04x}", text)


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever goes wrong while `path` is read as a `kind` into one sentence.

    Decoders raise anything from ``KeyError`` to ``zlib.error`` on a broken file, so
    every exception means the same here: this file cannot be used.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What the file is meant to be, in words, for the sentence of an error.

    Yields
    ------
    None
        While the block runs.

    Raises
    ------
    InputError
        Whatever was raised in the block, in one sentence that says what to do.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; check the path") from error
    except PermissionError as error:
        raise InputError(
            f"{path}: no right to read it; ask for access or copy it elsewhere"
        ) from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder; give a {kind}") from error
    except MemoryError as error:
        raise InputError(
            f"{path}: does not fit into memory; save it uncompressed or crop it first"
        ) from error
    except Exception as error:
        detail = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise InputError(
            f"{path}: cannot be read as a {kind} ({detail}); it is damaged or of "
            "another kind: check it in another program or copy it again"
        ) from error


def check_file(path: Path, kind: str, most_bytes: int | None = None) -> None:
    """Refuse a file that is missing, no regular one, empty, unreadable or too large.

    A pipe or a device would be waited for, or read without an end.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What the file is meant to be, in words, for the sentence of an error.
    most_bytes : int, optional
        Bytes that it may have; any number when left out.

    Raises
    ------
    InputError
        With the reason.
    """
    with reading(path, kind):
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{path}: is a folder; give a {kind}")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(
                f"{path}: is no regular file but a pipe, a socket or a device; save "
                f"its content as a {kind} and give that"
            )
        if most_bytes is not None and status.st_size > most_bytes:
            raise InputError(
                f"{path}: holds {status.st_size} bytes, and a {kind} at most "
                f"{most_bytes}; check that it is the right file"
            )
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{path}: is empty; copy or save it again")


def mapped_npy(path: Path, kind: str) -> np.memmap[Any, Any]:
    """Find where an NPY file holds its array; nothing of it is read yet.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What the file is meant to be, in words, for the sentence of an error.

    Returns
    -------
    memory map
        Of the shape and type that the file declares.

    Raises
    ------
    InputError
        A file that is missing, damaged, cut short, or holds several arrays or objects.
    """
    with reading(path, kind):
        check_file(path, kind)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(array, np.memmap):
            return array
        array.close()
        raise InputError(
            f"{path}: holds several arrays (NPZ); save the one that is meant with "
            "numpy.save"
        )


def read_npy(path: Path, kind: str, most_bytes: int = MOST_BYTES) -> NDArray[Any]:
    """Read an array of numbers of at most so many bytes.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What the file is meant to be, in words, for the sentence of an error.
    most_bytes : int
        Bytes that it may have.

    Returns
    -------
    array
        In memory.

    Raises
    ------
    InputError
        As `mapped_npy`; no numbers, or too many of them.
    """
    mapped = mapped_npy(path, kind)
    check_size(mapped.nbytes, most_bytes, str(path), kind)
    if mapped.dtype.kind not in "uifcb":
        raise InputError(f"{path}: holds no numbers ({mapped.dtype}); give a {kind}")
    with reading(path, kind):
        flat = np.fromfile(path, mapped.dtype, mapped.size, offset=mapped.offset)
        if mapped.flags.c_contiguous:
            return flat.reshape(mapped.shape)
        return flat.reshape(mapped.shape[::-1]).T


def check_size(size: int, most_bytes: int, where: str, kind: str) -> None:
    """Refuse what would take more memory than anything of its kind needs.

    Parameters
    ----------
    size : int
        Bytes that are declared.
    most_bytes : int
        Bytes that it may have.
    where : str
        Name of the file and the part of it, for the sentence of an error.
    kind : str
        What the file is meant to be, in words, for the sentence of an error.

    Raises
    ------
    InputError
        It is larger than `most_bytes`.
    """
    if size > most_bytes:
        raise InputError(
            f"{where}: declares {size:.3g} bytes, and a {kind} takes at most "
            f"{most_bytes:.3g}; it is damaged or of another kind"
        )
