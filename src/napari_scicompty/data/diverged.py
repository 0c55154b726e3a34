"""What is raised when a run diverges: it carries the last good snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from napari_scicompty.core.errors import EngineError

if TYPE_CHECKING:
    from napari_scicompty.data.snapshot import Snapshot


class DivergedError(EngineError):
    """The reconstruction diverged, and gentler weights did not help.

    Parameters
    ----------
    message : str
        One sentence that says what to do.
    snapshot : Snapshot
        The last good state.

    Attributes
    ----------
    snapshot : Snapshot
        The last good state, from which a run can be continued or saved.
    """

    is_fault: ClassVar[bool] = False

    def __init__(self, message: str, snapshot: Snapshot) -> None:
        super().__init__(message, snapshot)
        self.snapshot = snapshot

    def __str__(self) -> str:
        """Return the sentence alone."""
        return str(self.args[0])
