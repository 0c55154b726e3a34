"""How the pattern moves when the scan moves, without any reconstruction.

Out of focus, and in near field, a pattern is a shadow of the sample: between two
neighbours it moves by ``u = A d`` detector pixels, d being how the scan moved. One
matrix A fits all pairs of neighbours, and it tells how the detector is turned against
the scan, whether it is mirrored, and how large the shadow is, from which the defocus
follows. Electron microscopists know the same from the shifts of the images of a
tilt-corrected bright field.

A is found as the one whose shifts have the largest mean cross-correlation of the
patterns, less what is common to all pairs. In the focus, and where the beam is far more
structured than its shadow, nothing moves, and nothing is found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, optimize
from scipy.spatial import cKDTree

from napari_scicompty.core.quarter_turns import matrix_of, rotation
from napari_scicompty.data.checks.spread import around_middle

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan

_NEIGHBOURS = 8
_MOST_PAIRS, _MOST_FRAMES = 1500, 600
"""Pairs and patterns that are looked at; more only cost time."""
_SIDE = 128
"""Pixels along the shorter side, from twice of which on patterns are binned."""
_LARGEST = 3
"""A shadow moves at most by a frame over this between neighbours."""
_ANGLES = np.arange(0.0, 360.0, 5.0)
_SIZES = 24
"""Sizes of the shadow that are tried, from one pixel a step upwards."""
_EDGE = 0.85
"""A shift that fits best at the end of what was tried is none."""
_SEEN = 0.7
"""Share of the pairs whose shift must lie within `_LARGEST`."""
_CLEAR, _TIMES = 11.0, 1.5
"""Motion is clear above this strength, and so many times that of the mirrored one."""
_LIT = 0.1
"""Share of the brightest pixels' counts above which a pixel is lit."""
_SMOOTH = 1.0
"""Pixels by which correlations are blurred before the last digits are found."""


@dataclass(frozen=True)
class PatternMotion:
    """The linear map from the motion of the scan to that of the pattern."""

    rotation_deg: float
    """Angle of the scan, from y towards x, after which pattern and scan move along the
    same line; -180 to 180 in near field, -90 to 90 in far field, where the twin hides
    the direction."""
    mirrored: bool
    """Whether x changes its sign before the scan is turned."""
    pixels_per_m: float
    """Detector pixels by which the pattern moves, per metre of the scan."""
    along: int
    """1 where the pattern moves along with the scan, -1 where it moves against it, as
    the shadow behind a focus does."""
    lit_px: float
    """Diameter of the lit part of the sample, in object pixels: that of the light on
    the detector, over the size of the shadow."""
    strength: float
    """Mean of the correlations over its standard error; chance reaches 5."""
    strength_mirrored: float
    """That of the best map of the other handedness."""

    @property
    def is_clear(self) -> bool:
        """Whether the pattern moves, and how is told from the mirrored motion."""
        return self.strength > max(_CLEAR, _TIMES * self.strength_mirrored)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """How positions (y, x) must be mirrored and turned, shape (2, 2)."""
        return _map(math.radians(self.rotation_deg), mirrored=self.mirrored)

    @property
    def shadow_map(self) -> NDArray[np.float64]:
        """Detector pixels (y, x) by which the pattern moves, per metre of the scan."""
        return self.along * self.pixels_per_m * self.matrix

    def per_pixel(self, scan: Scan) -> float:
        """Detector pixels by which the pattern moves, per object pixel of the scan.

        Parameters
        ----------
        scan : Scan
            What was measured.

        Returns
        -------
        float
            1 in a near field whose geometry is right.
        """
        return self.pixels_per_m * math.sqrt(math.prod(scan.pixel_size_m))

    def defocus_m(self, scan: Scan) -> float:
        """Distance of the focus from the sample that makes a shadow of this size.

        Parameters
        ----------
        scan : Scan
            What was measured, in far field.

        Returns
        -------
        float
            Metres, without a sign: the twin has the other one.
        """
        pixel = math.sqrt(math.prod(scan.geometry.detector_pixel_m))
        return scan.geometry.distance_m / (self.pixels_per_m * pixel)


