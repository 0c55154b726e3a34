"""What the views of a scan tell together: geometry, orientation, overlap, centre."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_scicompty.analysis.pattern_motion import PatternMotion, pattern_motion
from napari_scicompty.analysis.preflight import lit_diameter_px, step_px
from napari_scicompty.core.findings import Finding
from napari_scicompty.core.hot_pixels import USUAL_SIGMA, hot_pixels
from napari_scicompty.core.units import shown_length

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan

_FEW = 16
"""Views below which a picture is hardly ever right."""
_SMALL_STEP = 2.0
"""Object pixels below which a step is too small to be meant."""
_OVERLAP, _LIT_OVERLAP = 0.5, 0.3
"""Of neighbouring views, and of their lit parts, below which little is shared."""
_RASTER, _RASTER_OVERLAP = 0.02, 0.65
"""Spread of the steps of an exact grid, and lit overlap that makes it harmless."""
_VIEW = 1.3
"""A lit part so many times as wide as the view does not fit it."""
_LEAST = 2.0
"""Pixels of a move between neighbours from which it tells a size."""
_SCALE = (0.7, 1.4)
"""Moves of a shadow in the near field, over those that the geometry says."""
_BESIDE = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)
_TIMES, _SHARE = 3.0, 1e-3
"""A hot pixel is told that is so many times as bright as any beside it, and holds such
a share of the light."""
_OFF_CENTRE = 0.05
"""Of the side of the frame: a beam is so far off its middle."""


@dataclass(frozen=True, eq=False)
class Views:
    """A scan, and what was found of its views before it is reconstructed."""

    scan: Scan
    """What was measured."""
    step: float
    """Median distance of neighbours, in object pixels."""
    motion: PatternMotion | None
    """How the patterns, shadows of the sample, move with the scan, where that is
    clear."""
    lit_px: float | None
    """Diameter of the lit part, in object pixels; None where it is not known."""

    @classmethod
    def of(cls, scan: Scan, probe: NDArray[np.complex64] | None = None) -> Views:
        """Look at the views of a scan.

        Parameters
        ----------
        scan : Scan
            What was measured.
        probe : array (modes, h, w) complex64, optional
            That of a reconstruction: its lit part counts.

        Returns
        -------
        Views
            What was found.
        """
        moving = pattern_motion(scan)
        if moving is not None and not moving.is_clear:
            moving = None
        if probe is not None:
            lit: float | None = lit_diameter_px(probe)
        else:
            lit = None if moving is None else moving.lit_px
        return cls(scan, step_px(scan), moving, lit)

    @property
    def is_far(self) -> bool:
        """Whether the far field is meant."""
        return self.scan.geometry.propagation == "far-field"

    @property
    def overlap(self) -> float:
        """1 - step / lit diameter, or / side of the view where that is not known."""
        return 1 - self.step / (self.lit_px or min(self.scan.frame_shape))

    @property
    def magnification(self) -> float:
        """Move of the shadow over that of the sample; above zero past a focus."""
        assert self.motion is not None
        pixel = math.sqrt(math.prod(self.scan.geometry.detector_pixel_m))
        return -self.motion.along * self.motion.pixels_per_m * pixel

    @property
    def focus_m(self) -> float:
        """Focus to sample that makes this magnification."""
        return self.scan.geometry.distance_m / (self.magnification - 1)


def _few_views(views: Views) -> Finding | None:
    """Ask whether there are enough views for a picture that can be trusted."""
    count = len(views.scan.included)
    if not 4 <= count < _FEW:  # fewer are a finding of the scan itself
        return None
    return Finding(
        "few-views",
        "patterns",
        f"only {count} patterns take part: what they leave open is filled in somehow",
        "open the whole scan",
    )


def _small_step(views: Views) -> Finding | None:
    """Ask whether the step is too small in pixels to be meant."""
    if not 0 < views.step < _SMALL_STEP:
        return None
    share = max(0.0, 1 - views.step / min(views.scan.frame_shape))
    return Finding(
        "step-small",
        "positions",
        f"a step is {views.step:.2g} object pixels, views overlap by {share:.0%}",
        "check distance, energy, detector pixel, and the unit of the positions",
    )


def _little_overlap(views: Views) -> Finding | None:
    """Ask whether neighbouring views share enough of the sample."""
    side = min(views.scan.frame_shape)
    if len(views.scan.included) < 2:
        return None
    if views.lit_px is not None and views.overlap < _LIT_OVERLAP:
        what = (
            f"neighbouring lit parts overlap by {max(0.0, views.overlap):.0%}: a step "
            f"is {views.step:.3g} object pixels, the lit part {views.lit_px:.3g} wide"
        )
    elif views.step > (1 - _OVERLAP) * side:
        what = (
            f"neighbouring views overlap by {max(0.0, 1 - views.step / side):.0%}, "
            "their lit parts by less"
        )
    else:
        return None
    return Finding(
        "overlap",
        "positions",
        what,
        "check distance, energy, detector pixel and the unit of the positions; 60 % "
        "of the lit part is usual",
        "error" if views.step >= side else "warning",
    )


def _exact_raster(views: Views) -> Finding | None:
    """Ask whether positions form an exact grid, with little overlap."""
    scan = views.scan
    points = scan.positions_m[scan.included] / scan.pixel_size_m
    if len(points) < _FEW or np.ptp(points, axis=0).min() < views.step:
        return None
    steps = cKDTree(points).query(points, k=2)[0][:, 1]
    if steps.std() > _RASTER * steps.mean() or views.overlap >= _RASTER_OVERLAP:
        return None
    return Finding(
        "raster",
        "positions",
        f"the positions form an exact grid of {views.step:.3g} pixels, and the overlap "
        f"is {max(0.0, views.overlap):.0%}: errors that repeat with the grid are not "
        "seen by the patterns",
        "trust no structure with the period of the grid; next time jitter the steps "
        "or scan a spiral",
    )


def _view_too_small(views: Views) -> Finding | None:
    """Ask whether the lit part fits the view that the far field makes."""
    side = min(views.scan.frame_shape)
    moving = views.motion
    if not views.is_far or moving is None or moving.lit_px < _VIEW * side:
        return None
    focus, shift = views.focus_m, moving.per_pixel(views.scan) * views.step
    if shift < _LEAST:
        return None
    return Finding(
        "near-field",
        "propagation",
        f"neighbouring patterns show the same shadow, moved by {shift:.2g} "
        f"detector pixels: the lit part is then {moving.lit_px:.0f} object pixels wide "
        f"and does not fit the {side} of a far-field view",
        f"choose propagation=near-field with focus_sample_m={focus:.3g}, or correct "
        "distance, energy, detector pixel or the unit of the positions",
        "error",
        why=f"the shadow is magnified {abs(views.magnification):.3g} times",
        change=(("propagation", "near-field"), ("focus_sample_m", _rounded(focus))),
    )


def _wrong_magnification(views: Views) -> Finding | None:
    """Ask whether a near-field shadow moves as far as the geometry says."""
    if views.is_far or views.motion is None:
        return None
    size = views.motion.per_pixel(views.scan)
    if _SCALE[0] <= size <= _SCALE[1]:
        return None
    focus = views.focus_m
    return Finding(
        "magnification",
        "focus_sample_m",
        f"the shadow of the sample moves {size:.2g} times as far as distance, focus "
        "and positions say",
        f"focus_sample_m={focus:.3g} ({shown_length(focus)}) would fit, or correct the "
        "distance or the unit of the positions",
        "error",
        change=(("focus_sample_m", _rounded(focus)),),
    )


def _beam_off_centre(views: Views) -> Finding | None:
    """Ask whether the centre of the light is the middle of far-field frames."""
    scan = views.scan
    if not views.is_far or any(f.code == "corner" for f in scan.findings):
        return None
    off = centre_of_light(scan)
    h, w = scan.frame_shape
    if max(abs(off[0]) / h, abs(off[1]) / w) < _OFF_CENTRE:
        return None
    told = scan.source.opened
    centre: tuple[int, int] | None = None
    if not told.keys() & {"crop", "rebin"}:
        before = told.get("center") or (h // 2, w // 2)
        assert isinstance(before, tuple | list)
        y, x = (round(b + o) for b, o in zip(before, off, strict=True))
        centre = (y, x)
    return Finding(
        "centre",
        "center",
        f"the centre of the light lies {off[0]:+.1f} rows and {off[1]:+.1f} columns "
        "from the middle of the frame",
        "where the beam is symmetric, give its centre"
        + ("" if centre is None else f": center={centre[0]},{centre[1]}"),
        change=() if centre is None else (("center", centre),),
    )


def _hot(views: Views) -> Finding | None:
    """Ask whether some pixels stand out of their surroundings."""
    scan = views.scan
    found = hot_pixels(scan.mean_pattern, scan.good, len(scan.included), USUAL_SIGMA)
    beside = ndimage.maximum_filter(scan.mean_pattern, footprint=_BESIDE)
    least = np.maximum(_TIMES * beside, _SHARE * scan.mean_pattern.sum())
    found &= scan.mean_pattern > least
    count = np.count_nonzero(found)
    if not count:
        return None
    first = ", ".join(f"({y}, {x})" for y, x in np.argwhere(found)[:3])
    more = ", ..." if count > 3 else ""
    return Finding(
        "hot-pixels",
        "hot_pixel_sigma",
        f"{count} pixel(s) stand out of their surroundings in the mean pattern: "
        f"{first}{more}",
        f"mask them: hot_pixel_sigma={USUAL_SIGMA:g}",
        change=(("hot_pixel_sigma", USUAL_SIGMA),),
    )


def centre_of_light(scan: Scan) -> tuple[float, float]:
    """Centre (y, x) of the mean pattern from the middle of the frame, in pixels.

    Of the pixels that are good together with their mirror image about the middle.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    (float, float)
        0, 0 where no such pixel holds light.
    """
    h, w = scan.frame_shape
    mirrored = np.roll(scan.good[::-1, ::-1], (1 - h % 2, 1 - w % 2), (0, 1))
    light = np.where(scan.good & mirrored, scan.mean_pattern, 0)
    total = max(float(light.sum()), 1e-30)
    y, x = np.arange(h) - h // 2, np.arange(w) - w // 2
    return float(light.sum(1) @ y / total), float(light.sum(0) @ x / total)


def _rounded(length: float) -> float:
    return float(f"{length:.3g}")


VIEW_CHECKS: dict[str, Callable[[Views], Finding | None]] = {
    "few-views": _few_views,
    "step-small": _small_step,
    "overlap": _little_overlap,
    "raster": _exact_raster,
    "near-field": _view_too_small,
    "magnification": _wrong_magnification,
    "centre": _beam_off_centre,
    "hot-pixels": _hot,
}
"""Code of the finding -> how it is found."""
