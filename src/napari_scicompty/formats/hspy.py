"""HyperSpy (.hspy, HDF5): a signal with its axes, and maybe the voltage."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import h5py

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import attribute
from napari_scicompty.formats._pieces import load_joined
from napari_scicompty.formats._raw import Raw, as_stack, summary
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

_KIND = "HyperSpy file"
ROOT = "Experiments"
_BEAM = "metadata/Acquisition_instrument/TEM"


def recognises(path: Path) -> bool:
    """Whether a file holds experiments with data and axes.

    Parameters
    ----------
    path : Path
        The file.
    """
    with opened(path, _KIND) as file:
        return _experiment(file) is not None


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read the first experiment, the step of its scan, and the detector pixel.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    Raw
        What the file holds, unchecked.

    Raises
    ------
    InputError
        A file that is damaged, or without an experiment.
    """
    with opened(path, _KIND, choices.allow_external) as file:
        group = _experiment(file)
        if group is None:
            raise InputError(f"{path}: holds no experiment; save the signal anew")
        array, how, absent, present = load_joined(file, [group["data"]], path)
        patterns, notes = as_stack(array, path)
        held = calibrated(group, array.ndim)
        report = (summary(path, patterns, how), *notes, *file.notes)
        raw = Raw(patterns, (path,), None, present, report=report, excluded=absent)
        return with_calibration(raw, held, array.shape)


def _experiment(file: Tree) -> h5py.Group | None:
    root = file.get(ROOT)
    names = list(root) if isinstance(root, h5py.Group) else []
    groups = (file.get(f"{ROOT}/{name}") for name in names)
    for group in groups:
        if isinstance(group, h5py.Group) and isinstance(
            file.get(f"{group.name}/data"), h5py.Dataset
        ):
            return group
    return None


def calibrated(group: Any, axes: int) -> Calibration:
    """Read the axes of an experiment, and the voltage of the beam in kilovolt.

    Parameters
    ----------
    group : group of HDF5 or of zarr
        The experiment.
    axes : int
        How many the data have; the last four are used.

    Returns
    -------
    Calibration
        Step, pixel and wavelength, as far as the file tells them.
    """
    told = [_axis(group, number) for number in range(max(0, axes - 4), axes)]
    kilovolt = attribute(group[_BEAM], "beam_energy") if _BEAM in group else None
    voltage = float(kilovolt) * 1e3 if isinstance(kilovolt, Real) else None
    return calibration(told[:-2] or [Axis(0.0, "")], told[-2:], voltage)


def _axis(group: Any, number: int) -> Axis:
    name = f"axis-{number}"
    if name not in group:
        return Axis(0.0, "")
    scale = attribute(group[name], "scale")
    unit = str(attribute(group[name], "units", ""))
    return Axis(float(scale) if isinstance(scale, Real) else 0.0, unit)
