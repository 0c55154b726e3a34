"""The public errors: each message says what is wrong, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_scicompty.snapshot import Snapshot


class InputError(ValueError):
    """Input that cannot be used as it is (exit code 2)."""


class EngineError(Exception):
    """The engine could not go on (exit code 1).

    Deliberately not a ``RuntimeError``: thread workers of Qt bindings swallow those.
    """


class DivergedError(EngineError):
    """The reconstruction diverged, and gentler weights did not help.

    Attributes
    ----------
    snapshot : Snapshot
        The last good state, from which a run can be continued or saved.
    """

    def __init__(self, message: str, snapshot: Snapshot) -> None:
        super().__init__(message)
        self.snapshot = snapshot
