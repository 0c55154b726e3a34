"""Masks in files: which way round they are, by choice or by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.formats._raw import MissingChoice
from napari_scicompty.formats.choices import OpenChoices
from napari_scicompty.formats.datasets import list_datasets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.formats._raw import Raw

    Means = Literal["auto", "good", "bad"]

_OF_BAD = re.compile(
    r"(?<![a-z])(bad|dead|hot|broken|invalid|defect|gap|untrusted)|pixel_?mask",
    re.IGNORECASE,
)
"""Names of masks in which not zero is bad."""
_CXI = re.compile(r"detector_\d+/mask$")
"""Where CXI keeps the bits of its pixels."""
SIGNAL = 0x1000
"""Bit of CXI that says that a pixel has signal: no fault."""


def read_mask(
    path: Path,
    shape: tuple[int, ...],
    choices: OpenChoices,
    read: Callable[[Path, OpenChoices], Raw],
) -> tuple[NDArray[np.generic], str]:
    """Read a mask from a file of its own: a picture, an array, or HDF5.

    Parameters
    ----------
    path : Path
        The file.
    shape : (h, w)
        Of the patterns.
    choices : OpenChoices
        Its ``mask_key`` names a dataset of an HDF5 file.
    read : callable
        Reads a file of any known format.

    Returns
    -------
    values : array (..., h, w)
        As the file has them.
    name : str
        Of the file, with that of the dataset where there is one.

    Raises
    ------
    InputError
        A file that cannot be read, or an HDF5 file in which several datasets fit.
    """
    if not path.exists() or not h5py.is_hdf5(path):
        return np.asarray(read(path, OpenChoices()).patterns), path.name
    key = choices.mask_key
    with opened(path, "mask", choices.allow_external) as file:
        if key is None:
            key = _dataset_of(path, shape)
        if key not in file:
            raise InputError(f"{path}: mask_key={key!r} is not in the file")
        dataset = file[key]
        values = read_small(dataset, most_bytes=room_for_a_stack())
        return values, f"{path.name}{dataset.name}"


def _dataset_of(path: Path, shape: tuple[int, ...]) -> str:
    """Find the one dataset that fits the frames; pictures go before stacks."""
    rows = [
        row for row in list_datasets(path)
        if len(row.shape) > 1 and row.shape[-2:] == shape
    ]  # fmt: skip
    names = [row.path for row in rows if len(row.shape) == 2] or [r.path for r in rows]
    if not names:
        raise InputError(
            f"{path}: mask has no dataset of shape {shape}, that of the patterns; "
            "choose a mask of the same frames"
        )
    if len(names) > 1:
        raise MissingChoice(
            f"{path}: several datasets can be the mask; choose mask_key="
            + " or ".join(repr(name) for name in names[:4])
        )
    return names[0]


def good_pixels(
    values: NDArray[np.generic], name: str, means: Means
) -> tuple[NDArray[np.bool_], str]:
    """Return the good pixels (h, w) of a mask (..., h, w), and how it was understood.

    Parameters
    ----------
    values : array (..., h, w)
        Numbers or booleans; frames of several are joined.
    name : str
        Of the dataset, the file, or both with a slash between: ``pixel_mask``,
        ``bad_pixels`` and the bits of CXI are known to mark the bad pixels.
    means : {"auto", "good", "bad"}
        What not zero was said to be; auto goes by the name, and else takes good.

    Raises
    ------
    InputError
        No good pixel is left.
    """
    frames = values.reshape(-1, *values.shape[-2:])
    is_cxi = _CXI.search(name) is not None and frames.dtype.kind in "ui"
    how = "as chosen"
    if means == "auto":
        names = (name.partition("/")[0], name.rpartition("/")[2])
        known = is_cxi or any(_OF_BAD.search(part) for part in names)
        means, how = ("bad", "by its name") if known else ("good", "assumed")
    marked = (frames.astype(np.int64) & ~SIGNAL if is_cxi else frames) != 0
    good = marked.all(0) if means == "good" else ~marked.any(0)
    if not good.any():
        other = "bad" if means == "good" else "good"
        raise InputError(
            f"mask {name}: no pixel is good where not zero is {means} ({how}); turn "
            f"it with mask_means={other!r}, or choose another mask"
        )
    note = f"mask from {name}, not zero = {means} ({how})"
    return good, f"{note}: {good.mean():.2%} good pixels"
