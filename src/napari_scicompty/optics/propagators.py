"""Propagators: the exit wave to the detector and back; the table names them."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from scipy.fft import next_fast_len

from napari_scicompty.core.errors import InputError
from napari_scicompty.optics import grids

if TYPE_CHECKING:
    from typing import TypeVar

    Scalar = TypeVar("Scalar", bound=np.generic)
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.core.geometry import Geometry

Shape = tuple[int, int]
Pair = tuple[float, float]

LARGEST_KERNEL = 8192
"""Pixels of the largest grid on which free space is computed, once a run."""

LEAST_CARRIED = 0.1
"""Share of the object's frequencies below which near-field propagation is refused."""


class Propagator(Protocol):
    """A linear map D between exit waves and detector waves, both (..., h, w).

    `backward` is the adjoint of `forward`. It is the inverse, too, as far as light
    stays on the detector: always in far field.
    """

    sees_shifts: bool
    """Whether a shift of the exit wave changes the intensities on the detector."""

    def forward(self, exit_wave: Tensor) -> Tensor:
        """D{psi}: the wave on the detector."""
        ...

    def backward(self, wave: Tensor) -> Tensor:
        """D^-1{Psi}: the exit wave of a wave that is zero outside the detector."""
        ...

    def slope(self, exit_wave: Tensor, gradient: Tensor) -> Tensor:
        """Re <gradient, dD{psi}/dz>: how a loss changes with the effective distance."""
        ...


