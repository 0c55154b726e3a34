"""Snapshots become files and come back: results as HDF5, pictures as OME-TIFF.

Layout of a result, format version 1; lengths in metres, pairs are (y, x)::

    /                attributes: format, format_version, created, epoch, batch, error,
                     seed, elapsed_s, distance_m, pixel_size_m, origin_m
    /object          (H, W) complex64, transmission function
    /probe           (modes, h, w) complex64, square root of counts
    /positions_m     (n, 2) float64: (y, x) of the probe; those of object pixel (0, 0)
                     and of the first view's corner differ by positions_m - origin_m
    /nominal_positions_m  (n, 2), as measured; absent when unknown
    /pattern_error   (n,) float32, NaN where a pattern took no part
    /geometry        attributes: wavelength_m, distance_m, detector_pixel_m,
                     focus_sample_m (absent when unknown), propagation
    /settings        JSON text: algorithm, run, start
    /history         epochs, errors, notes; changes as JSON text
    /state           what the algorithm needs to go on, as nested groups
    /source          attributes: path, sha256
    /versions        attributes: napari-scicompty, torch, numpy, python
    /recipe          TOML text; absent when unknown
"""

from __future__ import annotations

import json
import platform
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

import napari_scicompty
from napari_scicompty.errors import InputError
from napari_scicompty.files import replacing
from napari_scicompty.geometry import Geometry
from napari_scicompty.reading import expanded
from napari_scicompty.scan import Source
from napari_scicompty.snapshot import Change, History, Refined, Snapshot

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from napari_scicompty.recipe import Recipe

    StrPath = str | os.PathLike[str]

FORMAT = "napari-scicompty result"
FORMAT_VERSION = 1

_UNITS = {
    "object": "1",
    "probe": "sqrt(counts)",
    "positions_m": "m",
    "nominal_positions_m": "m",
    "pattern_error": "1",
}
"""Datasets of a result and what they are measured in."""
_NUMBERS = {"epoch": int, "batch": int, "error": float, "seed": int, "elapsed_s": float}
_PAIRS = ("pixel_size_m", "origin_m")


# -- results ------------------------------------------------------------------------
def save_result(
    path: StrPath, snapshot: Snapshot, recipe: Recipe | None = None
) -> None:
    """Save everything a snapshot holds to one HDF5 file, all of it or nothing.

    Parameters
    ----------
    path
        The file; an older one is replaced when the new one is complete.
    snapshot
        Any snapshot, one from mid-epoch too.
    recipe
        How it was made; stored as TOML, with paths relative to the file where they lie
        in its folder.

    Raises
    ------
    InputError
        No snapshot, a folder that is missing or cannot be written, or a full disk.
    """
    if not isinstance(snapshot, Snapshot):
        raise InputError(
            f"snapshot is a {type(snapshot).__name__}; give a Snapshot, such as "
            "reconstruct yields"
        )
    with replacing(path) as part, h5py.File(part, "w") as file:
        file.attrs.update(
            format=FORMAT,
            format_version=FORMAT_VERSION,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            distance_m=snapshot.distance_m,
            **{name: getattr(snapshot, name) for name in (*_NUMBERS, *_PAIRS)},
        )
        for name, units in _UNITS.items():
            if (array := getattr(snapshot, name)) is not None:
                file.create_dataset(name, data=array).attrs["units"] = units
        geometry = {k: v for k, v in asdict(snapshot.geometry).items() if v is not None}
        file.create_group("geometry").attrs.update(geometry)
        file["settings"] = json.dumps(snapshot.settings)
        _save_history(file.create_group("history"), snapshot.history)
        _save_state(file.create_group("state"), snapshot.state)
        file.create_group("source").attrs.update(asdict(snapshot.source))
        file.create_group("versions").attrs.update(_versions())
        if recipe is not None:
            file["recipe"] = recipe.to_toml(Path(path).absolute().parent)


def open_result(path: StrPath) -> Snapshot:
    """Open a saved result; a run continues from it as from the snapshot itself.

    Raises
    ------
    InputError
        A file that is missing, damaged, not a result, or of a newer version.
    """
    with _reading(path) as file:
        geometry = dict(file["geometry"].attrs)
        geometry["detector_pixel_m"] = _pair(geometry["detector_pixel_m"])
        values: dict[str, Any] = {
            **{name: kind(file.attrs[name]) for name, kind in _NUMBERS.items()},
            **{name: _pair(file.attrs[name]) for name in _PAIRS},
            **{name: file[name][()] for name in _UNITS if name in file},
        }
        return Snapshot(
            **values,
            distance_m=float(file.attrs["distance_m"]),
            geometry=Geometry(**geometry),
            settings=json.loads(file["settings"].asstr()[()]),
            source=Source(**file["source"].attrs),
            history=_open_history(file["history"]),
            state=_open_state(file["state"]),
        )


def is_result(path: StrPath) -> bool:
    """Whether this is one of our results (looks at the first bytes only)."""
    try:
        if not Path(path).is_file():  # a pipe would be waited for
            return False
        with h5py.File(path) as file:
            return bool(file.attrs.get("format") == FORMAT)
    except (OSError, ValueError):
        return False


