"""Another distance, with object and probe refocused by the change."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from napari_scicompty.optics.near_field import angular_spectrum_kernel
from napari_scicompty.optics.propagators import farthest_m

if TYPE_CHECKING:
    from torch import Tensor

    from napari_scicompty.model.estimate import Estimate


def defocus_coupled(estimate: Estimate, change_m: float) -> Estimate:
    """Return the estimate for another distance, refocused by the change.

    Object and probe are propagated back by as much as the detector goes away (near
    field, parallel beam): to first order the patterns stay, so that the distance alone
    is what they tell. A probe that is known stays as it is.

    Parameters
    ----------
    estimate : Estimate
        Stays as it is.
    change_m : float
        To add to the distance from sample to detector.
    """
    other = copy.copy(estimate)
    pixel, wavelength = estimate.canvas.pixel_size_m, estimate.geometry.wavelength_m
    other.object = _refocused(estimate.object, pixel, wavelength, -change_m)
    if not estimate.probe_is_known:
        other.probe = _refocused(estimate.probe, pixel, wavelength, -change_m)
    other.set_distance(estimate.distance_m + change_m)
    return other


def farthest(estimate: Estimate) -> float:
    """Largest effective distance, m, at which this is a near field; far field: none.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions as they are now.

    Returns
    -------
    float
        Metres.
    """
    return farthest_m(estimate.geometry, estimate.canvas.view)


def _refocused(
    field: Tensor, pixel: tuple[float, float], wavelength: float, distance: float
) -> Tensor:
    """Propagate fields (..., h, w) over a distance; what leaves comes in again."""
    grid = (int(field.shape[-2]), int(field.shape[-1]))
    kernel = angular_spectrum_kernel(grid, pixel, wavelength, distance)
    factors = torch.from_numpy(kernel).to(field.device, field.dtype)
    # Views are slices of rows that follow each other, whatever a transform returns.
    return torch.fft.ifft2(torch.fft.fft2(field).mul_(factors)).contiguous()
