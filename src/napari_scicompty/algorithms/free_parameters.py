"""What AutoDiff can refine: for each quantity its settings and how it is stepped.

A new quantity is one class and one entry of `PARAMETERS` here, beside its place in the
model (`Parameters` and `model_of` in `model/forward.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_scicompty.algorithms._descent import FreeParameter
from napari_scicompty.algorithms._optimisers import normalised
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.settings import Settings, setting
from napari_scicompty.model.defocus import farthest
from napari_scicompty.model.forward import phase_per_curvature
from napari_scicompty.optics import differentiable, patches

if TYPE_CHECKING:
    from torch import Tensor

    from napari_scicompty.algorithms._descent import AutoDiffState, Descent, Epoch
    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.model.estimate import Estimate

LARGEST_MOVE_PX = 2.0
"""Of a position, in one step."""

DARKEST = 0.01
"""Power of the beam, relative to the probe's, that no pattern goes below."""


class FreeSettings(Settings):
    """What is free, how fast it goes, and since when."""

    free_object: bool = setting(True, "Refine the object")
    free_probe: bool = setting(True, "Refine the probe modes")
    free_positions: bool = setting(False, "Refine each position")
    free_distance: bool = setting(
        False,
        "Refine the distance as a plain parameter: with a known, frozen probe. With a "
        "free probe it stalls; use the refiner of the distance instead",
    )
    free_focus: bool = setting(
        False,
        "Refine the focus of a known, frozen probe: the curvature of its wavefront. A "
        "free probe takes it up by itself",
    )
    free_affine: bool = setting(
        False, "Refine scale, rotation and shear of the whole scan"
    )
    free_brightness: bool = setting(False, "Refine the beam's power at each position")
    free_background: bool = setting(
        False,
        "Refine counts that no wave explains, the same in all patterns; what drifts "
        "from pattern to pattern must be taken off before",
    )
    rate_object: float = setting(0.2, "Step of the object; 1 is bold", gt=0, le=1)
    rate_probe: float = setting(0.2, "Step of the probe; 1 is bold", gt=0, le=1)
    rate_positions_px: float = setting(
        1.5,
        "Pixels that a position moves in an epoch, at first",
        title="Rate positions (px)",
        gt=0,
        le=10,
    )
    rate_distance: float = setting(
        0.04, "Share of the distance that it moves in a step, at first", gt=0, le=0.2
    )
    rate_focus: float = setting(
        0.5,
        "Phase by which a step bends the wavefront at the rim of the beam, at first",
        unit="rad",
        gt=0,
        le=3,
        advanced=True,
    )
    rate_affine: float = setting(
        1e-3, "Scale, rotation (rad) and shear in an epoch", gt=0, le=0.1, advanced=True
    )
    rate_brightness: float = setting(
        0.02,
        "Share of the power that it changes in an epoch",
        gt=0,
        le=1,
        advanced=True,
    )
    rate_background: float = setting(
        0.05,
        "Step of the background, as a share of the mean counts",
        gt=0,
        le=1,
        advanced=True,
    )
    start_probe: int = setting(
        0, "Epochs before the probe is refined", ge=0, advanced=True
    )
    start_positions: int = setting(
        5,
        "Epochs before positions and their affine map are refined",
        ge=0,
        advanced=True,
    )
    start_distance: int = setting(
        5, "Epochs before the distance is refined", ge=0, advanced=True
    )
    start_focus: int = setting(
        0,
        "Epochs before the focus is refined: an object drawn by a wrong wavefront "
        "holds it back",
        ge=0,
        advanced=True,
    )
    start_others: int = setting(
        5, "Epochs before brightness and background are refined", ge=0, advanced=True
    )
    position_pull: float = setting(
        0.0,
        "Pull of positions to where they were measured (L1), error a pixel",
        ge=0,
        advanced=True,
    )


