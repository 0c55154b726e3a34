"""Folders of zarr: a plain array, or a signal of HyperSpy (.zspy)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.stacks import LazyStack
from napari_scicompty.files.reading import reading
from napari_scicompty.formats import hspy
from napari_scicompty.formats._hdf5 import Frames
from napari_scicompty.formats._plain import READ
from napari_scicompty.formats._raw import (
    MissingChoice,
    Raw,
    as_stack,
    check_frames,
    grid_of,
    summary,
)
from napari_scicompty.formats._scan_axes import with_calibration

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.core.stacks import Stack
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "zarr folder"
_MARKS = (".zarray", ".zgroup", "zarr.json")


def recognises(path: Path) -> bool:
    """Whether a folder is marked as zarr marks them.

    Parameters
    ----------
    path : Path
        The folder.
    """
    with reading(path, _KIND):
        return any((path / mark).is_file() for mark in _MARKS)


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read the array, or the first experiment of HyperSpy.

    Parameters
    ----------
    path : Path
        The folder.
    choices : OpenChoices
        None of them matters here.

    Returns
    -------
    Raw
        What the folder holds, unchecked.

    Raises
    ------
    InputError
        A package that is not installed, a folder that is damaged, or several arrays.
    """
    del choices
    try:
        import zarr
    except ImportError as error:
        raise InputError(
            f"{path}: is read with the package zarr, which is not installed; install "
            "napari-scicompty[formats]"
        ) from error
    with reading(path, _KIND):
        store = zarr.open(str(path), mode="r")
        array, group = _array(store, path)
        shape, dtype = tuple(array.shape), array.dtype
        check_frames(shape, dtype, path)
        is_large = len(shape) > 2 and array.nbytes > room_for_a_stack()
        lazy = LazyStack(Frames(array, path).read, shape, dtype)
        frames: Stack = lazy if is_large else array[...]
        patterns, notes = as_stack(frames, path)
        held = None if group is None else hspy.calibrated(group, len(shape))
    files = tuple(sorted(p for p in path.rglob("*") if p.is_file()))
    note = summary(path, patterns, READ[is_large])
    raw = Raw(patterns, files, report=(note, *notes), grid=grid_of(shape))
    return raw if held is None else with_calibration(raw, held, shape)


def _array(store: Any, path: Path) -> tuple[Any, Any]:
    """Find the array, and the experiment of HyperSpy that it belongs to."""
    if hasattr(store, "shape"):
        return store, None
    if hspy.ROOT in store:
        for _, group in store[hspy.ROOT].groups():
            if "data" in group:
                return group["data"], group
    arrays = [(name, array) for name, array in store.arrays() if array.ndim > 2]
    if len(arrays) != 1:
        names = ", ".join(repr(name) for name, _ in arrays[:4]) or "none"
        raise MissingChoice(
            f"{path}: holds {len(arrays)} stacks ({names}); give the folder of one"
        )
    return arrays[0][1], None
