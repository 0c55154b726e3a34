"""How long tests wait: fixed times grow with the load of the machine."""

from __future__ import annotations

import os

CORES = os.cpu_count() or 1


def slowness() -> float:
    """How many times longer things may take here and now than on a quiet machine."""
    if not hasattr(os, "getloadavg"):
        return 2.0
    return max(1.0, 2 * os.getloadavg()[0] / CORES)


def patient(seconds: float) -> float:
    """Return a time to wait that suits the load."""
    return seconds * slowness()
