"""Snapshots become HDF5 files and come back, with a checksum of every part.

Layout of a result, format version 2; lengths in metres, pairs are (y, x)::

    /                attributes: format, format_version, created, epoch, batch, error,
                     exact, seed, elapsed_s, distance_m, pixel_size_m, origin_m
    /object          (H, W) complex64, transmission function
    /probe           (modes, h, w) complex64, square root of counts
    /positions_m     (n, 2) float64: (y, x) of the probe; those of object pixel (0, 0)
                     and of the first view's corner differ by positions_m - origin_m
    /nominal_positions_m  (n, 2), as measured; absent when unknown
    /pattern_error   (n,) float32, NaN where a pattern took no part
    /geometry        attributes: wavelength_m, distance_m, detector_pixel_m,
                     focus_sample_m (absent when unknown), propagation
    /settings        JSON text: algorithm, run, start
    /history         epochs, errors, notes; changes, runs and the like as JSON text
    /state           what the algorithm needs to go on, as nested groups
    /source          attributes: path, sha256; files and opened as JSON text
    /versions        attributes: napari-scicompty, torch, numpy, python
    /recipe          TOML text; absent when unknown
    /plan            TOML text of a run that was cut: what it was to do in all
    /rest            TOML text: what of it is left to do
    /checksums       JSON text, see `files.hdf5_writing`
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.data.scan import Source
from napari_scicompty.data.snapshot import History, Snapshot
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_writing import damaged_in, new_hdf5
from napari_scicompty.files.reading import as_text, expanded
from napari_scicompty.files.writing import beside
from napari_scicompty.results._file import (
    FORMAT,
    FORMAT_VERSION,
    merged,
    reading,
    versions,
)
from napari_scicompty.results._parts import (
    ARRAYS,
    array,
    check_sizes,
    has,
    open_geometry,
    open_history,
    open_settings,
    open_source,
    open_state,
    own,
    pair,
    save_history,
    save_source,
    save_state,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Unpack

    from napari_scicompty.data.snapshot import Change, RunRecord
    from napari_scicompty.files.writing import Door

    StrPath = str | os.PathLike[str]

log = logging.getLogger(__name__)

_TOLD = ("object", "probe", "positions_m")
_NOMINAL = "nominal_positions_m"
_OPTIONAL = (_NOMINAL, "pattern_error")
_NUMBERS = {"epoch": int, "batch": int, "error": float, "seed": int, "elapsed_s": float}
_PAIRS = ("pixel_size_m", "origin_m")


class AsToml(Protocol):
    """What can be written as TOML: a `Recipe`."""

    def to_toml(self, folder: Path | None = None) -> str:
        """Return the text, with paths relative to `folder` where they lie in it.

        Parameters
        ----------
        folder : Path, optional
            Without it paths are as they are.
        """
        ...


# -- results ------------------------------------------------------------------------
def save_result(
    path: StrPath,
    snapshot: Snapshot,
    recipe: AsToml | None = None,
    *,
    plan: tuple[AsToml, AsToml] | None = None,
    **door: Unpack[Door],
) -> Path | None:
    """Save everything a snapshot holds to one HDF5 file, all of it or nothing.

    Parameters
    ----------
    path
        The file. An older result that this one goes on from is replaced when the new
        one is complete; a result of another run is kept as ``NAME.previous.h5``.
    snapshot
        Any snapshot, one from mid-epoch too.
    recipe
        How it was made; stored as TOML, with paths relative to the file where they lie
        in its folder.
    plan : two recipes, optional
        Of a run under way: all that it is to do, and what of it is left.
    **door
        ``overwrite=True`` replaces a file that this program did not write, and more of
        `files.writing.replacing`.

    Returns
    -------
    Path or None
        Where the result of another run lies now that was here.

    Raises
    ------
    InputError
        No snapshot, a file that the result was made from, one that this program did
        not write, a folder that is missing or cannot be written, or a full disk.
    """
    if not isinstance(snapshot, Snapshot):
        raise InputError(
            f"snapshot is a {type(snapshot).__name__}; give a Snapshot, such as "
            "reconstruct yields"
        )
    folder = folder_of(path)
    named = {"recipe": recipe}
    if plan is not None:
        named |= {"plan": plan[0], "rest": plan[1]}
    texts = {name: made.to_toml(folder) for name, made in named.items() if made}
    door["inputs"] = (*door.get("inputs", ()), *snapshot.source.files)
    older = door.setdefault("keep_as", _place_for_older(path, snapshot))
    with new_hdf5(path, **door) as file:
        file.attrs.update(
            format=FORMAT,
            format_version=FORMAT_VERSION,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            distance_m=snapshot.distance_m,
            exact=snapshot.exact,
            **{name: getattr(snapshot, name) for name in (*_NUMBERS, *_PAIRS)},
        )
        for name, (unit, _, _) in ARRAYS.items():
            if (array := getattr(snapshot, name)) is not None:
                file.create_dataset(name, data=array).attrs["units"] = unit
        geometry = {
            k: v for k, v in asdict(snapshot.nominal_geometry).items() if v is not None
        }
        file.create_group("geometry").attrs.update(geometry)
        file["settings"] = json.dumps(snapshot.settings)
        save_history(file.create_group("history"), snapshot.history)
        save_state(file.create_group("state"), snapshot.state)
        save_source(file.create_group("source"), snapshot.source)
        file.create_group("versions").attrs.update(versions())
        for name, text in texts.items():
            file[name] = as_text(text)
    log.info("saved epoch %d as %s", snapshot.epoch, path)
    return older


def open_result(path: StrPath, *, damaged: bool = False) -> Snapshot:
    """Open a saved result; a run continues from it as from the snapshot itself.

    Parameters
    ----------
    path : path
        HDF5, as `save_result` wrote it.
    damaged : bool
        Open of a damaged file what is whole: a history, state or settings that are
        damaged are left out, arrays are taken as they stand; a note says which.

    Returns
    -------
    Snapshot
        With all that a run needs to continue.

    Raises
    ------
    InputError
        A file that is missing, damaged, not a result, or of a newer version.
    """
    with reading(path, () if not damaged else None) as file:
        parts = merged(damaged_in(expanded(path))) if damaged else []

        def part(name: str, read: Callable[[Any], Any], instead: Any) -> Any:
            """Read one part, or leave it out where it is damaged."""
            if name in parts:
                return instead
            try:
                return read(own(file, name))
            except Exception:
                if not damaged:
                    raise
                parts.append(name)
                return instead

        count = int(own(file, "positions_m").shape[0])
        values: dict[str, Any] = {
            **{name: array(file, name) for name in ARRAYS if name not in _OPTIONAL},
            **{name: kind(file.attrs[name]) for name, kind in _NUMBERS.items()},
            **{name: pair(file.attrs[name]) for name in _PAIRS},
        }
        told = open_geometry(own(file, "geometry"))
        unknown = np.full(count, np.nan, np.float32)
        nominal = None
        if has(file, _NOMINAL):
            nominal = part(_NOMINAL, lambda _: array(file, _NOMINAL), None)
        errors = part("pattern_error", lambda _: array(file, "pattern_error"), unknown)
        found = Snapshot(
            **values,
            pattern_error=errors,
            nominal_positions_m=nominal,
            exact=bool(file.attrs.get("exact", False)),
            geometry=told.replace(distance_m=float(file.attrs["distance_m"])),
            nominal_geometry=told,
            settings=part("settings", open_settings, {}),
            source=part("source", open_source, Source()),
            history=part("history", open_history, History()),
            state=part("state", open_state, {}),
        )
        check_sizes(found)
    if not parts:
        return found
    note = f"opened though it was damaged in: {', '.join(dict.fromkeys(parts))}"
    return found.replace(history=found.history.add(notes=[note]))


def is_result(path: StrPath) -> bool:
    """Whether this is one of our results (looks at the first bytes only).

    Parameters
    ----------
    path : path
        The file.
    """
    where = expanded(path)
    if not os.path.isfile(where):
        return False
    try:
        with opened(where, "result") as tree:
            return bool(tree.attrs.get("format") == FORMAT)
    except InputError:  # anything may be wrong with a file that is not ours
        return False


def stored_recipe(path: StrPath, name: str = "recipe") -> str | None:
    """TOML text of the recipe that a result carries.

    Parameters
    ----------
    path : path
        HDF5, as `save_result` wrote it.
    name : {"recipe", "plan", "rest"}
        What was done; of a run that was cut, all that was to be done, and what is left.

    Returns
    -------
    str or None
        None where the result carries none of this name.

    Raises
    ------
    InputError
        As in `open_result`.
    """
    with reading(path, [f"/{name}"]) as file:
        if not has(file, name):
            return None
        return text_of(file, name)


def provenance(path: StrPath) -> dict[str, str]:
    """When a result was made, and with which versions, by name.

    Parameters
    ----------
    path : path
        HDF5, as `save_result` wrote it.

    Returns
    -------
    dict
        ``"created"`` to the time, and name of a package to its version.

    Raises
    ------
    InputError
        As in `open_result`.
    """
    with reading(path, ["/", "/versions"]) as file:
        versions = own(file, "versions")
        made = {name: str(text) for name, text in versions.attrs.items()}
        return {"created": str(file.attrs["created"]), **made}


def folder_of(path: StrPath) -> Path:
    """Return the folder that a file lies in, links followed.

    Parameters
    ----------
    path : path
        The file.
    """
    return Path(os.path.realpath(expanded(path))).parent


def _place_for_older(path: StrPath, snapshot: Snapshot) -> Path | None:
    """Choose where a result goes that another run left at `path`."""
    target = Path(os.path.realpath(expanded(path)))
    if not is_result(target) or _leads_to(target, snapshot):
        return None
    for number in ("", *range(2, 1000)):
        place = beside(target, f".previous{number}")
        if not os.path.lexists(place):
            return place
    raise InputError(
        f"{path}: holds the result of another run, and there is no name left to keep "
        "it under; choose another name"
    )


def _leads_to(path: Path, snapshot: Snapshot) -> bool:
    """Whether a run came through the result in a file, which is then no loss."""
    try:
        old = open_result(path)
    except InputError:
        return False
    then, now = old.history, snapshot.history
    errors = np.array_equal(then.errors, now.errors[: len(then.errors)], equal_nan=True)
    runs, ran = _as_begun(now.runs), _as_begun(then.runs)
    is_earlier = (
        old.source.sha256 == snapshot.source.sha256
        and errors
        and ran == runs[: len(ran)]
        and _told(then.changes) == _told(now.changes[: len(then.changes)])
    )
    point, ours = (old.epoch, old.batch), (snapshot.epoch, snapshot.batch)
    if point == ours:
        return is_earlier and all(
            np.array_equal(getattr(old, name), getattr(snapshot, name))
            for name in _TOLD
        )
    return is_earlier and bool(ran) and point < ours


def _as_begun(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Leave out how long runs were to last, and whether they did."""
    return [
        dataclasses.replace(run, finished=False, run=run.run | {"epochs": 0})
        for run in runs
    ]


def _told(changes: Sequence[Change]) -> str:
    """Write changes out: values are lists where they come from a file."""
    return json.dumps([asdict(change) for change in changes])
