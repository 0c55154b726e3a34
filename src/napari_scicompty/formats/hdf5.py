"""Any other HDF5 file: the user names the datasets (`list_datasets` shows them)."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.units import size
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.formats._beam import electrons
from napari_scicompty.formats._hdf5 import in_si, unit_of
from napari_scicompty.formats._pieces import (
    files_of,
    is_series,
    joined_note,
    load_joined,
    natural,
    pieces_of,
)
from napari_scicompty.formats._quantities import (
    QUANTITIES,
    check_kind,
    energy_of,
    field_of,
    is_of_kind,
    numbers_of,
)
from napari_scicompty.formats._raw import (
    POSITION_UNITS,
    MissingChoice,
    Positions,
    Raw,
    as_stack,
    grid_of,
    summary,
)
from napari_scicompty.formats.choices import chosen_keys
from napari_scicompty.formats.datasets import cut, fitting, list_datasets
from napari_scicompty.formats.masks import good_pixels

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.core.findings import Finding
    from napari_scicompty.core.stacks import Stack
    from napari_scicompty.files.hdf5_reading import Tree
    from napari_scicompty.formats.choices import OpenChoices
    from napari_scicompty.formats.datasets import DatasetRow

_KIND = "HDF5 file"
_MATLAB = "MATLAB_class"
"""Attribute of every dataset that MATLAB wrote, with its axes reversed."""


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read the datasets that were named; the patterns also where only one can be.

    Patterns have axes (n, h, w) or (rows, columns, h, w), positions (n, 2), (n, 3) or
    (2, n), or x and y apart. Units are those chosen, else those of the attribute
    ``units``, else metres and electronvolt.

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
        A file that is missing, empty or damaged, a dataset that is not there or does
        not fit, and patterns that were not named where several datasets fit.
    """
    rows = list_datasets(path)
    with opened(path, _KIND, choices.allow_external) as file:
        names, how_named = _patterns_names(file, path, choices, rows)
        parts = [_dataset(file, path, "data_key", name) for name in names]
        data = parts[0]
        array, how, absent, present = load_joined(file, parts, path)
        array, turned = _as_written(data, array)
        patterns, unrolled = as_stack(array, path)
        h, w = patterns.shape[1:]
        geometry, geometry_notes = _geometry(file, path, choices)
        mask, mask_notes = _mask(file, path, choices, (h, w))
        if present is not None:
            present = np.asarray(_as_written(data, present)[0])
            mask = present if mask is None else mask & present
        report = (
            f"{path.name}: read as plain HDF5; patterns from {data.name}, {how_named}",
            *joined_note(parts),
            *turned,
            *unrolled,
            summary(path, patterns, how),
            *geometry_notes,
            *mask_notes,
        )
        positions = positions_by_key(file, path, choices)
        data_name = data.name
        report = (*report, *cut(rows, path), *file.notes)
        files = files_of(parts)  # maybe others, that are linked to
    return Raw(
        patterns,
        files,
        positions,
        mask,
        geometry,
        report,
        hints(rows),
        absent,
        name=data_name,
        grid=grid_of(array.shape),
        energy_ev=energy_of(geometry, choices),
    )


def read_positions(path: Path, choices: OpenChoices) -> Positions | None:
    """Read the positions that were named from a file of their own.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    Positions or None
        None where none were named.
    """
    with opened(path, _KIND, choices.allow_external) as file:
        return positions_by_key(file, path, choices)


def hints(rows: list[DatasetRow]) -> dict[str, str]:
    """Say, by choice, which datasets fit: ``positions_key='a' or 'b'``.

    Parameters
    ----------
    rows : list of DatasetRow
        From `list_datasets`.

    Returns
    -------
    dict
        Choice to what could be written for it.
    """
    keys = {key for row in rows for key in row.fits}
    return {
        key: f"{key}=" + " or ".join(repr(name) for name in fitting(rows, key)[:4])
        for key in sorted(keys)
    }


def energy_of_electrons(row: DatasetRow) -> Finding | None:
    """Ask whether a dataset that fits ``energy_key`` holds a voltage of electrons.

    Parameters
    ----------
    row : DatasetRow
        From `list_datasets`.

    Returns
    -------
    Finding or None
        None where the value can be an energy of photons.
    """
    unit = row.units or "eV"
    if "energy_key" not in row.fits or not is_of_kind(unit, "energy"):
        return None
    assert isinstance(row.value, float)
    return electrons(row.value * size(unit) / size("eV"), row.path)


