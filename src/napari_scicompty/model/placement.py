"""Where the views lie on the canvas, to fractions of a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from napari_scicompty.data.canvas import WHOLE
from napari_scicompty.optics.patches import Ramps
from napari_scicompty.optics.places import (
    DevicePlaces,
    HostPlaces,
    OnePlace,
    numbers_within,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.data.canvas import Canvas
    from napari_scicompty.optics.patches import Batch, Corner
    from napari_scicompty.optics.places import Places


class Placement:
    """The positions of a scan on a canvas.

    In far field the probe is moved by the fraction of a pixel, which is exact. In near
    field a moved probe would move the pattern, too: there the view of the object is
    moved.

    Parameters
    ----------
    canvas : Canvas
        It must hold the views.
    positions_m : (n, 2)
        As (y, x), in the scan's own frame.
    device : torch.device
        Where its tensors lie.
    shifts_object : bool
        Whether it is the object that is shifted by fractions, and not the probe.
    """

    def __init__(
        self,
        canvas: Canvas,
        positions_m: NDArray[np.float64],
        device: torch.device,
        *,
        shifts_object: bool,
    ) -> None:
        self.canvas, self.positions_m = canvas, positions_m
        self._shifts_object, self._device = shifts_object, device
        self._exact = torch.from_numpy(canvas.to_pixels(positions_m))
        self._corners = _whole(self._exact)
        count = len(self._corners)
        self._first_pixels = torch.empty(count, dtype=torch.int64, device=device)
        self._within = numbers_within(canvas.view, canvas.shape, device)
        self._places: dict[int, OnePlace] = {}
        self._set_places(range(count))
        self.ramps: Ramps | None
        """What shifts by the fractions, in Fourier space; None where all are whole."""
        self._set_ramps()

    def move(self, batch: Sequence[int], change_px: Tensor) -> None:
        """Move the views of a batch by (B, 2) pixels, at most to the canvas's rim.

        Parameters
        ----------
        batch : sequence of int, length B
            Numbers of the patterns.
        change_px : Tensor (B, 2)
            (y, x) in pixels.
        """
        index = list(batch)
        room = torch.tensor(self.canvas.shape) - torch.tensor(self.canvas.view) - 1
        moved = (self._exact[index] + change_px.cpu()).clamp_(min=0).minimum(room)
        self._exact[index] = moved
        positions = self.positions_m.copy()
        positions[index] = self.canvas.to_metres(moved.numpy())
        self.positions_m = positions
        for j, corner in zip(index, _whole(moved), strict=True):
            self._corners[j] = corner
        self._set_places(batch)
        if self.ramps is None:
            self._set_ramps()
        else:
            self.ramps.replace(batch, self._shifts(batch))

    def corners(self, batch: Sequence[int]) -> list[Corner]:
        """Whole-pixel top-left corners of the views of a batch.

        Parameters
        ----------
        batch : sequence of int, length B
            Numbers of the patterns.

        Returns
        -------
        list of (int, int)
            (y, x) in pixels.
        """
        return [self._corners[j] for j in batch]

    def fraction(self, batch: Sequence[int]) -> Tensor:
        """Pixels (B, 2) by which views lie beyond their whole-pixel corners.

        Parameters
        ----------
        batch : sequence of int, length B
            Numbers of the patterns.

        Returns
        -------
        Tensor (B, 2) float64
            (y, x), -0.5 to 0.5.
        """
        corners = torch.tensor(self.corners(batch), dtype=torch.float64)
        return self._exact[list(batch)] - corners

    def from_middle(self, batch: Sequence[int]) -> Tensor:
        """Pixels (B, 2) from the middle of all positions.

        Parameters
        ----------
        batch : sequence of int, length B
            Numbers of the patterns.

        Returns
        -------
        Tensor (B, 2) float64
            (y, x).
        """
        return self._exact[list(batch)] - self._exact.mean(0)

    def places(self, batch: Batch) -> Places:
        """Where the views of a batch lie on the canvas, to whole pixels.

        Parameters
        ----------
        batch : sequence of int or Tensor (B,)
            Numbers of the patterns.

        Returns
        -------
        Places
            One for all that is done with these views.
        """
        if isinstance(batch, torch.Tensor):
            first = self._first_pixels[batch]
            return DevicePlaces(first, self._within, self.canvas.shape)
        if len(batch) == 1:
            return self._places[batch[0]]
        return HostPlaces(self.corners(batch), self.canvas.view)

    @property
    def shifts_probe(self) -> bool:
        """Whether there are fractions by which the probe is shifted."""
        return self.ramps is not None and not self._shifts_object

    @property
    def shifts_object(self) -> bool:
        """Whether there are fractions by which views of the object are shifted."""
        return self.ramps is not None and self._shifts_object

    @property
    def tensors(self) -> list[Tensor]:
        """What a step reads of it on the device, ramps left out."""
        return [self._first_pixels, self._within]

    def _set_places(self, batch: Sequence[int]) -> None:
        view, shape = self.canvas.view, self.canvas.shape
        for j in batch:
            self._places[j] = OnePlace(self._corners[j], view, shape)
        first = [y * shape[1] + x for y, x in self.corners(batch)]
        self._first_pixels[list(batch)] = torch.tensor(first).to(self._first_pixels)

    def _set_ramps(self) -> None:
        self.ramps = None
        shifts = self._shifts(range(len(self._exact)))
        if bool((shifts.abs() > WHOLE).any()):
            self.ramps = Ramps(shifts, self.canvas.view, self._device)

    def _shifts(self, batch: Sequence[int]) -> Tensor:
        """Pixels (B, 2) by which views of the object, or the probes, are shifted."""
        fraction = self.fraction(batch)
        return -fraction if self._shifts_object else fraction


def _whole(exact: Tensor) -> list[Corner]:
    """Nearest whole-pixel corners of exact ones (n, 2)."""
    return [(int(y), int(x)) for y, x in exact.round().tolist()]
