"""The result of a window: what it is, what made it, whether it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.ui.session.keeping import Keeping
from napari_scicompty.ui.session.provenance import MadeBy

if TYPE_CHECKING:
    from pathlib import Path

    from qtpy.QtCore import QObject

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.recipe import Recipe


class ShownResult:
    """The newest state of a run, or a result that was opened.

    Attributes
    ----------
    snapshot : Snapshot or None
    saved : bool
        Whether it is in a file of the user's.
    """

    def __init__(self, parent: QObject) -> None:
        self.snapshot: Snapshot | None = None
        self.saved = True
        self.made_by = MadeBy()
        self.keeping = Keeping(parent)

    @property
    def recipe(self) -> Recipe | None:
        """The recipe that leads to it, if that is known."""
        return self.made_by.until(self.snapshot)

    def begin(self, recipe: Recipe) -> None:
        """Note that a run begins, from this result where there is one."""
        self.made_by.begin(recipe, self.snapshot)
        if self.snapshot is None:
            self.keeping.forget()

    def take(self, snapshot: Snapshot) -> None:
        """Take the newest state, which is in no file yet."""
        self.snapshot, self.saved = snapshot, False

    def take_opened(self, snapshot: Snapshot, recipe: Recipe | None) -> None:
        """Take a result that was opened from a file.

        Parameters
        ----------
        recipe : Recipe, optional
            What made it.
        """
        self.snapshot, self.saved = snapshot, True
        self.made_by.show(recipe, snapshot)
        self.keeping.forget()

    def keep(self, *, now: bool) -> None:
        """Keep it on disk if it is time, or at once with `now`."""
        if self.snapshot is not None:
            self.keeping.offer(self.snapshot, self.recipe, now=now)

    def keep_now(self, newer: Snapshot | None) -> None:
        """Keep on disk what is not saved yet, or what is newer, and wait for it."""
        if not self.saved:
            self.snapshot = newer or self.snapshot
            self.keep(now=True)
        self.keeping.wait()

    def mark_saved(self, path: str) -> None:
        """Note that the user has it in a file."""
        self.saved = True
        self.keeping.discard(path)

    def mark_recovered(self, path: Path) -> None:
        """Note that it lies in a file that goes when it is saved."""
        self.saved = False
        self.keeping.recover(path)

    def forget(self) -> None:
        """Forget it; what is kept of it on disk stays."""
        self.snapshot, self.saved = None, True
        self.keeping.forget()
        self.made_by.forget()
