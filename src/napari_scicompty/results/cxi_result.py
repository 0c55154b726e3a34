"""Object and probe of a snapshot as a CXI file, for other programs.

One group ``entry_1/image_N`` each: complex ``data``, pixel size, and where the first
pixel lies. Our own results, which a run can go on from, are written by `results`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import constants

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_writing import new_hdf5
from napari_scicompty.files.writing import RESULT, never

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from typing import Unpack

    import h5py

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.files.writing import Door

    StrPath = str | os.PathLike[str]

Part = Literal["object", "probe"]
PARTS: tuple[Part, ...] = ("object", "probe")


def save_cxi(
    path: StrPath,
    snapshot: Snapshot,
    parts: Sequence[Part] = PARTS,
    **door: Unpack[Door],
) -> None:
    """Save object (H, W) and probe modes (modes, h, w) as complex images.

    Parameters
    ----------
    path : path
        Where to write; it ends in ``.cxi``.
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    parts : sequence of str
        What is written, as ``image_1``, ``image_2``.
    **door
        As in `files.writing.replacing`: ``overwrite=True``.

    Raises
    ------
    InputError
        A name that does not end in ``.cxi``, a part that is not known, a folder that is
        missing or cannot be written, or a full disk.
    """
    if not str(path).lower().endswith(".cxi"):
        raise InputError(f"{path}: end the name of a CXI file with .cxi")
    if not parts or not set(parts) <= set(PARTS):
        raise InputError(f"parts is {parts!r}; choose among {', '.join(PARTS)}")
    door = {"ours": never, **door}
    door["inputs"] = (*door.get("inputs", ()), *snapshot.source.files)
    with new_hdf5(path, **door) as file:
        file["cxi_version"] = 150
        entry = file.create_group("entry_1")
        entry["title"] = RESULT
        entry["program_name"] = "napari-scicompty"
        _save_instrument(entry, snapshot)
        for number, part in enumerate(parts, 1):
            _save_image(entry.create_group(f"image_{number}"), part, snapshot)


def _save_instrument(entry: h5py.Group, snapshot: Snapshot) -> None:
    geometry = snapshot.geometry
    source = entry.create_group("instrument_1/source_1")
    _in(source, "wavelength", geometry.wavelength_m, "m")
    _in(source, "energy", geometry.energy_ev * constants.e, "J")
    detector = entry.create_group("instrument_1/detector_1")
    _in(detector, "distance", snapshot.distance_m, "m")
    _in(detector, "y_pixel_size", geometry.detector_pixel_m[0], "m")
    _in(detector, "x_pixel_size", geometry.detector_pixel_m[1], "m")


def _save_image(group: h5py.Group, part: Part, snapshot: Snapshot) -> None:
    """Save one image; sizes and places are (x, y, z), as CXI has them."""
    values = snapshot.object if part == "object" else snapshot.probe
    data = group.create_dataset(
        "data", data=values, compression="gzip", shuffle=True, fletcher32=True
    )
    data.attrs["axes"] = "y:x" if values.ndim == 2 else "mode:y:x"
    group["title"] = part
    group["data_type"] = "transmission" if part == "object" else "probe"
    group["data_space"] = "real"
    pixel = snapshot.pixel_size_m
    size = np.array([values.shape[-1] * pixel[1], values.shape[-2] * pixel[0], 0.0])
    _in(group, "image_size", size, "m")
    _in(group, "y_pixel_size", pixel[0], "m")
    _in(group, "x_pixel_size", pixel[1], "m")
    if part == "object":
        first = np.array([snapshot.origin_m[1], snapshot.origin_m[0], 0.0])
        _in(group, "first_pixel", first, "m")
    process = group.create_group("process_1")
    process["epochs"] = snapshot.epoch
    process["error"] = snapshot.error


def _in(group: h5py.Group, name: str, value: object, unit: str) -> None:
    group[name] = value
    group[name].attrs["units"] = unit
