"""Files of named arrays (NPZ, MATLAB v5): which array is what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.files.reading import check_size
from napari_scicompty.formats._raw import (
    MissingChoice,
    Positions,
    Raw,
    as_stack,
    grid_of,
    summary,
)
from napari_scicompty.formats.choices import chosen_keys
from napari_scicompty.formats.masks import good_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.formats.choices import OpenChoices

_KEYS = ("data_key", "positions_key", "mask_key")
_MASKS = ("bad_pixels", "pixel_mask", "mask")
_INDEXES = "indexes"
_SMALLEST_FRAME = 8


class Declared(NamedTuple):
    """What a file says of an array before it is read."""

    shape: tuple[int, ...]
    bytes: int


def read_named(
    path: Path,
    choices: OpenChoices,
    held: Mapping[str, Declared],
    get: Callable[[str], NDArray[Any]],
    turn: Callable[[NDArray[Any]], tuple[NDArray[Any], str]],
) -> Raw:
    """Read the patterns, and the positions and the mask that were named.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        Names of arrays: ``data_key``, ``positions_key``, ``mask_key``.
    held : mapping
        Name of each array of numbers to its shape and size.
    get : callable
        Reads an array by its name.
    turn : callable
        Brings frames to the order (..., h, w), and says how.

    Returns
    -------
    Raw
        What the file holds, unchecked.

    Raises
    ------
    InputError
        An array that is not there, too large or of another shape; several that can be
        the patterns.
    """
    keys = chosen_keys(choices)
    other = next((key for key in keys if key not in _KEYS), None)
    if other is not None:
        raise InputError(
            f"{path}: {other} names a dataset of an HDF5 file; leave it out"
        )

    def array(key: str, name: str) -> NDArray[Any]:
        if name not in held:
            names = ", ".join(map(repr, [*held][:6])) or "none"
            raise InputError(
                f"{path}: {key}={name!r} is not in it; its arrays: {names}"
            )
        check_size(held[name].bytes, room_for_a_stack(), f"{path}, {name}", "stack")
        return get(name)

    name = keys.get("data_key") or _patterns(path, held)
    frames, note = turn(array("data_key", name))
    patterns, notes = as_stack(frames, path)
    n, h, w = patterns.shape
    report = [f"{path.name}: patterns from {name!r}", note, *notes]
    report.append(summary(path, patterns))
    mask = None
    of_mask = keys.get("mask_key") or next((m for m in _MASKS if m in held), None)
    if of_mask is not None:
        values, _ = turn(array("mask_key", of_mask))
        if values.shape[-2:] != (h, w):
            raise InputError(
                f"{path}: mask {of_mask!r} has shape {values.shape}, the patterns "
                f"{(h, w)}; choose mask_key"
            )
        mask, said = good_pixels(values, of_mask, choices.mask_means)
        report.append(said)
    positions = None
    if "positions_key" in keys:
        columns = array("positions_key", keys["positions_key"])
        positions = _positions(path, keys["positions_key"], columns)
    return Raw(
        patterns,
        (path,),
        positions,
        mask,
        report=tuple(filter(None, report)),
        hints=_hints(held, n),
        numbers=_numbers(held, get, n),
        grid=grid_of(frames.shape),
        name=f"/{name}",
    )


def _numbers(
    held: Mapping[str, Declared], get: Callable[[str], NDArray[Any]], count: int
) -> NDArray[np.int64] | None:
    """Read the numbers that Ptychodus gives its patterns."""
    if _INDEXES not in held or held[_INDEXES].shape != (count,):
        return None
    numbers = get(_INDEXES)
    return numbers.astype(np.int64) if numbers.dtype.kind in "ui" else None


def _patterns(path: Path, held: Mapping[str, Declared]) -> str:
    def is_frames(shape: tuple[int, ...]) -> bool:
        return len(shape) in (3, 4) and sorted(shape)[-2] >= _SMALLEST_FRAME

    names = [name for name, what in held.items() if is_frames(what.shape)]
    if not names:  # a mask or a dark frame alone
        names = [name for name, what in held.items() if len(what.shape) == 2]
    if "patterns" in names:
        return "patterns"
    if len(names) > 1:
        raise MissingChoice(
            f"{path}: choose which array holds the patterns: data_key="
            + " or ".join(map(repr, names[:4]))
        )
    if not names:
        raise InputError(
            f"{path}: has no diffraction patterns, no array of three or four axes"
        )
    return names[0]


def _positions(path: Path, name: str, columns: NDArray[Any]) -> Positions:
    if columns.ndim == 2 and columns.shape[0] == 2 != columns.shape[1]:
        columns = columns.T
    if columns.ndim != 2 or columns.shape[1] != 2 or columns.dtype.kind not in "uif":
        raise InputError(
            f"{path}: positions_key={name!r} has shape {columns.shape}; (n, 2) numbers "
            "are needed"
        )
    return Positions(columns.astype(np.float64), name=f"{path.name}, {name}")


def _hints(held: Mapping[str, Declared], count: int) -> dict[str, str]:
    names = [
        name for name, what in held.items() if sorted(what.shape) == sorted((count, 2))
    ]
    text = "positions_key=" + " or ".join(map(repr, names[:4]))
    return {"positions_key": text} if names else {}
