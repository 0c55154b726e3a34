"""A scan that converges slowly: dense texture under a curved disc of light."""

from __future__ import annotations

import numpy as np
from skimage import data as pictures
from skimage.transform import resize

import napari_scicompty as sc

SIDE, STEP, ACROSS, MARGIN = 128, 22, 10, 8
RADIUS_PX, CURVATURE_PX2 = 38, 900.0
GEOMETRY = sc.Geometry(1e-10, 1.0, 75e-6)


def hard_set(
    modes: int = 1, *, seed: int = 7, peak: float = 1e7
) -> tuple[sc.Scan, sc.Truth]:
    """Simulate it: 100 positions at fractions of pixels, 128 x 128 pixels.

    Parameters
    ----------
    modes : int
        Of the probe, 1 or 3.
    seed : int
        Of positions and noise.
    peak : float
        Counts at the brightest pixel of the mean pattern.
    """
    rng = np.random.default_rng(seed)
    magnitude, phase = (
        resize(picture(), (420, 420), anti_aliasing=True)
        for picture in (pictures.grass, pictures.brick)
    )
    object = (0.6 + 0.4 * magnitude / magnitude.max()) * np.exp(
        0.6j * (phase - phase.mean()) / phase.std()
    )
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    disc = 1 / (1 + np.exp((np.hypot(y, x) - RADIUS_PX) / 2))
    first = disc * np.exp(1j * np.pi * (x**2 + y**2) / CURVATURE_PX2)
    others = (0.55 * first * x / RADIUS_PX, 0.4 * first * y / RADIUS_PX)
    probe = np.array([first, *others][:modes])
    grid = np.stack(np.mgrid[:ACROSS, :ACROSS], -1).reshape(-1, 2) * STEP
    positions = 30 + grid + rng.uniform(-3, 3, grid.shape)
    stack = np.array([_pattern(object, probe, position) for position in positions])
    power = peak / stack.mean(0).max()
    patterns = rng.poisson(stack * power).astype(np.float32)
    pixel = GEOMETRY.pixel_size_m((SIDE, SIDE))
    scan = sc.Scan(patterns, positions * pixel, GEOMETRY)
    truth = sc.Truth(
        object=object.astype(np.complex64),
        probe=(probe * np.sqrt(power)).astype(np.complex64),
        positions_m=scan.positions_m,
        distance_m=GEOMETRY.distance_m,
        origin_m=(0.0, 0.0),
        pixel_size_m=pixel,
        geometry=GEOMETRY,
    )
    return scan, truth


def disc_start() -> sc.DiscProbe:
    """Return a flat disc of the beam's radius."""
    return sc.DiscProbe(RADIUS_PX * GEOMETRY.pixel_size_m((SIDE, SIDE))[0])


def _pattern(object: np.ndarray, probe: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Return the intensity of a view whose fraction of a pixel is shifted exactly."""
    whole = np.floor(position).astype(int)
    (top, left), (down, right) = whole - MARGIN, whole + SIDE + MARGIN
    wide = object[top:down, left:right]
    fy, fx = (np.fft.fftfreq(side) for side in wide.shape)
    part = position - whole
    ramp = np.exp(2j * np.pi * (fy[:, None] * part[0] + fx * part[1]))
    view = np.fft.ifft2(np.fft.fft2(wide) * ramp)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    waves = np.fft.fftshift(np.fft.fft2(probe * view, norm="ortho"), axes=(-2, -1))
    return (np.abs(waves) ** 2).sum(0)
