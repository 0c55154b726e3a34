"""What a reader finds in a file, before it is checked."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from napari_scicompty.core.findings import Finding
    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.core.stacks import Stack

PositionUnit = Literal["m", "mm", "um", "nm", "angstrom", "px"]
POSITION_UNITS = get_args(PositionUnit)
"""Units that positions may be in; px: object pixels."""

_HASH_ALL = 256 * 2**20
_HASH_END = 64 * 2**20


class MissingChoice(InputError):
    """What a file holds is fine, but the user must say more to make it a scan."""


@dataclass(frozen=True, eq=False)
class Positions:
    """Scan positions as a file holds them."""

    columns: NDArray[np.float64]
    """(n, 2), in the file's own order and unit, probe relative to object."""
    order: Literal["xy", "yx"] = "xy"
    unit: PositionUnit = "m"
    name: str = "positions"
    report: tuple[str, ...] = ()
    frames: NDArray[np.int64] | None = None
    """Number of each one's pattern, (n,), where the file numbers them."""


@dataclass(frozen=True, eq=False)
class Raw:
    """Patterns as a file holds them, with what else it says."""

    patterns: Stack
    """(n, h, w), maybe a `LazyStack`."""
    files: tuple[Path, ...]
    """The files that hold the patterns."""
    positions: Positions | None = None
    mask: NDArray[np.bool_] | None = None
    geometry: Mapping[str, object] = field(default_factory=dict)
    """Fields of `Geometry` that the file gives."""
    report: tuple[str, ...] = ()
    hints: Mapping[str, str] = field(default_factory=dict)
    """By choice that names a dataset: what to choose."""
    excluded: tuple[int, ...] = ()
    """Patterns that the file says take no part."""
    unused: Mapping[str, str] = field(default_factory=dict)
    """By field of `Geometry`: what the file says of it, and why it is not used."""
    numbers: NDArray[np.int64] | None = None
    """Number of each pattern as positions name it, (n,); counted from 0 if left out."""
    saturation: float | None = None
    """Largest count that the file says to be valid."""
    name: str = ""
    """Of the dataset that holds the patterns, where it has one."""
    grid: tuple[int, int] | None = None
    """Rows and columns of the raster in which the patterns lie, row by row."""
    step_m: tuple[float, float] | None = None
    """Step (y, x) of that raster, where the file gives it."""
    energy_ev: float | None = None
    """Energy of photons that the wavelength was worked out from, if it was."""


@dataclass(frozen=True, eq=False)
class RawFrames:
    """The part of a scan that preparation works on (see `prepare.frames.Frames`)."""

    patterns: Stack
    geometry: Geometry
    mask: NDArray[np.bool_] | None = None
    report: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def replace(self, **changes: Any) -> RawFrames:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)


def check_frames(
    shape: tuple[int, ...], dtype: np.dtype[np.generic], path: Path
) -> None:
    """Refuse what cannot be frames: values that are no real numbers, too few axes."""
    if dtype.kind not in "uifb":
        raise InputError(
            f"{path}: holds values of dtype {dtype}; diffraction patterns are "
            "real intensities, save them as integers or floats"
        )
    if len(shape) < 2 or 0 in shape:
        raise InputError(
            f"{path}: holds an array of shape {shape}; patterns need "
            "(patterns, rows, columns)"
        )


def as_stack(array: Stack, path: Path) -> tuple[Stack, tuple[str, ...]]:
    """Bring frames to (n, h, w): one frame is a stack, a grid of frames is unrolled.

    Raises
    ------
    InputError
        Values that are not real numbers, or fewer than two axes.
    """
    check_frames(array.shape, array.dtype, path)
    stack = array.reshape(-1, *array.shape[-2:])
    notes: tuple[str, ...] = ()
    if array.ndim > 3:
        notes = (
            f"patterns: {array.shape} unrolled to {stack.shape}, last axis fastest",
        )
    return stack, notes


def grid_of(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Rows and columns of an array (rows, columns, h, w) of frames, else None."""
    return (shape[0], shape[1]) if len(shape) == 4 else None


def summary(path: Path, stack: Stack, how: str = "") -> str:
    """Say what patterns (n, h, w) a file holds, and how they were read."""
    n, h, w = stack.shape
    read = f", {how}" if how else ""
    return f"{path.name}: {n} patterns of {h} x {w} pixels, {stack.dtype}{read}"


def fingerprint(files: Sequence[Path]) -> str:
    """SHA-256 of the content of `files`.

    Of a file over 256 MB, only its size and its first and last 64 MB; of several files
    over 256 MB together, each one's name and size, and the content of the first and
    the last.
    """
    digest = hashlib.sha256()
    sizes = [path.stat().st_size for path in files]
    whole = sum(sizes) <= _HASH_ALL
    for path, size in zip(files, sizes, strict=True):
        if len(files) > 1:
            digest.update(f"{path.name}:{size};".encode())
        if whole or path in (files[0], files[-1]):
            _hash_file(digest, path, size)
    return digest.hexdigest()


def _hash_file(digest: hashlib._Hash, path: Path, size: int) -> None:
    with path.open("rb") as file:
        if size > _HASH_ALL:
            digest.update(f"{size};".encode() + file.read(_HASH_END))
            file.seek(-_HASH_END, 2)
        while piece := file.read(2**20):
            digest.update(piece)
