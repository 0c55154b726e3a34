"""Tilt-corrected bright field: an image of a defocused scan without a reconstruction.

A pixel of the lit disc sees the sample at an angle. Out of focus its image over the
scan is displaced by the slope of the wavefront there, which is the inverse of how
patterns move with the scan (see `pattern_motion`). Shifted back, the images of all lit
pixels add up to one of phase contrast, sharper than the steps of the scan. It is also
called parallax imaging; see G. Varnavides et al., arXiv:2309.05250 (2023).
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

_INNER = 0.65
"""Share of the light's radius that tells defocus and rotation: nearer to its rim one of
the two side bands is cut off, and what is left is displaced by more."""
_FEWEST = 16
"""Patterns, of which fewer do not tell a defocus."""
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
    origin_m: tuple[float, float]
    """Position (y, x) of the probe whose middle is at the middle of pixel (0, 0)."""
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
        None in near field, with fewer than 16 patterns, and where the motion of the
        patterns with the scan is not clear, as near focus.
    """
    motion = refined_motion(scan)
    if motion is None:
        return None
    lit = lit_pixels(scan)
    grid = _Grid.of(scan, motion, lit)
    light = scan.mean_pattern[lit]
    count, total = grid.empty(), grid.empty()
    for part, frames in scan.chunks():
        taken = np.isin(np.arange(part.start, part.stop), scan.included)
        values = (frames[taken][:, lit] / light).astype(np.float32)
        positions = scan.positions_m[part][taken]
        grid.add(values, positions, grid.pixels, motion.shadow_map, count, total)
    measured = count >= max(_LEAST * np.median(count[count > 0]), 1)
    image = np.where(measured, total / np.maximum(count, 1), 1)
    cut, corner = _around(measured)
    origin = grid.low_m + grid.pixel_m * corner
    return BrightField(
        image[cut].astype(np.float32),
        grid.pixel_m,
        (float(origin[0]), float(origin[1])),
        motion.defocus_m(scan),
        motion.rotation_deg,
        motion.mirrored,
        float(image[measured].std()),
    )


def refined_motion(scan: Scan) -> PatternMotion | None:
    """Find how patterns move with the scan, and how far the focus is, more exactly.

    Right is the motion by which the values that fall on the same place agree best.

    Parameters
    ----------
    scan : Scan
        What was measured; all its patterns are read.

    Returns
    -------
    PatternMotion or None
        None in near field, with fewer than 16 patterns, and where the motion is not
        clear.
    """
    near = scan.geometry.propagation == "near-field"
    if near or len(scan.included) < _FEWEST:
        return None
    motion = pattern_motion(scan)
    if motion is None or not motion.is_clear:
        return None
    lit = lit_pixels(scan)
    grid = _Grid.of(scan, motion, lit)
    chosen = _about_the_middle(grid.pixels, len(scan.included))
    index = np.flatnonzero(lit)[chosen]
    values = np.concatenate(
        [frames.reshape(len(frames), -1)[:, index] for _, frames in scan.chunks()]
    )[scan.included]
    values /= scan.mean_pattern.ravel()[index]
    positions, pixels = scan.positions_m[scan.included], grid.pixels[chosen]
    power = float(np.square(values, dtype=float).sum())

    def moved(at: Real) -> PatternMotion:
        size, turn = math.exp(at[0]), math.degrees(at[1])
        return replace(motion, pixels_per_m=size, rotation_deg=turn)

    def disagreement(at: Real) -> float:
        """Variance of the values that fall on the same pixel of the grid."""
        count, total = grid.empty(), grid.empty()
        grid.add(values, positions, pixels, moved(at).shadow_map, count, total)
        filled = count > 0
        between = float((np.square(total[filled]) / count[filled]).sum())
        left = values.size - int(np.count_nonzero(filled))
        return (power - between) / max(left, 1)

    first = np.array([math.log(motion.pixels_per_m), math.radians(motion.rotation_deg)])
    corners = first + _FIRST_STEP * np.array([[0, 0], [1, 0], [0, 1]])
    options = {"initial_simplex": corners, "xatol": 1e-3, "fatol": 1e-6}
    best = optimize.minimize(disagreement, first, method="Nelder-Mead", options=options)
    found = moved(best.x)
    turns = round(found.rotation_deg / 180)
    rotation, along = found.rotation_deg - 180 * turns, found.along * (-1) ** turns
    return replace(found, rotation_deg=rotation, along=along)


