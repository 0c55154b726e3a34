"""What a scan checks before it is one: patterns, positions and mask, in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_scicompty.core.stacks import Stack
    from napari_scicompty.data.scan import Scan

_MARK_SEED = 0x6D61726B


@dataclass
class Sums:
    """What one pass over the patterns gives."""

    sums: NDArray[np.float64]
    """(n,): counts of each pattern on good pixels."""
    marks: NDArray[np.float64]
    """(n,): the same with random weights; equal patterns have equal marks."""
    total: NDArray[np.float64]
    """(h, w): sum of the patterns."""
    negative: int = 0
    """Values below zero, which count as zero."""
    moments: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    """(n, 3): mean y, mean x and mean squared radius of the light of each pattern, in
    pixels from the middle; zeros where a pattern is blank."""
    largest: float = 0.0
    """Largest value on a good pixel."""
    at_top: NDArray[np.int64] | None = None
    """(h, w): how often a pixel holds the largest value of its type."""

    @classmethod
    def of(cls, scan: Scan, left_out: NDArray[np.bool_]) -> Sums:
        """Return what a pass over the good pixels gives.

        Parameters
        ----------
        scan : Scan
            Whose patterns are read, part by part.
        left_out : (n,) bool
            Patterns that count as blank.

        Raises
        ------
        NotFinite
            The first pattern with values that are not finite.
        """
        good, shape = scan.good, scan.frame_shape
        seen = cls(np.zeros(len(scan)), np.zeros(len(scan)), np.zeros(shape))
        random = np.random.default_rng(_MARK_SEED).uniform(0.5, 1.5, shape)
        weights = random[good].astype(np.float32)
        places = _places(good)
        moments = np.zeros((len(scan), 3))
        dtype = scan.patterns.dtype
        top = np.inf if dtype.kind == "f" else np.float32(np.iinfo(dtype).max)
        pixels = None if good.all() else np.flatnonzero(good)
        for part, raw in scan.chunks():
            usable = raw.reshape(len(raw), -1)
            if pixels is not None:
                usable = usable.take(pixels, 1)
            if left_out[part].any():
                usable = np.where(left_out[part][:, None], 0, usable)
            finite = np.isfinite(usable).all(1)
            if not finite.all():
                raise NotFinite(part.start + int(np.flatnonzero(~finite)[0]))
            seen.negative += int(np.count_nonzero(usable < 0))
            clipped = np.maximum(usable, 0)
            seen.sums[part] = clipped.sum(1, dtype=np.float64)
            seen.marks[part] = np.einsum("ij,j->i", clipped, weights)
            with np.errstate(over="ignore"):  # such counts are refused by their sums
                moments[part] = clipped @ places
            largest = float(clipped.max(initial=0))
            seen.largest = max(seen.largest, largest)
            if largest >= top:
                seen.note_top(clipped >= top, good)
            seen.total[good] += clipped.sum(0, dtype=np.float64)
        seen.moments = moments / np.maximum(seen.sums, 1e-30)[:, None]
        return seen

    def note_top(self, at_top: NDArray[np.bool_], good: NDArray[np.bool_]) -> None:
        """Count where patterns hold the largest value of their type.

        Parameters
        ----------
        at_top : (k, good pixels) bool
            Where they do.
        good : (h, w) bool
            Good pixels.
        """
        if self.at_top is None:
            self.at_top = np.zeros(good.shape, np.int64)
        self.at_top[good] += at_top.sum(0)


def _places(good: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return y, x and squared radius of the good pixels (p, 3), from the middle."""
    h, w = good.shape
    y, x = np.nonzero(good)
    y, x = y - h // 2, x - w // 2
    return np.stack([y, x, y**2 + x**2], 1).astype(np.float32)


class NotFinite(InputError):
    """A pattern that takes part holds values that are not finite.

    Parameters
    ----------
    pattern : int
        Its number, from 0.
    """

    def __init__(self, pattern: int) -> None:
        super().__init__(
            f"patterns: pattern {pattern} holds values that are not finite, or beyond "
            "single precision; mask those pixels or exclude the pattern"
        )


def check_patterns(patterns: Stack) -> None:
    """Refuse patterns that are no stack of real intensities.

    Parameters
    ----------
    patterns : (n, h, w)
        As they were given.

    Raises
    ------
    InputError
        Another kind of numbers, another number of axes, or frames below 8 x 8 pixels.
    """
    if patterns.dtype.kind not in "uif":
        raise InputError(
            f"patterns have dtype {patterns.dtype}; diffraction patterns are real "
            "intensities (unsigned, integer or float)"
        )
    if patterns.ndim != 3 or 0 in patterns.shape:
        raise InputError(
            f"patterns have shape {patterns.shape}; give (patterns, rows, columns), "
            "none of them zero"
        )
    if min(patterns.shape[1:]) < 8:
        raise InputError(
            f"patterns have frames of {patterns.shape[1]} x {patterns.shape[2]} "
            "pixels; at least 8 x 8 are needed"
        )


def checked_positions(positions: ArrayLike, count: int) -> NDArray[np.float64]:
    """Return positions as a read-only copy.

    Parameters
    ----------
    positions : (n, 2)
        As (y, x), in metres.
    count : int
        Of the patterns.

    Returns
    -------
    (n, 2) float64
        The copy.

    Raises
    ------
    InputError
        Another shape or number, or values that are not finite.
    """
    try:
        array = np.array(positions, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("positions_m are not numbers; give (n, 2) metres") from error
    if array.ndim != 2 or array.shape[1] != 2:
        raise InputError(
            f"positions_m have shape {array.shape}; give (n, 2): y and x in metres"
        )
    if len(array) != count:
        raise InputError(
            f"{len(array)} positions for {count} patterns; each pattern needs exactly "
            "one position: check that both files belong to the same scan"
        )
    bad = np.flatnonzero(~np.isfinite(array).all(1))
    if len(bad):
        raise InputError(
            f"positions_m: {len(bad)} position(s) are not finite, the first is number "
            f"{bad[0]}; mend the file or drop those patterns"
        )
    array.flags.writeable = False
    return array


def checked_mask(
    mask: ArrayLike | None, shape: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """Return a mask as a read-only copy; None where there is none.

    Parameters
    ----------
    mask : (h, w), optional
        True for good pixels.
    shape : (h, w)
        Of the patterns.

    Returns
    -------
    (h, w) bool or None
        The copy.

    Raises
    ------
    InputError
        Another shape, or no good pixel.
    """
    if mask is None:
        return None
    array = np.array(mask, bool)
    if array.shape != shape:
        raise InputError(f"mask has shape {array.shape}, the patterns {shape}")
    if not array.any():
        raise InputError(
            "mask leaves no good pixel: True means good, and in a file mask_means says "
            "which way round it is"
        )
    array.flags.writeable = False
    return array


def listed(indices: NDArray[np.int64], most: int = 10) -> str:
    """Return indices written out, the first few of many.

    Parameters
    ----------
    indices : (k,)
        Numbers of patterns.
    most : int
        That are written.
    """
    text = ", ".join(str(j) for j in indices[:most])
    return text + (", ..." if len(indices) > most else "")
