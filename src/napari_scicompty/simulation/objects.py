"""Test objects: complex transmission functions with a known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Shape = tuple[int, int]


def siemens_star(shape: Shape, spokes: int = 36) -> NDArray[np.float64]:
    """Draw a Siemens star with a ring, values 0 to 1, shape (H, W)."""
    y, x = _grid(shape)
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    # An edge as wide as a pixel, so that the star is not aliased.
    pixel = 2 / min(shape)
    wave = np.sin(spokes * angle) * radius / (spokes * pixel)
    star = np.clip(wave + 0.5, 0, 1)
    disc = np.clip((0.92 - radius) / pixel, 0, 1)
    ring = np.clip((0.025 - np.abs(radius - 0.5)) / pixel, 0, 1)
    return np.asarray(np.maximum(star * disc, ring))


def star_object(shape: Shape, seed: int = 0) -> NDArray[np.complex64]:
    """Make a Siemens star on a cloudy support: absorbing, and shifting the phase."""
    star = siemens_star(shape)
    cloud = clouds(shape, seed)
    magnitude = 1 - 0.35 * star - 0.1 * cloud
    phase = 1.2 * star + 0.8 * (cloud - 0.5)
    return (magnitude * np.exp(1j * phase)).astype(np.complex64)


def picture_object(shape: Shape, seed: int = 0) -> NDArray[np.complex64]:
    """Two photographs: a camera man as magnitude, an astronaut as phase."""
    from skimage import data, transform

    del seed
    magnitude = transform.resize(data.camera().astype(float) / 255, shape)
    phase = transform.resize(data.astronaut().astype(float).mean(-1) / 255, shape)
    field = (0.5 + 0.5 * magnitude) * np.exp(1j * (phase - 0.5) * np.pi)
    return np.asarray(field.astype(np.complex64))


OBJECTS: dict[str, Callable[[Shape, int], NDArray[np.complex64]]] = {
    "siemens-star": star_object,
    "pictures": picture_object,
}
"""Name -> function of (shape, seed)."""


def clouds(shape: Shape, seed: int, exponent: float = 1.5) -> NDArray[np.float64]:
    """Smooth random texture with a 1/f^exponent spectrum, values 0 to 1."""
    rng = np.random.default_rng([seed, 0x636C6F75])
    fy, fx = np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1])
    f = np.hypot(fy[:, None], fx[None, :])
    spectrum = (
        np.fft.fft2(rng.normal(size=shape))
        / np.maximum(f, 0.5 / max(shape)) ** exponent
    )
    spectrum[0, 0] = 0
    field = np.fft.ifft2(spectrum).real
    low, high = np.percentile(field, (0.5, 99.5))
    return np.asarray(np.clip((field - low) / (high - low), 0, 1))


def _grid(shape: Shape) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    scale = 2 / min(shape)
    y = (np.arange(shape[0]) - (shape[0] - 1) / 2) * scale
    x = (np.arange(shape[1]) - (shape[1] - 1) / 2) * scale
    return y[:, None], x[None, :]
