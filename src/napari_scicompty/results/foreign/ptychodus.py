"""Products of Ptychodus (HDF5): probe, object and positions in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.files.hdf5_values import attribute
from napari_scicompty.files.hdf5_writing import new_hdf5
from napari_scicompty.files.writing import never
from napari_scicompty.results.foreign._result import ForeignResult
from napari_scicompty.results.foreign._values import (
    attribute_of,
    first_of,
    has_all,
    pixel_from,
    through,
    values_of,
    wavelength_of,
)

if TYPE_CHECKING:
    import os
    from typing import Unpack

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.files.hdf5_reading import Tree
    from napari_scicompty.files.writing import Door

_OBJECT, _PROBE = "object", "probe"
_POSITIONS = ("probe_position_y_m", "probe_position_x_m")
_INDEXES = "probe_position_indexes"
_PIXEL = ("pixel_height_m", "pixel_width_m")
_CENTRE = ("center_y_m", "center_x_m")
_DISTANCE, _FOCUS = "detector_object_distance_m", "focus_object_distance_m"
_ENERGIES = ("photon_energy_eV", "probe_energy_eV")
"""Name of the energy, now and before version 1.7."""
_ATTENUATIONS = ("mass_attenuation_m2_per_kg", "mass_attenuation_m2_kg")


def recognises(file: Tree) -> bool:
    """Whether a file has an object, a probe and positions by these names.

    Parameters
    ----------
    file : Tree
        The open file.
    """
    return has_all(file, (_OBJECT, _PROBE, *_POSITIONS))


def read(file: Tree) -> ForeignResult:
    """Read a product; its positions are those of the middles of views.

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
        What holds no numbers.
    """
    layers, notes = through(values_of(file, _OBJECT)[None], 1)
    object, _ = first_of(layers, 2, "object")
    probe, more = first_of(values_of(file, _PROBE), 3, "orthogonal probes of the scan")
    item = file[_OBJECT]
    energies = (attribute_of(file.file, name) for name in _ENERGIES)
    pixel = pixel_from(*(attribute_of(item, name) for name in _PIXEL))
    positions = np.stack([values_of(file, name) for name in _POSITIONS], 1)
    origin = None
    if pixel is not None:
        centre = np.array([float(attribute(item, name, 0.0)) for name in _CENTRE])
        y, x = centre - np.multiply(object.shape, pixel) / 2
        origin = float(y), float(x)
        positions = positions - np.multiply(probe.shape[-2:], pixel) / 2
    return ForeignResult(
        "Ptychodus",
        file.path,
        object,
        probe,
        pixel,
        positions,
        origin,
        wavelength_of(next(filter(None, energies), None)),
        attribute_of(file.file, _DISTANCE),
        (*notes, *more),
    )


def save_product(
    path: str | os.PathLike[str], snapshot: Snapshot, **door: Unpack[Door]
) -> None:
    """Save object, probe modes and positions as a product of Ptychodus.

    Parameters
    ----------
    path : path
        Where to write: HDF5, such as ``product.h5``.
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
    pixel, geometry = np.array(snapshot.pixel_size_m), snapshot.geometry
    middles = snapshot.positions_m + np.multiply(snapshot.probe.shape[-2:], pixel) / 2
    centre = snapshot.origin_m + np.multiply(snapshot.object.shape, pixel) / 2
    door = {"ours": never, **door}
    door["inputs"] = (*door.get("inputs", ()), *snapshot.source.files)
    with new_hdf5(path, **door) as file:
        file.attrs.update(
            {
                "name": "napari-scicompty",
                "comments": f"epoch {snapshot.epoch}",
                _DISTANCE: snapshot.distance_m,
                _FOCUS: -(geometry.focus_sample_m or 0.0),
                "far_field": geometry.propagation == "far-field",
                "probe_photon_count": float((np.abs(snapshot.probe) ** 2).sum()),
                "exposure_time_s": 0.0,
            }
            | dict.fromkeys(_ENERGIES, geometry.energy_ev)
            | dict.fromkeys(_ATTENUATIONS, 0.0)
        )
        file[_INDEXES] = np.arange(len(middles))
        for axis, name in enumerate(_POSITIONS):
            file[name] = middles[:, axis]
        object = file.create_dataset(_OBJECT, data=snapshot.object[None])
        probe = file.create_dataset(_PROBE, data=snapshot.probe[None])
        for item in (object, probe):
            item.attrs.update(zip(_PIXEL, pixel, strict=True))
        object.attrs.update(zip(_CENTRE, centre, strict=True))
        file["object_layer_spacing_m"] = np.zeros(0)
        file["loss_epochs"] = np.array(snapshot.history.epochs, np.int64)
        file["loss_values"] = np.array(snapshot.history.errors, np.float64)
