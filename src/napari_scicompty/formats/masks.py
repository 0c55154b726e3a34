"""Masks in files: which way round they are, by choice or by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Means = Literal["auto", "good", "bad"]

_OF_BAD = re.compile(
    r"(?<![a-z])(bad|dead|hot|broken|invalid|defect|gap|untrusted)|pixel_?mask",
    re.IGNORECASE,
)
"""Names of masks in which not zero is bad."""
_CXI = re.compile(r"detector_\d+/mask$")
"""Where CXI keeps the bits of its pixels."""
SIGNAL = 0x1000
"""Bit of CXI that says that a pixel has signal: no fault."""


def good_pixels(
    values: NDArray[np.generic], name: str, means: Means
) -> tuple[NDArray[np.bool_], str]:
    """Return the good pixels (h, w) of a mask (..., h, w), and how it was understood.

    Parameters
    ----------
    values : array (..., h, w)
        Numbers or booleans; frames of several are joined.
    name : str
        Of the dataset, the file, or both with a slash between: ``pixel_mask``,
        ``bad_pixels`` and the bits of CXI are known to mark the bad pixels.
    means : {"auto", "good", "bad"}
        What not zero was said to be; auto goes by the name, and else takes good.

    Raises
    ------
    InputError
        No good pixel is left.
    """
    frames = values.reshape(-1, *values.shape[-2:])
    is_cxi = _CXI.search(name) is not None and frames.dtype.kind in "ui"
    how = "as chosen"
    if means == "auto":
        names = (name.partition("/")[0], name.rpartition("/")[2])
        known = is_cxi or any(_OF_BAD.search(part) for part in names)
        means, how = ("bad", "by its name") if known else ("good", "assumed")
    marked = (frames.astype(np.int64) & ~SIGNAL if is_cxi else frames) != 0
    good = marked.all(0) if means == "good" else ~marked.any(0)
    if not good.any():
        other = "bad" if means == "good" else "good"
        raise InputError(
            f"mask {name}: no pixel is good where not zero is {means} ({how}); turn "
            f"it with mask_means={other!r}, or choose another mask"
        )
    note = f"mask from {name}, not zero = {means} ({how})"
    return good, f"{note}: {good.mean():.2%} good pixels"
