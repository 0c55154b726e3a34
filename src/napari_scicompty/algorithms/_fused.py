"""The step of ePIE and rPIE by compiled kernels, with torch's transforms between them.

The same formulas as in `pie`. Positions of a batch come one after the other, from the
same old estimates: what a position needs stays in the processor's cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeGuard

import numpy as np
import torch

from napari_scicompty.model.pattern_store import Kept
from napari_scicompty.optics import compiled
from napari_scicompty.optics.propagators import FarField

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.algorithms.base import StepContext
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured
    from napari_scicompty.optics.compiled import Kernels
    from napari_scicompty.optics.kernels import Field, Real
    from napari_scicompty.optics.patches import Batch

_NONE = np.zeros((0, 0), np.float32)
"""Stands for a mask or a background that is not there."""
_LEAST_SHARE = 1e-9


class Sizes(NamedTuple):
    """What a step is weighed by."""

    alphas: tuple[float, float]
    """Of the object's and of the probe's step."""
    shares: tuple[float, float]
    """Of the maxima in their weights: gamma, beta."""


def is_covered(
    batch: Batch, estimate: Estimate, context: StepContext
) -> TypeGuard[Sequence[int]]:
    """Whether compiled kernels are to do the step of a batch, and can.

    Parameters
    ----------
    batch : sequence of int or Tensor (B,)
        Numbers of the patterns.
    estimate : Estimate
        Object, probe and positions.
    context : StepContext
        What the run says of this step.
    """
    return (
        context.kernels == "numba"
        and estimate.brightness is None
        and estimate.object.is_cpu
        and not isinstance(batch, torch.Tensor)
    )


def step(
    estimate: Estimate,
    measured: Measured,
    batch: Sequence[int],
    context: StepContext,
    sizes: Sizes,
) -> Tensor:
    """Improve the estimate in place with the patterns of a batch.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions, changed in place.
    measured : Measured
        Amplitudes of the patterns.
    batch : sequence of int, length B
        Numbers of the patterns; `is_covered` holds for them.
    context : StepContext
        What the run says of this step.
    sizes : Sizes
        Of the steps, and shares of the maxima.

    Returns
    -------
    Tensor (B,) float32
        Squared error of each pattern before the step, counts.
    """
    alphas, (gamma, beta) = sizes
    sizes = Sizes(alphas, (max(gamma, _LEAST_SHARE), max(beta, _LEAST_SHARE)))
    one = len(batch) == 1 and not estimate.placement.shifts_object
    errors = np.empty(len(batch), np.float32)
    (_single if one else _several)(
        _Step(estimate, measured, batch, context), sizes, errors
    )
    return torch.from_numpy(errors)


class _Step:
    """What both kinds of steps share: places, probes, and the way to the detector."""

    def __init__(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        context: StepContext,
    ) -> None:
        self.kernels: Kernels = compiled.load()
        self.estimate, self.measured, self.batch = estimate, measured, batch
        self.updates_probe = context.update_probe
        self.clips = context.clip_to_detector
        self.moved = estimate.placement.shifts_probe
        self.canvas: Field = estimate.object.numpy()
        probes = estimate.probe_kept
        self.modes: Tensor = probes.spectrum if self.moved else probes.as_batch[0]
        self.corners = estimate.placement.corners(batch)
        self._is_far = isinstance(estimate.propagator, FarField)
        h, w = self.view = estimate.canvas.view
        self._norm = (h * w) ** -0.5 if self._is_far else 1.0
        _check_inside(self.corners, self.view, self.canvas.shape)
        self._waves = self.scratch("waves", self.modes.shape)

    def scratch(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Complex memory that may hold anything."""
        return self.estimate.scratch(f"fused {name}", shape, torch.complex64)

    def probes(self, j: int) -> Field:
        """P_p of a pattern, shape (modes, h, w)."""
        if not self.moved:
            return self.modes.numpy()
        ramps = self.estimate.placement.ramps
        assert ramps is not None
        moved = self.scratch("moved", self.modes.shape)
        self.kernels.shift(self.modes.numpy(), *ramps.factors(j), moved.numpy())
        return torch.fft.ifft2(moved).numpy()

    def step_moved(self, j: int, change: Field, steps: Tensor) -> None:
        """Shift a step of the probes back, and add it in Fourier space."""
        ramps = self.estimate.placement.ramps
        assert ramps is not None
        spectra = torch.fft.fft2(torch.from_numpy(change)).numpy()
        self.kernels.add_shifted_back(spectra, *ramps.factors(j), steps.numpy())

    def changed(
        self, j: int, pattern: Tensor, make: Callable[[Field], None]
    ) -> tuple[Field, float]:
        """Make exit waves, and return psi' - psi and the squared error of a pattern.

        psi' - psi lies in the first h rows and w columns of what is returned.
        """
        make(self._waves.numpy())
        far, propagator = self._is_far, self.estimate.propagator
        forward = torch.fft.fft2 if far else propagator.forward
        waves = forward(self._waves)
        error = self._corrected(_whole(waves), j, pattern.numpy())
        if far:
            return torch.fft.ifft2(waves, norm="forward").numpy(), error
        after = propagator.backward(waves)
        if self.clips:
            after = after.sub_(self._waves)
        return _whole(after), error

    def _corrected(self, waves: Field, j: int, pattern: Real) -> float:
        measured, kernels = self.measured, self.kernels
        good = _NONE if measured.good is None else measured.good.numpy()
        around = measured.background
        background = _NONE if around is None else around.numpy()
        if (held := measured.held_out) is not None:
            there = (held.pixels.numpy(), held.amplitudes[j].numpy())
            rest = (background, self.view[1], self._norm)
            held.squared[j] = kernels.held_out(waves, *there, *rest)
        return kernels.modulus(
            waves,
            pattern,
            good,
            background,
            measured.smallest,
            self._norm,
            1.0 if self.clips and not self._is_far else 0.0,
        )


