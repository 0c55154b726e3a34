"""What is said in a terminal, which may go away while a run goes on."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TextIO, cast

import typer

from napari_scicompty.cli._words import spoken

if TYPE_CHECKING:
    from collections.abc import Iterable


def say(text: str, *, err: bool = False) -> None:
    """Say a line; where nobody listens any more, nothing is lost by it."""
    try:
        typer.echo(_visible(text), err=err)
    except OSError:  # a closed pipe, or a terminal that is gone
        _close(sys.stderr if err else sys.stdout)


def tell(lines: Iterable[tuple[str, str]]) -> None:
    """Say names and texts, a line each; notes in the words of the command line."""
    for name, text in lines:
        shown = spoken(text) if name in ("note", "warning") else text
        say(f"{name + ':':<20} {shown}")


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