def stored_recipe(path: StrPath) -> str | None:
    """TOML text of the recipe that a result carries.

    Raises
    ------
    InputError
        As in `open_result`.
    """
    with _reading(path) as file:
        return str(file["recipe"].asstr()[()]) if "recipe" in file else None


def provenance(path: StrPath) -> dict[str, str]:
    """When a result was made, and with which versions, by name.

    Raises
    ------
    InputError
        As in `open_result`.
    """
    with _reading(path) as file:
        return {"created": str(file.attrs["created"]), **file["versions"].attrs}


# -- pictures -----------------------------------------------------------------------
def save_ome_tiff(path: StrPath, snapshot: Snapshot) -> None:
    """Save phase (radian) and magnitude as two float32 channels with their place.

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
    metadata: dict[str, Any] = {
        "axes": "CYX",
        "Channel": {"Name": ["phase", "magnitude"]},
    }
    unit, scale = ("nm", 1e9) if min(snapshot.pixel_size_m) < 1e-6 else ("µm", 1e6)
    place: dict[str, Any] = {}
    for axis, pixel, origin in zip(
        "YX", snapshot.pixel_size_m, snapshot.origin_m, strict=True
    ):
        metadata |= {f"PhysicalSize{axis}": pixel * scale}
        metadata |= {f"PhysicalSize{axis}Unit": unit}
        place |= {f"Position{axis}": [origin * scale] * 2}
        place |= {f"Position{axis}Unit": [unit] * 2}
    metadata["Plane"] = place
    with replacing(path) as part:
        tifffile.imwrite(part, channels.astype(np.float32), ome=True, metadata=metadata)


# -- files --------------------------------------------------------------------------
@contextmanager
def _reading(path: StrPath) -> Iterator[h5py.File]:
    """Open a result, and turn what can be wrong with it into sentences."""
    where = expanded(path)
    if not where.is_file():
        raise InputError(f"{where}: no such file; give a saved result (.h5)")
    try:
        with h5py.File(where) as file:
            if file.attrs.get("format") != FORMAT:
                raise InputError(
                    f"{where}: an HDF5 file, but not a result of napari-scicompty; "
                    "open diffraction patterns as a scan instead"
                )
            if file.attrs["format_version"] > FORMAT_VERSION:
                raise InputError(
                    f"{where}: written by a newer napari-scicompty (format version "
                    f"{file.attrs['format_version']}); update it to open this file"
                )
            yield file
    except InputError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{where}: no result can be read, it is damaged or not HDF5 ({error}); use "
            "another copy"
        ) from None


def _pair(values: Any) -> tuple[float, float]:
    return (float(values[0]), float(values[1]))


def _versions() -> dict[str, str]:
    ours = {"napari-scicompty": napari_scicompty.__version__}
    return ours | {
        "torch": version("torch"),
        "numpy": version("numpy"),
        "python": platform.python_version(),
    }


# -- history and state --------------------------------------------------------------
def _save_history(group: h5py.Group, history: History) -> None:
    group["epochs"] = np.array(history.epochs, np.int64)
    group["errors"] = np.array(history.errors, np.float64)
    group["changes"] = json.dumps([asdict(change) for change in history.changes])
    group["held_out"] = json.dumps(history.held_out)
    group["refined"] = json.dumps([asdict(item) for item in history.refined])
    group.create_dataset("notes", data=list(history.notes), dtype=h5py.string_dtype())


def _open_history(group: h5py.Group) -> History:
    return History(
        tuple(group["epochs"][()].tolist()),
        tuple(group["errors"][()].tolist()),
        tuple(Change(**change) for change in json.loads(group["changes"].asstr()[()])),
        tuple(Refined(**item) for item in _texts(group, "refined")),
        tuple((int(epoch), error) for epoch, error in _texts(group, "held_out")),
        tuple(group["notes"].asstr()[()]),
    )


def _texts(group: h5py.Group, name: str) -> list[Any]:
    """Read a list kept as JSON; empty in files that are older than it."""
    found: list[Any] = json.loads(group[name].asstr()[()]) if name in group else []
    return found


def _save_state(group: h5py.Group, state: dict[str, Any]) -> None:
    """Arrays and tensors as datasets, plain values as JSON, dicts as groups."""
    for name, value in state.items():
        if isinstance(value, dict):
            _save_state(group.create_group(name), value)
        elif isinstance(value, np.ndarray | np.generic):
            group[name] = value
        elif hasattr(value, "detach"):
            group[name] = value.detach().cpu().numpy()
            group[name].attrs["tensor"] = True
        else:
            group.attrs[name] = json.dumps(value)


def _open_state(group: h5py.Group) -> dict[str, Any]:
    state = {name: json.loads(text) for name, text in group.attrs.items()}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            state[name] = _open_state(item)
        elif item.attrs.get("tensor"):
            import torch

            state[name] = torch.from_numpy(np.asarray(item[()]))
        else:
            state[name] = np.asarray(item[()])
    return state