@dataclass(frozen=True, eq=False)
class _Grid:
    """Pixels of the image, and what lies on them."""

    pixels: Real
    """(k, 2): places of the lit pixels of the detector, from the middle of the light.
    """
    low_m: Real
    """(2,): position of the middle of pixel (0, 0)."""
    pixel_m: float
    shape: tuple[int, int]

    @classmethod
    def of(cls, scan: Scan, motion: PatternMotion, lit: NDArray[np.bool_]) -> _Grid:
        """Make a grid with the pixels of a pattern's shadow, around all shadows."""
        pixels = np.argwhere(lit).astype(float)
        pixels -= pixels.mean(0)
        positions = scan.positions_m[scan.included]
        reach = _ROOM * np.abs(pixels).max() / motion.pixels_per_m
        low, high = positions.min(0) - reach, positions.max(0) + reach
        pixel = 1 / motion.pixels_per_m
        # Not finer than values can fill, nor beyond what can be shown.
        filled = math.sqrt(float(np.prod(high - low)) / (len(positions) * len(pixels)))
        pixel = max(pixel, 2 * filled, float((high - low).max()) / _MOST_PIXELS)
        rows, columns = (int(n) + 1 for n in np.rint((high - low) / pixel))
        return cls(pixels, low, pixel, (rows, columns))

    def empty(self) -> Real:
        """Return an image (H, W) of zeros."""
        return np.zeros(self.shape)

    def add(
        self,
        values: NDArray[np.float32],
        positions_m: Real,
        pixels: Real,
        shadow: Real,
        count: Real,
        total: Real,
    ) -> None:
        """Count and add values on the pixels on which they fall, in place.

        Parameters
        ----------
        values : array (n, k)
            Over positions and pixels of the detector.
        positions_m : array (n, 2)
            Of the scan.
        pixels : array (k, 2)
            Of the detector, from the middle of the light.
        shadow : array (2, 2)
            Detector pixels by which the pattern moves, per metre of the scan; its
            inverse shifts the images back.
        count, total : array (H, W)
            Added to.
        """
        moved = (pixels @ np.linalg.inv(shadow).T / self.pixel_m).astype(np.float32)
        place = ((positions_m - self.low_m) / self.pixel_m).astype(np.float32)
        y, x = (
            np.clip(np.rint(place[:, i, None] - moved[:, i]), 0, n - 1).astype(np.int32)
            for i, n in enumerate(self.shape)
        )
        flat, cells = (y * self.shape[1] + x).ravel(), math.prod(self.shape)
        count += np.bincount(flat, minlength=cells).reshape(self.shape)
        total += np.bincount(flat, values.ravel(), cells).reshape(self.shape)


def _about_the_middle(pixels: Real, positions: int) -> NDArray[np.int64]:
    """Choose lit pixels (k, 2) about the middle, few enough to be added often."""
    radius = math.sqrt(len(pixels) / math.pi)
    inside = np.flatnonzero(np.linalg.norm(pixels, axis=1) < _INNER * radius)
    every = max(1, math.ceil(len(inside) * positions / _MOST))
    return np.random.default_rng(0).permutation(inside)[::every]


def _around(
    measured: NDArray[np.bool_],
) -> tuple[tuple[slice, slice], NDArray[np.int64]]:
    """Cut what was not measured off the sides; and the first pixel that stays."""
    y, x = (np.flatnonzero(measured.any(axis)) for axis in (1, 0))
    cut = slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1)
    return cut, np.array([y[0], x[0]])
