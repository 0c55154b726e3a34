"""Values that are no counts: marks of gaps and broken pixels, NaN and infinity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.findings import Finding, numbered
from napari_scicompty.core.stacks import chunks
from napari_scicompty.prepare.frames import F, good_pixels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_scicompty.core.stacks import Stack

_MOST = 0.5
"""A mark stands at its pixel in this share of the patterns."""
_ALWAYS = 0.9
"""Where other negative values occur, -1 and -2 are marks only at this share."""
_COUNTERS = (2**16 - 1, 2**32 - 1)
"""Largest values of detectors whose counts may be kept in a wider type."""
_LOOKED_AT = (8, 64)
"""Fewest and most patterns that are looked at for marks, unless they are small."""
_SMALL_BYTES = 16 * 2**20
_FEW_PIXELS = 0.01
"""Share of the pixels that may be masked for values that are not finite."""


def mask_markers(scan: F) -> F:
    """Mask pixels that hold a mark in most patterns, and say so.

    Marks are the largest value of the type (and of 16 and 32 bit counters in a wider
    one), -1 and -2, and what is not finite. Some patterns, spread over the stack, tell.

    Parameters
    ----------
    scan : Scan
        Or what a reader found, before it is checked.

    Returns
    -------
    Scan
        The same one where there are no marks.

    Raises
    ------
    InputError
        No good pixel is left.
    """
    good = good_pixels(scan)
    kept, findings = good.copy(), []
    for value, marked in _marked(_sample(scan.patterns)):
        fresh = marked & kept
        if not fresh.any():
            continue
        kept &= ~marked
        findings.append(
            Finding(
                "marker-values",
                "mask",
                f"{np.count_nonzero(fresh)} pixel(s) ({fresh.mean():.2%}) hold {value} "
                "in most patterns, a mark of gaps and broken pixels: masked",
            )
        )
    if not findings:
        return scan
    if not kept.any():
        raise InputError(
            f"patterns: {findings[0].what}, and no good pixel is left; check that "
            "these are the diffraction patterns"
        )
    return scan.replace(mask=kept, findings=(*scan.findings, *findings))


def mask_not_finite(scan: F, excluded: Sequence[int] = ()) -> tuple[F, tuple[int, ...]]:
    """Mask the few pixels, and leave out the patterns, that hold NaN or infinity.

    Parameters
    ----------
    scan : Scan
        Or what a reader found, before it is checked.
    excluded : sequence of int
        Patterns that take no part anyway.

    Returns
    -------
    F, tuple of int
        The scan, and all patterns that take no part.

    Raises
    ------
    InputError
        More than 1 % of the pixels.
    """
    good = good_pixels(scan)
    share = np.ones(len(scan.patterns))
    for part, raw in chunks(scan.patterns):
        share[part] = np.mean(~np.isfinite(raw[:, good]), 1)
    spoiled = np.flatnonzero(share > _MOST)
    out = np.union1d(np.asarray(excluded, int), spoiled)
    broken = np.zeros_like(good)
    for part, raw in chunks(scan.patterns):
        seen = ~np.isin(np.arange(part.start, part.stop), out)
        broken |= (~np.isfinite(raw[seen])).any(0)
    broken &= good
    if broken.mean() > _FEW_PIXELS:
        raise InputError(
            f"patterns: {broken.sum()} pixels ({broken.mean():.1%}) hold values that "
            "are not finite in some patterns; mask them (mask=FILE), or leave those "
            "patterns out (leave_out)"
        )
    finding = Finding("not-finite", "mask", _told(broken, spoiled))
    changed = scan.replace(mask=good & ~broken, findings=(*scan.findings, finding))
    return changed, tuple(out.tolist())


def _told(broken: NDArray[np.bool_], spoiled: NDArray[np.int64]) -> str:
    parts = []
    if broken.any():
        parts.append(
            f"{broken.sum()} pixel(s) hold values that are not finite in some "
            "patterns: masked in all"
        )
    if len(spoiled):
        parts.append(
            f"pattern(s) {numbered(spoiled)[1:-1]} hold hardly any finite value: left "
            "out"
        )
    return "; ".join(parts)


def _sample(patterns: Stack) -> NDArray[np.generic]:
    """Read some patterns (k, h, w), spread over the stack."""
    n, h, w = patterns.shape
    least, most = _LOOKED_AT
    small = _SMALL_BYTES // (h * w * patterns.dtype.itemsize)
    count = min(n, max(least, min(most, n // 32), min(most, small)))
    return np.asarray(patterns[np.linspace(0, n - 1, count).astype(int)])


def _marked(sample: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield each mark, and the pixels (h, w) that hold it in most patterns."""
    kind = sample.dtype.kind
    if kind == "f":
        yield "no finite value", (~np.isfinite(sample)).mean(0) >= _MOST
    limits = np.iinfo(sample.dtype) if kind in "ui" else np.finfo(sample.dtype)
    counters = [value for value in _COUNTERS if value < limits.max]
    for value in (*counters, limits.max):
        held = sample == sample.dtype.type(value)
        yield f"{value:.10g}", held.mean(0) >= _MOST
    if kind != "u":
        negative = sample < 0
        marks = [(value, sample == value) for value in (-1, -2)]
        others = negative & ~marks[0][1] & ~marks[1][1]
        share = _ALWAYS if others.any() else _MOST
        for value, held in marks:
            yield str(value), held.mean(0) >= share
