"""What a virtual experiment would measure, without measuring all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.analysis.complex_colours import complex_colours
from napari_scicompty.analysis.preflight import sampling
from napari_scicompty.core.units import fitting, size
from napari_scicompty.optics.propagators import PROPAGATORS, kind_of
from napari_scicompty.simulation import Layout, VirtualExperiment, lay_out
from napari_scicompty.simulation.detector import NOISELESS_PHOTONS

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

LARGEST_PICTURE = 512
"""Pixels along a side of what is shown; larger fields are thinned out."""


@dataclass(frozen=True, eq=False)
class Preview:
    """Pictures and numbers of a virtual experiment."""

    experiment: VirtualExperiment
    object_colours: NDArray[np.ubyte]
    """Object (H, W, 3)."""
    probe_colours: NDArray[np.ubyte]
    """Modes side by side (h, modes * w, 3)."""
    positions_m: NDArray[np.float64]
    """True positions (n, 2) as (y, x)."""
    told_m: NDArray[np.float64]
    """Positions (n, 2) that the scan is told."""
    pattern: NDArray[np.float64]
    """Counts (h, w) at the position in the middle of the scan."""
    good: NDArray[np.bool_]
    """Pixels (h, w) of it that are not masked."""
    number: int
    """Which pattern it is."""
    lines: tuple[str, ...]
    """What follows from the settings, in words."""


def preview(experiment: VirtualExperiment) -> Preview:
    """Lay out a virtual experiment and measure the pattern in its middle.

    Raises
    ------
    InputError
        Settings that cannot work together: why, and the nearest that can.
    """
    layout = lay_out(experiment)
    positions, mistakes = layout.positions_m, experiment.mistakes
    number = int(np.hypot(*(positions - positions.mean(0)).T).argmin())
    counts, good = _one_pattern(layout, number)
    pixel = experiment.grid.pixel_m
    return Preview(
        experiment,
        _picture(layout.object),
        _picture(np.concatenate(list(layout.probe), axis=1)),
        positions,
        mistakes.told_positions(positions, pixel, experiment.seed),
        counts.astype(float),
        good,
        number,
        _lines(layout, counts),
    )


def _one_pattern(layout: Layout, number: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Record one pattern (h, w); all patterns are taken to be as bright as it is."""
    experiment = layout.experiment
    light = layout.light(slice(number, number + 1))
    photons = experiment.detector.photons or NOISELESS_PHOTONS
    counts, mask = experiment.detector.record(
        light * (photons / light.sum()), experiment.seed
    )
    good = np.ones(light.shape[1:], bool) if mask is None else mask
    told = experiment.mistakes.told_frames
    return told(counts)[0], told(good)


def _picture(field: NDArray[np.complexfloating]) -> NDArray[np.ubyte]:
    thin = max(1, max(field.shape) // LARGEST_PICTURE)
    colours = complex_colours(field[::thin, ::thin])
    return np.asarray((255 * colours).astype(np.ubyte))


def _lines(layout: Layout, counts: NDArray[Any]) -> tuple[str, ...]:
    """Say what follows from the settings."""
    experiment, grid = layout.experiment, layout.experiment.grid
    geometry, shape = experiment.geometry, grid.shape
    count, lit = len(layout.positions_m), 2 * experiment.probe_radius_m
    span = np.ptp(layout.positions_m, axis=0) + np.array(shape) * grid.pixel_m
    mistakes = experiment.mistakes
    lines = [
        f"{count} patterns of {shape[0]} x {shape[1]} pixels, "
        f"{_size(count * counts.size * counts.itemsize)}",
        f"{_photons(experiment)}, up to {_count(counts.max())} in a pixel",
        f"field of view {_length(*span)}, object pixel {_length(grid.pixel_m)}",
        f"beam {_length(lit)} ({lit / grid.pixel_m:.3g} pixels), view "
        f"{_length(grid.side_m)}",
    ]
    if count > 1:
        lines.append(
            f"neighbours overlap: beam {layout.lit_overlap:.0%}, view "
            f"{layout.view_overlap:.0%}"
        )
    lines.append(
        f"{PROPAGATORS[kind_of(geometry)].title}, Fresnel number "
        f"{geometry.fresnel_number(shape):.3g}: {sampling(geometry, shape)}"
    )
    if mistakes.made:
        made = [f"{name} {getattr(mistakes, name):.4g}" for name in mistakes.made]
        lines.append(f"wrong in the scan's file: {', '.join(made)}")
    return tuple(lines)


def _photons(experiment: VirtualExperiment) -> str:
    photons = experiment.detector.photons
    return "noiseless" if photons is None else f"{_count(photons)} photons a pattern"


def _count(number: float) -> str:
    """Write 1e6 for a million."""
    return f"{number:.3g}".replace("e+0", "e").replace("e+", "e")


def _length(*metres: float) -> str:
    """Write lengths in one unit that suits them."""
    unit = fitting(max(metres), ("mm", "um", "nm"), least=1)
    numbers = (f"{length / size(unit.name):.4g}" for length in metres)
    return f"{' x '.join(numbers)} {unit.symbol}"


def _size(count: float) -> str:
    """Write a number of bytes."""
    return f"{count / 1e6:.3g} MB" if count < 1e9 else f"{count / 1e9:.3g} GB"
