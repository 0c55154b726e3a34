"""Prepared data of PtyPy (.ptyd): chunks of patterns, weights and positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.stacks import chunks
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.formats._file_values import FileValues
from napari_scicompty.formats._pieces import (
    files_of,
    joined_note,
    load_joined,
    natural,
)
from napari_scicompty.formats._raw import Positions, Raw, as_stack, summary

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.files.hdf5_reading import Tree
    from napari_scicompty.formats.choices import OpenChoices

_KIND = "PtyPy file"


def recognises(path: Path) -> bool:
    """Whether a file has chunks of patterns, and a group of what is common to them.

    Parameters
    ----------
    path : Path
        The file.
    """
    with opened(path, _KIND) as file:
        chunked, common = file.get("chunks"), file.get("meta")
        return isinstance(chunked, h5py.Group) and isinstance(common, h5py.Group)


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read all chunks, in the order of their numbers.

    Energies are in keV and lengths in metres; positions are (y, x), those of the probe
    on the object. Weights above zero mark good pixels: one that is bad in any pattern
    is masked in all.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    Raw
        Patterns, positions, mask, and what there is of the geometry.

    Raises
    ------
    InputError
        A file that is damaged or without patterns, or chunks that differ.
    """
    with opened(path, _KIND, choices.allow_external) as file:
        names = _chunk_names(file)
        if not names:
            raise InputError(f"{path}: has no patterns at /chunks/0/data; prepare anew")
        parts = [file[f"{name}/data"] for name in names]
        array, how, absent, _ = load_joined(file, parts, path)
        patterns, notes = as_stack(array, path)
        h, w = patterns.shape[1:]
        values = FileValues(file)
        values.take_energy(["meta/energy"], "keV")
        values.take("distance_m", ["meta/distance"], "m")
        values.take_pair(["meta/psize"])
        mask = _mask(file, names, path, (h, w))
        masked = (
            () if mask is None else (f"weights of zero mask {(~mask).sum()} pixels",)
        )
        return Raw(
            patterns,
            files_of(parts),
            _positions(file, names, path),
            mask,
            values.geometry,
            (
                summary(path, patterns, how),
                *joined_note(parts),
                *notes,
                *values.report,
                *masked,
                *file.notes,
            ),
            excluded=absent,
            unused=values.unused,
            energy_ev=values.energy_ev,
        )


def _chunk_names(file: Tree) -> list[str]:
    group = file.get("chunks")
    numbers = natural(group) if isinstance(group, h5py.Group) else []
    return [
        f"chunks/{number}"
        for number in numbers
        if isinstance(file.get(f"chunks/{number}/data"), h5py.Dataset)
    ]


def _positions(file: Tree, names: list[str], path: Path) -> Positions | None:
    parts = [
        read_small(file[f"{name}/positions"], "uif").astype(np.float64)
        for name in names
        if f"{name}/positions" in file
    ]
    if not parts:
        return None
    for part in parts:
        if part.ndim != 2 or part.shape[1] != 2:
            raise InputError(
                f"{path}: positions of a chunk have shape {part.shape}; (n, 2) is "
                "needed: give positions=FILE"
            )
    return Positions(np.concatenate(parts), "yx", "m", path.name)


def _mask(
    file: Tree, names: list[str], path: Path, shape: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """Join the weights of all patterns; those of another shape say nothing of them."""
    good = np.ones(shape, bool)
    for name in names:
        dataset = file.get(f"{name}/weights")
        if not isinstance(dataset, h5py.Dataset) or dataset.shape[-2:] != shape:
            continue
        array, _, _, _ = load_joined(file, [dataset], path)
        stack, _ = as_stack(array, path)
        for _, weights in chunks(stack):
            good &= (weights > 0).all(0)
    return None if good.all() else good
