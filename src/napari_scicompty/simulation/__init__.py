"""Virtual experiments: scans with a known truth."""

from __future__ import annotations

from napari_scicompty.simulation.beams import BEAMS
from napari_scicompty.simulation.detector import Detector
from napari_scicompty.simulation.experiment import Truth, VirtualExperiment
from napari_scicompty.simulation.measure import Layout, lay_out, simulate
from napari_scicompty.simulation.mistakes import Mistakes
from napari_scicompty.simulation.objects import OBJECTS
from napari_scicompty.simulation.paths import PATHS
from napari_scicompty.simulation.presets import PRESETS, Preset, preset

__all__ = [
    "BEAMS",
    "OBJECTS",
    "PATHS",
    "PRESETS",
    "Detector",
    "Layout",
    "Mistakes",
    "Preset",
    "Truth",
    "VirtualExperiment",
    "lay_out",
    "preset",
    "simulate",
]
