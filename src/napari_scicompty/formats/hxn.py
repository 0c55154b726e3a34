"""Prepared data of NSLS-II HXN (HDF5): amplitudes, and positions in micrometres."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.stacks import changed
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.formats._file_values import FileValues
from napari_scicompty.formats._pieces import load_joined
from napari_scicompty.formats._raw import Raw, as_stack, summary
from napari_scicompty.formats.known_positions import known_positions

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.formats.choices import OpenChoices

_KIND = "NSLS-II file"
_DATA, _POSITIONS = "diffamp", "points"


def recognises(path: Path) -> bool:
    """Whether a file holds amplitudes and points.

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
    """Read amplitudes, which are squared, positions and the geometry.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        With ``amplitudes`` the squares are left to that choice.

    Returns
    -------
    Raw
        What the file holds, unchecked.

    Raises
    ------
    InputError
        A file that is damaged.
    """
    with opened(path, _KIND, choices.allow_external) as file:
        array, how, absent, present = load_joined(file, [file[_DATA]], path)
        patterns, notes = as_stack(array, path)
        if not choices.amplitudes:
            patterns = changed(
                patterns, lambda frames: np.square(frames), room_for_a_stack()
            )
            notes = (*notes, "amplitudes squared: the file holds square roots")
        values = FileValues(file)
        values.take("wavelength_m", ["lambda_nm"], "nm")
        values.take("distance_m", ["z_m"], "m")
        values.take_pixel(["ccd_pixel_um"], ["ccd_pixel_um"], "um")
        return Raw(
            patterns,
            (path,),
            known_positions(file, path),
            present,
            values.geometry,
            (
                summary(path, patterns, how),
                *notes,
                *values.report,
                *file.notes,
            ),
            excluded=absent,
            unused=values.unused,
        )
