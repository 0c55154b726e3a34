"""The kernel of the near field against its formula, transformed in full."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.fft import next_fast_len

from napari_scicompty.optics.near_field import (
    band_limit,
    detector_kernel,
    padded_grid,
)


@pytest.mark.parametrize("derivative", [False, True], ids=["kernel", "slope"])
@pytest.mark.parametrize(
    ("shape", "pixel", "distance"),
    [
        ((32, 32), (3.9e-7, 3.9e-7), 0.004),
        ((32, 48), (3.9e-7, 5e-7), 0.065),
        ((25, 30), (3.9e-7, 3.9e-7), -0.03),
    ],
    ids=["all fits", "cut", "cut, odd, upstream"],
)
def test_kernel_of_a_detector_is_the_transformed_impulse_response(
    shape: tuple[int, int],
    pixel: tuple[float, float],
    distance: float,
    derivative: bool,
) -> None:
    found = detector_kernel(shape, pixel, 1e-9, distance, derivative=derivative)
    spread = [math.ceil(1e-9 * abs(distance) / p**2) for p in pixel]
    grid = padded_grid(shape, pixel, 1e-9, distance)
    assert found.shape == grid
    fits = all(n >= w + s for n, w, s in zip(grid, shape, spread, strict=True))
    sizes = [next_fast_len(2 * w + s) for w, s in zip(shape, spread, strict=True)]
    n, m = grid if fits else sizes
    fy, fx = np.fft.fftfreq(n, pixel[0])[:, None], np.fft.fftfreq(m, pixel[1])
    sine2 = (1e-9 * fy) ** 2 + (1e-9 * fx) ** 2
    g = 2 * np.pi / 1e-9 * (np.sqrt(1 - sine2) - 1)
    limits = band_limit((n, m), pixel, 1e-9, distance)
    carried = (np.abs(fy) <= limits[0]) & (np.abs(fx) <= limits[1])
    whole = np.where(carried, np.exp(1j * g * distance), 0)
    whole = 1j * g * whole if derivative else whole
    if not fits:
        rows, columns = (
            np.r_[0 : (k + 1) // 2, size - k // 2 : size]
            for k, size in zip(grid, sizes, strict=True)
        )
        whole = np.fft.fft2(np.fft.ifft2(whole)[np.ix_(rows, columns)])
    assert np.abs(found - whole).max() < 1e-7 * np.abs(whole).max()
