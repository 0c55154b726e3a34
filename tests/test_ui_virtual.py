"""The Virtual experiment dock, by mouse and keys."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QAbstractButton, QApplication, QDockWidget, QFileDialog
from superqt.utils import WorkerBase

import napari_scicompty as sc
from napari_scicompty.simulation import PRESETS, lay_out
from napari_scicompty.simulation.truth_file import open_truth
from napari_scicompty.ui import Reconstruction, VirtualExperimentDock
from napari_scicompty.ui.session import window_state as memory
from window import EXPERIMENT, Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui
NAME = "napari-scicompty"
V = "virtual"


class Planner(Window):
    """A shown viewer with a Virtual experiment dock, and hands to use it."""

    def __init__(self, qtbot: QtBot, viewer: napari.Viewer) -> None:
        self.qtbot, self.viewer = qtbot, viewer
        self.dock: VirtualExperimentDock
        _, self.dock = viewer.window.add_plugin_dock_widget(NAME, "Virtual experiment")
        self.controller = self.dock.controller
        self.activate()

    @property
    def message(self) -> str:
        return self.text(f"{V}.message")

    @property
    def derived(self) -> str:
        return self.text(f"{V}.derived")

    def wait(self, for_what: Callable[[], bool], timeout: int = 15_000) -> None:
        self.qtbot.waitUntil(for_what, timeout=timeout)

    def says(self, text: str) -> None:
        """Wait until the preview says this."""
        self.wait(lambda: text in self.derived)

    def reconstruction(self) -> Window:
        """Hands for the Reconstruction dock that was opened."""
        hands = Window.__new__(Window)
        hands.qtbot, hands.viewer = self.qtbot, self.viewer
        hands.dock = Reconstruction.of(self.viewer)
        assert hands.dock is not None
        hands.controller = hands.dock.controller
        return hands


@pytest.fixture
def plan(make_napari_viewer: Any, qtbot: QtBot, plugin: None) -> Callable[..., Planner]:
    """Open a window with the dock, its fields as they were left the last time."""

    def open_one(experiment: sc.VirtualExperiment = EXPERIMENT) -> Planner:
        memory.remember(virtual=sc.Recipe(input=experiment).to_toml())
        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1400, 1100)
        planner = Planner(qtbot, viewer)
        planner.wait(lambda: planner.dock.preview is not None)
        return planner

    return open_one


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Answer the next file dialog with this path."""

    def with_path(path: Path) -> None:
        monkeypatch.setattr(
            QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(path), ""))
        )

    return with_path


# -- the preview ----------------------------------------------------------------------
def test_the_preview_follows_what_is_typed(plan: Callable[..., Planner]) -> None:
    planner = plan()
    views = planner.dock.views
    assert "25 patterns of 32 x 32 pixels" in planner.derived
    assert "noiseless" in planner.derived
    layout = lay_out(EXPERIMENT)
    overlap = f"beam {layout.lit_overlap:.0%}, view {layout.view_overlap:.0%}"
    assert overlap in planner.derived

    planner.type(f"{V}.path.rows", "3")
    planner.says("15 patterns")
    assert views.currentWidget() is views.path
    assert len(views.path.points.data) == 15

    noiseless = views.pattern.image.image
    planner.type(f"{V}.detector.photons", "1e3")
    planner.says("1e3 photons a pattern")
    assert views.currentWidget() is views.pattern
    assert planner.dock.preview.pattern.sum() == pytest.approx(1e3, rel=0.2)
    assert not np.array_equal(views.pattern.image.image, noiseless)

    star = views.object.image.image
    planner.choose(f"{V}.object.kind", "Random")
    planner.wait(lambda: planner.dock.preview.experiment.object.kind == "cells")
    assert not np.array_equal(views.object.image.image, star)

    planner.type(f"{V}.modes", "3")
    planner.wait(lambda: views.probe.image.image.shape == (32, 96, 3))
    planner.type(f"{V}.mistakes.uniform_px", "4")
    planner.says("wrong in the scan's file: uniform_px 4")
    assert len(views.path.told.data) == 15


def test_the_lit_spot_is_drawn_to_scale(plan: Callable[..., Planner]) -> None:
    path = plan().dock.views.path
    x, y = path.lit[0].getData()
    wide = 2e6 * EXPERIMENT.probe_radius_m
    assert np.ptp(x) == pytest.approx(wide, rel=1e-6)
    assert np.ptp(y) == pytest.approx(wide, rel=1e-6)
    centres = [np.mean([c.getData()[0][:-1], c.getData()[1][:-1]], 1) for c in path.lit]
    gap = float(np.hypot(*(centres[1] - centres[0])))
    assert gap == pytest.approx(5 * 0.125, rel=0.35)  # a jittered step