class _Object(FreeParameter):
    """Transmission function."""

    name = "object"

    def step(self, descent: Descent, gradient: Tensor) -> None:
        estimate, curvature = descent.estimate, descent.curvature
        _follow_canvas(estimate, descent.state)
        light = patches.intensity(descent.model.probes).sum(1)
        light = light.expand(len(descent.batch), -1, -1)
        corners = estimate.placement.corners(descent.batch)
        seen = patches.put_back(light, corners, estimate.canvas.shape)
        bound = seen.mul_(curvature.loss)
        if isinstance(curvature.object, torch.Tensor) or curvature.object:
            bound.add_(curvature.object * (seen > 0))
        step = descent.optimised(self.name, gradient, bound)
        estimate.object.add_(step, alpha=descent.rate("object"))


class _Probe(FreeParameter):
    """Modes of the illumination."""

    name = "probe"
    since = "start_probe"

    def step(self, descent: Descent, gradient: Tensor) -> None:
        probe = descent.estimate.probe
        seen = patches.intensity(descent.model.views).sum(0)
        seen.mul_(descent.curvature.loss)
        unit = _typical_amplitude(probe)
        step = descent.optimised(self.name, gradient * unit, seen * unit**2)
        rate = descent.rate("probe")
        probe.add_(step.mul_(unit), alpha=rate)


class _Affine(FreeParameter):
    """Scale, rotation and shear of all positions; one step an epoch."""

    name, quantity = "affine", "positions"
    since = "start_positions"

    def step(self, descent: Descent, gradient: Tensor) -> None:
        memory = descent.state.of(self.name)
        memory["gathered"] = memory.get("gathered", 0) + gradient

    def end_epoch(self, epoch: Epoch) -> None:
        """Move all positions; `_Positions` tells by how much."""
        memory = epoch.state.of(self.name)
        if "gathered" not in memory:
            return
        change = normalised(memory.pop("gathered"), memory)
        change.mul_(epoch.rate("affine"))
        before = epoch.estimate.positions_m
        epoch.state.of(_Positions.name).setdefault("before", before)
        away = before - before.mean(0)
        epoch.estimate.place(before + away @ change.cpu().numpy().T)


class _Positions(FreeParameter):
    """Each position by itself."""

    name = quantity = "positions"
    since = "start_positions"

    def step(self, descent: Descent, gradient: Tensor) -> None:
        index, pull = list(descent.batch), descent.position_pull
        estimate = descent.estimate
        if pull:
            nominal = descent.measured.positions_m
            correction = estimate.positions_m[index] - nominal[index]
            side = torch.from_numpy(np.sign(correction)).to(gradient)
            gradient = gradient + pull / len(index) * side
        rate = descent.rate("positions_px")
        change = descent.of_rows(self.name, gradient).mul_(rate)
        descent.state.of(self.name).setdefault("before", estimate.positions_m)
        estimate.placement.move(
            descent.batch, change.clamp_(-LARGEST_MOVE_PX, LARGEST_MOVE_PX)
        )

    def end_epoch(self, epoch: Epoch) -> float | None:
        """Take off the move of all views together, which only moves the object.

        Returns
        -------
        float or None
            Mean move in pixels.
        """
        before = epoch.state.of(self.name).pop("before", epoch.estimate.positions_m)
        moved = epoch.estimate.positions_m - before
        if not moved.any():
            return None
        moved = moved - moved.mean(0)
        epoch.estimate.place(before + moved)
        way = moved / epoch.estimate.canvas.pixel_size_m
        return float(np.hypot(*way.T).mean())


class _Distance(FreeParameter):
    """From sample to detector."""

    name = quantity = "distance"
    since = "start_distance"

    def check(self, geometry: Geometry, *, probe_is_known: bool) -> None:
        geometry.check_distance_shows()

    def step(self, descent: Descent, gradient: Tensor) -> None:
        step = descent.of_number(self.name, gradient)
        estimate = descent.estimate
        distance = estimate.distance_m
        descent.state.of(self.name).setdefault("before", distance)
        moved = distance * (1 + descent.rate("distance") * step)
        estimate.set_distance(min(moved, farthest(estimate)))

    def end_epoch(self, epoch: Epoch) -> float | None:
        """Return the change of the distance, as a share of it."""
        before = epoch.state.of(self.name).pop("before", None)
        return None if before is None else abs(epoch.estimate.distance_m / before - 1)


