"""Ctrl-C, SIGTERM and SIGHUP stop a run, and what there is is saved."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scicompty.engine.controls import Controls

_ENDING = ("SIGTERM", "SIGHUP")
"""Signals of systems that end a program; Windows knows one of them."""


class Interruption:
    """What has been asked of a run by signals.

    Attributes
    ----------
    number : int or None
        The signal that ends the program, once it has come.
    saving : bool
        Whether results are being saved: then a Ctrl-C changes nothing.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self.number: int | None = None
        self.saving = False

    def receive(self, number: int, _frame: object) -> None:
        """Stop the run; a second Ctrl-C before the saving ends the program."""
        if number != signal.SIGINT:
            self.number = number
        elif self._controls.stopped and not self.saving:
            raise KeyboardInterrupt
        self._controls.stop()

    def end(self) -> None:
        """Leave with the exit code of the signal, if one came: 143 for SIGTERM."""
        if self.number is not None:
            raise typer.Exit(128 + self.number)


@contextmanager
def interruptible(controls: Controls) -> Iterator[Interruption]:
    """Let signals stop the run; one that is ignored, as under nohup, stays so."""
    interruption = Interruption(controls)
    numbers = [getattr(signal, name, None) for name in ("SIGINT", *_ENDING)]
    before = {
        number: signal.getsignal(number)
        for number in numbers
        if number is not None and signal.getsignal(number) != signal.SIG_IGN
    }
    for number in before:
        signal.signal(number, interruption.receive)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
