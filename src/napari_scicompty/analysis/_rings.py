"""Windows and rings of Fourier space, for ring correlations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from napari_scicompty.core.errors import InputError
from napari_scicompty.optics.grids import frequencies

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]
    Mask = NDArray[np.bool_]

TAPER = 0.5
"""The window rises over this share of the depth of the lit region."""

NEIGHBOURS = 0.07
"""Rings this share of their frequency apart, and one at least, are averaged."""


def soft_window(lit: Mask) -> Real:
    """Rise as sin^2 from the rim of the largest part of the lit region, (H, W).

    Raises
    ------
    InputError
        No place in it is 8 pixels away from the rim.
    """
    parts, _ = ndimage.label(ndimage.binary_opening(lit, iterations=2))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    largest = np.pad((parts == np.argmax(sizes)) & lit & (parts > 0), 1)
    depth = ndimage.distance_transform_edt(largest)[1:-1, 1:-1]
    if depth.max() < 8:
        raise InputError(
            "fourier_ring_correlation: the region lit in both is too small; it must "
            "hold a disc of 16 pixels across"
        )
    rise = np.minimum(depth / (TAPER * depth.max()), 1)
    return np.asarray(np.sin(np.pi / 2 * rise) ** 2)


def independent_share(weight: Real) -> float:
    """Share of the Fourier pixels of a ring that are independent of each other.

    Noise under a window w scatters together over the width of the spectrum of w^2. A
    ring is one pixel wide, so that its neighbours count along the ring only:
    ``|W(0)|^2 / sum_q |W(q)|^2`` along a line, the mean of both axes.
    """
    power = weight**2
    shares = [
        power.sum() ** 2 / (weight.shape[axis] * (power.sum(1 - axis) ** 2).sum())
        for axis in (0, 1)
    ]
    return float(np.mean(shares))


def windowed_spectrum(
    field: NDArray[np.complexfloating], weight: Real
) -> NDArray[np.complex128]:
    mean = (weight * field).sum() / weight.sum()
    return np.asarray(fft.fft2(weight * (field.astype(complex) - mean)))


def rings(shape: tuple[int, ...], pixel: Real) -> tuple[NDArray[np.int64], Real]:
    """Ring of each Fourier pixel, beyond the last one for none, and frequencies."""
    step = max(1 / (n * p) for n, p in zip(shape, pixel, strict=True))
    last = int(0.5 / pixel.max() / step + 1e-9)
    ring = np.rint(np.hypot(*frequencies(shape, pixel.tolist())) / step).astype(int)
    ring[ring > last] = last + 1
    return ring, np.arange(last + 1) * step


def averaged(values: Real, pixels: Real) -> Real:
    """Mean over the rings within NEIGHBOURS of each, weighted by their pixels."""
    reach = np.maximum(1, np.rint(NEIGHBOURS * np.arange(len(values)))).astype(int)
    total, weight = (
        np.concatenate([[0.0], np.cumsum(v)]) for v in (values * pixels, pixels)
    )
    ring = np.arange(len(values))
    low, high = ring - reach, ring + reach + 1
    # No more on one side than there is on the other, or a slope would shift the mean.
    over = np.maximum(np.maximum(-low, high - len(values)), 0)
    low, high = low + over, high - over
    return np.asarray((total[high] - total[low]) / (weight[high] - weight[low]))
