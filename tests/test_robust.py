"""The robust spread: that of scipy, and next to that of the rounded factor of old."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from napari_scicompty.core.robust import NORMAL, spread


def test_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 100, 1001):
        values = rng.normal(size=size)
        expected = stats.median_abs_deviation(values, scale="normal")
        assert spread(values) == pytest.approx(expected, rel=1e-15)
        about = NORMAL * np.median(np.abs(values))
        assert spread(values, about=0) == pytest.approx(about, rel=1e-15)


def test_is_the_standard_deviation_of_normal_numbers_whatever_stands_out() -> None:
    values = np.random.default_rng(0).normal(3, 2, 100_000)
    values[:1000] = 1e9
    assert spread(values) == pytest.approx(2, rel=0.03)
    assert pytest.approx(1.4826, rel=2e-6) == NORMAL  # what was written by hand
