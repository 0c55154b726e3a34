"""What was measured: patterns and positions, checked at the door."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.stacks import chunks
from napari_scicompty.data.checks import CHECKS, found_in
from napari_scicompty.data.checks.span import check_span
from napari_scicompty.data.door import (
    Sums,
    check_patterns,
    checked_mask,
    checked_positions,
    listed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_scicompty.core.findings import Finding
    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.core.stacks import Stack

_MOST_COUNTS = 1e18
"""Of a pattern: their square is still far below the largest float32."""


@dataclass(frozen=True)
class Source:
    """Where a scan came from: a path, and a hash of what was read."""

    path: str = ""
    """Absolute; empty where it was no file."""
    sha256: str = ""
    """Of what was read, in hex; empty where it is not known."""
    files: tuple[str, ...] = ()
    """Every file that was read for it; none of them is ever written over."""
    opened: dict[str, object] = field(default_factory=dict)
    """Path, positions and choices that open it again; empty where it was no file."""


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
        Every convention that was assumed or converted on the way here, and what
        `findings` say.
    source : Source
        File and hash.
    excluded : sequence of int
        Patterns that take no part in the reconstruction.
    findings : sequence of Finding
        What is odd and should be looked at. Those that follow from the scan itself are
        found anew for every scan.

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
    findings: tuple[Finding, ...] = ()
    negative_counts: int = field(default=0, init=False)
    """How many values below zero were found; they count as zero."""
    pattern_sum: NDArray[np.float64] = field(init=False)
    """Counts of each pattern that takes part, over the good pixels, shape (n,)."""
    mean_pattern: NDArray[np.float64] = field(init=False)
    """Mean of the patterns that take part, zero where masked, shape (h, w)."""
    largest_count: float = field(default=0.0, init=False)
    """Over good pixels and patterns that take part."""
    pattern_marks: NDArray[np.float64] = field(init=False, repr=False)
    """A sum of each pattern by random weights, (n,): equal where patterns are."""
    pattern_moments: NDArray[np.float64] = field(init=False, repr=False)
    """Mean y, mean x and mean squared radius of the light of each pattern, (n, 3), in
    pixels from the middle (h // 2, w // 2)."""
    times_at_top: NDArray[np.int64] | None = field(default=None, init=False, repr=False)
    """In how many patterns each good pixel holds the largest value of its type, (h, w);
    None where none ever does."""

    def __post_init__(self) -> None:
        patterns = self.patterns
        if not hasattr(patterns, "dtype") or not hasattr(patterns, "shape"):
            patterns = np.asarray(patterns)
            self._put("patterns", patterns)
        check_patterns(patterns)
        self._put("positions_m", checked_positions(self.positions_m, len(patterns)))
        self._put("mask", checked_mask(self.mask, self.frame_shape))
        self._put("excluded", self._checked_excluded())
        self._check_span()
        self._look_once()
        self._find()

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

    @property
    def notes(self) -> tuple[str, ...]:
        """What the report says beside the findings."""
        told = {str(finding) for finding in self.findings}
        return tuple(line for line in self.report if line not in told)

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

    def replace(self, **changes: object) -> Scan:
        """Return a checked copy with some fields changed.

        Parameters
        ----------
        **changes : any
            New values, by the names of the fields.
        """
        names = [f.name for f in dataclasses.fields(self) if f.init]
        return Scan(**{name: getattr(self, name) for name in names} | changes)

    def with_geometry(self, geometry: Geometry) -> Scan:
        """Return the scan with another geometry, without reading the patterns again.

        Parameters
        ----------
        geometry : Geometry
            The other one.

        Raises
        ------
        InputError
            Positions that do not fit its object pixel.
        """
        other = copy.copy(self)
        other._put("geometry", geometry)
        other._check_span()
        other._find()
        return other

    def with_positions(self, positions_m: ArrayLike) -> Scan:
        """Return the scan with other positions, refined ones for instance.

        The patterns are not read again.

        Parameters
        ----------
        positions_m : array (n, 2)
            (y, x) in metres, in the order of the patterns.

        Raises
        ------
        InputError
            Another number of positions, values that are not finite, or a span that
            does not fit the object pixel.
        """
        other = copy.copy(self)
        other._put("positions_m", checked_positions(positions_m, len(self)))
        other._check_span()
        other._find()
        return other

    def reading_also(self, files: Sequence[str]) -> Scan:
        """Return the scan with more files that are never written over.

        Parameters
        ----------
        files : sequence of str
            Paths.
        """
        more = tuple(dict.fromkeys((*self.source.files, *files)))
        other = copy.copy(self)
        other._put("source", dataclasses.replace(self.source, files=more))
        return other

    def exclude(self, patterns: ArrayLike) -> Scan:
        """Return the scan with these patterns left out of the reconstruction.

        Parameters
        ----------
        patterns : int or sequence of int
            Numbers of patterns, from 0; added to those that are left out already.
        """
        return self.replace(
            excluded=(*self.excluded, *np.atleast_1d(patterns).tolist())
        )

    def chunks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield (slice, float32 patterns as stored) in pieces that fit memory."""
        for part, frames in chunks(self.patterns):
            with np.errstate(over="ignore"):  # becomes inf, which is refused
                single = np.asarray(frames, np.float32)
            yield part, single

    def _put(self, name: str, value: object) -> None:
        """Set a field of this frozen object, while it is being made."""
        object.__setattr__(self, name, value)

    # -- checks -----------------------------------------------------------------------
    def _checked_excluded(self) -> tuple[int, ...]:
        wrong = [j for j in self.excluded if not 0 <= j < len(self)]
        if wrong:
            raise InputError(
                f"excluded: there is no pattern {wrong[0]}; they are numbered 0 to "
                f"{len(self) - 1}"
            )
        chosen = tuple(sorted({int(j) for j in self.excluded}))
        if len(chosen) == len(self):
            raise InputError(
                "patterns: every pattern is excluded; include at least one"
            )
        return chosen

    def _check_span(self) -> None:
        check_span(self.positions_m, self.geometry, self.frame_shape, self.excluded)

    def _find(self) -> None:
        """Find anew what follows from the scan, and let the report say it."""
        notes = self.notes
        given = (f for f in self.findings if f.code not in CHECKS)
        self._put("findings", tuple(dict.fromkeys((*given, *found_in(self)))))
        told = (str(finding) for finding in self.findings)
        self._put("report", tuple(dict.fromkeys((*notes, *told))))

    def _look_once(self) -> None:
        """Take all sums in one pass over the patterns; note what was odd."""
        left_out = np.zeros(len(self), bool)
        left_out[list(self.excluded)] = True
        seen = Sums.of(self, left_out)
        if (most := seen.sums.max()) > _MOST_COUNTS:
            raise InputError(
                f"patterns: pattern {int(seen.sums.argmax())} has {most:.3g} counts, "
                "whose sums and squares single precision does not hold; scale the "
                "patterns down, or mask what is no count"
            )
        notes = list(self.report)
        blank = np.flatnonzero((seen.sums == 0) & ~left_out)
        if len(blank) == len(self):
            raise InputError(
                "patterns: every pattern is blank on the good pixels; check the file, "
                "the dark field and the mask"
            )
        if len(blank):
            notes.append(f"{len(blank)} blank pattern(s) left out: {listed(blank)}")
            left_out[blank] = True
        if seen.negative:
            notes.append(f"{seen.negative} negative value(s) count as zero")
        self._put("excluded", tuple(int(j) for j in np.flatnonzero(left_out)))
        if left_out.all():
            raise InputError(
                "patterns: every pattern is excluded; include at least one"
            )
        self._put("report", tuple(dict.fromkeys(notes)))
        self._put("negative_counts", seen.negative)
        self._put("pattern_sum", seen.sums)
        self._put("pattern_marks", seen.marks)
        self._put("pattern_moments", seen.moments)
        self._put("mean_pattern", seen.total / int(np.count_nonzero(~left_out)))
        self._put("largest_count", seen.largest)
        self._put("times_at_top", seen.at_top)
