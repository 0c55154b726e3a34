"""Measured data of PtyLab (HDF5): a ptychogram, an encoder and a few numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.formats._file_values import FileValues
from napari_scicompty.formats._pieces import load_joined
from napari_scicompty.formats._raw import Positions, Raw, as_stack, summary

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.files.hdf5_reading import Tree
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "PtyLab file"
_DATA, _POSITIONS = "ptychogram", "encoder"
_TURNS = ("flip_columns", "flip_rows", "transpose")
"""What the bits of its orientation stand for, the lowest first."""


def recognises(path: Path) -> bool:
    """Whether a file holds a ptychogram and an encoder.

    Parameters
    ----------
    path : Path
        The file.
    """
    with opened(path, _KIND) as file:
        return all(
            isinstance(file.get(name), h5py.Dataset) for name in (_DATA, _POSITIONS)
        )


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read patterns, positions (row, column) in metres, and the geometry.

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
        A file that is damaged, or an encoder that is no list of pairs.
    """
    with opened(path, _KIND, choices.allow_external) as file:
        array, how, absent, present = load_joined(file, [file[_DATA]], path)
        patterns, notes = as_stack(array, path)
        values = FileValues(file)
        values.take("wavelength_m", ["wavelength"], "m")
        values.take("distance_m", ["zo"], "m")
        values.take_pixel(["dxd"], ["dxd"])
        return Raw(
            patterns,
            (path,),
            _positions(file, path),
            present,
            values.geometry,
            (
                summary(path, patterns, how),
                *notes,
                *values.report,
                *_said(values),
                *file.notes,
            ),
            excluded=absent,
            unused=values.unused,
        )


def _positions(file: Tree, path: Path) -> Positions:
    encoder = read_small(file[_POSITIONS], "uif").astype(np.float64)
    report: tuple[str, ...] = ()
    if encoder.ndim == 2 and encoder.shape[0] == 2 != encoder.shape[1]:
        encoder, report = encoder.T, ("encoder of shape (2, n) transposed",)
    if encoder.ndim != 2 or encoder.shape[1] != 2:
        raise InputError(
            f"{path}: the encoder has shape {encoder.shape}; (n, 2) is needed: give "
            "positions=FILE"
        )
    return Positions(encoder, "yx", "m", path.name, report)


def _said(values: FileValues) -> list[str]:
    """Say what the file holds beside, that is not done by itself."""
    lines = []
    pupil, turned = (
        values.array(["entrancePupilDiameter"]),
        values.array(["orientation"]),
    )
    if pupil is not None and pupil.size:
        radius = float(pupil.flat[0]) / 2
        lines.append(f"the file tells a beam of {radius:.4g} m radius on the sample")
    if turned is not None and turned.size and 0 < (code := int(turned.flat[0])) < 8:
        names = ", ".join(n for bit, n in enumerate(_TURNS) if code >> bit & 1)
        lines.append(f"orientation {code} of the file is not applied; choose {names}")
    return lines
