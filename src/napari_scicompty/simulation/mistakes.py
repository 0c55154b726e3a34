"""Mistakes: what the scan is told differs from what was done."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.settings import Settings, setting
from napari_scicompty.simulation._grid import generator

if TYPE_CHECKING:
    from typing import TypeVar

    Scalar = TypeVar("Scalar", bound=np.generic)
    from numpy.typing import NDArray

    from napari_scicompty.core.geometry import Geometry


class Mistakes(Settings):
    """What is wrong with positions, geometry and orientation; nothing by default."""

    gaussian_px: float = setting(
        0.0, "Normal error of positions (rms along each axis)", unit="px", ge=0
    )
    uniform_px: float = setting(
        0.0, "Even error of positions: its whole range along each axis", unit="px", ge=0
    )
    drift_px: float = setting(
        0.0, "Steady drift from the first to the last position", unit="px", ge=0
    )
    scale: float = setting(1.0, "Factor on all positions", gt=0, le=10)
    rotation_rad: float = setting(
        0.0, "Turn of the scan against the detector", unit="rad", ge=-7, le=7
    )
    shear: float = setting(0.0, "Share of y that is added to x", ge=-1, le=1)
    distance_error: float = setting(
        0.0, "Error of the distance, as a share: 0.3 is 30 % too far", gt=-1, le=10
    )
    wavelength_error: float = setting(
        0.0, "Error of the wavelength, as a share", gt=-1, le=10
    )
    flip_y: bool = setting(False, "Positions have the sign of y changed")
    flip_x: bool = setting(False, "Positions have the sign of x changed")
    transpose: bool = setting(False, "Patterns have rows and columns swapped")
    flip_rows: bool = setting(False, "Patterns are upside down")
    flip_columns: bool = setting(False, "Patterns are mirrored left to right")

    def told_positions(
        self, positions_m: NDArray[np.float64], pixel_m: float, seed: int
    ) -> NDArray[np.float64]:
        """Positions (n, 2) that the scan is told, around the same middle.

        Parameters
        ----------
        positions_m : array (n, 2)
            True ones, (y, x) in metres.
        pixel_m : float
            Object pixel in metres, the unit of the errors.
        seed : int
            Of everything that is random.

        Returns
        -------
        array (n, 2) float64
            (y, x) in metres.
        """
        rng = generator(seed, "mistakes")
        middle = positions_m.mean(0)
        cos, sin = math.cos(self.rotation_rad), math.sin(self.rotation_rad)
        turn = self.scale * np.array([[cos, sin], [-sin, cos]])  # acts on (y, x)
        change = turn @ np.array([[1.0, 0.0], [self.shear, 1.0]]) - np.eye(2)
        error = rng.normal(0, self.gaussian_px, positions_m.shape)
        error += rng.uniform(-0.5, 0.5, positions_m.shape) * self.uniform_px
        heading = rng.uniform(0, 2 * math.pi)
        drift = np.linspace(0, self.drift_px, len(positions_m))[:, None]
        error += drift * [math.sin(heading), math.cos(heading)]
        told = positions_m + (positions_m - middle) @ change.T + error * pixel_m
        return told * [-1 if self.flip_y else 1, -1 if self.flip_x else 1]

    def told_geometry(self, geometry: Geometry) -> Geometry:
        """Geometry that the scan is told.

        Parameters
        ----------
        geometry : Geometry
            The true one.

        Returns
        -------
        Geometry
            With distance and wavelength wrong.
        """
        return geometry.replace(
            distance_m=geometry.distance_m * (1 + self.distance_error),
            wavelength_m=geometry.wavelength_m * (1 + self.wavelength_error),
        )

    def told_frames(self, frames: NDArray[Scalar]) -> NDArray[Scalar]:
        """Frames (..., h, w) as the scan is given them.

        Parameters
        ----------
        frames : array (..., h, w)
            Patterns, or a mask.

        Returns
        -------
        array
            Turned, of the same type.
        """
        if self.transpose:
            frames = np.swapaxes(frames, -2, -1)
        if self.flip_rows:
            frames = np.flip(frames, -2)
        if self.flip_columns:
            frames = np.flip(frames, -1)
        return np.ascontiguousarray(frames)

    @property
    def made(self) -> tuple[str, ...]:
        """Names of the mistakes that are made."""
        fields = type(self).model_fields
        return tuple(name for name, value in self if value != fields[name].default)
