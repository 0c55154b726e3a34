"""Findings about what the values of patterns mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan

_INVERSES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "ln(1 + counts)": np.expm1,
    "lg(1 + counts)": lambda values: 10**values - 1,
    "ln(counts)": np.exp,
    "lg(counts)": lambda values: 10**values,
}
"""Logarithms that programs write, and how counts follow from them."""
_EXACT = 1e4
"""Counts below this follow to a few hundredths from logarithms in single precision."""
_ROUNDING = 0.03
_KINDS = 5
"""Different counts that must be seen."""


def logarithms_of_counts(scan: Scan) -> Finding | None:
    """Ask whether patterns hold logarithms of whole counts.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    if scan.patterns.dtype.kind != "f" or scan.largest_count > np.log(1e18):
        return None
    frame = np.asarray(scan.patterns[int(scan.included[0])], np.float64)[scan.good]
    values = frame[frame > 0]
    if np.allclose(values, np.round(values), atol=1e-4):
        return None
    for name, counts_of in _INVERSES.items():
        counts = counts_of(values)
        counts = counts[counts < _EXACT]
        whole = np.round(counts)
        is_whole = np.abs(counts - whole) < _ROUNDING
        if is_whole.all() and len(np.unique(whole)) >= _KINDS:
            return Finding(
                "logarithms",
                "patterns",
                f"the patterns seem to hold {name}: taken back, they are whole numbers",
                "give the counts themselves",
                "error",
            )
    return None
