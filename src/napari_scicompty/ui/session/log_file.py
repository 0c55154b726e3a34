"""The log: a file that outlives the window, for reports of trouble."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

import platformdirs

log = logging.getLogger("napari_scicompty")


def log_file() -> Path:
    """Where the log is written."""
    return Path(platformdirs.user_log_dir("napari-scicompty")) / "scicompty.log"


def keep_log() -> None:
    """Write the package's log to its file, from now on."""
    path = log_file()
    if any(getattr(h, "baseFilename", "") == str(path) for h in log.handlers):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            path, maxBytes=2**20, backupCount=2, encoding="utf-8", delay=True
        )
    except OSError:
        return
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
