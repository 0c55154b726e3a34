"""The angular spectrum: free space from the sample to a detector that is near."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.fft import next_fast_len

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Shape = tuple[int, int]
Pair = tuple[float, float]

LARGEST_KERNEL = 8192
"""Pixels of the largest grid on which free space is computed, once a run."""


class AngularSpectrum:
    """Near-field propagation on a padded grid, cut to the detector.

    ``D{psi} = crop F^-1 H F pad(psi)`` with the kernel of `detector_kernel`.

    Parameters
    ----------
    shape : (h, w)
        Pixels of the view, and of the detector.
    pixel_size_m : (float, float)
        Pixel (y, x) of both: the effective one behind a point source.
    wavelength_m : float
        Metres.
    distance_m : float
        Effective distance; negative goes upstream.
    inverted : bool
        The focus lies between sample and detector: the image is upside down.
    device : torch.device, optional
        Where it computes; the CPU when left out.
    dtype : torch.dtype
        Complex type of the kernel.
    """

    sees_shifts = True

    def __init__(
        self,
        shape: Shape,
        pixel_size_m: Pair,
        wavelength_m: float,
        distance_m: float,
        *,
        inverted: bool = False,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.complex64,
    ) -> None:
        self.shape = shape
        self.grid = padded_grid(shape, pixel_size_m, wavelength_m, distance_m)
        self.inverted = inverted
        self._space = (pixel_size_m, wavelength_m, distance_m)
        kernel = torch.from_numpy(detector_kernel(shape, *self._space))
        self._kernel = kernel.to(device, dtype)
        self._adjoint = self._kernel.conj().resolve_conj()

    def forward(self, exit_wave: Tensor) -> Tensor:
        """D{psi}, shape (..., h, w).

        Parameters
        ----------
        exit_wave : Tensor (..., h, w) complex
            psi = P o, behind the sample.

        Returns
        -------
        Tensor (..., h, w) complex
            Psi, in the propagator's order.
        """
        wave = self._through(exit_wave, self._kernel)
        return wave.flip((-2, -1)) if self.inverted else wave

    def backward(self, wave: Tensor) -> Tensor:
        """D^-1{Psi on the detector, 0 outside}, shape (..., h, w).

        Parameters
        ----------
        wave : Tensor (..., h, w) complex
            Psi, in the propagator's order.

        Returns
        -------
        Tensor (..., h, w) complex
            Behind the sample.
        """
        upright = wave.flip((-2, -1)) if self.inverted else wave
        return self._through(upright, self._adjoint)

    def slope(self, exit_wave: Tensor, gradient: Tensor) -> Tensor:
        """Re <gradient, dD{psi}/dz>: how a loss changes with the distance.

        Parameters
        ----------
        exit_wave : Tensor (..., h, w) complex
            psi, behind the sample.
        gradient : Tensor (..., h, w) complex
            Of the loss by the wave on the detector.

        Returns
        -------
        Tensor () real
            Change of the loss per metre, summed over all waves.
        """
        wave = self._through(exit_wave, self._kernel_slope)
        upright = gradient.flip((-2, -1)) if self.inverted else gradient
        return (upright.real * wave.real + upright.imag * wave.imag).sum()

    @cached_property
    def _kernel_slope(self) -> Tensor:
        """dH/dz, (H, W): made when it is first needed."""
        kernel = detector_kernel(self.shape, *self._space, derivative=True)
        return torch.from_numpy(kernel).to(self._kernel)

    def _through(self, field: Tensor, kernel: Tensor) -> Tensor:
        h, w = self.shape
        spectrum = torch.fft.fft2(field, s=self.grid).mul_(kernel)
        return torch.fft.ifft2(spectrum)[..., :h, :w]


def padded_grid(
    shape: Shape, pixel_size_m: Pair, wavelength_m: float, distance_m: float
) -> Shape:
    """Grid on which a view of `shape` is propagated: N >= W + lambda |z| / pixel^2.

    At most 2 W: from view to detector more is never needed, see `detector_kernel`.

    Parameters
    ----------
    shape : (h, w)
        Pixels of the view.
    pixel_size_m : (float, float)
        Pixel (y, x) in metres.
    wavelength_m : float
        Metres.
    distance_m : float
        Effective distance in metres; the sign does not matter.

    Returns
    -------
    (int, int)
        Pixels (y, x) of the grid.
    """
    spread = _spread(pixel_size_m, wavelength_m, distance_m)
    sizes = [
        min(next_fast_len(length + more), 2 * length)
        for length, more in zip(shape, spread, strict=True)
    ]
    return sizes[0], sizes[1]


def detector_kernel(
    shape: Shape,
    pixel_size_m: Pair,
    wavelength_m: float,
    distance_m: float,
    *,
    derivative: bool = False,
) -> NDArray[np.complex128]:
    """Transfer function on `padded_grid` for waves from a view to a detector as large.

    Where the grid holds all that spreads, that of free space. Where it does not, free
    space on one that does, its impulse response cut to the distances between two
    pixels of a view: a linear convolution that no light can wrap around in. With
    `derivative` how it changes with the distance, in 1/m.

    Parameters
    ----------
    shape : (h, w)
        Pixels of the view.
    pixel_size_m : (float, float)
        Pixel (y, x) in metres.
    wavelength_m : float
        Metres.
    distance_m : float
        Effective distance in metres; negative goes upstream.
    derivative : bool
        Whether to return dH/dz instead, in 1/m.

    Returns
    -------
    array (H, W) complex128
        Zero frequency first.
    """
    grid = padded_grid(shape, pixel_size_m, wavelength_m, distance_m)
    free_space = (pixel_size_m, wavelength_m, distance_m)
    spread = _spread(*free_space)
    if all(n >= w + s for n, w, s in zip(grid, shape, spread, strict=True)):
        return angular_spectrum_kernel(grid, *free_space, derivative=derivative)
    large = [
        next_fast_len(min(2 * w + s, LARGEST_KERNEL))
        for w, s in zip(shape, spread, strict=True)
    ]
    quarter = _quarter((large[0], large[1]), *free_space, derivative=derivative)
    rows, columns = (
        _cut_response(size, n, carried)
        for n, size, carried in zip(grid, large, quarter.shape, strict=True)
    )
    # A real matrix from the left acts on real and imaginary parts side by side.
    half = rows @ torch.from_numpy(quarter.view(np.float64))
    half = torch.view_as_complex(half.reshape(len(rows), -1, 2))
    cut = columns @ torch.view_as_real(half.T.contiguous()).flatten(1)
    cut = torch.view_as_complex(cut.reshape(len(columns), -1, 2)).T
    return _mirrored(cut.numpy(), grid)


@lru_cache(maxsize=4)
def _cut_response(size: int, grid: int, carried: int) -> Tensor:
    """Cut an even transfer function's impulse response to a smaller grid, on one axis.

    The inverse transform of `size` pixels, the displacements that `grid` holds, and
    their transform on it, all in one matrix (grid // 2 + 1, carried), float64: from
    frequencies 0 to carried - 1 to those from 0 on, in double precision.
    """
    frequency, displacement = np.arange(carried), np.arange(grid // 2 + 1)
    twice = np.where((frequency == 0) | (2 * frequency == size), 1.0, 2.0)
    inverse = np.cos(2 * np.pi / size * np.outer(displacement, frequency)) * twice
    twice = np.where((displacement == 0) | (2 * displacement == grid), 1.0, 2.0)
    forward = np.cos(2 * np.pi / grid * np.outer(displacement, displacement)) * twice
    return torch.from_numpy(forward @ inverse / size)


def _mirrored(quarter: NDArray[np.complex128], grid: Shape) -> NDArray[np.complex128]:
    """Return all of an even function (H, W) from its frequencies from 0 on."""
    padded = [(0, n // 2 + 1 - m) for n, m in zip(grid, quarter.shape, strict=True)]
    y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in grid)
    whole: NDArray[np.complex128] = np.pad(quarter, padded)[np.ix_(y, x)]
    return whole


def _spread(
    pixel_size_m: Pair, wavelength_m: float, distance_m: float
) -> tuple[int, int]:
    """Pixels (y, x) by which the finest detail spreads: lambda |z| / pixel^2."""
    y, x = (
        math.ceil(wavelength_m * abs(distance_m) / pixel**2) for pixel in pixel_size_m
    )
    return y, x


def angular_spectrum_kernel(
    grid: Shape,
    pixel_size_m: Pair,
    wavelength_m: float,
    distance_m: float,
    *,
    derivative: bool = False,
) -> NDArray[np.complex128]:
    """Transfer function H = exp(i g z) of free space without its carrier, (H, W).

    ``g(f) = -(2 pi / lambda) (lambda f)^2 / (1 + sqrt(1 - (lambda f)^2))``: the carrier
    exp(i k z) is left out, because k z is of the order 1e9 rad and would drown in
    single precision (Guzzi et al., Condensed Matter 2021, 6(4), 36, eq. 8 has it).
    Frequencies that the grid cannot carry are cut (Matsushima & Shimobaba, Optics
    Express 17, 19662, 2009); evanescent ones, too. Zero frequency first. With
    `derivative` dH/dz = i g H, in 1/m.

    Parameters
    ----------
    grid : (H, W)
        Pixels of the grid.
    pixel_size_m : (float, float)
        Pixel (y, x) in metres.
    wavelength_m : float
        Metres.
    distance_m : float
        Effective distance in metres; negative goes upstream.
    derivative : bool
        Whether to return dH/dz instead, in 1/m.

    Returns
    -------
    array (H, W) complex128
        Zero frequency first.
    """
    free_space = (pixel_size_m, wavelength_m, distance_m)
    return _mirrored(_quarter(grid, *free_space, derivative=derivative), grid)


def _quarter(
    grid: Shape,
    pixel_size_m: Pair,
    wavelength_m: float,
    distance_m: float,
    *,
    derivative: bool,
) -> NDArray[np.complex128]:
    """Return that of `angular_spectrum_kernel` for carried frequencies from 0 on.

    It is the same for either sign of both frequencies, and zero beyond these.
    """
    limits = band_limit(grid, pixel_size_m, wavelength_m, distance_m)
    fy, fx = (
        np.arange(min(int(limit * n * pixel), n // 2) + 1) / (n * pixel)
        for n, pixel, limit in zip(grid, pixel_size_m, limits, strict=True)
    )
    sine2 = wavelength_m**2 * (fy[:, None] ** 2 + fx**2)
    root = np.sqrt(np.maximum(1 - sine2, 0))
    g = -(2 * np.pi / wavelength_m) * sine2 / (1 + root)
    phase = torch.from_numpy(g * distance_m)
    size = torch.from_numpy((sine2 < 1).astype(np.float64))
    kernel: NDArray[np.complex128] = torch.polar(size, phase).numpy()
    return 1j * g * kernel if derivative else kernel


def band_limit(
    grid: Shape, pixel_size_m: Pair, wavelength_m: float, distance_m: float
) -> Pair:
    """Largest frequency (y, x) in 1/m whose kernel the grid samples.

    ``f = 1 / (lambda sqrt((2 z / (N pixel))^2 + 1))``, Matsushima & Shimobaba 2009,
    eq. 13.

    Parameters
    ----------
    grid : (H, W)
        Pixels of the grid.
    pixel_size_m : (float, float)
        Pixel (y, x) in metres.
    wavelength_m : float
        Metres.
    distance_m : float
        Metres; the sign does not matter.

    Returns
    -------
    (float, float)
        1/m.
    """
    fy, fx = (
        1 / (wavelength_m * math.hypot(2 * distance_m / (n * pixel), 1))
        for n, pixel in zip(grid, pixel_size_m, strict=True)
    )
    return fy, fx
