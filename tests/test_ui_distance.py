"""The Distance section: refined by clicks, on and off on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.recipe import Stage
from window import ENDLESS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from window import Window

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
R = "reconstruction"
EXPERIMENT = sc.VirtualExperiment(
    probe={"diffuser_rad": 0.5},
    path={"rows": 6, "columns": 6, "step_px": 4},
    detector={"frame": 40, "pixel_m": 0.2e-6, "photons": None},
    mistakes={"distance_error": 0.2},
    wavelength_m=1e-10,
    distance_m=1e-2,
    propagation="near-field",
)


def test_the_distance_is_refined_and_held_on_the_way(open_window: OpenWindow) -> None:
    window = open_window()
    stage = Stage(algorithm=sc.RPIE())
    window.dock.set_recipe(sc.Recipe.of_experiment(EXPERIMENT, stage))
    assert "no pattern can tell" in window.text(f"{R}.distance.text")
    window.click(f"{R}.distance.refine")
    window.run(ENDLESS)
    window.until("running")
    window.until_epoch(30)
    window.click(f"{R}.distance.refine")  # hold it
    window.until_epoch(window.controller.snapshot.epoch + 12)
    window.stop()
    snapshot = window.controller.snapshot
    assert snapshot.distance_m == pytest.approx(1e-2, rel=0.05)
    curve = [r for r in snapshot.history.refined if r.quantity == "distance"]
    assert 25 <= len(curve) < snapshot.epoch - 3
    assert curve[0].distance_m == pytest.approx(1.2e-2)
    assert [c.path for c in snapshot.history.changes] == ["distance.enabled"]
    assert "% off" in window.text(f"{R}.distance.text")
    xs, ys = window.dock.refiners["distance"].distances.curve.getData()
    assert len(xs) == len(curve)
    assert ys[-1] == pytest.approx(1e3 * snapshot.distance_m)
    recipe = window.controller.made_by()
    assert [type(r) for r in recipe.stages[0].refine] == [sc.DefocusCoupledDistance]


def test_a_far_field_run_says_that_no_pattern_can_tell(
    open_window: OpenWindow, folder: Path
) -> None:
    window = open_window()
    window.open(folder)
    window.click(f"{R}.distance.refine")
    window.run("1")
    window.until("ready")
    assert "far field" in window.message
    assert window.controller.snapshot is None
    window.click(f"{R}.distance.refine")
    told = window.controller.scan.geometry.distance_m
    assert np.isclose(window.run_to_the_end("1").distance_m, told)
