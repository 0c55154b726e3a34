"""Findings about frames: masks, markers, saturation, sums, doubles, orientation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from napari_scicompty.core.findings import Finding, leaving_out, numbered
from napari_scicompty.core.robust import spread

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan

_GOOD = 0.5
"""Share of good pixels below which a mask may be the wrong way round."""
_FACTOR, _SUM_SPREADS = 2.0, 7.0
"""A sum is far off where it is so many times larger or smaller than the median, and so
many spreads of the others away, both of logarithms."""
_FEWEST = 8
"""Patterns that can be compared with each other."""
_MOVED, _WIDER, _SPREADS = 1.0, 1.05, 10.0
"""Light whose centre lies so many pixels from the median's is far off, or that is so
many times as wide, where that is also so many spreads of the others."""
_COUNTS = 50
"""Frames with fewer counts may be equal by chance."""
_NEIGHBOURS = 6
"""Patterns beside a copy that tell whether it belongs there."""
_LOOKED_AT = 20
"""Pairs of frames that are compared pixel by pixel."""
_CORNER, _MIDDLE = 0.5, 0.1
"""Light in the corners, and in the middle, of patterns that begin at zero frequency."""
_EXACT = 100.0
"""Roots below this show in single precision whether their squares are whole."""
_ROUNDING = 0.01
_BROKEN = 20
"""Values that must be no whole numbers."""


def small_mask(scan: Scan) -> Finding | None:
    """Ask whether the mask could be meant the other way round.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    share = float(scan.good.mean())
    if share >= _GOOD:
        return None
    return Finding(
        "mask-polarity",
        "mask",
        f"the mask leaves {share:.2%} of the pixels good; the other way round it would "
        f"leave {1 - share:.2%}",
        'where it is meant that way, choose the other mask_means ("bad" where pixels '
        'that are not zero are bad, "good" where they are good)',
    )


def markers_left(scan: Scan) -> Finding | None:
    """Ask whether good pixels hold the type's maximum in most patterns.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    constant = _at_top(scan) >= 0.5 * len(scan.included)
    if not constant.any():
        return None
    return Finding(
        "markers-left",
        "mask",
        f"{np.count_nonzero(constant)} pixel(s) hold {_top(scan)}, the largest value "
        f"of {scan.patterns.dtype}, in most patterns: that is no count",
        "mask them: prepare.mask_markers does, as open_scan does by itself",
    )


def saturated(scan: Scan) -> Finding | None:
    """Ask whether pixels hold the type's maximum in some patterns.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    times = _at_top(scan)
    some = (times > 0) & (times < 0.5 * len(scan.included))
    if not some.any():
        return None
    return Finding(
        "saturated",
        "saturation",
        f"{np.count_nonzero(some)} pixel(s) hold {_top(scan)}, the largest value of "
        f"{scan.patterns.dtype}, in up to {int(times[some].max())} pattern(s): the "
        "detector was saturated or failed there",
        f"mask them: saturation={_top(scan)}, or what the detector can count",
        change=(("saturation", float(_top(scan))),),
    )


def sums_apart(scan: Scan) -> Finding | None:
    """Ask whether some patterns hold far less or more light than the others.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    off, away = _sums_off(scan)
    if not off.any():
        return None
    numbers = scan.included[off]
    factors = np.exp(away[off])
    return Finding(
        "sums-apart",
        "excluded",
        f"pattern(s) {numbered(numbers)[1:-1]} hold {factors.min():.2g} to "
        f"{factors.max():.2g} times the light of the median pattern",
        f"where they are spoiled, leave them out: run.excluded={numbered(numbers)}",
        **leaving_out(numbers),
    )


def moments_apart(scan: Scan) -> Finding | None:
    """Ask whether the light of some patterns lies elsewhere, or is spread wider.

    Patterns that `sums_apart` names are left to it.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    numbers = scan.included[~_sums_off(scan)[0]]
    y, x, squared = scan.pattern_moments[numbers].T
    if len(numbers) < _FEWEST or squared.min() <= 0:
        return None
    size = 0.5 * np.log(squared)
    away = np.hypot(y - np.median(y), x - np.median(x))
    moved = _far(y, _MOVED, _SPREADS) | _far(x, _MOVED, _SPREADS)
    wider = _far(size, np.log(_WIDER), _SPREADS)
    off = moved | wider
    if not off.any():
        return None
    told = []
    if moved.any():
        told.append(
            f"the centre of their light lies up to {away[moved].max():.2g} "
            "pixels from that of the others"
        )
    if wider.any():
        times = np.exp(np.abs(size[wider] - np.median(size)).max())
        told.append(f"their light is up to {times:.3g} times as wide or as narrow")
    bad = numbers[off]
    return Finding(
        "frames-apart",
        "excluded",
        f"pattern(s) {numbered(bad)[1:-1]} do not look like the others: "
        f"{', '.join(told)}",
        f"where they are spoiled, leave them out: run.excluded={numbered(bad)}",
        **leaving_out(bad),
    )


def _far(
    values: NDArray[np.float64], least: float, spreads: float
) -> NDArray[np.bool_]:
    """Tell which values (n,) lie so many spreads, and `least`, off the median."""
    limit = max(least, spreads * spread(values))
    return np.asarray(np.abs(values - np.median(values)) > limit)


