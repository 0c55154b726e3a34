"""What was measured: patterns and positions, checked at the door."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.errors import InputError
from napari_scicompty.geometry import pixel_sentence
from napari_scicompty.stacks import chunks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from napari_scicompty.geometry import Geometry
    from napari_scicompty.stacks import Stack

LARGEST_OBJECT = 16_384
"""Pixels along one axis above which positions are taken to be in the wrong unit."""

_MOST_COUNTS = 1e18
"""Of a pattern: their square is still far below the largest float32."""


@dataclass(frozen=True)
class Source:
    """Where a scan came from: a path, and a hash of what was read."""

    path: str = ""
    sha256: str = ""


@dataclass(frozen=True, eq=False)
class Scan:
    """A scan of diffraction patterns, checked at the door.

    Parameters
    ----------
    patterns : array (n, h, w)
        Intensities, any real dtype, may be a memory map or a `LazyStack`. Far field:
        zero frequency at pixel (h // 2, w // 2). Near field: as seen.
    positions_m : array (n, 2)
        (y, x) in metres, probe relative to object; larger = larger row / column.
    geometry : Geometry
        How it was measured.
    mask : array (h, w), optional
        True = good pixel.
    report : sequence of str
        Every convention that was assumed or converted on the way here.
    source : Source
        File and hash.
    excluded : sequence of int
        Patterns that take no part in the reconstruction.

    Raises
    ------
    InputError
        Counts that do not match, positions that are not finite, span less than a pixel
        or more than 16384 pixels, a dtype that is not a real number, an empty mask.
    """

    patterns: Stack
    positions_m: NDArray[np.float64]
    geometry: Geometry
    mask: NDArray[np.bool_] | None = None
    report: tuple[str, ...] = ()
    source: Source = field(default_factory=Source)
    excluded: tuple[int, ...] = ()
    negative_counts: int = field(default=0, init=False)
    """How many values below zero were found; they count as zero."""
    pattern_sum: NDArray[np.float64] = field(init=False)
    """Counts of each pattern that takes part, over the good pixels, shape (n,)."""
    mean_pattern: NDArray[np.float64] = field(init=False)
    """Mean of the patterns that take part, zero where masked, shape (h, w)."""
    largest_count: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        patterns = self.patterns
        if not hasattr(patterns, "dtype") or not hasattr(patterns, "shape"):
            patterns = np.asarray(patterns)
            self._put("patterns", patterns)
        _check_patterns(patterns)
        self._put("positions_m", _checked_positions(self.positions_m, len(patterns)))
        self._put("mask", _checked_mask(self.mask, self.frame_shape))
        self._check_span()
        self._look_once()

    def __repr__(self) -> str:
        h, w = self.frame_shape
        pixel = " x ".join(
            dict.fromkeys(f"{length * 1e9:.4g}" for length in self.pixel_size_m)
        )
        return (
            f"Scan({len(self)} patterns of {h} x {w}, {self.patterns.dtype}, "
            f"{self.geometry.propagation}, object pixel {pixel} nm)"
        )

    # -- sizes ------------------------------------------------------------------------
    def __len__(self) -> int:
        """Return the number of patterns."""
        return len(self.patterns)

    @property
    def frame_shape(self) -> tuple[int, int]:
        """Shape (h, w) of one pattern."""
        return (int(self.patterns.shape[1]), int(self.patterns.shape[2]))

    @property
    def pixel_size_m(self) -> tuple[float, float]:
        """Object pixel (y, x)."""
        return self.geometry.pixel_size_m(self.frame_shape)

    @cached_property
    def good(self) -> NDArray[np.bool_]:
        """Good pixels, shape (h, w); all of them when there is no mask."""
        if self.mask is None:
            return np.ones(self.frame_shape, bool)
        return self.mask

    @cached_property
    def included(self) -> NDArray[np.int64]:
        """Indices of the patterns that take part."""
        return np.setdiff1d(np.arange(len(self)), np.asarray(self.excluded, int))

    def replace(self, **changes: Any) -> Scan:
        """Return a checked copy with some fields changed."""
        names = [f.name for f in dataclasses.fields(self) if f.init]
        return Scan(**{name: getattr(self, name) for name in names} | changes)

    def with_geometry(self, geometry: Geometry) -> Scan:
        """Return the scan with another geometry, without reading the patterns again."""
        other = copy.copy(self)
        other._put("geometry", geometry)
        other._check_span()
        return other

    def with_positions(self, positions_m: ArrayLike) -> Scan:
        """Return the scan with other positions, refined ones for instance.

        The patterns are not read again.
        """
        other = copy.copy(self)
        other._put("positions_m", _checked_positions(positions_m, len(self)))
        other._check_span()
        return other

    def exclude(self, patterns: ArrayLike) -> Scan:
        """Return the scan with these patterns left out of the reconstruction."""
        return self.replace(
            excluded=(*self.excluded, *np.atleast_1d(patterns).tolist())
        )

    def chunks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield (slice, float32 patterns as stored) in pieces that fit memory."""
        for part, frames in chunks(self.patterns):
            with np.errstate(over="ignore"):  # becomes inf, which is refused
                single = np.asarray(frames, np.float32)
            yield part, single

    def _put(self, name: str, value: Any) -> None:
        """Set a field of this frozen object, while it is being made."""
        object.__setattr__(self, name, value)

    # -- checks -----------------------------------------------------------------------
    def _check_span(self) -> None:
        check_span(self.positions_m, self.geometry, self.frame_shape)

    def _look_once(self) -> None:
        """Take all sums in one pass over the patterns; note what was odd."""
        good, notes = self.good, list(self.report)
        wrong = [j for j in self.excluded if not 0 <= j < len(self)]
        if wrong:
            raise InputError(
                f"excluded: there is no pattern {wrong[0]}; they are numbered 0 to "
                f"{len(self) - 1}"
            )
        sums, total = np.zeros(len(self)), np.zeros(self.frame_shape)
        negative, largest = 0, 0.0
        left_out = np.zeros(len(self), bool)
        left_out[list(self.excluded)] = True
        for part, raw in self.chunks():
            out = left_out[part]
            usable = np.where(out[:, None], 0, raw[:, good])
            finite = np.isfinite(usable).all(1)
            if not finite.all():
                bad = part.start + int(np.flatnonzero(~finite)[0])
                raise InputError(
                    f"patterns: pattern {bad} holds values that are not finite, or "
                    "beyond single precision; mask those pixels or exclude the pattern"
                )
            negative += int(np.count_nonzero(usable < 0))
            clipped = np.maximum(usable, 0)
            sums[part] = clipped.sum(1, dtype=np.float64)
            largest = max(largest, float(clipped.max(initial=0)))
            total[good] += clipped.sum(0, dtype=np.float64)
        if sums.max() > _MOST_COUNTS:
            raise InputError(
                f"patterns: pattern {int(sums.argmax())} has {sums.max():.3g} counts, "
                "whose sums and squares single precision does not hold; scale the "
                "patterns down, or mask what is no count"
            )
        blank = np.flatnonzero((sums == 0) & ~left_out)
        if len(blank) == len(self):
            raise InputError(
                "patterns: every pattern is blank on the good pixels; check the file, "
                "the dark field and the mask"
            )
        if len(blank):
            notes.append(f"{len(blank)} blank pattern(s) left out: {_listed(blank)}")
            left_out[blank] = True
        if negative:
            notes.append(f"{negative} negative value(s) count as zero")
        self._put("excluded", tuple(int(j) for j in np.flatnonzero(left_out)))
        if left_out.all():
            raise InputError(
                "patterns: every pattern is excluded; include at least one"
            )
        self._put("report", tuple(dict.fromkeys(notes)))
        self._put("negative_counts", negative)
        self._put("pattern_sum", sums)
        self._put("mean_pattern", total / int(np.count_nonzero(~left_out)))
        self._put("largest_count", largest)


def check_span(
    positions_m: NDArray[np.float64],
    geometry: Geometry,
    frame_shape: tuple[int, int],
) -> None:
    """Refuse positions (n, 2) that span less than a pixel or more than any object.

    Raises
    ------
    InputError
        They are in another unit, or the object pixel follows from a wrong number.
    """
    span_m = np.ptp(positions_m, axis=0)
    span = span_m / np.array(geometry.pixel_size_m(frame_shape))
    if len(positions_m) > 1 and span.max() < 1:
        size, fault = f"{span.max():.2g}", "less than one pixel"
    elif (span + frame_shape).max() > LARGEST_OBJECT:
        size, fault = f"{span.max():.0f}", f"over the limit of {LARGEST_OBJECT}"
    else:
        return
    raise InputError(
        f"positions_m span {size} object pixels ({span_m.max():.3g} m), {fault}; they "
        "are in another unit (say which as position_unit when opening), or a number is "
        "wrong that the object pixel follows from: it is "
        f"{pixel_sentence(geometry, frame_shape)}"
    )


def _check_patterns(patterns: Stack) -> None:
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


def _checked_positions(positions: ArrayLike, count: int) -> NDArray[np.float64]:
    try:
        array = np.array(positions, np.float64)
    except (TypeError, ValueError):
        raise InputError("positions_m are not numbers; give (n, 2) metres") from None
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


def _checked_mask(
    mask: ArrayLike | None, shape: tuple[int, int]
) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    array = np.array(mask, bool)
    if array.shape != shape:
        raise InputError(f"mask has shape {array.shape}, the patterns {shape}")
    if not array.any():
        raise InputError("mask leaves no good pixel; True means good")
    array.flags.writeable = False
    return array


def _listed(indices: NDArray[np.int64], most: int = 10) -> str:
    """Write out indices, the first few of many."""
    text = ", ".join(str(j) for j in indices[:most])
    return text + (", ..." if len(indices) > most else "")
