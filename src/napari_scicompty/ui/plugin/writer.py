"""Writes image layers as OME-TIFF with their pixel size (napari's own drops it)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_scicompty.core.units import UNITS, named
from napari_scicompty.files.writing import replacing
from napari_scicompty.ui.session.controller import inputs_of_all

LayerData = tuple[Any, dict[str, Any], str]


def write_ome_tiff(path: str, layers: list[LayerData]) -> list[str]:
    """Write images, one series each, and points as CSV files beside them.

    napari has asked before whether a file may be replaced; inputs of a run never are.

    Raises
    ------
    InputError
        An input of a run in one of the windows, a folder that is missing or cannot be
        written, or a full disk.
    """
    images = [layer for layer in layers if layer[2] == "image"]
    written = [path]
    door: dict[str, Any] = {"inputs": inputs_of_all(), "overwrite": True}
    with (
        replacing(path, **door) as part,
        part.open("r+b") as raw,
        tifffile.TiffWriter(raw, ome=True) as file,
    ):
        for data, attributes, _ in images:
            file.write(
                np.asarray(data),
                photometric="minisblack",
                metadata=_ome(data, attributes),
            )
    for data, attributes, _ in (layer for layer in layers if layer[2] == "points"):
        beside = _table_beside(Path(path), str(attributes.get("name", "points")))
        unit = _unit(attributes)
        header = f"y_{unit},x_{unit}"
        points = np.asarray(data) * attributes.get("scale", 1)
        with replacing(beside, **door) as part:
            np.savetxt(part, points, delimiter=",", header=header, comments="")
        written.append(str(beside))
    return written


def _table_beside(path: Path, layer: str) -> Path:
    """Return a name that nothing has yet: napari has asked about the picture alone."""
    stem = path.name.split(".")[0][:100]
    name = re.sub(r"[^\w-]+", "_", layer)[:100]
    for number in ("", *(f"_{n}" for n in range(2, 1000))):
        table = path.with_name(f"{stem}_{name}{number}.csv")
        if not table.exists():
            break
    return table


def _ome(data: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    scale = attributes.get("scale", (1.0,) * np.ndim(data))
    metadata: dict[str, Any] = {
        "axes": "ZCTYX"[-np.ndim(data) :]
        if np.ndim(data) > 3
        else "ZYX"[3 - np.ndim(data) :],
        "Name": attributes.get("name", ""),
    }
    unit = _unit(attributes)
    if unit != "pixel":
        shown = UNITS[unit].symbol if unit in UNITS else unit
        metadata |= {
            "PhysicalSizeY": float(scale[-2]),
            "PhysicalSizeX": float(scale[-1]),
            "PhysicalSizeYUnit": shown,
            "PhysicalSizeXUnit": shown,
        }
    return metadata


def _unit(attributes: dict[str, Any]) -> str:
    """Short name of the layer's length unit."""
    units = attributes.get("units")
    if units is None:
        return "pixel"
    written = f"{units[-1]:~}"
    known = named(written)
    return written if known is None or known.kind == "pixels" else known.name