def test_settings_that_cannot_work_are_told_and_nothing_is_lost(
    plan: Callable[..., Planner],
) -> None:
    planner = plan()
    for name, wrong, says, right in (
        ("path.step_px", "200", "share no light", "5"),
        ("probe.radius", "0.9", "must hold the beam", "0.3"),
        ("detector.photons", "0", "without photons", "100"),
        ("wavelength_m", "0", "wavelength_m", "0.15 nm"),
    ):
        before = planner.dock.preview
        planner.type(f"{V}.{name}", wrong)
        planner.wait(lambda says=says: says in planner.message)
        assert "\n" not in planner.message
        assert "#ff6b6b" in planner.widget(f"{V}.message").styleSheet()
        for button in ("simulate", "reconstruct", "save"):
            assert not planner.widget(f"{V}.{button}").isEnabled()
            assert says in planner.widget(f"{V}.{button}").toolTip()
        assert planner.text(f"{V}.{name}") == wrong
        assert planner.dock.preview is before
        planner.type(f"{V}.{name}", right)
        planner.wait(lambda: planner.widget(f"{V}.simulate").isEnabled())
        assert planner.message == ""


def test_only_the_newest_settings_are_previewed(
    plan: Callable[..., Planner], monkeypatch: pytest.MonkeyPatch
) -> None:
    planner = plan()
    shown: list[int] = []
    views = planner.dock.views
    show = views.show_preview
    monkeypatch.setattr(
        views,
        "show_preview",
        lambda made: (shown.append(len(made.positions_m)), show(made)),
    )
    for rows in range(6, 12):
        planner.dock.form._kinds["path"].form.set_values({"rows": rows})
        planner.dock._look()
    planner.says("55 patterns")
    assert shown == [55]


# -- from a plan to a result ----------------------------------------------------------
def test_simulate_run_and_judge(plan: Callable[..., Planner]) -> None:
    planner = plan()
    assert not planner.widget(f"{V}.truth").isEnabled()
    planner.click(f"{V}.simulate")
    planner.wait(lambda: planner.controller.state == "ready")
    scan, truth = sc.simulate(EXPERIMENT)
    np.testing.assert_array_equal(planner.controller.scan.patterns, scan.patterns)
    np.testing.assert_array_equal(planner.controller.truth.object, truth.object)

    window = planner.reconstruction()
    planner.wait(window.dock.isVisible)  # it has come to the front
    assert "25 patterns" in window.text("reconstruction.data.report")
    assert "object pixel 125 nm" in window.text("reconstruction.geometry.derived")
    result = window.run_to_the_end("2")
    assert result.epoch == 2
    *_, headless = (
        planner.dock.recipe().replace(stages=(window.dock.recipe().stages[0],)).run()
    )
    np.testing.assert_array_equal(result.object, headless.object)

    planner.dock.parentWidget().raise_()
    planner.wait(planner.dock.isVisible)
    planner.click(f"{V}.compare")
    planner.wait(lambda: "epoch 2 against the truth" in planner.message)
    judged = sc.metrics.compare(result, truth)
    assert f"1 - |C| = {1 - judged.correlation:.2g}" in planner.message

    planner.click(f"{V}.truth")
    layers = planner.viewer.layers
    phase = layers["True phase"]
    np.testing.assert_array_equal(phase.data, np.angle(truth.object))
    np.testing.assert_allclose(phase.scale, layers["Object phase"].scale)
    np.testing.assert_allclose(phase.translate, np.multiply(truth.origin_m, 1e6))
    assert layers.extent.units is not None
    planner.click(f"{V}.truth")
    assert sum(layer.name == "True phase" for layer in layers) == 1


def test_a_preset_brings_its_run_along(plan: Callable[..., Planner]) -> None:
    planner = plan()
    preset = PRESETS["positions-gaussian"]
    planner.choose(f"{V}.preset", "Position")
    assert preset.source in planner.text(f"{V}.preset.text")
    planner.says("wrong in the scan's file: gaussian_px 6.4")
    assert planner.dock.form.value == preset.experiment
    planner.click(f"{V}.reconstruct")
    planner.wait(lambda: planner.controller.snapshot is not None, timeout=60_000)
    window = planner.reconstruction()
    planner.wait(lambda: planner.controller.state == "running")
    window.click("reconstruction.stop")
    planner.wait(lambda: planner.controller.state == "ready")
    assert window.dock.recipe() == sc.Recipe.preset("positions-gaussian")

    planner.dock.parentWidget().raise_()
    planner.wait(planner.dock.isVisible)
    planner.type(f"{V}.mistakes.gaussian_px", "0")
    planner.wait(lambda: not planner.dock.preview.experiment.mistakes.made)
    assert planner.widget(f"{V}.preset").currentText() == preset.title
    planner.type(f"{V}.path.step_px", "20")
    planner.wait(lambda: planner.widget(f"{V}.preset").currentText() == "Own settings")


