"""Dark field, hot and saturated pixels: what changes counts or masks pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.hot_pixels import hot_pixels
from napari_scicompty.core.stacks import changed, chunks
from napari_scicompty.prepare.frames import F, frame_shape, good_pixels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def dark_field(scan: F, dark: ArrayLike) -> F:
    """Subtract a dark frame (h, w), or the mean of a stack of them; clip at zero.

    Makes float32 patterns: a new array, or as they are read where that is too large.

    Parameters
    ----------
    scan : Scan
        Or what a reader found, before it is checked.
    dark : array (h, w) or (k, h, w)
        Counts without a beam.

    Returns
    -------
    Scan
        Its report says so.

    Raises
    ------
    InputError
        A dark frame of another shape than the patterns, or with non-finite values.
    """
    frame = np.asarray(dark)
    if frame.ndim == 3 and len(frame):
        frame = frame.mean(0, dtype=np.float64)
    if frame.dtype.kind not in "uif" or frame.shape != frame_shape(scan):
        raise InputError(
            f"dark has shape {frame.shape} and dtype {frame.dtype}, the patterns "
            f"{frame_shape(scan)}; give a frame, or a stack of frames, of that shape"
        )
    if not np.isfinite(frame).all():
        raise InputError("dark holds values that are not finite; mend the dark frame")
    frame = frame.astype(np.float32)
    patterns = changed(
        scan.patterns,
        lambda raw: np.maximum(np.subtract(raw, frame, dtype=np.float32), 0),
        room_for_a_stack(),
    )
    note = f"dark field subtracted (mean {frame.mean():.4g} counts), clipped at zero"
    return scan.replace(patterns=patterns, report=(*scan.report, note))


def amplitudes_squared(scan: F) -> F:
    """Square patterns that hold amplitudes: float32 intensities.

    One new array where it fits, else as the patterns are read.

    Parameters
    ----------
    scan : Scan
        Or what a reader found, before it is checked.

    Returns
    -------
    Scan
        Its report says so.
    """
    patterns = changed(
        scan.patterns,
        lambda raw: np.square(raw, dtype=np.float32),
        room_for_a_stack(),
    )
    note = "patterns: amplitudes squared"
    return scan.replace(patterns=patterns, report=(*scan.report, note))


def mask_pixels(scan: F, good: ArrayLike, why: str = "masked") -> F:
    """Mask the pixels that are not `good` (h, w), besides those masked already.

    Parameters
    ----------
    scan : Scan
        Or what a reader found, before it is checked.
    good : array (h, w) bool
        True = good pixel.
    why : str
        What the report says of those that are not.

    Returns
    -------
    Scan
        With both masks.

    Raises
    ------
    InputError
        A mask of another shape than the patterns.
    """
    mask = np.asarray(good, bool)
    if mask.shape != frame_shape(scan):
        raise InputError(
            f"mask has shape {mask.shape}, the patterns {frame_shape(scan)}; give a "
            "mask of one frame of that shape"
        )
    note = f"{np.count_nonzero(~mask)} pixel(s) {why}"
    both = mask if scan.mask is None else mask & scan.mask
    return scan.replace(mask=both, report=(*scan.report, note))


def mask_saturated(scan: F, level: float) -> F:
    """Mask the pixels that reach `level` counts in any pattern.

    Parameters
    ----------
    scan : Scan
        Or what a reader found, before it is checked.
    level : float
        Counts.

    Returns
    -------
    Scan
        With the mask; all patterns are read for it.
    """
    good = np.ones(frame_shape(scan), bool)
    for _, raw in chunks(scan.patterns):
        good &= ~(raw >= level).any(0)
    return mask_pixels(scan, good, f"saturated (at or above {level:g} counts), masked")


def mask_hot_pixels(scan: F, sigma: float) -> F:
    """Mask the pixels that stand out of their 5 x 5 neighbourhood in the mean pattern.

    See `hot_pixels`.

    Parameters
    ----------
    scan : Scan
        Or what a reader found, before it is checked.
    sigma : float
        How many spreads a pixel may stand out; 8 is usual.

    Returns
    -------
    Scan
        With the mask.

    Raises
    ------
    InputError
        A sigma that is not positive.
    """
    if not sigma > 0:
        raise InputError(f"hot_pixel_sigma is {sigma}; give a number above zero, say 8")
    good = good_pixels(scan)
    hot = hot_pixels(_mean_pattern(scan), good, len(scan.patterns), sigma)
    return mask_pixels(scan, ~hot, f"hot (over {sigma:g} sigma), masked")


def _mean_pattern(scan: F) -> NDArray[np.float64]:
    total = np.zeros(frame_shape(scan))
    for _, raw in chunks(scan.patterns):
        total += np.nan_to_num(np.maximum(raw, 0)).sum(0, dtype=np.float64)
    return total / len(scan.patterns)