def _single(now: _Step, sizes: Sizes, errors: Real) -> None:
    """Step with one view, whose object is not shifted by fractions of a pixel."""
    kernels, canvas = now.kernels, now.canvas
    (j,), ((y, x),) = now.batch, now.corners
    probes, most = now.probes(j), np.empty(2, np.float32)
    pattern = now.measured.storage[now.batch][0, 0]
    change, errors[0] = now.changed(
        j, pattern, lambda out: kernels.exit_one(probes, canvas, y, x, out, most)
    )
    in_place = now.updates_probe and not now.moved
    kernels.update_one(probes, canvas, y, x, change, most, *sizes, in_place)
    if now.moved and now.updates_probe:
        now.step_moved(j, change, now.modes)
        now.estimate.probe_kept.was_stepped()


def _several(now: _Step, sizes: Sizes, errors: Real) -> None:
    """Step with any views: sums over all of them, then one step."""
    kernels, estimate, (h, w) = now.kernels, now.estimate, now.view
    top, left = (min(at) for at in zip(*now.corners, strict=True))
    bottom, right = (max(at) for at in zip(*now.corners, strict=True))
    bounds = (bottom - top + h, right - left + w)
    power = torch.zeros(bounds).numpy()
    total = torch.zeros(bounds, dtype=torch.complex64)
    views, at = now.canvas, now.corners
    if estimate.placement.shifts_object:
        shifted = estimate.views(now.batch)
        views, at = shifted.flatten(0, 1).numpy(), [(h * n, 0) for n in range(len(at))]
    weight = estimate.scratch("fused weight", now.view).numpy()
    ys, xs = np.array(at, np.int64).T.copy()
    kernels.probe_weight(views, ys, xs, sizes.alphas[1], sizes.shares[1], weight)
    steps = now.scratch("steps", now.modes.shape).zero_()
    for n, (j, pattern) in enumerate(_patterns(now)):
        probes, (y, x) = now.probes(j), at[n]
        where = (now.corners[n][0] - top, now.corners[n][1] - left)
        make = _sum_maker(kernels, probes, (views, y, x), (power, *where))
        change, errors[n] = now.changed(j, pattern, make)
        if estimate.placement.shifts_object:
            own = now.scratch("own", (1, 1, h, w)).zero_()
            kernels.gather_object(probes, change, own[0, 0].numpy(), 0, 0)
            back = estimate.object_frame(own, [j])[0, 0]
            total[where[0] : where[0] + h, where[1] : where[1] + w].add_(back)
        else:
            kernels.gather_object(probes, change, total.numpy(), *where)
        if now.updates_probe and now.moved:
            kernels.weigh_probes(views, y, x, change, weight)
            now.step_moved(j, change, steps)
        elif now.updates_probe:
            kernels.gather_probes(views, y, x, change, steps.numpy())
    if now.updates_probe and now.moved:
        now.modes.add_(steps)
        estimate.probe_kept.was_stepped()
    elif now.updates_probe:
        kernels.add_weighted(now.modes.numpy(), steps.numpy(), weight)
    step = (sizes.alphas[0], sizes.shares[0])
    kernels.step_object(now.canvas, top, left, total.numpy(), power, *step)


def _sum_maker(
    kernels: Kernels,
    probes: Field,
    view: tuple[Field, int, int],
    power: tuple[Real, int, int],
) -> Callable[[Field], None]:
    return lambda out: kernels.exit_sum(probes, *view, out, *power)


def _patterns(now: _Step) -> list[tuple[int, Tensor]]:
    """Numbers and amplitudes (h, w) of the patterns of a batch."""
    storage = now.measured.storage
    if isinstance(storage, Kept):
        return [(j, storage[[j]][0, 0]) for j in now.batch]
    return list(zip(now.batch, storage[now.batch][:, 0], strict=True))


def _whole(waves: Tensor) -> NDArray[np.complex64]:
    """Waves (modes, h, w), or the larger grid (modes, H, W) that they are cut from."""
    if waves.is_contiguous():
        return waves.numpy()
    row = waves.stride(1)
    plane = waves.stride(0) if len(waves) > 1 else waves.shape[1] * row
    grid = (len(waves), plane // row, row)
    return waves.as_strided(grid, (plane, row, 1)).numpy()


def _check_inside(
    corners: Sequence[tuple[int, int]], view: tuple[int, int], canvas: tuple[int, ...]
) -> None:
    """Kernels do not look where they write: refuse views beyond the canvas."""
    for y, x in corners:
        if not (0 <= y <= canvas[0] - view[0] and 0 <= x <= canvas[1] - view[1]):
            raise IndexError(f"a view at {(y, x)} lies beyond the canvas {canvas}")