def pattern_motion(scan: Scan, seed: int = 0) -> PatternMotion | None:
    """Find how the patterns move with the scan.

    Parameters
    ----------
    scan : Scan
        What was measured; some hundred neighbouring patterns are read.
    seed : int
        Of the choice of pairs.

    Returns
    -------
    PatternMotion or None
        None where there are too few patterns, or all at one place; `is_clear` says
        whether to believe it.
    """
    around = around_middle(scan.positions_m[scan.included], _MOST_FRAMES)
    chosen = scan.included[around]
    if len(chosen) < 4:
        return None
    positions = scan.positions_m[chosen]
    pairs = _pairs(positions, seed)
    moved = positions[pairs[:, 1]] - positions[pairs[:, 0]]
    step = float(np.median(np.linalg.norm(moved, axis=1)))
    if not step > 0:
        return None
    found = _Correlations.of(scan, chosen, pairs, moved / step)
    best = sorted((found.best(mirrored=m) for m in (False, True)), reverse=True)
    strength, size, angle, mirrored = best[0]
    if strength <= 0 or size > _EDGE * found.reach:
        return None
    size, angle = found.polished(size, angle, mirrored=mirrored)
    size *= found.binned
    # The pattern moves against the scan in near field, and along one line in far field.
    turn = 360 if scan.geometry.propagation == "near-field" else 180
    rotation = (math.degrees(angle) - 180 + turn / 2) % turn - turn / 2
    along = 1 if math.cos(angle - math.radians(rotation)) > 0 else -1
    if turn == 360:
        along = -1 if scan.geometry.magnification > 0 else 1
        rotation = rotation if along < 0 else (rotation + 360) % 360 - 180
    lit = _lit_on_detector(scan) * step
    lit /= size * math.sqrt(math.prod(scan.pixel_size_m))
    size /= step
    return PatternMotion(rotation, mirrored, size, along, lit, strength, best[1][0])


def lit_pixels(scan: Scan) -> NDArray[np.bool_]:
    """Tell which good pixels of the detector are lit, (h, w).

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    array (h, w) bool
        True where the mean pattern has more than a tenth of its brightest pixels.
    """
    light = scan.mean_pattern
    bright = _LIT * np.quantile(light[scan.good], 0.99)
    return np.asarray(scan.good & (light > bright))


def _lit_on_detector(scan: Scan) -> float:
    """Diameter of the light on the detector, in its pixels."""
    return 2 * math.sqrt(np.count_nonzero(lit_pixels(scan)) / math.pi)


def _pairs(positions: NDArray[np.float64], seed: int) -> NDArray[np.int64]:
    """Pair each position (n, 2) with its neighbours; (k, 2), each pair once."""
    count = min(_NEIGHBOURS + 1, len(positions))
    near = cKDTree(positions).query(positions, k=count)[1]
    ends = np.stack([np.repeat(near[:, :1], count - 1, 1), near[:, 1:]], -1)
    pairs = np.unique(np.sort(ends.reshape(-1, 2), 1), axis=0)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    chosen = np.random.default_rng(seed).permutation(len(pairs))[:_MOST_PAIRS]
    return np.asarray(pairs[np.sort(chosen)])


def _map(angle: float, *, mirrored: bool) -> NDArray[np.float64]:
    return rotation(math.degrees(angle)) @ matrix_of(False, False, mirrored)


