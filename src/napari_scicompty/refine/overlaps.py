"""Neighbouring views compared by what each shows alone.

In near field a pattern is a picture of what is under the beam, out of focus. So each
view can be reconstructed alone, from nothing but its own pattern. This picture owes
nothing to the common object, and so nothing to where the view is thought to be: where
two of them overlap, they tell how far they are apart.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch.nn.functional import max_pool2d

from napari_scicompty.optics.patches import intensity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured

ROUNDS = 15
"""Of rPIE, with each view alone, from vacuum on."""

GAMMA = 0.5
"""Share of the strongest light in the weight of a step."""

NEIGHBOURS = 8
"""Nearest ones that a view is compared with."""

FURTHEST = 0.5
"""Share of the view that two neighbours are apart at most."""

LEAST_OVERLAP = 0.1
"""Share of the light that two views must have in common."""

CELLS = 16
"""Cells to either side of the middle that displacements are sorted into, at most."""

LEAST_CELLS = 3
"""And at least."""

_AT_ONCE = 2**18
"""Pixels in one go: a working set that stays in the cache."""


class Overlaps(NamedTuple):
    """Pairs of neighbours, and how well their pictures agree, displaced.

    A displacement is by how much more the second view is away from the first than was
    supposed. They are sorted into square cells, the middle one of displacement zero.
    """

    first: NDArray[np.int64]
    """Numbers of the patterns, (pairs,)."""
    second: NDArray[np.int64]
    """Numbers of their neighbours, (pairs,)."""
    supposed: NDArray[np.float64]
    """Place of the second minus place of the first in pixels, (pairs, 2)."""
    cell: int
    """Pixels along the side of a cell."""
    evidence: NDArray[np.float64]
    """Squared correlation over its usual size, the best of a cell, (pairs, c, c)."""
    best: NDArray[np.float64]
    """Displacement (y, x) in pixels at which that is, (pairs, c, c, 2)."""


def overlaps(
    estimate: Estimate, measured: Measured, seen: NDArray[np.int64], reach: float
) -> Overlaps:
    """Compare every view with its neighbours.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions as they are now.
    measured : Measured
        Amplitudes of the patterns.
    seen : (m,)
        Views that take part.
    reach : float
        Largest displacement along each axis, as a share of the view.

    Returns
    -------
    Overlaps
        Of every pair of neighbours, the evidence for each displacement.
    """
    corners = np.array(estimate.placement.corners(seen.tolist()))
    first, second = _neighbours(corners, estimate.canvas.view)
    pictures, light = own_pictures(estimate, measured, seen.tolist())
    supposed = corners[second] - corners[first]
    radius = reach * min(estimate.canvas.view)
    cell = math.ceil(radius / CELLS)
    radius = cell * max(LEAST_CELLS, round(radius / cell))
    size = max(1, _AT_ONCE // (4 * light.numel()))
    parts = [slice(i, i + size) for i in range(0, len(first), size)]
    found = [
        _in_cells(
            _correlated(
                pictures[first[part]],
                pictures[second[part]],
                light,
                supposed[part],
                radius,
            ),
            cell,
        )
        for part in parts
    ]
    side = 2 * radius // cell + 1
    nothing = np.zeros((0, side, side)), np.zeros((0, side, side, 2))
    evidence, best = map(np.concatenate, zip(nothing, *found, strict=True))
    return Overlaps(seen[first], seen[second], supposed, cell, evidence, best)


def own_pictures(
    estimate: Estimate, measured: Measured, views: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Reconstruct each view alone, from its own pattern, and the light to see it by.

    The probe is improved on the way, by all views together: what all have in common is
    the beam's, whatever the present probe has taken up from a wrong arrangement.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions as they are now.
    measured : Measured
        Amplitudes of the patterns.
    views : sequence of int
        Numbers of the patterns.

    Returns
    -------
    pictures : Tensor (len(views), h, w) complex
        Without their mean. Their phase is known up to a constant.
    light : Tensor (h, w)
        Magnitude of the probe.
    """
    probe = estimate.probe.clone()
    pictures = probe.new_ones((len(views), *estimate.canvas.view))
    size = max(1, _AT_ONCE // (4 * probe.numel()))
    for _ in range(ROUNDS):
        light = intensity(probe).sum(0)
        weight = 1 / (GAMMA * light.amax() + (1 - GAMMA) * light)
        update, seen = torch.zeros_like(probe), torch.zeros_like(light)
        for begin in range(0, len(views), size):
            batch, part = views[begin : begin + size], pictures[begin : begin + size]
            waves = estimate.propagator.forward(probe * part[:, None])
            measured.correct(waves, batch, estimate.scratch)
            change = estimate.propagator.backward(waves)
            update += (part.conj()[:, None] * change).sum(0)
            seen += intensity(part).sum(0)
            part.add_((probe.conj() * change).sum(1).mul_(weight))
        if not estimate.probe_is_known:
            probe += update / (GAMMA * seen.amax() + (1 - GAMMA) * seen)
    light = intensity(probe).sum(0).sqrt()
    return pictures - pictures.mean((1, 2), keepdim=True), light


def _neighbours(
    corners: NDArray[np.int64], view: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of views that are near each other, each once."""
    tree = cKDTree(corners / np.array(view))
    ranks = range(1, min(NEIGHBOURS + 1, len(corners)) + 1)
    _, near = tree.query(tree.data, ranks, distance_upper_bound=FURTHEST)
    first = np.repeat(np.arange(len(corners)), near.shape[1])
    second = near.ravel()
    there = (second < len(corners)) & (second != first)
    pairs = np.sort(np.column_stack([first[there], second[there]]), axis=1)
    one, other = np.unique(pairs, axis=0).T
    return one, other


def _correlated(
    first: Tensor,
    second: Tensor,
    light: Tensor,
    supposed: NDArray[np.int64],
    radius: int,
) -> Tensor:
    """Squared correlation of pictures (B, h, w), displaced by up to `radius` pixels.

    Normalised, with the light for a weight: D. Padfield, IEEE Transactions on Image
    Processing 21, 2706 (2012), has a mask there. It is multiplied by the share of the
    light that both have, since chance correlates small overlaps well, and divided by
    its median: by chance it is distributed exponentially.

    Returns
    -------
    Tensor (B, 2 radius + 1, 2 radius + 1)
    """
    h, w = light.shape

    def spectrum(field: Tensor) -> Tensor:
        return torch.fft.fft2(field, s=(2 * h, 2 * w))

    def correlation(one: Tensor, other: Tensor) -> Tensor:
        return torch.fft.ifft2(one * other.conj())

    beam = spectrum(light)
    both = correlation(spectrum(light * first), spectrum(light * second))
    power = correlation(spectrum(light * intensity(first)), beam).real
    power = power * correlation(beam, spectrum(light * intensity(second))).real
    common = correlation(beam, beam).real
    common = common / common.amax()
    strength = common * intensity(both) / power.clamp_min(1e-30)
    strength = torch.where(common > LEAST_OVERLAP, strength, torch.nan)
    lags = np.arange(-radius, radius + 1)
    rows = (supposed[:, :1] + lags) % (2 * h)
    columns = (supposed[:, 1:] + lags) % (2 * w)
    pair = np.arange(len(supposed))[:, None, None]
    window = strength[pair, rows[:, :, None], columns[:, None, :]]
    usual = window.flatten(1).nanmedian(1).values[:, None, None]
    return (window / usual.clamp_min(1e-30)).nan_to_num_(nan=0)


def _in_cells(
    strength: Tensor, cell: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Highest value in each cell (B, c, c), and where it is (B, c, c, 2)."""
    side = strength.shape[-1]
    half = cell // 2
    highest, index = max_pool2d(strength, 2 * half + 1, cell, half, return_indices=True)
    where = torch.stack([index // side, index % side], -1) - side // 2
    return highest.cpu().double().numpy(), where.cpu().double().numpy()
