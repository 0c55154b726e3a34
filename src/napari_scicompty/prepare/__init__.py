"""Preparation: pure functions from a scan to a scan, with a new geometry where needed.

Each takes a `Scan` (or a reader's unchecked frames), returns another, and adds a
sentence to its report. Memory maps stay memory maps as long as only views are taken.
"""

from __future__ import annotations

from napari_scicompty.prepare.counts import (
    dark_field,
    mask_hot_pixels,
    mask_pixels,
    mask_saturated,
)
from napari_scicompty.prepare.frame_shape import crop, orient, rebin

__all__ = [
    "crop",
    "dark_field",
    "mask_hot_pixels",
    "mask_pixels",
    "mask_saturated",
    "orient",
    "rebin",
]
