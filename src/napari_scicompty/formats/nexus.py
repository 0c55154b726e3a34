"""NXcxi_ptycho: what its definition asks for beside CXI, and what a file lacks of it.

A scan does not know all that the definition asks for: the energy spread is not a
number (NaN), the source has no name. The energy of the source is that of the photons,
as programs that read CXI take it; the beam, which goes first, has the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import h5py
import numpy as np

from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import attribute
from napari_scicompty.files.reading import expanded

if TYPE_CHECKING:
    import os

_ENTRY = "entry_1"
_INSTRUMENT = f"{_ENTRY}/instrument_1"
_SOURCE, _BEAM = f"{_INSTRUMENT}/source_1", f"{_INSTRUMENT}/beam_1"
_DETECTOR = f"{_INSTRUMENT}/detector_1"
_SAMPLE = f"{_ENTRY}/sample_1"
_PLOT = f"{_ENTRY}/diffraction"
DEFINITION = "NXcxi_ptycho"

_CLASSES = {
    _ENTRY: "NXentry",
    _INSTRUMENT: "NXinstrument",
    _SOURCE: "NXsource",
    _BEAM: "NXbeam",
    _DETECTOR: "NXdetector",
    f"{_DETECTOR}/transformations": "NXtransformations",
    _PLOT: "NXdata",
    f"{_ENTRY}/data_1": "NXcollection",
    _SAMPLE: "NXsample",
    f"{_SAMPLE}/transformations": "NXtransformations",
    f"{_SAMPLE}/geometry_1": "NXcollection",
}
"""Groups that must be there, and their classes."""
_FIELDS: dict[str, tuple[str, ...]] = {
    f"{_ENTRY}/definition": (),
    f"{_SOURCE}/name": (),
    f"{_SOURCE}/energy": (),
    f"{_SOURCE}/probe": (),
    f"{_SOURCE}/type": (),
    f"{_BEAM}/energy": ("units",),
    f"{_BEAM}/incident_beam_energy": ("units",),
    f"{_BEAM}/incident_energy_spread": ("units",),
    f"{_DETECTOR}/transformations/vector": (),
    f"{_DETECTOR}/translation": ("units", "axes", "interpretation"),
    f"{_DETECTOR}/data": (),
    f"{_DETECTOR}/x_pixel_size": ("units",),
    f"{_DETECTOR}/y_pixel_size": ("units",),
    f"{_DETECTOR}/distance": ("units",),
    f"{_ENTRY}/data_1/data": (),
    f"{_ENTRY}/data_1/translation": (),
    f"{_SAMPLE}/transformations/x": ("units",),
    f"{_SAMPLE}/transformations/y": ("units",),
    f"{_SAMPLE}/geometry_1/translation": (),
}
"""Fields that must be there, and the attributes that they must have."""
_PLOTTED = ("data", "x", "y", "x_indices", "y_indices")
_PLOT_ATTRIBUTES = ("axes", "signal")


def missing_of_nexus(path: str | os.PathLike[str]) -> list[str]:
    """Name what a file lacks of the definition NXcxi_ptycho.

    Parameters
    ----------
    path : path
        An HDF5 file.

    Returns
    -------
    list of str
        Groups with another class, fields that are missing, and attributes as
        ``field@name``; empty where the file has all that is required.

    Raises
    ------
    InputError
        A file that is missing, damaged, or no HDF5.
    """
    with opened(expanded(path), "NeXus file") as file:
        lacking = [
            f"{name}@NX_class={kind}"
            for name, kind in _CLASSES.items()
            if name != _PLOT and _class_of(file.get(name)) != kind
        ]
        fields = dict(_FIELDS)
        entry = file.get(_ENTRY)
        names = entry if isinstance(entry, h5py.Group) else ()
        plot = next(
            (
                f"{_ENTRY}/{name}"
                for name in names
                if _class_of(file.get(f"{_ENTRY}/{name}")) == _CLASSES[_PLOT]
            ),
            None,
        )
        if plot is None:
            lacking.append(f"{_ENTRY}: no group of class {_CLASSES[_PLOT]}")
        else:
            fields |= {f"{plot}/{name}": () for name in _PLOTTED}
            held = file[plot].attrs
            lacking += [f"{plot}@{a}" for a in _PLOT_ATTRIBUTES if a not in held]
        for name, attributes in fields.items():
            item = file.get(name)
            if not isinstance(item, h5py.Dataset):
                lacking.append(name)
                continue
            lacking += [f"{name}@{a}" for a in attributes if a not in item.attrs]
        definition = file.get(f"{_ENTRY}/definition")
        if isinstance(definition, h5py.Dataset) and _text(definition) != DEFINITION:
            lacking.append(f"{_ENTRY}/definition is not {DEFINITION}")
        return lacking


def _class_of(item: object) -> str:
    is_group = isinstance(item, h5py.Group)
    return str(attribute(item, "NX_class", "")) if is_group else ""


def _text(item: h5py.Dataset) -> str:
    is_text = item.shape == () and h5py.check_string_dtype(item.dtype) is not None
    return str(item.asstr()[()]) if is_text else ""


def add_to_cxi(file: h5py.File) -> None:
    """Add to a scan that is written as CXI what NXcxi_ptycho asks for beside.

    Parameters
    ----------
    file : h5py.File
        Open for writing, with detector, source and translation of CXI in it.
    """
    for name, kind in _CLASSES.items():
        file.require_group(name).attrs["NX_class"] = kind
    file[f"{_ENTRY}/definition"] = DEFINITION
    source, beam, detector = file[_SOURCE], file[_BEAM], file[_DETECTOR]
    source["name"] = source["type"] = "unknown"
    source["probe"] = "x-ray"
    joule = float(source["energy"][()])
    for name, value in (
        ("energy", joule),
        ("incident_beam_energy", joule),
        ("incident_energy_spread", math.nan),
    ):
        beam[name] = value
        beam[name].attrs["units"] = "J"
    detector.attrs.update(axes="[, data]", signal="data")
    detector["data"].attrs["signal"] = 1
    detector["transformations/vector"] = np.array([0.0, 0.0, 1.0])
    _add_positions(file)
    plot = file[_PLOT]
    plot.attrs.update(axes="[x,.]", signal="data")
    plot["data"] = h5py.SoftLink(f"/{_DETECTOR}/data")
    for axis in "xy":
        plot[axis] = h5py.SoftLink(f"/{_SAMPLE}/transformations/{axis}")
        plot[f"{axis}_indices"] = "0"


def _add_positions(file: h5py.File) -> None:
    """Link translations from the detector, and write x and y apart."""
    translation = file[f"{_SAMPLE}/geometry_1/translation"]
    translation.attrs.update(axes="translation:y:x", interpretation="image")
    file[f"{_DETECTOR}/translation"] = h5py.SoftLink(translation.name)
    motors = file[f"{_SAMPLE}/transformations"]
    motors.attrs["vector"] = np.array([1.0, 1.0, 0.0])
    for column, (axis, vector) in enumerate((("x", (1.0, 0, 0)), ("y", (0, 1.0, 0)))):
        motors[axis] = translation[:, column]
        motors[axis].attrs.update(
            units="m", vector=vector, transformation_type="translation"
        )
