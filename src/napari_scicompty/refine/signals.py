"""Signals: which way a position is wrong, seen from one step of the reconstruction.

Each is a correction of the position in object pixels, up to a gain, as (n, 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_scicompty.optics.registration import shift_between

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

UPSAMPLING = 20
"""Of the cross-correlation's peak; a parabola goes on top."""

LARGEST = 1.5
"""Pixels that an update may shift a view by; it is far less in fact."""


def gradient_products(before: Tensor, after: Tensor, weight: Tensor) -> Tensor:
    """Weighted products of the view's gradient with itself and with its update.

    With the central differences ``g = (o[r + 1] - o[r - 1])`` and ``d = o' - o``, the
    sums of ``w Re(conj(g) g)`` and ``w Re(conj(g) d)`` over the view: all that the
    least-squares shift needs, so that nothing waits for the device.

    Parameters
    ----------
    before, after : Tensor (B, h, w) complex
        Views o and o' before and after their update.
    weight : Tensor (h, w)
        Weight of each pixel, |P|^2.

    Returns
    -------
    Tensor (B, 2, 3)
        Rows y, x; columns y, x of the gradient, then the update.
    """
    old = torch.view_as_real(before)
    count, h, w, _ = old.shape
    parts = old.new_empty((count, 3, h - 2, w - 2, 2))
    torch.sub(old[:, 2:, 1:-1], old[:, :-2, 1:-1], out=parts[:, 0])
    torch.sub(old[:, 1:-1, 2:], old[:, 1:-1, :-2], out=parts[:, 1])
    new = torch.view_as_real(after)
    torch.sub(new[:, 1:-1, 1:-1], old[:, 1:-1, 1:-1], out=parts[:, 2])
    # As complex numbers: a weight broadcast over both parts takes four times that.
    gradients = torch.view_as_complex(parts[:, :2])
    weighted = torch.view_as_real(gradients * weight[1:-1, 1:-1])
    return torch.bmm(weighted.flatten(2), parts.flatten(2).transpose(1, 2))


def least_squares_corrections(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """Corrections (n, 2) of positions from `gradient_products` (n, 2, 3).

    An object moved by s has ``o' - o = -s . grad o``; the s that explains the update
    best in the least-squares sense is minus the correction. Views without structure
    give zero.

    Parameters
    ----------
    products : array (n, 2, 3)
        Sums over each view.

    Returns
    -------
    array (n, 2) float64
        (y, x) in pixels.
    """
    matrix, update = products[..., :2], products[..., 2]
    trace = matrix[..., 0, 0] + matrix[..., 1, 1]
    ridge = (1e-6 * trace + 1e-30)[..., None, None] * np.eye(2)
    found = np.linalg.solve(matrix + ridge, update[..., None])[..., 0]
    return np.asarray(2 * found)  # the differences are twice the gradient


def object_correlation(before: Tensor, after: Tensor, weight: Tensor) -> Tensor:
    """Corrections (B, 2): shift between a view and its update (XCORR_A).

    Guzzi et al., PeerJ Computer Science 8, e1036 (2022): the sub-pixel peak of the
    cross-correlation of o_j and o'_j, both weighted by the probe's magnitude. It is not
    whitened: a phase correlation is dominated by pixels that did not change.

    Parameters
    ----------
    before, after : Tensor (B, h, w) complex
        o_j and o'_j, before and after the step.
    weight : Tensor (h, w) real
        Intensity of the probe.

    Returns
    -------
    Tensor (B, 2)
        (y, x) in pixels.
    """
    lit = weight.sqrt()
    return shift_between(before * lit, after * lit, UPSAMPLING, largest=LARGEST)


def detector_correlation(model: Tensor, measured: Tensor) -> Tensor:
    """Corrections (B, 2): shift between modelled and measured amplitudes (XCORR_B).

    Parameters
    ----------
    model, measured : Tensor (B, h, w) float
        In the propagator's order.

    Returns
    -------
    Tensor (B, 2)
        (y, x) in pixels.
    """
    return shift_between(model, measured, UPSAMPLING)
