"""What can be said of a scan before it is reconstructed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.canvas import Canvas
from napari_scicompty.checks.spread import step_between
from napari_scicompty.optics.propagators import (
    PROPAGATORS,
    carried_share,
    check_carried,
    kind_of,
    wave_grid,
)
from napari_scicompty.run_settings import AT_ONCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.algorithms.base import Algorithm
    from napari_scicompty.geometry import Geometry
    from napari_scicompty.scan import Scan


@dataclass(frozen=True)
class Preflight:
    """Derived values, shown beside the fields they follow from."""

    propagation: str
    """What kind of geometry is meant, in words."""
    fresnel_number: float
    """See `Geometry.fresnel_number`."""
    sampling: str
    """Whether the geometry can be sampled by these pixels, in words."""
    pixel_size_m: tuple[float, float]
    """Object pixel (y, x)."""
    field_of_view_m: tuple[float, float]
    """Span of the views (y, x)."""
    canvas_shape: tuple[int, int]
    """Object pixels (H, W)."""
    step_px: float
    """Median distance of a position to its nearest neighbour."""
    window_overlap: float
    """1 - step / frame: overlap of the views, which flatters."""


def preflight(scan: Scan, geometry: Geometry | None = None) -> Preflight:
    """Derive object pixel, field of view and overlap.

    Parameters
    ----------
    geometry : Geometry, optional
        To try another one than the scan's.

    Raises
    ------
    InputError
        Positions that do not fit the object pixel, or a near field that these pixels
        cannot carry.
    """
    if geometry is not None and geometry != scan.geometry:
        scan = scan.with_geometry(geometry)
    canvas = Canvas.of(scan)
    pixel = np.array(scan.pixel_size_m)
    span = (
        np.ptp(scan.positions_m[scan.included], axis=0)
        + np.array(scan.frame_shape) * pixel
    )
    step = step_px(scan)
    return Preflight(
        PROPAGATORS[kind_of(scan.geometry)].title,
        scan.geometry.fresnel_number(scan.frame_shape),
        sampling(scan.geometry, scan.frame_shape),
        scan.pixel_size_m,
        (float(span[0]), float(span[1])),
        canvas.shape,
        step,
        max(0.0, 1 - step / min(scan.frame_shape)),
    )


def memory_bytes(
    scan: Scan, algorithm: Algorithm, modes: int = 1, batch: int | None = None
) -> int:
    """Estimate the memory that a run needs whose patterns are all on its device.

    Amplitudes (float32) and `working_bytes`.

    Parameters
    ----------
    batch : int, optional
        Positions per step; the algorithm's own choice when left out.

    Raises
    ------
    InputError
        Positions that do not fit the object pixel.
    """
    amplitudes = 4 * len(scan) * math.prod(scan.frame_shape)
    return amplitudes + working_bytes(scan, algorithm, modes, batch)


def working_bytes(
    scan: Scan, algorithm: Algorithm, modes: int = 1, batch: int | None = None
) -> int:
    """Estimate what a run needs on its device beside the patterns.

    Object and probe, and the larger of a step and of the pass over all patterns at the
    end; parameters as of `memory_bytes`.
    """
    view, canvas = math.prod(scan.frame_shape), math.prod(Canvas.of(scan).shape)
    grid = math.prod(wave_grid(scan.geometry, scan.frame_shape))
    size = min(batch or algorithm.default_batch, len(scan))
    step = algorithm.step_bytes(size, modes, view, grid, canvas)
    at_once = min(len(scan) * modes * view, max(AT_ONCE, modes * view))
    whole = 8 * at_once * 4 * grid // view
    return 8 * (canvas + modes * view) + max(step, whole)


def copies_bytes(scan: Scan) -> int:
    """Estimate what a run holds of the object in the host's memory beside its device.

    The start, the last good state, the one that is looked at and the next, and a canvas
    map.
    """
    return (4 * 8 + 4) * math.prod(Canvas.of(scan).shape)


def sampling(geometry: Geometry, shape: tuple[int, int]) -> str:
    """Say what the pixels of a view of `shape` (h, w) can and cannot carry.

    Raises
    ------
    InputError
        A near field of which next to nothing reaches the detector.
    """
    check_carried(geometry, shape)
    if geometry.propagation == "near-field":
        share = carried_share(geometry, shape)
        if share == 1:
            return "near field sampled up to the pixel"
        finest = min(geometry.pixel_size_m(shape)) / share
        return (
            f"light of details below {finest * 1e9:.4g} nm misses the detector "
            f"({share:.0%} of the frequencies are carried)"
        )
    # The curvature to the detector, exp(i pi r^2 / (lambda z)), lies in the probe.
    widest = (
        geometry.wavelength_m * geometry.distance_m / max(geometry.pixel_size_m(shape))
    )
    side = min(n * p for n, p in zip(shape, geometry.pixel_size_m(shape), strict=True))
    if side <= widest:
        return "far field sampled over the whole view"
    return (
        f"the detector is near: a flat beam wider than {widest * 1e6:.4g} µm cannot be "
        "sampled; is it the near field?"
    )


def step_px(scan: Scan) -> float:
    """Median distance of a place to the nearest other one, in object pixels."""
    return step_between(scan.positions_m[scan.included] / scan.pixel_size_m)


def lit_diameter_px(probe: NDArray[np.complex64]) -> float:
    """Diameter of the disc as large as the part of the probe above 10 % of its maximum.

    Parameters
    ----------
    probe : (modes, h, w)
    """
    light = (np.abs(probe) ** 2).sum(0)
    return float(2 * np.sqrt(np.count_nonzero(light > 0.1 * light.max()) / np.pi))


def probe_overlap(scan: Scan, probe: NDArray[np.complex64]) -> float:
    """1 - step / lit diameter: the overlap that counts."""
    return max(0.0, 1 - step_px(scan) / lit_diameter_px(probe))
