"""Threads of our own: napari's workers in a pool that no other plugin can fill.

Qt's own pool has one thread where the machine has one core; a second run would wait in
it for ever.
"""

from __future__ import annotations

import functools

from napari.qt.threading import WorkerBase, create_worker
from qtpy.QtCore import QCoreApplication, QThreadPool

MOST = 32
"""Runs, previews and files that may be under way at once."""

_UNDER_WAY: dict[int, object] = {}
"""Workers must outlive the window that began them."""


@functools.cache
def pool() -> QThreadPool:
    """Return the pool of this plugin, which ends with the application."""
    made = QThreadPool(QCoreApplication.instance())
    made.setMaxThreadCount(MOST)
    return made


def worker_for(work: object, *arguments: object) -> WorkerBase:
    """Make a worker that calls or drives `work`; its errors are the caller's affair."""
    return create_worker(work, *arguments, _start_thread=False, _ignore_errors=True)


def start(worker: WorkerBase) -> None:
    """Start a worker in a thread of its own."""
    key = id(worker)
    _UNDER_WAY[key] = worker
    worker.finished.connect(functools.partial(_UNDER_WAY.pop, key, None))
    pool().start(worker)
