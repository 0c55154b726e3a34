"""Writing files: all of one, or nothing."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from napari_scicompty.errors import InputError
from napari_scicompty.reading import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write to the path that is given; it takes the old file's place when complete.

    Raises
    ------
    InputError
        What cannot be written, and why.
    """
    target = expanded(path)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        part.touch(exist_ok=False)
        yield part
        with part.open("r+b") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{target}: cannot be written ({reason}); choose a folder that exists, "
            "that you may write to and that has room"
        ) from None
    finally:
        with suppress(OSError):
            part.unlink()
