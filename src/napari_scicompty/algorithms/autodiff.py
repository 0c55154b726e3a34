"""AutoDiff: everything that is not known, by the gradients of one loss.

Guzzi et al., "A parameter refinement method for ptychography based on deep learning
concepts", Condensed Matter 6, 36 (2021); Seifert et al., "Efficient and flexible
approach to ptychography using an optimization framework based on automatic
differentiation", OSA Continuum 4, 121 (2021). With the model of a batch::

    M_j = c_j sum_p |D_z{P_p exp(i pi kappa r^2 / lambda) o(r_j)}|^2 + b

the loss of its patterns is differentiated by all that is free, and an optimiser takes a
step with every batch; an affine map of all positions takes one an epoch.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch

from napari_scicompty.algorithms import _regularisers
from napari_scicompty.algorithms._descent import Curvature, Descent, end_epoch
from napari_scicompty.algorithms._forward import Parameters, model_of
from napari_scicompty.algorithms._losses import LOSSES
from napari_scicompty.algorithms.base import Algorithm
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.settings import setting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured


class AutoDiff(Algorithm):
    """Gradients of one loss by object, probe and whatever else is free."""

    free_object: bool = setting(True, "Refine the object")
    free_probe: bool = setting(True, "Refine the probe modes")
    free_positions: bool = setting(False, "Refine each position")
    free_distance: bool = setting(
        False,
        "Refine the distance as a plain parameter: with a known, frozen probe. With a "
        "free probe it stalls; refine it along the valley instead",
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
        False, "Refine counts that no wave explains, the same in all patterns"
    )
    loss: Literal["amplitude", "intensity", "poisson"] = setting(
        "amplitude",
        "Amplitude for counting noise, intensity for readout noise, Poisson likelihood "
        "for few photons",
    )
    view: Literal["fourier", "bilinear"] = setting(
        "fourier",
        "Fractions of a pixel: exact, in Fourier space, or by four taps, which smooth",
        advanced=True,
    )
    optimiser: Literal["momentum", "adam"] = setting(
        "momentum",
        "Steps of object and probe: Gauss-Newton with momentum, or Adam",
        advanced=True,
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
    half_life: float = setting(
        40.0, "Epochs in which all rates halve", title="Half life", gt=0, advanced=True
    )
    floor: float = setting(
        0.02, "Share of the rates that is never gone below", ge=0, le=1, advanced=True
    )
    damping: float = setting(
        0.2,
        "0: every pixel takes full steps; 1: those that are seen less take less",
        ge=0,
        le=1,
        advanced=True,
    )
    position_pull: float = setting(
        0.0,
        "Pull of positions to where they were measured (L1), error a pixel",
        ge=0,
        advanced=True,
    )
    energy: float = setting(
        0.0,
        "Weight of the probe's power being that of the patterns",
        ge=0,
        advanced=True,
    )
    magnitude_limit: float = setting(
        1.0, "|object| above which it is paid for, see its weight", gt=0, advanced=True
    )
    magnitude_weight: float = setting(
        0.0, "Weight of |object| above its limit", ge=0, advanced=True
    )
    phase_low: float = setting(
        -math.pi,
        "Phase below which it is paid for",
        unit="rad",
        ge=-4,
        le=4,
        advanced=True,
    )
    phase_high: float = setting(
        math.pi,
        "Phase above which it is paid for",
        unit="rad",
        ge=-4,
        le=4,
        advanced=True,
    )
    phase_weight: float = setting(
        0.0, "Weight of phases beyond their limits", ge=0, advanced=True
    )
    total_variation: float = setting(
        0.0,
        "Weight of the object's total variation: takes noise, keeps edges",
        ge=0,
        advanced=True,
    )

    title: ClassVar[str] = "Automatic differentiation"
    default_batch: ClassVar[int] = 5

    @property
    def refines(self) -> tuple[str, ...]:
        """What is refined beside object and probe, as refiners name it."""
        positions = ("positions",) if self.free_positions or self.free_affine else ()
        return (*positions, *(("distance",) if self.free_distance else ()))

    def check(self, geometry: Geometry, *, probe_is_known: bool) -> None:
        """Refuse a distance or a focus that no pattern can tell."""
        if self.free_distance:
            geometry.check_distance_shows()
        if self.free_focus and not probe_is_known:
            raise InputError(
                "algorithm.free_focus: a free probe takes up any curvature of its "
                "wavefront, and no pattern can tell the focus; freeze a calibrated "
                "probe (run.freeze_probe), or look for the focus in the probe that is "
                "found (metrics.probe_focus)"
            )

    def gentler(self) -> Self:
        """Return settings that diverge less easily."""
        return self.replace(
            rate_object=min(self.rate_object, 0.05),
            rate_probe=min(self.rate_probe, 0.05),
            rate_positions_px=min(self.rate_positions_px, 0.1),
        )

    def step_bytes(
        self, batch: int, modes: int, view: int, grid: int, canvas: int
    ) -> int:
        """Return the memory of a step: waves, gradients and moments, as measured."""
        on_grid = 4.5 if self.free_distance else 3.4
        waves = 7 * view if grid == view else on_grid * grid
        return 8 * round(batch * (7 * view + modes * waves) + 5 * canvas)

    # -- a batch ----------------------------------------------------------------------
    def step(
        self,
        estimate: Estimate,
        measured: Measured,
        batch: Sequence[int],
        state: dict[str, Any],
    ) -> Tensor:
        """Improve the estimate in place with the patterns of a batch.

        Returns the squared error of each pattern before the step, shape (B,).
        """
        free = tuple(self._free(state))
        given = Parameters.of(estimate, measured, batch, free)
        with torch.enable_grad():
            model = model_of(estimate, batch, given, bilinear=self.view == "bilinear")
            penalty, stiffness = self._penalty(given, measured)
        counts, amplitude = model.intensity.detach(), measured.pattern(batch)
        _, slope, steepest = LOSSES[self.loss](counts, amplitude, measured.smallest)
        root = counts.sqrt()
        error = (root - amplitude).square()
        if measured.held_out is not None:
            measured.held_out.record(root, batch)
        if measured.good is not None:
            slope, error = slope * measured.good, error * measured.good
        share = 1 / max(float(measured.power[list(batch)].sum()), 1e-30)
        outputs, weights = [model.intensity], [slope.mul_(share)]
        if state.get("literal", False):
            outputs.append(model.missing)
            weights.append(torch.full_like(model.missing.detach(), share))
        if penalty is not None and penalty.requires_grad:
            outputs.append(penalty)
            weights.append(torch.ones_like(penalty.detach()))
        if free:
            leaves = [getattr(given, name) for name in free]
            gradients = torch.autograd.grad(outputs, leaves, weights, allow_unused=True)
            curvature = Curvature(2 * share * steepest, stiffness)
            descent = Descent(self, estimate, measured, batch, state)
            descent.step(dict(zip(free, gradients, strict=True)), model, curvature)
        return error.sum((1, 2))

    def _free(self, state: dict[str, Any]) -> Iterator[str]:
        """Name what is refined in this epoch."""
        starts = {
            "object": 0,
            "probe": self.start_probe,
            "positions": self.start_positions,
            "affine": self.start_positions,
            "distance": self.start_distance,
            "focus": self.start_focus,
            "brightness": self.start_others,
            "background": self.start_others,
        }
        for name, start in starts.items():
            held = name == "probe" and not state["update_probe"]
            due = state.get("epochs", 0) >= start
            if getattr(self, f"free_{name}") and due and not held:
                yield name

    def _penalty(
        self, given: Parameters, measured: Measured
    ) -> tuple[Tensor | None, Tensor | float]:
        """Return what regularisers add to the loss, and a bound of its curvature."""
        object = given.object
        paid: dict[str, Callable[[], tuple[Tensor, Tensor | float]]] = {
            "magnitude_weight": lambda: _regularisers.above(
                object, self.magnitude_limit
            ),
            "phase_weight": lambda: _regularisers.phase_beyond(
                object, self.phase_low, self.phase_high
            ),
            "total_variation": lambda: _regularisers.total_variation(object),
        }
        total: Tensor | None = None
        curvature: Tensor | float = 0.0
        for name, regulariser in paid.items():
            if weight := getattr(self, name):
                value, bound = regulariser()
                total = weight * value if total is None else total + weight * value
                curvature = curvature + weight * bound
        if self.energy:
            power = float(measured.power.mean())
            value = self.energy * _regularisers.energy(given.probe, power)
            total = value if total is None else total + value
        return total, curvature

    def share_left(self, state: dict[str, Any]) -> float:
        """Return what is left of the rates, which fall."""
        return max(self.floor, 0.5 ** (state.get("epochs", 0) / self.half_life))

    # -- an epoch ---------------------------------------------------------------------
    def end_epoch(
        self, estimate: Estimate, measured: Measured, state: dict[str, Any]
    ) -> dict[str, float]:
        """Step what is one for all patterns; keep ambiguities in place.

        Returns
        -------
        dict
            Mean move of the positions in pixels, change of the distance as a share, of
            the wavefront's curvature in 1/m.
        """
        done = end_epoch(self, estimate, state)
        state["epochs"] = state.get("epochs", 0) + 1
        return done
