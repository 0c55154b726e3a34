"""Work in a thread, with its outcome handed to the window's."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.log import log_fault, told
from napari_scicompty.ui.widgets.threads import start, worker_for

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


class Background(QObject):
    """One piece of work at a time; of those that wait, only the newest is done."""

    done = Signal(object)
    """What the work returned."""
    failed = Signal(str)
    """Why it could not be done, in a sentence."""
    ended = Signal()
    """Nothing is under way any more; what was dropped ends like this only."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._next: Callable[[], Any] | None = None
        self._outcome: dict[str, Any] = {}
        self._worker: Any = None

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._worker is not None

    def ask(self, work: Callable[[], Any]) -> None:
        """Do something now, or when what is under way is done."""
        self._next = work
        if not self.busy:
            self._begin()

    def drop(self) -> None:
        """Forget what waits, and the outcome of what is under way."""
        self._next, self._outcome = None, {}

    def _begin(self) -> None:
        # Handed over in containers that are emptied: napari keeps arguments for ever.
        work, self._next, self._outcome = [self._next], None, {}
        self._worker = worker_for(_carry_out, work, self._outcome)
        self._worker.finished.connect(self._finished)
        start(self._worker)

    def _finished(self) -> None:
        self._worker = None
        outcome, self._outcome = self._outcome, {}
        if self._next is not None:
            self._begin()
            return
        if "failure" in outcome:
            self.failed.emit(outcome["failure"])
        elif "value" in outcome:
            self.done.emit(outcome.pop("value"))
        self.ended.emit()


def _carry_out(work: list[Callable[[], Any]], outcome: dict[str, Any]) -> None:
    try:
        outcome["value"] = work.pop()()
    except InputError as error:
        outcome["failure"] = str(error)
    except Exception as error:
        log_fault(log, error)
        outcome["failure"] = f"{type(error).__name__}: {told(error)}"
        traceback.clear_frames(error.__traceback__)
