"""Views on a canvas: sub-pixel shifts, and sums over overlapping patches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

Corner = tuple[int, int]


def shift_ramp(
    shifts: Tensor, size: int, dtype: torch.dtype = torch.complex64
) -> Tensor:
    """Fourier factors exp(-2 pi i f s) that shift by `shifts` pixels along one axis.

    Parameters
    ----------
    shifts : Tensor (n,)
        Pixels; positive moves content to larger indices.
    size : int
        Length of the axis.
    dtype : torch.dtype
        Complex type of the result.

    Returns
    -------
    Tensor (n, size), zero frequency first.
    """
    frequency = torch.fft.fftfreq(size, dtype=torch.float64, device=shifts.device)
    angle = -2 * math.pi * shifts.double()[:, None] * frequency
    return torch.polar(torch.ones_like(angle), angle).to(dtype)


def fourier_shift(fields: Tensor, ramp_y: Tensor, ramp_x: Tensor) -> Tensor:
    """Shift fields (..., h, w) by ramps (..., h) and (..., w); exact and unitary."""
    ramp = ramp_y[..., :, None] * ramp_x[..., None, :]
    return torch.fft.ifft2(torch.fft.fft2(fields).mul_(ramp))


def intensity(fields: Tensor) -> Tensor:
    """|fields|^2 without a square root: many times faster than ``abs() ** 2``."""
    return _over_parts(torch.view_as_real(fields).square())


def total_intensity(fields: Tensor) -> Tensor:
    """sum_p |field_p|^2 over modes: (..., modes, h, w) to (..., 1, h, w)."""
    return _over_parts(total(torch.view_as_real(fields).square(), -4))


def _over_parts(squares: Tensor) -> Tensor:
    """Real part's plus imaginary part's: faster than a sum over the last dimension."""
    real, imag = squares.unbind(-1)
    return real + imag


def total(fields: Tensor, dim: int) -> Tensor:
    """Sum over a dimension, which stays; fields with one entry there are not copied."""
    return fields if fields.shape[dim] == 1 else fields.sum(dim, keepdim=True)


def rows(batch: Sequence[int]) -> slice | list[int]:
    """Index of what each pattern of a batch has; a single one is not copied."""
    return slice(batch[0], batch[0] + 1) if len(batch) == 1 else list(batch)


def take(canvas: Tensor, corners: Sequence[Corner], view: tuple[int, int]) -> Tensor:
    """Return views (B, h, w) of a canvas (H, W); a single one shares its memory."""
    h, w = view
    if len(corners) == 1:
        y, x = corners[0]
        return canvas[None, y : y + h, x : x + w]
    return torch.stack([canvas[y : y + h, x : x + w] for y, x in corners])


def gather_sum(patches: Tensor, corners: Sequence[Corner]) -> tuple[Corner, Tensor]:
    """Sum patches (B or 1, h, w) where they lie; return (corner, sum) of their bounds.

    A single patch is returned as it is.
    """
    if len(corners) == 1:
        return corners[0], patches[0]
    patches = patches.expand(len(corners), -1, -1)
    h, w = patches.shape[-2:]
    top = min(y for y, _ in corners)
    left = min(x for _, x in corners)
    height = max(y for y, _ in corners) - top + h
    width = max(x for _, x in corners) - left + w
    total = patches.new_zeros((height, width))
    for (y, x), patch in zip(corners, patches, strict=True):
        total[y - top : y - top + h, x - left : x - left + w] += patch
    return (top, left), total


def put_back(
    patches: Tensor, corners: Sequence[Corner], canvas: tuple[int, int]
) -> Tensor:
    """Sum patches (B, h, w) where they lie on an empty canvas (H, W)."""
    out = patches.new_zeros(canvas)
    h, w = patches.shape[-2:]
    for (y, x), patch in zip(corners, patches, strict=True):
        out[y : y + h, x : x + w] += patch
    return out
