"""The forward model of a batch, as a function of what is refined."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from napari_scicompty.core.device import exact_dtype
from napari_scicompty.optics import differentiable, grids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured


@dataclass
class Parameters:
    """What the patterns of a batch depend on: the estimate's own, or their leaves."""

    object: Tensor
    """(H, W) complex."""
    probe: Tensor
    """(modes, h, w) complex."""
    positions: Tensor
    """(B, 2): pixels to add to the positions of the batch."""
    affine: Tensor
    """(2, 2): map to add to the identity, about the middle of the scan."""
    distance: Tensor
    """Effective distance, m."""
    focus: Tensor
    """Curvature to add to the wavefront of the probe, 1/m."""
    brightness: Tensor | None
    """(B,): power of the beam, relative; None where it is always 1."""
    background: Tensor | None
    """(h, w): counts that no wave explains; None where there are none."""

    @classmethod
    def of(
        cls,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        free: Sequence[str],
    ) -> Parameters:
        """Take them from the estimate; those that are `free` get gradients.

        Parameters
        ----------
        estimate : Estimate
            Object, probe and positions as they are now.
        measured : Measured
            Amplitudes of the patterns.
        batch : sequence of int, length B
            Numbers of the patterns.
        free : sequence of str
            Names of the fields that get gradients.

        Returns
        -------
        Self
            Corrections to positions, affine map and focus begin with zero.
        """
        device, index = estimate.object.device, list(batch)
        zero = torch.zeros((), dtype=exact_dtype(device), device=device)
        brightness, background = estimate.brightness, measured.background
        if "brightness" in free and brightness is None:
            brightness = estimate.brightness = torch.ones(
                len(estimate.positions_m), device=device
            )
        if "background" in free and background is None:
            background = torch.zeros(estimate.canvas.view, device=device)
            measured.background = background
        found = cls(
            estimate.object.detach(),
            estimate.probe.detach(),
            zero.new_zeros((len(index), 2)),
            zero.new_zeros((2, 2)),
            zero + estimate.geometry.effective_distance_m,
            zero.clone(),
            None if brightness is None else brightness[index],
            None if background is None else background.detach(),
        )
        for name in free:
            getattr(found, name).requires_grad_()
        return found


class Model(NamedTuple):
    """What the parameters say about the patterns of a batch."""

    intensity: Tensor
    """(B, h, w), counts."""
    missing: Tensor
    """Power (B,) of the exit waves that misses the detector."""
    views: Tensor
    """(B, h, w): the object under each view."""
    probes: Tensor
    """(B or 1, modes, h, w): the probe at each position."""


def model_of(
    estimate: Estimate, batch: Sequence[int], given: Parameters, *, bilinear: bool
) -> Model:
    """Return the model of the patterns of a batch.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions as they are now.
    batch : sequence of int, length B
        Numbers of the patterns.
    given : Parameters
        What the patterns depend on.
    bilinear : bool
        Four taps of the object, instead of shifts in Fourier space.
    """
    view = estimate.canvas.view
    corners = estimate.placement.corners(batch)
    fraction = estimate.placement.fraction(batch).to(given.positions)
    # Without a gradient these are zero: each is a copy to the device that is spared.
    if given.positions.requires_grad:
        fraction = fraction + given.positions
    if given.affine.requires_grad:
        away = estimate.placement.from_middle(batch).to(given.affine)
        fraction = fraction + away @ given.affine.T
    probes = given.probe.unsqueeze(0)
    if given.focus.requires_grad:
        phase = phase_per_curvature(estimate)
        probes = differentiable.bent(probes, given.focus, phase)
    if bilinear:
        exact = fraction + torch.tensor(corners).to(fraction)
        views = differentiable.bilinear_views(given.object, exact, view)
    else:
        views = differentiable.views(given.object, corners, view)
        if estimate.propagator.sees_shifts:
            views = differentiable.shifted(views[:, None], -fraction)[:, 0]
        else:
            probes = differentiable.shifted(probes, fraction)
    distance = given.distance if given.distance.requires_grad else None
    model, missing = differentiable.model_intensity(
        views, probes, distance, estimate.propagator
    )
    if given.brightness is not None:
        model = model * given.brightness[:, None, None]
        missing = missing * given.brightness
    if given.background is not None:
        model = model + given.background
    return Model(model, missing, views.detach(), probes.detach())


def phase_per_curvature(estimate: Estimate) -> Tensor:
    """Return q = pi r^2 / lambda (h, w) from the middle of a view, in rad m.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions as they are now.
    """
    y, x = (
        torch.from_numpy(grids.from_middle(n) * step).square()
        for n, step in zip(
            estimate.canvas.view, estimate.canvas.pixel_size_m, strict=True
        )
    )
    phase = (y[:, None] + x).mul_(math.pi / estimate.geometry.wavelength_m)
    return phase.float().to(estimate.object.device)
