"""The focus that the probe's curvature says: read, taken over, continued from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.recipe import FileInput, Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from window import Window

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
R = "reconstruction"
TAKE = f"{R}.geometry.take_focus"
EXPERIMENT = sc.VirtualExperiment(
    probe={"radius": 0.3, "diffuser_rad": 1},
    path={"rows": 5, "columns": 5, "step_px": 4},
    detector={"frame": 32, "pixel_m": 55e-6, "photons": None},
    wavelength_m=9.8e-11,
    distance_m=1.12,
    focus_sample_m=3.65e-3,
    propagation="near-field",
)


def test_the_focus_is_taken_over_and_the_run_goes_on(
    open_window: OpenWindow, tmp_path: Path
) -> None:
    sc.save_scan(tmp_path / "scan.cxi", *sc.simulate(EXPERIMENT))
    window = open_window()
    given = FileInput(path=tmp_path / "scan.cxi", focus_sample_m=3.4e-3)
    window.dock.set_recipe(sc.Recipe(input=given))
    first = window.run_to_the_end("20")
    found = sc.metrics.probe_focus(first)
    assert found.sentence[1:] in window.text(f"{R}.geometry.focus")

    window.click(TAKE)
    controller = window.controller
    told = controller.scan.geometry.focus_sample_m
    assert told > 3.4e-3
    assert told == pytest.approx(found.focus_sample_m, rel=1e-5)
    assert window.dock.recipe().input == controller.input
    assert controller.made_by().input.focus_sample_m == told
    assert "once the run went on" in window.text(f"{R}.geometry.focus")
    assert not window.widget(TAKE).isEnabled()  # it says what it was told
    taken = controller.snapshot
    assert taken.epoch == 20
    assert taken.pixel_size_m == pytest.approx(controller.scan.pixel_size_m)
    layer = window.viewer.layers["Object phase"]
    assert layer.data.shape == taken.object.shape
    np.testing.assert_allclose(layer.scale, np.multiply(taken.pixel_size_m, 1e6))

    last = window.run_to_the_end("5")
    assert last.epoch == 25
    assert last.geometry.focus_sample_m == told
    assert last.error < 1.5 * first.error
    assert window.widget(TAKE).isEnabled()


def test_only_a_cone_beam_from_a_file_has_a_focus_to_take(
    open_window: OpenWindow,
) -> None:
    window = open_window()
    assert not window.dock.geometry.focus.isVisible()
    window.dock.set_recipe(sc.Recipe.of_experiment(EXPERIMENT))
    window.run_to_the_end("1")
    assert window.text(f"{R}.geometry.focus")
    assert not window.widget(TAKE).isEnabled()


def test_a_refined_focus_tells_its_course(
    open_window: OpenWindow, tmp_path: Path
) -> None:
    """In a parallel beam, too, where the line shows nothing else."""
    parallel = EXPERIMENT.replace(focus_sample_m=None, distance_m=1e-2)
    parallel = parallel.replace(detector={"frame": 32, "pixel_m": 0.2e-6})
    scan, truth = sc.simulate(parallel)
    sc.save_scan(tmp_path / "scan.cxi", scan, truth)
    np.save(tmp_path / "probe.npy", truth.probe)
    window = open_window()
    start = sc.ProbeFile(path=tmp_path / "probe.npy", frozen=True)
    stage = Stage(algorithm=sc.AutoDiff(free_focus=True), epochs=3)
    given = FileInput(path=tmp_path / "scan.cxi")
    window.dock.set_recipe(sc.Recipe(input=given, start=start, stages=(stage,)))
    last = window.run_to_the_end("3")
    assert [item.quantity for item in last.history.refined] == ["focus"] * 3
    assert "in 3 epochs" in window.text(f"{R}.geometry.focus")
    assert window.dock.geometry.focus.isVisibleTo(window.dock.geometry)
