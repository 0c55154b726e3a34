"""How far positions are from the true ones, once what cannot be known is removed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.affine import FEWEST, PositionMap, fit_map
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.robust import spread

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_scicompty.data.snapshot import Snapshot

OUTLIER = 5.0
"""Robust standard deviations that make an outlier."""


@dataclass(frozen=True, eq=False)
class PositionError:
    """Distances of the positions from the true ones, over all positions."""

    mean_m: float
    """Metres."""
    median_m: float
    """Metres."""
    max_m: float
    """Metres."""
    residuals_m: NDArray[np.float64]
    """(n, 2) as (y, x), brought back by the map, minus the true ones."""
    map: PositionMap
    """What was removed."""


def position_error(
    found_m: ArrayLike, true_m: ArrayLike, affine: bool = True
) -> PositionError:
    """Distance of positions from the true ones after removing an affine map.

    A common shift moves the object; in near field a common scale goes with the
    distance, and scale, rotation and shear of a scan are seen in the object only. The
    map is fitted without the worst 15 % of the positions; mean, median and maximum are
    over all of them.

    Parameters
    ----------
    found_m, true_m : (n, 2)
        Positions (y, x) in metres, in the same order.
    affine : bool
        Whether to remove scale, rotation and shear too, and not the shift alone.

    Returns
    -------
    PositionError
        Mean, median and largest distance in metres, and the map that was removed.

    Raises
    ------
    InputError
        Lists of different length, or too few positions for the map.
    """
    found, true = np.asarray(found_m, float), np.asarray(true_m, float)
    if found.shape != true.shape or true.ndim != 2 or true.shape[1] != 2:
        raise InputError(
            f"position_error: {found.shape} positions and {true.shape} true ones; give "
            "two lists of (n, 2) in the same order"
        )
    needed = FEWEST if affine else 1
    if len(true) < needed:
        raise InputError(
            f"position_error: {len(true)} position(s); at least {needed} are needed to "
            "remove what cannot be known"
        )
    removed = fit_map(found, true, affine=affine)
    residuals = removed.undo(found, true.mean(0)) - true
    away = np.hypot(*residuals.T)
    return PositionError(
        float(away.mean()),
        float(np.median(away)),
        float(away.max()),
        residuals,
        removed,
    )


def displacements(snapshot: Snapshot) -> NDArray[np.float64]:
    """How far refinement moved each position, shape (n, 2), in metres.

    The common shift is taken off: it only moves the object.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.

    Returns
    -------
    array (n, 2) float64
        (y, x) in metres; zero where positions were not refined.
    """
    nominal = snapshot.nominal_positions_m
    if nominal is None:
        return np.zeros_like(snapshot.positions_m)
    moved = snapshot.positions_m - nominal
    return np.asarray(moved - np.median(moved, axis=0))


def measured_scale(snapshot: Snapshot) -> tuple[float, float] | None:
    """Return the scale of the refined positions, and how well it is known.

    In near field a common scale of positions, object and distance leaves all patterns
    as they are: only the measured positions pin it. Errors of sigma a coordinate leave
    a relative uncertainty of ``sigma / (s sqrt(2 n))``, with the rms spread s of the
    positions in a coordinate.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.

    Returns
    -------
    (float, float) or None
        Refined over measured scale, and its standard error; None where positions were
        not refined, or are too few.
    """
    nominal = snapshot.nominal_positions_m
    if nominal is None or len(nominal) < FEWEST:
        return None
    if np.allclose(displacements(snapshot), 0, atol=1e-3 * min(snapshot.pixel_size_m)):
        return None
    residuals = position_error(snapshot.positions_m, nominal).residuals_m
    away = np.hypot(*residuals.T)
    kept = away < 4 * np.median(away)  # without stray views the plain fit is best
    refined, measured = snapshot.positions_m[kept], nominal[kept]
    refined, measured = refined - refined.mean(0), measured - measured.mean(0)
    matrix = np.linalg.lstsq(measured, refined, rcond=None)[0]
    scale = math.sqrt(abs(np.linalg.det(matrix)))
    noise = ((refined - measured @ matrix) ** 2).mean() / scale**2
    spread = max((measured**2).mean() - noise, 1e-30)
    # A fit against positions that scatter comes out too small.
    return scale * (1 + noise / spread), math.sqrt(noise / (2 * len(refined) * spread))


def outliers(snapshot: Snapshot, deviations: float = OUTLIER) -> NDArray[np.int64]:
    """Positions that refinement moved much further than the others.

    Parameters
    ----------
    snapshot : Snapshot
        A result with refined positions; without them there are none.
    deviations : float
        How many robust standard deviations (1.4826 times the median absolute one) of
        what an affine map leaves make an outlier; less than a pixel never does.

    Returns
    -------
    (m,)
        Their numbers, the furthest first.
    """
    nominal = snapshot.nominal_positions_m
    if nominal is None or len(nominal) < FEWEST:
        return np.zeros(0, np.int64)
    found = position_error(snapshot.positions_m, nominal)
    away = np.hypot(*(found.residuals_m / snapshot.pixel_size_m).T)
    limit = max(1.0, deviations * spread(away, about=0))
    order = np.argsort(-away, kind="stable")
    return np.asarray(order[away[order] > limit])
