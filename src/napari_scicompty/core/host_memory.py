"""How much memory this process may still take."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import psutil

_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
"""Files below /sys/fs/cgroup that hold the limit of a container."""
_SHARE_OF_A_STACK = 0.25


def available_bytes() -> int:
    """Memory that is free on this machine and that this process may use.

    Returns
    -------
    int
        Bytes; the least of what the machine, a control group and a limit of the
        process leave.
    """
    process = psutil.Process()
    free = [int(psutil.virtual_memory().available)]
    used = process.memory_info()
    for name in _LIMITS:
        with contextlib.suppress(OSError, ValueError):
            limit = int(Path("/sys/fs/cgroup", name).read_text())
            free.append(limit - used.rss)
    if sys.platform == "linux":
        most = process.rlimit(psutil.RLIMIT_DATA)[0]
        if most != psutil.RLIM_INFINITY:
            free.append(most - used.data)
    return max(0, min(free))


def room_for_a_stack() -> int:
    """Bytes up to which a stack is held in memory rather than read when needed.

    Returns
    -------
    int
        Bytes.
    """
    return int(_SHARE_OF_A_STACK * available_bytes())
