"""The coarse level: a first picture from the middle of the patterns.

In far field the middle of every pattern, n_c of n pixels, is what larger object pixels
(n / n_c times as large) would have given. There an epoch costs (n_c / n)^2 of a full
one, and the large scale of the object is found in a few of them. Then the probe's
Fourier transform is padded with zeros, the object is interpolated, and all pixels are
used.

A coarse result is not always good: where the scan has few patterns or counts it may be
worse than nothing. It is kept if it explains the whole patterns clearly better than one
epoch from a flat object does.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.algorithms.pie import RPIE
from napari_scicompty.core.errors import EngineError
from napari_scicompty.core.stacks import changed
from napari_scicompty.data.canvas import Canvas
from napari_scicompty.engine.run import Run
from napari_scicompty.optics.resampling import (
    interpolation,
    resampled,
    with_frequencies,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.engine.controls import Controls
    from napari_scicompty.engine.run_settings import RunSettings

log = logging.getLogger(__name__)

LIGHT = 0.985
"""Share of the counts that the middle must hold."""

SMALLEST, LARGEST = 32, 0.75
"""Pixels of the middle at least, and share of a side at most."""

EIGHTHS = 8
"""The middle is so many parts of a side, from 1 to 6 of 8."""

ROOM = 4e9
"""Bytes that the middle of all patterns may take; larger ones are read as needed."""

EPOCHS = 20
"""Of the coarse level."""

GATE = 0.8
"""A coarse result is kept if its error is below this share of that of one epoch."""

STOPPED = "coarse_level_stopped"
"""Key of a snapshot's settings: epoch at which the coarse level was stopped by hand."""

CLEAR = 2 * (1 - LIGHT)
"""Error below which a coarse result is kept without a comparison."""

BOLD = RPIE(alpha_object=1.0, alpha_probe=1.0, beta=1.0, gamma=0.2, momentum="nesterov")
"""What runs there; the large scale does not need small steps."""


@dataclass(frozen=True)
class CoarseStart:
    """Where a run begins after the coarse level, and what is to be said of it."""

    snapshot: Snapshot
    """Of epoch 0."""
    note: str
    """For the history."""


