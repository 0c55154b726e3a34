"""Mirrors and turns of frames and positions, as matrices that act on (y, x)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SWAP = np.array([[0.0, 1.0], [1.0, 0.0]])
"""Rows and columns, or y and x, swapped."""


def matrix_of(swap: bool, flip_y: bool, flip_x: bool) -> NDArray[np.float64]:
    """Return what a swap, and then changes of sign, do to (y, x); shape (2, 2).

    Parameters
    ----------
    swap : bool
        Whether y and x are swapped; first.
    flip_y, flip_x : bool
        Whether the sign of y and of x, after the swap, is changed.

    Examples
    --------
    >>> matrix_of(True, False, True) @ [1, 2]
    array([ 2., -1.])
    """
    signs = np.diag([-1.0 if flip_y else 1.0, -1.0 if flip_x else 1.0])
    return signs @ SWAP if swap else signs


def flags_of(matrix: NDArray[np.float64]) -> tuple[bool, bool, bool]:
    """Return (swap, flip_y, flip_x) of a matrix (2, 2) that `matrix_of` can make.

    Parameters
    ----------
    matrix : array (2, 2)
        One of the eight.
    """
    swap = bool(abs(matrix[0, 1]) > 0.5)
    signs = np.diag(matrix @ SWAP if swap else matrix)
    return swap, bool(signs[0] < 0), bool(signs[1] < 0)


def rotation(degrees: float) -> NDArray[np.float64]:
    """Return the matrix (2, 2) of a turn from y towards x.

    Parameters
    ----------
    degrees : float
        Any angle.
    """
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]])


def split(matrix: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Split a turn or mirror (2, 2): ``rotation(degrees) @ one of the eight``.

    Parameters
    ----------
    matrix : array (2, 2)
        Orthogonal.

    Returns
    -------
    float, array (2, 2)
        The angle, within 45 degrees of none, and the rest.
    """
    mirrored = np.linalg.det(matrix) < 0
    turn = matrix @ np.diag([1.0, -1.0]) if mirrored else matrix
    angle = math.degrees(math.atan2(turn[1, 0], turn[0, 0]))
    degrees = angle - 90 * round(angle / 90)
    return degrees, np.round(rotation(-degrees) @ matrix)
