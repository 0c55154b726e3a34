"""What keeps the result of a window on disk until it is saved."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_scicompty.workflow.autosave import Autosave, discard

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.recipe import Recipe


class Keeping(QObject):
    """Keeps the result on show; a file goes only when that very result is saved."""

    failed = Signal(str)
    """Why the result could not be kept; said once for each reason."""
    _failed_there = Signal(str)
    """The same, from the thread that writes."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._autosave: Autosave | None = None
        self._recovered: Path | None = None
        """What the result was kept in by a process that is gone."""
        self._complaint = ""
        self._failed_there.connect(self._complain)

    @property
    def due(self) -> bool:
        """Whether it is time to keep the run."""
        return self._autosave is None or self._autosave.due

    def forget(self) -> None:
        """Leave the files where they are: another result is on show."""
        self._autosave = self._recovered = None

    def recover(self, path: Path) -> None:
        """Note the file that a result was recovered from."""
        self._recovered = path

    def offer(
        self, snapshot: Snapshot, recipe: Recipe | None, *, now: bool = False
    ) -> None:
        """Keep a result if it is time, or at once with `now`."""
        if self._autosave is None:
            self._autosave = Autosave(failed=self._tell)
        self._autosave.offer(snapshot, recipe, now=now)

    def wait(self) -> None:
        """Wait until what was offered is on disk, or has failed."""
        if self._autosave is not None:
            self._autosave.wait()

    def discard(self, saved_as: str) -> None:
        """Remove the files: the person has saved the result, perhaps as one of them."""
        if self._autosave is not None:
            self._autosave.discard(saved_as)
        if self._recovered is not None:
            discard(self._recovered, saved_as)
        self.forget()

    def _tell(self, error: Exception) -> None:
        with suppress(RuntimeError):  # the window may be gone by then
            self._failed_there.emit(str(error))

    def _complain(self, why: str) -> None:
        if why != self._complaint:
            self._complaint = why
            self.failed.emit(f"the result is not kept on disk, save it soon: {why}")
