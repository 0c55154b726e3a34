"""NPZ: an archive of numpy arrays, such as the patterns of Ptychodus."""

from __future__ import annotations

import math
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.files.reading import check_file, reading
from napari_scicompty.formats._named_arrays import Declared, read_named

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.formats._raw import Raw
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "NPZ file"
_MOST_ARRAYS = 10_000


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read ``patterns``, or the only stack, and ``bad_pixels``; no pickled objects.

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
        A file that is missing, empty or damaged, or arrays that do not fit.
    """
    with reading(path, _KIND):
        check_file(path, _KIND)
        held = _headers(path)

        def get(name: str) -> NDArray[Any]:
            with np.load(path, allow_pickle=False) as file:
                return np.asarray(file[name])

        return read_named(path, choices, held, get, lambda array: (array, ""))


def _headers(path: Path) -> dict[str, Declared]:
    """Read what each array declares, before any of it is unpacked."""
    held = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist()[:_MOST_ARRAYS]:
            if not name.endswith(".npy"):
                continue
            with archive.open(name) as file:
                version = np.lib.format.read_magic(file)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read(file)
            if dtype.kind in "uifb":
                size = math.prod(shape) * dtype.itemsize
                held[name.removesuffix(".npy")] = Declared(shape, size)
    return held
