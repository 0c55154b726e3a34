"""Which process left something behind, and whether it still lives."""

from __future__ import annotations

import functools
import os
import platform
import re
from typing import NamedTuple

import psutil

_CLOCK_S = 2.0
"""The start of a process is known to about a second, and clocks are set."""


class Owner(NamedTuple):
    """A process: its machine, number and start. Numbers alone are used again."""

    host: str
    """Name of the machine."""
    number: int
    """Of the process."""
    started_s: float
    """By the clock, which may be set."""
    since_boot_s: float
    """By the machine's own time, which begins anew with it."""

    @property
    def token(self) -> str:
        """A text for file names, which `owner_of` reads back."""
        times = f"{self.started_s:.0f}.{self.since_boot_s:.0f}"
        return f"{self.host}.{self.number}.{times}"

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended; never said of another machine's."""
        if self.host != _host():
            return False
        try:
            now = _times(self.number)
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False
        then = (self.started_s, self.since_boot_s)
        # One of the two alone differs where the clock was set.
        return all(abs(a - b) > _CLOCK_S for a, b in zip(now, then, strict=True))


def _times(number: int) -> tuple[float, float]:
    """When a process began, by the clock and since the machine was started."""
    began = float(psutil.Process(number).create_time())
    return began, began - psutil.boot_time()


@functools.cache
def _owner(number: int) -> Owner:
    return Owner(_host(), number, *_times(number))


def this_process() -> Owner:
    """Return the owner of what is written now."""
    return _owner(os.getpid())


def owner_of(token: str) -> Owner | None:
    """Read what `Owner.token` wrote; None where it is something else.

    Parameters
    ----------
    token : str
        What was read from a file.

    Returns
    -------
    Owner or None
        Who wrote it.
    """
    found = re.fullmatch(r"([\w-]+)\.(\d{1,9})\.(\d{1,12})\.(-?\d{1,12})", token)
    if found is None:
        return None
    return Owner(found[1], int(found[2]), float(found[3]), float(found[4]))


def _host() -> str:
    """Name of this machine, in letters that any file name takes."""
    return re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:40] or "here"
