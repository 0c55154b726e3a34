"""Positions in HDF5 files of known programs, by the names of their datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.formats._raw import Positions

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.files.hdf5_reading import Tree

MOTORS = ("sample_motors/sample_x_pos", "sample_motors/sample_y_pos")
"""Where SciComPty has x and y."""


class _Layout(NamedTuple):
    """One program: names of x and y, or of both in one array."""

    program: str
    names: tuple[str, ...]
    unit: str
    sign: float = 1.0
    numbers: str = ""


_LAYOUTS = (
    _Layout("SciComPty", MOTORS, "um"),
    _Layout(
        "Ptychodus",
        ("probe_position_x_m", "probe_position_y_m"),
        "m",
        numbers="probe_position_indexes",
    ),
    _Layout("fold_slice", ("ppX", "ppY"), "m", -1.0),
    _Layout("NSLS-II", ("points",), "um"),
)


def known_positions(file: Tree, path: Path) -> Positions | None:
    """Read positions whose names tell which program wrote them.

    Parameters
    ----------
    file : Tree
        The open file.
    path : Path
        The file, for sentences.

    Returns
    -------
    Positions or None
        As (x, y); None where there are no such names.

    Raises
    ------
    InputError
        Not as many x as y, or no pairs.
    """
    for layout in _LAYOUTS:
        if all(isinstance(file.get(name), h5py.Dataset) for name in layout.names):
            return _read(file, path, layout)
    return None


def _read(file: Tree, path: Path, layout: _Layout) -> Positions:
    parts = [read_small(file[name], "uif").astype(np.float64) for name in layout.names]
    if len(parts) == 1:
        both = parts[0]
        if both.ndim != 2 or both.shape[0] != 2:
            raise InputError(
                f"{path}: {layout.names[0]} has shape {both.shape}, and (2, n) is "
                "needed; choose positions_key"
            )
        parts = list(both)
    x, y = (part.ravel() for part in parts)
    if len(x) != len(y) or not len(x):
        raise InputError(f"{path}: holds {len(x)} x and {len(y)} y; mend the file")
    frames = None
    if layout.numbers and isinstance(file.get(layout.numbers), h5py.Dataset):
        frames = read_small(file[layout.numbers], "ui").ravel().astype(np.int64)
    notes = [f"{path.name}: positions as {layout.program} has them"]
    if layout.sign < 0:
        notes.append("signs of x and y changed: that program moves the sample")
    unit: Any = layout.unit
    columns = np.stack([x, y], 1) * layout.sign
    return Positions(columns, "xy", unit, path.name, tuple(notes), frames)
