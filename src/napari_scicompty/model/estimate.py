"""The estimate: object, probe modes and positions on a device; the forward model."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from napari_scicompty.model.placement import Placement
from napari_scicompty.optics import patches
from napari_scicompty.optics.propagators import (
    propagator_for,
)
from napari_scicompty.optics.scratch import Scratch
from napari_scicompty.optics.two_spaces import TwoSpaces

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.data.canvas import Canvas
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.optics.patches import Batch
    from napari_scicompty.optics.places import Places


class Estimate:
    """What is being reconstructed.

    Parameters
    ----------
    canvas : Canvas
        The grid of the object.
    geometry : Geometry
        As it is taken to be at the start.
    object : Tensor (H, W) complex64
        The first guess; changed in place.
    probe : Tensor (modes, h, w) complex64
        The first guess; changed in place.

    Attributes
    ----------
    object : Tensor (H, W) complex64
        Transmission function on the canvas; 1 is vacuum.
    probe : Tensor (modes, h, w) complex64
        Incoherent modes of the illumination.
    probe_kept : TwoSpaces
        The modes in the space where they were stepped last; to look at them.
    placement : Placement
        Where the views lie; see `place`.
    geometry : Geometry
        As it is taken to be now; `set_distance` changes it.
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
        self.probe_kept = TwoSpaces(probe)
        self._look_through(geometry)
        self.scratch = Scratch(object.device)
        self.probe_is_known = False
        self.brightness: Tensor | None = None
        self.taking_part: NDArray[np.bool_] | None = None
        self.placement: Placement

    @property
    def probe(self) -> Tensor:
        """P: the modes themselves, which may be changed in place."""
        return self.probe_kept.field

    @probe.setter
    def probe(self, modes: Tensor) -> None:
        self.probe_kept = TwoSpaces(modes)

    @property
    def stepped_probe(self) -> Tensor:
        """What steps change, (modes, h, w): the probe, or its Fourier transform.

        Whoever changes it in Fourier space tells `probe_kept.was_stepped`.
        """
        return (
            self.probe_kept.spectrum
            if self.placement.shifts_probe
            else self.probe_kept.field
        )

    def place(self, positions_m: NDArray[np.float64]) -> None:
        """Put the views at these positions (n, 2), fractions of a pixel kept.

        The canvas grows where a view would lie outside.

        Parameters
        ----------
        positions_m : array (n, 2)
            (y, x) in metres.
        """
        self._make_room(positions_m)
        self.placement = Placement(
            self.canvas,
            positions_m,
            self.object.device,
            shifts_object=self.propagator.sees_shifts,
        )

    @property
    def positions_m(self) -> NDArray[np.float64]:
        """Positions (n, 2) as (y, x) in the scan's own frame; set them with `place`."""
        return self.placement.positions_m

    def include(self, taking_part: NDArray[np.bool_]) -> None:
        """Hold the views (n,) that take part; the canvas grows for new ones.

        Parameters
        ----------
        taking_part : array (n,) bool
            Patterns that take part.
        """
        self.taking_part = taking_part
        before = self.canvas
        self._make_room(self.positions_m)
        if self.canvas is not before:
            self.place(self.positions_m)

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
        """Go back to a snapshot: object, probe, positions and canvas.

        Parameters
        ----------
        good : Snapshot
            Of this run.
        """
        device = self.object.device
        self.canvas = good.canvas
        self.set_distance(good.distance_m)
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

    def set_distance(self, distance_m: float) -> None:
        """Take another distance from sample to detector.

        Parameters
        ----------
        distance_m : float
            Metres; the propagator is made anew.
        """
        self._look_through(self.geometry.replace(distance_m=distance_m))

    def replace_with(self, other: Estimate) -> None:
        """Take over everything from an estimate that was derived from this one.

        Parameters
        ----------
        other : Estimate
            From `defocus_coupled`, for one.
        """
        self.__dict__.update(other.__dict__)

    # -- the forward model ------------------------------------------------------------
    def waves(self, batch: Sequence[int]) -> Tensor:
        """Psi_p = D{P_p o_j}: waves on the detector, shape (B, modes, h, w).

        Parameters
        ----------
        batch : sequence of int, length B
            Numbers of the patterns.

        Returns
        -------
        Tensor (B, modes, h, w) complex64
            In the propagator's order; |Psi|^2 in counts.
        """
        return self.propagator.forward(self.probes(batch) * self.views(batch)[:, None])

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
        return self.placement.places(batch)

    def views(self, batch: Sequence[int]) -> Tensor:
        """o_j: the object under each view, shape (B, h, w).

        Parameters
        ----------
        batch : sequence of int, length B
            Numbers of the patterns.

        Returns
        -------
        Tensor (B, h, w) complex64
            Without unit; 1 is vacuum.
        """
        return self.views_at(self.places(batch), batch)[:, 0]

    def views_at(self, places: Places, batch: Batch) -> Tensor:
        """o_j, shape (B, 1, h, w), where the places of a batch are known already.

        Parameters
        ----------
        places : Places
            From `places`, of the same batch.
        batch : sequence of int or Tensor (B,)
            Numbers of the patterns.

        Returns
        -------
        Tensor (B, 1, h, w) complex64
            May share memory with the object.
        """
        views = places.take(self.object)
        if not self.placement.shifts_object:
            return views
        return patches.fourier_shift(views, self._ramp(batch))

    def probes(self, batch: Batch) -> Tensor:
        """P_p at each position, shape (B, modes, h, w); B = 1 when all are alike.

        Parameters
        ----------
        batch : sequence of int or Tensor (B,)
            Numbers of the patterns.

        Returns
        -------
        Tensor (B, modes, h, w) complex64
            |P|^2 in counts.
        """
        if self.placement.shifts_probe:
            probes = torch.fft.ifft2(self.probe_kept.spectrum * self._ramp(batch))
        else:
            probes = self.probe_kept.as_batch
        return probes if self.brightness is None else probes * self._amplitude(batch)

    def add_to_probe(self, update: Tensor, batch: Batch, alpha: float) -> None:
        """Add alpha times updates (B, modes, h, w) of the probes of a batch, in place.

        Where the probes are shifted by fractions of a pixel, their updates are shifted
        back, and the probe stays in Fourier space.

        Parameters
        ----------
        update : Tensor (B, modes, h, w) complex64
            May be overwritten.
        batch : sequence of int or Tensor (B,)
            Numbers of the patterns.
        alpha : float
            Size of the step.
        """
        if self.brightness is not None:
            update = update * self._amplitude(batch)
        if not self.placement.shifts_probe:
            self.probe_kept.as_batch.add_(patches.total(update, 0), alpha=alpha)
            return
        back = self._ramp(batch).conj_physical_()
        self.probe_kept.add_products(torch.fft.fft2(update), back, alpha)

    def object_frame(self, fields: Tensor, batch: Batch) -> Tensor:
        """Shift fields (B, 1, h, w) of the views back to whole pixels of the canvas.

        Parameters
        ----------
        fields : Tensor (B, 1, h, w) complex64
            May be overwritten.
        batch : sequence of int or Tensor (B,)
            Numbers of the patterns.

        Returns
        -------
        Tensor (B, 1, h, w) complex64
            Ready to be summed on the canvas.
        """
        if not self.placement.shifts_object:
            return fields
        back = self._ramp(batch).conj_physical_()
        return patches.fourier_shift(fields, back)

    def _ramp(self, batch: Batch) -> Tensor:
        assert self.placement.ramps is not None
        return self.placement.ramps.of(batch, self.scratch)

    def _amplitude(self, batch: Batch) -> Tensor:
        assert self.brightness is not None
        return self.brightness[patches.rows(batch)].sqrt()[:, None, None, None]

    # -- recorded steps ---------------------------------------------------------------
    @property
    def addresses(self) -> tuple[int, ...]:
        """Where all that a step reads and writes lies, and the size of the canvas."""
        placed = self.placement
        tensors = [self.object, *placed.tensors, self.probe_kept.as_batch]
        if placed.shifts_probe:
            tensors.append(self.probe_kept.spectrum)
        if self.brightness is not None:
            tensors.append(self.brightness)
        ramps = () if placed.ramps is None else placed.ramps.addresses
        return (*(t.data_ptr() for t in tensors), *ramps, *self.canvas.shape)

    @contextmanager
    def replaying(self) -> Iterator[None]:
        """Keep up with a recorded step: it takes what it reads as it is.

        Yields
        ------
        None
            While the block runs, a recorded step may be replayed.
        """
        if self.placement.shifts_probe:
            _ = self.probe_kept.spectrum
        yield
        if self.placement.shifts_probe:
            self.probe_kept.was_stepped()

    @property
    def power(self) -> float:
        """Power of all probe modes: sum |P|^2."""
        return float(patches.intensity(self.probe_kept.copied()).sum())
