"""Steps down the gradients: what each parameter of AutoDiff does with its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from napari_scicompty.algorithms._forward import phase_per_curvature
from napari_scicompty.algorithms._optimisers import (
    OPTIMISERS,
    adam_of_rows,
    normalised,
)
from napari_scicompty.optics import differentiable, patches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from napari_scicompty.algorithms._forward import Model
    from napari_scicompty.algorithms.autodiff import AutoDiff
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured

LARGEST_MOVE_PX = 2.0
"""Of a position, in one step."""

DARKEST = 0.01
"""Power of the beam, relative to the probe's, that no pattern goes below."""


class Curvature(NamedTuple):
    """Bounds of the second derivatives."""

    loss: float | Tensor
    """Of the loss, for light of 1."""
    object: float | Tensor
    """Of what the object pays beside it; (H, W) or a number."""


@dataclass
class Descent:
    """One step of a batch; a method for each parameter that is stepped with it."""

    settings: AutoDiff
    estimate: Estimate
    measured: Measured
    batch: Sequence[int]
    state: dict[str, Any]

    def step(
        self, gradients: dict[str, Tensor], model: Model, curvature: Curvature
    ) -> None:
        """Take a step with every parameter that has a gradient."""
        if "object" in gradients:
            self._object(gradients.pop("object"), model, curvature)
        if "probe" in gradients:
            self._probe(gradients.pop("probe"), model, curvature)
        for name, gradient in gradients.items():
            getattr(self, f"_{name}")(gradient)

    # -- waves: by the optimiser that was chosen --------------------------------------
    def _object(self, gradient: Tensor, model: Model, curvature: Curvature) -> None:
        _follow_canvas(self.estimate, self.state)
        light = patches.intensity(model.probes).sum(1)
        light = light.expand(len(self.batch), -1, -1)
        corners = self.estimate.corners(self.batch)
        seen = patches.put_back(light, corners, self.estimate.canvas.shape)
        bound = seen.mul_(curvature.loss)
        if isinstance(curvature.object, torch.Tensor) or curvature.object:
            bound.add_(curvature.object * (seen > 0))
        step = self._optimised("object", gradient, bound)
        self.estimate.object.add_(step, alpha=self._rate("object"))

    def _probe(self, gradient: Tensor, model: Model, curvature: Curvature) -> None:
        seen = patches.intensity(model.views).sum(0).mul_(curvature.loss)
        unit = _typical_amplitude(self.estimate.probe)
        step = self._optimised("probe", gradient * unit, seen * unit**2)
        self.estimate.probe.add_(step.mul_(unit), alpha=self._rate("probe"))

    def _optimised(self, name: str, gradient: Tensor, bound: Tensor) -> Tensor:
        optimiser = OPTIMISERS[self.settings.optimiser]
        memory = moments(self.state, name)
        return optimiser(gradient, bound, memory, self.settings.damping)

    # -- the rest: by Adam ------------------------------------------------------------
    def _positions(self, gradient: Tensor) -> None:
        index, pull = list(self.batch), self.settings.position_pull
        if pull:
            nominal = self.measured.positions_m
            correction = self.estimate.positions_m[index] - nominal[index]
            side = torch.from_numpy(np.sign(correction)).to(gradient)
            gradient = gradient + pull / len(index) * side
        change = self._of_rows("positions", gradient).mul_(self._rate("positions_px"))
        self.state.setdefault("positions_before", self.estimate.positions_m)
        self.estimate.move(self.batch, change.clamp_(-LARGEST_MOVE_PX, LARGEST_MOVE_PX))

    def _brightness(self, gradient: Tensor) -> None:
        change = self._of_rows("brightness", gradient).mul_(self._rate("brightness"))
        brightness = self.estimate.brightness
        assert brightness is not None
        brightness[list(self.batch)] += change
        brightness.clamp_(min=DARKEST)

    def _background(self, gradient: Tensor) -> None:
        background = self.measured.background
        assert background is not None
        counts = self.measured.power.mean() / background.numel()
        step = normalised(gradient, moments(self.state, "background"))
        background.add_(step, alpha=self._rate("background") * counts).clamp_(min=0)

    def _distance(self, gradient: Tensor) -> None:
        step = float(normalised(gradient, moments(self.state, "distance")))
        distance = self.estimate.distance_m
        self.state.setdefault("distance_before", distance)
        moved = distance * (1 + self._rate("distance") * step)
        self.estimate.look_from(min(moved, self.estimate.farthest_m))

    def _focus(self, gradient: Tensor) -> None:
        """Bend the wavefront of the probe, whose light stays as it is."""
        step = float(normalised(gradient, moments(self.state, "focus")))
        phase = phase_per_curvature(self.estimate)
        light = patches.intensity(self.estimate.probe).sum(0)
        # 2 <q> is q at the rim of a disc, and at 1 / e^2 of a Gaussian beam.
        rim = float(2 * (light * phase).sum() / light.sum().clamp(min=1e-30))
        change = self._rate("focus") * step / rim
        self.estimate.probe.mul_(differentiable.chirp(phase, change))
        self.state["bent"] = self.state.get("bent", 0.0) + change

    def _affine(self, gradient: Tensor) -> None:
        """Gather: a map of all positions is stepped when an epoch ends."""
        self.state["affine"] = self.state.get("affine", 0) + gradient

    def _of_rows(self, name: str, gradient: Tensor) -> Tensor:
        """Return the step of what each pattern has of its own."""
        count = len(self.estimate.positions_m)
        return adam_of_rows(
            gradient, list(self.batch), count, moments(self.state, name)
        )

    def _rate(self, name: str) -> float:
        rate: float = getattr(self.settings, f"rate_{name}")
        return rate * self.settings.share_left(self.state)


