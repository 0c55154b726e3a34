"""The estimate: object, probe modes and positions on a device; the forward model."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_scicompty.data.canvas import WHOLE, Canvas
from napari_scicompty.optics import patches
from napari_scicompty.optics.patches import Ramps
from napari_scicompty.optics.places import (
    DevicePlaces,
    HostPlaces,
    OnePlace,
    numbers_within,
)
from napari_scicompty.optics.propagators import (
    angular_spectrum_kernel,
    farthest_m,
    propagator_for,
)
from napari_scicompty.optics.scratch import Scratch
from napari_scicompty.optics.two_spaces import TwoSpaces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.optics.patches import Batch, Corner
    from napari_scicompty.optics.places import Places

_DARK = 0.01
"""Share of the light on each side that counts as none."""


class Estimate:
    """What is being reconstructed.

    Attributes
    ----------
    object : Tensor (H, W) complex64
        Transmission function on the canvas; 1 is vacuum.
    probe : Tensor (modes, h, w) complex64
        Incoherent modes of the illumination.
    positions_m : ndarray (n, 2)
        Positions (y, x) in the scan's own frame; set them with `place`.
    geometry : Geometry
        As it is taken to be now; `along_valley` changes its distance.
    propagator : Propagator
        D of that geometry.
    scratch : Scratch
        Memory for what a step needs on its way.
    probe_is_known : bool
        Whether the probe is calibrated and stays as it is.
    brightness : Tensor (n,), optional
        Power of the beam at each position, relative to the probe's; 1 when left out.
    taking_part : ndarray (n,) of bool, optional
        Views that the canvas must hold; all when left out. See `include`.
    """

    def __init__(
        self, canvas: Canvas, geometry: Geometry, object: Tensor, probe: Tensor
    ) -> None:
        self.canvas = canvas
        self.object = object
        self._probe = TwoSpaces(probe)
        self._look_through(geometry)
        self.scratch = Scratch(object.device)
        self.probe_is_known = False
        self.brightness: Tensor | None = None
        self.taking_part: NDArray[np.bool_] | None = None
        self.positions_m: NDArray[np.float64]
        self._exact: Tensor
        self._corners: list[Corner] = []
        self._places: dict[int, OnePlace] = {}
        self._first_pixels: Tensor
        self._within: Tensor
        self._ramps: Ramps | None = None

    @property
    def probe(self) -> Tensor:
        """P: the modes themselves, which may be changed in place."""
        return self._probe.field

    @probe.setter
    def probe(self, modes: Tensor) -> None:
        self._probe = TwoSpaces(modes)

    @property
    def probe_kept(self) -> TwoSpaces:
        """The modes in the space where they were stepped last; to look at them."""
        return self._probe

    def place(self, positions_m: NDArray[np.float64]) -> None:
        """Put the views at these positions (n, 2), fractions of a pixel kept.

        In far field the probe is moved by the fraction, which is exact. In near field a
        moved probe would move the pattern, too: there the view of the object is moved.
        The canvas grows where a view would lie outside.
        """
        self._make_room(positions_m)
        self.positions_m = positions_m
        self._exact = torch.from_numpy(self.canvas.to_pixels(positions_m))
        self._corners = _whole(self._exact)
        count, device = len(self._corners), self.object.device
        self._first_pixels = torch.empty(count, dtype=torch.int64, device=device)
        self._within = numbers_within(self.canvas.view, self.canvas.shape, device)
        self._set_places(range(count))
        self._set_ramps()

    def include(self, taking_part: NDArray[np.bool_]) -> None:
        """Hold the views (n,) that take part; the canvas grows for new ones."""
        self.taking_part = taking_part
        before = self.canvas
        self._make_room(self.positions_m)
        if self.canvas is not before:
            self.place(self.positions_m)

    def move(self, batch: Sequence[int], change_px: Tensor) -> None:
        """Move the views of a batch by (B, 2) pixels, at most to the canvas's rim."""
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
        if self._ramps is None:
            self._set_ramps()
        else:
            self._ramps.replace(batch, self._shifts(batch))

    def _set_places(self, batch: Sequence[int]) -> None:
        view, shape = self.canvas.view, self.canvas.shape
        for j in batch:
            self._places[j] = OnePlace(self._corners[j], view, shape)
        first = [y * shape[1] + x for y, x in self.corners(batch)]
        self._first_pixels[list(batch)] = torch.tensor(first).to(self._first_pixels)

    def fraction(self, batch: Sequence[int]) -> Tensor:
        """Pixels (B, 2) by which views lie beyond their whole-pixel corners."""
        corners = torch.tensor(self.corners(batch), dtype=torch.float64)
        return self._exact[list(batch)] - corners

    def from_middle(self, batch: Sequence[int]) -> Tensor:
        """Pixels (B, 2) from the middle of all positions."""
        return self._exact[list(batch)] - self._exact.mean(0)

    def _set_ramps(self) -> None:
        self._ramps = None
        shifts = self._shifts(range(len(self._exact)))
        if bool((shifts.abs() > WHOLE).any()):
            self._ramps = Ramps(shifts, self.canvas.view, self.object.device)

    def _shifts(self, batch: Sequence[int]) -> Tensor:
        """Pixels (B, 2) by which views of the object, or the probes, are shifted."""
        fraction = self.fraction(batch)
        return -fraction if self.propagator.sees_shifts else fraction

    def _make_room(self, positions_m: NDArray[np.float64]) -> None:
        seen = positions_m
        if self.taking_part is not None:
            seen = positions_m[self.taking_part]
        canvas, (top, left) = self.canvas.grown_for(seen)
        if canvas is self.canvas:
            return
        H, W = self.canvas.shape
        vacuum = self.object.new_ones(canvas.shape)
        vacuum[top : top + H, left : left + W] = self.object
        self.canvas, self.object = canvas, vacuum

    def restore(self, good: Snapshot) -> None:
        """Go back to a snapshot: object, probe, positions and canvas."""
        device = self.object.device
        self.canvas = good.canvas
        self.look_from(good.distance_m)
        self.object = torch.from_numpy(good.object.copy()).to(device)
        self.probe = torch.from_numpy(good.probe.copy()).to(device)
        self.place(good.positions_m)

    def _look_through(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.propagator = propagator_for(geometry, self.canvas.view, self.object.device)

    @property
    def distance_m(self) -> float:
        """Sample to detector."""
        return self.geometry.distance_m

    @property
    def lit_size(self) -> tuple[int, int]:
        """Rows and columns (y, x) that hold 98 % of the beam's light."""
        light = patches.intensity(self._probe.copied()).sum(0).cpu().numpy()
        sides = []
        for axis in (1, 0):
            below = np.cumsum(light.sum(axis, dtype=float)) / light.sum(dtype=float)
            inside = np.flatnonzero((below > _DARK) & (below < 1 - _DARK))
            sides.append(len(inside) + 1)
        return sides[0], sides[1]

    @property
    def farthest_m(self) -> float:
        """Largest effective distance at which this is a near field; far field: none."""
        return farthest_m(self.geometry, self.canvas.view)

    def along_valley(self, change_m: float) -> Estimate:
        """Return the estimate for another distance, refocused by the change.

        Object and probe are propagated back by as much as the detector goes away (near
        field, parallel beam): to first order the patterns stay, which is the valley. A
        probe that is known stays as it is.
        """
        other = copy.copy(self)
        pixel, wavelength = self.canvas.pixel_size_m, self.geometry.wavelength_m
        other.object = _refocused(self.object, pixel, wavelength, -change_m)
        if not self.probe_is_known:
            other.probe = _refocused(self.probe, pixel, wavelength, -change_m)
        other.look_from(self.distance_m + change_m)
        return other

    def look_from(self, distance_m: float) -> None:
        """Take another distance from sample to detector."""
        self._look_through(self.geometry.replace(distance_m=distance_m))

    def become(self, other: Estimate) -> None:
        """Take over everything from an estimate that was derived from this one."""
        self.__dict__.update(other.__dict__)

    # -- the forward model ------------------------------------------------------------
    def waves(self, batch: Sequence[int]) -> Tensor:
        """Psi_p = D{P_p o_j}: waves on the detector, shape (B, modes, h, w)."""
        return self.propagator.forward(self.probes(batch) * self.views(batch)[:, None])

    def places(self, batch: Batch) -> Places:
        """Where the views of a batch lie on the canvas, to whole pixels."""
        if isinstance(batch, torch.Tensor):
            first = self._first_pixels[batch]
            return DevicePlaces(first, self._within, self.canvas.shape)
        if len(batch) == 1:
            return self._places[batch[0]]
        return HostPlaces(self.corners(batch), self.canvas.view)

    def views(self, batch: Sequence[int]) -> Tensor:
        """o_j: the object under each view, shape (B, h, w)."""
        return self.views_at(self.places(batch), batch)[:, 0]

    def views_at(self, places: Places, batch: Batch) -> Tensor:
        """o_j, shape (B, 1, h, w), where the places of a batch are known already."""
        views = places.take(self.object)
        if self._ramps is None or not self.propagator.sees_shifts:
            return views
        return patches.fourier_shift(views, self._ramps.of(batch, self.scratch))

    def probes(self, batch: Batch) -> Tensor:
        """P_p at each position, shape (B, modes, h, w); B = 1 when all are alike."""
        if self._ramps is None or self.propagator.sees_shifts:
            probes = self._probe.as_batch
        else:
            ramp = self._ramps.of(batch, self.scratch)
            probes = torch.fft.ifft2(self._probe.spectrum * ramp)
        return probes if self.brightness is None else probes * self._amplitude(batch)

    def add_to_probe(self, update: Tensor, batch: Batch, alpha: float) -> None:
        """Add alpha times updates (B, modes, h, w) of the probes of a batch, in place.

        Where the probes are shifted by fractions of a pixel, their updates are shifted
        back, and the probe stays in Fourier space.
        """
        if self.brightness is not None:
            update = update * self._amplitude(batch)
        if self._ramps is None or self.propagator.sees_shifts:
            self._probe.as_batch.add_(patches.total(update, 0), alpha=alpha)
            return
        back = self._ramps.of(batch, self.scratch).conj_physical_()
        self._probe.add_products(torch.fft.fft2(update), back, alpha)

    def object_frame(self, fields: Tensor, batch: Batch) -> Tensor:
        """Shift fields (B, 1, h, w) of the views back to whole pixels of the canvas."""
        if self._ramps is None or not self.propagator.sees_shifts:
            return fields
        back = self._ramps.of(batch, self.scratch).conj_physical_()
        return patches.fourier_shift(fields, back)

    def corners(self, batch: Sequence[int]) -> list[Corner]:
        """Whole-pixel top-left corners of the views of a batch."""
        return [self._corners[j] for j in batch]

    def _amplitude(self, batch: Batch) -> Tensor:
        assert self.brightness is not None
        return self.brightness[patches.rows(batch)].sqrt()[:, None, None, None]

    # -- recorded steps ---------------------------------------------------------------
    @property
    def addresses(self) -> tuple[int, ...]:
        """Where all that a step reads and writes lies, and the size of the canvas."""
        tensors = [self.object, self._first_pixels, self._within, self._probe.as_batch]
        if self._shifts_probe:
            tensors.append(self._probe.spectrum)
        if self.brightness is not None:
            tensors.append(self.brightness)
        ramps = () if self._ramps is None else self._ramps.addresses
        return (*(t.data_ptr() for t in tensors), *ramps, *self.canvas.shape)

    @property
    def _shifts_probe(self) -> bool:
        return self._ramps is not None and not self.propagator.sees_shifts

    def before_replay(self) -> None:
        """Bring up to date what a step reads: a recorded one takes it as it is."""
        if self._shifts_probe:
            _ = self._probe.spectrum

    def after_replay(self) -> None:
        """Take note of what a recorded step has changed."""
        if self._shifts_probe:
            self._probe.was_stepped()

    # -- ambiguities kept in place ----------------------------------------------------
    @property
    def power(self) -> float:
        """Power of all probe modes: sum |P|^2."""
        return float(patches.intensity(self._probe.copied()).sum())

    def rescale(self, power: float) -> None:
        """Give the probe this power and the object the inverse factor."""
        factor = math.sqrt(power / max(self.power, 1e-30))
        self.probe.mul_(factor)
        self.object.mul_(1 / factor)

    def recentre(self) -> tuple[int, int]:
        """Roll probe and object together so that the probe is in the middle again.

        Returns the whole pixels moved. The centre is taken from the first Fourier
        coefficient of the probe's intensity, which a wrap-around cannot fool.
        """
        light = patches.intensity(self.probe).sum(0)
        drift = []
        for axis, size in enumerate(light.shape):
            profile = light.sum(1 - axis).cpu().numpy()
            offset = -np.angle(np.fft.rfft(profile)[1]) / (2 * np.pi) * size - size // 2
            drift.append((offset + size / 2) % size - size / 2)
        move = tuple(-round(d) if abs(d) > 1 else 0 for d in drift)
        assert len(move) == 2
        if move != (0, 0):
            self.probe.copy_(torch.roll(self.probe, move, (-2, -1)))
            self.object.copy_(_rolled(self.object, move))
        return move


def _whole(exact: Tensor) -> list[Corner]:
    """Nearest whole-pixel corners of exact ones (n, 2)."""
    return [(int(y), int(x)) for y, x in exact.round().tolist()]


def _refocused(
    field: Tensor, pixel: tuple[float, float], wavelength: float, distance: float
) -> Tensor:
    """Propagate fields (..., h, w) over a distance; what leaves comes in again."""
    grid = (int(field.shape[-2]), int(field.shape[-1]))
    kernel = angular_spectrum_kernel(grid, pixel, wavelength, distance)
    factors = torch.from_numpy(kernel).to(field.device, field.dtype)
    # Views are slices of rows that follow each other, whatever a transform returns.
    return torch.fft.ifft2(torch.fft.fft2(field).mul_(factors)).contiguous()


def _rolled(canvas: Tensor, move: tuple[int, int]) -> Tensor:
    """Roll a canvas; what would come in from the other side is vacuum."""
    out = torch.roll(canvas, move, (-2, -1))
    for axis, step in enumerate(move):
        if step:
            edge = slice(0, step) if step > 0 else slice(step, None)
            out[(edge, slice(None)) if axis == 0 else (slice(None), edge)] = 1
    return out
