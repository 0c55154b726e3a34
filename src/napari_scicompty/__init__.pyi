"""The public face: every name, and where it lives. `__init__.py` reads this."""

from .algorithms import EPIE, MPIE, RPIE, Auto, AutoDiff
from .analysis import metrics
from .analysis.bright_field import BrightField, bright_field
from .core.errors import EngineError, InputError
from .core.findings import Finding
from .core.geometry import Geometry
from .core.version import __version__
from .data.diverged import DivergedError
from .data.scan import Scan
from .data.snapshot import Snapshot
from .engine.controls import Controls
from .formats import open_scan, save_scan
from .recipe import Recipe
from .refine import CrossCorrelationShift, DefocusCoupledDistance, LeastSquaresShift
from .results import open_result, save_result
from .results.foreign import ForeignResult, open_foreign_result
from .simulation import Preset, Truth, VirtualExperiment, simulate
from .simulation.truth_file import open_truth
from .workflow.checking import check
from .workflow.convergent import ConvergentProbe
from .workflow.half_sets import Resolution, split_half_frc
from .workflow.orientation import OrientationCandidate
from .workflow.orientation_search import find_orientation
from .workflow.reconstruction import reconstruct, run
from .workflow.refocusing import with_focus
from .workflow.search import find_start
from .workflow.start import (
    AutoStart,
    BackPropagatedProbe,
    DiscProbe,
    ProbeFile,
    PupilProbe,
    ZonePlateProbe,
)

__all__ = [
    "EPIE",
    "MPIE",
    "RPIE",
    "Auto",
    "AutoDiff",
    "AutoStart",
    "BackPropagatedProbe",
    "BrightField",
    "Controls",
    "ConvergentProbe",
    "CrossCorrelationShift",
    "DefocusCoupledDistance",
    "DiscProbe",
    "DivergedError",
    "EngineError",
    "Finding",
    "ForeignResult",
    "Geometry",
    "InputError",
    "LeastSquaresShift",
    "OrientationCandidate",
    "Preset",
    "ProbeFile",
    "PupilProbe",
    "Recipe",
    "Resolution",
    "Scan",
    "Snapshot",
    "Truth",
    "VirtualExperiment",
    "ZonePlateProbe",
    "__version__",
    "bright_field",
    "check",
    "find_orientation",
    "find_start",
    "metrics",
    "open_foreign_result",
    "open_result",
    "open_scan",
    "open_truth",
    "reconstruct",
    "run",
    "save_result",
    "save_scan",
    "simulate",
    "split_half_frc",
    "with_focus",
]