def _sums_off(scan: Scan) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Tell which patterns have a sum far off, and all their logarithms to the median.

    Both have an entry a pattern that takes part.
    """
    logs = np.log(scan.pattern_sum[scan.included])
    return _far(logs, np.log(_FACTOR), _SUM_SPREADS), logs - np.median(logs)


def doubled(scan: Scan) -> Finding | None:
    """Ask whether a frame is a copy of another one.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    numbers = scan.included[scan.pattern_sum[scan.included] >= _COUNTS]
    sums, marks = scan.pattern_sum[numbers], scan.pattern_marks[numbers]
    order = np.lexsort((marks, sums))
    near = np.isclose(sums[order][1:], sums[order][:-1], rtol=1e-9, atol=0)
    near &= np.isclose(marks[order][1:], marks[order][:-1], rtol=1e-5, atol=0)
    pairs = [
        sorted((int(numbers[order[i]]), int(numbers[order[i + 1]])))
        for i in np.flatnonzero(near)
    ]
    same = [p for p in pairs[:_LOOKED_AT] if _are_equal(scan, *p)]
    if not same:
        return None
    ordered = [_original_and_copy(scan, *pair) for pair in sorted(same)]
    copies = sorted({copy for _, copy in ordered})
    told = ", ".join(f"{copy} is pattern {first}" for first, copy in ordered[:5])
    more = ", ..." if len(pairs) > _LOOKED_AT or len(same) > 5 else ""
    return Finding(
        "frames-doubled",
        "excluded",
        f"pattern {told}{more} once more, count by count",
        f"where the detector repeated a frame, leave it out: run.excluded="
        f"{numbered(copies)}",
        **leaving_out(copies),
    )


def light_in_corner(scan: Scan) -> Finding | None:
    """Ask whether far-field patterns begin at their zero frequency.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    if scan.geometry.propagation != "far-field":
        return None
    light = scan.mean_pattern
    corner, middle = _middle_share(np.fft.fftshift(light)), _middle_share(light)
    if corner < _CORNER or middle > _MIDDLE:
        return None
    return Finding(
        "corner",
        "corner",
        f"{corner:.0%} of the light lies in the corners of the patterns and "
        f"{middle:.1%} in their middle: the zero frequency seems to be at pixel (0, 0)",
        "bring it to the middle: corner=true",
        change=(("corner", True),),
    )


def roots_of_counts(scan: Scan) -> Finding | None:
    """Ask whether patterns hold square roots of whole counts.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        What was seen and what to do; None where all is well.
    """
    if scan.patterns.dtype.kind != "f":
        return None
    frame = np.asarray(scan.patterns[int(scan.included[0])], np.float64)[scan.good]
    squares = np.square(frame[(frame > 0) & (frame < _EXACT)])
    is_whole = np.abs(squares - np.round(squares)) < _ROUNDING
    roots = np.sqrt(squares)
    broken = np.abs(roots - np.round(roots)) > _ROUNDING
    if not is_whole.all() or np.count_nonzero(broken) < _BROKEN:
        return None
    return Finding(
        "amplitudes",
        "amplitudes",
        "the squares of the patterns are whole numbers, and they are not: they seem to "
        "hold amplitudes, square roots of counts",
        "square them: amplitudes=true",
        change=(("amplitudes", True),),
    )


def _middle_share(light: NDArray[np.float64]) -> float:
    """Share of the light (h, w) in the middle half of the rows and columns."""
    h, w = light.shape
    middle = light[h // 4 : h - h // 4, w // 4 : w - w // 4]
    return float(middle.sum() / light.sum())


def _top(scan: Scan) -> int:
    return int(np.iinfo(scan.patterns.dtype).max)


def _at_top(scan: Scan) -> NDArray[np.int64]:
    """How many patterns hold the type's maximum at each pixel, shape (h, w)."""
    if scan.times_at_top is None:
        return np.zeros(scan.frame_shape, np.int64)
    return scan.times_at_top


def _original_and_copy(scan: Scan, one: int, other: int) -> tuple[int, int]:
    """Say which of two equal patterns lies where it belongs: like its neighbours.

    Of two in turn it is the first, for a detector repeats what it had.
    """
    if other == one + 1:
        return one, other
    tree = cKDTree(scan.positions_m[scan.included])
    pattern = _deviation(scan, [one])[0]
    spectrum = np.conj(np.fft.rfft2(pattern))
    alike = []
    for j in (one, other):
        count = min(_NEIGHBOURS + 2, len(scan.included))
        near = scan.included[tree.query(scan.positions_m[j], k=count)[1]]
        beside = [k for k in near.tolist() if k not in (one, other)]
        others = np.fft.rfft2(_deviation(scan, beside[:_NEIGHBOURS]))
        moved = np.fft.irfft2(spectrum * others, pattern.shape)  # shadows move
        alike.append(float(moved.max((1, 2)).mean()))
    return (one, other) if alike[0] >= alike[1] else (other, one)


def _deviation(scan: Scan, numbers: list[int]) -> NDArray[np.float64]:
    """Amplitudes less those of the mean pattern, (k, h, w), each of length 1."""
    counts = np.asarray(scan.patterns[np.array(numbers)], float)
    away = np.sqrt(np.maximum(counts, 0)) - np.sqrt(scan.mean_pattern)
    away = np.where(scan.good, away, 0)
    lengths = np.linalg.norm(away, axis=(1, 2), keepdims=True)
    return np.asarray(away / np.maximum(lengths, 1e-30))


def _are_equal(scan: Scan, first: int, second: int) -> bool:
    one, other = (np.asarray(scan.patterns[j])[scan.good] for j in (first, second))
    return np.array_equal(one, other)
