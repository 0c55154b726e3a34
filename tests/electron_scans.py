"""Scans of electrons, simulated in float64 numpy, written apart from the package."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from napari_scicompty.core.geometry import Geometry
from napari_scicompty.data.scan import Scan

VOLTAGE_V, SEMIANGLE = 300e3, 2e-3


@dataclass(frozen=True, eq=False)
class ElectronScan:
    """A scan with what it was made of."""

    scan: Scan
    probe: np.ndarray
    """(h, w)."""
    object: np.ndarray
    """(H, W) on the canvas of which a view of position 0 begins at `corner`."""
    corner: int
    pixel_m: float


def electron_scan(
    defocus_m: float = 1.2e-6,
    *,
    side: int = 64,
    rows: int = 14,
    step_px: float = 3.0,
    turned_deg: float = 0.0,
    mirrored: bool = False,
    counts: float = 1e5,
    seed: int = 0,
) -> ElectronScan:
    """Scan a phase object with a defocused convergent beam, on a raster.

    The positions that are told are those of a scan that is mirrored in x and turned
    against the detector.
    """
    rng = np.random.default_rng(seed)
    wavelength = Geometry.from_voltage(VOLTAGE_V, 1, 1).wavelength_m
    pixel_rad = 2 * SEMIANGLE / (0.5 * side)  # the disc is half as wide as the frame
    geometry = Geometry(wavelength, 1.0, pixel_rad)
    pixel = wavelength / (side * pixel_rad)
    probe = defocused_beam(side, pixel, wavelength, defocus_m)
    raster = np.mgrid[:rows, :rows].reshape(2, -1).T * step_px
    raster = raster + rng.uniform(-0.4, 0.4, raster.shape)
    corner = side // 2
    size = int(np.ceil(raster.max())) + side + 2 * corner
    phase = ndimage.gaussian_filter(rng.normal(size=(size, size)), 2, mode="wrap")
    thing = np.exp(0.4j * phase / phase.std())
    spectrum = np.fft.fft2(thing)
    f = np.fft.fftfreq(size)
    patterns = []
    for y, x in raster + corner:
        shift = np.exp(2j * np.pi * (f[:, None] * y + f * x))
        view = np.fft.ifft2(spectrum * shift)[:side, :side]
        wave = np.fft.fftshift(np.fft.fft2(probe * view))
        patterns.append(np.abs(wave) ** 2)
    frames = np.array(patterns)
    frames = rng.poisson(frames * counts / frames.sum((1, 2)).mean())
    # What is done to the told positions gives those of the detector.
    angle = np.radians(turned_deg)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    ) @ np.diag([1.0, -1.0 if mirrored else 1.0])
    told = raster * pixel @ np.linalg.inv(turn).T
    scan = Scan(frames.astype(np.float32), told, geometry)
    return ElectronScan(scan, probe, thing, corner, pixel)


def defocused_beam(
    side: int, pixel_m: float, wavelength_m: float, defocus_m: float
) -> np.ndarray:
    """Sum plane waves of all directions of the aperture, each at its phase."""
    angles = (np.arange(side) - side // 2) * wavelength_m / (side * pixel_m)
    t2 = angles[:, None] ** 2 + angles**2
    soft = (SEMIANGLE - np.sqrt(t2)) / (angles[1] - angles[0]) + 0.5
    wave = np.clip(soft, 0, 1) * np.exp(-1j * np.pi * defocus_m * t2 / wavelength_m)
    grid = np.arange(side) - side // 2
    kernel = np.exp(2j * np.pi * np.outer(grid, grid) / side)
    return kernel @ wave @ kernel.T / side**2
