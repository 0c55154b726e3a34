"""What a controller has done in a thread: one thing at a time, looked at by a timer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_scicompty.ui.widgets.threads import start, worker_for

if TYPE_CHECKING:
    from collections.abc import Callable


class ThreadWork(QObject):
    """Starts work in a thread and tells, again and again, that it is time to look."""

    ticked = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._worker: Any = None
        self._finish: Callable[[], None] | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.ticked)

    def begin(
        self, work: Any, job: object, finish: Callable[[], None], every_ms: int
    ) -> None:
        """Start work on a job.

        Parameters
        ----------
        work : callable
            It is given the job in a list, which it empties: napari keeps a worker's
            arguments for ever.
        finish : callable
            Called in the window's thread when the work is done.
        """
        self._finish = finish
        self._worker = worker_for(work, [job])
        self._worker.finished.connect(self._finished)
        start(self._worker)
        self._timer.start(every_ms)

    def look_no_more(self) -> None:
        """Tell no longer that it is time to look: the window goes."""
        self._timer.stop()

    def _finished(self) -> None:
        self._timer.stop()
        self._worker = None
        finish, self._finish = self._finish, None
        if finish is not None:
            finish()
