"""The log: what the program does, in a file that outlives window and terminal.

Each module has ``log = logging.getLogger(__name__)``. A script decides by `logging`
what it wants to hear; the window and the command line also keep a file.
"""

from __future__ import annotations

import faulthandler
import logging
import os
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

import platformdirs

OURS = "napari_scicompty"
"""Name of the logger above all of ours."""
_LARGEST = 2**22
"""Bytes of a log file; two older ones are kept."""
_LINE = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"
OFTEN = {"is_often": True}
"""``extra`` of lines that may come many times a second: the file takes one a second."""
_CRASHES: list[TextIO] = []
"""The open file that `faulthandler` writes to: it must not be closed."""


def log_file() -> Path:
    """Where the log is written.

    Returns
    -------
    Path
        It need not exist yet.
    """
    return Path(platformdirs.user_log_dir("napari-scicompty")) / "scicompty.log"


def crash_file() -> Path:
    """Where the place in the code is written when the interpreter itself crashes.

    Returns
    -------
    Path
        Beside the log.
    """
    return log_file().with_name("crash.log")


def keep_log() -> None:
    """Write our log to its file from now on; again does no harm.

    Where the folder cannot be written there is no log, and nothing else is lost.
    """
    path = log_file()
    logger = logging.getLogger(OURS)
    for old in [h for h in logger.handlers if isinstance(h, _LogFile)]:
        if old.baseFilename == os.path.abspath(path):
            return
        logger.removeHandler(old)
        old.close()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _LogFile(
            path, maxBytes=_LARGEST, backupCount=2, encoding="utf-8", delay=True
        )
    except OSError:
        return
    handler.setFormatter(logging.Formatter(_LINE))
    handler.setLevel(logging.INFO)
    handler.addFilter(_OneASecond())
    logger.addHandler(handler)
    if not logger.isEnabledFor(logging.INFO):
        logger.setLevel(logging.INFO)
    _note_crashes()


def kept_log() -> Path | None:
    """Return the file of the log, where one is kept and is there."""
    for handler in logging.getLogger(OURS).handlers:
        if isinstance(handler, _LogFile) and os.path.isfile(handler.baseFilename):
            return Path(handler.baseFilename)
    return None


def log_fault(log: logging.Logger, error: BaseException) -> None:
    """Log an error with its traceback, once, however many places report it.

    Parameters
    ----------
    log : logging.Logger
        Where the line goes.
    error : exception
        Written only if `is_fault` says so.
    """
    if not is_fault(error) or "is_in_log" in error.__dict__:
        return
    log.error("%s", error, exc_info=error)
    error.__dict__["is_in_log"] = True


def is_fault(error: BaseException) -> bool:
    """Whether an error is a fault of a program, and not of the input or the run.

    Parameters
    ----------
    error : exception
        What was raised.
    """
    return bool(getattr(error, "is_fault", True))


def told(error: Exception) -> str:
    """Say an error in a sentence; for a fault, name the log that has the details.

    Parameters
    ----------
    error : exception
        What was raised.

    Returns
    -------
    str
        Without a traceback.
    """
    sentence = str(error) or type(error).__name__
    path = kept_log() if is_fault(error) else None
    return sentence if path is None else f"{sentence} (details in {path})"


class _OneASecond:
    """Leaves out of lines that come often all but one a second."""

    _last = -float("inf")

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the file takes a line."""
        if not getattr(record, "is_often", False):
            return True
        is_due = record.created - self._last >= 1 or record.created < self._last
        if is_due:
            self._last = record.created
        return is_due


class _LogFile(RotatingFileHandler):
    """A log file that several processes may write, and whose faults harm nobody."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, to the present file where another process began a new one."""
        stream = self.stream
        if stream is not None and not self._is_present(stream):
            with suppress(OSError):
                stream.close()
                self.stream = self._open()
        super().emit(record)

    def _is_present(self, stream: TextIO) -> bool:
        try:
            here = os.stat(self.baseFilename)
            return os.path.samestat(here, os.fstat(stream.fileno()))
        except (OSError, ValueError):
            return False

    def doRollover(self) -> None:
        """Begin a new file; go on with the old one where it cannot be renamed."""
        with suppress(OSError):
            super().doRollover()
        if self.stream is None:
            self.stream = self._open()

    def handleError(self, record: logging.LogRecord) -> None:
        """Lose a line rather than disturb: the disk may be full."""


def _note_crashes() -> None:
    """Let a crash of the interpreter leave its place in the code, if nobody else does.

    `faulthandler` writes from a signal handler and needs a file that stays open; lines
    of several processes are added one after the other.
    """
    if faulthandler.is_enabled():
        return
    with suppress(OSError, ValueError):
        file = crash_file().open("a", encoding="utf-8")
        faulthandler.enable(file)
        _CRASHES.append(file)
