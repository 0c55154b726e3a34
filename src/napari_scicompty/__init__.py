"""Ptychography in napari: open a scan, watch the object appear, keep the result.

The public face. Everything is loaded on first use: importing the package loads
neither torch nor Qt nor napari.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_scicompty.algorithms import EPIE, RPIE, AutoDiff
    from napari_scicompty.analysis import metrics
    from napari_scicompty.controls import Controls
    from napari_scicompty.errors import DivergedError, EngineError, InputError
    from napari_scicompty.findings import Finding
    from napari_scicompty.formats import open_scan, save_scan
    from napari_scicompty.geometry import Geometry
    from napari_scicompty.halves import Resolution, half_scans
    from napari_scicompty.recipe import Recipe
    from napari_scicompty.reconstruction import reconstruct
    from napari_scicompty.refine import (
        CrossCorrelationShift,
        LeastSquaresShift,
        ValleyDistance,
    )
    from napari_scicompty.refocusing import with_focus
    from napari_scicompty.results import open_result, save_result
    from napari_scicompty.scan import Scan
    from napari_scicompty.search import find_start
    from napari_scicompty.simulation import Preset, Truth, VirtualExperiment, simulate
    from napari_scicompty.simulation.truth_file import open_truth
    from napari_scicompty.snapshot import Snapshot
    from napari_scicompty.start import (
        AutoStart,
        BackPropagatedProbe,
        DiscProbe,
        ProbeFile,
        PupilProbe,
        ZonePlateProbe,
    )

_HOME = {
    "Geometry": "geometry",
    "Finding": "findings",
    "Scan": "scan",
    "open_scan": "formats",
    "save_scan": "formats",
    "open_truth": "simulation.truth_file",
    "VirtualExperiment": "simulation",
    "Preset": "simulation",
    "Truth": "simulation",
    "simulate": "simulation",
    "reconstruct": "reconstruction",
    "find_start": "search",
    "half_scans": "halves",
    "Resolution": "halves",
    "with_focus": "refocusing",
    "AutoStart": "start",
    "BackPropagatedProbe": "start",
    "DiscProbe": "start",
    "PupilProbe": "start",
    "ProbeFile": "start",
    "ZonePlateProbe": "start",
    "AutoDiff": "algorithms",
    "EPIE": "algorithms",
    "LeastSquaresShift": "refine",
    "CrossCorrelationShift": "refine",
    "ValleyDistance": "refine",
    "RPIE": "algorithms",
    "Controls": "controls",
    "Snapshot": "snapshot",
    "save_result": "results",
    "open_result": "results",
    "Recipe": "recipe",
    "InputError": "errors",
    "DivergedError": "errors",
    "EngineError": "errors",
}

__version__ = "0.1.0"
__all__ = [
    "EPIE",
    "RPIE",
    "AutoDiff",
    "AutoStart",
    "BackPropagatedProbe",
    "Controls",
    "CrossCorrelationShift",
    "DiscProbe",
    "DivergedError",
    "EngineError",
    "Finding",
    "Geometry",
    "InputError",
    "LeastSquaresShift",
    "Preset",
    "ProbeFile",
    "PupilProbe",
    "Recipe",
    "Resolution",
    "Scan",
    "Snapshot",
    "Truth",
    "ValleyDistance",
    "VirtualExperiment",
    "ZonePlateProbe",
    "find_start",
    "half_scans",
    "metrics",
    "open_result",
    "open_scan",
    "open_truth",
    "reconstruct",
    "save_result",
    "save_scan",
    "simulate",
    "with_focus",
]


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return import_module("napari_scicompty.analysis.metrics")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"napari_scicompty.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
