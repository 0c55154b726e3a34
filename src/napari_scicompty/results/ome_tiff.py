"""Pictures of a snapshot as OME-TIFF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.units import fitting, number_in_si
from napari_scicompty.files.writing import MARK, replacing

if TYPE_CHECKING:
    import os
    from typing import Unpack

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.files.writing import Door

    StrPath = str | os.PathLike[str]


def save_ome_tiff(path: StrPath, snapshot: Snapshot, **door: Unpack[Door]) -> None:
    """Save phase (radian) and magnitude as two float32 channels with their place.

    Parameters
    ----------
    path : path
        Where to write; it ends in ``.ome.tif``.
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    **door
        As in `files.writing.replacing`: ``overwrite=True``.

    Raises
    ------
    InputError
        A name that does not end in ``.ome.tif`` or ``.ome.tiff``, a folder that is
        missing or cannot be written, or a full disk.
    """
    import tifffile

    if not str(path).lower().endswith((".ome.tif", ".ome.tiff")):
        raise InputError(f"{path}: end the name of an OME-TIFF with .ome.tif")
    channels = np.stack([np.angle(snapshot.object), np.abs(snapshot.object)])
    metadata: dict[str, object] = {
        "axes": "CYX",
        "Channel": {"Name": ["phase", "magnitude"]},
    }
    fit = fitting(min(snapshot.pixel_size_m), ("um", "nm"), least=1)
    unit, scale = fit.symbol, number_in_si(fit.name)
    place: dict[str, object] = {}
    for axis, pixel, origin in zip(
        "YX", snapshot.pixel_size_m, snapshot.origin_m, strict=True
    ):
        metadata |= {f"PhysicalSize{axis}": pixel * scale}
        metadata |= {f"PhysicalSize{axis}Unit": unit}
        place |= {f"Position{axis}": [origin * scale] * 2}
        place |= {f"Position{axis}Unit": [unit] * 2}
    metadata["Plane"] = place
    door["inputs"] = (*door.get("inputs", ()), *snapshot.source.files)
    with replacing(path, **door) as part:
        tifffile.imwrite(
            part,
            channels.astype(np.float32),
            ome=True,
            metadata=metadata,
            software=MARK,
        )
