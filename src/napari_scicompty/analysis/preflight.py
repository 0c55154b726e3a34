"""What can be said of a scan before it is reconstructed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.data.canvas import Canvas
from napari_scicompty.data.checks.spread import step_between
from napari_scicompty.optics.propagators import (
    PROPAGATORS,
    carried_share,
    check_carried,
    kind_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.data.scan import Scan


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
    scan : Scan
        What was measured.
    geometry : Geometry, optional
        To try another one than the scan's.

    Returns
    -------
    Preflight
        What the numbers of the geometry lead to.

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


def sampling(geometry: Geometry, shape: tuple[int, int]) -> str:
    """Say what the pixels of a view of `shape` (h, w) can and cannot carry.

    Parameters
    ----------
    geometry : Geometry
        How it was measured.
    shape : (h, w)
        Pixels of a frame.

    Returns
    -------
    str
        One sentence.

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
    """Median distance of a place to the nearest other one, in object pixels.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    float
        Object pixels; of the patterns that take part.
    """
    return step_between(scan.positions_m[scan.included] / scan.pixel_size_m)


def lit_diameter_px(probe: NDArray[np.complex64]) -> float:
    """Diameter of the disc as large as the part of the probe above 10 % of its maximum.

    Parameters
    ----------
    probe : array (modes, h, w) complex64
        Of all modes the sum of |P|^2 counts.

    Returns
    -------
    float
        Object pixels.
    """
    light = (np.abs(probe) ** 2).sum(0)
    return float(2 * np.sqrt(np.count_nonzero(light > 0.1 * light.max()) / np.pi))


def probe_overlap(scan: Scan, probe: NDArray[np.complex64]) -> float:
    """1 - step / lit diameter: the overlap that counts.

    Parameters
    ----------
    scan : Scan
        What was measured.
    probe : array (modes, h, w) complex64
        Its lit diameter counts.

    Returns
    -------
    float
        0 to 1; 0 where neighbours do not touch.
    """
    return max(0.0, 1 - step_px(scan) / lit_diameter_px(probe))
