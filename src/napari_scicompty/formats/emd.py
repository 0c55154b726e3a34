"""EMD (HDF5), as py4DSTEM and emdfile write it: a 4-D array and its axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import attribute, read_small
from napari_scicompty.formats._pieces import load_joined
from napari_scicompty.formats._raw import MissingChoice, Raw, as_stack, summary
from napari_scicompty.formats._scan_axes import (
    Axis,
    Calibration,
    calibration,
    with_calibration,
)

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.files.hdf5_reading import Tree
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "EMD file"
_MARK = "emd_group_type"


def recognises(path: Path) -> bool:
    """Whether a group of a file is marked as EMD marks them, and holds a 4-D array.

    Parameters
    ----------
    path : Path
        The file.
    """
    with opened(path, _KIND) as file:
        return bool(_arrays(file))


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read the 4-D array, the step of its scan, and the detector pixel.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    Raw
        Axes are (slow, fast) of the scan and (row, column) of the patterns.

    Raises
    ------
    InputError
        A file that is damaged, or several such arrays.
    """
    with opened(path, _KIND, choices.allow_external) as file:
        names = _arrays(file)
        if len(names) > 1:
            raise MissingChoice(
                f"{path}: choose which dataset holds the patterns: data_key="
                + " or ".join(map(repr, names[:4]))
            )
        if not names:
            raise InputError(f"{path}: has no 4-D array; give the raw data")
        dataset = file[names[0]]
        array, how, absent, present = load_joined(file, [dataset], path)
        patterns, notes = as_stack(array, path)
        held = _calibration(file, dataset.parent)
        report = (summary(path, patterns, how), *notes, *file.notes)
        raw = Raw(patterns, (path,), None, present, report=report, excluded=absent)
        return with_calibration(raw, held, array.shape)


def _arrays(file: Tree) -> list[str]:
    return [
        name
        for name, dataset in file.datasets()
        if dataset.ndim == 4
        and _MARK in dataset.parent.attrs
        and dataset.dtype.kind in "uif"
    ]


def _calibration(file: Tree, group: h5py.Group) -> Calibration:
    """Take the calibration of py4DSTEM where there is one, else the axes."""
    axes = [_axis(group, number) for number in range(4)]
    if any(axis.scale == 0 for axis in axes):  # older files count from 1
        older = [_axis(group, number + 1) for number in range(4)]
        axes = older if all(axis.scale for axis in older) else axes
    report = []
    for name, dataset in file.datasets():
        if dataset.parent.name.endswith("/calibration"):
            last = name.rpartition("/")[2]
            value = _value(dataset)
            if last in ("R_pixel_size", "Q_pixel_size") and value:
                unit = file.get(f"{name.removesuffix('size')}units")
                axis = Axis(float(value), str(_value(unit)) if unit is not None else "")
                places = slice(0, 2) if last[0] == "R" else slice(2, 4)
                axes[places] = [axis, axis]
            elif last in ("QR_rotation", "QR_flip") and value:
                report.append(f"{last} of the file, {value}, is not applied")
    held = calibration(axes[:2], axes[2:])
    return held._replace(report=(*held.report, *report))


def _axis(group: h5py.Group, number: int) -> Axis:
    dataset = group.get(f"dim{number}")
    if not isinstance(dataset, h5py.Dataset) or (dataset.size or 0) < 2:
        return Axis(0.0, "")
    values = np.ravel(read_small(dataset, "uif")).astype(float)
    return Axis(float(values[1] - values[0]), str(attribute(dataset, "units", "")))


def _value(dataset: Any) -> Any:
    if not isinstance(dataset, h5py.Dataset) or dataset.size != 1:
        return None
    value = read_small(dataset, "uifbOS").ravel()[0]
    return value.decode() if isinstance(value, bytes) else value
