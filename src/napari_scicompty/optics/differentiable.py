"""The forward model in differentiable steps, their gradients written by hand.

Gradients of complex tensors are those of torch: 2 dL/dx*, the steepest ascent. Each
step is an `autograd.Function`, so that they join with each other and with everything
that torch can differentiate, at a fraction of its time and memory.

======================  ================================  ===========================
step                    of                                gradients
======================  ================================  ===========================
`views`                 object, whole-pixel corners       object
`bilinear_views`        object, corners with fractions    object, positions
`shifted`               probe or views, shifts            fields, shifts
`bent`                  probe, curvature                  both
`model_intensity`       views, probes, distance           all of them
======================  ================================  ===========================

`bilinear_views` is the spatial transformer of Guzzi et al., "A parameter refinement
method for ptychography based on deep learning concepts", Condensed Matter 6, 36 (2021),
eqs. 10 to 13, without its grid: four taps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.autograd import Function

from napari_scicompty.optics import patches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_scicompty.optics.patches import Corner
    from napari_scicompty.optics.propagators import Propagator

    Gradients = tuple[Tensor | None, ...]

    class _Context(Protocol):
        """What torch keeps between a step and its gradients."""

        saved_tensors: tuple[Tensor, ...]
        needs_input_grad: tuple[bool, ...]

        def save_for_backward(self, *tensors: Tensor | None) -> None: ...
        def set_materialize_grads(self, value: bool) -> None: ...

    class _OfViews(_Context, Protocol):
        corners: Sequence[Corner]

        @property
        def canvas(self) -> tuple[int, int]: ...
        @canvas.setter
        def canvas(self, shape: tuple[int, ...]) -> None: ...

    class _OfShifts(_Context, Protocol):
        alike: bool

    class _OfBending(_Context, Protocol):
        dtype: torch.dtype

    class _OfModel(_Context, Protocol):
        propagator: Propagator


def views(object: Tensor, corners: Sequence[Corner], view: tuple[int, int]) -> Tensor:
    """Take views (B, h, w) of an object (H, W) at whole-pixel corners.

    Parameters
    ----------
    object : Tensor (H, W) complex
        The object.
    corners : sequence of (int, int)
        B top-left corners (y, x).
    view : (h, w)
        Pixels of a view.

    Returns
    -------
    Tensor (B, h, w) complex
        With a gradient by the object.
    """
    taken: Tensor = _apply(_Views, object, corners, view)
    return taken


def bilinear_views(object: Tensor, positions: Tensor, view: tuple[int, int]) -> Tensor:
    """Take views (B, h, w) of an object (H, W), four taps for each pixel.

    Parameters
    ----------
    object : Tensor (H, W) complex
        The object.
    positions : Tensor (B, 2)
        Top-left corners (y, x) in pixels; each at most H - h - 1, W - w - 1.
    view : (h, w)
        Pixels of a view.

    Returns
    -------
    Tensor (B, h, w) complex
        With gradients by object and positions.
    """
    taken: Tensor = _apply(_BilinearViews, object, positions, view)
    return taken


def shifted(fields: Tensor, shifts: Tensor) -> Tensor:
    """Move the content of fields by `shifts`, exactly, in Fourier space.

    Parameters
    ----------
    fields : Tensor (B or 1, modes, h, w) complex
        Taken as periodic.
    shifts : Tensor (B, 2)
        Pixels (y, x); positive moves content to larger indices.

    Returns
    -------
    Tensor (B, modes, h, w)
    """
    moved: Tensor = _apply(_Shifted, fields, shifts)
    return moved


def bent(fields: Tensor, curvature: Tensor, phase: Tensor) -> Tensor:
    """Bend the wavefront of fields: multiply them by exp(i kappa q).

    Parameters
    ----------
    fields : Tensor (..., h, w) complex
        Waves.
    curvature : Tensor ()
        kappa, 1/m; larger than zero diverges.
    phase : Tensor (h, w)
        q = pi r^2 / lambda: phase for a curvature of 1 / m.

    Returns
    -------
    Tensor (..., h, w) complex
        With gradients by fields and curvature.
    """
    taken: Tensor = _apply(_Bent, fields, curvature, phase)
    return taken


def chirp(phase: Tensor, curvature: float) -> Tensor:
    """Return exp(i kappa q) for q (h, w) = `phase`, and kappa = `curvature`.

    Parameters
    ----------
    phase : Tensor (h, w)
        q, in rad m.
    curvature : float
        kappa, in 1/m.
    """
    return torch.polar(torch.ones_like(phase), phase * curvature)


def model_intensity(
    views: Tensor, probes: Tensor, distance: Tensor | None, propagator: Propagator
) -> tuple[Tensor, Tensor]:
    """Return the intensity sum_p |D{P_p o_j}|^2, and the power that misses it.

    Parameters
    ----------
    views : Tensor (B, h, w) complex
        o_j, the object under each view.
    probes : Tensor (B or 1, modes, h, w) complex
        P_p; one alone is the same for every view.
    distance : Tensor (), optional
        Effective distance, in metres, that `propagator` was made for; only its
        gradient matters.
    propagator : Propagator
        D, from exit waves to detector waves.

    Returns
    -------
    Tensor (B, h, w)
        Intensity.
    Tensor (B,)
        Power of the exit waves that does not arrive on the detector.
    """
    intensity, missing = _apply(_ModelIntensity, views, probes, distance, propagator)
    return intensity, missing


def _apply(step: type[Function], *given: object) -> Any:
    # PyTorch gives this method no types.
    return step.apply(*given)  # type: ignore[no-untyped-call]


class _Views(Function):
    @staticmethod
    def forward(
        ctx: _OfViews, object: Tensor, corners: Sequence[Corner], view: tuple[int, int]
    ) -> Tensor:
        ctx.corners, ctx.canvas = corners, object.shape
        return patches.take(object, corners, view).clone()

    @staticmethod
    def backward(ctx: _OfViews, gradient: Tensor) -> Gradients:
        return patches.put_back(gradient, ctx.corners, ctx.canvas), None, None


class _BilinearViews(Function):
    @staticmethod
    def forward(
        ctx: _OfViews, object: Tensor, positions: Tensor, view: tuple[int, int]
    ) -> Tensor:
        whole = positions.detach().floor()
        fraction = (positions.detach() - whole).to(object.real.dtype)[:, :, None, None]
        corners = [(int(y), int(x)) for y, x in whole.tolist()]
        taps = patches.take(object, corners, (view[0] + 1, view[1] + 1))
        rows = torch.lerp(taps[:, :-1], taps[:, 1:], fraction[:, 0].to(taps.dtype))
        ctx.corners, ctx.canvas = corners, object.shape
        ctx.save_for_backward(taps, fraction)
        return torch.lerp(
            rows[:, :, :-1], rows[:, :, 1:], fraction[:, 1].to(taps.dtype)
        )

    @staticmethod
    def backward(ctx: _OfViews, gradient: Tensor) -> Gradients:
        taps, fraction = ctx.saved_tensors
        fy, fx = fraction[:, 0], fraction[:, 1]
        to_object = to_positions = None
        if ctx.needs_input_grad[0]:
            count, h, w = gradient.shape
            rows = gradient.new_zeros((count, h, w + 1))
            rows[:, :, :-1] = gradient * (1 - fx)
            rows[:, :, 1:] += gradient * fx
            spread = gradient.new_zeros((count, h + 1, w + 1))
            spread[:, :-1] = rows * (1 - fy)
            spread[:, 1:] += rows * fy
            to_object = patches.put_back(spread, ctx.corners, ctx.canvas)
        if ctx.needs_input_grad[1]:
            down, right = taps.diff(dim=1), taps.diff(dim=2)
            slope_y = down[:, :, :-1] * (1 - fx) + down[:, :, 1:] * fx
            slope_x = right[:, :-1] * (1 - fy) + right[:, 1:] * fy
            to_positions = torch.stack(
                [_inner(gradient, slope_y), _inner(gradient, slope_x)], -1
            )
        return to_object, to_positions, None


class _Shifted(Function):
    @staticmethod
    def forward(ctx: _OfShifts, fields: Tensor, shifts: Tensor) -> Tensor:
        ramp = _ramp(fields, shifts.detach())
        spectrum = torch.fft.fft2(fields) * ramp
        ctx.alike = len(fields) == 1
        ctx.save_for_backward(ramp, spectrum if ctx.needs_input_grad[1] else None)
        return torch.fft.ifft2(spectrum)

    @staticmethod
    def backward(ctx: _OfShifts, gradient: Tensor) -> Gradients:
        ramp, spectrum = ctx.saved_tensors
        to_fields = to_shifts = None
        transformed = torch.fft.fft2(gradient)
        if ctx.needs_input_grad[0]:
            back = ramp.conj() * transformed
            to_fields = torch.fft.ifft2(
                back.sum(0, keepdim=True) if ctx.alike else back
            )
        if ctx.needs_input_grad[1]:
            # Parseval: <g, -2 pi i f F^-1 S> = <F g, -2 pi i f S> / pixels
            h, w = gradient.shape[-2:]
            product = (transformed.conj() * spectrum).imag.sum(1)
            rows, columns = product.sum(2), product.sum(1)
            factor = 2 * math.pi / (h * w)
            to_shifts = torch.stack(
                [
                    rows @ torch.fft.fftfreq(h).to(rows),
                    columns @ torch.fft.fftfreq(w).to(columns),
                ],
                -1,
            )
            to_shifts *= factor
        return to_fields, to_shifts


class _Bent(Function):
    @staticmethod
    def forward(
        ctx: _OfBending, fields: Tensor, curvature: Tensor, phase: Tensor
    ) -> Tensor:
        factor = chirp(phase, float(curvature))
        taken = fields * factor
        ctx.dtype = curvature.dtype
        ctx.save_for_backward(factor, taken, phase)
        return taken

    @staticmethod
    def backward(ctx: _OfBending, gradient: Tensor) -> Gradients:
        factor, taken, phase = ctx.saved_tensors
        to_fields = to_curvature = None
        if ctx.needs_input_grad[0]:
            to_fields = gradient * factor.conj()
        if ctx.needs_input_grad[1]:
            # <g, i q P>
            turned = (gradient * taken.conj()).imag * phase
            to_curvature = turned.sum().to(ctx.dtype)
        return to_fields, to_curvature, None


class _ModelIntensity(Function):
    @staticmethod
    def forward(
        ctx: _OfModel,
        views: Tensor,
        probes: Tensor,
        distance: Tensor | None,
        propagator: Propagator,
    ) -> tuple[Tensor, Tensor]:
        exit_waves = probes * views[:, None]
        waves = propagator.forward(exit_waves)
        ctx.propagator = propagator
        ctx.save_for_backward(views, probes, waves)
        ctx.set_materialize_grads(False)
        model = patches.intensity(waves).sum(1)
        sent = patches.intensity(exit_waves).sum((1, 2, 3))
        return model, sent - model.sum((1, 2))

    @staticmethod
    def backward(
        ctx: _OfModel, gradient: Tensor | None, missing: Tensor | None
    ) -> Gradients:
        views, probes, waves = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        slope = views.real.new_zeros((1, 1, 1)) if gradient is None else gradient
        if missing is not None:
            slope = slope - missing[:, None, None]
        to_waves = waves * (2 * slope)[:, None]
        to_exit = ctx.propagator.backward(to_waves)
        if missing is not None:
            exit_waves = probes * views[:, None]
            to_exit = to_exit + 2 * missing[:, None, None, None] * exit_waves
        to_views = to_probes = to_distance = None
        if wanted[0]:
            to_views = (probes.conj() * to_exit).sum(1)
        if wanted[1]:
            to_probes = views.conj()[:, None] * to_exit
            if len(probes) == 1:
                to_probes = to_probes.sum(0, keepdim=True)
        if wanted[2]:
            to_distance = ctx.propagator.slope(probes * views[:, None], to_waves)
        return to_views, to_probes, to_distance, None


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """Re <a, b> over the last two axes."""
    return (a.real * b.real + a.imag * b.imag).sum((-2, -1))


def _ramp(fields: Tensor, shifts: Tensor) -> Tensor:
    """Fourier factors (B, 1, h, w) that move fields (..., h, w) by shifts (B, 2)."""
    h, w = fields.shape[-2:]
    rows = patches.shift_ramp(shifts[:, 0], h, fields.dtype)
    columns = patches.shift_ramp(shifts[:, 1], w, fields.dtype)
    return (rows[:, :, None] * columns[:, None, :])[:, None]