def end_epoch(
    settings: AutoDiff, estimate: Estimate, state: dict[str, Any]
) -> dict[str, float]:
    """Step what is gathered over an epoch; keep ambiguities in place.

    Returns
    -------
    dict
        Mean move of the positions in pixels, change of the distance as a share, of the
        wavefront's curvature in 1/m.
    """
    done = {}
    before = state.pop("positions_before", estimate.positions_m)
    if "affine" in state:
        change = normalised(state.pop("affine"), moments(state, "affine"))
        change.mul_(settings.share_left(state) * settings.rate_affine)
        away = estimate.positions_m - estimate.positions_m.mean(0)
        estimate.place(estimate.positions_m + away @ change.cpu().numpy().T)
    moved = estimate.positions_m - before
    if moved.any():
        # A move of all views together only moves the object.
        moved = moved - moved.mean(0)
        estimate.place(before + moved)
        way = moved / estimate.canvas.pixel_size_m
        done["positions"] = float(np.hypot(*way.T).mean())
    if "distance_before" in state:
        ratio = estimate.distance_m / state.pop("distance_before")
        done["distance"] = abs(ratio - 1)
    if "bent" in state:
        done["focus"] = state.pop("bent")
    if estimate.brightness is not None:
        mean = estimate.brightness.mean()
        estimate.brightness.div_(mean)
        estimate.probe.mul_(mean.sqrt())
    return done


def moments(state: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what an optimiser remembers of a parameter."""
    kept: dict[str, Any] = state.setdefault("moments", {}).setdefault(name, {})
    return kept


def _typical_amplitude(probe: Tensor) -> Tensor:
    """|P| where the light is: sqrt(sum |P|^4 / sum |P|^2)."""
    light = patches.intensity(probe)
    return (light.square().sum() / light.sum().clamp(min=1e-30)).sqrt()


def _follow_canvas(estimate: Estimate, state: dict[str, Any]) -> None:
    """Bring the object's moments onto the canvas, where it has grown."""
    canvas = estimate.canvas
    before, state["origin_m"] = state.get("origin_m"), list(canvas.origin_m)
    memory = moments(state, "object")
    for name, old in memory.items():
        if name == "step" or old.shape == canvas.shape:
            continue
        assert before is not None
        away = (np.array(before) - canvas.origin_m) / canvas.pixel_size_m
        top, left = (round(value) for value in away)
        H, W = old.shape
        memory[name] = old.new_zeros(canvas.shape)
        memory[name][top : top + H, left : left + W] = old
