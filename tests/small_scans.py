"""Small scans simulated in float64 numpy, written apart from the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_scicompty.core.geometry import Geometry
from napari_scicompty.data.scan import Scan
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.workflow.start import DiscProbe, begin

if TYPE_CHECKING:
    from napari_scicompty.data.snapshot import Snapshot

MARGIN = 8
CORNER_M = np.array([-3.0e-6, 7.0e-6])
"""Where the first position lies: nowhere near zero, and y and x differ."""


NEAR = Geometry(1e-10, 1e-2, 0.2e-6, propagation="near-field")


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

    @property
    def near(self) -> bool:
        """Whether the detector is in the near field."""
        return self.scan.geometry.propagation == "near-field"

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
    near: bool = False,
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
    patterns = np.array([diffract(probe, field, c, near) for c in corners])
    probe *= np.sqrt(1e5 / patterns.sum((1, 2)).mean())
    patterns *= 1e5 / patterns.sum((1, 2)).mean()
    geometry = NEAR if near else Geometry(1e-10, 1.0, 50e-6)
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


def diffract(
    probe: np.ndarray, field: np.ndarray, corner: np.ndarray, near: bool = False
) -> np.ndarray:
    """Intensity (h, w) of one position, as a scan holds it."""
    where, fraction = view_at(field, corner, probe.shape[-2:])
    if near:
        wave = to_detector(probe * shifted(field, -fraction)[where], near)
        return (np.abs(wave) ** 2).sum(0)
    wave = to_detector(shifted(probe, fraction) * field[where])
    return np.fft.fftshift((np.abs(wave) ** 2).sum(0))


def to_detector(
    exit_waves: np.ndarray, near: bool = False, grid: tuple[int, int] | None = None
) -> np.ndarray:
    """D: far field, or near field by the literal kernel (on four times the view)."""
    if not near:
        return np.fft.fft2(exit_waves, norm="ortho")
    return _through_space(exit_waves, NEAR.distance_m, grid)


def from_detector(
    waves: np.ndarray, near: bool = False, grid: tuple[int, int] | None = None
) -> np.ndarray:
    """D^-1 of waves (..., h, w) that are zero outside the detector."""
    if not near:
        return np.fft.ifft2(waves, norm="ortho")
    return _through_space(waves, -NEAR.distance_m, grid)


def _through_space(
    fields: np.ndarray, distance: float, grid: tuple[int, int] | None
) -> np.ndarray:
    h, w = fields.shape[-2:]
    size = grid or (4 * h, 4 * w)
    fy, fx = (np.fft.fftfreq(n, NEAR.detector_pixel_m[0]) for n in size)
    root = np.sqrt(1 / NEAR.wavelength_m**2 - fy[:, None] ** 2 - fx[None] ** 2)
    kernel = np.exp(2j * np.pi * distance * (root - 1 / NEAR.wavelength_m))
    return np.fft.ifft2(np.fft.fft2(fields, size) * kernel)[..., :h, :w]


def settings(epochs: int = 0, **values: Any) -> RunSettings:
    """Run settings on the CPU."""
    return RunSettings(**{"epochs": epochs, "device": "cpu"} | values)
