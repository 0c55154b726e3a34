"""Parts of a result file: how each is written, read and checked."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from napari_scicompty.core.geometry import Geometry
from napari_scicompty.core.host_memory import available_bytes
from napari_scicompty.core.renamed import migrated, migrated_path
from napari_scicompty.data.scan import Source
from napari_scicompty.data.snapshot import Change, History, Refined, RunRecord
from napari_scicompty.files.hdf5_values import check_bomb
from napari_scicompty.files.reading import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.files.hdf5_reading import Item

ARRAYS = {
    "object": ("1", "c", 2),
    "probe": ("sqrt(counts)", "c", 3),
    "positions_m": ("m", "f", 2),
    "nominal_positions_m": ("m", "f", 2),
    "pattern_error": ("1", "f", 1),
}
"""Datasets of a result: unit, kind of their dtype, number of axes."""
_LONGEST_TEXT = 2**26
"""Bytes of a text that is read from a result."""


# -- arrays and numbers -------------------------------------------------------------
def has(group: h5py.Group, name: str) -> bool:
    """Whether a group has a part of this name; no link is followed."""
    return group.get(name, getlink=True) is not None


def own(group: h5py.Group, name: str) -> Item:
    """Look up a part of the file itself; a link might lead to a pipe, or anywhere.

    Raises
    ------
    KeyError, ValueError, InputError
        It is missing, a link, virtual, or claims more than was stored or fits memory.
    """
    if not has(group, name):
        raise KeyError(f"{name} is missing")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} is a link")
    item = group[name]
    if isinstance(item, h5py.Dataset):
        if item.is_virtual or item.external:
            raise ValueError(f"{name} lies in other files")
        check_bomb(item)
        if item.nbytes > available_bytes() / 2:
            raise ValueError(f"{name} claims {item.nbytes / 1e9:.3g} GB")
    return item


def array(file: h5py.File, name: str) -> Any:
    """Read an array of a result, after making sure that it is one.

    Raises
    ------
    ValueError
        Other axes, another kind of numbers, or more than the memory holds.
    """
    data, (_, kind, axes) = own(file, name), ARRAYS[name]
    if not isinstance(data, h5py.Dataset):
        raise ValueError(f"{name} is no dataset")
    if data.ndim != axes or data.dtype.kind != kind or 0 in data.shape:
        raise ValueError(f"{name} is of shape {data.shape} and type {data.dtype}")
    return data[()]


def check_sizes(found: Snapshot) -> None:
    """Refuse arrays that do not belong together, before they meet in a run."""
    count, (h, w) = len(found.positions_m), found.probe.shape[-2:]
    nominal = found.nominal_positions_m
    fits = (
        found.positions_m.shape == (count, 2)
        and (nominal is None or nominal.shape == (count, 2))
        and found.pattern_error.shape == (count,)
        and found.object.shape[0] >= h
        and found.object.shape[1] >= w
        and np.isfinite(found.positions_m).all()
        and min(found.epoch, found.batch, found.seed) >= 0
        and all(0 < pixel < math.inf for pixel in found.pixel_size_m)
        and np.isfinite(found.origin_m).all()
        and 0 < found.distance_m < math.inf
    )
    if not fits:
        raise ValueError("its arrays and numbers do not belong together")


# -- text --------------------------------------------------------------------------
def pair(values: Iterable[float]) -> tuple[float, float]:
    y, x = values
    return (float(y), float(x))


def text_of(group: h5py.Group, name: str) -> str:
    data = own(group, name)
    if not isinstance(data, h5py.Dataset) or data.shape != ():
        raise ValueError(f"{name} is no text")
    text = str(data.asstr()[()])
    if len(text) > _LONGEST_TEXT:
        raise ValueError(f"{name} is longer than any of ours")
    return text


def _json(group: h5py.Group, name: str, kind: type[object]) -> Any:
    """Read JSON of one kind; empty in files that are older than it."""
    if not has(group, name):
        return kind()
    try:
        found = json.loads(text_of(group, name))
    except RecursionError as error:
        raise ValueError(f"{name} is nested too deep") from error
    if not isinstance(found, kind):
        raise ValueError(f"{name} is no {kind.__name__}")
    return found


# -- groups ------------------------------------------------------------------------
def open_geometry(group: h5py.Group) -> Geometry:
    values = dict(group.attrs)
    pixel = values.pop("detector_pixel_m")
    return Geometry(**values, detector_pixel_m=pair(pixel))


def open_settings(data: h5py.Dataset) -> dict[str, object]:
    settings: dict[str, object] = _json(data.parent, "settings", dict)
    if not all(isinstance(group, dict) for group in settings.values()):
        raise ValueError("settings are no groups of settings")
    migrated_settings: dict[str, object] = migrated(settings)
    return migrated_settings


def save_source(group: h5py.Group, source: Source) -> None:
    group.attrs.update(path=as_text(source.path), sha256=source.sha256)
    group["files"] = json.dumps(source.files)
    group["opened"] = json.dumps(source.opened)


def open_source(group: h5py.Group) -> Source:
    return Source(
        str(group.attrs["path"]),
        str(group.attrs["sha256"]),
        tuple(map(str, _json(group, "files", list))),
        _json(group, "opened", dict),
    )


def _run_record(item: dict[str, Any]) -> RunRecord:
    lists = {name: tuple(item[name]) for name in ("refine", "excluded")}
    return RunRecord(**item | lists)


def _change(item: dict[str, Any]) -> Change:
    return Change(**item | {"path": migrated_path(str(item["path"]))})


_LISTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "changes": _change,
    "refined": lambda item: Refined(**item),
    "runs": _run_record,
}
"""Parts of a history that are kept as JSON, and how an item is read."""


def save_history(group: h5py.Group, history: History) -> None:
    group["epochs"] = np.array(history.epochs, np.int64)
    group["errors"] = np.array(history.errors, np.float64)
    group["edits"] = np.array(history.edits, np.int64)
    group["held_out"] = json.dumps(history.held_out)
    for name in _LISTS:
        group[name] = json.dumps([asdict(item) for item in getattr(history, name)])
    group.create_dataset(
        "notes",
        data=[as_text(note) for note in history.notes],
        dtype=h5py.string_dtype(),
    )


def open_history(group: h5py.Group) -> History:
    epochs, errors = own(group, "epochs")[()], own(group, "errors")[()]
    edits = own(group, "edits")[()].tolist() if has(group, "edits") else ()
    if epochs.ndim != 1 or epochs.shape != errors.shape:
        raise ValueError("epochs and errors of the history do not belong together")
    lists = {
        name: tuple(read(migrated(item)) for item in _json(group, name, list))
        for name, read in _LISTS.items()
    }
    return History(
        epochs=tuple(epochs.tolist()),
        errors=tuple(errors.tolist()),
        held_out=tuple((int(e), float(x)) for e, x in _json(group, "held_out", list)),
        notes=tuple(map(str, own(group, "notes").asstr()[()])),
        edits=tuple(edits),
        **lists,
    )


def save_state(group: h5py.Group, state: dict[str, object]) -> None:
    """Arrays and tensors as datasets, plain values as JSON, dicts as groups."""
    for name, value in state.items():
        if isinstance(value, dict):
            save_state(group.create_group(name), value)
        elif isinstance(value, np.ndarray | np.generic):
            group[name] = value
        elif hasattr(value, "detach"):
            group[name] = value.detach().cpu().numpy()
            group[name].attrs["tensor"] = True
        else:
            group.attrs[name] = json.dumps(value)


def open_state(group: h5py.Group) -> dict[str, object]:
    state = {name: json.loads(text) for name, text in group.attrs.items()}
    for name in group:
        item = own(group, name)
        if isinstance(item, h5py.Group):
            state[name] = open_state(item)
        elif item.attrs.get("tensor"):
            import torch

            state[name] = torch.from_numpy(np.asarray(item[()]))
        else:
            state[name] = np.asarray(item[()])
    return state
