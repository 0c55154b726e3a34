"""Scans become prepared data of PtyPy (.ptyd): one chunk of patterns and weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    import os

    import h5py

    from napari_scicompty.data.scan import Scan

_CHUNK_BYTES = 2**20
_TYPE = "type"
"""Attribute of every part that tells PtyPy what it was in Python."""


def check_fits(path: str | os.PathLike[str], scan: Scan, truth: object) -> None:
    """Refuse what the format has no place for.

    Parameters
    ----------
    path : path
        The file, for the sentence of the error.
    scan : Scan
        What is to be saved.
    truth : object
        What it was made of, if it is to be saved beside it.

    Raises
    ------
    InputError
        A near-field scan, or a truth.
    """
    if truth is not None:
        raise InputError(f"{path}: .ptyd has no place for a truth; save it as .cxi")
    if scan.geometry.propagation != "far-field":
        raise InputError(
            f"{path}: .ptyd is written for far-field scans, and this one is "
            f"{scan.geometry.propagation}; save it as .cxi"
        )


def save_ptyd(file: h5py.File, scan: Scan) -> None:
    """Write the patterns that take part, their positions, and the mask as weights.

    Parameters
    ----------
    file : h5py.File
        Open for writing.
    scan : Scan
        A far-field scan.
    """
    geometry = scan.geometry
    taken = np.asarray(scan.included)
    common: dict[str, object] = {
        "version": "0.1",
        "num_frames": len(taken),
        "label": "scan",
        "shape": np.array(scan.frame_shape),
        "energy": geometry.energy_ev / 1e3,
        "distance": geometry.distance_m,
        "psize": np.array(geometry.detector_pixel_m),
        "center": np.array([n // 2 for n in scan.frame_shape], float),
    }
    for name in ("meta", "info"):
        _put_all(_group(file, name), common)
    chunk = _group(_group(file, "chunks"), "0")
    _put_all(chunk, {"indices": taken, "positions": scan.positions_m[taken]})
    h, w = scan.frame_shape
    shape = (len(taken), h, w)
    frames = max(1, min(len(taken), _CHUNK_BYTES // (4 * h * w)))
    data, weights = (
        chunk.create_dataset(
            name,
            shape,
            dtype,
            chunks=(frames, h, w),
            compression="gzip",
            shuffle=True,
            fletcher32=True,
        )
        for name, dtype in (("data", scan.patterns.dtype), ("weights", np.float32))
    )
    for first in range(0, len(taken), frames):
        part = slice(first, first + frames)
        data[part] = scan.patterns[taken[part]]
        weights[part] = np.broadcast_to(scan.good, data[part].shape)
    data.attrs[_TYPE] = weights.attrs[_TYPE] = "array"


def _group(parent: h5py.Group, name: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs[_TYPE] = "dict"
    return group


def _put_all(group: h5py.Group, values: dict[str, Any]) -> None:
    for name, value in values.items():
        kind = "string" if isinstance(value, str) else "scalar"
        group[name] = value
        group[name].attrs[_TYPE] = "array" if isinstance(value, np.ndarray) else kind
