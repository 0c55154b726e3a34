"""Reconstruction algorithms, one rule a file; the table names them."""

from __future__ import annotations

from napari_scicompty.algorithms.base import Algorithm
from napari_scicompty.algorithms.pie import EPIE, RPIE

ALGORITHMS: dict[str, type[Algorithm]] = {
    "rpie": RPIE,
    "epie": EPIE,
}
"""Name in recipes and on the command line -> class; the first is the default."""

__all__ = ["ALGORITHMS", "EPIE", "RPIE", "Algorithm"]
