"""Reconstruction algorithms, one rule a file; the table names them."""

from __future__ import annotations

from napari_scicompty.algorithms.auto import Auto
from napari_scicompty.algorithms.autodiff import AutoDiff
from napari_scicompty.algorithms.base import (
    Algorithm,
    AlgorithmState,
    StepContext,
)
from napari_scicompty.algorithms.pie import EPIE, MPIE, RPIE
from napari_scicompty.core.registry import Registry
from napari_scicompty.core.settings import described_as

ALGORITHMS: Registry[type[Algorithm]] = Registry(
    "napari_scicompty.algorithms",
    {"auto": Auto, "rpie": RPIE, "epie": EPIE, "mpie": MPIE, "autodiff": AutoDiff},
    lambda kind: isinstance(kind, type) and issubclass(kind, Algorithm),
)
"""Name in recipes and on the command line -> class; the first is the default."""

__all__ = [
    "ALGORITHMS",
    "EPIE",
    "MPIE",
    "RPIE",
    "Algorithm",
    "AlgorithmState",
    "Auto",
    "AutoDiff",
    "StepContext",
    "from_description",
]


def from_description(description: dict[str, object]) -> Algorithm:
    """Return the algorithm that a snapshot's settings or history describe.

    Parameters
    ----------
    description : dict
        As of `Settings.described`.

    Raises
    ------
    InputError
        An algorithm or a setting that is not known here.
    """
    return described_as(ALGORITHMS.values(), description, "algorithm")


ALGORITHMS.load_plugins()