def _amplitudes(
    scan: Scan, chosen: NDArray[np.int64]
) -> tuple[NDArray[np.float32], int]:
    """Read patterns (k, h, w): amplitudes less their mean, binned; and by how much."""
    binned = max(1, min(scan.frame_shape) // _SIDE)
    h, w = (length // binned for length in scan.frame_shape)
    frames = np.empty((len(chosen), h, w), np.float32)
    for place, number in enumerate(chosen):
        counts = np.where(scan.good, scan.patterns[int(number)], 0)
        blocks = counts[: h * binned, : w * binned].reshape(h, binned, w, binned)
        frames[place] = np.sqrt(np.maximum(blocks.sum((1, 3), dtype=np.float64), 0))
    return frames - frames.mean(0), binned


@dataclass
class _Correlations:
    """Cross-correlations of pairs, less their mean, around no shift."""

    maps: NDArray[np.float32]
    """(k, 2 r + 1, 2 r + 1), on binned pixels."""
    moved: NDArray[np.float64]
    """(k, 2): how the scan moved, in steps."""
    binned: int
    """Detector pixels along a binned one."""

    @classmethod
    def of(
        cls,
        scan: Scan,
        chosen: NDArray[np.int64],
        pairs: NDArray[np.int64],
        moved: NDArray[np.float64],
    ) -> _Correlations:
        """Correlate the amplitudes of patterns, less their mean."""
        frames, binned = _amplitudes(scan, chosen)
        h, w = frames.shape[1:]
        norms = np.maximum(np.sqrt(np.square(frames).sum((1, 2))), 1e-30)
        waves = np.fft.rfft2(frames / norms[:, None, None])
        reach = min(h, w) // _LARGEST
        cut = tuple(slice(n // 2 - reach, n // 2 + reach + 1) for n in (h, w))
        maps = np.empty((len(pairs), 2 * reach + 1, 2 * reach + 1), np.float32)
        for k, (i, j) in enumerate(pairs):
            maps[k] = np.fft.fftshift(
                np.fft.irfft2(np.conj(waves[i]) * waves[j], (h, w))
            )[cut]
        maps -= maps.mean(0)
        return cls(maps, moved, binned)

    @property
    def reach(self) -> int:
        """Largest shift, in pixels."""
        return self.maps.shape[1] // 2

    def along(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Correlations at the shifts that a matrix (2, 2) predicts; few: none."""
        shifts = self.moved @ matrix.T
        inside = (np.abs(shifts) < self.reach).all(1)
        if inside.mean() < _SEEN:
            return np.zeros(0)
        y, x = (shifts[inside] + self.reach).T
        at = [np.flatnonzero(inside), y, x]
        return np.asarray(ndimage.map_coordinates(self.maps, at, order=1), float)

    def strength(self, matrix: NDArray[np.float64]) -> float:
        """Mean over its standard error; 0 where too few pairs can tell."""
        values = self.along(matrix)
        if len(values) < 2 or not values.any():
            return 0.0
        return float(values.mean() / (values.std() / math.sqrt(len(values))))

    def best(self, *, mirrored: bool) -> tuple[float, float, float, bool]:
        """Find the strongest map: strength, pixels a step, angle, and handedness."""
        sizes = np.geomspace(1, max(self.reach, 2), _SIZES)
        maps = {
            (size, angle): size * _map(angle, mirrored=mirrored)
            for angle in np.radians(_ANGLES).tolist()
            for size in sizes.tolist()
        }
        found = {at: self.strength(matrix) for at, matrix in maps.items()}
        size, angle = max(found, key=lambda at: found[at])
        return found[size, angle], size, angle, mirrored

    def polished(
        self, size: float, angle: float, *, mirrored: bool
    ) -> tuple[float, float]:
        """Find the last digits of the size and the angle."""
        maps = ndimage.gaussian_filter(self.maps, (0, _SMOOTH, _SMOOTH))
        blurred = replace(self, maps=maps)

        def against(at: NDArray[np.float64]) -> float:
            values = blurred.along(math.exp(at[0]) * _map(at[1], mirrored=mirrored))
            return -float(values.mean()) if len(values) else 0.0

        first = np.array([math.log(size), angle])
        corners = first + np.array([[0, 0], [0.1, 0], [0, 0.08]])
        options = {"initial_simplex": corners, "xatol": 1e-4, "fatol": 1e-8}
        best = optimize.minimize(against, first, method="Nelder-Mead", options=options)
        return math.exp(best.x[0]), float(best.x[1])
