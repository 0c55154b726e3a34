"""Small scans simulated in float64 numpy, written apart from the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_scicompty.geometry import Geometry
from napari_scicompty.run_settings import RunSettings
from napari_scicompty.scan import Scan
from napari_scicompty.start import DiscProbe, begin

if TYPE_CHECKING:
    from napari_scicompty.snapshot import Snapshot

MARGIN = 8
CORNER_M = np.array([-3.0e-6, 7.0e-6])
"""Where the first position lies: nowhere near zero, and y and x differ."""


@dataclass(frozen=True, eq=False)
class SmallScan:
    """A scan with what it was made of."""

    scan: Scan
    object: np.ndarray
    """(H, W) on the canvas whose pixel (0, 0) is MARGIN before the first position."""
    probe: np.ndarray
    """(modes, h, w)."""
    corners: np.ndarray
    """Top-left corners (n, 2) on the canvas, in pixels."""

    def start(self, **changes: Any) -> Snapshot:
        """Return a disc start at epoch 0."""
        radius = 0.3 * min(self.scan.frame_shape) * self.scan.pixel_size_m[0]
        first = begin(self.scan, DiscProbe(radius), modes=len(self.probe))
        return first.replace(**changes)


def small_scan(
    view: tuple[int, int] = (32, 32),
    grid: tuple[int, int] = (5, 5),
    step: float = 5.0,
    modes: int = 1,
    whole: bool = False,
    seed: int = 0,
) -> SmallScan:
    """Scan a smooth random object with a disc that carries a smooth random phase."""
    rng = np.random.default_rng(seed)
    raster = np.mgrid[: grid[0], : grid[1]].reshape(2, -1).T
    corners = (raster + rng.uniform(-0.2, 0.2, raster.shape)) * step
    corners = np.round(corners) if whole else corners
    corners = corners - corners.min(0) + MARGIN
    size = np.ceil(corners.max(0) + view + MARGIN).astype(int)
    phase, magnitude = (blurred(rng, size, 1.5) for _ in range(2))
    field = (1 - 0.15 * np.abs(magnitude)) * np.exp(0.8j * phase)
    probe = mixed_modes(rng, view, modes)
    patterns = np.array([diffract(probe, field, c) for c in corners])
    probe *= np.sqrt(1e5 / patterns.sum((1, 2)).mean())
    patterns *= 1e5 / patterns.sum((1, 2)).mean()
    geometry = Geometry(1e-10, 1.0, 50e-6)
    positions = (corners - MARGIN) * geometry.pixel_size_m(view) + CORNER_M
    scan = Scan(patterns.astype(np.float32), positions, geometry)
    return SmallScan(scan, field, probe, corners)


def mixed_modes(
    rng: np.random.Generator, view: tuple[int, int], modes: int
) -> np.ndarray:
    """Modes (modes, h, w) of falling power in one disc, each with its own phase."""
    y, x = (np.arange(n) - n // 2 for n in view)
    disc = 1 / (1 + np.exp(np.hypot(y[:, None], x[None]) - 0.3 * min(view)))
    phases = [blurred(rng, view, 2.5) for _ in range(modes)]
    return np.stack([0.6**p * disc * np.exp(1j * f) for p, f in enumerate(phases)])


def blurred(
    rng: np.random.Generator, size: tuple[int, int] | np.ndarray, sigma: float
) -> np.ndarray:
    """Smooth noise of unit standard deviation."""
    noise = ndimage.gaussian_filter(rng.normal(size=tuple(size)), sigma, mode="wrap")
    return noise / noise.std()


def shifted(field: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Move the content of (..., h, w) by `by` pixels, in Fourier space."""
    h, w = field.shape[-2:]
    fy, fx = np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None]
    turn = np.exp(-2j * np.pi * (fy * by[0] + fx * by[1]))
    return np.fft.ifft2(np.fft.fft2(field) * turn)


def view_at(field: np.ndarray, corner: np.ndarray, view: tuple[int, ...]) -> Any:
    """Return the index of the view nearest to `corner`, and the fraction left over."""
    y, x = np.rint(corner).astype(int)
    return np.s_[y : y + view[0], x : x + view[1]], corner - np.rint(corner)


def diffract(probe: np.ndarray, field: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Intensity (h, w) of one position, zero frequency in the middle."""
    where, fraction = view_at(field, corner, probe.shape[-2:])
    wave = np.fft.fft2(shifted(probe, fraction) * field[where], norm="ortho")
    return np.fft.fftshift((np.abs(wave) ** 2).sum(0))


def settings(epochs: int = 0, **values: Any) -> RunSettings:
    """Run settings on the CPU."""
    return RunSettings(**{"epochs": epochs, "device": "cpu"} | values)
