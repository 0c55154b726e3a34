"""Settings that cannot work together: why, and the nearest that can."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.data.checks.span import LARGEST_OBJECT
from napari_scicompty.optics.propagators import propagator_for
from napari_scicompty.simulation.beams import SphericalBeam, ZonePlateBeam
from napari_scicompty.simulation.paths import SteppedPath

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.simulation.experiment import VirtualExperiment

LARGEST_STACK = 2**29
"""Values of all patterns together above which they are refused: 4 GiB as doubles."""

LEAST_OVERLAP = 0.4
"""Share of the lit diameter below which neighbours hold a reconstruction badly."""

_ROUND = 1.005
"""By how much a proposal is better than the limit, so that it holds when rounded."""


def check_settings(experiment: VirtualExperiment) -> None:
    """Refuse settings that contradict each other, before anything is drawn.

    Parameters
    ----------
    experiment : VirtualExperiment
        All of its settings.

    Raises
    ------
    InputError
        One sentence: what, why, and the nearest setting that works.
    """
    _check_modes(experiment)
    _check_beam_fits(experiment)
    _check_wavefront(experiment)
    _check_step(experiment)
    _check_beam_stop(experiment)
    propagator_for(experiment.geometry, experiment.detector.shape)


def check_span(experiment: VirtualExperiment, positions: NDArray[np.float64]) -> None:
    """Refuse a scan that would not fit memory: its patterns, or its object.

    Parameters
    ----------
    experiment : VirtualExperiment
        Its frames count.
    positions : array (n, 2)
        (y, x) in metres.

    Raises
    ------
    InputError
        With the nearest that works.
    """
    grid = experiment.grid
    most = LARGEST_STACK // (grid.shape[0] * grid.shape[1])
    if len(positions) > most:
        raise InputError(
            f"VirtualExperiment.path: {len(positions)} patterns of {grid.shape[0]} x "
            f"{grid.shape[1]} pixels do not fit memory; the nearest that works is "
            f"{most} positions, or fewer pixels (detector.frame)",
            field="VirtualExperiment.path",
        )
    span = float(np.ptp(positions, axis=0).max()) / grid.pixel_m
    room = LARGEST_OBJECT - max(grid.shape) - 64
    if span > room:
        raise InputError(
            f"VirtualExperiment.path: the scan spans {span:.0f} object pixels, over "
            f"the limit of {room}; take steps of at most {room / span:.3g} times the "
            "present ones, or fewer positions",
            field="VirtualExperiment.path",
        )


def overlap_warning(lit_overlap: float) -> str | None:
    """Warn of neighbours that share too little of the lit diameter, or nothing.

    Parameters
    ----------
    lit_overlap : float
        1 - step / lit diameter.

    Returns
    -------
    str or None
        One sentence; None where it is enough.
    """
    if lit_overlap >= LEAST_OVERLAP:
        return None
    return (
        f"virtual experiment: an overlap of {max(0.0, lit_overlap):.0%} of the lit "
        f"diameter is little; below {LEAST_OVERLAP:.0%} a reconstruction often fails, "
        "60 to 80% is usual: take a smaller path.step_px or a larger path.overlap"
    )


def _check_modes(experiment: VirtualExperiment) -> None:
    weights = experiment.mode_weights
    if weights and (len(weights) != experiment.modes or min(weights) <= 0):
        raise InputError(
            f"VirtualExperiment.mode_weights: {len(weights)} given for "
            f"{experiment.modes} modes; give one number above zero for each mode "
            f"(modes = {len(weights)} would fit), or none",
            field="VirtualExperiment.mode_weights",
        )


def _check_beam_fits(experiment: VirtualExperiment) -> None:
    """Refuse a beam that is wider than the view, and a focus that is missing."""
    grid, beam = experiment.grid, experiment.probe
    if isinstance(beam, SphericalBeam) and experiment.focus_sample_m is None:
        raise InputError(
            "VirtualExperiment.focus_sample_m is empty: a spherical wave needs the "
            "distance of its focus; give it, or take probe.kind = 'disc'",
            field="VirtualExperiment.focus_sample_m",
        )
    if not isinstance(beam, ZonePlateBeam) or 2 * beam.radius_m(grid) <= grid.side_m:
        return
    focal = beam.focal_length_m(grid)
    nearest = grid.side_m * focal / beam.diameter_m / _ROUND
    raise InputError(
        f"VirtualExperiment.focus_sample_m is {experiment.focus_sample_m}: the beam of "
        f"this zone plate is {2e6 * beam.radius_m(grid):.3g} um wide there, the view "
        f"{1e6 * grid.side_m:.3g} um; the nearest that works is {nearest:.3g} m",
        field="VirtualExperiment.focus_sample_m",
    )


def _check_wavefront(experiment: VirtualExperiment) -> None:
    """Refuse a spherical wave whose phase the pixels cannot follow at the rim."""
    grid, focus = experiment.grid, experiment.grid.focus_sample_m
    if focus is None or isinstance(experiment.probe, ZonePlateBeam):
        return
    radius = experiment.probe_radius_m
    step = 2 * math.pi * radius * grid.pixel_m / (grid.wavelength_m * abs(focus))
    if step < math.pi:
        return
    far = math.copysign(abs(focus) * step / math.pi * _ROUND, focus)
    small = experiment.probe.radius * math.pi / step / _ROUND
    raise InputError(
        f"VirtualExperiment.focus_sample_m is {focus:g}: at the rim of the beam the "
        f"spherical wave turns by {step:.3g} rad a pixel, and from pi on the view "
        f"cannot sample it; the nearest that works is {far:.3g} m, or probe.radius "
        f"{small:.3g}",
        field="VirtualExperiment.focus_sample_m",
    )


def _check_step(experiment: VirtualExperiment) -> None:
    """Refuse steps that leave neighbours nothing in common."""
    path, lit = experiment.path, 2 * experiment.probe_radius_m
    if not isinstance(path, SteppedPath) or path.overlap is not None:
        return
    step = path.step_px
    widest = lit / experiment.grid.pixel_m
    if step > widest:
        raise InputError(
            f"VirtualExperiment.path.step_px is {step:g}: the beam lights {widest:.3g} "
            "pixels, and neighbours would share no light; the nearest that works is "
            f"{widest / _ROUND:.3g}, a good one {widest * 0.3:.3g}",
            field="VirtualExperiment.path.step_px",
        )


def _check_beam_stop(experiment: VirtualExperiment) -> None:
    detector = experiment.detector
    if detector.beam_stop_px >= detector.frame / 2:
        raise InputError(
            f"VirtualExperiment.detector.beam_stop_px is {detector.beam_stop_px:g}: it "
            f"covers the detector of {detector.frame} pixels; the nearest that works "
            f"is {detector.frame / 2 - 1:g}, a usual one {detector.frame / 32:g}",
            field="VirtualExperiment.detector.beam_stop_px",
        )
