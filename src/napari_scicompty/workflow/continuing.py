"""A result is continued: whether it fits the scan, and whose positions it has."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.findings import Finding
from napari_scicompty.data.canvas import same_pixel
from napari_scicompty.optics import modes as probe_modes
from napari_scicompty.workflow.corrections import with_positions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.engine.run import Run
    from napari_scicompty.engine.run_settings import RunSettings

_SAME_PX = 1e-3
"""Pixels: positions that agree to this are the same."""
_SAME = 1e-6
"""Share of itself by which a number of the geometry may differ unsaid."""
_JUDGES = 64
"""Patterns that tell whether a result fits."""
_WORSE = 3.0
"""Times the error of the result from which it does not."""


def resume(scan: Scan, snapshot: Snapshot, modes: int | None, seed: int) -> Snapshot:
    """Check that a snapshot fits the scan, and give it `modes` probe modes.

    Parameters
    ----------
    scan : Scan
        What was measured.
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    modes : int, optional
        Probe modes; those of the snapshot when left out.
    seed : int
        Of new modes.

    Returns
    -------
    Snapshot
        The same one where nothing changes.

    Raises
    ------
    InputError
        Another number of patterns, another frame size or another object pixel.
    """
    ours = (len(scan), *scan.frame_shape)
    theirs = (len(snapshot.positions_m), *snapshot.probe.shape[-2:])
    if ours != theirs:
        raise InputError(
            f"start: the result has {theirs[0]} positions and frames of "
            f"{theirs[1]} x {theirs[2]}, the scan {ours[0]} and {ours[1]} x {ours[2]}; "
            "continue with the scan (and crop and rebin) that the result was made from"
        )
    if not same_pixel(snapshot.pixel_size_m, scan.pixel_size_m):
        raise InputError(
            f"start: the result's object pixel is {snapshot.pixel_size_m[0]:.4g} m, "
            f"the scan's {scan.pixel_size_m[0]:.4g} m; use the geometry of the result"
        )
    have = len(snapshot.probe)
    if modes is None or modes == have:
        return snapshot
    probe = probe_modes.orthogonal_modes(snapshot.probe)
    probe = probe_modes.with_weak_modes(probe, modes, seed)
    return snapshot.replace(probe=probe, error=math.nan, state={})


def belongs_to(snapshot: Snapshot, scan: Scan) -> bool:
    """Whether a result was made of this scan, prepared in the same way.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    scan : Scan
        What was measured.
    """
    before, now = snapshot.source.sha256, scan.source.sha256
    if before and now and before != now:
        return False
    nominal, known = snapshot.nominal_positions_m, before and now
    same = nominal is None or np.array_equal(nominal, scan.positions_m)
    if not known and not same:
        return False
    try:
        resume(scan, snapshot, None, snapshot.seed)
    except InputError:
        return False
    return True


def differences(
    scan: Scan, snapshot: Snapshot, settings: RunSettings
) -> Iterator[Finding]:
    """Yield in what the scan is not the one that the result was made from.

    Parameters
    ----------
    scan : Scan
        What was measured.
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    settings : RunSettings
        Whose positions are to be used.
    """
    for field in dataclasses.fields(scan.geometry):
        now, then = (getattr(g, field.name) for g in (scan.geometry, snapshot.geometry))
        if not _same(now, then):
            used = "result" if field.name == "distance_m" else "scan"
            yield Finding(
                "result-geometry",
                field.name,
                f"{field.name} is {now} in the scan and {then} in the result that is "
                f"continued; that of the {used} is used",
                "open the scan with the geometry of the result, or begin anew",
            )
    how = _moved(scan, snapshot)
    if not how:
        return
    kept = settings.positions_of == "result"
    yield Finding(
        "result-positions",
        "positions_of",
        f"the positions of the scan are not those that the result was made from: {how}"
        f"; those of the {settings.positions_of} are used",
        'choose positions_of="scan" to go on with the others, or open the scan as it '
        "was"
        if kept
        else "the object has to follow them",
        "warning" if kept else "ok",
    )


def as_chosen(scan: Scan, snapshot: Snapshot, settings: RunSettings) -> Snapshot:
    """Give the result the positions of the scan, where they differ and were chosen.

    Parameters
    ----------
    scan : Scan
        What was measured.
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    settings : RunSettings
        Whose positions are to be used.

    Returns
    -------
    Snapshot
        The same one where nothing changes.

    Raises
    ------
    InputError
        They lie too far from those of the result.
    """
    if settings.positions_of == "result" or not _moved(scan, snapshot):
        return snapshot
    taken = with_positions(snapshot, scan.positions_m, "positions of the scan taken")
    return taken.replace(nominal_positions_m=scan.positions_m)


def misfit(run: Run, start: Snapshot) -> Finding | None:
    """Ask whether the patterns are those that a result was made from.

    A few of them tell: other orientation, other frames or another mask raise the error
    at once.

    Parameters
    ----------
    run : Run
        Prepared, and not advanced yet.
    start : Snapshot
        The result that it continues.

    Returns
    -------
    Finding or None
        None where the error is as it was, or not known.
    """
    known = np.flatnonzero(np.isfinite(start.pattern_error))
    if not start.epoch or not math.isfinite(start.error) or not len(known):
        return None
    few = np.zeros(len(start.pattern_error), bool)
    few[known[:: math.ceil(len(known) / _JUDGES)]] = True
    now = run.full_error(few)[0]
    power = run.scan.pattern_sum * few
    then = float(np.nansum(start.pattern_error * power) / max(power.sum(), 1e-30))
    if now <= _WORSE * then:
        return None
    return Finding(
        "result-misfit",
        "start",
        f"the result does not fit these patterns: its error was {then:.3g} and is "
        f"{now:.3g} with them",
        "open the scan as it was (transpose, flips, crop, mask), or begin anew",
    )


def _same(first: ArrayLike, second: ArrayLike) -> bool:
    if isinstance(first, str) or None in (first, second):
        return bool(first == second)
    return bool(np.allclose(first, second, rtol=_SAME, atol=0))


def _moved(scan: Scan, snapshot: Snapshot) -> str:
    """Say how the scan's positions differ from those of the result, if they do."""
    then = snapshot.nominal_positions_m
    if then is None:
        return ""
    pixel = np.array(scan.pixel_size_m)
    now, before = scan.positions_m / pixel, then / pixel
    if _near(now, before):
        return ""
    ways = {
        "the sign of y is another one": now * (-1, 1),
        "the sign of x is another one": now * (1, -1),
        "the signs of x and y are others": -now,
        "x and y are swapped": scan.positions_m[:, ::-1] / pixel,
    }
    exact = next((way for way, other in ways.items() if _near(other, before)), "")
    return exact or f"they differ by up to {np.abs(now - before).max():.3g} pixels"


def _near(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return bool(np.abs(first - second).max() <= _SAME_PX)
