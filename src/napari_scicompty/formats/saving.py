"""Scans become CXI files that read back as they were, with the truth beside them.

NXcxi_ptycho (.nxs) is the same tree with more in it, .ptyd is that of PtyPy. Beside
what CXI has a place for, the group ``/napari_scicompty`` holds::

    geometry     attributes: every field of the geometry
    excluded     patterns that take no part
    report       what was assumed or converted before
    truth        object, probe, positions and what else the truth has; of a simulation
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import h5py
import numpy as np
from scipy import constants

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.geometry import Geometry, check_fields
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.data.checks import CHECKS
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.files.hdf5_writing import new_hdf5, refuse_damaged
from napari_scicompty.files.reading import expanded
from napari_scicompty.files.writing import never
from napari_scicompty.formats import cxi
from napari_scicompty.formats._cxi_beam import SOURCE
from napari_scicompty.formats.nexus import add_to_cxi
from napari_scicompty.formats.saving_ptyd import check_fits, save_ptyd

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from dataclasses import Field
    from typing import Unpack

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.files.hdf5_reading import Tree
    from napari_scicompty.files.writing import Door

    StrPath = str | os.PathLike[str]


class Dataclass(Protocol):
    """Any dataclass, such as the `Truth` of a virtual experiment."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


KINDS = {"cxi": (".cxi", ".h5", ".hdf5"), "nexus": (".nxs",), "ptyd": (".ptyd",)}
"""Formats of a saved scan: how a name ends that means them."""
SUFFIXES = (*KINDS["cxi"], *KINDS["nexus"])
"""How the name of a scan may end that is saved with its truth."""
_TRUTH = f"{cxi.OWN}/truth"
_CHUNK_BYTES = 2**20


def save_scan(
    path: StrPath,
    scan: Scan,
    truth: Dataclass | None = None,
    kind: str | None = None,
    **door: Unpack[Door],
) -> None:
    """Save a scan as one HDF5 file (gzip), all of it or nothing.

    `open_scan` reads CXI and NXcxi_ptycho back exactly; other programs that know them
    read them, too. A .ptyd of PtyPy holds the patterns that take part, the mask as
    weights, positions, energy, distance and pixel of a far-field scan, and no more.

    Parameters
    ----------
    path
        The file; one that is there is replaced with ``overwrite=True`` only.
    scan
        Patterns, positions, mask and geometry as they are, after all preparation.
    truth
        What a virtual experiment was made of; `open_truth` reads it back.
    kind : {"cxi", "nexus", "ptyd"}, optional
        The format; by the end of the name when left out: .nxs, .ptyd, else CXI.
    **door
        ``overwrite=True`` replaces a file that this program did not write.

    Raises
    ------
    InputError
        A name with another suffix, another kind, a near-field scan or a truth for
        .ptyd, a file that the scan was opened from or that this
        program did not write, a folder that is missing or cannot be written, or a full
        disk.
    """
    kind = _kind_of(path, kind)
    if kind == "ptyd":
        check_fits(path, scan, truth)
    door = {"ours": never, **door}  # a scan may be all that there is
    door["inputs"] = (*door.get("inputs", ()), *scan.source.files)
    with new_hdf5(path, **door) as file:
        if kind == "ptyd":
            save_ptyd(file, scan)
            return
        file["cxi_version"] = 160 if kind == "nexus" else 150
        _save_detector(file, scan)
        _save_beam(file, scan.geometry)
        _save_positions(file, scan)
        if kind == "nexus":
            add_to_cxi(file)
        own = file.create_group(cxi.OWN)
        _save_values(own.create_group("geometry"), _fields(scan.geometry))
        own["excluded"] = np.array(scan.excluded, np.int64)
        lasting = [str(f) for f in scan.findings if f.code not in CHECKS]
        report = [*scan.notes, *lasting]
        own.create_dataset("report", data=report, dtype=h5py.string_dtype())
        own.attrs.update(source_path=scan.source.path, source_sha256=scan.source.sha256)
        if truth is not None:
            _save_values(file.create_group(_TRUTH), _fields(truth))


