"""What the window says: to the person, and to the log."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, TypeVar

from qtpy.QtCore import QObject, Signal

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.findings import level_of
from napari_scicompty.core.log import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.core.findings import Finding
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot

T = TypeVar("T")

_LEVELS = {"ok": "info", "note": "info", "warning": "warning", "error": "error"}
"""How loud the window says a finding, or a note of a history."""

log = logging.getLogger(__name__)


class Speaker(QObject):
    """Says each thing once; docks listen to `said`."""

    said = Signal(str, str)
    """(level, sentence); level is "info", "warning" or "error"."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._notes_said = 0
        self._of_scan: frozenset[str] = frozenset()
        """What was said of the scan, as a history notes it."""

    def say(self, level: str, sentence: str) -> None:
        """Tell the user, and the log."""
        number = {"error": logging.ERROR, "warning": logging.WARNING}
        log.log(number.get(level, logging.INFO), "%s", sentence)
        self.said.emit(level, sentence)

    def warn(self, sentence: str) -> None:
        """Say a warning."""
        self.say("warning", sentence)

    def attempt(self, act: Callable[[], T]) -> T | None:
        """Do something that bad input may prevent; say so instead of raising."""
        try:
            return act()
        except InputError as error:
            self.say("error", str(error))
            return None

    def say_failure(self, error: Exception) -> None:
        """Say what went wrong."""
        self.say("error", told(error))

    def say_scan(self, scan: Scan) -> None:
        """Say what was assumed of a scan, and what is odd about it."""
        for line in scan.notes:
            self.say("info", line)
        self._of_scan = frozenset(finding.as_note for finding in scan.findings)
        for finding in scan.findings:
            self.say(_LEVELS[finding.level], str(finding))

    def begin_notes(self, result: Snapshot | None) -> None:
        """Take what the history of a result notes as said."""
        self._notes_said = 0 if result is None else len(result.history.notes)

    def say_notes(self, snapshot: Snapshot) -> None:
        """Say what the engine did by itself since the last time."""
        notes = snapshot.history.notes
        for note in notes[self._notes_said :]:
            if note not in self._of_scan:
                level, text = level_of(note)
                self.say(_LEVELS[level], text)
        self._notes_said = len(notes)

    def say_end(
        self, result: Snapshot, verdict: Finding | None, *, stopped: bool
    ) -> None:
        """Say how far a run came, and how it went."""
        done = "stopped" if stopped else "finished"
        shown = f", error {result.error:.4g}" if math.isfinite(result.error) else ""
        runs = result.history.runs
        why = f": {runs[-1].why_ended}" if runs and runs[-1].why_ended else ""
        ended = f"{done} at epoch {result.epoch}{shown}{why}"
        if verdict is None or verdict.level == "ok":
            self.say("info", ended)
        else:
            self.say(verdict.level, f"{ended}; {verdict}")
