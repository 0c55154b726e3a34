"""The twin: conjugate fields, whose far-field patterns are turned by half a turn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot

_JUDGES = 16
"""Patterns that tell which of both fits."""
_CLEARLY = 0.8
"""The twin is taken where its error is below this share of the other's."""
_NOTE = "conjugated: its package saw the patterns turned by half a turn"


def better_of_both(start: Snapshot, scan: Scan) -> Snapshot:
    """Return a start, or its conjugate where that fits the patterns clearly better.

    Parameters
    ----------
    start : Snapshot
        With the power of the scan.
    scan : Scan
        What it is to fit; in near field the start is returned.
    """
    if scan.geometry.propagation != "far-field":
        return start
    twin = start.replace(object=start.object.conj(), probe=start.probe.conj())
    if _error(twin, scan) >= _CLEARLY * _error(start, scan):
        return start
    return twin.replace(history=start.history.add(notes=[_NOTE]))


def _error(start: Snapshot, scan: Scan) -> float:
    """Return the normalised amplitude error of a few views, on whole pixels."""
    h, w = scan.frame_shape
    few = scan.included[:: math.ceil(len(scan.included) / _JUDGES)]
    measured = np.maximum(scan.patterns[few], 0)[:, scan.good].astype(np.float64)
    misfit = 0.0
    for seen, (y, x) in zip(
        measured, np.round(start.positions_px[few]).astype(int), strict=True
    ):
        waves = np.fft.fft2(start.probe * start.object[y : y + h, x : x + w])
        light = np.fft.fftshift((np.abs(waves) ** 2).sum(0)) / (h * w)
        misfit += float(((np.sqrt(light[scan.good]) - np.sqrt(seen)) ** 2).sum())
    return misfit / max(float(measured.sum()), 1e-30)
