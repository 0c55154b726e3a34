"""Adam (Kingma & Ba, ICLR 2015): the memory that every use of it here shares.

What is stepped differs (numbers, arrays of moves, complex tensors, some rows of a
tensor), and so does what is added to the denominator; `moments` is what they have in
common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypedDict, TypeVar

import numpy as np
import torch
from torch import Tensor

from napari_scicompty.optics.patches import intensity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Betas = tuple[float, float]

T = TypeVar("T", float, "NDArray[np.float64]", Tensor)


class Memory(TypedDict, Generic[T], total=False):
    """What is kept of the gradients so far.

    Attributes
    ----------
    mean, square : float, ndarray or Tensor
        Means of the gradients and of their squares, of one shape.
    """

    mean: T
    square: T


class Moments(NamedTuple):
    """What a step is made of: ``mean / unbiased / spread``."""

    mean: Any
    """Of the gradients so far, too small at first by the factor `unbiased`."""
    unbiased: Any
    """Share of the mean that the steps so far make up, 0 to 1."""
    spread: Any
    """Usual size of the gradient; it may be used up."""


def moments(
    memory: Memory[T] | dict[str, Any], gradient: T, step: float | Tensor, betas: Betas
) -> Moments:
    """Take a gradient into the memory, and tell its mean and its usual size.

    Kingma & Ba, Adam, ICLR 2015 (arXiv:1412.6980), algorithm 1, with the corrections of
    the bias.

    Parameters
    ----------
    memory
        Has "mean" and "square" afterwards; tensors of the memory change in place.
    gradient
        A number, an array or a tensor; complex numbers count as wholes.
    step
        Number of the step from 1 on, or one for each row.
    betas
        Memory of the mean and of the square, 0 to 1.

    Returns
    -------
    Moments
        Mean with the share of it that is known, and root of the mean square.
    """
    b1, b2 = betas
    if isinstance(gradient, Tensor):
        if "mean" not in memory:
            memory["mean"] = torch.zeros_like(gradient)
            memory["square"] = _squared(gradient).zero_()
        mean = memory["mean"].lerp_(gradient, 1 - b1)
        square = memory["square"].lerp_(_squared(gradient), 1 - b2)
        return Moments(mean, 1 - b1**step, (square / (1 - b2**step)).sqrt_())
    mean = memory["mean"] = b1 * memory.get("mean", 0.0) + (1 - b1) * gradient
    square = memory["square"] = b2 * memory.get("square", 0.0) + (1 - b2) * gradient**2
    return Moments(mean, 1 - b1**step, np.sqrt(square / (1 - b2**step)))


def moments_of_rows(
    memory: dict[str, Any], gradient: Tensor, rows: list[int], count: int, betas: Betas
) -> Moments:
    """Do the same for some rows of a tensor (count, ...): the others stay as they are.

    Each row counts its own steps.

    Parameters
    ----------
    memory : dict
        Has "mean", "square" and "step" afterwards, for all rows.
    gradient : Tensor (B, ...)
        For the rows alone.
    rows : list of int
        B of them, none twice.
    count : int
        Rows of the whole.
    betas : (float, float)
        Memory of the mean and of the square, 0 to 1.

    Returns
    -------
    Moments
        Of the rows.
    """
    if "mean" not in memory:
        shape = (count, *gradient.shape[1:])
        memory["mean"], memory["square"] = gradient.new_zeros(2, *shape)
        memory["step"] = gradient.new_zeros((count, *[1] * (gradient.ndim - 1)))
    memory["step"][rows] += 1
    part = {name: memory[name][rows] for name in ("mean", "square")}
    found = moments(part, gradient, memory["step"][rows], betas)
    for name, values in part.items():
        memory[name][rows] = values
    return found


def _squared(field: Tensor) -> Tensor:
    return intensity(field) if field.is_complex() else field.square()
