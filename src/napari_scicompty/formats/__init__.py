"""Files become scans: the table of formats, and `open_scan`."""

from __future__ import annotations

import logging
import os
import stat
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.registry import Registry
from napari_scicompty.files.hdf5_writing import refuse_damaged
from napari_scicompty.files.reading import check_file, expanded, reading
from napari_scicompty.formats._assemble import OVERRIDES, assemble, read_placed
from napari_scicompty.formats._hdf5 import SUFFIXES as HDF5_SUFFIXES
from napari_scicompty.formats._raw import MissingChoice, Positions, Raw
from napari_scicompty.formats.choices import (
    GEOMETRY_CHOICES,
    HDF5_CHOICES,
    OpenChoices,
    chosen_keys,
    geometry_choices,
)
from napari_scicompty.formats.datasets import DatasetRow, list_datasets
from napari_scicompty.formats.positions import save_positions
from napari_scicompty.formats.saving import save_scan, stored_truth

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.data.scan import Scan

log = logging.getLogger(__name__)


class Format(NamedTuple):
    """One line of the table: how a format is named, recognised and read."""

    title: str
    """As forms show it."""
    suffixes: tuple[str, ...]
    """Small letters, with the dot."""
    module: str
    """Module with ``read(path, choices) -> Raw``, imported when needed. Where several
    formats share a suffix, all but one have ``recognises(path) -> bool``.
    """
    by_key: bool = False
    """Whether the user names datasets."""
    folder: bool = False
    """Whether it reads folders."""

    @property
    def reader(self) -> Any:
        """The module."""
        return import_module(self.module)


def _own(name: str) -> str:
    return f"{__name__}.{name}"


FORMATS: Registry[Format] = Registry(
    "napari_scicompty.formats",
    {
        "tiff": Format(
            "TIFF stack, or folder of TIFFs",
            (".tif", ".tiff", ".btf"),
            _own("tiff"),
            folder=True,
        ),
        "zarr": Format(
            "zarr, HyperSpy .zspy", (".zarr", ".zspy"), _own("zarr_store"), folder=True
        ),
        "matlab": Format("MATLAB before v7.3", (".mat",), _own("matlab"), by_key=True),
        "cxi": Format("CXI", HDF5_SUFFIXES, _own("cxi")),
        "dectris": Format("Dectris master, NXmx", HDF5_SUFFIXES, _own("dectris")),
        "ptyd": Format("PtyPy", (".ptyd", *HDF5_SUFFIXES), _own("ptyd")),
        "ptylab": Format("PtyLab", HDF5_SUFFIXES, _own("ptylab")),
        "hxn": Format("NSLS-II HXN", HDF5_SUFFIXES, _own("hxn")),
        "fold_slice": Format("fold_slice", HDF5_SUFFIXES, _own("fold_slice")),
        "ptychodus": Format("Ptychodus", HDF5_SUFFIXES, _own("ptychodus")),
        "emd": Format("EMD, py4DSTEM", (".emd", *HDF5_SUFFIXES), _own("emd")),
        "hspy": Format("HyperSpy", (".hspy", *HDF5_SUFFIXES), _own("hspy")),
        "hdf5": Format(
            "Any other HDF5, MATLAB v7.3", HDF5_SUFFIXES, _own("hdf5"), by_key=True
        ),
        "npy": Format("NumPy array", (".npy",), _own("npy")),
        "npz": Format("NumPy archive, Ptychodus", (".npz",), _own("npz"), by_key=True),
        "empad": Format("EMPAD", (".raw",), _own("empad")),
        "mib": Format("Merlin, Medipix", (".mib",), _own("mib")),
        "folder": Format(
            "Folder of NPY, HDF5 or CBF", (), _own("folder"), by_key=True, folder=True
        ),
        "cbf": Format("CBF, EDF", (".cbf", ".edf"), _own("cbf")),
        "microscopes": Format(
            "Other microscopes",
            (".blo", ".dm3", ".dm4", ".mrc", ".ser", ".tvips"),
            _own("microscopes"),
        ),
        "picture": Format("Picture", (".png", ".bmp", ".pgm"), _own("picture")),
    },
    lambda kind: isinstance(kind, Format),
)
"""Formats of diffraction patterns by name; a folder is read as ``"tiff"``."""

__all__ = [
    "FORMATS",
    "GEOMETRY_CHOICES",
    "HDF5_CHOICES",
    "OVERRIDES",
    "DatasetRow",
    "Format",
    "MissingChoice",
    "OpenChoices",
    "Positions",
    "Raw",
    "geometry_choices",
    "has_known_layout",
    "list_datasets",
    "open_positions",
    "open_scan",
    "read_patterns",
    "save_positions",
    "save_scan",
    "stored_truth",
]


