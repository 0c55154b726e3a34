"""A result brought to another focus-sample distance, on the grid that belongs to it.

In near field the focus decides the magnification, and with it the object pixel. The
object in metres and the positions in metres stay as they are; the probe takes over the
change of the wavefront (r from the middle of the view) ::

    O_new(r) = O(r),    P_new(r) = P(r) exp(i pi r^2 / lambda (1/fs - 1/fs_new)),

so that the patterns stay, as far as both grids can hold beam and object. In far field
the grid does not depend on the focus, and the probe carries its whole phase: only the
geometry changes.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.analysis.focus import probe_focus
from napari_scicompty.data.canvas import WHOLE, Canvas
from napari_scicompty.optics.grids import from_middle, middle
from napari_scicompty.optics.resampling import interpolation, resampled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.data.snapshot import Snapshot

    Pair = tuple[float, float]


def regridded(snapshot: Snapshot, focus_sample_m: float | None) -> Snapshot:
    """Return the result as it would be, had it been told another focus.

    A run continues from it with ``scan.with_geometry(result.geometry)``. Its error is
    not known until then, and the algorithm begins anew.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    focus_sample_m : float, optional
        Focus to sample, > 0 upstream; None for a flat wave.

    Raises
    ------
    InputError
        A focus that is zero or on the detector, or a probe without light.
    """
    geometry = snapshot.geometry.replace(focus_sample_m=focus_sample_m)
    before, after = (
        "unknown" if fs is None else f"{fs * 1e3:.5g} mm"
        for fs in (snapshot.geometry.focus_sample_m, focus_sample_m)
    )
    note = f"focus-sample {before} replaced by {after} at epoch {snapshot.epoch}"
    history = snapshot.history.add(notes=[note], edits=[snapshot.epoch])
    taken = snapshot.replace(geometry=geometry, history=history)
    if geometry.propagation == "far-field":
        return taken
    canvas = _canvas(snapshot, geometry)
    return taken.replace(
        object=_object(snapshot, canvas),
        probe=_probe(snapshot, canvas.pixel_size_m, focus_sample_m),
        origin_m=canvas.origin_m,
        pixel_size_m=canvas.pixel_size_m,
        error=math.nan,
        # The error may rise far above the best so far, which is no divergence.
        state={"algorithm": {}, "best": math.inf},
    )


def _canvas(snapshot: Snapshot, geometry: Geometry) -> Canvas:
    """Canvas of the new pixel, with as many pixels around the views as before."""
    old = snapshot.canvas
    pixel = geometry.pixel_size_m(old.view)
    corners = snapshot.positions_px
    before = corners.min(0)
    beyond = np.array(old.shape) - corners.max(0) - old.view
    low, high = snapshot.positions_m.min(0), snapshot.positions_m.max(0)
    inner = (high - low) / pixel + old.view
    H, W = (math.ceil(size - WHOLE) for size in before + inner + beyond)
    origin = low - before * pixel
    return replace(
        old,
        shape=(H, W),
        pixel_size_m=pixel,
        origin_m=(float(origin[0]), float(origin[1])),
    )


def _object(snapshot: Snapshot, canvas: Canvas) -> NDArray[np.complex64]:
    """Object on the new canvas, vacuum around it.

    A position is that of a view's first pixel, and it is the middle of a view that
    stays where it is: the object moves by half of what the view grows.
    """
    old = snapshot.canvas
    by = zip(
        old.shape, canvas.shape, old.view, old.pixel_size_m, canvas.pixel_size_m,
        old.origin_m, canvas.origin_m,
        strict=True,
    )  # fmt: skip
    maps = [
        interpolation(
            had,
            (start - was) / pixel
            + (np.arange(size) - middle(view)) * step / pixel
            + middle(view),
            step / pixel,
        )
        for had, size, view, pixel, step, was, start in by
    ]
    return (1 + resampled(snapshot.object - 1, maps)).astype(np.complex64)


def _probe(
    snapshot: Snapshot, pixel: Pair, focus_sample_m: float | None
) -> NDArray[np.complex64]:
    """Probe modes on the new pixels, of the same power.

    What curvature they have is taken off before and put back afterwards, because what
    is flat is interpolated best.
    """
    told = snapshot.geometry.focus_sample_m
    change = _curvature(told) - _curvature(focus_sample_m)
    residual = probe_focus(snapshot).residual_per_m
    shape, wavelength = snapshot.canvas.view, snapshot.geometry.wavelength_m
    flat = snapshot.probe * _wavefront(
        shape, snapshot.pixel_size_m, wavelength, (-residual[0], -residual[1])
    )
    ratios = [new / old for new, old in zip(pixel, snapshot.pixel_size_m, strict=True)]
    maps = [
        interpolation(n, middle(n) + ratio * from_middle(n), ratio)
        for n, ratio in zip(shape, ratios, strict=True)
    ]
    left = (residual[0] + change, residual[1] + change)
    probe = resampled(flat, maps) * _wavefront(shape, pixel, wavelength, left)
    power = np.sum(np.abs(snapshot.probe) ** 2) / np.sum(np.abs(probe) ** 2)
    return (probe * math.sqrt(power)).astype(np.complex64)


def _wavefront(
    shape: tuple[int, int], pixel: Pair, wavelength_m: float, curvature_per_m: Pair
) -> NDArray[np.complex128]:
    """exp(i pi / lambda (kappa_y y^2 + kappa_x x^2)) from the middle of a view."""
    y, x = (
        curvature * (from_middle(n) * step) ** 2
        for n, step, curvature in zip(shape, pixel, curvature_per_m, strict=True)
    )
    return np.exp(1j * math.pi / wavelength_m * (y[:, None] + x))


def _curvature(focus_sample_m: float | None) -> float:
    return 0.0 if focus_sample_m is None else 1 / focus_sample_m
