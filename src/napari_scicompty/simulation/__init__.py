"""Virtual experiments: scans with a known truth."""

from __future__ import annotations

from napari_scicompty.simulation.experiment import (
    Truth,
    VirtualExperiment,
    jittered_raster,
    simulate,
)
from napari_scicompty.simulation.objects import OBJECTS

__all__ = ["OBJECTS", "Truth", "VirtualExperiment", "jittered_raster", "simulate"]
