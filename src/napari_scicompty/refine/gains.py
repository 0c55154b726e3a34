"""Gains: from a signal, which is weak, to a move of every position.

Each takes the signal of an epoch (n, 2), the number of the step from 1 on, and a state
of its own, and returns the move (n, 2) in pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from napari_scicompty.optics.adam import moments

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Moves = NDArray[np.float64]
    Gain = Callable[[Moves, int, float, "Memory"], Moves]


class Memory(TypedDict, total=False):
    """What a gain remembers of earlier epochs.

    Attributes
    ----------
    mean, square : (n, 2)
        Adam's moments of the corrections, in pixels and pixels squared.
    gain : (n, 2)
        Of each position, where it follows the signal.
    last : (n, 2)
        Corrections of the epoch before, in pixels.
    """

    mean: Moves
    square: Moves
    gain: Moves
    last: Moves


BETAS = (0.8, 0.9)
"""Memory of the signal's mean and of its square: a few epochs. The first signals, of
a blurred object, tell nothing of the later ones; the usual 0.9 and 0.999 keep them."""
_SAME_WAY, _BACK_AND_FORTH = 0.3, -0.3


def adam(signal: Moves, step: int, rate: float, state: Memory) -> Moves:
    """Adam for each position and axis; `rate` is in pixels an epoch.

    Guzzi et al., PeerJ Computer Science 8, e1036 (2022): the signal takes the place of
    the gradient of Kingma & Ba, "Adam", ICLR 2015.

    Parameters
    ----------
    signal : array (n, 2)
        Corrections (y, x) that were measured, in pixels.
    step : int
        Number of the step, from 1 on.
    rate : float
        Pixels an epoch.
    state : dict
        Has "mean" and "square" afterwards.

    Returns
    -------
    array (n, 2) float64
        Moves (y, x) in pixels.
    """
    mean, unbiased, spread = moments(state, signal, step, BETAS)
    return np.asarray(rate * mean / unbiased / (spread + 1e-12))


def constant(signal: Moves, step: int, rate: float, state: Memory) -> Moves:
    """`rate` times the signal.

    Parameters
    ----------
    signal : array (n, 2)
        Corrections (y, x) that were measured, in pixels.
    step : int
        It does not matter here.
    rate : float
        Factor.
    state : dict
        It does not matter here.

    Returns
    -------
    array (n, 2) float64
        Moves (y, x) in pixels.
    """
    del step, state
    return rate * signal


def feedback(signal: Moves, step: int, rate: float, state: Memory) -> Moves:
    """Apply a gain of each position that its own moves turn up or down.

    Zhang et al., Optics Express 21, 13592 (2013): the gain rises by a tenth where a
    move goes the way of the one before, and falls by a tenth where it goes back.

    Parameters
    ----------
    signal : array (n, 2)
        Corrections (y, x) that were measured, in pixels.
    step : int
        It does not matter here.
    rate : float
        Gain of the first step.
    state : dict
        Has "gain" (n,) and "last" (n, 2) afterwards.

    Returns
    -------
    array (n, 2) float64
        Moves (y, x) in pixels.
    """
    gain = state.get("gain", np.full(len(signal), rate))
    last = state.get("last", np.zeros_like(signal))
    size = np.linalg.norm(signal, axis=1) * np.linalg.norm(last, axis=1)
    along = (signal * last).sum(1) / np.maximum(size, 1e-30)
    gain = gain * np.where(
        along > _SAME_WAY, 1.1, np.where(along < _BACK_AND_FORTH, 0.9, 1.0)
    )
    state["gain"], state["last"] = gain, signal
    return np.asarray(gain[:, None] * signal)


GAINS: dict[str, Gain] = {"adam": adam, "constant": constant, "feedback": feedback}
"""Name of a setting -> rule."""
