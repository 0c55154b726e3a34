"""What all HDF5 readers share: opening, units, memory maps."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin  # noqa: F401  (registers the compression filters of detectors)
import numpy as np
from scipy import constants

from napari_scicompty.errors import InputError
from napari_scicompty.formats._raw import check_file, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SUFFIXES = (".cxi", ".h5", ".hdf5", ".hdf", ".nxs", ".mat")
SI = {
    "m": 1.0, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "angstrom": 1e-10, "pm": 1e-12,
    "J": 1.0, "eV": constants.e, "keV": 1e3 * constants.e,
}  # fmt: skip
"""Units by their usual names, in metres and joule."""
_OTHER_NAMES = {
    "metre": "m", "metres": "m", "meter": "m", "meters": "m",
    "millimeter": "mm", "millimetre": "mm",
    "µm": "um", "μm": "um", "micron": "um", "microns": "um", "micrometer": "um",
    "micrometre": "um", "nanometer": "nm", "nanometre": "nm",
    "å": "angstrom", "a": "angstrom", "ang": "angstrom", "angstroms": "angstrom",
    "joule": "J", "pixel": "px", "pixels": "px", "px": "px",
}  # fmt: skip
_NAMES = {name.lower(): name for name in SI} | _OTHER_NAMES


@contextmanager
def opened(path: Path, kind: str) -> Iterator[h5py.File]:
    """Open a file for reading; whatever goes wrong with it becomes one sentence.

    Raises
    ------
    InputError
        A file that is missing, empty, damaged, or no HDF5.
    """
    with reading(path, kind):
        check_file(path, kind)
        if not h5py.is_hdf5(path):
            raise InputError(
                f"{path}: cannot be read as a {kind}, it is damaged or of another "
                "kind: copy it again, or save it as HDF5 (MATLAB: with -v7.3)"
            )
        with h5py.File(path) as file:
            yield file


def unit_of(dataset: h5py.Dataset) -> str:
    """Tell the unit by its usual name where that is known, as written where not."""
    unit = dataset.attrs.get("units", dataset.attrs.get("unit", ""))
    text = (unit.decode() if isinstance(unit, bytes) else str(unit)).strip()
    return _NAMES.get(text.lower(), text)


def in_si(
    dataset: h5py.Dataset, path: Path, unit: str | None = None
) -> NDArray[np.float64]:
    """Values in SI units, by `unit` or by the attribute ``units``, else as they are.

    Raises
    ------
    InputError
        A unit that is not known.
    """
    unit = unit or unit_of(dataset)
    factor = SI.get(unit) if unit else 1.0
    if factor is None:
        raise InputError(
            f"{path}: {dataset.name} is in {unit!r}, a unit that is not known; use one "
            f"of {', '.join(SI)}"
        )
    return np.asarray(dataset[()], np.float64) * factor


def load(data: h5py.Dataset) -> tuple[NDArray[Any], str]:
    """Map a plain dataset into memory, read any other; and say which."""
    offset = None if data.external or data.is_virtual else data.id.get_offset()
    if offset is None:
        return data[()], "read into memory"
    name = data.file.filename
    return np.memmap(name, data.dtype, "r", offset, data.shape), "memory-mapped"
