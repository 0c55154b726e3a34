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
    number: int
    started_s: float

    @property
    def token(self) -> str:
        """A text for file names, which `owner_of` reads back."""
        return f"{self.host}.{self.number}.{self.started_s:.0f}"

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended; never said of another machine's."""
        if self.host != _host():
            return False
        try:
            began = psutil.Process(self.number).create_time()
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False
        return abs(began - self.started_s) > _CLOCK_S


@functools.cache
def _started_s(number: int) -> float:
    return float(psutil.Process(number).create_time())


def this_process() -> Owner:
    """Return the owner of what is written now."""
    number = os.getpid()
    return Owner(_host(), number, _started_s(number))


def owner_of(token: str) -> Owner | None:
    """Read what `Owner.token` wrote; None where it is something else."""
    found = re.fullmatch(r"([\w-]+)\.(\d{1,9})\.(\d{1,12})", token)
    return Owner(found[1], int(found[2]), float(found[3])) if found else None


def _host() -> str:
    """Name of this machine, in letters that any file name takes."""
    return re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:40] or "here"
