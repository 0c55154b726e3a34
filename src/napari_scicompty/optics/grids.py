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
    """Pixel of n that has coordinate or frequency zero, as `numpy.fft.fftshift`.

    Parameters
    ----------
    n : int
        Pixels of the axis.

    Returns
    -------
    int
        n // 2.

    Examples
    --------
    >>> zero_pixel(8), zero_pixel(9)
    (4, 4)
    """
    return n // 2


def middle(n: int) -> float:
    """Point as far from the first of n pixels as from the last one.

    Parameters
    ----------
    n : int
        Pixels of the axis.

    Returns
    -------
    float
        (n - 1) / 2.

    Examples
    --------
    >>> middle(8), middle(9)
    (3.5, 4.0)
    """
    return (n - 1) / 2


def from_zero(n: int) -> Real:
    """Whole pixels from the zero pixel, (n,).

    Parameters
    ----------
    n : int
        Pixels of the axis.

    Returns
    -------
    array (n,) float64
        -(n // 2) to n - 1 - n // 2.

    Examples
    --------
    >>> from_zero(4)
    array([-2., -1.,  0.,  1.])
    """
    return np.arange(n, dtype=np.float64) - zero_pixel(n)


def from_middle(n: int) -> Real:
    """Pixels from the middle, whole or half ones, (n,).

    Parameters
    ----------
    n : int
        Pixels of the axis.

    Returns
    -------
    array (n,) float64
        Their sum is zero.

    Examples
    --------
    >>> from_middle(4)
    array([-1.5, -0.5,  0.5,  1.5])
    """
    return np.arange(n, dtype=np.float64) - middle(n)


def column_and_row(y: NDArray[Any], x: NDArray[Any]) -> tuple[Real, Real]:
    """Bring two axes to (h, 1) and (1, w).

    Parameters
    ----------
    y : array (h,)
        Of the rows.
    x : array (w,)
        Of the columns.

    Returns
    -------
    (array (h, 1), array (1, w))
        They broadcast to (h, w).
    """
    return y[:, None], x[None, :]


def coordinates(
    shape: Sequence[int], pixel: Sequence[float] = (1.0, 1.0)
) -> tuple[Real, Real]:
    """(y, x) from the zero pixel, in the unit of `pixel`; a column and a row.

    Parameters
    ----------
    shape : (h, w)
        Pixels of the grid.
    pixel : (float, float)
        Size (y, x) of a pixel, in metres for one.

    Returns
    -------
    (array (h, 1), array (1, w))
        float64.

    Examples
    --------
    >>> y, x = coordinates((2, 4), (1.0, 0.5))
    >>> x
    array([[-1. , -0.5,  0. ,  0.5]])
    """
    h, w = shape
    return column_and_row(from_zero(h) * pixel[0], from_zero(w) * pixel[1])


def frequencies(
    shape: Sequence[int], pixel: Sequence[float] = (1.0, 1.0)
) -> tuple[Real, Real]:
    """(fy, fx) in cycles per unit of `pixel`, zero first; a column and a row.

    Parameters
    ----------
    shape : (h, w)
        Pixels of the grid.
    pixel : (float, float)
        Size (y, x) of a pixel, in metres for one.

    Returns
    -------
    (array (h, 1), array (1, w))
        float64, cycles per metre for pixels in metres.

    Examples
    --------
    >>> fy, fx = frequencies((2, 4), (1.0, 0.5))
    >>> fx
    array([[ 0. ,  0.5, -1. , -0.5]])
    """
    h, w = shape
    return column_and_row(np.fft.fftfreq(h, pixel[0]), np.fft.fftfreq(w, pixel[1]))
