"""A report of trouble: what those who help need to know, and nothing private."""

from __future__ import annotations

import getpass
import logging
import os
import platform
import re
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import psutil
import torch

from napari_scicompty.core.host_memory import available_bytes
from napari_scicompty.core.log import crash_file, log_file
from napari_scicompty.core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

_PACKAGES = (
    *("napari", "torch", "numpy", "scipy", "scikit-image", "h5py", "hdf5plugin"),
    *("tifffile", "pydantic", "qtpy", "PyQt6", "PySide6", "PyQt5", "pyqtgraph"),
    *("superqt", "magicgui", "vispy", "matplotlib", "typer", "rich", "numba"),
)
_LINES = 200
"""Of the log."""
_NOTES = 20
_TAIL = 2**18
"""Bytes at the end of a log that are looked at."""


def report(settings: str = "", notes: Sequence[str] = (), *, since: float = 0.0) -> str:
    """Tell versions, devices, settings, notes and the end of the log, as plain text.

    Folders are left out of paths, the home folder is ``~``, and the name of the user
    is left out.

    Parameters
    ----------
    settings : str
        Of the run: a recipe as TOML, with the names of files alone.
    notes : sequence of str
        Of the history; the last ones are told.
    since : float
        Time from which on the log counts, such as that when a window was opened;
        seconds since 1970.

    Returns
    -------
    str
        Parts with headings, ready to be pasted into an issue.
    """
    parts = {
        "Versions": _versions(),
        "Devices": _devices(),
        "Settings": settings.splitlines() or ["not known"],
        "Notes": notes[-_NOTES:] or ["none"],
        f"Log, last {_LINES} lines": _of_session(log_file(), since) or ["empty"],
    }
    if crash := _end_of(crash_file(), _LINES):
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(_changed(crash_file())))
        parts[f"Last crash of the interpreter, {when}"] = crash
    text = "\n\n".join(
        "\n".join([f"== {title} ==", *lines]) for title, lines in parts.items()
    )
    return f"{without_home(text)}\n"


_PATH = re.compile(
    r"(?<![\w.~/\\:])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'\",;:()\[\]]+[/\\])+"
    r"[^\s/\\'\",;:()\[\]]+"
)
"""A whole path."""


def _without_folders(found: re.Match[str]) -> str:
    """Return the name of a file; of a module also where it lies in its package."""
    parts = re.split(r"[/\\]", found[0])
    for root in ("site-packages", "src"):
        if root in parts:
            return "/".join(parts[parts.index(root) + 1 :])
    python = [n for n, part in enumerate(parts) if re.fullmatch(r"python3[.\d]*", part)]
    return "/".join(parts[python[-1] + 1 :] if python else parts[-1:])


def without_home(text: str) -> str:
    """Take folders out of paths, and write the user's name as ``USER``.

    Parameters
    ----------
    text : str
        May hold paths.

    Returns
    -------
    str
        The same without the name of the user.
    """
    home = os.path.expanduser("~")
    for folder in sorted({home, os.path.realpath(home)}, key=len, reverse=True):
        if len(folder) > 1:
            ways = {folder, folder.replace("\\", "/"), folder.replace("\\", "\\\\")}
            for way in ways:
                text = re.sub(rf"{re.escape(way)}(?![\w-])", "~", text)
    text = _PATH.sub(_without_folders, text)
    for user in {_user(), os.path.basename(home)} - {""}:
        text = re.sub(rf"(?<=[/\\]){re.escape(user)}(?![\w-])", "USER", text)
    return text


def _of_session(path: Path, since: float) -> Sequence[str]:
    """Return the last lines of a log that were written since a time."""
    lines, counts = [], True
    for line in _end_of(path, _LINES):
        try:
            told = time.mktime(time.strptime(line[:19], "%Y-%m-%d %H:%M:%S"))
            counts = told >= int(since)
        except ValueError:
            pass  # goes on with the line before
        if counts:
            lines.append(line)
    return lines


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _versions() -> Iterator[str]:
    yield f"napari-scicompty {__version__}"
    yield f"Python {platform.python_version()}, {platform.python_implementation()}"
    yield f"system {platform.platform()}, {platform.machine()}"
    for name in _PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    qtpy = sys.modules.get("qtpy")
    binding = getattr(qtpy, "API_NAME", None) or os.environ.get("QT_API", "")
    yield f"Qt binding {binding or 'not loaded'}"


def _devices() -> Iterator[str]:
    memory = psutil.virtual_memory().total
    yield (
        f"cpu: {os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads, "
        f"{_gib(memory)} of memory, {_gib(available_bytes())} free"
    )
    cuda = torch.version.cuda or getattr(torch.version, "hip", None)
    yield f"CUDA or ROCm of torch: {cuda or 'none'}"
    try:
        for number in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(number)
            free = torch.cuda.mem_get_info(number)[0]
            yield (
                f"cuda:{number}: {about.name}, {_gib(about.total_memory)} of memory, "
                f"{_gib(free)} free, capability {about.major}.{about.minor}"
            )
    except RuntimeError as error:  # a driver that does not answer is worth telling
        log.info("the GPU does not answer", exc_info=True)
        yield f"cuda: does not answer ({error})"
    if torch.backends.mps.is_available():
        yield f"mps: {_gib(torch.mps.recommended_max_memory())} of memory"


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


def _end_of(path: Path, count: int) -> Sequence[str]:
    """Return the last lines of a file; none where it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-count:]
