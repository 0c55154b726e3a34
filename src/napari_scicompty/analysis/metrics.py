"""Comparing reconstructions with a truth, or with each other: the public door.

Before comparing, what ptychography cannot see is removed: the complex scale between
object and probe, the common shift, and a linear phase ramp.
"""

from __future__ import annotations

from napari_scicompty.analysis.alignment import Alignment, align, complex_correlation
from napari_scicompty.analysis.comparison import (
    Comparison,
    KnownTruth,
    agreement,
    compare,
)
from napari_scicompty.analysis.focus import ProbeFocus, probe_focus
from napari_scicompty.analysis.illumination import (
    beam_diameter_m,
    principal_cosines,
    ptychographic_resolution_gain,
)
from napari_scicompty.analysis.line_profile import LineProfile, line_profile
from napari_scicompty.analysis.positions import (
    PositionError,
    displacements,
    measured_scale,
    outliers,
    position_error,
)
from napari_scicompty.analysis.ring_correlation import (
    Crossing,
    FourierRingCorrelation,
    fourier_ring_correlation,
)
from napari_scicompty.analysis.similarity import Similarity, ssim
from napari_scicompty.core.affine import PositionMap

__all__ = [
    "Alignment",
    "Comparison",
    "Crossing",
    "FourierRingCorrelation",
    "KnownTruth",
    "LineProfile",
    "PositionError",
    "PositionMap",
    "ProbeFocus",
    "Similarity",
    "agreement",
    "align",
    "beam_diameter_m",
    "compare",
    "complex_correlation",
    "displacements",
    "fourier_ring_correlation",
    "line_profile",
    "measured_scale",
    "outliers",
    "position_error",
    "principal_cosines",
    "probe_focus",
    "ptychographic_resolution_gain",
    "ssim",
]
