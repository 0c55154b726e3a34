"""Where the pixels of a field lie: its two middles, coordinates and frequencies.

There are two middles, and they differ on purpose. A pattern and a probe have their zero
frequency, or zero coordinate, *at* a pixel: `zero_pixel`, where the Fourier transform
needs it. What is scaled or bent about the middle of a view without a Fourier transform
takes the point that is as far from the first pixel as from the last: `middle`, which
lies between two pixels where their number is even. Frequencies come as the transform
orders them, zero first. Whole pairs come as a column and a row, which broadcast.

The near-field kernel of `simulation._patterns` is written apart from this and from the
propagators, so that it can disagree with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Real = NDArray[np.float64]


def zero_pixel(n: int) -> int:
    """Pixel of n that has coordinate or frequency zero, as `numpy.fft.fftshift`."""
    return n // 2


def middle(n: int) -> float:
    """Point as far from the first of n pixels as from the last one."""
    return (n - 1) / 2


def from_zero(n: int) -> Real:
    """Whole pixels from the zero pixel, (n,)."""
    return np.arange(n, dtype=np.float64) - zero_pixel(n)


def from_middle(n: int) -> Real:
    """Pixels from the middle, whole or half ones, (n,)."""
    return np.arange(n, dtype=np.float64) - middle(n)


def column_and_row(y: NDArray[Any], x: NDArray[Any]) -> tuple[Real, Real]:
    """Bring two axes to (h, 1) and (1, w)."""
    return y[:, None], x[None, :]


def coordinates(
    shape: Sequence[int], pixel: Sequence[float] = (1.0, 1.0)
) -> tuple[Real, Real]:
    """(y, x) from the zero pixel, in the unit of `pixel`; a column and a row."""
    h, w = shape
    return column_and_row(from_zero(h) * pixel[0], from_zero(w) * pixel[1])


def frequencies(
    shape: Sequence[int], pixel: Sequence[float] = (1.0, 1.0)
) -> tuple[Real, Real]:
    """(fy, fx) in cycles per unit of `pixel`, zero first; a column and a row."""
    h, w = shape
    return column_and_row(np.fft.fftfreq(h, pixel[0]), np.fft.fftfreq(w, pixel[1]))
