"""Where views may be, from what all pairs of neighbours say: belief propagation.

Each pair alone is often wrong. But a view has several neighbours, and these have
theirs: every view keeps a belief, the probability of each place, and tells each
neighbour where that one would then be, from all that the others told it (J. Pearl,
"Reverend Bayes on inference engines", AAAI 1982; on a graph with loops, again and again
until it settles).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.refine.overlaps import Overlaps

EVIDENCE = 2.0
"""Power of the evidence to which a place is likely. It is far less than chance would
have it: where something repeats itself in the object, wrong peaks are high, too."""

ASTRAY = 0.5
"""Probability that the pictures of a pair do not tell."""

LEAST = 1e-9
"""Smallest probability, relative to the largest: no neighbour has a veto."""

PRIOR = 0.4
"""Standard deviation of places around where they are, as a share of the reach."""

ROUNDS = 20

KEPT = 0.5
"""Share of the last message that is kept, so that loops do not swing."""


def believed(pairs: Overlaps, measured: NDArray[np.float64]) -> NDArray[np.int64]:
    """Displacements (n, 2) of views in cells that are most probable together.

    By belief propagation (J. Pearl, "Reverend Bayes on inference engines", AAAI 1982):
    rounds of messages along the pairs, then the maximum of the belief of each view.

    Parameters
    ----------
    pairs : Overlaps
        Evidence of every pair of neighbours.
    measured : (n, 2)
        Displacements to the measured positions, in cells.

    Returns
    -------
    array (n, 2) int64
        (y, x) in cells.
    """
    m, size = pairs.evidence.shape[:2]
    count = len(measured)
    grid = fft.next_fast_len(2 * size - 1, real=True)
    height = EVIDENCE * np.log(np.maximum(pairs.evidence, 1))
    likely = np.exp(height - height.max((1, 2), keepdims=True))
    likely *= (1 - ASTRAY) / likely.sum((1, 2), keepdims=True)
    likely += ASTRAY / size**2
    spectra = fft.rfft2(likely.astype(np.float32), (grid, grid))
    half = size // 2
    away = np.arange(-half, half + 1) - measured[:, :, None]
    square = away[:, 0, :, None] ** 2 + away[:, 1, None, :] ** 2
    prior = -square / (2 * (PRIOR * half) ** 2)
    ends = (pairs.first, pairs.second)
    told = np.zeros((2, m, size, size))  # log messages to the first, to the second
    for _ in range(ROUNDS):
        beliefs = _beliefs(prior, told, ends)
        for to, kernel in ((1, spectra), (0, spectra.conj())):
            sender = beliefs[ends[1 - to]] - told[1 - to]
            message = _sent(sender, kernel, grid, 1 if to else -1)
            told[to] = KEPT * told[to] + (1 - KEPT) * message
    beliefs = _beliefs(prior, told, ends)
    best = beliefs.reshape(count, -1).argmax(1)
    return np.column_stack(np.unravel_index(best, (size, size))) - half


def _beliefs(
    prior: NDArray[np.float64],
    told: NDArray[np.float64],
    ends: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> NDArray[np.float64]:
    """Log probabilities (count, c, c), up to a constant of each view."""
    beliefs = prior.copy()
    for end, messages in zip(ends, told, strict=True):
        np.add.at(beliefs, end, messages)
    return beliefs


def _sent(
    sender: NDArray[np.float64], kernel: NDArray[np.complex64], grid: int, way: int
) -> NDArray[np.float64]:
    """Log messages (m, c, c) of senders: their place plus the pair's displacement."""
    size = sender.shape[-1]
    share = np.exp(sender - sender.max((1, 2), keepdims=True)).astype(np.float32)
    spread = fft.irfft2(fft.rfft2(share, (grid, grid)) * kernel, (grid, grid))
    begin = size // 2 if way > 0 else -(size // 2)
    places = np.arange(begin, begin + size) % grid
    found = spread[:, places[:, None], places]
    found = np.maximum(found, LEAST * found.max((1, 2), keepdims=True))
    return np.asarray(np.log(found / found.max((1, 2), keepdims=True)))
