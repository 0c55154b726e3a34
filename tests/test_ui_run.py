"""The main job in the window, by mouse and keys."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

import napari_scicompty as sc
from napari_scicompty.recipe import Stage
from napari_scicompty.workflow import autosave, coarse_level
from napari_scicompty.workflow.leftovers import leftovers
from window import ENDLESS, EXPERIMENT, RADIUS_M, click_at, same, write_cxi

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from window import Window

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
R = "reconstruction"
LIVE = {
    "Canvas map",
    "Probe modes",
    "Object magnitude",
    "Object phase",
    "Positions (nominal)",
}


@pytest.fixture
def dialogs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Answer the next file dialogs with this path."""

    def answer(path: Path) -> None:
        for name in ("getSaveFileName", "getOpenFileName"):
            monkeypatch.setattr(
                QFileDialog, name, staticmethod(lambda *_, **__: (str(path), ""))
            )

    return answer


# -- the main job ---------------------------------------------------------------------
def test_open_run_pause_change_resume_stop_save_reopen_continue(
    open_window: OpenWindow,
    folder: Path,
    tmp_path: Path,
    dialogs: Callable[[Path], None],
    qtbot: QtBot,
) -> None:
    window = open_window()
    window.open(folder)
    assert "25 patterns of 32 x 32" in window.text(f"{R}.data.report")
    derived = window.text(f"{R}.geometry.derived")
    assert "wavelength 150 pm (photons of 8.2656 keV)\n" in derived
    assert "object pixel 125 nm" in derived
    assert len(window.dock.data.path_view.points.data) == 25

    window.run(ENDLESS)
    window.until("running")
    window.until_epoch(1)
    _check_layers(window)
    magnitude = window.viewer.layers["Object magnitude"]
    window.choose(f"{R}.view", "Magnitude")
    assert magnitude.visible
    magnitude.contrast_limits = (0.25, 0.75)

    window.click(f"{R}.pause")
    window.until("paused")
    assert window.widget(f"{R}.pause").text() == "Resume"
    run = window.controller.job.run
    qtbot.waitUntil(lambda: window.controller.job.controls.paused)
    qtbot.wait(150)
    held = (run.epoch, run.batch)
    qtbot.wait(150)
    assert (run.epoch, run.batch) == held
    window.type(f"{R}.algorithm.alpha_object", "0.2")
    assert "from the next batch" in window.message
    window.click(f"{R}.pause")
    window.until_epoch(held[0] + 2)

    history = window.controller.snapshot.history
    (change,) = history.changes
    assert (change.epoch, change.batch) == held
    assert (change.path, change.previous, change.value) == (
        "algorithm.alpha_object",
        0.5,
        0.2,
    )
    plot = window.dock.bar.plot
    qtbot.waitUntil(lambda: len(plot.marks) == 1)
    (mark,) = plot.marks
    assert mark.value() == pytest.approx(held[0], abs=1)
    assert "alpha_object 0.2" in mark.label.toPlainText()

    window.stop()
    stopped = window.controller.snapshot
    assert f"stopped at epoch {stopped.epoch}" in window.message
    assert magnitude.contrast_limits == [0.25, 0.75]
    assert window.widget(f"{R}.run").text() == "Continue"
    more = window.run_to_the_end("2")
    assert more.epoch == stopped.epoch + 2
    np.testing.assert_array_equal(magnitude.data, np.abs(more.object))
    assert len(more.history.changes) == 1

    dialogs(tmp_path / "result.h5")
    window.click(f"{R}.save")
    assert window.message == f"saved {tmp_path / 'result.h5'}"
    assert window.controller.saved
    saved = sc.open_result(tmp_path / "result.h5")
    same(saved, more)

    again = open_window()
    again.click(f"{R}.open_result")
    again.until("ready")
    same(again.controller.snapshot, more)
    assert again.text(f"{R}.data.path") == str(folder / "stack.tif")
    qtbot.waitUntil(lambda: len(again.dock.bar.plot.marks) == 1)
    _check_layers(again)
    continued = again.run_to_the_end("2")
    *_, headless = sc.reconstruct(
        _scan(folder), sc.RPIE(alpha_object=0.2), epochs=2, start=saved
    )
    same(continued, headless)


