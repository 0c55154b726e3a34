"""Patterns and positions brought together, one of each."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.stacks import taken
from napari_scicompty.formats.frame_lists import used_frames

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.formats._raw import Positions, Raw
    from napari_scicompty.formats.choices import OpenChoices


def matched(
    path: Path, raw: Raw, found: Positions, choices: OpenChoices
) -> tuple[Raw, Positions]:
    """Take the patterns and positions that belong together, as chosen.

    Raises
    ------
    InputError
        Not as many patterns as positions and no choice, or numbers of patterns that
        are not there.
    """
    raw, found = _used(raw, found, choices)
    n, given = len(raw.patterns), len(found.columns)
    if found.frames is not None:
        raw = _numbered(path, raw, found, found.frames)
    elif n != given:
        kept = min(n, given)
        part = _part(path, raw, found, choices, kept)
        note = f"the {choices.frames} {kept} of {n} patterns and {given} positions"
        raw = _taken(raw, np.arange(n)[part], note)
        found = dataclasses.replace(found, columns=found.columns[part])
    wrong = [j for j in choices.leave_out if not 0 <= j < len(raw.patterns)]
    if wrong:
        raise InputError(
            f"leave_out: there is no pattern {wrong[0]}; they are numbered 0 to "
            f"{len(raw.patterns) - 1}"
        )
    out = sorted({*raw.excluded, *choices.leave_out})
    return dataclasses.replace(raw, excluded=tuple(out)), found


def _used(raw: Raw, found: Positions, choices: OpenChoices) -> tuple[Raw, Positions]:
    """Take the patterns that are used; of positions those that belong to them.

    Positions that are as many as the patterns used are taken to be theirs.
    """
    n = len(raw.patterns)
    used = used_frames(choices, n)
    if used is None:
        return raw, found
    note = f"{len(used)} of {n} patterns, as chosen"
    if found.frames is not None:
        named = used if raw.numbers is None else raw.numbers[used]
        kept = np.isin(found.frames, named)
        frames = found.frames[kept]
        found = dataclasses.replace(found, columns=found.columns[kept], frames=frames)
        return dataclasses.replace(raw, report=(*raw.report, f"taken: {note}")), found
    if len(found.columns) == n:
        found = dataclasses.replace(found, columns=found.columns[used])
    return _taken(raw, used, note), found


def _part(
    path: Path, raw: Raw, found: Positions, choices: OpenChoices, kept: int
) -> slice:
    if choices.frames == "each":
        raise InputError(
            f"{found.name} holds {len(found.columns)} positions, {path.name} "
            f"{len(raw.patterns)} patterns; each pattern needs exactly one: check that "
            "both belong to the same scan, then choose frames='first' or "
            "frames='last' where the first or the last ones belong together, or "
            "frame_index_key where an HDF5 file numbers them"
        )
    return slice(0, kept) if choices.frames == "first" else slice(-kept, None)


def _numbered(
    path: Path, raw: Raw, found: Positions, numbers: NDArray[np.int64]
) -> Raw:
    """Take the patterns that the positions number."""
    n = len(raw.patterns)
    if len(numbers) != len(found.columns):
        raise InputError(
            f"{found.name}: {len(found.columns)} positions and {len(numbers)} numbers "
            "of patterns; each position needs one: choose another frame_index_key"
        )
    if raw.numbers is not None:
        return _by_names(path, raw, found, numbers, raw.numbers)
    wrong = numbers[(numbers < 0) | (numbers >= n)]
    if len(wrong):
        raise InputError(
            f"{found.name}: there is no pattern {wrong[0]} in {path.name}, which "
            f"numbers them 0 to {n - 1}; choose another frame_index_key"
        )
    note = f"{len(numbers)} of {n} patterns, by the numbers of the positions"
    return _taken(raw, numbers, note)


def _by_names(
    path: Path,
    raw: Raw,
    found: Positions,
    numbers: NDArray[np.int64],
    own: NDArray[np.int64],
) -> Raw:
    """Take patterns that have numbers of their own in the file."""
    order = np.argsort(own, kind="stable")
    places = order[np.searchsorted(own[order], numbers).clip(max=len(own) - 1)]
    wrong = numbers[own[places] != numbers]
    if len(wrong):
        raise InputError(
            f"{found.name}: there is no pattern of number {wrong[0]} in {path.name}; "
            "check that both belong to the same scan"
        )
    note = f"{len(numbers)} of {len(own)} patterns, by the numbers of both files"
    return _taken(raw, places, note)


def _taken(raw: Raw, numbers: NDArray[np.int64], note: str) -> Raw:
    """Take some patterns; those that take no part are numbered anew."""
    return dataclasses.replace(
        raw,
        patterns=taken(raw.patterns, numbers),
        numbers=None if raw.numbers is None else raw.numbers[numbers],
        excluded=tuple(np.flatnonzero(np.isin(numbers, raw.excluded)).tolist()),
        report=(*raw.report, f"taken: {note}"),
    )
