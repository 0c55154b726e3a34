"""Propagators: the exit wave to the detector and back; the table names them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch

from napari_scicompty.core.errors import InputError
from napari_scicompty.optics.near_field import AngularSpectrum, band_limit, padded_grid

if TYPE_CHECKING:
    from typing import TypeVar

    Scalar = TypeVar("Scalar", bound=np.generic)
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.core.geometry import Geometry

Shape = tuple[int, int]
Pair = tuple[float, float]

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
        """D{psi}: the wave on the detector.

        Parameters
        ----------
        exit_wave : Tensor (..., h, w) complex
            psi = P o, behind the sample.

        Returns
        -------
        Tensor (..., h, w) complex
            Psi, in the propagator's order.
        """
        ...

    def backward(self, wave: Tensor) -> Tensor:
        """D^-1{Psi}: the exit wave of a wave that is zero outside the detector.

        Parameters
        ----------
        wave : Tensor (..., h, w) complex
            Psi, in the propagator's order.

        Returns
        -------
        Tensor (..., h, w) complex
            Behind the sample.
        """
        ...

    def slope(self, exit_wave: Tensor, gradient: Tensor) -> Tensor:
        """Re <gradient, dD{psi}/dz>: how a loss changes with the effective distance.

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
        ...


class FarField:
    """Fraunhofer propagation: an orthonormal Fourier transform.

    The zero frequency is at [0, 0]; the exit wave is not shifted, because the modulus
    cannot see a shift.
    """

    sees_shifts = False

    def forward(self, exit_wave: Tensor) -> Tensor:
        """D{psi} = F{psi}.

        Parameters
        ----------
        exit_wave : Tensor (..., h, w) complex
            psi = P o, behind the sample.

        Returns
        -------
        Tensor (..., h, w) complex
            Psi, in the propagator's order.
        """
        return torch.fft.fft2(exit_wave, norm="ortho")

    def backward(self, wave: Tensor) -> Tensor:
        """D^-1{Psi} = F^-1{Psi}.

        Parameters
        ----------
        wave : Tensor (..., h, w) complex
            Psi, in the propagator's order.

        Returns
        -------
        Tensor (..., h, w) complex
            Behind the sample.
        """
        return torch.fft.ifft2(wave, norm="ortho")

    def slope(self, exit_wave: Tensor, gradient: Tensor) -> Tensor:
        """Zero: the distance only rescales the pixel of the object.

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
        del gradient
        return exit_wave.real.new_zeros(())


def wave_grid(geometry: Geometry, shape: Shape) -> Shape:
    """Grid on which a view of `shape` is propagated.

    Parameters
    ----------
    geometry : Geometry
        How it was measured.
    shape : (h, w)
        Pixels of the view.

    Returns
    -------
    (int, int)
        Pixels (y, x); in far field those of the view.
    """
    if geometry.propagation == "far-field":
        return shape
    pixel = geometry.pixel_size_m(shape)
    reach = (geometry.wavelength_m, geometry.effective_distance_m)
    return padded_grid(shape, pixel, *reach)


def carried_share(geometry: Geometry, shape: Shape) -> float:
    """Share of the view's frequencies that reach the detector; 1 is all of them.

    Parameters
    ----------
    geometry : Geometry
        How it was measured.
    shape : (h, w)
        Pixels of the view.

    Returns
    -------
    float
        0 to 1, of the axis on which fewer do.
    """
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
    """In words."""
    make: Callable[[Geometry, Shape, torch.device | None], Propagator]
    """Makes it for views of a shape, on a device."""


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
    """Name of the geometry's line in `PROPAGATORS`.

    Parameters
    ----------
    geometry : Geometry
        How it was measured.

    Returns
    -------
    str
        ``"far-field"`` for one, with ``"-cone"`` behind a focus.
    """
    cone = "" if geometry.focus_sample_m is None else "-cone"
    return geometry.propagation + cone


def propagator_for(
    geometry: Geometry, shape: Shape, device: torch.device | None = None
) -> Propagator:
    """Make the propagator of a geometry for views of `shape` (h, w).

    Parameters
    ----------
    geometry : Geometry
        How it was measured.
    shape : (h, w)
        Pixels of the view.
    device : torch.device, optional
        Where it computes; the CPU when left out.

    Returns
    -------
    Propagator
        D, and back.

    Raises
    ------
    InputError
        A near field in which next to nothing of the object reaches the detector.
    """
    return PROPAGATORS[kind_of(geometry)].make(geometry, shape, device)


def check_carried(geometry: Geometry, shape: Shape) -> None:
    """Refuse a near field in which next to nothing of the object is seen.

    Parameters
    ----------
    geometry : Geometry
        How it was measured.
    shape : (h, w)
        Pixels of the view.

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

    Parameters
    ----------
    geometry : Geometry
        How it was measured.
    shape : (h, w)
        Pixels of the view.

    Returns
    -------
    float
        Metres; infinite in far field.
    """
    if geometry.propagation == "far-field":
        return math.inf
    pixel = geometry.pixel_size_m(shape)
    side = min(n * p**2 for n, p in zip(shape, pixel, strict=True))
    # So far away the grid has 2 W pixels, and the share 2 f p of `carried_share`, with
    # f of `band_limit`, comes to 2 W p^2 / (lambda z).
    return 0.999 * 2 * side / (LEAST_CARRIED * geometry.wavelength_m)


def detector_order(frames: NDArray[Scalar], geometry: Geometry) -> NDArray[Scalar]:
    """Bring frames (..., h, w) as a scan holds them into the propagator's order.

    Far field: the zero frequency goes from the middle to [0, 0]. Near field: as seen.

    Parameters
    ----------
    frames : array (..., h, w)
        Patterns, or a mask.
    geometry : Geometry
        How it was measured.

    Returns
    -------
    array (..., h, w)
        In near field the same array.
    """
    if geometry.propagation == "near-field":
        return frames
    return np.fft.ifftshift(frames, axes=(-2, -1))


def scan_order(frames: NDArray[Scalar], geometry: Geometry) -> NDArray[Scalar]:
    """Bring frames (..., h, w) from the propagator's order into the scan's.

    Parameters
    ----------
    frames : array (..., h, w)
        Patterns, or a mask.
    geometry : Geometry
        How it was measured.

    Returns
    -------
    array (..., h, w)
        In near field the same array.
    """
    if geometry.propagation == "near-field":
        return frames
    return np.fft.fftshift(frames, axes=(-2, -1))
