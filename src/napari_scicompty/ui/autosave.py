"""Nobody loses a run: results not yet saved are kept in a folder of our own."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from napari_scicompty.results import save_result

if TYPE_CHECKING:
    from napari_scicompty.recipe import Recipe
    from napari_scicompty.snapshot import Snapshot

EVERY_S = 60.0
KEEP = 5
"""Unsaved results that are kept at most."""


def folder() -> Path:
    """Where unsaved results lie."""
    return Path(platformdirs.user_data_dir("napari-scicompty")) / "unsaved"


class Autosave:
    """Keeps the result of one run on disk, from a thread of its own."""

    def __init__(self) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self.path = folder() / f"{stamp}-{os.getpid()}-{id(self):x}.h5"
        self._thread: threading.Thread | None = None
        self._last = time.monotonic()
        self.failure: OSError | ValueError | None = None

    @property
    def due(self) -> bool:
        """Whether a minute has passed since the last time."""
        return time.monotonic() - self._last >= EVERY_S

    def offer(
        self, snapshot: Snapshot, recipe: Recipe | None, *, now: bool = False
    ) -> None:
        """Save if a minute has passed, or at once with `now`."""
        if self._thread is not None and self._thread.is_alive():
            if not now:
                return
            self._thread.join()
        if not now and not self.due:
            return
        self._last = time.monotonic()
        self._thread = threading.Thread(
            target=self._save, args=(snapshot, recipe), name="scicompty-autosave"
        )
        self._thread.start()

    def discard(self) -> None:
        """Forget the file: the user has saved the result."""
        if self._thread is not None:
            self._thread.join()
        self.path.unlink(missing_ok=True)

    def _save(self, snapshot: Snapshot, recipe: Recipe | None) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_result(self.path, snapshot, recipe)
            for old in sorted(folder().glob("*.h5"))[:-KEEP]:
                old.unlink(missing_ok=True)
        except (OSError, ValueError) as error:
            self.failure = error


def leftovers() -> list[Path]:
    """Unsaved results of processes that are gone, newest first."""
    found = []
    for path in sorted(folder().glob("*.h5"), reverse=True):
        pid = path.stem.split("-")[2]
        if not _alive(int(pid)):
            found.append(path)
    return found


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return True
    if os.name == "nt":  # signal 0 would end the process there
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
