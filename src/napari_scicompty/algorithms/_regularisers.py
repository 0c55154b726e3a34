"""Regularisers of object and probe: what a loss pays for what is not physical.

All are means over pixels, so that a weight of 1 weighs as much as an error of 1. Those
of the object come with a bound of their curvature, which a step must respect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_scicompty.optics.patches import intensity

if TYPE_CHECKING:
    from torch import Tensor

SMOOTH = 1e-2
"""Length of a gradient below which the total variation is smooth."""


def above(object: Tensor, largest: float) -> tuple[Tensor, Tensor | float]:
    """Mean of (|O| - largest)^2 where it is larger (Guzzi et al. 2021, section 3.3)."""
    paid = (object.abs() - largest).clamp(min=0).square().mean()
    return paid, 2 / object.numel()


def phase_beyond(
    object: Tensor, lowest: float, highest: float
) -> tuple[Tensor, Tensor | float]:
    """Mean square of what the phase lies beyond, rad, weighted by |O|^2.

    The weight itself is not paid for: the object gets no darker.
    """
    phase = object.angle()
    excess = (phase - phase.clamp(lowest, highest)).square()
    return (excess * intensity(object.detach())).mean(), 2 / object.numel()


def total_variation(object: Tensor) -> tuple[Tensor, Tensor | float]:
    """Mean length of the gradient of O: edges stay, noise goes."""
    down = object[1:, :-1] - object[:-1, :-1]
    right = object[:-1, 1:] - object[:-1, :-1]
    length = (intensity(down) + intensity(right) + SMOOTH**2).sqrt()
    flatness = torch.zeros_like(object.real).detach()
    flatness[:-1, :-1] += length.detach().reciprocal()
    flatness[1:, :-1] += flatness[:-1, :-1].clone()
    flatness[:, 1:] += flatness[:, :-1].clone()
    return length.mean(), 2 * flatness / length.numel()


def energy(probe: Tensor, power: float) -> Tensor:
    """Square of what the probe's power is off the power of the patterns, relative."""
    return (intensity(probe).sum() / power - 1).square()
