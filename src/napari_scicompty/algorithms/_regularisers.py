"""Regularisers of object and probe: what a loss pays for what is not physical.

All are means over pixels, so that a weight of 1 weighs as much as an error of 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.optics.patches import intensity

if TYPE_CHECKING:
    from torch import Tensor


def above(object: Tensor, largest: float) -> Tensor:
    """Mean of (|O| - largest)^2 where it is larger (Guzzi et al. 2021, section 3.3)."""
    return (object.abs() - largest).clamp(min=0).square().mean()


def phase_beyond(object: Tensor, lowest: float, highest: float) -> Tensor:
    """Mean square of what the phase lies below `lowest` or above `highest`, rad."""
    phase = object.angle()
    return (phase - phase.clamp(lowest, highest)).square().mean()


def total_variation(object: Tensor) -> Tensor:
    """Mean length of the gradient of O, smoothed below 1e-3: edges stay, noise goes."""
    down = object[1:, :-1] - object[:-1, :-1]
    right = object[:-1, 1:] - object[:-1, :-1]
    return (intensity(down) + intensity(right) + 1e-6).sqrt().mean()


def energy(probe: Tensor, power: float) -> Tensor:
    """Square of what the probe's power is off the power of the patterns, relative."""
    return (intensity(probe).sum() / power - 1).square()
