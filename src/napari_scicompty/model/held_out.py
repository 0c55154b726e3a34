"""Pixels that take no part, and tell how true the model is where it was not fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from napari_scicompty.optics.patches import rows
from napari_scicompty.optics.propagators import detector_order

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.optics.patches import Batch

_SALT = 0x68656C64


@dataclass
class HeldOut:
    """Some random pixels of the detector, the same in every pattern.

    The error of a fit falls for ever, noise being fitted in the end; the error of
    pixels that were not fitted rises again then.
    """

    pixels: Tensor
    """Their places (k,) in a flattened frame, in the propagator's order."""
    amplitudes: Tensor
    """sqrt(max(I, 0)) there, shape (n, k)."""
    squared: Tensor
    """Squared error (n,) of each pattern there, as it was visited last."""

    @classmethod
    def choose(cls, scan: Scan, share: float, seed: int) -> Self:
        """Choose a share of the good pixels, and read what was measured there.

        Parameters
        ----------
        scan : Scan
            What was measured.
        share : float
            0 to 1.
        seed : int
            Of everything that is random.

        Returns
        -------
        HeldOut
            On the CPU; the same for the same seed.
        """
        good = detector_order(scan.good, scan.geometry)
        draw = np.random.default_rng([seed, _SALT]).random(good.shape)
        pixels = np.flatnonzero((draw < share) & good)
        kept = np.empty((len(scan), len(pixels)), np.float32)
        for part, raw in scan.chunks():
            frames = detector_order(raw, scan.geometry).reshape(len(raw), -1)
            kept[part] = np.sqrt(np.maximum(frames[:, pixels], 0))
        return cls(
            torch.from_numpy(pixels), torch.from_numpy(kept), torch.zeros(len(scan))
        )

    @property
    def power(self) -> NDArray[np.float64]:
        """Counts of each pattern there, shape (n,)."""
        return self.amplitudes.cpu().double().square().sum(1).numpy()

    def to(self, device: torch.device) -> Self:
        """Move everything to a device.

        Parameters
        ----------
        device : torch.device
            Where to.

        Returns
        -------
        HeldOut
            On the device.
        """
        parts = (self.pixels, self.amplitudes, self.squared)
        return type(self)(*(part.to(device) for part in parts))

    def record(self, model: Tensor, batch: Batch) -> None:
        """Note how far model amplitudes (B, ..., h, w) are from what was measured.

        Parameters
        ----------
        model : Tensor (B, ..., h, w) float32
            sqrt(I_model), in the propagator's order.
        batch : sequence of int or Tensor (B,)
            Numbers of the patterns.
        """
        index = rows(batch)
        off = model.flatten(1)[:, self.pixels] - self.amplitudes[index]
        self.squared[index] = off.square().sum(1)

    def error(self, included: NDArray[np.bool_]) -> float:
        """Return the normalised error, as `Snapshot.error` is, of these pixels.

        Parameters
        ----------
        included : array (n,) bool
            Patterns that take part.
        """
        seen = torch.from_numpy(included).to(self.squared.device)
        power = self.amplitudes[seen].square().sum().clamp(min=1e-30)
        return float(self.squared[seen].sum() / power)
