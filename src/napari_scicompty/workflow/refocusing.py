"""Scan and result told another focus-sample distance, so that a run goes on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.algorithms.pie import RPIE
from napari_scicompty.engine.run import Run
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.workflow.continuing import resume
from napari_scicompty.workflow.regridding import regridded
from napari_scicompty.workflow.start import BackPropagatedProbe, begin

if TYPE_CHECKING:
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot

JUDGES = 32
"""Patterns, spread over the scan, that decide between two probes."""


def with_focus(
    scan: Scan, snapshot: Snapshot, focus_sample_m: float | None
) -> tuple[Scan, Snapshot]:
    """Tell a scan and its result another focus-sample distance; continue from there.

    In near field object and probe come onto the grid of the new focus, and the probe
    takes over the change of the wavefront: with a free probe the patterns stay as they
    are. A reconstruction that began far from the true focus may have vortices in its
    probe, which do not heal: where the mean pattern propagated back explains the
    patterns better, it takes the probe's place. A probe that was frozen is kept. In far
    field only the geometry changes.

    Parameters
    ----------
    scan : Scan
        What the result was made of.
    snapshot : Snapshot
        The result.
    focus_sample_m : float, optional
        Focus to sample, > 0 upstream; None for a flat wave. `metrics.probe_focus` finds
        it.

    Returns
    -------
    Scan, Snapshot
        For ``reconstruct(scan, ..., start=snapshot)``.

    Raises
    ------
    InputError
        A result of another scan, a focus that is zero or on the detector, or a near
        field that does not reach the detector.
    """
    resume(scan, snapshot, None, snapshot.seed)
    taken = regridded(snapshot, focus_sample_m)
    told = scan.with_geometry(taken.geometry)
    run = RunSettings(**snapshot.settings.get("run", {}))
    if told.geometry.propagation == "far-field" or run.freeze_probe:
        return told, taken
    fresh = begin(
        told, BackPropagatedProbe(), modes=len(taken.probe), seed=snapshot.seed
    )
    anew = taken.replace(
        probe=fresh.probe,
        history=taken.history.add(notes=["probe taken from the mean pattern anew"]),
    )
    return told, min(taken, anew, key=lambda one: _error(told, one, run))


def _error(scan: Scan, snapshot: Snapshot, settings: RunSettings) -> float:
    """Error over some patterns that are spread over the scan."""
    usable = np.setdiff1d(scan.included, settings.excluded)
    judges = usable[:: math.ceil(len(usable) / JUDGES)]
    few = scan.replace(
        patterns=np.asarray(scan.patterns[judges]),
        positions_m=scan.positions_m[judges],
        excluded=(),
    )
    seen = snapshot.replace(
        positions_m=snapshot.positions_m[judges],
        pattern_error=snapshot.pattern_error[judges],
        nominal_positions_m=few.positions_m,
    )
    alone = settings.replace(epochs=0, batch=None, excluded=())
    return Run(few, RPIE(), seen, alone).full_error()[0]
