"""What the first epochs of a run tell: patterns that fit worse, an error that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.findings import Finding, leaving_out, numbered
from napari_scicompty.core.robust import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import History

_LOOKED_AT = (5, 10, 20, 40)
"""Epochs after which patterns are compared with each other."""
_FALLEN = ((5, 0, 1.0), (10, 0, 0.9), (10, 1, 0.7))
"""After this epoch the error must be below that of this one, times so much."""
_SMALL = 0.03
"""An error that was below this says nothing against geometry and start."""
_NOISE = 2.5
"""An error below so many times that of counting noise cannot fall much."""
_TIMES = 2.5
"""Patterns fit badly where their error is so many times the median ..."""
_SPREADS = 8.0
"""... and so many spreads of the others above it, both of logarithms."""
_ABOVE = 1.5
"""Their squared error is also so many times the median."""
_DRAGGED = 4.0
"""Those whose error is so many times below the worst are not named with it."""
_MANY = 0.1
"""Share of the patterns from which they are no exceptions."""


def verdicts(
    history: History,
    patterns: Callable[[], NDArray[np.floating]],
    scan: Scan,
    taking_part: NDArray[np.bool_],
) -> Iterator[Finding]:
    """Yield what the epoch that has just ended tells, and the history does not yet.

    Parameters
    ----------
    history : History
        With the epoch that has ended.
    patterns : callable
        Returns the squared error of each pattern (n,); called only where it is needed.
    scan : Scan
        Its counts tell the noise.
    taking_part : (n,)
        Patterns that count.
    """
    found = [not_fallen(history, scan)]
    if history.epochs[-1] in _LOOKED_AT:
        found.append(worse_patterns(patterns(), scan.pattern_sum, taking_part))
    for finding in found:
        if finding and not any(finding.mend in note for note in history.notes):
            yield finding


def worse_patterns(
    squared: NDArray[np.floating],
    power: NDArray[np.float64],
    taking_part: NDArray[np.bool_],
) -> Finding | None:
    """Ask whether a few patterns fit far worse than the others.

    Parameters
    ----------
    squared : (n,)
        Squared error of each pattern.
    power : (n,)
        Counts of each pattern.
    taking_part : (n,)
        Patterns that count.

    Returns
    -------
    Finding or None
        None where none stand out, or more than a few do.
    """
    numbers = np.flatnonzero(taking_part & (squared > 0))
    if len(numbers) < 8:
        return None
    # Noise alone makes the share of a dark pattern large, but not its squared error.
    shares = squared[numbers] / np.maximum(power[numbers], 1e-30)
    off = _stands_out(shares)
    off &= squared[numbers] > _ABOVE * np.median(squared[numbers])
    if not off.any() or off.mean() > _MANY:
        return None
    off &= shares > shares[off].max() / _DRAGGED  # neighbours are drawn along
    bad = numbers[off]
    times = shares[off].max() / np.median(shares)
    return Finding(
        "patterns-worse",
        "excluded",
        f"pattern(s) {numbered(bad)[1:-1]} fit up to {times:.3g} times worse than the "
        "median",
        f"look at them, or leave them out: run.excluded={numbered(bad)}",
        **leaving_out(bad),
    )


def not_fallen(history: History, scan: Scan) -> Finding | None:
    """Ask whether the error falls as it does where all is right.

    Parameters
    ----------
    history : History
        With the epoch that has ended.
    scan : Scan
        What was measured.

    Returns
    -------
    Finding or None
        None where it falls, or has come down to the counting noise.
    """
    errors = dict(zip(history.epochs, history.errors, strict=True))
    epoch = history.epochs[-1]
    now = errors[epoch]
    above = [
        (before, errors[before])
        for after, before, share in _FALLEN
        if after == epoch
        and errors.get(before, 0) > _SMALL
        and now >= share * errors[before]
    ]
    if not above or now < _NOISE * noise_error(scan):
        return None
    before, then = above[0]
    return Finding(
        "error-stays",
        "start",
        f"the error hardly falls: {then:.3g} at epoch {before}, {now:.3g} at epoch "
        f"{epoch}",
        "check the orientation of the patterns, the order and sign of the positions, "
        "the distance and the start of the probe",
    )


def noise_error(scan: Scan) -> float:
    """Error that counting noise alone makes, where patterns are counts; else 0.

    The amplitude of n counts has a variance of 1/4, and of less than n.

    It is ``sum min(I, 1/4) / sum I`` over the pixels of the mean pattern I.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    float
        Normalised error.
    """
    if scan.patterns.dtype.kind not in "ui":
        return 0.0
    mean = scan.mean_pattern
    return float(np.minimum(mean, 0.25).sum() / mean.sum())


def _stands_out(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    logs = np.log(values)
    away = logs - np.median(logs)
    return away > max(float(np.log(_TIMES)), _SPREADS * spread(logs))
