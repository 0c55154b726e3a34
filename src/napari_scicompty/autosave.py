"""Nobody loses a run: what is under way is kept on disk, and offered after a crash.

Two generations are kept, so that the one being written is never the only one. Nothing
here is removed but by the run that wrote it, once that very result is saved, or by a
person who says so.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import platformdirs
import psutil

from napari_scicompty.errors import InputError
from napari_scicompty.files import beside
from napari_scicompty.processes import owner_of, this_process
from napari_scicompty.results import is_result, open_result, save_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_scicompty.recipe import Recipe
    from napari_scicompty.snapshot import Snapshot

EVERY_S = 60.0
"""How often a run is kept; SCICOMPTY_AUTOSAVE_S in the environment changes it."""
_OLDER = ".older"
"""Ends the name of the generation before."""
_NAME = re.compile(r"(?P<stamp>\d{8}-\d{6})-(?P<owner>.+)-[0-9a-f]+(?:\.older)?")


def folder() -> Path:
    """Where results lie that were never saved."""
    return Path(platformdirs.user_data_dir("napari-scicompty")) / "unsaved"


def place_beside(result: Path) -> Path:
    """Where a run is kept that is to be saved as `result`."""
    return beside(result, ".autosave")


class Autosave:
    """Keeps one run on disk, from a thread of its own.

    Parameters
    ----------
    path : Path, optional
        The file; one in `folder` when left out.
    failed : callable, optional
        Called with the error, from another thread, where the run could not be kept.
    """

    def __init__(
        self,
        path: Path | None = None,
        failed: Callable[[Exception], None] = lambda _: None,
    ) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        name = f"{stamp}-{this_process().token}-{secrets.token_hex(4)}.h5"
        self.path = path or folder() / name
        self._own_folder = path is None
        self._thread: threading.Thread | None = None
        self._last = -float("inf")
        self._failed = failed

    @property
    def due(self) -> bool:
        """Whether it is time; from the first epoch on, then once in a while."""
        every = float(os.environ.get("SCICOMPTY_AUTOSAVE_S", EVERY_S))
        return time.monotonic() - self._last >= every

    def offer(
        self,
        snapshot: Snapshot,
        recipe: Recipe | None,
        plan: tuple[Recipe, Recipe] | None = None,
        *,
        now: bool = False,
    ) -> None:
        """Keep a snapshot if it is time, or at once with `now`."""
        if self._thread is not None and self._thread.is_alive():
            if not now:
                return
            self._thread.join()
        if not now and not self.due:
            return
        self._last = time.monotonic()
        self._thread = threading.Thread(
            target=self._save, args=(snapshot, recipe, plan), name="scicompty-autosave"
        )
        self._thread.start()

    def wait(self) -> None:
        """Wait until what was offered is on disk, or has failed."""
        if self._thread is not None:
            self._thread.join()

    def discard(self) -> None:
        """Remove the file: the result is saved elsewhere."""
        self.wait()
        discard(self.path)

    def _save(
        self,
        snapshot: Snapshot,
        recipe: Recipe | None,
        plan: tuple[Recipe, Recipe] | None,
    ) -> None:
        older = beside(self.path, _OLDER)
        try:
            if self._own_folder:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            save_result(self.path, snapshot, recipe, plan=plan, keep_as=older)
        except Exception as error:  # whatever it is, the run must go on and say so
            self._failed(error)


def discard(path: Path) -> None:
    """Remove both generations of what was kept."""
    for file in (path, beside(path, _OLDER)):
        file.unlink(missing_ok=True)


def kept(path: Path) -> Path | None:
    """Return the newest generation of what was kept that can be opened."""
    for file in (path, beside(path, _OLDER)):
        if is_result(file):
            try:
                open_result(file)
            except InputError:
                continue
            return file
    return None


def set_aside(path: Path) -> Path | None:
    """Give what an earlier run left a name of its own, which no run will take."""
    found = kept(path)
    if found is None:
        return None
    place = beside(path, f".{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")
    os.replace(found, place)
    discard(path)
    return place


def rescue(snapshot: Snapshot, recipe: Recipe | None) -> Path | None:
    """Keep a result that could not be saved where it was meant to be.

    Returns
    -------
    Path or None
        Where it is; None where no place took it.
    """
    name = f"rescued-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.h5"
    places = [folder(), Path.cwd(), Path.home(), Path(tempfile.gettempdir())]
    for made_by in (recipe, None):
        for place in places:
            try:
                place.mkdir(parents=True, exist_ok=True)
                save_result(place / name, snapshot, made_by)
            except Exception:  # the next place may take it
                continue
            return place / name
    return None


# -- what was never saved -----------------------------------------------------------
class Leftover(NamedTuple):
    """A result that was never saved, of a process that is gone."""

    path: Path
    made: str
    """When its run began: ``YYYY-MM-DD hh:mm``; empty where that is not known."""


def leftovers() -> list[Leftover]:
    """Find results of processes that are gone, newest first; others are left alone."""
    found: dict[Path, Leftover] = {}
    for path in _results():
        named = _NAME.fullmatch(path.stem)
        if named is None:
            if path.stem.startswith("rescued-") and is_result(path):
                found[path] = Leftover(path, "")
            continue
        if not _is_gone(named["owner"]):
            continue
        newest = path.with_name(path.name.replace(f"{_OLDER}.", "."))
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
