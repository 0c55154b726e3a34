"""A standard deviation that a few values far off do not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import NDArray

NORMAL = float(1 / special.ndtri(0.75))
"""Standard deviation over median absolute deviation of normal numbers, 1.4826."""


def spread(values: NDArray[np.floating], about: float | None = None) -> float:
    """Median absolute deviation from the median, or from `about`, times `NORMAL`.

    It is ``scipy.stats.median_abs_deviation(values, scale="normal")``. The import of
    all of scipy.stats for it would make the first opening of a file 0.3 s longer.

    Parameters
    ----------
    values : array (n,) real
        In any unit.
    about : float, optional
        The middle, in the same unit; the median when left out.

    Returns
    -------
    float
        In the same unit; for normal noise its standard deviation.

    Examples
    --------
    >>> round(spread(np.array([1.0, 2.0, 3.0, 4.0, 100.0])), 2)
    1.48
    """
    middle = np.median(values) if about is None else about
    return NORMAL * float(np.median(np.abs(values - middle)))
