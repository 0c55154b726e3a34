"""How far positions are from the true ones, once what cannot be known is removed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

WORST = 0.15
"""Share of the positions that the fit leaves out, so that a few lost views do not
tilt the map."""

ROUNDS = 20
"""Fits without the worst positions; they settle after a few."""


@dataclass(frozen=True)
class PositionMap:
    """The map that was removed: ``found - middle = shift + R S (true - middle)``.

    R is the rotation and ``S = [[scale_y, scale_y shear], [0, scale_x]]``.
    """

    shift_m: tuple[float, float]
    """Of the middle of the positions, (y, x)."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Along y and x."""
    rotation_rad: float = 0.0
    """From y towards x."""
    shear: float = 0.0

    @property
    def magnification(self) -> float:
        """Geometric mean of the two scales."""
        return math.sqrt(abs(self.scale[0] * self.scale[1]))


@dataclass(frozen=True, eq=False)
class PositionError:
    """Distances of the positions from the true ones, over all positions."""

    mean_m: float
    median_m: float
    max_m: float
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
    needed = 4 if affine else 1
    if len(true) < needed:
        raise InputError(
            f"position_error: {len(true)} position(s); at least {needed} are needed to "
            "remove what cannot be known"
        )
    middle = true.mean(0)
    matrix, shift = _robust_fit(found - middle, true - middle, affine)
    brought = np.linalg.solve(matrix, (found - middle - shift).T).T + middle
    residuals = brought - true
    away = np.hypot(*residuals.T)
    return PositionError(
        float(away.mean()),
        float(np.median(away)),
        float(away.max()),
        residuals,
        _named(matrix, shift),
    )


def _robust_fit(
    found: NDArray[np.float64], true: NDArray[np.float64], affine: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit ``found = matrix true + shift``, again and again without the worst."""
    kept = np.arange(len(true))
    count = max(len(true) - int(WORST * len(true)), 4 if affine else 1)
    matrix: NDArray[Any] = np.eye(2)
    for _ in range(ROUNDS):
        if affine:
            known = np.column_stack([true[kept], np.ones(len(kept))])
            solved = np.linalg.lstsq(known, found[kept], rcond=None)[0]
            matrix, shift = np.asarray(solved[:2].T), solved[2]
        else:
            shift = (found[kept] - true[kept]).mean(0)
        away = np.linalg.norm(found - true @ matrix.T - shift, axis=1)
        best = np.sort(np.argsort(away, kind="stable")[:count])
        if np.array_equal(best, kept):
            break
        kept = best
    return matrix, shift


def _named(matrix: NDArray[np.float64], shift: NDArray[np.float64]) -> PositionMap:
    """Take rotation, scales and shear from the matrix (QR, scale_y positive)."""
    rotation = math.atan2(matrix[1, 0], matrix[0, 0])
    c, s = math.cos(rotation), math.sin(rotation)
    upper = np.array([[c, s], [-s, c]]) @ matrix
    return PositionMap(
        (float(shift[0]), float(shift[1])),
        (float(upper[0, 0]), float(upper[1, 1])),
        rotation,
        float(upper[0, 1] / upper[0, 0]) if upper[0, 0] else 0.0,
    )
