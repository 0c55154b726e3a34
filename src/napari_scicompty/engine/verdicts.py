"""What a run tells under way: how it goes, what does not fit, what would help."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.findings import Finding, leaving_out, numbered
from napari_scicompty.core.robust import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import History

_LOOKED_AT = (5, 10, 20, 40)
"""Epochs after which patterns are compared with each other."""
_FALLEN = ((5, 0, 1.0), (10, 0, 0.9), (10, 1, 0.7))
"""After this epoch the error must be below that of this one, times so much."""
_FAST = ((5, 0, 0.58), (5, 2, 0.72), (10, 5, 0.72))
"""The same where an algorithm falls fast; from right and wrong orientations."""
_ENOUGH = 49
"""Patterns from which an epoch is enough for that."""
_SMALL_FAST, _NOISE_FAST = 0.015, 3.5
"""An error below this, or so many times the counting noise, says nothing there."""
_RISEN, _CLEARLY = 1.2, 5.0
"""An error that has risen so much by epoch 5 is wrong however small it is, if it is so
many times that of counting noise."""
FIRST = 5
"""Epoch at which a run is judged for the first time."""
_RECOVERED = 0.5
"""An error that has fallen to this share since it was said to stay is forgiven."""
_STALLED, _HIGH, _LATELY = 0.95, 0.02, 10
"""An error this high that has kept so much of itself in so many epochs is stalled."""
_MORE = 1.5
"""Above so many times the counting noise, more probe modes may help."""
_MODES = 3
"""Probe modes of a beam that is partly coherent, as a first try."""
_SMALL = 0.03
"""An error that was below this says nothing against geometry and start."""
_NOISE = 2.5
"""An error below so many times that of counting noise cannot fall much."""
_FAR_OFF = ((2.5, 8.0), (6.0, 4.0))
"""Patterns fit badly where their error is so many times the median, and so many spreads
of the others above it, both of logarithms; either pair."""
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
    earlier: Sequence[Finding] = (),
    *,
    falls_fast: bool = False,
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
    earlier : sequence of Finding
        What earlier epochs told: an error that patterns which do not fit hold up says
        nothing against the geometry.
    falls_fast : bool
        Of the algorithm, see `Algorithm.falls_fast`; False where positions or the
        distance are refined, for the error falls as they are found.
    """
    found = []
    if not any(finding.code == "patterns-worse" for finding in earlier):
        found.append(not_fallen(history, scan, falls_fast=falls_fast))
    if history.epochs[-1] in _LOOKED_AT:
        errors = (patterns(), scan.pattern_sum, taking_part)
        found.append(worse_patterns(*errors, clearly=not falls_fast))
    for finding in found:
        if finding and not any(finding.mend in note for note in history.notes):
            yield finding


def judged(
    found: Sequence[Finding], history: History, scan: Scan, modes: int
) -> Finding:
    """Judge a run as it is now, in one sentence.

    Parameters
    ----------
    found : sequence of Finding
        What `verdicts` gave so far.
    history : History
        Of the run.
    scan : Scan
        What was measured.
    modes : int
        Probe modes of the run.

    Returns
    -------
    Finding
        What speaks most against it; of level "ok" where it goes well.
    """
    by_code = {finding.code: finding for finding in found}
    stays = by_code.get("error-stays")
    if stays is not None and not _has_recovered(history):
        return stays
    if (worse := by_code.get("patterns-worse")) is not None:
        return worse
    error, noise = history.errors[-1], noise_error(scan)
    if _is_stalled(history) and error > _NOISE * noise:
        return Finding(
            "stalled",
            "algorithm",
            f"the error stays at {error:.3g}",
            "where orientation and geometry are right, a phase that wraps many times "
            "holds it: AutoDiff often gets through",
            change=(("algorithm", "autodiff"),),
        )
    if modes < _MODES and noise and error > _MORE * noise:
        return Finding(
            "more-modes",
            "modes",
            f"the error {error:.3g} is {error / noise:.2g} times what counting noise "
            "leaves",
            f"{_MODES} probe modes may explain more, where the beam is partly coherent "
            "or moves",
            "ok",
            change=(("modes", _MODES),),
        )
    return Finding(
        "going-well", "run", f"the error has fallen to {error:.3g}", "", "ok"
    )


def _has_recovered(history: History) -> bool:
    errors = dict(zip(history.epochs, history.errors, strict=True))
    then = max((errors.get(epoch, 0.0) for epoch, _, _ in _FALLEN), default=0.0)
    return history.errors[-1] < _RECOVERED * then


def _is_stalled(history: History) -> bool:
    if len(history.errors) <= 2 * _LATELY:
        return False
    now, before = history.errors[-1], history.errors[-1 - _LATELY]
    return now > _HIGH and now > _STALLED * before


def worse_patterns(
    squared: NDArray[np.floating],
    power: NDArray[np.float64],
    taking_part: NDArray[np.bool_],
    *,
    clearly: bool = False,
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
    clearly : bool
        Whether only those count that stand out of the spread of all others, as where
        positions are still being found.

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
    off = _stands_out(shares, _FAR_OFF[: 1 if clearly else None])
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


def not_fallen(
    history: History, scan: Scan, *, falls_fast: bool = False
) -> Finding | None:
    """Ask whether the error falls as it does where all is right.

    Parameters
    ----------
    history : History
        With the epoch that has ended.
    scan : Scan
        What was measured.
    falls_fast : bool
        As in `verdicts`.

    Returns
    -------
    Finding or None
        None where it falls, or has come down to the counting noise.
    """
    errors = dict(zip(history.epochs, history.errors, strict=True))
    epoch = history.epochs[-1]
    now = errors[epoch]
    noise = noise_error(scan)
    above = [
        (before, errors[before])
        for after, before, share in _FALLEN
        if after == epoch
        and errors.get(before, 0) > _SMALL
        and now >= share * errors[before]
        and now > _NOISE * noise
    ]
    if (
        falls_fast
        and len(scan) >= _ENOUGH
        and now > max(_SMALL_FAST, _NOISE_FAST * noise)
    ):
        above += [
            (before, errors[before])
            for after, before, share in _FAST
            if after == epoch and now >= share * errors.get(before, math.inf)
        ]
    first = errors.get(0, math.inf)
    if epoch == FIRST and now > max(_RISEN * first, _CLEARLY * noise):
        above.append((0, first))
    if not above:
        return None
    before, then = above[0]
    return Finding(
        "error-stays",
        "start",
        f"wrong geometry or start is likely: the error hardly falls, {then:.3g} at "
        f"epoch {before}, {now:.3g} at epoch {epoch}",
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


def _stands_out(
    values: NDArray[np.floating], limits: Sequence[tuple[float, float]]
) -> NDArray[np.bool_]:
    logs = np.log(values)
    away = logs - np.median(logs)
    least = [max(math.log(times), n * spread(logs)) for times, n in limits]
    return np.asarray(away > min(least))
