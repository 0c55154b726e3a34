"""A refiner of a quantity of its own: how far the beam has drifted, watched alone."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from napari_scicompty.core.settings import setting
from napari_scicompty.refine import Refiner


class Drift(Refiner):
    """Watch the middle of the probe and note its way; nothing is moved."""

    every: int = setting(1, "Epochs between two looks", ge=1)

    title: ClassVar[str] = "Drift of the beam"
    quantity: ClassVar[str] = "drift"

    def before_step(self, estimate: Any, measured: Any, batch: Any) -> None:
        """Keep nothing."""

    def after_step(
        self, estimate: Any, measured: Any, batch: Any, before: Any, state: Any
    ) -> None:
        """Take nothing."""

    def end_epoch(self, estimate: Any, measured: Any, errors: Any, state: Any) -> float:
        """Return the way of the probe's middle since the last look, in pixels."""
        state["epochs"] = state.get("epochs", 0) + 1
        if state["epochs"] % self.every:
            return 0.0
        probe = estimate.probe_kept.copied()
        light = probe.abs().square().sum(0).cpu().numpy().astype(float)
        y, x = np.indices(light.shape)
        middle = np.array([(light * y).sum(), (light * x).sum()]) / light.sum()
        before = state.get("middle", middle)
        state["middle"] = middle
        return float(np.hypot(*(middle - before)))
