"""Losses: how far the modelled intensities are from the measured ones; a table.

Each takes the model (B, h, w), counts, the measured amplitudes sqrt(max(I, 0)), and the
noise, and returns the loss of every pixel (counts), its slope over the model, and how
steep it is at most, relative to the amplitude loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Terms = tuple[Tensor, Tensor, float | Tensor]
    Loss = Callable[[Tensor, Tensor, "Noise"], Terms]


MOST_TIMES = 9.0
"""A Poisson likelihood's slope counts a pixel as at most so many times too dark."""


class Noise(NamedTuple):
    """What is known of the noise of a pixel."""

    smallest: float
    """An amplitude far below what matters."""
    variance: float = 0.0
    """Of the readout noise, counts^2: v below."""


def amplitude(model: Tensor, measured: Tensor, noise: Noise) -> Terms:
    """(sqrt(M + v) - sqrt(I + v))^2: of even noise where that of I is I + v.

    With v = 0 right for counting noise, and biased where readout noise is clipped.
    """
    if noise.variance:
        model = model + noise.variance
        measured = measured.square().add_(noise.variance).sqrt_()
    root = model.sqrt()
    difference = root - measured
    return difference.square(), difference / (root + noise.smallest), 1.0


def intensity(model: Tensor, measured: Tensor, noise: Noise) -> Terms:
    """(M - I)^2 over 4 mean I: all pixels as noisy (Guzzi et al. 2021, eq. 6).

    The weights are the same everywhere: the variance does not matter.
    """
    counts = measured.square()
    mean = counts.mean() + noise.smallest**2
    difference = model - counts
    steepest = (counts.amax() / mean).clamp_(min=1)
    return difference.square() / (4 * mean), difference / (2 * mean), steepest


def poisson(model: Tensor, measured: Tensor, noise: Noise) -> Terms:
    """M - I - (I + v) log((M + v) / (I + v)): minus the log-likelihood of counts.

    With v that of counts to which as many are added that vary like the readout noise.
    """
    counts = measured.square() + noise.variance
    model = model + (noise.smallest**2 + noise.variance)
    ratio = counts / model
    loss = model - counts + counts * ratio.clamp(min=1e-30).log()
    return loss, 1 - ratio.clamp(max=MOST_TIMES), 2.0


LOSSES: dict[str, Loss] = {
    "amplitude": amplitude,
    "intensity": intensity,
    "poisson": poisson,
}
"""Name of a setting -> rule."""
