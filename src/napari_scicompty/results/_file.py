"""The file of a result: opened with sentences, and what it was written by."""

from __future__ import annotations

import os
import platform
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.version import __version__
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_writing import refuse_damaged
from napari_scicompty.files.reading import expanded
from napari_scicompty.files.writing import RESULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import h5py

    StrPath = str | os.PathLike[str]

FORMAT = RESULT
"""Attribute of the root that names a result."""

FORMAT_VERSION = 2
"""Of results; older ones are migrated, newer ones are refused."""


@contextmanager
def reading(path: StrPath, parts: Sequence[str] | None) -> Iterator[h5py.File]:
    """Open a result, and turn what can be wrong with it into sentences.

    Parameters
    ----------
    path : path
        HDF5, as `save_result` wrote it.
    parts : sequence of str or None
        Those that must be whole: all where there are none; None takes what there is.
    """
    where = expanded(path)
    if not os.path.isfile(where):
        raise InputError(f"{where}: no such file; give a saved result (.h5)")
    try:
        if parts is not None:
            refuse_damaged(where, parts)
        with opened(where, "result") as tree:
            file = tree.file
            if file.attrs.get("format") != FORMAT:
                raise InputError(
                    f"{where}: an HDF5 file, but not a result of napari-scicompty; "
                    "open diffraction patterns as a scan instead"
                )
            if not file.attrs["format_version"] <= FORMAT_VERSION:
                raise InputError(
                    f"{where}: written by a newer napari-scicompty (format version "
                    f"{file.attrs['format_version']}); update it to open this file"
                )
            yield file
    except InputError:
        raise
    except Exception as error:  # h5py raises of every kind on a damaged file
        detail = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{where}: no result can be read, it is damaged or not HDF5 ({detail}); "
            "use another copy"
        ) from error


def merged(damaged: list[str]) -> list[str]:
    """Return the part of a result for what is damaged below it."""
    return list(dict.fromkeys(path.split("/")[1] or "/" for path in damaged))


def versions() -> dict[str, str]:
    ours = {"napari-scicompty": __version__}
    return ours | {
        "torch": version("torch"),
        "numpy": version("numpy"),
        "python": platform.python_version(),
    }
