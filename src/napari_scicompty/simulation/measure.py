"""From a virtual experiment to its scan, in float64 and apart from the engine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

from napari_scicompty.data.canvas import MARGIN, WHOLE, Canvas
from napari_scicompty.data.scan import Scan
from napari_scicompty.simulation._grid import generator, smoothed
from napari_scicompty.simulation._patterns import PAD, patterns_of
from napari_scicompty.simulation.checks import (
    check_settings,
    check_span,
    overlap_warning,
)
from napari_scicompty.simulation.detector import NOISELESS_PHOTONS
from napari_scicompty.simulation.experiment import Truth, VirtualExperiment

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_MARGIN = PAD + 2
"""Pixels of the object around the views."""


def simulate(
    experiment: VirtualExperiment,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Scan, Truth]:
    """Measure a virtual scan; return it with its truth.

    Parameters
    ----------
    experiment : VirtualExperiment
        Beam, object, path, detector and mistakes.
    progress : callable, optional
        Called with (done, planned) after each pattern; what it raises ends the scan.

    Returns
    -------
    Scan
        What a beamline would hand over.
    Truth
        What it was made of.

    Raises
    ------
    InputError
        Settings that cannot work together: why, and the nearest that can.
    """
    layout = lay_out(experiment)
    light = layout.light(progress=progress)
    photons = experiment.detector.photons or NOISELESS_PHOTONS
    scale = photons / light.sum((1, 2)).mean()
    counts, mask = experiment.detector.record(light * scale, experiment.seed)
    mistakes, pixel = experiment.mistakes, experiment.grid.pixel_m
    scan = Scan(
        mistakes.told_frames(counts),
        mistakes.told_positions(layout.positions_m, pixel, experiment.seed),
        mistakes.told_geometry(experiment.geometry),
        mask=None if mask is None else mistakes.told_frames(mask),
        report=layout.report,
    )
    rim = _MARGIN - MARGIN  # the truth lies on the canvas of a reconstruction
    corner = layout.canvas.to_metres([rim, rim])
    truth = Truth(
        layout.object[rim:-rim, rim:-rim].astype(np.complex64),
        (layout.probe * math.sqrt(scale)).astype(np.complex64),
        layout.positions_m,
        experiment.distance_m,
        (float(corner[0]), float(corner[1])),
        layout.canvas.pixel_size_m,
        experiment.geometry,
    )
    return scan, truth


def lay_out(experiment: VirtualExperiment) -> Layout:
    """Draw the beam and place the scan, without measuring anything yet.

    Parameters
    ----------
    experiment : VirtualExperiment
        Beam, object, path, detector and mistakes.

    Returns
    -------
    Layout
        Beam and positions; the object is drawn when it is asked for.

    Raises
    ------
    InputError
        Settings that cannot work together: why, and the nearest that can.
    """
    check_settings(experiment)
    grid, seed = experiment.grid, experiment.seed
    probe = experiment.probe.modes(grid, experiment.modes, generator(seed, "probe"))
    probe *= np.sqrt(experiment.mode_powers)[:, None, None]
    positions = experiment.path.positions_m(
        grid.pixel_m, 2 * experiment.probe_radius_m, generator(seed, "path")
    )
    check_span(experiment, positions)
    low = positions.min(0) - _MARGIN * grid.pixel_m
    span = np.ceil(np.ptp(positions, axis=0) / grid.pixel_m - WHOLE).astype(int)
    canvas = Canvas(
        (
            int(span[0]) + grid.shape[0] + 2 * _MARGIN,
            int(span[1]) + grid.shape[1] + 2 * _MARGIN,
        ),
        grid.shape,
        (grid.pixel_m, grid.pixel_m),
        (float(low[0]), float(low[1])),
    )
    return Layout(experiment, probe, positions, canvas)


@dataclass(frozen=True, eq=False)
class Layout:
    """A virtual experiment before it is measured: what a preview shows."""

    experiment: VirtualExperiment
    """What is laid out."""
    probe: NDArray[np.complex128]
    """Modes (modes, h, w); their powers add up to one."""
    positions_m: NDArray[np.float64]
    """True positions (n, 2) as (y, x)."""
    canvas: Canvas
    """Where the object lies."""

    @cached_property
    def object(self) -> NDArray[np.complex128]:
        """Transmission function (H, W) on the canvas."""
        rng = generator(self.experiment.seed, "object")
        return smoothed(self.experiment.object.draw(self.canvas.shape, rng))

    def light(
        self,
        which: slice = slice(None),
        progress: Callable[[int, int], None] | None = None,
    ) -> NDArray[np.float64]:
        """Noiseless intensities (n, h, w) of some positions, in no special unit.

        Parameters
        ----------
        which : slice
            Positions, by number.
        progress : callable, optional
            Called with (done, planned) after each pattern.

        Returns
        -------
        array (n, h, w) float64
            As a scan holds them.
        """
        return patterns_of(
            self.experiment.geometry,
            self.object,
            self.probe,
            self.canvas.to_pixels(self.positions_m[which]),
            progress,
        )

    @cached_property
    def neighbour_m(self) -> float:
        """Mean distance of a position to its nearest neighbour."""
        if len(self.positions_m) < 2:
            return math.inf
        return float(
            KDTree(self.positions_m).query(self.positions_m, 2)[0][:, 1].mean()
        )

    @property
    def lit_overlap(self) -> float:
        """Overlap of nearest neighbours, as a share of the lit diameter."""
        return 1 - self.neighbour_m / (2 * self.experiment.probe_radius_m)

    @property
    def view_overlap(self) -> float:
        """Overlap of nearest neighbours, as a share of the view."""
        return 1 - self.neighbour_m / self.experiment.grid.side_m

    @property
    def report(self) -> tuple[str, ...]:
        """Lines for the report of the scan."""
        experiment, grid = self.experiment, self.experiment.grid
        lit = 2 * experiment.probe_radius_m
        made = ", ".join(experiment.mistakes.made)
        lines = [
            f"{len(self.positions_m)} patterns of {grid.shape[0]} x {grid.shape[1]} "
            "pixels",
            f"virtual experiment: the beam lights {lit * 1e6:.4g} um "
            f"({lit / grid.pixel_m:.1f} px) across",
            "virtual experiment: positions, geometry and orientation "
            + (f"have these mistakes: {made}" if made else "are exact"),
        ]
        if len(self.positions_m) > 1:
            lines.insert(
                2,
                f"virtual experiment: nearest neighbours overlap by "
                f"{self.lit_overlap:.0%} of the lit diameter, {self.view_overlap:.0%} "
                "of the view",
            )
            if (warning := overlap_warning(self.lit_overlap)) is not None:
                lines.append(warning)
        return tuple(lines)
