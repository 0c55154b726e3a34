"""Grids: the formulas that were written by hand in many places, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import fft

from napari_scicompty.optics import grids

SHAPES = [(1, 1), (2, 3), (32, 32), (33, 40), (128, 97)]
PIXELS = [(1.0, 1.0), (1.3e-8, 7.7e-9), (2e-5, 1e-10)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pixel", PIXELS)
def test_coordinates_and_frequencies(
    shape: tuple[int, int], pixel: tuple[float, float]
) -> None:
    h, w = shape
    y, x = grids.coordinates(shape, pixel)
    assert np.array_equal(y, ((np.arange(h) - h // 2) * pixel[0])[:, None])
    assert np.array_equal(x, ((np.arange(w) - w // 2) * pixel[1])[None, :])
    fy, fx = grids.frequencies(shape, pixel)
    assert np.array_equal(fy, fft.fftfreq(h, pixel[0])[:, None])
    assert np.array_equal(fx, fft.fftfreq(w, pixel[1])[None, :])


@pytest.mark.parametrize("n", [1, 2, 7, 32, 33])
def test_the_two_middles(n: int) -> None:
    assert np.fft.fftshift(np.fft.fftfreq(n))[grids.zero_pixel(n)] == 0
    assert grids.from_zero(n)[grids.zero_pixel(n)] == 0
    centred = grids.from_middle(n)
    assert np.array_equal(centred, -centred[::-1])
    assert np.array_equal(centred, np.arange(n) - (n - 1) / 2)
    assert grids.middle(n) - grids.zero_pixel(n) == (-0.5 if n % 2 == 0 else 0)
    step = 7.7e-9
    old = ((torch.arange(n, dtype=torch.float64) - (n - 1) / 2) * step).square()
    assert torch.equal(torch.from_numpy(centred * step).square(), old)


def test_the_rim_of_light_is_found_on_the_same_radii() -> None:
    h, w = 32, 45
    fy, fx = (np.arange(n) - n // 2 for n in (h, w))
    old = np.hypot(fy[:, None] / h, fx[None, :] / w)
    y, x = grids.coordinates((h, w))
    assert np.array_equal(np.hypot(y / h, x / w), old)
