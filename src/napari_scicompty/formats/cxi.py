"""CXI (HDF5): the dialects of cdtools and PyNX, SI units, energy in joule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.geometry import check_fields
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.formats._cxi_beam import beam_of
from napari_scicompty.formats._hdf5 import filled_in, in_si, load, unit_of
from napari_scicompty.formats._raw import Positions, Raw, as_stack, grid_of, summary
from napari_scicompty.formats.masks import SIGNAL

if TYPE_CHECKING:
    from pathlib import Path

    import h5py
    from numpy.typing import NDArray

    from napari_scicompty.files.hdf5_reading import Tree
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "CXI or HDF5 file"
DETECTOR = "entry_1/instrument_1/detector_1/"
DATA = ("entry_1/data_1/data", DETECTOR + "data")
TRANSLATION = (
    "entry_1/data_1/translation",
    "entry_1/sample_1/geometry_1/translation",
    DETECTOR + "translation",
)
AXES = (
    "entry_1/data_1/",
    "entry_1/sample_1/transformations/",
    "entry_1/sample_1/geometry_1/",
)
"""Where x and y lie that are not in one array."""
OWN = "napari_scicompty"
"""Group of what CXI has no place for; see `formats.saving`."""
BAD = 0x1
"""Mask bit of a pixel that is not valid."""
DEFAULT_BASIS = np.array([[0.0, -1, 0], [-1, 0, 0]])
"""Directions (x, y, z) of the slow and the fast axis of the frames."""


def recognises(path: Path) -> bool:
    """Whether a file has the tree of CXI.

    Parameters
    ----------
    path : Path
        The file.
    """
    with opened(path, _KIND) as file:
        return _first(file, DATA) is not None


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read patterns, positions, mask and geometry.

    The file holds the motion of the sample, so translations are negated; they are
    projected on the basis vectors of the detector, which gives row = +y, column = +x
    for the default basis.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    Raw
        What the file holds, unchecked.

    Raises
    ------
    InputError
        A file that is missing, empty or damaged, without data or translations, with
        translations that are not finite, or in a unit that is not known.
    """
    with opened(path, _KIND, choices.allow_external) as file:
        data = _first(file, DATA)
        if data is None:
            raise InputError(
                f"{path}: has no diffraction data at /{DATA[0]} or /{DATA[1]}; "
                "give a CXI file with raw patterns"
            )
        array, how = load(data, path)
        patterns, notes = as_stack(array, path)
        absent, present = filled_in(file.missing(data), array.shape)
        basis, basis_note = _basis(file, path)
        grid = grid_of(array.shape)
        positions = _positions(file, path, len(patterns), basis, grid)
        geometry, geometry_notes = _geometry(file, path, basis)
        beam = beam_of(file, path)
        if beam.wavelength_m is not None:
            geometry["wavelength_m"] = beam.wavelength_m
        own_geometry, excluded, own_report = _own(file)
        mask = _mask(file)
        report = (
            *own_report,
            *notes,
            summary(path, patterns, how),
            *beam.notes,
            *geometry_notes,
            basis_note,
            *_unused(file),
            *file.notes,
        )
        if mask is not None:
            bad = np.count_nonzero(~mask)
            report = (*report, f"{bad} pixel(s) masked by the file")
        if present is not None:
            mask = present if mask is None else mask & present
        return Raw(
            patterns,
            (path,),
            positions,
            mask,
            geometry | own_geometry,
            report,
            excluded=(*excluded, *absent),
            grid=grid,
            unused={"wavelength_m": beam.unused} if beam.unused else {},
            energy_ev=None if "wavelength_m" in own_geometry else beam.energy_ev,
        )


def _first(file: Tree, names: tuple[str, ...]) -> h5py.Dataset | None:
    return next((file[name] for name in names if name in file), None)


def _number(file: Tree, name: str, path: Path) -> float | None:
    if name not in file:
        return None
    values = in_si(file[name], path)
    if values.ndim > 2 or not values.size:
        raise InputError(
            f"{path}: {name} has shape {values.shape}; one number is needed"
        )
    return float(values.flat[0])


def _geometry(
    file: Tree, path: Path, basis: NDArray[np.float64]
) -> tuple[dict[str, object], list[str]]:
    values: dict[str, object] = {}
    distance = _number(file, DETECTOR + "distance", path)
    notes = []
    if distance is None and DETECTOR + "corner_position" in file:
        corner = in_si(file[DETECTOR + "corner_position"], path).ravel()
        distance = abs(float(np.cross(*basis) @ corner[:3]))
        notes.append("distance: from corner_position along the detector's normal")
    if distance is not None and not 0 < abs(distance) < np.inf:
        notes.append(f"distance of {distance:.3g} m in the file: not used")
    elif distance is not None:
        values["distance_m"] = abs(distance)
    x, y = (_number(file, DETECTOR + f"{axis}_pixel_size", path) for axis in "xy")
    sizes = [size for size in (x, y) if size is not None]
    if sizes and not all(0 < size < np.inf for size in sizes):
        shown = " x ".join(f"{size:.3g}" for size in sizes)
        notes.append(f"detector pixel of {shown} m in the file: not used")
        return values, notes
    if sizes:
        pixel = np.abs(basis) @ (sizes[0], sizes[-1], 0)
    elif DETECTOR + "basis_vectors" in file:
        pixel = np.linalg.norm(_stored_basis(file, path), axis=1)
    else:
        return values, notes
    values["detector_pixel_m"] = (float(pixel[0]), float(pixel[1]))
    return values, notes