def test_same_seed_same_numbers_by_script_and_recipe(
    open_window: OpenWindow, folder: Path
) -> None:
    window = open_window()
    window.open(folder)
    window.choose(f"{R}.algorithm", "M-ePIE")
    window.type(f"{R}.algorithm.alpha_probe", "0.7")
    window.type(f"{R}.modes", "2")
    window.type(f"{R}.seed", "5")
    result = window.run_to_the_end("3")
    start = sc.DiscProbe(radius_m=RADIUS_M)
    common: dict[str, Any] = {"modes": 2, "seed": 5}
    rule = sc.EPIE(alpha_probe=0.7)
    *_, first = sc.reconstruct(_scan(folder), rule, epochs=3, start=start, **common)
    same(result, first)
    *_, by_recipe = window.dock.recipe().run()
    same(result, by_recipe)
    more = window.run_to_the_end("2")
    *_, last = sc.reconstruct(_scan(folder), rule, epochs=2, start=first, **common)
    same(more, last)

    window.click(f"{R}.reset")
    assert window.controller.snapshot is None
    assert window.widget(f"{R}.run").text() == "Run"
    same(window.run_to_the_end("3"), first)


def test_views_and_shortcuts(
    open_window: OpenWindow, folder: Path, qtbot: QtBot
) -> None:
    window = open_window()
    window.open(folder)
    window.type(f"{R}.epochs", ENDLESS)
    keys = window.viewer.window._qt_viewer
    chord = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier
    for key, state in (("R", "running"), ("H", "paused"), ("H", "running")):
        qtbot.keyClick(keys, getattr(Qt.Key, f"Key_{key}"), chord)
        window.until(state)
    window.until_epoch(1)
    layers = window.viewer.layers
    for view, visible in (
        ("Magnitude", {"Object magnitude"}),
        ("Probe", {"Probe modes"}),
        ("Canvas", {"Canvas map", "Positions (nominal)"}),
        ("Side", LIVE - {"Positions (nominal)"}),
        ("Phase", {"Object phase"}),
    ):
        window.choose(f"{R}.view", view)
        assert {layer.name for layer in layers if layer.visible} == visible
        assert window.viewer.canvas.grid.enabled == (view == "Side")
    qtbot.keyClick(keys, Qt.Key.Key_X, chord)
    window.until("ready")
    layers["Probe modes"].visible = True  # by the eye in the layer list
    np.testing.assert_allclose(
        layers["Probe modes"].data, np.abs(window.controller.snapshot.probe[0])
    )


def test_a_virtual_experiment_by_clicks(open_window: OpenWindow) -> None:
    window = open_window()
    window.choose(f"{R}.data.source", "Virtual")
    for part, name in (
        ("detector", "frame"),
        ("path", "rows"),
        ("path", "columns"),
        ("path", "step_px"),
    ):
        value = getattr(getattr(EXPERIMENT, part), name)
        window.type(f"{R}.data.virtual_experiment.{part}.{name}", f"{value:g}")
    window.choose(f"{R}.start.kind", "Disc")
    window.type(f"{R}.start.radius_m", f"{RADIUS_M:.6g} m")
    result = window.run_to_the_end("2")  # Run opens what is not open yet
    assert window.controller.scan.patterns.shape == (25, 32, 32)
    *_, headless = window.dock.recipe().run()
    same(result, headless)


def _scan(folder: Path) -> sc.Scan:
    return sc.open_scan(
        folder / "stack.tif",
        folder / "positions.txt",
        wavelength_m=0.15e-9,
        distance_m=2.0,
        detector_pixel_m=75e-6,
    )


def _check_layers(window: Window) -> None:
    """Names, places, one unit, a phase that can be seen."""
    viewer, snapshot = window.viewer, window.controller.snapshot
    assert {layer.name for layer in viewer.layers} == LIVE
    assert viewer.layers.extent.units is not None
    assert {str(u) for layer in viewer.layers for u in layer.units} == {"micrometer"}
    assert viewer.canvas.overlays.scale_bar.visible
    for layer in viewer.layers:
        if layer.name in ("Object phase", "Object magnitude", "Canvas map"):
            assert layer.data.shape == snapshot.object.shape
            np.testing.assert_allclose(layer.scale, (0.125, 0.125))
            np.testing.assert_allclose(
                layer.translate, np.array(snapshot.origin_m) * 1e6
            )
    low, high = viewer.layers["Object phase"].contrast_limits
    weak = np.percentile(np.angle(snapshot.object)[snapshot.lit], (1, 99))
    assert low <= weak[0]
    assert weak[1] <= high
    assert high - low == pytest.approx(min(2 * np.pi, 2 * np.ptp(weak)), rel=0.2)
    points = viewer.layers["Positions (nominal)"]
    half = 15.5 * 0.125
    np.testing.assert_allclose(
        points.data, window.controller.scan.positions_m * 1e6 + half
    )
    lit = viewer.layers["Canvas map"]
    shown_at = lit.world_to_data(points.data.mean(0))
    y, x = np.indices(lit.data.shape)
    centre = [float((lit.data * i).sum() / lit.data.sum()) for i in (y, x)]
    np.testing.assert_allclose(shown_at, centre, atol=1.5)


