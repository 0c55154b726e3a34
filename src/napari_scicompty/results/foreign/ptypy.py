"""Results of PtyPy (.ptyr): storages of object, probe and positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_writing import new_hdf5
from napari_scicompty.files.writing import never
from napari_scicompty.results.foreign._result import ForeignResult
from napari_scicompty.results.foreign._values import (
    columns_of,
    first_of,
    number_of,
    pair_of,
    pixel_of,
    values_of,
    wavelength_of,
)

if TYPE_CHECKING:
    import os
    from typing import Unpack

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.files.hdf5_reading import Tree
    from napari_scicompty.files.writing import Door

_OBJECTS, _PROBES, _POSITIONS = "content/obj", "content/probe", "content/positions"
_STORAGE = "SMFG00"
"""Name of the storage that is written."""


def recognises(file: Tree) -> bool:
    """Whether a file has the groups of objects and of probes.

    Parameters
    ----------
    file : Tree
        The open file.
    """
    return all(isinstance(file.get(n), h5py.Group) for n in (_OBJECTS, _PROBES))


def read(file: Tree) -> ForeignResult:
    """Read the first storages; positions are those of the middles of views.

    Parameters
    ----------
    file : Tree
        The open file.

    Returns
    -------
    ForeignResult
        Unchecked.

    Raises
    ------
    InputError
        No storage with data.
    """
    at, of_probe = (_first_storage(file, group) for group in (_OBJECTS, _PROBES))
    layers, probe = values_of(file, f"{at}/data"), values_of(file, f"{of_probe}/data")
    object, notes = first_of(layers, 2, "layers of the object")
    pixel = pixel_of(file, f"{at}/_psize")
    positions = columns_of(file, f"{_POSITIONS}/{at.rpartition('/')[2]}")
    if positions is None:
        notes.append("the file holds no positions (io.autosave of PtyPy can keep them)")
    elif pixel is not None:
        positions = positions - np.multiply([n // 2 for n in probe.shape[-2:]], pixel)
    energy = number_of(file, f"{at}/_energy")
    return ForeignResult(
        "PtyPy",
        file.path,
        object,
        probe.astype(np.complex64),
        pixel,
        positions,
        pair_of(file, f"{at}/_origin"),
        wavelength_of(None if energy is None else energy * 1e3),
        report=tuple(notes),
    )


def _first_storage(file: Tree, group: str) -> str:
    storages = file.get(group)
    assert isinstance(storages, h5py.Group)
    names = [name for name in storages if f"{group}/{name}/data" in file]
    if not names:
        raise InputError(f"{file.path}: /{group} holds no storage; save it anew")
    return f"{group}/{names[0]}"


def save_ptyr(
    path: str | os.PathLike[str], snapshot: Snapshot, **door: Unpack[Door]
) -> None:
    """Save object, probe modes and positions as a result of PtyPy.

    Parameters
    ----------
    path : path
        Where to write: HDF5, such as ``result.ptyr``.
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    **door
        As in `files.writing.replacing`: ``overwrite=True``.

    Raises
    ------
    InputError
        A folder that is missing or cannot be written, a file that this program did
        not write, or a full disk.
    """
    pixel = np.array(snapshot.pixel_size_m)
    view = snapshot.probe.shape[-2:]
    energy = snapshot.geometry.energy_ev / 1e3
    door = {"ours": never, **door}
    door["inputs"] = (*door.get("inputs", ()), *snapshot.source.files)
    with new_hdf5(path, **door) as file:
        file["header/kind"] = "minimal"
        file["header/description"] = "written by napari-scicompty"
        for group, data, origin in (
            (_OBJECTS, snapshot.object[None], np.array(snapshot.origin_m)),
            (_PROBES, snapshot.probe, -np.multiply([n // 2 for n in view], pixel)),
        ):
            storage = file.create_group(f"{group}/{_STORAGE}")
            storage["data"], storage["ID"] = data, _STORAGE
            storage["_psize"], storage["_origin"] = pixel, origin
            storage["_center"] = -origin / pixel
            storage["_energy"] = energy
        middles = snapshot.positions_m + np.multiply([n // 2 for n in view], pixel)
        file[f"{_POSITIONS}/{_STORAGE}"] = middles