class FarField:
    """Fraunhofer propagation: an orthonormal Fourier transform.

    The zero frequency is at [0, 0]; the exit wave is not shifted, because the modulus
    cannot see a shift.
    """

    sees_shifts = False

    def forward(self, exit_wave: Tensor) -> Tensor:
        """D{psi} = F{psi}."""
        return torch.fft.fft2(exit_wave, norm="ortho")

    def backward(self, wave: Tensor) -> Tensor:
        """D^-1{Psi} = F^-1{Psi}."""
        return torch.fft.ifft2(wave, norm="ortho")

    def slope(self, exit_wave: Tensor, gradient: Tensor) -> Tensor:
        """Zero: the distance only rescales the pixel of the object."""
        del gradient
        return exit_wave.real.new_zeros(())


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
    distance_m : float
        Effective distance; negative goes upstream.
    inverted : bool
        The focus lies between sample and detector: the image is upside down.
    device : torch.device, optional
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
        """D{psi}, shape (..., h, w)."""
        wave = self._through(exit_wave, self._kernel)
        return wave.flip((-2, -1)) if self.inverted else wave

    def backward(self, wave: Tensor) -> Tensor:
        """D^-1{Psi on the detector, 0 outside}, shape (..., h, w)."""
        upright = wave.flip((-2, -1)) if self.inverted else wave
        return self._through(upright, self._adjoint)

    def slope(self, exit_wave: Tensor, gradient: Tensor) -> Tensor:
        """Re <gradient, dD{psi}/dz>: how a loss changes with the distance."""
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
    kernel = angular_spectrum_kernel(
        (large[0], large[1]), *free_space, derivative=derivative
    )
    rows, columns = (
        np.r_[0 : (n + 1) // 2, size - n // 2 : size]
        for n, size in zip(grid, large, strict=True)
    )
    impulse: NDArray[np.complex128] = np.fft.ifft2(kernel)[np.ix_(rows, columns)]
    return np.fft.fft2(impulse)


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
    """
    fy, fx = grids.frequencies(grid, pixel_size_m)
    limits = band_limit(grid, pixel_size_m, wavelength_m, distance_m)
    sine2 = wavelength_m**2 * (fy**2 + fx**2)
    carried = (np.abs(fy) <= limits[0]) & (np.abs(fx) <= limits[1])
    carried &= sine2 < 1
    root = np.sqrt(np.where(carried, 1 - sine2, 1))
    g = -(2 * np.pi / wavelength_m) * sine2 / (1 + root)
    kernel = np.where(carried, np.exp(1j * g * distance_m), 0)
    return 1j * g * kernel if derivative else kernel


def band_limit(
    grid: Shape, pixel_size_m: Pair, wavelength_m: float, distance_m: float
) -> Pair:
    """Largest frequency (y, x) in 1/m whose kernel the grid samples.

    ``f = 1 / (lambda sqrt((2 z / (N pixel))^2 + 1))``, Matsushima & Shimobaba 2009,
    eq. 13.
    """
    fy, fx = (
        1 / (wavelength_m * math.hypot(2 * distance_m / (n * pixel), 1))
        for n, pixel in zip(grid, pixel_size_m, strict=True)
    )
    return fy, fx


def wave_grid(geometry: Geometry, shape: Shape) -> Shape:
    """Grid on which a view of `shape` is propagated."""
    if geometry.propagation == "far-field":
        return shape
    pixel = geometry.pixel_size_m(shape)
    reach = (geometry.wavelength_m, geometry.effective_distance_m)
    return padded_grid(shape, pixel, *reach)


def carried_share(geometry: Geometry, shape: Shape) -> float:
    """Share of the view's frequencies that reach the detector; 1 is all of them."""
    if geometry.propagation == "far-field":
        return 1.0
    pixel = geometry.pixel_size_m(shape)
    reach = (geometry.wavelength_m, geometry.effective_distance_m)
    limits = band_limit(wave_grid(geometry, shape), pixel, *reach)
    return min(1.0, *(2 * f * p for f, p in zip(limits, pixel, strict=True)))


# -- the table ----------------------------------------------------------------------
class Propagation(NamedTuple):
    """One line of the table: what the user is told, and how it is made."""

    title: str
    make: Callable[[Geometry, Shape, torch.device | None], Propagator]


def _far_field(
    geometry: Geometry, shape: Shape, device: torch.device | None
) -> Propagator:
    del geometry, shape, device
    return FarField()


def _near_field(
    geometry: Geometry, shape: Shape, device: torch.device | None
) -> Propagator:
    check_carried(geometry, shape)
    return AngularSpectrum(
        shape,
        geometry.pixel_size_m(shape),
        geometry.wavelength_m,
        geometry.effective_distance_m,
        inverted=geometry.magnification < 0,
        device=device,
    )


PROPAGATORS: dict[str, Propagation] = {
    "far-field": Propagation("Far field (Fraunhofer)", _far_field),
    "far-field-cone": Propagation(
        "Far field, cone beam (the probe carries the spherical phase)", _far_field
    ),
    "near-field": Propagation("Near field, parallel beam", _near_field),
    "near-field-cone": Propagation(
        "Near field, point source (Fresnel scaling)", _near_field
    ),
}
"""Kind of geometry -> how its waves reach the detector."""


def kind_of(geometry: Geometry) -> str:
    """Name of the geometry's line in `PROPAGATORS`."""
    cone = "" if geometry.focus_sample_m is None else "-cone"
    return geometry.propagation + cone


def propagator_for(
    geometry: Geometry, shape: Shape, device: torch.device | None = None
) -> Propagator:
    """Make the propagator of a geometry for views of `shape` (h, w).

    Raises
    ------
    InputError
        A near field in which next to nothing of the object reaches the detector.
    """
    return PROPAGATORS[kind_of(geometry)].make(geometry, shape, device)


def check_carried(geometry: Geometry, shape: Shape) -> None:
    """Refuse a near field in which next to nothing of the object is seen.

    Raises
    ------
    InputError
        With the largest distance that works.
    """
    share = carried_share(geometry, shape)
    if share >= LEAST_CARRIED:
        return
    largest = farthest_m(geometry, shape)
    raise InputError(
        f"Geometry.propagation is 'near-field', but at the effective distance of "
        f"{geometry.effective_distance_m:.4g} m only {share:.1%} of the object's "
        f"frequencies reach a detector of {shape[0]} x {shape[1]} pixels (Fresnel "
        f"number {geometry.fresnel_number(shape):.2g}): this is the far field, choose "
        f"propagation='far-field'; near field works up to an effective distance of "
        f"{largest:.3g} m, or check wavelength, distances and pixel"
    )


def farthest_m(geometry: Geometry, shape: Shape) -> float:
    """Largest effective distance at which near field works for views of `shape`.

    It is the one of `check_carried`, less a little that rounding may take.
    """
    if geometry.propagation == "far-field":
        return math.inf
    pixel = geometry.pixel_size_m(shape)
    side = min(n * p**2 for n, p in zip(shape, pixel, strict=True))
    return 0.999 * 2 * side / (LEAST_CARRIED * geometry.wavelength_m)


def detector_order(frames: NDArray[Scalar], geometry: Geometry) -> NDArray[Scalar]:
    """Bring frames (..., h, w) as a scan holds them into the propagator's order.

    Far field: the zero frequency goes from the middle to [0, 0]. Near field: as seen.
    """
    if geometry.propagation == "near-field":
        return frames
    return np.fft.ifftshift(frames, axes=(-2, -1))


def scan_order(frames: NDArray[Scalar], geometry: Geometry) -> NDArray[Scalar]:
    """Bring frames (..., h, w) from the propagator's order into the scan's."""
    if geometry.propagation == "near-field":
        return frames
    return np.fft.fftshift(frames, axes=(-2, -1))
