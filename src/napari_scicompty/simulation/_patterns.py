"""Diffraction patterns in float64, apart from the engine's code.

The engine works on the pixels of the object and moves the probe or the object by its
own interpolation. Here the object is moved, as a band-limited function. In far field
the exit wave is made on pixels half as large, and light beside the detector is lost, as
it is in an experiment. In near field the free-space kernel is made on a grid that holds
all of its spread.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, special

from napari_scicompty.optics.grids import frequencies

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_scicompty.core.geometry import Geometry

PAD = 16
"""Pixels around a view that take part in moving it, faded out towards their rim."""

_FINER = 2
"""Pixels of the exit wave for one of the object, along each axis, in far field."""

_LARGEST_KERNEL = 8192


def patterns_of(
    geometry: Geometry,
    transmission: NDArray[np.complexfloating],
    probe: NDArray[np.complexfloating],
    corners: NDArray[np.float64],
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float64]:
    """Intensities (n, h, w) at top-left corners (n, 2) of views, in pixels.

    Far field: zero frequency in the middle. Near field: as seen. Each view must have
    `PAD` pixels of the object around it.

    Parameters
    ----------
    geometry : Geometry
        Far or near field.
    transmission : array (H, W) complex
        The object on its canvas.
    probe : array (modes, h, w) complex
        The same at every position.
    corners : array (n, 2)
        (y, x) in pixels of the canvas.
    progress : callable, optional
        Called with (done, planned) after each pattern.
    """
    intensity = (
        _far_field(probe)
        if geometry.propagation == "far-field"
        else _near_field(probe, geometry)
    )
    finer = _FINER if geometry.propagation == "far-field" else 1
    h, w = probe.shape[-2:]
    patterns = np.empty((len(corners), h, w))
    for j, corner in enumerate(corners):
        patterns[j] = intensity(moved_view(transmission, corner, (h, w), finer))
        if progress is not None:
            progress(j + 1, len(corners))
    return patterns


def moved_view(
    transmission: NDArray[np.complexfloating],
    corner: NDArray[np.float64],
    view: tuple[int, int],
    finer: int = 1,
) -> NDArray[np.complex128]:
    """View of the object whose corner lies between pixels, (h * finer, w * finer).

    A wider piece is faded out at its rim, so that its Fourier shift does not ring.
    """
    whole = np.floor(corner).astype(int)
    part = corner - whole
    size = [n + 2 * PAD for n in view]
    y, x = whole - PAD
    piece = np.asarray(transmission[y : y + size[0], x : x + size[1]], complex)
    level = piece.mean()
    fade = _fade(size[0])[:, None] * _fade(size[1])[None, :]
    fy, fx = frequencies(piece.shape)
    turn = np.exp(2j * np.pi * (fy * part[0] + fx * part[1]))
    moved = _refined(fft.fft2((piece - level) * fade) * turn, finer) + level
    rim = PAD * finer
    return moved[rim : rim + view[0] * finer, rim : rim + view[1] * finer]


def _fade(length: int) -> NDArray[np.float64]:
    """One in the middle, smoothly to zero over `PAD` samples at both ends."""
    u = (np.arange(PAD) + 0.5) / PAD
    rise = special.expit(1 / (1 - u) - 1 / u)
    return np.concatenate([rise, np.ones(length - 2 * PAD), rise[::-1]])


def _refined(spectrum: NDArray[np.complex128], finer: int) -> NDArray[np.complex128]:
    """Field (..., h, w) of a spectrum, on pixels `finer` times smaller."""
    h, w = spectrum.shape[-2:]
    rim = [(0, 0)] * (spectrum.ndim - 2)
    for n in (h, w):
        more = (finer - 1) * n
        before = (finer * n) // 2 - n // 2
        rim.append((before, more - before))
    wide = np.pad(fft.fftshift(spectrum, (-2, -1)), rim)
    return np.asarray(fft.ifft2(fft.ifftshift(wide, (-2, -1))) * finer**2)


def _far_field(
    probe: NDArray[np.complexfloating],
) -> Callable[[NDArray[np.complex128]], NDArray[np.float64]]:
    """Fraunhofer intensity of a finer view; what falls beside the detector is lost."""
    h, w = probe.shape[-2:]
    fine = _refined(fft.fft2(probe), _FINER)
    top, left = (_FINER * h) // 2 - h // 2, (_FINER * w) // 2 - w // 2
    scale = 1 / (_FINER**2 * math.sqrt(h * w))

    def intensity(view: NDArray[np.complex128]) -> NDArray[np.float64]:
        wave = fft.fftshift(fft.fft2(fine * view), (-2, -1)) * scale
        seen = wave[:, top : top + h, left : left + w]
        return np.asarray((seen.real**2 + seen.imag**2).sum(0))

    return intensity


def _near_field(
    probe: NDArray[np.complexfloating], geometry: Geometry
) -> Callable[[NDArray[np.complex128]], NDArray[np.float64]]:
    """Intensity behind free space; the image of a focus downstream is inverted."""
    h, w = probe.shape[-2:]
    kernel = _free_space(geometry, (h, w))
    inverted = geometry.magnification < 0

    def intensity(view: NDArray[np.complex128]) -> NDArray[np.float64]:
        spectrum = fft.fft2(probe * view, s=kernel.shape) * kernel
        seen = fft.ifft2(spectrum)[:, :h, :w]
        light = (seen.real**2 + seen.imag**2).sum(0)
        return np.asarray(light[::-1, ::-1] if inverted else light)

    return intensity


def _free_space(geometry: Geometry, shape: tuple[int, int]) -> NDArray[np.complex128]:
    """Spectrum of the free-space kernel for linear convolution, (2 h, 2 w).

    The kernel is ``F^-1 exp(i z (sqrt(k^2 - (2 pi f)^2) - k))`` on a grid of at least
    ``lambda z / pixel^2 + 2 W`` and 4 W pixels, on which nothing wraps around, cut to
    the distances between two pixels of a view: from view to detector that is the same
    as propagating on the large grid.
    """
    pixel = geometry.pixel_size_m(shape)
    z, wavelength = geometry.effective_distance_m, geometry.wavelength_m
    grid, axes = [], []
    for n, p in zip(shape, pixel, strict=True):
        spread = math.ceil(wavelength * abs(z) / p**2)
        size = fft.next_fast_len(min(max(4 * n, spread + 2 * n), _LARGEST_KERNEL))
        limit = 1 / (wavelength * math.hypot(2 * z / (size * p), 1))
        f = fft.fftfreq(size, p)
        grid.append(size)
        axes.append(np.where(np.abs(f) <= limit, f, np.nan))
    sine2 = wavelength**2 * (axes[0][:, None] ** 2 + axes[1][None, :] ** 2)
    carried = sine2 < 1  # not where it is nan, beyond the band of the grid
    sine2 = np.where(carried, sine2, 0)
    phase = -2 * np.pi * z / wavelength * sine2 / (1 + np.sqrt(1 - sine2))
    impulse = fft.ifft2(np.where(carried, np.exp(1j * phase), 0))
    near = [np.r_[0:n, g - n : g] for n, g in zip(shape, grid, strict=True)]
    return np.asarray(fft.fft2(impulse[np.ix_(near[0], near[1])]))
