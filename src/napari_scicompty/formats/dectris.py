"""Dectris masters (Eiger, Pilatus, Arina) and NXmx: frames in several linked files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.formats._file_values import FileValues
from napari_scicompty.formats._pieces import (
    files_of,
    joined_note,
    load_joined,
    pieces_of,
)
from napari_scicompty.formats._raw import Raw, as_stack, grid_of, summary
from napari_scicompty.formats.masks import good_pixels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.files.hdf5_reading import Tree
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "Dectris or NXmx file"
_GROUP = "entry/data"
DETECTOR = "entry/instrument/detector/"
_SPECIFIC = DETECTOR + "detectorSpecific/"
_WHOLE = ("entry/data/data", DETECTOR + "data")
_MASK = (_SPECIFIC + "pixel_mask", DETECTOR + "pixel_mask")
_CUTOFF = (
    _SPECIFIC + "countrate_correction_count_cutoff",
    DETECTOR + "countrate_correction_count_cutoff",
    DETECTOR + "saturation_value",
    _SPECIFIC + "saturation_value",
)


def recognises(path: Path) -> bool:
    """Whether a file describes a detector as NXmx does, and has or links frames.

    Parameters
    ----------
    path : Path
        The file.
    """
    with opened(path, _KIND) as file:
        group = file.get(_GROUP)
        linked = isinstance(group, h5py.Group) and any(
            name.startswith("data_") for name in group
        )
        has_frames = linked or any(name in file for name in _WHOLE)
        return has_frames and isinstance(file.get(DETECTOR), h5py.Group)


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read the frames of all files that the master links to, in their order.

    Parameters
    ----------
    path : Path
        The master, or a single file with the same tree.
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    Raw
        Patterns, mask, the largest valid count, and what there is of the geometry.

    Raises
    ------
    InputError
        A file that is damaged, or of which no frames are left.
    """
    with opened(path, _KIND, choices.allow_external) as file:
        names = pieces_of(file, _GROUP) or [name for name in _WHOLE if name in file][:1]
        if not names:
            lost = "; ".join(file.notes)
            raise InputError(
                f"{path}: none of the files that it links to is there; copy them into "
                f"its folder ({lost})"
            )
        parts = [file[name] for name in names]
        array, how, absent, present = load_joined(file, parts, path)
        patterns, notes = as_stack(array, path)
        h, w = patterns.shape[1:]
        values = _values(file)
        mask, mask_notes = _mask(values, (h, w))
        if present is not None:
            mask = present if mask is None else mask & present
        cutoff = _cutoff(values)
        report = (
            summary(path, patterns, how),
            *joined_note(parts),
            *notes,
            *values.report,
            *_centre(values),
            *mask_notes,
            *([] if cutoff is None else [f"counts above {cutoff:g} are not valid"]),
            *file.notes,
        )
        return Raw(
            patterns,
            files_of(parts),
            None,
            mask,
            values.geometry,
            report,
            excluded=absent,
            unused=values.unused,
            saturation=cutoff,
            grid=grid_of(array.shape),
            energy_ev=values.energy_ev,
        )


def _values(file: Tree) -> FileValues:
    values = FileValues(file)
    beam = "entry/instrument/beam/"
    wavelength = [beam + "incident_wavelength", "entry/sample/beam/incident_wavelength"]
    values.take("wavelength_m", wavelength, "angstrom")
    values.take_energy([beam + "incident_energy", _SPECIFIC + "photon_energy"], "eV")
    values.take(
        "distance_m", [DETECTOR + "detector_distance", DETECTOR + "distance"], "m"
    )
    values.take_pixel([DETECTOR + "y_pixel_size"], [DETECTOR + "x_pixel_size"])
    return values


def _mask(
    values: FileValues, shape: tuple[int, int]
) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    dataset = values.first(_MASK)
    if dataset is None:
        return None, ()
    if (dataset.shape or ())[-2:] != shape:
        return None, (f"{dataset.name} of shape {dataset.shape} not used",)
    good, note = good_pixels(read_small(dataset), dataset.name, "bad")
    return good, (note,)


def _cutoff(values: FileValues) -> float | None:
    held = values.array(_CUTOFF)
    number = None if held is None or held.size != 1 else float(held.flat[0])
    return number if number is not None and 0 < number < np.inf else None


def _centre(values: FileValues) -> list[str]:
    """Propose the beam centre of the file, which is often that of another day."""
    held = [values.array([DETECTOR + f"beam_center_{axis}"]) for axis in "yx"]
    numbers = [float(part.flat[0]) for part in held if part is not None and part.size]
    if len(numbers) < 2 or not all(np.isfinite(numbers)) or not any(numbers):
        return []
    return [
        "beam centre of the file not used; to use it choose "
        f"center=({numbers[0]:.6g}, {numbers[1]:.6g})"
    ]
