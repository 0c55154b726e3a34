"""Positions of a result changed by hand; a run that continues goes on from there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.analysis.positions import outliers, position_error
from napari_scicompty.core.errors import InputError
from napari_scicompty.data.checks.span import check_span

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot


def as_refined(scan: Scan, result: Snapshot) -> Scan:
    """Return the scan with the positions of a result, if that was made of it.

    Parameters
    ----------
    scan : Scan
        With its measured positions.
    result : Snapshot
        Maybe of this scan.
    """
    nominal = result.nominal_positions_m
    if nominal is None or not np.array_equal(nominal, scan.positions_m):
        return scan
    return scan.with_positions(result.positions_m)


def with_positions(snapshot: Snapshot, positions_m: ArrayLike, note: str) -> Snapshot:
    """Return the result with other positions; object and probe stay as they are.

    Its error is not known until a run continues from it, and refinement begins anew.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    positions_m : (n, 2)
        (y, x) in metres, in the frame of the scan.
    note : str
        What was done, for the history.

    Raises
    ------
    InputError
        Another number of positions, one that is not finite, or positions in another
        unit.
    """
    positions = np.array(positions_m, np.float64)
    count = len(snapshot.positions_m)
    if positions.shape != (count, 2):
        raise InputError(
            f"{len(positions)} positions for a result of {count}; take positions of "
            "the same scan"
        )
    if not np.isfinite(positions).all():
        raise InputError("some positions are not finite; mend them first")
    geometry, (h, w) = snapshot.geometry, snapshot.probe.shape[-2:]
    check_span(positions, geometry, (h, w))
    both = np.concatenate([positions, snapshot.positions_m])
    check_span(both, geometry, (h, w))  # far from the object is a faulty frame, too
    # The error may rise far above the best so far, which is no divergence.
    state = _without(snapshot.state, "positions") | {"best": math.inf}
    return _placed(snapshot, positions, note).replace(state=state)


def _without(state: dict[str, object], name: str) -> dict[str, object]:
    """Forget what refiners and algorithms remember of a quantity."""
    return {
        key: _without(value, name) if isinstance(value, dict) else value
        for key, value in state.items()
        if key != name
    }


def reset_positions(snapshot: Snapshot) -> Snapshot:
    """Put all positions back to where they were measured.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.

    Returns
    -------
    Snapshot
        Its history says so.

    Raises
    ------
    InputError
        The measured positions are not known.
    """
    return with_positions(snapshot, _nominal(snapshot), "positions reset")


def reset_outliers(snapshot: Snapshot) -> Snapshot:
    """Put the outliers where the affine map of the others would have moved them.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.

    Returns
    -------
    Snapshot
        The same one where nothing stands out.

    Raises
    ------
    InputError
        The measured positions are not known.
    """
    nominal, which = _nominal(snapshot), outliers(snapshot)
    if not len(which):
        return snapshot
    positions = snapshot.positions_m.copy()
    found = position_error(positions, nominal)
    positions[which] = found.map.apply(nominal, nominal.mean(0))[which]
    return _placed(snapshot, positions, f"{len(which)} outlying position(s) reset")


def _placed(
    snapshot: Snapshot, positions_m: NDArray[np.float64], note: str
) -> Snapshot:
    told = [f"{note} by hand at epoch {snapshot.epoch}"]
    history = snapshot.history.add(notes=told, edits=[snapshot.epoch])
    return snapshot.replace(positions_m=positions_m, error=math.nan, history=history)


def _nominal(snapshot: Snapshot) -> NDArray[np.float64]:
    if snapshot.nominal_positions_m is None:
        raise InputError(
            "this result does not know its measured positions; load them from a file"
        )
    return snapshot.nominal_positions_m
