"""The shadow of the sample in the patterns: how it moves as the sample is scanned.

Outside the focus, and in the near field, a pattern is a magnified shadow of the sample,
and neighbouring patterns show the same shadow moved. How far it moves over a step tells
the magnification, and with it the lit part of the sample, without a reconstruction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan

_PAIRS = 24
"""Pairs of neighbours that are compared."""
_FEWEST = 8
_SIDE = 256
"""Pixels along the shorter side from which patterns are binned for it."""
_LIT = 0.1
"""Share of the brightest pixels' counts above which a pixel is lit."""
_ALIKE = 0.3
"""Correlation of neighbours below which nothing is seen to move."""
_LEAST = 2.0
"""Pixels of a move that can be told from none."""
_OFF = 0.25
"""Share of its move by which a pair may differ from the common map."""
_KEPT = 0.6
"""Share of the pairs that must agree."""


@dataclass(frozen=True, eq=False)
class Shadow:
    """How the shadow of the sample moves over the detector."""

    map_px: NDArray[np.float64]
    """Object pixels (y, x) to pixels of the detector (y, x), a matrix (2, 2)."""
    shift_px: float
    """Median move over a step, in pixels of the detector."""
    lit_px: float
    """Diameter of the lit part of the sample, in object pixels."""
    correlation: float
    """Median of the correlation of neighbours, 0 to 1."""


def shadow(scan: Scan) -> Shadow | None:
    """Find how the shadow of the sample moves from pattern to pattern.

    Patterns are divided by their mean, and pairs of nearest neighbours compared; one
    linear map must explain the moves of most pairs.

    Parameters
    ----------
    scan : Scan
        What was measured; some tens of its patterns are read.

    Returns
    -------
    Shadow or None
        None where no shadow is seen, as in a focus, or with steps that are too wide.
    """
    points = scan.positions_m[scan.included] / scan.pixel_size_m
    away, beside = cKDTree(points).query(points, k=min(2, len(points)))
    moving = np.flatnonzero(away.reshape(len(points), -1)[:, -1] > 0)
    if len(moving) < _FEWEST:
        return None
    count = min(_PAIRS, len(moving))
    ones = moving[np.linspace(0, len(moving) - 1, count).astype(int)]
    others = beside[ones, 1]
    mean, good = scan.mean_pattern, scan.good
    lit = good & (mean > _LIT * np.quantile(mean[good], 0.99))
    pairs = [_compared(scan, lit, i, j) for i, j in zip(ones, others, strict=True)]
    alike = np.array([correlation for _, correlation in pairs])
    shifts = np.array([shift for shift, _ in pairs], float)
    matrix, agreed = _common(points[others] - points[ones], shifts)
    lengths = np.linalg.norm(shifts[agreed], axis=1)
    magnified = float(np.sqrt(abs(np.linalg.det(matrix))))
    if (
        np.median(alike) < _ALIKE
        or agreed.mean() < _KEPT
        or np.median(lengths) < _LEAST
        or magnified <= 0
    ):
        return None
    diameter = 2 * np.sqrt(np.count_nonzero(lit) / np.pi)
    return Shadow(
        matrix,
        float(np.median(lengths)),
        float(diameter / magnified),
        float(np.median(alike)),
    )


def _compared(
    scan: Scan, lit: NDArray[np.bool_], one: int, other: int
) -> tuple[tuple[int, int], float]:
    """Return the shift (y, x) from one pattern to another, and their correlation."""
    bins = max(1, min(lit.shape) // _SIDE)
    first, second = (
        _binned(_flat(scan, lit, int(scan.included[j])), bins) for j in (one, other)
    )
    power = np.sqrt(np.square(first).sum() * np.square(second).sum())
    crossed = fft.irfft2(fft.rfft2(second) * fft.rfft2(first).conj(), first.shape)
    y, x = np.unravel_index(crossed.argmax(), crossed.shape)
    h, w = crossed.shape
    shift = (
        bins * int((y + h // 2) % h - h // 2),
        bins * int((x + w // 2) % w - w // 2),
    )
    return shift, float(crossed.max() / max(power, 1e-30))


def _flat(scan: Scan, lit: NDArray[np.bool_], number: int) -> NDArray[np.float64]:
    """Return a pattern by the mean pattern, minus 1; zero where it is not lit."""
    flat = np.zeros(lit.shape)
    flat[lit] = np.asarray(scan.patterns[number], float)[lit] / scan.mean_pattern[lit]
    flat[lit] -= flat[lit].mean()
    return flat


def _binned(frame: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Sum squares of so many pixels along each axis; what is left over is cut off."""
    h, w = (length // bins for length in frame.shape)
    cut = frame[: h * bins, : w * bins]
    return np.asarray(cut.reshape(h, bins, w, bins).sum((1, 3)))


def _common(
    steps: NDArray[np.float64], shifts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Fit shifts (n, 2) = matrix @ steps, without those that differ from the others."""
    used = np.ones(len(steps), bool)
    allowed = np.maximum(1.5, _OFF * np.linalg.norm(shifts, axis=1))
    matrix: NDArray[np.float64] = np.zeros((2, 2))
    for _ in range(5):
        matrix = np.asarray(
            np.linalg.lstsq(steps[used], shifts[used], rcond=None)[0].T, np.float64
        )
        off = np.linalg.norm(shifts - steps @ matrix.T, axis=1)
        used = off <= np.maximum(allowed, np.median(off))
    return matrix, off <= allowed
