"""The estimate: object, probe modes and positions on a device; the forward model."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch

from napari_scicompty.canvas import WHOLE, Canvas
from napari_scicompty.optics import patches
from napari_scicompty.optics.propagators import (
    angular_spectrum_kernel,
    farthest_m,
    propagator_for,
)
from napari_scicompty.optics.two_spaces import TwoSpaces

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.geometry import Geometry
    from napari_scicompty.optics.patches import Corner
    from napari_scicompty.snapshot import Snapshot


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
    probe_is_known : bool
        Whether the probe is calibrated and stays as it is.
    brightness : Tensor (n,), optional
        Power of the beam at each position, relative to the probe's; 1 when left out.
    """

    def __init__(
        self, canvas: Canvas, geometry: Geometry, object: Tensor, probe: Tensor
    ) -> None:
        self.canvas = canvas
        self.object = object
        self._probe = TwoSpaces(probe)
        self._look_through(geometry)
        self.probe_is_known = False
        self.brightness: Tensor | None = None
        self.positions_m: NDArray[np.float64]
        self._exact: Tensor
        self._corners: list[Corner] = []
        self._probe_ramps: tuple[Tensor, Tensor] | None = None
        self._object_ramps: tuple[Tensor, Tensor] | None = None

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
        self._set_ramps()

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
        ramps = self._object_ramps or self._probe_ramps
        if ramps is None:
            self._set_ramps()
            return
        sign = -1 if self.propagator.sees_shifts else 1
        for ramp, new in zip(
            ramps, self._ramps(sign * self.fraction(batch)), strict=True
        ):
            ramp[index] = new

    def fraction(self, batch: Sequence[int]) -> Tensor:
        """Pixels (B, 2) by which views lie beyond their whole-pixel corners."""
        corners = torch.tensor(self.corners(batch), dtype=torch.float64)
        return self._exact[list(batch)] - corners

    def from_middle(self, batch: Sequence[int]) -> Tensor:
        """Pixels (B, 2) from the middle of all positions."""
        return self._exact[list(batch)] - self._exact.mean(0)

    def _set_ramps(self) -> None:
        self._probe_ramps = self._object_ramps = None
        fraction = self.fraction(range(len(self._exact)))
        if not bool((fraction.abs() > WHOLE).any()):
            return
        if self.propagator.sees_shifts:
            self._object_ramps = self._ramps(-fraction)
        else:
            self._probe_ramps = self._ramps(fraction)

    def _make_room(self, positions_m: NDArray[np.float64]) -> None:
        canvas, (top, left) = self.canvas.grown_for(positions_m)
        if canvas is self.canvas:
            return
        H, W = self.canvas.shape
        vacuum = self.object.new_ones(canvas.shape)
        vacuum[top : top + H, left : left + W] = self.object
        self.canvas, self.object = canvas, vacuum

    def _ramps(self, shifts: Tensor) -> tuple[Tensor, Tensor]:
        h, w = self.canvas.view
        return (
            patches.shift_ramp(shifts[:, 0], h).to(self.object.device),
            patches.shift_ramp(shifts[:, 1], w).to(self.object.device),
        )

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

    def views(self, batch: Sequence[int]) -> Tensor:
        """o_j: the object under each view, shape (B, h, w)."""
        views = patches.take(self.object, self.corners(batch), self.canvas.view)
        if self._object_ramps is None:
            return views
        y, x = self._object_ramps
        index = patches.rows(batch)
        return patches.fourier_shift(views, y[index], x[index])

    def probes(self, batch: Sequence[int]) -> Tensor:
        """P_p at each position, shape (B, modes, h, w); B = 1 when all are alike."""
        if self._probe_ramps is None:
            probes = self.probe.unsqueeze(0)
        else:
            probes = torch.fft.ifft2(self._probe.spectrum * self._ramp(batch))
        return probes if self.brightness is None else probes * self._amplitude(batch)

    def add_to_probe(self, update: Tensor, batch: Sequence[int], alpha: float) -> None:
        """Add alpha times updates (B, modes, h, w) of the probes of a batch, in place.

        Where the probes are shifted by fractions of a pixel, their updates are shifted
        back, and the probe stays in Fourier space.
        """
        if self.brightness is not None:
            update = update * self._amplitude(batch)
        if self._probe_ramps is None:
            self.probe.add_(patches.total(update, 0)[0], alpha=alpha)
            return
        back = torch.fft.fft2(update).mul_(self._ramp(batch).conj())
        self._probe.add_spectrum(patches.total(back, 0)[0], alpha)

    def _ramp(self, batch: Sequence[int]) -> Tensor:
        """Factors (B, 1, h, w) that shift the spectra of the probes of a batch."""
        assert self._probe_ramps is not None
        y, x = self._probe_ramps
        index = patches.rows(batch)
        return (y[index, :, None] * x[index, None, :])[:, None]

    def object_frame(self, fields: Tensor, batch: Sequence[int]) -> Tensor:
        """Shift fields (B, h, w) of the views back to whole pixels of the canvas."""
        if self._object_ramps is None:
            return fields
        y, x = self._object_ramps
        index = patches.rows(batch)
        return patches.fourier_shift(fields, y[index].conj(), x[index].conj())

    def corners(self, batch: Sequence[int]) -> list[Corner]:
        """Whole-pixel top-left corners of the views of a batch."""
        return [self._corners[j] for j in batch]

    def add_to_object(self, update: Tensor, corner: Corner, alpha: float) -> None:
        """Add alpha times an update (h', w') to the object at `corner`, in place."""
        y, x = corner
        h, w = update.shape
        self.object[y : y + h, x : x + w].add_(update, alpha=alpha)

    def _amplitude(self, batch: Sequence[int]) -> Tensor:
        assert self.brightness is not None
        return self.brightness[patches.rows(batch)].sqrt()[:, None, None, None]

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
            profile = light.sum(1 - axis)
            turn = torch.arange(size, device=profile.device) * (2 * math.pi / size)
            angle = torch.atan2(
                (profile * torch.sin(turn)).sum(), (profile * torch.cos(turn)).sum()
            )
            offset = float(angle) / (2 * math.pi) * size - size // 2
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
    return torch.fft.ifft2(torch.fft.fft2(field).mul_(factors))


def _rolled(canvas: Tensor, move: tuple[int, int]) -> Tensor:
    """Roll a canvas; what would come in from the other side is vacuum."""
    out = torch.roll(canvas, move, (-2, -1))
    for axis, step in enumerate(move):
        if step:
            edge = slice(0, step) if step > 0 else slice(step, None)
            out[(edge, slice(None)) if axis == 0 else (slice(None), edge)] = 1
    return out
