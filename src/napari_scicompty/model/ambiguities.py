"""What no pattern can tell, held in place: the power and the place of the probe."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_scicompty.optics import patches

if TYPE_CHECKING:
    from torch import Tensor

    from napari_scicompty.model.estimate import Estimate


def rescale(estimate: Estimate, power: float) -> None:
    """Give the probe this power, sum |P|^2 in counts, and the object the inverse.

    Parameters
    ----------
    estimate : Estimate
        Changed in place.
    power : float
        Counts of a mean pattern.
    """
    factor = math.sqrt(power / max(estimate.power, 1e-30))
    estimate.probe.mul_(factor)
    estimate.object.mul_(1 / factor)


def recentre(estimate: Estimate) -> tuple[int, int]:
    """Roll probe and object together so that the probe is in the middle again.

    The centre is taken from the first Fourier coefficient of the probe's intensity,
    which a wrap-around cannot fool.

    Parameters
    ----------
    estimate : Estimate
        Changed in place.

    Returns
    -------
    (int, int)
        Whole pixels moved, (y, x).
    """
    light = patches.intensity(estimate.probe).sum(0)
    drift = []
    for axis, size in enumerate(light.shape):
        profile = light.sum(1 - axis).cpu().numpy()
        offset = -np.angle(np.fft.rfft(profile)[1]) / (2 * np.pi) * size - size // 2
        drift.append((offset + size / 2) % size - size / 2)
    down, right = (-round(d) if abs(d) > 1 else 0 for d in drift)
    if (down, right) != (0, 0):
        rolled = torch.roll(estimate.probe, (down, right), (-2, -1))
        estimate.probe.copy_(rolled)
        estimate.object.copy_(_rolled(estimate.object, (down, right)))
    return down, right


def _rolled(canvas: Tensor, move: tuple[int, int]) -> Tensor:
    """Roll a canvas; what would come in from the other side is vacuum."""
    out = torch.roll(canvas, move, (-2, -1))
    for axis, step in enumerate(move):
        if step:
            edge = slice(0, step) if step > 0 else slice(step, None)
            out[(edge, slice(None)) if axis == 0 else (slice(None), edge)] = 1
    return out