# -- faults ---------------------------------------------------------------------------
def test_bad_input_is_a_sentence_and_keeps_the_old_scan(
    open_window: OpenWindow, folder: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    window = open_window()
    window.open(folder)
    scan = window.controller.scan
    np.savetxt(tmp_path / "few.txt", np.zeros((3, 2)))
    (tmp_path / "empty.tif").touch()
    for name, text, says in (
        ("data.positions", str(tmp_path / "few.txt"), "3 positions"),
        ("data.positions", "", "positions"),
        ("data.path", str(tmp_path / "none.tif"), "none.tif"),
        ("data.path", str(tmp_path / "empty.tif"), "empty.tif"),
        ("geometry.distance_m", "", "distance"),
        ("geometry.distance_m", "-1 m", "distance_m"),
        ("data.rebin", "0", "rebin"),
        ("start.radius_m", "", "radius_m"),
    ):
        before = window.text(f"{R}.{name}")
        window.type(f"{R}.{name}", text)
        window.click(f"{R}.open")
        window.until("ready")
        assert says in window.message
        assert "\n" not in window.message and "Traceback" not in window.message
        assert window.controller.scan is scan
        assert says in window.dock.log.toPlainText()
        window.type(f"{R}.{name}", before)
    window.type(f"{R}.epochs", "-3")
    window.click(f"{R}.run")
    assert "epochs" in window.message
    assert window.controller.state == "ready"
    assert window.run_to_the_end("1").epoch == 1


def test_the_beam_centre_is_picked_on_the_mean_pattern(
    open_window: OpenWindow, folder: Path
) -> None:
    window = open_window()
    window.open(folder)
    pattern = window.dock.data.pattern_view
    before = window.controller.scan
    pattern.centre_picked.emit(17, 15)  # one row down, one column to the left
    window.until("ready")
    after = window.controller.scan
    assert after is not before
    h, w = after.frame_shape
    moved = np.asarray(before.patterns)[:, 17 - h // 2 :, : 15 + w - w // 2][:, :h]
    assert np.array_equal(after.patterns, moved[:, :, -w:])
    assert window.text(f"{R}.data.center").replace(" ", "") == "17,15"
    # A second pick counts from the pattern that is on show now.
    pattern.centre_picked.emit(h // 2, w // 2 - 1)
    window.until("ready")
    assert window.text(f"{R}.data.center").replace(" ", "") == "17,14"


def test_a_near_field_that_cannot_work_is_told_and_refused(
    open_window: OpenWindow, tmp_path: Path
) -> None:
    window = open_window()
    window.type(f"{R}.data.path", str(write_cxi(tmp_path / "a.cxi")))
    window.choose(f"{R}.geometry.propagation", "near")
    window.type(f"{R}.geometry.focus_sample_m", "0.05 mm")
    window.click(f"{R}.open")
    window.until("ready")
    assert window.controller.scan.patterns.shape == (25, 32, 32)
    assert "this is the far field" in window.text(f"{R}.geometry.derived")
    window.run("1")
    window.until("ready")
    assert "near-field" in window.message
    assert window.controller.snapshot is None
    window.type(f"{R}.geometry.focus_sample_m", "3 mm")
    window.choose(f"{R}.start.kind", "Disc")
    window.type(f"{R}.start.radius_m", f"{RADIUS_M:.6g} m")
    assert window.run_to_the_end("1").epoch == 1


def test_the_automatic_start_shows_what_it_tried(
    open_window: OpenWindow, folder: Path, qtbot: QtBot
) -> None:
    window = open_window()
    window.open(folder, start="auto")
    window.type(f"{R}.start.epochs", "1")
    window.type(f"{R}.start.step_px2", "200")
    window.run_to_the_end("1")
    job, ladder = window.controller.job, window.dock.start.ladder
    assert len(job.progress.tried) == job.progress.planned > 4
    said = window.text(f"{R}.start.found")
    best = next(c for c in job.progress.tried if said == f"Best: {c}")
    used = window.controller.snapshot.settings["start"]
    assert best.start.model_dump().items() <= used.items()
    assert ladder.isVisible()
    rungs = [
        i
        for i, c in enumerate(job.progress.tried)
        if c.defocus_m and np.isfinite(c.error)
    ]
    assert set(rungs) <= set(ladder.points.data["data"])
    point = next(p for p in ladder.points.points() if p.data() == rungs[0])
    click_at(qtbot, ladder.plot, point.pos().x(), point.pos().y())
    assert window.widget(f"{R}.start.kind").currentText().startswith("Mean pattern")
    assert window.dock.recipe().start == job.progress.tried[rungs[0]].start


def test_a_search_can_be_stopped(open_window: OpenWindow, folder: Path) -> None:
    window = open_window()
    window.open(folder, start="auto")
    window.type(f"{R}.start.step_px2", "0.02")
    window.run("1")
    numbers = window.widget(f"{R}.numbers")
    window.qtbot.waitUntil(lambda: "tried" in numbers.text())
    window.stop()
    assert window.controller.job.progress.planned > len(
        window.controller.job.progress.tried
    )


def test_divergence_is_said_and_the_last_good_state_is_kept(
    open_window: OpenWindow, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = sc.RPIE.step

    def unstable(*now: Any) -> Any:
        if now[4].epoch >= 2:
            now[1].object.mul_(2)
        return step(*now)

    monkeypatch.setattr(sc.RPIE, "step", unstable)
    window = open_window()
    window.open(folder)
    window.run("10")
    window.until("ready")
    assert "epoch 3 diverged" in window.message
    assert "the last good state, epoch 2, is kept" in window.message
    assert isinstance(window.controller.failure, sc.DivergedError)
    snapshot = window.controller.snapshot
    assert snapshot.epoch == 2
    assert np.abs(snapshot.object).max() < 2
    np.testing.assert_array_equal(
        window.viewer.layers["Object phase"].data, np.angle(snapshot.object)
    )
    assert "went back to epoch 2" in window.dock.log.toPlainText()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (
            RuntimeError("mat1 and mat2"),
            "failed at epoch 1 with RPIE: RuntimeError: mat1",
        ),
        (torch.OutOfMemoryError("CUDA"), "ran out of memory at epoch 1"),
        (ValueError("odd"), "ValueError: odd"),
    ],
)
def test_a_fault_of_the_engine_is_said_and_the_result_kept(
    open_window: OpenWindow,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    says: str,
) -> None:
    step = sc.RPIE.step

    def faulty(*now: Any) -> Any:
        if now[4].epoch == 1:
            raise fault
        return step(*now)

    window = open_window()
    window.open(folder)
    with monkeypatch.context() as patch:
        patch.setattr(sc.RPIE, "step", faulty)
        window.run("4")
        window.until("ready")
    assert says in window.message
    assert window.controller.snapshot is not None
    window.click(f"{R}.reset")
    assert window.run_to_the_end("2").epoch == 2


# -- nothing is lost ------------------------------------------------------------------
def test_unsaved_results_are_kept_until_they_are_saved(
    open_window: OpenWindow,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dialogs: Callable[[Path], None],
    qtbot: QtBot,
) -> None:
    monkeypatch.setattr(autosave, "EVERY_S", 0.0)
    window = open_window()
    window.open(folder)
    window.run(ENDLESS)
    qtbot.waitUntil(lambda: len(_unsaved()) == 1, timeout=10_000)
    window.stop()
    result = window.controller.snapshot
    qtbot.waitUntil(lambda: sc.open_result(_unsaved()[0]).epoch == result.epoch)
    same(sc.open_result(_unsaved()[0]), result)
    assert leftovers() == []  # this process lives
    dialogs(tmp_path / "kept.h5")
    window.click(f"{R}.save")
    assert _unsaved() == []


def test_the_result_of_a_dead_process_is_offered(
    open_window: OpenWindow, folder: Path
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    start = sc.DiscProbe(radius_m=RADIUS_M)
    *_, last = sc.reconstruct(_scan(folder), sc.RPIE(), epochs=1, start=start)
    autosave.folder().mkdir(parents=True)
    for stamp, pid in (("01", gone.pid), ("02", gone.pid), ("03", os.getpid())):
        path = autosave.folder() / f"20260101-0000{stamp}-{pid}-a.h5"
        sc.save_result(path, last)
    names = [found.path.name for found in leftovers()]
    assert names == [f"20260101-0000{n}-{gone.pid}-a.h5" for n in ("02", "01")]
    window = open_window()
    window.click(f"{R}.recover")
    same(window.controller.snapshot, last)
    again = open_window()
    again.click(f"{R}.discard")
    assert [found.path.name for found in leftovers()] == names[1:]


def _unsaved() -> list[Path]:
    return sorted(autosave.folder().glob("*.h5"))


def test_fields_and_recent_files_come_back(
    open_window: OpenWindow, folder: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    window = open_window()
    window.choose(f"{R}.algorithm", "M-ePIE")
    window.open(folder)
    other = open_window()
    assert other.dock.recipe() == window.dock.recipe()
    other.type(f"{R}.data.path", str(write_cxi(tmp_path / "b.cxi")))
    other.type(f"{R}.data.positions", "")
    other.click(f"{R}.open")
    other.until("ready")
    menu = other.dock.data.recent.menu()
    menu.popup(other.dock.data.recent.mapToGlobal(menu.pos()))
    first, second = menu.actions()
    assert first.text().startswith("b.cxi")
    qtbot.mouseClick(
        menu, Qt.MouseButton.LeftButton, pos=menu.actionGeometry(second).center()
    )
    qtbot.waitUntil(lambda: other.controller.scan.source.path.endswith("stack.tif"))
    assert other.text(f"{R}.data.positions") == str(folder / "positions.txt")
    assert other.controller.scan.geometry.distance_m == 2  # comes back with the files


def test_recipes_are_saved_opened_and_copied_as_python(
    open_window: OpenWindow,
    folder: Path,
    tmp_path: Path,
    dialogs: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = open_window()
    window.open(folder)
    window.type(f"{R}.excluded", "3, 7")
    result = window.run_to_the_end("2")
    recipe = window.dock.recipe()
    dialogs(tmp_path / "recipe.toml")
    window.click(f"{R}.save_recipe")
    assert sc.Recipe.load(tmp_path / "recipe.toml") == recipe

    window.click(f"{R}.copy")
    monkeypatch.chdir(tmp_path)
    exec(compile(QApplication.clipboard().text(), "pasted", "exec"), {})
    same(sc.open_result(tmp_path / "result.h5"), result)

    window.type(f"{R}.excluded", "")
    window.type(f"{R}.geometry.distance_m", "3 m")
    assert window.dock.recipe() != recipe
    window.click(f"{R}.open_recipe")
    assert window.dock.recipe() == recipe


def test_the_end_of_a_run_is_shown_whole(open_window: OpenWindow, folder: Path) -> None:
    window = open_window()
    window.open(folder)
    result = window.run_to_the_end("7")
    epochs, _ = window.dock.bar.plot.curve.getOriginalDataset()
    assert epochs[-1] == 7
    line = window.text(f"{R}.numbers")
    assert line.startswith(f"epoch 7 · error {result.error:.4g} · ")
    assert window.dock.bar.progress.value() == window.dock.bar.progress.maximum()


def test_hidden_layers_are_true_when_a_run_has_ended(
    open_window: OpenWindow, folder: Path
) -> None:
    window = open_window()
    window.open(folder)
    result = window.run_to_the_end("4")
    layers = window.viewer.layers
    hidden = layers["Object magnitude"]
    assert not hidden.visible
    assert np.allclose(hidden.data, np.abs(result.object), atol=1e-5)


def test_auto_shows_a_coarse_picture_and_ends_by_itself(
    open_window: OpenWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coarse_level, "EPOCHS", 300)  # long enough to be seen
    experiment = EXPERIMENT.replace(
        path={"rows": 7, "columns": 7, "step_px": 6}, detector={"frame": 96}
    )
    window = open_window()
    window.choose(f"{R}.algorithm", "Auto")
    assert window.widget(f"{R}.epochs").text() == "200"
    window.dock.set_recipe(sc.Recipe.of_experiment(experiment))
    previews: list[tuple[float, float]] = []
    preview = window.controller.layers.preview
    window.controller.layers.preview = lambda viewer, snapshot: (
        previews.append(snapshot.pixel_size_m),
        preview(viewer, snapshot),
    )
    window.click(f"{R}.run")
    window.until("running", "ready", timeout=60_000)
    window.until("ready", timeout=60_000)
    result = window.controller.snapshot
    assert previews
    assert previews[-1][0] > result.pixel_size_m[0]
    assert result.epoch < 200
    assert "finished" in window.message
    assert "no longer falls" in window.message or "moved" in window.message
    assert window.viewer.layers["Object phase"].data.shape == result.object.shape


def test_a_setting_of_auto_acts_at_once(open_window: OpenWindow) -> None:
    window = open_window()
    stage = Stage(algorithm=sc.Auto(ends=False))
    window.dock.set_recipe(sc.Recipe.of_experiment(EXPERIMENT, stage))
    window.run(ENDLESS)
    window.until("running")
    window.until_epoch(2)
    window.type(f"{R}.algorithm.alpha_object", "0.7")
    window.until_epoch(window.controller.snapshot.epoch + 3)
    window.stop()
    (change,) = window.controller.snapshot.history.changes
    assert (change.path, change.value) == ("algorithm.alpha_object", 0.7)
