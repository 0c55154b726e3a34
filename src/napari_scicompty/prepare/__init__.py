"""Preparation: pure functions from a scan to a scan, with a new geometry where needed.

Each takes a `Scan` (or a reader's unchecked frames), returns another, and adds a
sentence to its report. Memory maps stay memory maps as long as only views are taken.
"""

from __future__ import annotations

from napari_scicompty.prepare.counts import (
    amplitudes_squared,
    dark_field,
    mask_hot_pixels,
    mask_pixels,
    mask_saturated,
)
from napari_scicompty.prepare.frame_shape import crop, from_corner, orient, rebin
from napari_scicompty.prepare.markers import mask_markers, mask_not_finite

__all__ = [
    "amplitudes_squared",
    "crop",
    "dark_field",
    "from_corner",
    "mask_hot_pixels",
    "mask_markers",
    "mask_not_finite",
    "mask_pixels",
    "mask_saturated",
    "orient",
    "rebin",
]
