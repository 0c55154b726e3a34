"""What was measured, as tensors on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from napari_scicompty.model.held_out import HeldOut
from napari_scicompty.model.pattern_store import Keeping, Kept, stored
from napari_scicompty.optics.patches import scale, total_intensity
from napari_scicompty.optics.propagators import detector_order, scan_order
from napari_scicompty.optics.scratch import Scratch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.model.pattern_store import Storage
    from napari_scicompty.optics.patches import Batch


@dataclass
class Measured:
    """Amplitudes of the patterns, ready for the modulus step.

    In the order of the propagator (far field: zero frequency at [0, 0]). Masked
    pixels hold zero.
    """

    storage: Storage
    """sqrt(max(I, 0)) on good pixels; see `pattern`."""
    good: Tensor | None
    """1 on good pixels, 0 elsewhere, shape (h, w), float32; None when all are good."""
    power: NDArray[np.float64]
    """Counts of each pattern on good pixels, shape (n,)."""
    smallest: float
    """An amplitude far below what matters: keeps the modulus step from 0 / 0."""
    positions_m: NDArray[np.float64]
    """(n, 2), as measured."""
    background: Tensor | None = None
    """Counts that no wave explains, shape (h, w), in the patterns' order."""
    held_out: HeldOut | None = None
    """Pixels that take no part, to judge by."""

    @classmethod
    def of(
        cls,
        scan: Scan,
        device: torch.device,
        included: NDArray[np.bool_],
        held_out: float = 0.0,
        seed: int = 0,
        keeping: Keeping | None = None,
    ) -> Self:
        """Keep the amplitudes, on the device if nothing else is said.

        Parameters
        ----------
        scan : Scan
            What was measured.
        device : torch.device
            Where the run computes.
        included : (n,)
            Patterns that take part; the others may hold anything.
        held_out : float
            Share of the good pixels that take no part, chosen at random.
        seed : int
            Of that choice.
        keeping : Keeping, optional
            Where and how they are kept.

        Returns
        -------
        Measured
            In the propagator's order.
        """
        good = detector_order(scan.good, scan.geometry).copy()
        power, held = scan.pattern_sum, None
        if held_out:
            held = HeldOut.choose(scan, held_out, seed)
            good.flat[held.pixels.numpy()] = False
            power = power - held.power
        level = scan.pattern_sum[included].mean() / np.count_nonzero(scan.good)
        smallest = 1e-6 * float(np.sqrt(level))
        fitted = scan_order(good, scan.geometry)
        return cls(
            stored(scan, fitted, keeping or Keeping(), device),
            None if good.all() else torch.from_numpy(good.astype("f4")).to(device),
            power,
            smallest,
            scan.positions_m,
            held_out=None if held is None else held.to(device),
        )

    @property
    def addresses(self) -> tuple[int, ...] | None:
        """Where all that a step reads lies; None where patterns come from elsewhere."""
        if not isinstance(self.storage, Kept):
            return None
        parts = [self.storage.packed, self.good, self.background]
        if self.held_out is not None:
            parts += [self.held_out.amplitudes, self.held_out.squared]
        return tuple(0 if part is None else part.data_ptr() for part in parts)

    def keep(self, scan: Scan, keeping: Keeping, device: torch.device) -> None:
        """Keep the amplitudes in another way; the memory they took is freed first.

        Parameters
        ----------
        scan : Scan
            What was measured.
        keeping : Keeping
            Where and how from now on.
        device : torch.device
            Where the run computes.
        """
        good = np.ones(scan.frame_shape, bool)
        if self.good is not None:
            good = scan_order(self.good.numpy(force=True) > 0, scan.geometry)
        del self.storage
        torch.cuda.empty_cache()
        self.storage = stored(scan, good, keeping, device)

    def correct(self, waves: Tensor, batch: Batch, scratch: Scratch) -> Tensor:
        """Replace waves Psi by Psi' - Psi of the modulus step, in place.

        ``Psi'_p = sqrt(I) Psi_p / sqrt(sum_n |Psi_n|^2)`` ([S1] eq. 7, the sum running
        over the modes); masked pixels keep Psi_p, so that their difference is zero.

        Parameters
        ----------
        waves : Tensor (B, modes, h, w)
            Overwritten.
        batch : sequence of int or Tensor (B,)
            The patterns they belong to; one pattern may stand for all waves.
        scratch : Scratch
            Memory for what is needed on the way.

        Returns
        -------
        Tensor (B,)
            Sum over good pixels of (sqrt(I_model) - sqrt(I))^2.
        """
        model, difference = self._difference(waves, batch, scratch)
        if self.held_out is not None:
            self.held_out.record(model, batch)
        error = _squared(difference)
        factors = difference.div_(model.clamp_min_(self.smallest))
        scale(waves, factors, scratch)
        return error

    def error(self, waves: Tensor, batch: Sequence[int]) -> Tensor:
        """Sum over good pixels of (sqrt(I_model) - sqrt(I))^2, shape (B,).

        Parameters
        ----------
        waves : Tensor (B, modes, h, w) complex64
            On the detector, from `Estimate.waves`.
        batch : sequence of int, length B
            Numbers of the patterns.

        Returns
        -------
        Tensor (B,) float32
            Counts.
        """
        _, difference = self._difference(waves, batch, Scratch(waves.device))
        return _squared(difference)

    def _difference(
        self, waves: Tensor, batch: Batch, scratch: Scratch
    ) -> tuple[Tensor, Tensor]:
        """Model amplitude, and measured minus model on good pixels: (B, 1, h, w)."""
        model = total_intensity(waves, scratch)
        if self.background is not None:
            model.add_(self.background)
        model.sqrt_()
        measured = self.storage[batch]
        out = scratch("difference", model.shape)
        if self.good is None:
            return model, torch.sub(measured, model, out=out)
        return model, torch.addcmul(measured, model, self.good, value=-1, out=out)

    def pattern(self, batch: Batch) -> Tensor:
        """Measured amplitudes, shape (B, h, w); zero where masked.

        Parameters
        ----------
        batch : sequence of int or Tensor (B,)
            Numbers of the patterns.

        Returns
        -------
        Tensor (B, h, w) float32
            sqrt(counts), in the propagator's order.
        """
        return self.storage[batch][:, 0]


def _squared(difference: Tensor) -> Tensor:
    """Sum of squares (B,) of (B, 1, h, w)."""
    rows = difference.flatten(1)
    return torch.linalg.vecdot(rows, rows)
