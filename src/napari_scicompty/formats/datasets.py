"""What an HDF5 file holds: a row a dataset, and what each could serve as."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_reading import Tree, opened
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.files.reading import expanded
from napari_scicompty.formats._hdf5 import unit_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import h5py

_NAMES = {
    "wavelength_key": re.compile(r"wavelength|lambda|wavelen", re.IGNORECASE),
    "energy_key": re.compile(r"energy|kev", re.IGNORECASE),
    "distance_key": re.compile(r"dist|^z(_|$)|propagation", re.IGNORECASE),
    "detector_pixel_key": re.compile(r"^(?!obj|recon|sample).*pix", re.IGNORECASE),
}
"""Names that numbers of the geometry have, by the choice that they fit."""
_AXES = {
    f"{axis}_key": re.compile(
        f"(?<![a-z]){axis}(?![a-z])|(pos|sam|mot){axis}|{axis}pos", re.IGNORECASE
    )
    for axis in "xy"
}
_MORE = "..."
"""In the place of a name: not all datasets are listed."""
_INDEX = re.compile(r"ind(ex|ices)", re.IGNORECASE)
_SMALLEST_FRAME = 8
_LONGEST_VALUE = 2**16
"""Bytes of a single value that is shown."""


@dataclass(frozen=True)
class DatasetRow:
    """One dataset of an HDF5 file."""

    path: str
    """Name in the file, without the leading slash."""
    shape: tuple[int, ...]
    """Empty for one number or one text."""
    dtype: str
    """Its type, in numpy's words."""
    units: str = ""
    """What its attribute ``units`` says, by the usual name of the unit."""
    value: float | str | None = None
    """Content, where it is one number or one text."""
    fits: tuple[str, ...] = ()
    """Choices of `OpenChoices` that it could be, such as ``"positions_key"``."""

    def __str__(self) -> str:
        """Write out shape, type, value and unit."""
        if self.value is not None:
            shown = self.value if isinstance(self.value, str) else f"{self.value:.8g}"
            return f"{shown} {self.units}".strip()
        size = " x ".join(str(length) for length in self.shape) or "empty"
        return f"{size}, {self.dtype} {self.units}".strip()


def list_datasets(path: str | os.PathLike[str]) -> list[DatasetRow]:
    """List the datasets of an HDF5 file, in the order of the file.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    list of DatasetRow
        Name, shape and type of each, and the choices that it fits.

    Raises
    ------
    InputError
        A file that is missing, empty, damaged or no HDF5.
    """
    where = expanded(path)
    with opened(where, "HDF5 file") as file:
        rows, found = {}, {}
        for name, dataset in file.datasets():
            rows[name] = _refused(file, name, dataset)
            if rows[name] is None:
                found[name] = dataset
        if file.is_cut:
            told = f"more follow, only the first {len(rows)} are listed"
            rows[_MORE] = DatasetRow(_MORE, (), "", value=told)
        arrays = [dataset for dataset in found.values() if (dataset.size or 0) > 1]
        frames = [d.shape for d in arrays if _is_frame(d) and len(d.shape) > 2]
        if not frames and len(arrays) == 1 and _is_frame(arrays[0]):
            frames = [arrays[0].shape]  # a dark frame or a mask, alone in its file
        return [row or _row(name, found[name], frames) for name, row in rows.items()]


def fitting(rows: Iterable[DatasetRow], choice: str) -> list[str]:
    """Names of the datasets that fit a choice.

    Parameters
    ----------
    rows : iterable of DatasetRow
        From `list_datasets`.
    choice : str
        Such as ``"data_key"``.

    Returns
    -------
    list of str
        Paths in the file.
    """
    return [row.path for row in rows if choice in row.fits]


def cut(rows: Sequence[DatasetRow], path: Path) -> tuple[str, ...]:
    """Say that a list is not complete, where it is not.

    Parameters
    ----------
    rows : sequence of DatasetRow
        From `list_datasets`.
    path : Path
        The file.

    Returns
    -------
    tuple of str
        One sentence, or none.
    """
    if not rows or rows[-1].path != _MORE:
        return ()
    return (f"{path.name}, datasets: {rows[-1].value}",)


def _refused(file: Tree, name: str, dataset: h5py.Dataset) -> DatasetRow | None:
    """Make the row of a dataset that must not be read; its content is not shown."""
    try:
        file.check(dataset)
    except InputError as error:
        return DatasetRow(name, (), "", value=f"not read: {error}")
    return None


def _row(name: str, dataset: h5py.Dataset, frames: list[tuple[int, ...]]) -> DatasetRow:
    shape = tuple(dataset.shape or ())
    value = _value(dataset)
    fits = []
    if isinstance(value, float):
        fits = [c for c, known in _NAMES.items() if known.search(_last(name))]
    elif dataset.dtype.kind in "uifb" and shape:
        fits = _array_fits(name, shape, dataset.dtype.kind, frames)
    return DatasetRow(
        name, shape, str(dataset.dtype), unit_of(dataset), value, tuple(fits)
    )


def _array_fits(
    name: str, shape: tuple[int, ...], kind: str, frames: list[tuple[int, ...]]
) -> list[str]:
    """Choices that an array of numbers could be, by its shape before its name."""
    fits = []
    counts = {int(np.prod(frame[:-2])) for frame in frames}
    if shape in frames:
        fits.append("data_key")
    elif shape in {frame[-2:] for frame in frames}:
        fits.append("mask_key")
    columns = _columns(shape)
    if columns in counts or (columns and not counts):
        fits.append("positions_key")
    if int(np.prod(shape)) in counts:
        fits += [c for c, known in _AXES.items() if known.search(_last(name))]
    if len(shape) == 1 and kind in "ui" and _INDEX.search(_last(name)):
        fits.append("frame_index_key")
    if shape == (2,) and _NAMES["detector_pixel_key"].search(_last(name)):
        fits.append("detector_pixel_key")
    return fits


def _columns(shape: tuple[int, ...]) -> int:
    """Count the positions in an array of this shape; 0 where it holds none."""
    if len(shape) > 1 and shape[-1] in (2, 3):
        return int(np.prod(shape[:-1]))
    return shape[1] if len(shape) == 2 and shape[0] in (2, 3) else 0


def _is_frame(dataset: h5py.Dataset) -> bool:
    shape = dataset.shape or ()
    is_number = dataset.dtype.kind in "uif"
    return is_number and len(shape) > 1 and min(shape[-2:]) >= _SMALLEST_FRAME


def _value(dataset: h5py.Dataset) -> float | str | None:
    if dataset.size != 1:
        return None
    try:
        content = read_small(dataset, "uifbcOSV", _LONGEST_VALUE).ravel()[0]
    except InputError:
        return None
    if isinstance(content, bytes):
        return content.decode(errors="replace")
    return float(content) if dataset.dtype.kind in "uif" else str(content)


def _last(name: str) -> str:
    return name.rpartition("/")[2]
