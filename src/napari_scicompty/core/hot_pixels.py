"""Pixels that stand out of their surroundings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_scicompty.core.robust import NORMAL, spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

USUAL_SIGMA = 8.0
"""How many spreads a hot pixel stands out."""


def hot_pixels(
    mean: NDArray[np.float64], good: NDArray[np.bool_], count: int, sigma: float
) -> NDArray[np.bool_]:
    """Tell which pixels stand out of their 5 x 5 neighbourhood.

    In the amplitude d = sqrt(mean) - median(sqrt(mean)), a pixel is hot where
    d > sigma * s, with s the largest of: the robust spread (1.4826 median |d|) of the
    neighbourhood, that of the frame, and counting noise 0.5 / sqrt(count).

    Parameters
    ----------
    mean : array (h, w)
        Mean of the patterns, in counts.
    good : array (h, w) bool
        True = good pixel.
    count : int
        How many patterns it is the mean of.
    sigma : float
        How many spreads a pixel may stand out.

    Returns
    -------
    array (h, w) bool
        True = hot pixel.
    """
    amplitude = np.where(good, np.sqrt(mean), 0)
    excess = amplitude - ndimage.median_filter(amplitude, 5)
    around = NORMAL * ndimage.median_filter(np.abs(excess), 5)
    floor = max(spread(excess[good], about=0), 0.5 / math.sqrt(count))
    return np.asarray(good & (excess > sigma * np.maximum(around, floor)))
