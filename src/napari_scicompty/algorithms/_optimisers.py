"""Optimisers: from a gradient to a step; a table.

Each takes the gradient, which it may use up, its curvature (the diagonal of the
Gauss-Newton matrix, real, of the same shape or one that broadcasts), what it remembers
(a dictionary of its own) and its `Way`, and returns a step of the order of 1 that goes
down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from napari_scicompty.optics.adam import moments, moments_of_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Optimiser = Callable[[Tensor, Tensor, dict[str, object], "Way"], Tensor]

BETAS = (0.9, 0.99)
"""Memory of the gradient's mean and of its square, in steps."""

BETAS_OF_ROWS = (0.8, 0.9)
"""The same for what a pattern has of its own, in epochs."""

BOLD = 0.25
"""Size of Adam's step that is as bold as a full step of the momentum method."""

BLOCK = 2**17
"""Numbers that are stepped at once on a CPU: what is needed on the way fits a cache."""

LIT = 1e-3
"""Share of the largest curvature below which a pixel was not seen by a batch."""


class Way(NamedTuple):
    """How an optimiser steps."""

    damping: float
    """0: every pixel takes full steps; 1: those that are seen less take less."""
    momentum: float
    """Share of a step that the next one has, too."""


def momentum(
    gradient: Tensor, curvature: Tensor, memory: dict[str, Any], way: Way
) -> Tensor:
    """Gauss-Newton steps with Nesterov's momentum: what rPIE is without momentum.

    A step is the gradient over ``d max(c) + (1 - d) c``, with the curvature c and the
    damping d, the gamma of rPIE. Pixels that a batch has not seen rest.
    """
    damping, kept = way
    if "velocity" not in memory:
        memory["velocity"] = torch.zeros_like(gradient)
    most, width = curvature.amax(), gradient.shape[-1]
    on_cpu = gradient.device.type == "cpu"
    rows = max(1, BLOCK // width) if on_cpu else gradient.shape[-2]
    blocks = (t.split(rows, -2) for t in (gradient, curvature, memory["velocity"]))
    for step, power, velocity in zip(*blocks, strict=True):
        seen = power > LIT * most
        weight = torch.add(damping * most, power, alpha=1 - damping).add_(1e-30)
        step.mul_(weight.reciprocal_().mul_(seen))
        velocity.mul_(torch.where(seen, kept, 1.0)).sub_(step)
        step.neg_().addcmul_(velocity, seen.to(velocity.dtype), value=kept)
    return gradient


def adam(
    gradient: Tensor, curvature: Tensor, memory: dict[str, object], way: Way
) -> Tensor:
    """Adam (Kingma & Ba, ICLR 2015); complex numbers as wholes, whatever their phase.

    Parameters
    ----------
    gradient : Tensor (...)
        Of the loss.
    curvature : Tensor (...)
        It does not matter here.
    memory : dict
        Has "mean", "square" and "step" afterwards; changed in place.
    way : Way
        Its damping is added to the denominator, relative to its mean over the tensor: 0
        gives every pixel a full step, 1 gives less to those that are seen less.
    """
    del curvature
    return normalised(gradient, memory, way.damping).mul_(BOLD)


def normalised(
    gradient: Tensor, memory: dict[str, Any], damping: float = 0.0
) -> Tensor:
    """Adam's step of size 1: minus the mean gradient over its usual size."""
    step = memory["step"] = memory.get("step", 0) + 1
    mean, unbiased, spread = moments(memory, gradient, step, BETAS)
    spread += damping * spread.mean() + 1e-30
    return mean / spread.mul_(-unbiased)


def adam_of_rows(
    gradient: Tensor, rows: list[int], count: int, memory: dict[str, object]
) -> Tensor:
    """Adam for some rows of a parameter (count, ...): the others stay as they are.

    Each row counts its own steps. The memory is short: the first gradients, of a
    blurred object, tell nothing of the later ones.
    """
    mean, unbiased, spread = moments_of_rows(
        memory, gradient, rows, count, BETAS_OF_ROWS
    )
    return -mean / unbiased / (spread + 1e-30)


OPTIMISERS: dict[str, Optimiser] = {"momentum": momentum, "adam": adam}
"""Name of a setting -> rule."""
