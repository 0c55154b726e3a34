"""Tilt-corrected bright field: an image of a defocused scan without a reconstruction.

A pixel of the lit disc sees the sample at an angle. Out of focus its image over the scan
is displaced by the slope of the wavefront there, which is the inverse of how patterns
move with the scan (see `pattern_motion`). Shifted back, the images of all lit pixels add
up to one of phase contrast, sharper than the steps of the scan. Other names are parallax
imaging and tcBF: Y. Yu, K. A. Spoth, M. Colletta et al., Nature Methods 22 (2025) 2138;
G. Varnavides et al., arXiv:2309.05250 (2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

from napari_scicompty.analysis.pattern_motion import lit_pixels, pattern_motion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.analysis.pattern_motion import PatternMotion
    from napari_scicompty.data.scan import Scan

    Real = NDArray[np.float64]

_MOST = 1e6
"""Values that are looked at while defocus and rotation are refined."""
_LEAST = 0.5
"""Share of the usual number of values below which a pixel is left at 1."""
_ROOM = 1.3
"""Room around the scan for its shadows, over their half size as first estimated."""
_MOST_PIXELS = 2048
"""Of a side of the image."""
_FIRST_STEP = 0.03
"""In defocus, as a share, and in rotation, in radians."""


@dataclass(frozen=True, eq=False)
class BrightField:
    """The image, and by which defocus and orientation it is sharp."""

    image: NDArray[np.float32]
    """(H, W), about 1 where there is nothing, and 1 where nothing was measured."""
    pixel_size_m: float
    """Of the image, in both directions."""
    origin_m: NDArray[np.float64]
    """(2,): position (y, x) of the probe whose axis is at the middle of pixel (0, 0).
    """
    defocus_m: float
    """Focus to sample, without a sign: with the positions negated, the other sign makes
    the same image, turned by 180 degrees."""
    rotation_deg: float
    """Angle of the scan, from y towards x, as of `PatternMotion`; -90 to 90."""
    mirrored: bool
    """Whether x changes its sign before the scan is turned."""
    sharpness: float
    """Standard deviation of the measured part of the image."""


def bright_field(scan: Scan) -> BrightField | None:
    """Make an image of a defocused far-field scan in seconds.

    Parameters
    ----------
    scan : Scan
        What was measured; all its patterns are read.

    Returns
    -------
    BrightField or None
        None in near field, and where the motion of the patterns with the scan is not
        clear: near focus, or with too few patterns.
    """
    if scan.geometry.propagation == "near-field":
        return None
    motion = pattern_motion(scan)
    if motion is None or not motion.is_clear:
        return None
    images = _Images.of(scan, motion)
    size, angle = images.sharpest(motion)
    turn = round(angle / math.pi)
    rotation = math.degrees(angle - turn * math.pi)
    along = motion.along * (-1) ** turn
    found = replace(motion, pixels_per_m=size, rotation_deg=rotation, along=along)
    count, total = images.summed(found.shadow_map)
    measured = count >= max(_LEAST * np.median(count[count > 0]), 1)
    image = np.where(measured, total / np.maximum(count, 1), 1)
    cut, corner = _around(measured)
    return BrightField(
        image[cut].astype(np.float32),
        images.pixel_m,
        images.low_m + images.pixel_m * corner,
        found.defocus_m(scan),
        rotation,
        motion.mirrored,
        float(image[measured].std()),
    )


@dataclass(frozen=True, eq=False)
class _Images:
    """Images over the scan, one of each lit pixel, and the grid of their sum."""

    values: NDArray[np.float32]
    """(n, k) over positions and lit pixels, the mean of each pixel 1."""
    positions_m: Real
    """(n, 2)."""
    pixels: Real
    """(k, 2): places of the lit pixels from the middle of the light."""
    pixel_m: float
    low_m: Real
    """(2,): position of the middle of pixel (0, 0)."""
    shape: tuple[int, int]

    @classmethod
    def of(cls, scan: Scan, motion: PatternMotion) -> _Images:
        """Read the lit pixels; the grid has the pixels of a pattern's shadow."""
        lit = lit_pixels(scan)
        pixels = np.argwhere(lit).astype(float)
        values = np.concatenate(
            [np.asarray(patterns, np.float32)[:, lit] for _, patterns in scan.chunks()]
        )[scan.included]
        values /= np.maximum(values.mean(0), 1e-30)
        positions = scan.positions_m[scan.included]
        pixels -= pixels.mean(0)
        reach = _ROOM * np.abs(pixels).max() / motion.pixels_per_m
        low, high = positions.min(0) - reach, positions.max(0) + reach
        pixel = 1 / motion.pixels_per_m
        # Not finer than values can fill, nor beyond what can be shown.
        filled = math.sqrt(float(np.prod(high - low)) / max(values.size, 1))
        pixel = max(pixel, 2 * filled, float((high - low).max()) / _MOST_PIXELS)
        rows, columns = (int(n) + 1 for n in np.rint((high - low) / pixel))
        return cls(values, positions, pixels, pixel, low, (rows, columns))

    def summed(self, shadow: Real) -> tuple[NDArray[np.int64], Real]:
        """Count and add the values on each pixel of the grid, two arrays (H, W).

        Parameters
        ----------
        shadow : array (2, 2)
            Detector pixels by which the pattern moves, per metre of the scan; its
            inverse shifts the images back.
        """
        moved = (self.pixels @ np.linalg.inv(shadow).T / self.pixel_m).astype(np.float32)
        place = ((self.positions_m - self.low_m) / self.pixel_m).astype(np.float32)
        y, x = (
            np.clip(np.rint(place[:, i, None] - moved[:, i]), 0, n - 1).astype(np.int32)
            for i, n in enumerate(self.shape)
        )
        flat, cells = (y * self.shape[1] + x).ravel(), math.prod(self.shape)
        count = np.bincount(flat, minlength=cells)
        total = np.bincount(flat, self.values.ravel(), minlength=cells)
        return count.reshape(self.shape), total.reshape(self.shape)

    def disagreement(self, shadow: Real) -> float:
        """Variance of the values that fall on the same pixel of the grid."""
        count, total = self.summed(shadow)
        filled = count > 0
        between = float((np.square(total[filled]) / count[filled]).sum())
        within = float(np.square(self.values, dtype=float).sum()) - between
        return within / max(self.values.size - np.count_nonzero(filled), 1)

    def sharpest(self, motion: PatternMotion) -> tuple[float, float]:
        """Refine size (pixels per metre) and angle (radians) of the motion."""
        fewer = self._fewer()

        def apart(at: Real) -> float:
            size, turn = math.exp(at[0]), math.degrees(at[1])
            changed = replace(motion, pixels_per_m=size, rotation_deg=turn)
            return fewer.disagreement(changed.shadow_map)

        turned = math.radians(motion.rotation_deg)
        first = np.array([math.log(motion.pixels_per_m), turned])
        corners = first + _FIRST_STEP * np.array([[0, 0], [1, 0], [0, 1]])
        options = {"initial_simplex": corners, "xatol": 1e-3, "fatol": 1e-6}
        best = optimize.minimize(apart, first, method="Nelder-Mead", options=options)
        return math.exp(best.x[0]), float(best.x[1])

    def _fewer(self) -> _Images:
        """Keep evenly spread lit pixels, few enough to be summed many times."""
        every = max(1, math.ceil(self.values.size / _MOST))
        chosen = np.random.default_rng(0).permutation(len(self.pixels))[::every]
        return replace(
            self, values=self.values[:, chosen], pixels=self.pixels[chosen]
        )


def _around(
    measured: NDArray[np.bool_],
) -> tuple[tuple[slice, slice], NDArray[np.int64]]:
    """Cut what was not measured off the sides; and the first pixel that stays."""
    y, x = (np.flatnonzero(measured.any(axis)) for axis in (1, 0))
    cut = slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1)
    return cut, np.array([y[0], x[0]])
