"""The grid of one view, and what is drawn on it: smooth, in float64."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, special

from napari_scicompty.optics import grids

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape = tuple[int, int]

SMOOTHING_PX = 1.0
"""Standard deviation of the Gaussian that objects and beams are smoothed with.

The spectrum of an exit wave is that of the object convolved with that of the beam; what
lies beyond the band of the pixels would be light beside the detector, which no model on
these pixels can explain.
"""


@dataclass(frozen=True)
class Grid:
    """One view of the sample: its pixels, and the wave that lights it."""

    shape: Shape
    """Pixels (h, w)."""
    pixel_m: float
    """Object pixel; it is square."""
    wavelength_m: float
    focus_sample_m: float | None
    """Focus of the wave, upstream > 0; None where the wave is flat on this grid."""

    @property
    def side_m(self) -> float:
        """Length of the shorter side of the view."""
        return min(self.shape) * self.pixel_m

    def coordinates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(y, x) in metres, as a column and a row, zero at the zero pixel."""
        return grids.coordinates(self.shape, (self.pixel_m, self.pixel_m))

    def disc(self, radius_m: float) -> NDArray[np.float64]:
        """Disc with an edge that is smooth over about two pixels, shape (h, w)."""
        inside = (radius_m - np.hypot(*self.coordinates())) / self.pixel_m
        return np.asarray(special.expit(inside / 0.8))

    def wavefront(self) -> NDArray[np.complex128]:
        """Phase factor exp(i pi r^2 / (lambda fs)) of the spherical wave, (h, w)."""
        if self.focus_sample_m is None:
            return np.ones(self.shape, complex)
        y, x = self.coordinates()
        turn = (y**2 + x**2) / (self.wavelength_m * self.focus_sample_m)
        return np.asarray(np.exp(1j * np.pi * turn))


def generator(seed: int, part: str) -> np.random.Generator:
    """Random generator of one part: more noise does not change the object."""
    return np.random.default_rng([seed, zlib.crc32(part.encode())])


def smoothed(field: NDArray[np.complexfloating]) -> NDArray[np.complex128]:
    """Convolve a field (H, W) with a Gaussian of `SMOOTHING_PX`, periodically."""
    fy, fx = grids.frequencies(field.shape)
    kernel = np.exp(-2 * np.pi**2 * SMOOTHING_PX**2 * (fy**2 + fx**2))
    return np.asarray(fft.ifft2(fft.fft2(field) * kernel))


def clouds(
    shape: Shape, rng: np.random.Generator, exponent: float = 1.5
) -> NDArray[np.float64]:
    """Random texture with a 1/f^exponent spectrum, values 0 to 1, shape (H, W)."""
    f = np.hypot(*grids.frequencies(shape))
    spectrum = fft.fft2(rng.normal(size=shape))
    spectrum /= np.maximum(f, 0.5 / max(shape)) ** exponent
    spectrum[0, 0] = 0
    field = fft.ifft2(spectrum).real
    low, high = np.percentile(field, (0.5, 99.5))
    return np.asarray(np.clip((field - low) / (high - low), 0, 1))
