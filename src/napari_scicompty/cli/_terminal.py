"""What is said in a terminal, which may go away while a run goes on."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

import typer
from rich.console import Console
from rich.highlighter import NullHighlighter
from rich.logging import RichHandler

from napari_scicompty.cli._words import spoken
from napari_scicompty.core.log import OURS, keep_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def say(text: str, *, err: bool = False) -> None:
    """Say a line; where nobody listens any more, nothing is lost by it."""
    try:
        typer.echo(_visible(text), err=err)
    except OSError:  # a closed pipe, or a terminal that is gone
        _close(sys.stderr if err else sys.stdout)


def tell(lines: Iterable[tuple[str, str]]) -> None:
    """Say names and texts, a line each; notes in the words of the command line."""
    for name, text in lines:
        shown = spoken(text) if name in ("note", "ok", "warning", "error") else text
        say(f"{name + ':':<20} {shown}")


def listen(verbose: int) -> Callable[[], None]:
    """Keep the log file; with 1 tell the log here too, with 2 or more in detail.

    Returns
    -------
    callable
        Ends the telling.
    """
    keep_log()
    logger = logging.getLogger(OURS)
    if not verbose:
        return lambda: None
    handler = RichHandler(
        console=console(), show_path=False, highlighter=NullHighlighter()
    )
    level, shape = logging.INFO, "%(message)s"
    if verbose > 1:
        level, shape = logging.DEBUG, f"%(name)s: {shape}"
    handler.setLevel(level)
    handler.setFormatter(logging.Formatter(shape))
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)

    def end() -> None:
        logger.removeHandler(handler)
        logger.setLevel(before)

    return end


def console() -> Console:
    """Return the console of stderr; the bar must share that of the log."""
    for handler in logging.getLogger(OURS).handlers:
        if isinstance(handler, RichHandler):
            return handler.console
    return Console(file=quiet(sys.stderr))


def _visible(text: str) -> str:
    """Write out control characters, which names of files may hold."""
    return "".join(
        c if c in "\n\t" or (c.isprintable() or c == " ") else ascii(c)[1:-1]
        for c in text
    )


def _close(stream: TextIO) -> None:
    """Send to nowhere what the interpreter still writes at its end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return


def quiet(stream: TextIO) -> TextIO:
    """Return a stream that goes on when its terminal is gone."""
    return cast("TextIO", _Quiet(stream))


class _Quiet:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write what can be written."""
        try:
            return self._stream.write(text)
        except (OSError, ValueError):
            return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return