def test_another_experiment_does_not_continue_the_result(
    plan: Callable[..., Planner],
) -> None:
    planner = plan()
    planner.click(f"{V}.simulate")
    planner.wait(lambda: planner.controller.state == "ready")
    planner.reconstruction().run_to_the_end("1")
    planner.dock.parentWidget().raise_()
    planner.wait(planner.dock.isVisible)
    planner.type(f"{V}.seed", "7")
    planner.click(f"{V}.reconstruct")
    planner.wait(lambda: planner.controller.state == "ready")
    assert planner.controller.snapshot.epoch == 1
    assert planner.controller.input.seed == 7


def test_a_long_simulation_can_be_stopped(plan: Callable[..., Planner]) -> None:
    path = EXPERIMENT.path.replace(rows=150, columns=150, step_px=2)
    planner = plan(EXPERIMENT.replace(path=path))
    planner.click(f"{V}.simulate")
    planner.dock.parentWidget().raise_()
    planner.wait(lambda: planner.dock.bar.progress.isVisible())
    planner.wait(lambda: planner.dock.bar.progress.value() > 0)
    planner.click(f"{V}.stop")
    planner.wait(lambda: not planner.controller.busy)
    assert planner.message.startswith("stopped")
    assert planner.controller.scan is None
    assert not planner.dock.bar.progress.isVisible()


# -- files ----------------------------------------------------------------------------
def test_scan_recipe_and_script_are_kept(
    plan: Callable[..., Planner], tmp_path: Path, answer: Callable[[Path], None]
) -> None:
    planner = plan()
    answer(tmp_path / "scan")
    planner.click(f"{V}.save")
    planner.wait(lambda: planner.message == f"saved {tmp_path / 'scan.cxi'}")
    scan, truth = sc.simulate(EXPERIMENT)
    read = sc.open_scan(tmp_path / "scan.cxi")
    np.testing.assert_array_equal(read.patterns, scan.patterns)
    np.testing.assert_array_equal(open_truth(tmp_path / "scan.cxi").probe, truth.probe)

    answer(tmp_path / "plan.toml")
    planner.click(f"{V}.save_recipe")
    assert sc.Recipe.load(tmp_path / "plan.toml").input == EXPERIMENT
    planner.click(f"{V}.copy")
    assert "sc.simulate(" in QApplication.clipboard().text()

    answer(tmp_path / "none" / "scan.cxi")
    planner.click(f"{V}.save")
    planner.wait(lambda: "none" in planner.message)
    assert "#ff6b6b" in planner.widget(f"{V}.message").styleSheet()


# -- docks and windows ----------------------------------------------------------------
def test_settings_outlive_the_dock(plan: Callable[..., Planner], qtbot: QtBot) -> None:
    planner = plan()
    planner.choose(f"{V}.path.kind", "Fermat")
    assert planner.text(f"{V}.path.step_px") == "5"  # as it was typed for the raster
    planner.type(f"{V}.path.points", "17")
    planner.says("17 patterns")
    left = planner.dock.form.value
    holder = planner.dock.parentWidget()
    while not isinstance(holder, QDockWidget):
        holder = holder.parentWidget()
    x = holder.titleBarWidget().findChild(QAbstractButton, "QTitleBarCloseButton")
    qtbot.mouseClick(x, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: planner.dock.parent() is None)
    again = Planner(qtbot, planner.viewer)
    assert again.dock is not planner.dock
    assert again.dock.form.value == left
    again.says("17 patterns")


def test_two_viewers_plan_apart(plan: Callable[..., Planner]) -> None:
    first, second = plan(), plan(EXPERIMENT.replace(seed=3))
    second.click(f"{V}.simulate")
    second.wait(lambda: second.controller.state == "ready")
    assert second.controller.input.seed == 3
    assert first.controller.scan is None
    assert first.dock.form.value == EXPERIMENT


@pytest.mark.parametrize("doing", ["preview", "simulate"])
def test_closing_the_viewer_leaves_nothing(
    plan: Callable[..., Planner], qtbot: QtBot, doing: str
) -> None:
    path = EXPERIMENT.path.replace(rows=60, columns=60, step_px=2)
    planner = plan(EXPERIMENT.replace(path=path))
    if doing == "preview":
        planner.dock.form._kinds["path"].form.set_values({"rows": 61})
        planner.dock._look()
        assert planner.dock._previews.busy
    else:
        planner.click(f"{V}.simulate")
        assert planner.controller.state == "opening"
    gone = [weakref.ref(o) for o in (planner.dock, planner.controller, planner.viewer)]
    planner.viewer.close()
    del planner
    pool = QThreadPool.globalInstance()
    qtbot.waitUntil(lambda: pool.activeThreadCount() == 0, timeout=20_000)

    def clean() -> None:
        gc.collect()
        assert not WorkerBase._worker_set
        assert [ref() for ref in gone] == [None] * 3

    qtbot.waitUntil(clean, timeout=10_000)
