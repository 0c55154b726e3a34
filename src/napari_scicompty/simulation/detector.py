"""The detector: photons become counts, and some pixels tell nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.settings import Settings, setting
from napari_scicompty.optics.grids import coordinates
from napari_scicompty.simulation._grid import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOISELESS_PHOTONS = 1e6
"""Mean counts of a pattern where no number of photons is given."""


class Detector(Settings):
    """Size, light and faults of a square detector."""

    frame: int = setting(128, "Pixels along a side", unit="px", ge=16, le=4096)
    pixel_m: float = setting(
        75e-6,
        "Side of a pixel",
        unit="m",
        ge=1e-9,
        le=0.01,
        reason="from a nanometre (a magnified image) to a centimetre",
    )
    photons: float | None = setting(
        1e6,
        "Mean photons a pattern (Poisson noise); empty is noiseless",
        ge=1,
        reason="a pattern without photons holds nothing; the nearest that works is 1",
    )
    readout_sigma: float = setting(
        0.0, "Readout noise (rms); without a dark level its negatives are lost", ge=0
    )
    dark_level: float = setting(
        0.0, "Offset of the camera; it is subtracted again", ge=0
    )
    bit_depth: int | None = setting(
        None, "Bits of the counter; what is above is cut off", ge=1, le=32
    )
    saturation: float | None = setting(
        None, "Counts at which a pixel is full; it is masked in all patterns", gt=0
    )
    dead_share: float = setting(0.0, "Share of pixels that count nothing", ge=0, le=0.5)
    beam_stop_px: float = setting(
        0.0, "Radius of a stop in the middle, masked", unit="px", ge=0
    )

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels (h, w) of a frame."""
        return (self.frame, self.frame)

    @property
    def ceiling(self) -> float | None:
        """Largest value that is counted; None where there is none."""
        full = None if self.bit_depth is None else float(2**self.bit_depth - 1)
        limits = [limit for limit in (full, self.saturation) if limit is not None]
        return min(limits, default=None)

    def blind(self, seed: int) -> NDArray[np.bool_]:
        """Pixels (h, w) that no light reaches or that count nothing.

        Parameters
        ----------
        seed : int
            Of everything that is random.

        Returns
        -------
        array (h, w) bool
            True = blind.
        """
        stopped = np.hypot(*coordinates(self.shape)) < self.beam_stop_px
        dead = generator(seed, "dead").random(self.shape) < self.dead_share
        return np.asarray(stopped | dead)

    def record(
        self, light: NDArray[np.float64], seed: int
    ) -> tuple[NDArray[np.number], NDArray[np.bool_] | None]:
        """Count photons.

        Parameters
        ----------
        light : (n, h, w)
            Expected photons.
        seed : int
            Of noise and of dead pixels.

        Returns
        -------
        patterns : (n, h, w)
            Counts, the dark level subtracted; expected photons where noiseless.
        mask : (h, w) or None
            True = good: neither blind nor full in any pattern.
        """
        blind = self.blind(seed)
        counts = np.where(blind, 0, light)
        if self.photons is not None:
            rng = generator(seed, "noise")
            noise = rng.normal(0, self.readout_sigma, counts.shape)
            counts = np.round(rng.poisson(counts) + noise)
        counts = np.maximum(counts + self.dark_level, 0)
        full = blind
        if self.ceiling is not None:
            full = blind | (counts >= self.ceiling).any(0)
            counts = np.minimum(counts, self.ceiling)
        counts = np.where(blind, 0, counts - self.dark_level)
        return _compact(counts), None if not full.any() else ~full


def _compact(counts: NDArray[np.float64]) -> NDArray[np.number]:
    """Store counts as the smallest type that holds them."""
    if (counts != np.round(counts)).any():
        return counts.astype(np.float32)
    kinds = (np.uint16, np.uint32) if counts.min() >= 0 else (np.int16, np.int32)
    fits = next((k for k in kinds if counts.max() <= np.iinfo(k).max), None)
    return counts.astype(fits or np.float32)
