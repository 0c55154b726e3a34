"""SIGTERM and SIGHUP end the window as a person would: stop, keep, close."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import QCoreApplication, QObject, QSocketNotifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Stoppable(Protocol):
    """What has to stop and to keep its result before the window closes."""

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        ...

    def stop(self) -> None:
        """Stop it."""
        ...

    def keep_now(self) -> None:
        """Write down what is not saved."""
        ...


PATIENCE_S = 8.0
"""How long runs may take to stop, and results to be written."""


class Ending(QObject):
    """Waits for signals; Python alone would not hear them while Qt's loop sleeps.

    Parameters
    ----------
    controllers : callable
        Gives those of all viewers.
    """

    def __init__(self, controllers: Callable[[], Iterable[Stoppable]]) -> None:
        super().__init__(QCoreApplication.instance())
        self._controllers = controllers
        self._number: int | None = None
        self._here, self._there = os.pipe()
        for end in (self._here, self._there):
            os.set_blocking(end, False)
        self._notifier = QSocketNotifier(self._here, QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._wake)

    def listen(self, numbers: Iterable[int]) -> None:
        """Take these signals from now on."""
        signal.set_wakeup_fd(self._there, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, self._receive)

    def _receive(self, number: int, _frame: Any) -> None:
        """Let Qt's loop go on from here; napari may have woken it in our place."""
        self._number = number
        with suppress(OSError):
            os.write(self._there, b"\0")

    def _wake(self) -> None:
        """Python has run the handler by now, if it was one of ours."""
        try:
            os.read(self._here, 4096)
        except OSError:
            return
        if self._number is not None:
            self._notifier.setEnabled(False)
            self._end(self._number)

    def _end(self, number: int) -> None:
        controllers = list(self._controllers())
        for controller in controllers:
            controller.stop()
        until = time.monotonic() + PATIENCE_S
        while any(c.busy for c in controllers) and time.monotonic() < until:
            QCoreApplication.processEvents()
            time.sleep(0.01)
        for controller in controllers:
            controller.keep_now()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)


_ENDINGS: list[Ending] = []


def end_by_signals(controllers: Callable[[], Iterable[Stoppable]]) -> None:
    """Let SIGTERM and SIGHUP stop all runs and keep their results, from now on.

    Signals that are ignored, as under nohup, or that somebody else handles stay so.
    """
    here = threading.current_thread()
    if _ENDINGS or os.name == "nt" or here is not threading.main_thread():
        return
    numbers = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
    free = [n for n in numbers if n and signal.getsignal(n) == signal.SIG_DFL]
    before = signal.set_wakeup_fd(-1)
    if before != -1:
        signal.set_wakeup_fd(before)
        return
    if free:
        _ENDINGS.append(Ending(controllers))
        _ENDINGS[0].listen(free)
