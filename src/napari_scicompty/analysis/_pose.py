"""An estimate in any pose: moved, ramped, enlarged, free of what lies outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from napari_scicompty.optics.grids import coordinates, zero_pixel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.complexfloating]
    Mask = NDArray[np.bool_]
    Complex = NDArray[np.complex128]
    Real = NDArray[np.float64]

MARGIN = 16
"""Pixels over which the outside of the lit region fades into the mean."""

RIM = 2
"""Pixels at the rim of the lit region that interpolation spoils."""


@dataclass(frozen=True, eq=False)
class Pose:
    """What is done to the estimate."""

    shift: Real
    ramp: Real
    magnification: float


class Mover:
    """The estimate, continued beyond its lit region, in any pose; padded by MARGIN."""

    def __init__(self, estimate: Field, lit: Mask) -> None:
        self.lit = np.pad(lit, MARGIN)
        self._field = _continued(np.pad(estimate.astype(complex), MARGIN), self.lit)
        self.middle = np.array([zero_pixel(n) for n in self.lit.shape], float)
        self.y, self.x = coordinates(self.lit.shape)
        self._frequencies = [fft.fftfreq(n) for n in self.lit.shape]
        self._magnification = 1.0
        self._spectrum = fft.fft2(self._field)

    def moved(self, pose: Pose, *, slopes: bool = False) -> list[Complex]:
        """Return the field in this pose; with `slopes`, its slopes along y and x too.

        The slopes are those of the moved field before the ramp, times the ramp.
        """
        if pose.magnification != self._magnification:
            self._magnification = pose.magnification
            self._spectrum = fft.fft2(self._enlarged(self._field, pose, 5))
        fy, fx = self._frequencies
        spectrum = self._spectrum * phase_turn(fy, fx, -pose.shift)
        spectra = [spectrum]
        if slopes:
            spectra += [2j * np.pi * f * spectrum for f in (fy[:, None], fx[None, :])]
        turn = phase_turn(self.y[:, 0], self.x[0], pose.ramp)
        return [fft.ifft2(s) * turn for s in spectra]

    def trusted(self, pose: Pose) -> Mask:
        """Where the moved estimate comes from its lit region, less a rim of RIM."""
        lit = self._enlarged(self.lit.astype(float), pose, 1)
        inside = ndimage.shift(lit, pose.shift, order=1) > 0.99
        return np.asarray(ndimage.binary_erosion(inside & self.lit, iterations=RIM))

    def _enlarged(
        self, values: NDArray[np.generic], pose: Pose, order: int
    ) -> NDArray[np.generic]:
        if pose.magnification == 1:
            return np.asarray(values)
        shrink = 1 / pose.magnification
        offset = self.middle * (1 - shrink)
        return np.asarray(
            ndimage.affine_transform(
                values, np.full(2, shrink), offset, order=order, mode="nearest"
            )
        )


def phase_turn(y: Real, x: Real, slope: tuple[float, float] | Real) -> Complex:
    """exp(2 pi i (y slope_y + x slope_x)) on the grid of two axes."""
    return np.asarray(
        np.exp(2j * np.pi * slope[0] * y)[:, None]
        * np.exp(2j * np.pi * slope[1] * x)[None, :]
    )


def _continued(field: Complex, lit: Mask) -> Complex:
    """Go on from the rim of the lit region, and fade into its mean.

    Blurred by a pixel, or the seams of the continuation would ring into the lit region:
    1 - |C| of a shifted, otherwise equal object falls from 4e-5 to 6e-6.
    """
    away, nearest = ndimage.distance_transform_edt(~lit, return_indices=True)
    fade = 0.5 + 0.5 * np.cos(np.pi * np.minimum(away / MARGIN, 1))
    mean = field[lit].mean()
    beyond = mean + (field[tuple(nearest)] - mean) * fade
    return np.where(lit, field, ndimage.gaussian_filter(beyond, 1.0))
