"""The Positions section: positions refined, seen, mended, kept; by mouse and keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

import napari_scicompty as sc
from napari_scicompty import metrics
from window import ENDLESS, EXPERIMENT, Window, same, write_scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
R = "reconstruction"
P = f"{R}.positions"
REFINED, ARROWS = "Positions (refined)", "Displacements"
STRAY = 7


@pytest.fixture(scope="module")
def perturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small scan as files, told positions that are wrong by up to 1.5 pixels."""
    folder = write_scan(tmp_path_factory.mktemp("perturbed"))
    scan, _ = sc.simulate(EXPERIMENT)
    error = np.random.default_rng(3).uniform(-1.5, 1.5, (len(scan), 2))
    told = scan.positions_m + error * scan.pixel_size_m
    np.savetxt(folder / "positions.txt", told[:, ::-1])
    return folder


@pytest.fixture
def dialogs(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Answer the next file dialogs with this path."""

    def answer(path: Path) -> None:
        for name in ("getSaveFileName", "getOpenFileName"):
            monkeypatch.setattr(
                QFileDialog, name, staticmethod(lambda *_, **__: (str(path), ""))
            )

    return answer


def with_stray(snapshot: sc.Snapshot) -> sc.Snapshot:
    """Return a result with one position that is far off."""
    positions = snapshot.positions_m.copy()
    positions[STRAY] += 9 * np.array(snapshot.pixel_size_m)
    return snapshot.replace(positions_m=positions)


def off(snapshot: sc.Snapshot) -> float:
    """Mean distance from the true positions in pixels, without the common shift."""
    scan, _ = sc.simulate(EXPERIMENT)
    away = (snapshot.positions_m - scan.positions_m) / snapshot.pixel_size_m
    return float(np.hypot(*(away - np.median(away, 0)).T).mean())


def test_refined_positions_are_seen_while_they_move_and_can_be_held(
    open_window: OpenWindow, perturbed: Path, qtbot: QtBot
) -> None:
    window = open_window()
    window.open(perturbed)
    section = window.dock.positions
    assert "No position has been moved" in window.text(f"{P}.text")
    window.click(f"{P}.refine")
    window.type(f"{P}.start_epoch", "2")
    window.run(ENDLESS)
    window.until_epoch(8)
    layers = window.viewer.layers
    qtbot.waitUntil(lambda: ARROWS in layers and REFINED in layers)
    qtbot.waitUntil(lambda: "mean" in window.text(f"{P}.text"))
    window.click(f"{P}.show")
    assert layers[ARROWS].visible and layers[REFINED].visible
    assert "scale" in window.text(f"{P}.text")
    assert section.report.histogram.bars.opts["height"].sum() > 0
    epochs, moves = section.report.moves.curve.getData()
    assert len(epochs) and np.nanmax(moves) > 0

    window.type(f"{P}.rate_px", "0.5")
    assert "positions.rate_px = 0.5 from the next batch" in window.message
    qtbot.waitUntil(lambda: len(window.controller.snapshot.history.changes) == 1)
    window.click(f"{P}.refine")
    qtbot.waitUntil(lambda: len(window.controller.snapshot.history.changes) == 2)
    held = window.controller.snapshot
    window.until_epoch(held.epoch + 5)
    window.stop()
    result = window.controller.snapshot
    np.testing.assert_array_equal(result.positions_m, held.positions_m)
    assert off(result) < 0.5 * off(result.replace(positions_m=_nominal(result)))
    changes = [(c.path, c.value) for c in result.history.changes]
    assert changes == [("positions.rate_px", 0.5), ("positions.enabled", False)]
    marks = window.dock.bar.plot.marks
    assert "positions.enabled False" in marks[-1].label.toPlainText()

    arrows, points = layers[ARROWS], layers[REFINED]
    np.testing.assert_allclose(points.data, _centres(result, result.positions_m))
    np.testing.assert_allclose(arrows.data[:, 0], _centres(result, _nominal(result)))
    np.testing.assert_allclose(arrows.data[:, 1], metrics.displacements(result) * 1e6)
    assert {str(unit) for unit in arrows.units} == {"micrometer"}
    assert section.report.histogram.bars.opts["height"].sum() == 25


def test_arrows_are_as_long_as_chosen(open_window: OpenWindow, perturbed: Path) -> None:
    window = open_window()
    window.open(perturbed)
    window.click(f"{P}.refine")
    result = window.run_to_the_end("12")
    arrows = window.viewer.layers[ARROWS]
    median = np.median(np.hypot(*arrows.data[:, 1].T))
    assert 0.1 < arrows.length * median / (5 * result.pixel_size_m[0] * 1e6) < 0.7
    window.type(f"{P}.exaggeration", "3")
    assert arrows.length == 3
    assert window.text(f"{P}.factor") == "3 : 1"
    again = window.run_to_the_end("2")
    assert again.epoch == 14 and arrows.length == 3
    window.type(f"{P}.exaggeration", "")
    assert arrows.length != 3
    arrows.length = 11  # in the layer's own controls
    assert window.text(f"{P}.factor") == "11 : 1"
    window.run_to_the_end("2")
    assert arrows.length == 11
    window.viewer.layers.remove(arrows)
    window.run_to_the_end("2")
    assert ARROWS in window.viewer.layers, "a new run makes what was deleted"


def test_refinement_is_switched_on_on_the_way_and_replays(
    open_window: OpenWindow,
    perturbed: Path,
    tmp_path: Path,
    dialogs: Callable[[Path], None],
    qtbot: QtBot,
) -> None:
    window = open_window()
    window.open(perturbed)
    window.type(f"{P}.start_epoch", "1")
    window.run(ENDLESS)
    window.until_epoch(2)
    assert not window.controller.made_by().stages[0].refine
    assert window.widget(f"{P}.kind").isEnabled() is False
    window.click(f"{P}.refine")
    epoch = window.controller.snapshot.epoch
    window.until_epoch(epoch + 5)
    qtbot.waitUntil(lambda: ARROWS in window.viewer.layers)
    window.stop()
    result = window.controller.snapshot
    dialogs(tmp_path / "result.h5")
    window.click(f"{R}.save")
    recipe = sc.Recipe.load(tmp_path / "result.h5")
    (refiner,) = recipe.stages[0].refine
    assert (refiner.enabled, refiner.start_epoch) == (False, 1)

    again = open_window()
    again.click(f"{R}.open_result")
    again.until("ready")
    assert again.widget(f"{P}.refine").isChecked()
    assert again.dock.positions.refiner.start_epoch == 1
    assert ARROWS in again.viewer.layers
    replayed = _replayed(recipe, result)
    np.testing.assert_array_equal(replayed.positions_m, result.positions_m)
    same(replayed, result)


def test_a_refiner_on_standby_changes_nothing(
    open_window: OpenWindow, perturbed: Path, tmp_path: Path
) -> None:
    window = open_window()
    window.open(perturbed)
    result = window.run_to_the_end("4")
    recipe = window.controller.made_by()
    assert recipe.stages[0].refine == ()
    *_, plain = recipe.run()
    same(result, plain)
    alone, of_recipe = (replace(r.history, runs=()) for r in (result, plain))
    assert alone == of_recipe
    assert not {REFINED, ARROWS} & {layer.name for layer in window.viewer.layers}
    assert window.widget(f"{P}.reset_all").isEnabled() is False


def test_recipes_say_what_is_refined(
    open_window: OpenWindow,
    perturbed: Path,
    tmp_path: Path,
    dialogs: Callable[[Path], None],
) -> None:
    window = open_window()
    window.fill(perturbed)
    dialogs(tmp_path / "without.toml")
    window.click(f"{R}.save_recipe")
    window.click(f"{P}.refine")
    window.choose(f"{P}.kind", "Cross")
    window.type(f"{P}.rate_px", "0.25")
    window.choose(f"{P}.gain", "feedback")
    window.type(f"{P}.search_every", "0")
    dialogs(tmp_path / "with.toml")
    window.click(f"{R}.save_recipe")
    assert sc.Recipe.load(tmp_path / "without.toml").stages[0].refine == ()
    told = sc.CrossCorrelationShift(rate_px=0.25, gain="feedback", search_every=0)
    assert sc.Recipe.load(tmp_path / "with.toml").stages[0].refine == (told,)

    again = open_window()
    dialogs(tmp_path / "with.toml")
    again.click(f"{R}.open_recipe")
    assert again.dock.positions.chosen == (told,)
    dialogs(tmp_path / "without.toml")
    again.click(f"{R}.open_recipe")
    assert not again.widget(f"{P}.refine").isChecked()


def test_outliers_are_seen_reset_and_excluded(
    open_window: OpenWindow, perturbed: Path
) -> None:
    window = open_window()
    window.open(perturbed)
    window.click(f"{P}.refine")
    result = window.run_to_the_end("20")
    assert not window.widget(f"{P}.reset_outliers").isEnabled()
    window.controller.replace_result(with_stray(result))
    assert f"1 outlier(s): {STRAY}." in window.text(f"{P}.text")
    points = window.viewer.layers[REFINED]
    window.choose(f"{R}.view", "Positions")
    others = np.delete(points.border_color, STRAY, axis=0)
    assert (others == others[0]).all()
    assert not np.allclose(points.border_color[STRAY], others[0])

    window.click(f"{P}.exclude_outliers")
    assert window.text(f"{R}.excluded") == str(STRAY)
    assert f"pattern(s) {STRAY} take no part" in window.message
    assert f"pattern(s) {STRAY}" in window.dock.log.toPlainText()
    more = window.run_to_the_end("1")
    assert np.flatnonzero(np.isnan(more.pattern_error)).tolist() == [STRAY]

    window.click(f"{P}.reset_outliers")
    now = window.controller.snapshot
    found = metrics.position_error(now.positions_m, _nominal(now))
    assert np.hypot(*found.residuals_m[STRAY]) < 0.1 * found.mean_m
    assert "No outliers" in window.text(f"{P}.text")
    assert not window.controller.saved
    last = window.run_to_the_end("2")
    assert last.epoch == now.epoch + 2
    assert any("reset by hand" in note for note in last.history.notes)


def test_positions_are_saved_reset_and_loaded(
    open_window: OpenWindow,
    perturbed: Path,
    tmp_path: Path,
    dialogs: Callable[[Path], None],
) -> None:
    window = open_window()
    window.open(perturbed)
    for name in ("save", "load", "reset_all"):
        assert not window.widget(f"{P}.{name}").isEnabled()
    window.click(f"{P}.refine")
    result = window.run_to_the_end("15")
    dialogs(tmp_path / "refined.csv")
    window.click(f"{P}.save")
    assert window.message == f"saved {tmp_path / 'refined.csv'}"
    stack = perturbed / "stack.tif"
    by_script = sc.open_scan(
        stack, tmp_path / "refined.csv", window.controller.scan.geometry
    )
    np.testing.assert_array_equal(by_script.positions_m, result.positions_m)

    window.click(f"{P}.reset_all")
    reset = window.controller.snapshot
    np.testing.assert_array_equal(reset.positions_m, _nominal(result))
    np.testing.assert_array_equal(reset.object, result.object)
    assert "No position has been moved" in window.text(f"{P}.text")
    window.click(f"{P}.load")
    loaded = window.controller.snapshot
    np.testing.assert_array_equal(loaded.positions_m, result.positions_m)
    np.savetxt(tmp_path / "mm.txt", 1e3 * result.positions_m[:, ::-1])
    dialogs(tmp_path / "mm.txt")
    window.click(f"{P}.load")
    assert "another unit" in window.message
    assert window.controller.snapshot is loaded
    more = window.run_to_the_end("3")
    assert more.epoch == 18
    assert abs(more.error / result.error - 1) < 0.5

    few = tmp_path / "few.txt"
    np.savetxt(few, result.positions_m[1:, ::-1])
    dialogs(few)
    window.click(f"{P}.load")
    assert "24 positions for a result of 25" in window.message
    assert window.controller.snapshot is more


def test_two_docks_show_the_same_and_deleted_layers_stay_away(
    open_window: OpenWindow, perturbed: Path, qtbot: QtBot
) -> None:
    window = open_window()
    window.open(perturbed)
    window.click(f"{P}.refine")
    window.run(ENDLESS)
    layers = window.viewer.layers
    qtbot.waitUntil(lambda: ARROWS in layers, timeout=15_000)
    for name in (ARROWS, REFINED):
        layers.remove(layers[name])
    window.until_epoch(window.controller.snapshot.epoch + 5)
    assert not {ARROWS, REFINED} & {layer.name for layer in layers}
    again = Window(qtbot, window.viewer, again=True)
    assert again.widget(f"{P}.refine").isChecked()
    again.click(f"{P}.refine")
    qtbot.waitUntil(lambda: window.controller.snapshot.history.changes != ())
    again.stop()
    text = again.text(f"{P}.text")
    assert "mean" in text
    again.type(f"{P}.exaggeration", "4")  # of a layer that is not there
    assert again.text(f"{P}.factor") == ""
    last = again.run_to_the_end("1")
    assert last.history.changes[0].path == "positions.enabled"
    assert layers[ARROWS].length == 4


def test_half_scans_have_the_refined_positions(
    open_window: OpenWindow, perturbed: Path
) -> None:
    window = open_window()
    window.open(perturbed)
    window.click(f"{P}.refine")
    result = window.run_to_the_end("15")
    window.click(f"{R}.resolution.measure")
    window.until("measuring")
    window.until("ready", timeout=60_000)
    found = window.dock.resolution.resolution
    assert found is not None, window.message
    for half in (found.first, found.second):
        np.testing.assert_array_equal(half.positions_m, result.positions_m)
        assert not half.history.refined


# -- helpers --------------------------------------------------------------------------
def _nominal(snapshot: sc.Snapshot) -> np.ndarray:
    assert snapshot.nominal_positions_m is not None
    return snapshot.nominal_positions_m


def _centres(snapshot: sc.Snapshot, positions_m: np.ndarray) -> np.ndarray:
    return (positions_m + 15.5 * np.array(snapshot.pixel_size_m)) * 1e6


def _replayed(recipe: sc.Recipe, result: sc.Snapshot) -> sc.Snapshot:
    """Run a recipe again, with the changes that were made on the way."""
    controls = sc.Controls()
    (stage,) = recipe.stages
    longer = recipe.replace(stages=(stage.replace(epochs=result.epoch + 1),))
    (run,) = longer.runs(controls=controls)
    changes: list[Any] = list(result.history.changes)
    while (run.epoch, run.batch) != (result.epoch, result.batch):
        while changes and (changes[0].epoch, changes[0].batch) == (
            run.epoch,
            run.batch,
        ):
            change = changes.pop(0)
            controls.set(change.path, change.value)
        run.advance(0)
    return run.snapshot(exact=True)
