"""The canvas: metres to pixels and back, and where the object is trusted."""

from __future__ import annotations

import numpy as np
import pytest

from napari_scicompty.data.canvas import MARGIN, Canvas, canvas_map, lit_region
from small_scans import small_scan

CANVAS = Canvas((90, 140), (32, 48), (3.1e-8, 2.7e-8), (-4.2e-6, 1.9e-3))


def test_metres_to_pixels_and_back() -> None:
    positions = np.random.default_rng(0).uniform(-1e-5, 1e-5, (50, 2))
    positions[:, 1] += 1.9e-3
    pixels = CANVAS.to_pixels(positions)
    by_hand = (positions - (-4.2e-6, 1.9e-3)) / (3.1e-8, 2.7e-8)
    # Fractions below 1e-3 px are whole: that much may be lost on the way.
    assert np.allclose(pixels, by_hand, rtol=0, atol=1e-3)
    assert np.allclose(CANVAS.to_metres(pixels), positions, rtol=0, atol=3.1e-11)


@pytest.mark.parametrize(
    ("pixel", "seen"),
    [(20.9999999, 21), (21.0009, 21), (20.9991, 21), (20.9985, 20.9985), (7.5, 7.5)],
)
def test_whole_to_a_thousandth_of_a_pixel(pixel: float, seen: float) -> None:
    canvas = Canvas((64, 64), (32, 32), (1.0, 1.0), (0.0, 0.0))
    found = canvas.to_pixels([[pixel, 3.0]])[0]
    assert found[1] == 3
    assert found[0] == (seen if seen == 21 else pytest.approx(seen, abs=1e-12))


def test_every_view_lies_on_the_canvas_with_its_margin() -> None:
    scan = small_scan(view=(24, 40), grid=(3, 6)).scan
    canvas = Canvas.of(scan)
    corners = canvas.to_pixels(scan.positions_m)
    assert np.allclose(corners.min(0), MARGIN)
    room = np.array(canvas.shape) - canvas.view - corners.max(0)
    assert ((room >= MARGIN) & (room < MARGIN + 1)).all()
    assert canvas.view == (24, 40)


def test_canvas_map_sums_the_modes_where_the_views_lie() -> None:
    rng = np.random.default_rng(1)
    probe = (rng.normal(size=(2, 5, 7)) + 1j * rng.normal(size=(2, 5, 7))).astype("c8")
    corners = np.array([[0, 0], [2.4, 3.6], [4, 1]])
    by_hand = np.zeros((12, 15))
    for y, x in [(0, 0), (2, 4), (4, 1)]:
        for i in range(5):
            for j in range(7):
                by_hand[y + i, x + j] += abs(probe[0, i, j]) ** 2
                by_hand[y + i, x + j] += abs(probe[1, i, j]) ** 2
    assert np.allclose(canvas_map((12, 15), probe, corners), by_hand, rtol=1e-5)


def test_lit_is_a_tenth_of_the_median_of_what_is_above_a_hundredth() -> None:
    light = np.full((10, 10), 0.005, np.float32)  # below 1 % of the maximum
    light[0, :7] = 1.0
    light[1, :3] = (0.11, 0.09, 0.05)
    # Above 1 %: seven times 1 and three small ones, median 1, threshold 0.1.
    lit = lit_region(light)
    assert lit[0, :7].all()
    assert lit[1, 0]
    assert lit.sum() == 8