class _Focus(FreeParameter):
    """Curvature of the wavefront of a known probe, whose light stays as it is."""

    name = "focus"
    since = "start_focus"

    def check(self, geometry: Geometry, *, probe_is_known: bool) -> None:
        if not probe_is_known:
            raise InputError(
                field="algorithm.free_focus",
                problem="a free probe takes up any curvature of its wavefront, and no "
                "pattern can tell the focus",
                remedy="freeze a calibrated probe (run.freeze_probe), or look for the "
                "focus in the probe that is found (metrics.probe_focus)",
            )

    def step(self, descent: Descent, gradient: Tensor) -> None:
        step = descent.of_number(self.name, gradient)
        probe, phase = descent.estimate.probe, phase_per_curvature(descent.estimate)
        light = patches.intensity(probe).sum(0)
        # 2 <q> is q at the rim of a disc, and at 1 / e^2 of a Gaussian beam.
        rim = float(2 * (light * phase).sum() / light.sum().clamp(min=1e-30))
        change = descent.rate("focus") * step / rim
        probe.mul_(differentiable.chirp(phase, change))
        memory = descent.state.of(self.name)
        memory["bent"] = memory.get("bent", 0.0) + change

    def end_epoch(self, epoch: Epoch) -> float | None:
        """Return the curvature that the wavefront took on, 1/m, with its sign."""
        bent: float | None = epoch.state.of(self.name).pop("bent", None)
        return bent


class _Brightness(FreeParameter):
    """Power of the beam at each position, relative; its mean stays 1."""

    name = "brightness"
    since = "start_others"

    def step(self, descent: Descent, gradient: Tensor) -> None:
        rate = descent.rate("brightness")
        change = descent.of_rows(self.name, gradient).mul_(rate)
        brightness = descent.estimate.brightness
        assert brightness is not None
        brightness[list(descent.batch)] += change
        brightness.clamp_(min=DARKEST)

    def end_epoch(self, epoch: Epoch) -> None:
        """Give a mean that is not 1 to the probe."""
        if epoch.estimate.brightness is not None:
            mean = epoch.estimate.brightness.mean()
            epoch.estimate.brightness.div_(mean)
            epoch.estimate.probe.mul_(mean.sqrt())


class _Background(FreeParameter):
    """Counts that no wave explains, the same in all patterns."""

    name = "background"
    since = "start_others"

    def step(self, descent: Descent, gradient: Tensor) -> None:
        background = descent.measured.background
        assert background is not None
        counts = descent.measured.power.mean() / background.numel()
        step = normalised(gradient, descent.state.of(self.name))
        rate = descent.rate("background")
        background.add_(step, alpha=rate * counts).clamp_(min=0)


PARAMETERS: tuple[FreeParameter, ...] = (
    _Object(),
    _Probe(),
    _Affine(),
    _Positions(),
    _Distance(),
    _Focus(),
    _Brightness(),
    _Background(),
)
"""All that can be free, in the order in which steps are taken."""


def _typical_amplitude(probe: Tensor) -> Tensor:
    """|P| where the light is: sqrt(sum |P|^4 / sum |P|^2)."""
    light = patches.intensity(probe)
    return (light.square().sum() / light.sum().clamp(min=1e-30)).sqrt()


def _follow_canvas(estimate: Estimate, state: AutoDiffState) -> None:
    """Bring the object's moments onto the canvas, where it has grown."""
    canvas = estimate.canvas
    before, state.origin_m = state.origin_m, list(canvas.origin_m)
    memory = state.of("object")
    for name, old in memory.items():
        if name == "step" or old.shape == canvas.shape:
            continue
        assert before is not None
        away = (np.array(before) - canvas.origin_m) / canvas.pixel_size_m
        top, left = (round(value) for value in away)
        H, W = old.shape
        memory[name] = old.new_zeros(canvas.shape)
        memory[name][top : top + H, left : left + W] = old