def _stored_basis(file: Tree, path: Path) -> NDArray[np.float64]:
    """Basis vectors as rows (slow, fast) x (x, y, z); files hold either layout."""
    stored = in_si(file[DETECTOR + "basis_vectors"], path)
    return stored.T if stored.shape == (3, 2) else stored


def _basis(file: Tree, path: Path) -> tuple[NDArray[np.float64], str]:
    """Find the unit vectors of the slow and fast axis, and say so."""
    if DETECTOR + "basis_vectors" not in file:
        return DEFAULT_BASIS, "basis vectors: none in the file, slow axis -y, fast -x"
    stored = _stored_basis(file, path)
    lengths = np.linalg.norm(stored, axis=1) if stored.shape == (2, 3) else np.zeros(1)
    if not (np.isfinite(lengths).all() and lengths.all()):
        raise InputError(
            f"{path}: basis_vectors of shape {stored.shape} do not give two "
            "directions; mend or remove them"
        )
    unit = stored / lengths[:, None]
    slow, fast = (_direction(vector) for vector in unit)
    return unit, f"basis vectors: slow axis {slow}, fast axis {fast}"


def _direction(vector: NDArray[np.float64]) -> str:
    axis = int(np.abs(vector).argmax())
    name = ("-" if vector[axis] < 0 else "+") + "xyz"[axis]
    return name if abs(vector[axis]) > 0.999 else f"about {name}"


def _positions(
    file: Tree,
    path: Path,
    count: int,
    basis: NDArray[np.float64],
    grid: tuple[int, int] | None,
) -> Positions | None:
    dataset = _first(file, TRANSLATION)
    if dataset is None:
        return _from_axes(file, path, count, basis, grid)
    motion = in_si(dataset, path)
    report = ["translation negated: the file holds the motion of the sample"]
    if motion.ndim == 2 and motion.shape[0] in (2, 3) and motion.shape != (count, 3):
        motion = motion.T
        report.append("translation stored as (3, n), as PyNX does: transposed")
    if motion.ndim != 2 or motion.shape[1] not in (2, 3):
        raise InputError(
            f"{path}: {dataset.name} has shape {motion.shape}; translations need (n, 3)"
        )
    return _projected(motion, basis, report, path)


def _projected(
    motion: NDArray[np.float64],
    basis: NDArray[np.float64],
    report: list[str],
    path: Path,
) -> Positions:
    """Positions of the probe, along rows and columns, from the sample's motion."""
    width = motion.shape[1]
    rows_columns = -motion @ basis[:, :width].T
    row, column = (_direction(-vector) for vector in basis)
    report.append(f"row along {row}, column along {column} of the translation")
    return Positions(rows_columns, "yx", "m", path.name, tuple(report))


def _from_axes(
    file: Tree,
    path: Path,
    count: int,
    basis: NDArray[np.float64],
    grid: tuple[int, int] | None,
) -> Positions | None:
    """Read x and y apart: one a pattern, or one a row and a column of a raster."""
    place = next((p for p in AXES if f"{p}x" in file and f"{p}y" in file), None)
    if place is None:
        return None
    x, y = (in_si(file[f"{place}{axis}"], path).ravel() for axis in "xy")
    report = [f"/{place}x and y negated: the file holds the motion of the sample"]
    if grid is not None and (len(y), len(x)) == grid != (count, count):
        y, x = (part.ravel() for part in np.meshgrid(y, x, indexing="ij"))
        report.append("x of each column and y of each row of the raster")
    if len(x) != len(y):
        raise InputError(
            f"{path}: /{place}x holds {len(x)} values and y {len(y)}; each pattern "
            "needs one of both: give positions=FILE"
        )
    units = [unit_of(file[f"{place}{axis}"]) for axis in "xy"]
    if not all(units):
        report.append(f"/{place}x and y have no unit, metres assumed (position_unit)")
    return _projected(np.stack([x, y], 1), basis, report, path)


def _mask(file: Tree) -> NDArray[np.bool_] | None:
    if DETECTOR + "mask" not in file:
        return None
    bits = read_small(file[DETECTOR + "mask"], "uib", room_for_a_stack())
    good = (bits == 0) | (bits == SIGNAL)
    return np.asarray(good if good.ndim == 2 else good.all(0))


def attributes(group: h5py.Group) -> dict[str, Any]:
    """Attributes as plain numbers, pairs and words.

    Parameters
    ----------
    group : h5py.Group
        Its attributes are read.

    Returns
    -------
    dict
        Name to value.
    """
    return {
        name: tuple(plain) if isinstance(plain := _plain(value), list) else plain
        for name, value in group.attrs.items()
    }


def _plain(value: object) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _own(file: Tree) -> tuple[dict[str, Any], tuple[int, ...], tuple[str, ...]]:
    """Geometry, excluded patterns and report of a scan that we saved."""
    if OWN not in file:
        return {}, (), ()
    texts = read_small(file[f"{OWN}/report"], "OS").ravel()
    saved = (
        *(text.decode(errors="replace") for text in texts),
        "geometry as it was when the scan was saved",
    )
    geometry = attributes(file[f"{OWN}/geometry"])
    check_fields(geometry, str(file.path))
    excluded = read_small(file[f"{OWN}/excluded"], "ui").ravel()
    return geometry, tuple(excluded.tolist()), saved


def _unused(file: Tree) -> list[str]:
    """Corrections that the file offers and that are not made by themselves."""
    return [
        f"{name} in the file is not applied"
        for name in ("data_dark", "dark", "qe_mask")
        if DETECTOR + name in file
    ]
