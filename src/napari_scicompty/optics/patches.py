"""Views on a canvas: sub-pixel shifts, and sums over overlapping patches."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from napari_scicompty.core.device import exact_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.optics.scratch import Parts, Scratch

    Batch = Sequence[int] | Tensor
    """Numbers of patterns: known to the host, or (B,) on the device alone."""

Corner = tuple[int, int]

_FEW = 8
"""Entries up to which adding one by one is faster than a sum over their dimension."""


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
    device, exact = shifts.device, exact_dtype(shifts.device)
    frequency = torch.fft.fftfreq(size, dtype=exact, device=device)
    angle = -2 * math.pi * shifts.to(exact)[:, None] * frequency
    return torch.polar(torch.ones_like(angle), angle).to(dtype)


class Ramps:
    """Fourier factors that shift what belongs to each position.

    Parameters
    ----------
    shifts : Tensor (n, 2)
        Pixels (y, x); positive moves content to larger indices.
    view : (h, w)
        Pixels of a view.
    device : torch.device
        Where its tensors lie.
    """

    def __init__(
        self, shifts: Tensor, view: tuple[int, int], device: torch.device
    ) -> None:
        self._rows, self._columns = _ramps(shifts, view, device)
        self._on_host: tuple[NDArray[Any], NDArray[Any]] | None = None

    def replace(self, batch: Sequence[int], shifts: Tensor) -> None:
        """Give the positions of a batch other shifts (B, 2).

        Parameters
        ----------
        batch : sequence of int, length B
            Numbers of the patterns.
        shifts : Tensor (B, 2)
            Pixels (y, x); positive moves content to larger indices.
        """
        view = (self._rows.shape[2], self._columns.shape[3])
        new, index = _ramps(shifts, view, self._rows.device), list(batch)
        self._rows[index], self._columns[index] = new

    @property
    def addresses(self) -> tuple[int, ...]:
        """Where the factors lie in memory."""
        return self._rows.data_ptr(), self._columns.data_ptr()

    def factors(self, number: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the factors of one position, of its rows (h,) and its columns (w,).

        Parameters
        ----------
        number : int
            Of the pattern.

        Returns
        -------
        array (h,), array (w,)
            complex64, in the memory of the factors, which is on the CPU.
        """
        if self._on_host is None:
            rows, columns = self._rows.numpy(), self._columns.numpy()
            self._on_host = rows[:, 0, :, 0], columns[:, 0, 0]
        along, across = self._on_host
        return along[number], across[number]

    def of(self, batch: Batch, scratch: Scratch) -> Tensor:
        """Return the factors (B, 1, h, w) of a batch, in scratch memory.

        Parameters
        ----------
        batch : sequence of int or Tensor (B,)
            Numbers of the patterns.
        scratch : Scratch
            Memory for what is needed on the way.
        """
        along, across = self._rows[rows(batch)], self._columns[rows(batch)]
        shape = (*along.shape[:3], across.shape[3])
        return torch.mul(along, across, out=scratch("ramp", shape, torch.complex64))


