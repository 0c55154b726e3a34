"""First probes from the geometry or from the mean pattern, as numpy arrays (h, w)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_scicompty.optics import grids

if TYPE_CHECKING:
    from numpy.typing import NDArray

Pair = tuple[float, float]


def disc_probe(
    shape: tuple[int, int],
    pixel_size_m: Pair,
    radius_m: float,
    wavelength_m: float,
    focus_sample_m: float | None = None,
) -> NDArray[np.complex64]:
    """Make a disc with an edge one pixel soft, with the phase of a spherical wave.

    Parameters
    ----------
    shape : (h, w)
        Pixels of the view.
    pixel_size_m : (float, float)
        Object pixel (y, x) in metres.
    radius_m : float
        Radius of the disc in metres.
    wavelength_m : float
        Metres; it matters for the spherical wave only.
    focus_sample_m : float, optional
        Metres from the focus upstream to the sample (> 0: diverging); flat phase
        without it.

    Returns
    -------
    array (h, w) complex64
        1 within the disc, its middle at pixel (h // 2, w // 2).
    """
    y, x = grids.coordinates(shape, pixel_size_m)
    r2 = y**2 + x**2
    edge = min(pixel_size_m)
    amplitude = np.clip((radius_m - np.sqrt(r2)) / edge + 0.5, 0, 1)
    phase = np.zeros_like(r2)
    if focus_sample_m is not None:
        phase = np.pi * r2 / (wavelength_m * focus_sample_m)
    return (amplitude * np.exp(1j * phase)).astype(np.complex64)


def zone_plate_probe(
    shape: tuple[int, int],
    pixel_size_m: Pair,
    wavelength_m: float,
    aperture: tuple[float, float],
    defocus_m: float,
) -> NDArray[np.complex64]:
    """Make the field `defocus_m` behind the focus of a zone plate with a central stop.

    Parameters
    ----------
    shape : (h, w)
        Pixels of the view.
    pixel_size_m : (float, float)
        Object pixel (y, x) in metres.
    wavelength_m : float
        Metres.
    aperture : (float, float)
        Sines of the half angles of the stop and of the rim, as seen from the focus.
    defocus_m : float
        Metres from the focus downstream to the sample; negative: the sample lies
        before the focus.

    Returns
    -------
    array (h, w) complex64
        On the sample, in no special unit.
    """
    fy, fx = map(np.fft.fftshift, grids.frequencies(shape))
    sine = wavelength_m * np.hypot(fy / pixel_size_m[0], fx / pixel_size_m[1])
    pupil = ((sine >= aperture[0]) & (sine <= aperture[1])).astype(float)
    return defocused_pupil(pupil, pixel_size_m, wavelength_m, defocus_m)


class Aberrations(NamedTuple):
    """Aberrations of a lens, in Krivanek's notation."""

    defocus_m: float = 0.0
    """C10; > 0: the focus lies upstream of the sample."""
    astigmatism_m: float = 0.0
    """C12."""
    astigmatism_rad: float = 0.0
    """phi12, from x towards y."""
    spherical_m: float = 0.0
    """C30."""


def convergent_probe(
    shape: tuple[int, int],
    pixel_size_m: Pair,
    wavelength_m: float,
    semiangle_rad: float,
    aberrations: Aberrations,
) -> NDArray[np.complex64]:
    """Make the field of a round aperture with aberrations on the sample.

    ``fftshift(ifft2(ifftshift(aperture exp(-i chi))))`` with
    ``chi = 2 pi / wavelength (C10 t^2 / 2 + C12 t^2 cos(2 (phi - phi12)) / 2 +
    C30 t^4 / 4)``: t is the angle to the axis, wavelength times spatial frequency, and
    phi its azimuth. The notation is that of O. L. Krivanek, N. Dellby and A. R. Lupini,
    Ultramicroscopy 78 (1999) 1. The edge of the aperture is one pixel soft.

    Parameters
    ----------
    shape : (h, w)
        Pixels of the view.
    pixel_size_m : (float, float)
        Object pixel (y, x) in metres.
    wavelength_m : float
        Metres.
    semiangle_rad : float
        Angle of the aperture's rim to the axis.
    aberrations : Aberrations
        Metres, and an angle.

    Returns
    -------
    array (h, w) complex64
        On the sample, its middle at pixel (h // 2, w // 2), in no special unit.
    """
    fy, fx = map(np.fft.fftshift, grids.frequencies(shape))
    y, x = (wavelength_m * f / p for f, p in zip((fy, fx), pixel_size_m, strict=True))
    edge = wavelength_m / max(n * p for n, p in zip(shape, pixel_size_m, strict=True))
    angle2 = y**2 + x**2
    aperture = np.clip((semiangle_rad - np.sqrt(angle2)) / edge + 0.5, 0, 1)
    c10, c12, phi12, c30 = aberrations
    # t^2 cos(2 (phi - phi12)) without the azimuth itself
    astigmatic = (x**2 - y**2) * np.cos(2 * phi12) + 2 * x * y * np.sin(2 * phi12)
    path = c10 * angle2 / 2 + c12 * astigmatic / 2 + c30 * angle2**2 / 4
    phase = -2 * np.pi / wavelength_m * path
    spectrum = np.fft.ifftshift(aperture * np.exp(1j * phase))
    field: NDArray[np.complexfloating] = np.fft.fftshift(np.fft.ifft2(spectrum))
    return field.astype(np.complex64)


def defocused_pupil(
    pupil: NDArray[np.float64],
    pixel_size_m: Pair,
    wavelength_m: float,
    defocus_m: float,
) -> NDArray[np.complex64]:
    """Field at `defocus_m` behind the focus of a pupil amplitude.

    ``fftshift(ifft2(ifftshift(pupil) exp(i pi k f^2)))`` with f in cycles per pixel and
    k = -wavelength * defocus / pixel^2 in square pixels (negative = diverging).

    Parameters
    ----------
    pupil : (h, w)
        Amplitude over far-field angles, zero frequency in the middle.
    pixel_size_m : (float, float)
        Object pixel (y, x) in metres.
    wavelength_m : float
        Metres.
    defocus_m : float
        Metres; > 0 behind the focus, diverging.

    Returns
    -------
    array (h, w) complex64
        On the sample, its middle at pixel (h // 2, w // 2).
    """
    fy, fx = map(np.fft.fftshift, grids.frequencies(pupil.shape))
    k = -wavelength_m * defocus_m / np.square(pixel_size_m)
    phase = np.pi * (k[0] * fy**2 + k[1] * fx**2)
    spectrum = np.fft.ifftshift(pupil * np.exp(1j * phase))
    field: NDArray[np.complexfloating] = np.fft.fftshift(np.fft.ifft2(spectrum))
    return field.astype(np.complex64)
