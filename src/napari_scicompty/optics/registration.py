"""Sub-pixel shift between images by cross-correlation, many images at a time.

The shift s that registers an image M onto a reference R is where |C(s)|^2 peaks,

    C(s) = sum_f R(f) conj(M(f)) exp(2 pi i f.s)

with R(f), M(f) the spectra: whole pixels by an inverse FFT, then a grid of
1 / upsampling pixel around them by the matrix-multiplication DFT of M. Guizar-Sicairos,
S. T. Thurman, J. R. Fienup, Opt. Lett. 33, 156 (2008), then one Newton step.

Over so few pixels the rows of that matrix, exp(2 pi i f u), are nearly dependent: they
are A V^T with a dozen real columns V. A cross-spectrum is multiplied with V once, and
every grid is made of the small core V^T (R conj(M)) V.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from napari_scicompty.optics.patches import intensity

if TYPE_CHECKING:
    from torch import Tensor

NEAR = 2.0
"""Pixels within which one grid is cheaper than looking for whole pixels first."""

BEYOND = 0.75
"""Pixels that the grid reaches to either side of a whole-pixel peak."""

FIRST_STEPS = 20
"""The first grid has at most this many steps per pixel: peaks are wider than that."""

FLAT = 1e-5
"""Relative curvature of a peak per square pixel that single precision cannot tell."""

CACHED = 2**19
"""Pixels at a time on a CPU, to stay in its cache."""

AT_ONCE = 2**25
"""Pixels at a time elsewhere, to bound the memory."""


def shift_between(
    reference: Tensor,
    moving: Tensor,
    upsampling: int = 20,
    *,
    weight: Tensor | None = None,
    largest: float | None = None,
    whitened: bool = False,
    refine_peak: bool = True,
) -> Tensor:
    """Return the shifts that register `moving` onto `reference`.

    They are those of scikit-image's ``phase_cross_correlation(reference, moving,
    normalization=None)``. Of a view before (reference) and after (moving) its update,
    the shift is plus the correction of the position.

    Parameters
    ----------
    reference, moving : Tensor (h, w) or (n, h, w)
        Real or complex, on one device; a single image goes with every other.
    upsampling : int
        Steps per pixel of the grid on which the peak is looked for.
    weight : Tensor (h, w) or (n, h, w), optional
        Multiplied on both, such as the magnitude of the probe.
    largest : float, optional
        Pixels that a shift may have along each axis. Up to `NEAR`, whole pixels need
        not be looked for, which saves a third of the time.
    whitened : bool
        Correlate nothing but the phases of the spectra, as ``normalization="phase"``.
    refine_peak : bool
        Go from the best point of the grid to the top of the parabola that touches
        log |C| there.

    Returns
    -------
    Tensor (n, 2)
        Pixels (y, x), within half an image. An axis along which the images do not
        change has shift 0: nothing can be seen there.
    """
    given = (reference, moving) if weight is None else (reference, moving, weight)
    stacks = [image if image.ndim == 3 else image[None] for image in given]
    count = max(map(len, stacks))
    pixels = CACHED if reference.device.type == "cpu" else AT_ONCE
    chunk = max(1, pixels // reference.shape[-2:].numel())
    shifts = []
    for begin in range(0, count, chunk):
        part = [s if len(s) == 1 else s[begin : begin + chunk] for s in stacks]
        shifts.append(
            peak_shift(
                _cross_spectra(*part),
                upsampling,
                largest=largest,
                whitened=whitened,
                refine_peak=refine_peak,
            )
        )
    return torch.cat(shifts)


def peak_shift(
    cross_spectra: Tensor,
    upsampling: int = 20,
    *,
    largest: float | None = None,
    whitened: bool = False,
    refine_peak: bool = True,
) -> Tensor:
    """Return the shifts (n, 2) at which cross-correlations peak, from their spectra.

    For whom the spectra are at hand, as those of exit waves are at a far detector; the
    cross-spectra of several modes are summed.

    Parameters
    ----------
    cross_spectra : Tensor (n, h, w)
        R(f) conj(M(f)), complex, zero frequency first.
    upsampling, largest, whitened, refine_peak
        As for `shift_between`.
    """
    cross = torch.sgn(cross_spectra) if whitened else cross_spectra
    if largest is not None and largest <= NEAR:
        shift, seen = _nearby(cross, largest, upsampling, refine=refine_peak)
    else:
        whole = _whole_peak(cross, largest)
        cross = _recentred(cross, whole)
        fine, seen = _nearby(cross, BEYOND, upsampling, refine=refine_peak)
        size = _sizes(cross.shape[-2:], cross.device)
        shift = whole + fine
        shift = shift - size * (shift / size).round()
    shift = torch.where(seen, shift, 0)
    return shift if largest is None else shift.clamp(-largest, largest)


def _cross_spectra(
    reference: Tensor, moving: Tensor, weight: Tensor | None = None
) -> Tensor:
    if weight is not None:
        reference, moving = reference * weight, moving * weight
    return torch.fft.fft2(reference) * torch.fft.fft2(moving).conj_physical_()


def _whole_peak(cross: Tensor, largest: float | None) -> Tensor:
    """Return the whole-pixel shifts (n, 2) with the highest correlation."""
    correlation = torch.fft.ifft2(cross, norm="forward")
    if largest is not None:
        for lags in (correlation, correlation.mT):
            lags[..., math.floor(largest) + 1 : -math.floor(largest)] = 0
    index = torch.stack(_argmax(correlation), -1)
    size = _sizes(cross.shape[-2:], cross.device)
    return index - size * (index > size // 2)


def _recentred(cross: Tensor, whole: Tensor) -> Tensor:
    """Move correlations by whole pixels, so that the peak comes to shift zero."""
    y, x = (
        _roots(size, cross.dtype, cross.device)[
            shift[:, None] * torch.arange(size, device=cross.device) % size
        ]
        for size, shift in zip(cross.shape[-2:], whole.unbind(-1), strict=True)
    )
    return cross * y[:, :, None] * x[:, None, :]


def _nearby(
    cross: Tensor, reach: float, upsampling: int, *, refine: bool
) -> tuple[Tensor, Tensor]:
    """Return the peaks within `reach` pixels of shift zero, and where there are any.

    Both have shape (n, 2).
    """
    step = math.ceil(upsampling / FIRST_STEPS)
    half = step * (math.ceil(reach * upsampling / step) + 1)
    y, x = (
        _lines(size, half, step, upsampling, cross.dtype, cross.device)
        for size in cross.shape[-2:]
    )
    core = _core(cross, y, x)
    row, column = (step * (index + 1) for index in _argmax(y.first @ core @ x.first.mT))
    if step > 1:
        close = torch.arange(-step, step + 1, device=cross.device)
        rows, columns = row[:, None] + close, column[:, None] + close
        best = _argmax(y.rows[rows, 0] @ core @ x.rows[columns, 0].mT)
        row, column = row - step + best[0], column - step + best[1]
    to_top, seen = _parabola(y.rows[row] @ core @ x.rows[column].mT)
    shift = (torch.stack([row, column], -1) - half).to(to_top.dtype) / upsampling
    if refine:
        shift = shift + to_top.clamp(-step / upsampling, step / upsampling)
    return shift, seen


def _core(cross: Tensor, y: _Lines, x: _Lines) -> Tensor:
    """Return V^T (R conj(M)) V, shape (n, r, r)."""
    n, h, w = cross.shape
    # Real times complex, taken as a product of real matrices, is half the work.
    flat = torch.view_as_real(cross.contiguous()).view(n, h, 2 * w)
    narrow = torch.bmm(y.basis.expand(n, -1, -1), flat).view(n, -1, w, 2)
    return torch.view_as_complex(narrow) @ x.columns


def _parabola(derivatives: Tensor) -> tuple[Tensor, Tensor]:
    """Return the way to the top of the parabola that touches log |C|, and where it is.

    Exact derivatives, where differences of nearly equal values would drown in rounding:
    of d^(i+j) C / dy^i dx^j, shape (n, 3, 3).

    Returns
    -------
    to_top : Tensor (n, 2)
        Pixels.
    seen : Tensor (n, 2)
        True where log |C| curves down along the axis.
    """
    d = (derivatives / derivatives[:, :1, :1]).mT.flatten(1)
    first = d[:, 1:4:2]
    second = d[:, 2:7:2].unfold(1, 2, 1)  # yy, xy over xy, xx
    slope = first.real
    curving = (first[:, :, None] * first[:, None, :] - second).real
    diagonal = curving.diagonal(dim1=1, dim2=2)
    seen = diagonal > FLAT
    diagonal += ~seen  # an axis that shows nothing has no say in the other's step
    det = diagonal.prod(-1, keepdim=True) - curving[:, 0, 1:].square()
    adjugate = diagonal.sum(-1, keepdim=True) * slope
    adjugate = adjugate - (curving @ slope[..., None])[..., 0]
    return adjugate / det.clamp_min(FLAT**2), seen


def _argmax(fields: Tensor) -> tuple[Tensor, Tensor]:
    """Return row (n,) and column (n,) of the strongest value of each (h, w)."""
    flat = intensity(fields).flatten(1).argmax(-1)
    width = fields.shape[-1]
    return flat // width, flat % width


class _Lines(NamedTuple):
    """exp(2 pi i f u) along one axis, as rows times a real basis."""

    basis: Tensor
    """V^T, shape (r, size), orthonormal."""
    columns: Tensor
    """V as complex numbers, shape (size, r)."""
    rows: Tensor
    """A and its first two derivatives by u, shape (len(u), 3, r), complex."""
    first: Tensor
    """A for every `step` of u but the outermost, the first grid."""


@lru_cache(maxsize=64)
def _lines(
    size: int,
    half: int,
    step: int,
    upsampling: int,
    dtype: torch.dtype,
    device: torch.device,
) -> _Lines:
    """Return the lines of u = (-half ... half) / upsampling pixels."""
    u = np.arange(-half, half + 1) / upsampling
    rate = 2j * math.pi * np.fft.fftfreq(size)
    matrix = np.exp(u[:, None] * rate)
    _, weight, basis = np.linalg.svd(np.concatenate([matrix.real, matrix.imag]))
    rank = np.count_nonzero(weight > torch.finfo(dtype).eps * weight[0])
    # One to four more for the derivatives, which also fills vector units.
    basis = basis[: 4 * (rank // 4 + 1)]
    stack = np.stack([matrix * rate**order @ basis.T for order in range(3)], axis=1)
    rows = torch.from_numpy(stack).to(device, dtype)
    lines = torch.from_numpy(basis)
    return _Lines(
        lines.to(device, dtype.to_real()),
        lines.mT.to(device, dtype).contiguous(),
        rows,
        rows[step:-step:step, 0].contiguous(),
    )


@lru_cache(maxsize=64)
def _roots(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return exp(2 pi i k / size), shape (size,)."""
    roots = np.exp(2j * math.pi * np.arange(size) / size)
    return torch.from_numpy(roots).to(device, dtype)


def release() -> None:
    """Let go of what is kept on devices; it is made again when it is needed."""
    for kept in (_lines, _roots, _sizes):
        kept.cache_clear()


@lru_cache(maxsize=64)
def _sizes(shape: torch.Size, device: torch.device) -> Tensor:
    """Return (h, w) on a device: copied once, since a copy waits for the device."""
    return torch.tensor(shape, device=device)