# -- patterns and mask --------------------------------------------------------------
def _patterns_names(
    file: Tree, path: Path, choices: OpenChoices, rows: list[DatasetRow]
) -> tuple[list[str], str]:
    if choices.data_key is not None:
        return pieces_of(file, choices.data_key) or [choices.data_key], "as chosen"
    others = {name.strip("/") for name in chosen_keys(choices).values()}
    names = [name for name in fitting(rows, "data_key") if name not in others]
    if not names:
        held = ", ".join(f"{row.path} ({row})" for row in rows[:4]) or "none at all"
        raise InputError(
            f"{path}: has no diffraction patterns, no dataset of three or four axes of "
            f"numbers; it holds {held}{', ...' if len(rows) > 4 else ''}"
        )
    if len(names) > 1 and is_series(names):
        return natural(names), "the only datasets that can be patterns"
    if len(names) > 1:
        raise MissingChoice(
            f"{path}: choose which dataset holds the patterns: "
            f"data_key={' or '.join(repr(name) for name in names[:4])} fits"
        )
    return names, "the only dataset that can be patterns"


def _dataset(file: Tree, path: Path, choice: str, name: str) -> h5py.Dataset:
    """Look a dataset up by the name that was chosen."""
    found = file.get(name)
    if isinstance(found, h5py.Dataset):
        return found
    names = [row.path for row in list_datasets(path)]
    near = difflib.get_close_matches(name.strip("/"), names, 3, 0.4) or names[:6]
    what = "is a group" if found is not None else "is not in the file"
    listed = ", ".join(repr(n) for n in near) or "none"
    raise InputError(f"{path}: {choice}={name!r} {what}; its datasets: {listed}")


def _as_written(dataset: h5py.Dataset, array: Stack) -> tuple[Stack, tuple[str, ...]]:
    """Swap rows and columns back where MATLAB wrote them: it stores axes reversed."""
    if _MATLAB not in dataset.attrs or array.ndim < 2:
        return array, ()
    note = f"{dataset.name} was written by MATLAB: rows and columns swapped back"
    return array.swapaxes(-1, -2), (note,)


def _mask(
    file: Tree, path: Path, choices: OpenChoices, shape: tuple[int, int]
) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    if choices.mask_key is None:
        return None, ()
    dataset = _dataset(file, path, "mask_key", choices.mask_key)
    stored = read_small(dataset, most_bytes=room_for_a_stack())
    array, turned = _as_written(dataset, stored)
    if array.shape[-2:] != shape:
        raise InputError(
            f"{path}: mask_key={choices.mask_key!r} has shape {array.shape}, the "
            f"patterns {shape}; choose a mask of the same frames"
        )
    good, note = good_pixels(np.asarray(array), dataset.name, choices.mask_means)
    return good, (*turned, note)


# -- positions ----------------------------------------------------------------------
def positions_by_key(file: Tree, path: Path, choices: OpenChoices) -> Positions | None:
    """Read the positions that were named, or None where none were.

    Parameters
    ----------
    file : Tree
        The open file.
    path : Path
        The file, for the sentences of errors.
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    Positions or None
        As (x, y), in the unit that is told beside them.

    Raises
    ------
    InputError
        Choices that do not go together, or datasets that do not fit.
    """
    keys = chosen_keys(choices)
    if "positions_key" in keys:
        if {"x_key", "y_key"} & set(keys):
            raise InputError("positions_key and x_key, y_key are both given; give one")
        datasets = [_dataset(file, path, "positions_key", keys["positions_key"])]
        columns, notes = _columns(datasets[0], path)
    elif {"x_key", "y_key"} & set(keys):
        if not {"x_key", "y_key"} <= set(keys):
            raise InputError("x_key and y_key belong together; give both")
        if choices.position_order != "auto":
            raise InputError("position_order: x_key and y_key tell it; leave it out")
        datasets = [_dataset(file, path, key, keys[key]) for key in ("x_key", "y_key")]
        x, y = (np.ravel(read_small(dataset, "uif")) for dataset in datasets)
        if len(x) != len(y):
            raise InputError(
                f"{path}: x_key names {len(x)} values and y_key {len(y)}; each pattern "
                "needs one of both"
            )
        columns, notes = np.stack([x, y], 1), []
    elif "frame_index_key" in keys:
        raise InputError(
            "frame_index_key numbers positions that are named; also give "
            "positions_key, or x_key and y_key"
        )
    else:
        return None
    unit, note = _position_unit(datasets, path, choices)
    name = f"{path.name}, {' and '.join(dataset.name for dataset in datasets)}"
    frames = _frame_numbers(file, path, choices)
    return Positions(
        columns.astype(np.float64), "xy", unit, name, (*notes, note), frames
    )