def _ramps(
    shifts: Tensor, view: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Factors along rows (n, 1, h, 1) and columns (n, 1, 1, w)."""
    along, across = (
        shift_ramp(shifts[:, axis], size).to(device) for axis, size in enumerate(view)
    )
    return along[:, None, :, None], across[:, None, None, :]


def fourier_shift(fields: Tensor, ramp: Tensor) -> Tensor:
    """Shift fields (..., h, w) by Fourier factors that broadcast; exact and unitary.

    Parameters
    ----------
    fields : Tensor (..., h, w) complex
        Taken as periodic.
    ramp : Tensor (..., h, w) complex
        From `Ramps`, zero frequency first.

    Returns
    -------
    Tensor (..., h, w) complex
        New memory.
    """
    return torch.fft.ifft2(torch.fft.fft2(fields).mul_(ramp))


def intensity(fields: Tensor, scratch: Scratch | None = None) -> Tensor:
    """|fields|^2 without a square root: many times faster than ``abs() ** 2``.

    With `scratch` in its memory: the result is there until the next call.

    Parameters
    ----------
    fields : Tensor (...) complex
        Waves.
    scratch : Scratch, optional
        Memory for the result.

    Returns
    -------
    Tensor (...) real
        Of the same shape.
    """
    parts = torch.view_as_real(fields)
    if scratch is None:
        real, imag = parts.square().unbind(-1)
        return real + imag
    squares = scratch.parts(fields.shape)
    torch.mul(parts, parts, out=squares.both)
    return _over_parts(squares, scratch)


def total_intensity(fields: Tensor, scratch: Scratch) -> Tensor:
    """sum_p |field_p|^2: (B, modes, h, w) to (B, 1, h, w), in scratch memory.

    Mode after mode: what fits a cache is not fetched again.

    Parameters
    ----------
    fields : Tensor (B, modes, h, w) complex64
        Waves.
    scratch : Scratch
        Memory for what is needed on the way.

    Returns
    -------
    Tensor (B, 1, h, w) float32
        There until the next call.
    """
    if fields.shape[1] == 1:
        return intensity(fields, scratch)
    first, *others = torch.view_as_real(fields).chunk(fields.shape[1], 1)
    squares = scratch.parts(first.shape[:-1])
    torch.mul(first, first, out=squares.both)
    for other in others:
        squares.both.addcmul_(other, other)
    return _over_parts(squares, scratch)


def _over_parts(squares: Parts, scratch: Scratch) -> Tensor:
    """Real part's plus imaginary part's: faster than a sum over the last dimension."""
    out = scratch("intensity", squares.real.shape)
    return torch.add(squares.real, squares.imag, out=out)


def scale(fields: Tensor, factors: Tensor, scratch: Scratch) -> None:
    """Multiply complex fields in place by real factors that broadcast.

    As complex numbers: of two kinds of numbers the product takes three times as long.

    Parameters
    ----------
    fields : Tensor (...) complex64
        Changed in place.
    factors : Tensor (...) float32
        Broadcast to the fields.
    scratch : Scratch
        Memory for what is needed on the way.
    """
    fields.mul_(scratch.parts(factors.shape).complex.copy_(factors))


def total(fields: Tensor, dim: int) -> Tensor:
    """Sum over a dimension, which stays; the first of its entries is overwritten.

    Parameters
    ----------
    fields : Tensor
        Of any shape.
    dim : int
        The dimension.

    Returns
    -------
    Tensor
        With length 1 along the dimension.
    """
    count = fields.shape[dim]
    if count == 1:
        return fields
    if count > _FEW:
        return fields.sum(dim, keepdim=True)
    first, *others = fields.chunk(count, dim)
    for other in others:
        first.add_(other)
    return first


def rows(batch: Batch) -> slice | list[int] | Tensor:
    """Index of what each pattern of a batch has; a single one is not copied.

    Parameters
    ----------
    batch : sequence of int or Tensor (B,)
        Numbers of the patterns.

    Returns
    -------
    slice, list or Tensor
        For the first dimension.
    """
    if isinstance(batch, torch.Tensor):
        return batch
    return slice(batch[0], batch[0] + 1) if len(batch) == 1 else list(batch)


def take(canvas: Tensor, corners: Sequence[Corner], view: tuple[int, int]) -> Tensor:
    """Return views (B, h, w) of a canvas (H, W); a single one shares its memory.

    Parameters
    ----------
    canvas : Tensor (H, W)
        What is looked at.
    corners : sequence of (int, int)
        B top-left corners (y, x).
    view : (h, w)
        Pixels of a view.
    """
    h, w = view
    if len(corners) == 1:
        (y, x), (row, column) = corners[0], canvas.stride()
        first = canvas.storage_offset() + y * row + x * column
        return canvas.as_strided((1, h, w), (0, row, column), first)
    return torch.stack([canvas[y : y + h, x : x + w] for y, x in corners])


def gather_sum(patches: Tensor, corners: Sequence[Corner]) -> tuple[Corner, Tensor]:
    """Sum patches (B or 1, h, w) where they lie; return (corner, sum) of their bounds.

    A single patch is returned as it is.

    Parameters
    ----------
    patches : Tensor (B or 1, h, w)
        One alone lies at every corner.
    corners : sequence of (int, int)
        B top-left corners (y, x).

    Returns
    -------
    (int, int)
        Top-left corner (y, x) of what the patches cover.
    Tensor (h', w')
        Their sum there.
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
    """Sum patches (B, h, w) where they lie on an empty canvas (H, W).

    Parameters
    ----------
    patches : Tensor (B, h, w)
        What is summed.
    corners : sequence of (int, int)
        B top-left corners (y, x).
    canvas : (H, W)
        Pixels of the canvas.

    Returns
    -------
    Tensor (H, W)
        Zero where no patch lies.
    """
    out = patches.new_zeros(canvas)
    h, w = patches.shape[-2:]
    for (y, x), patch in zip(corners, patches, strict=True):
        out[y : y + h, x : x + w] += patch
    return out
