"""An affine map between two lists of positions, fitted robustly and named."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Positions = NDArray[np.float64]

WORST = 0.15
"""Share of the positions that the fit leaves out, so that a few lost views do not
tilt the map."""

ROUNDS = 20
"""Fits without the worst positions; they settle after a few."""

FEWEST = 4
"""Positions that a map needs; a shift alone needs one."""


@dataclass(frozen=True)
class PositionMap:
    """A map of positions: ``found - middle = shift + R S (true - middle)``.

    R is the rotation and ``S = [[scale_y, scale_y shear], [0, scale_x]]``.
    """

    shift_m: tuple[float, float]
    """Of the middle of the positions, (y, x)."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Along y and x."""
    rotation_rad: float = 0.0
    """From y towards x."""
    shear: float = 0.0
    """Share of x that is added to y; 0 keeps right angles."""

    @property
    def magnification(self) -> float:
        """Geometric mean of the two scales."""
        return math.sqrt(abs(self.scale[0] * self.scale[1]))

    @property
    def matrix(self) -> Positions:
        """R S, shape (2, 2), acting on (y, x)."""
        c, s = math.cos(self.rotation_rad), math.sin(self.rotation_rad)
        sy, sx = self.scale
        return np.array([[c, -s], [s, c]]) @ [[sy, sy * self.shear], [0, sx]]

    @property
    def words(self) -> str:
        """Scale, rotation and shear in words; the shift moves the object only."""
        sy, sx = self.scale
        return (
            f"scale {sy:.4f} (y) x {sx:.4f} (x), rotation "
            f"{math.degrees(self.rotation_rad):.2f}°, shear {self.shear:.4f}"
        )

    def apply(self, true: Positions, middle: Positions) -> Positions:
        """Map positions (n, 2) around `middle` (2,).

        Parameters
        ----------
        true : array (n, 2)
            Positions (y, x) in metres.
        middle : array (2,)
            The point about which rotation and scale act, in metres.

        Returns
        -------
        array (n, 2) float64
            Metres.
        """
        return (true - middle) @ self.matrix.T + middle + self.shift_m

    def undo(self, found: Positions, middle: Positions) -> Positions:
        """Map positions (n, 2) back.

        Parameters
        ----------
        found : array (n, 2)
            Positions (y, x) in metres.
        middle : array (2,)
            As in `apply`.

        Returns
        -------
        array (n, 2) float64
            Metres.
        """
        centred = found - middle - self.shift_m
        return np.asarray(np.linalg.solve(self.matrix, centred.T).T + middle)


def fit_map(found: Positions, true: Positions, *, affine: bool = True) -> PositionMap:
    """Fit the map from `true` (n, 2) to `found`, again and again without the worst.

    Parameters
    ----------
    found, true : array (n, 2)
        Positions (y, x) in metres, in the same order.
    affine : bool
        Whether to fit scale, rotation and shear too, and not the shift alone.

    Returns
    -------
    PositionMap
        About the mean of `true`.
    """
    middle = true.mean(0)
    found, true = found - middle, true - middle
    kept = np.arange(len(true))
    count = max(len(true) - int(WORST * len(true)), FEWEST if affine else 1)
    matrix, shift = np.eye(2), np.zeros(2)
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
    return _named(matrix, shift)


def _named(matrix: Positions, shift: Positions) -> PositionMap:
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