def _frame_numbers(
    file: h5py.File, path: Path, choices: OpenChoices
) -> NDArray[np.int64] | None:
    """Read which pattern each position belongs to, where that was named."""
    key = choices.frame_index_key
    if key is None:
        return None
    dataset = _dataset(file, path, "frame_index_key", key)
    if dataset.dtype.kind not in "ui" or len(dataset.shape or ()) != 1:
        raise InputError(
            f"{path}: {dataset.name} ({dataset.shape}, {dataset.dtype}) is no row of "
            "whole numbers; choose another frame_index_key"
        )
    return np.asarray(dataset[()], np.int64)


def _columns(
    dataset: h5py.Dataset, path: Path
) -> tuple[NDArray[np.generic], list[str]]:
    """Two columns (n, 2) of whatever layout the positions have."""
    array, notes = read_small(dataset, "uif"), []
    if array.ndim == 2 and array.shape[0] in (2, 3) and array.shape[1] not in (2, 3):
        notes.append(f"{dataset.name}: {array.shape} transposed")
        array = array.T
    if array.ndim < 2 or array.shape[-1] not in (2, 3):
        raise InputError(
            f"{path}: {dataset.name} has shape {array.shape}; positions need "
            "(n, 2), or x_key and y_key"
        )
    if array.shape[-1] == 3:
        notes.append(f"{dataset.name}: third column not used")
    return array.reshape(-1, array.shape[-1])[:, :2], notes


def _position_unit(
    datasets: list[h5py.Dataset], path: Path, choices: OpenChoices
) -> tuple[Any, str]:
    name = datasets[0].name
    if choices.position_unit != "auto":
        return choices.position_unit, f"unit of {name}: as chosen"
    units = {unit_of(dataset) for dataset in datasets}
    if len(units) > 1 or not units <= {"", *POSITION_UNITS}:
        raise InputError(
            f"{path}: {name} is in {', '.join(sorted(units))!r}, which is no unit of "
            f"positions; choose position_unit, one of {', '.join(POSITION_UNITS)}"
        )
    (unit,) = units
    return unit or "m", f"unit of {name}: {unit or 'none in the file, metres assumed'}"


# -- geometry -----------------------------------------------------------------------
def _geometry(
    file: Tree, path: Path, choices: OpenChoices
) -> tuple[dict[str, object], list[str]]:
    """Fields of the geometry that were named, in SI units, and where they came from."""
    keys = chosen_keys(choices)
    if {"wavelength_key", "energy_key"} <= set(keys):
        raise InputError("wavelength_key and energy_key are both given; give one")
    values: dict[str, object] = {}
    notes = []
    for quantity, default in QUANTITIES.items():
        key = f"{quantity}_key"
        if key in keys:
            dataset = _dataset(file, path, key, keys[key])
            chosen = getattr(choices, f"{quantity}_unit")
            unit = (chosen if chosen != "auto" else unit_of(dataset)) or default
            check_kind(unit, default, dataset, path, key)
            numbers = numbers_of(dataset, in_si(dataset, path, unit), path, key)
            field, value = field_of(quantity, numbers)
            values[field] = value
            why = "" if chosen != "auto" or unit_of(dataset) else " (unit assumed)"
            shown = ", ".join(f"{number:.6g}" for number in numbers / size(unit))
            what = quantity.replace("_", " ")
            notes.append(f"{what}: {shown} {unit}{why}, from {dataset.name}")
    return values, notes