def coarse_shape(scan: Scan) -> tuple[int, int] | None:
    """Return the smallest middle of the patterns (h, w) that holds nearly all counts.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    (int, int) or None
        None where there is no such middle, and in near field.
    """
    if scan.geometry.propagation != "far-field":
        return None
    h, w = scan.frame_shape
    light = scan.mean_pattern
    for part in range(1, EIGHTHS):
        shape = (2 * (h * part // (2 * EIGHTHS)), 2 * (w * part // (2 * EIGHTHS)))
        if min(shape) < SMALLEST or part > LARGEST * EIGHTHS:
            continue
        rows, columns = _middle((h, w), shape)
        if light[rows, columns].sum() >= LIGHT * light.sum():
            return shape
    return None


def coarse_scan(scan: Scan, shape: tuple[int, int]) -> Scan:
    """Return the scan with the middle of its patterns alone.

    Parameters
    ----------
    scan : Scan
        Far field.
    shape : (h, w)
        Pixels of the middle.

    Returns
    -------
    Scan
        Its object pixel is larger; positions and distance are the same.
    """
    rows, columns = _middle(scan.frame_shape, shape)
    return scan.replace(
        patterns=changed(scan.patterns, lambda f: f[:, rows, columns], ROOM),
        mask=None if scan.mask is None else scan.mask[rows, columns],
        findings=(),
        report=(),
    )


def _middle(whole: tuple[int, int], shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return rows and columns of the middle: the zero frequency stays in its place."""
    first = [n // 2 - part // 2 for n, part in zip(whole, shape, strict=True)]
    rows, columns = (slice(a, a + n) for a, n in zip(first, shape, strict=True))
    return rows, columns


def coarser(first: Snapshot, coarse: Scan) -> Snapshot:
    """Return a start on the larger pixels of a coarse scan.

    Parameters
    ----------
    first : Snapshot
        Of epoch 0, on the pixels of the whole patterns.
    coarse : Scan
        From `coarse_scan`.

    Returns
    -------
    Snapshot
        With a flat object.
    """
    canvas = Canvas.of(coarse)
    return first.replace(
        object=np.ones(canvas.shape, np.complex64),
        probe=with_frequencies(first.probe, coarse.frame_shape),
        origin_m=canvas.origin_m,
        pixel_size_m=canvas.pixel_size_m,
    )


def finer(found: Snapshot, first: Snapshot, *, with_probe: bool = True) -> Snapshot:
    """Return a start with the object, and the probe, that the coarse level found.

    Parameters
    ----------
    found : Snapshot
        Of the coarse level.
    first : Snapshot
        Of epoch 0, on the pixels of the whole patterns.
    with_probe : bool
        Whether to take over the probe.

    Returns
    -------
    Snapshot
        Of epoch 0.
    """
    old, canvas = found.canvas, first.canvas
    by = zip(
        old.shape, canvas.shape, old.pixel_size_m, canvas.pixel_size_m,
        old.origin_m, canvas.origin_m,
        strict=True,
    )  # fmt: skip
    maps = [
        interpolation(had, (start - was + np.arange(size) * step) / pixel, step / pixel)
        for had, size, pixel, step, was, start in by
    ]
    object = (1 + resampled(found.object - 1, maps)).astype(np.complex64)
    probe = with_frequencies(found.probe, first.probe.shape[-2:])
    return first.replace(object=object, probe=probe if with_probe else first.probe)


def coarse_start(
    scan: Scan,
    first: Snapshot,
    settings: RunSettings,
    controls: Controls | None = None,
    show: Callable[[Snapshot, int], None] | None = None,
) -> CoarseStart | None:
    """Do the coarse level and judge it.

    Parameters
    ----------
    scan : Scan
        What was measured.
    first : Snapshot
        Of epoch 0.
    settings : RunSettings
        Of the run that is to follow.
    controls : Controls, optional
        To pause or stop from another thread.
    show : callable, optional
        Is given each epoch's snapshot, and how many epochs there will be.

    Returns
    -------
    CoarseStart or None
        None where there is no coarse level. Where it was stopped, what there was.
    """
    shape = coarse_shape(scan)
    if shape is None:
        return None
    coarse = coarse_scan(scan, shape)
    plain = settings.replace(
        epochs=EPOCHS, batch=None, held_out=0, patience=0, excluded=(), hold_probe=0
    )
    found = _followed(
        _Coarse(coarse, BOLD, coarser(first, coarse), plain), controls, show
    )
    if found is None or found.epoch == 0:
        return None
    begun = finer(found, first, with_probe=not settings.freeze_probe)
    if _is_stopped(controls):
        begun = begun.replace(settings=begun.settings | {STOPPED: found.epoch})
        return CoarseStart(
            begun, f"coarse level: stopped at epoch {found.epoch} of {EPOCHS}"
        )
    passed = _Coarse(scan, BOLD, begun, plain.replace(epochs=0)).snapshot(exact=True)
    error = passed.error
    if not settings.held_out:  # the run need not pass over all patterns once more
        history = begun.history.add(epochs=[0], errors=[error])
        begun = begun.replace(
            error=error, pattern_error=passed.pattern_error, history=history
        )
    size = f"the middle {shape[0]} x {shape[1]} pixels"
    done = f"coarse level: {EPOCHS} epochs on {size}; error {error:.4f} over all pixels"
    if error < CLEAR:
        return CoarseStart(begun, done)
    flat = _Coarse(scan, BOLD, first, plain.replace(epochs=1))
    if _followed(flat, controls, None) is None or not flat.epoch:
        return CoarseStart(begun, done)
    without = flat.full_error()[0]
    said = f"{done}, {without:.4f} after one epoch without it"
    if error < GATE * without:
        return CoarseStart(begun, said)
    return CoarseStart(first, f"{said}: it did not help and was left")


class _Coarse(Run):
    """A run whose epochs are for those who look at the details of the log."""

    log_level = logging.DEBUG


def _followed(
    run: Run,
    controls: Controls | None,
    show: Callable[[Snapshot, int], None] | None,
) -> Snapshot | None:
    """Carry a run out, or until it is stopped; None where it failed."""
    try:
        while not run.done:
            if controls is not None:
                controls.wait_while_paused()
            if _is_stopped(controls):
                break
            before = run.epoch
            run.advance(0.1)
            if show is not None and run.epoch > before:
                show(run.snapshot(), run.last_epoch)
    except EngineError as error:
        log.info("the coarse level is left out: %s", error)
        return None
    return run.snapshot()


def _is_stopped(controls: Controls | None) -> bool:
    return controls is not None and controls.stopped