def _kind_of(path: StrPath, kind: str | None) -> str:
    """Choose the format of a scan by what was asked for, or by the end of its name."""
    suffix = Path(path).suffix.lower()
    if kind is None:
        kind = next((k for k, ends in KINDS.items() if suffix in ends), None)
        if kind is None:
            ends = [end for known in KINDS.values() for end in known]
            raise InputError(f"{path}: end the name of a scan with {' or '.join(ends)}")
    if kind not in KINDS:
        raise InputError(f"kind is {kind!r}; choose among {', '.join(KINDS)}")
    return kind


def stored_truth(path: StrPath) -> dict[str, Any]:
    """Read what a saved scan was made of, by the names of the truth's fields.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    dict
        Name of a field of `Truth` to its value.

    Raises
    ------
    InputError
        A file that is missing or damaged, or holds no truth.
    """
    where = expanded(path)
    refuse_damaged(where)
    with opened(where, "CXI or HDF5 file") as file:
        if _TRUTH not in file:
            raise InputError(
                f"{where}: holds no truth; give a scan that was simulated and saved "
                "with its truth"
            )
        return _open_values(file, _TRUTH)


# -- what CXI has a place for -------------------------------------------------------
def _save_detector(file: h5py.File, scan: Scan) -> None:
    h, w = scan.frame_shape
    detector = file.create_group(cxi.DETECTOR)
    frame_bytes = h * w * scan.patterns.dtype.itemsize
    frames = max(1, min(len(scan), _CHUNK_BYTES // frame_bytes))
    data = detector.create_dataset(
        "data",
        scan.patterns.shape,
        scan.patterns.dtype,
        chunks=(frames, h, w),
        compression="gzip",
        shuffle=True,
        fletcher32=True,
    )
    for first in range(0, len(scan), frames):
        data[first : first + frames] = scan.patterns[first : first + frames]
    file[cxi.DATA[0]] = h5py.SoftLink(data.name)
    if scan.mask is not None:
        detector["mask"] = np.where(scan.mask, 0, cxi.BAD).astype(np.uint32)
    pixel = scan.geometry.detector_pixel_m
    basis = cxi.DEFAULT_BASIS * np.array(pixel)[:, None]
    metres = {
        "distance": scan.geometry.distance_m,
        "y_pixel_size": pixel[0],
        "x_pixel_size": pixel[1],
        "basis_vectors": basis,
    }
    for name, value in metres.items():
        detector[name] = value
        detector[name].attrs["units"] = "m"


def _save_beam(file: h5py.File, geometry: Geometry) -> None:
    source = file.create_group(SOURCE)
    source["wavelength"] = geometry.wavelength_m
    source["wavelength"].attrs["units"] = "m"
    source["energy"] = geometry.energy_ev * constants.e
    source["energy"].attrs["units"] = "J"


def _save_positions(file: h5py.File, scan: Scan) -> None:
    """Save the motion of the sample, which is the probe's with the other sign."""
    motion = -(scan.positions_m @ cxi.DEFAULT_BASIS)
    file[cxi.TRANSLATION[1]] = motion
    file[cxi.TRANSLATION[1]].attrs["units"] = "m"
    file[cxi.TRANSLATION[0]] = h5py.SoftLink(f"/{cxi.TRANSLATION[1]}")


# -- what it has none for -----------------------------------------------------------
def _fields(of: Any) -> dict[str, Any]:
    return {field.name: getattr(of, field.name) for field in dataclasses.fields(of)}


def _save_values(group: h5py.Group, values: Mapping[str, object]) -> None:
    """Numbers, pairs and words as attributes, arrays as datasets, a geometry below."""
    for name, value in values.items():
        if isinstance(value, Geometry):
            _save_values(group.create_group(name), _fields(value))
        elif isinstance(value, np.ndarray):
            group.create_dataset(name, data=value, compression="gzip", shuffle=True)
        elif value is not None:
            group.attrs[name] = value


def _open_values(file: Tree, place: str) -> dict[str, Any]:
    values = cxi.attributes(file[place])
    for name in file[place]:
        item = file[f"{place}/{name}"]
        if isinstance(item, h5py.Group):
            fields = cxi.attributes(item)
            check_fields(fields, str(file.path))
            values[name] = Geometry(**fields)
        else:
            values[name] = read_small(item, "uifc", room_for_a_stack())
    return values