def open_scan(
    path: str | os.PathLike[str],
    positions: str | os.PathLike[str] | None = None,
    geometry: Geometry | None = None,
    **choices: object,
) -> Scan:
    """Open a measured scan.

    Parameters
    ----------
    path
        The patterns: TIFF stack, folder of TIFFs, CXI, any other HDF5 or NPY (see
        `FORMATS`).
    positions
        One position a pattern, as text, CSV, NPY or SciComPty HDF5; x then y in metres
        unless a choice or the file says otherwise. Replaces those in the file.
    geometry
        The whole geometry; goes before what the file says.
    **choices
        Fields of `OpenChoices`; those of the geometry (``focus_sample_m=3.65e-3``)
        complete or override the file's and `geometry`.

    Returns
    -------
    Scan
        With every assumption and conversion in `Scan.report`.

    Raises
    ------
    InputError
        One sentence that says what is wrong, where, and what to do.
    """
    chosen = OpenChoices(**choices)
    where = None if positions is None else _path(positions, "positions")
    scan = assemble(_path(path, "path"), where, geometry, chosen, read=read_patterns)
    log.info(
        "opened %s: %d patterns of %d x %d pixels", path, len(scan), *scan.frame_shape
    )
    for line in scan.report:
        log.debug("%s: %s", path, line)
    for finding in scan.findings:
        log.info("%s: %s", path, finding)
    return scan


def open_positions(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Open a file of positions alone: (n, 2) as (y, x) in metres.

    Read as `open_scan` does where no choices are given: text, CSV and NPY are x then y
    in metres.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    (n, 2) float64
        As (y, x), in metres.

    Raises
    ------
    InputError
        A file that is missing or damaged, or a line that is not two numbers.
    """
    return read_placed(_path(path, "path"))


def _path(value: str | os.PathLike[str], name: str) -> Path:
    if not isinstance(value, str | os.PathLike):
        raise InputError(
            f"{name} is a {type(value).__name__}, not a path; with arrays in hand make "
            "a Scan(patterns, positions_m, geometry)"
        )
    return expanded(value)


def read_patterns(path: Path, choices: OpenChoices | None = None) -> Raw:
    """Read what a file of any known format holds, unchecked.

    Parameters
    ----------
    path : Path
        A file, or a folder of TIFFs.
    choices : OpenChoices, optional
        What the user says of it.

    Returns
    -------
    Raw
        Patterns, and whatever else the file says.

    Raises
    ------
    InputError
        A file that cannot be read, or whose suffix is in no line of `FORMATS`.
    """
    chosen = choices or OpenChoices()
    with reading(path, "scan"):
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    if not is_folder:
        check_file(path, "scan")
    suffix = "" if is_folder else path.suffix.lower()
    fitting = [
        f for f in FORMATS.values() if (f.folder if is_folder else suffix in f.suffixes)
    ]
    if not fitting and h5py.is_hdf5(path):  # laboratories have suffixes of their own
        fitting = [f for f in FORMATS.values() if HDF5_SUFFIXES[0] in f.suffixes]
    if not fitting:
        known = ", ".join(
            dict.fromkeys(s for f in FORMATS.values() for s in f.suffixes)
        )
        raise InputError(
            f"{path}: files of kind {suffix or 'without a suffix'!r} are not known; "
            f"give one of {known}, or a folder of TIFFs"
        )
    if keys := chosen_keys(chosen):
        fitting = [f for f in fitting if f.by_key]
        if not fitting:
            raise InputError(
                f"{path}: {next(iter(keys))} names a dataset of an HDF5 file, and this "
                "is none; leave it out"
            )
    readers = [form.reader for form in fitting]
    asked = [r for r in readers if hasattr(r, "recognises")]
    others = [r for r in readers if r not in asked] or asked[-1:]
    module = next((r for r in asked if r.recognises(path)), others[0])
    log.debug("%s is read by %s", path, module.__name__)
    raw: Raw = module.read(path, chosen)
    if not chosen.damaged and not path.is_dir():
        refuse_damaged(path)
    return raw


def has_known_layout(path: Path) -> bool:
    """Whether an HDF5 file is one of a program that is known: nothing need be named.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bool
        False for any other HDF5 file, whose datasets the user names.

    Raises
    ------
    InputError
        A file that is missing, damaged or no HDF5.
    """
    readers = (f.reader for f in FORMATS.values() if HDF5_SUFFIXES[0] in f.suffixes)
    return any(r.recognises(path) for r in readers if hasattr(r, "recognises"))


FORMATS.load_plugins()
