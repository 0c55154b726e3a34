"""Results that were never saved, of processes that are gone."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple

import psutil

from napari_scicompty.files.processes import owner_of
from napari_scicompty.results import is_result
from napari_scicompty.workflow.autosave import OLDER, folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = re.compile(r"(?P<stamp>\d{8}-\d{6})-(?P<owner>.+)-[0-9a-f]+(?:\.older)?")


class Leftover(NamedTuple):
    """A result that was never saved, of a process that is gone."""

    path: Path
    """The file."""
    made: str
    """When its run began: ``YYYY-MM-DD hh:mm``; empty where that is not known."""


def leftovers() -> list[Leftover]:
    """Find results of processes that are gone, newest first; others are left alone.

    Returns
    -------
    list of Leftover
        File and time of each.
    """
    found: dict[Path, Leftover] = {}
    for path in _results():
        named = _NAME.fullmatch(path.stem)
        if named is None:
            if path.stem.startswith("rescued-") and is_result(path):
                found[path] = Leftover(path, "")
            continue
        if not _is_gone(named["owner"]):
            continue
        newest = path.with_name(path.name.replace(f"{OLDER}.", "."))
        if newest not in found:
            stamp = time.strptime(named["stamp"], "%Y%m%d-%H%M%S")
            found[newest] = Leftover(newest, time.strftime("%Y-%m-%d %H:%M", stamp))
    return list(found.values())


def _results() -> Iterator[Path]:
    """Yield files of our folder, newest first."""
    times = {}
    try:
        for path in folder().glob("*.h5"):
            times[path] = path.stat().st_mtime
    except OSError:
        pass
    yield from sorted(times, key=lambda path: times[path], reverse=True)


def _is_gone(owner: str) -> bool:
    """Whether the process of a file is gone; older files name its number alone."""
    known = owner_of(owner)
    if known is not None:
        return known.is_gone
    return owner.isdigit() and not psutil.pid_exists(int(owner))
