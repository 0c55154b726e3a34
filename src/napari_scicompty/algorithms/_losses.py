"""Losses: how far the modelled intensities are from the measured ones; a table.

Each takes the model (B, h, w), counts, and the measured amplitudes sqrt(max(I, 0)),
and returns the loss of every pixel (counts), its slope over the model, and how steep it
is at most, relative to the amplitude loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Terms = tuple[Tensor, Tensor, float | Tensor]
    Loss = Callable[[Tensor, Tensor, float], Terms]


MOST_TIMES = 9.0
"""A Poisson likelihood's slope counts a pixel as at most so many times too dark."""


def amplitude(model: Tensor, measured: Tensor, smallest: float) -> Terms:
    """(sqrt(M) - sqrt(I))^2: right for counting noise; biased where it is clipped."""
    root = model.sqrt()
    difference = root - measured
    return difference.square(), difference / (root + smallest), 1.0


def intensity(model: Tensor, measured: Tensor, smallest: float) -> Terms:
    """(M - I)^2 over 4 mean I: for readout noise (Guzzi et al. 2021, eq. 6)."""
    counts = measured.square()
    mean = counts.mean() + smallest**2
    difference = model - counts
    steepest = (counts.amax() / mean).clamp_(min=1)
    return difference.square() / (4 * mean), difference / (2 * mean), steepest


def poisson(model: Tensor, measured: Tensor, smallest: float) -> Terms:
    """M - I - I log(M / I): minus the logarithm of the likelihood of counts."""
    counts, model = measured.square(), model + smallest**2
    ratio = counts / model
    loss = model - counts + counts * ratio.clamp(min=1e-30).log()
    return loss, 1 - ratio.clamp(max=MOST_TIMES), 2.0


LOSSES: dict[str, Loss] = {
    "amplitude": amplitude,
    "intensity": intensity,
    "poisson": poisson,
}
"""Name of a setting -> rule."""
