"""Several algorithms in one run: switched under way, and one stage after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import napari_scicompty as sc
from napari_scicompty.recipe import Stage
from window import ENDLESS, same

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from window import Window

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
R = "reconstruction"


def told(window: Window) -> list[str]:
    """Return the lines of the list of stages."""
    items = window.dock.live.stages.list
    return [items.item(i).text() for i in range(items.count())]


def hold(window: Window, epoch: int) -> None:
    """Pause once an epoch is on show."""
    window.until("running")
    window.until_epoch(epoch)
    window.click(f"{R}.pause")
    window.qtbot.waitUntil(lambda: window.controller.job.controls.paused)
    window.qtbot.wait(150)  # the batch under way


def stages(recipe: sc.Recipe) -> list[tuple[str, int]]:
    """Return algorithm and epochs of each stage."""
    return [(type(s.algorithm).__name__, s.epochs) for s in recipe.stages]


# -- a switch under way ---------------------------------------------------------------
def test_the_algorithm_is_switched_while_a_run_is_under_way(
    open_window: OpenWindow, folder: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    window = open_window()
    window.open(folder)
    window.run(ENDLESS)
    hold(window, 1)
    run = window.controller.job.run
    window.choose(f"{R}.algorithm", "M-ePIE")
    assert window.message == "M-ePIE from the next batch on"
    where = (run.epoch, run.batch)
    window.click(f"{R}.pause")
    window.until_epoch(where[0] + 2)
    (change,) = window.controller.snapshot.history.changes
    assert (change.epoch, change.batch, change.path) == (*where, "algorithm")
    assert type(run.algorithm) is sc.EPIE
    window.type(f"{R}.algorithm.alpha_object", "0.3")
    qtbot.waitUntil(lambda: run.algorithm == sc.EPIE(alpha_object=0.3))
    plot = window.dock.bar.plot
    qtbot.waitUntil(lambda: len(plot.marks) == 2)
    assert "algorithm epie" in plot.marks[0].label.toPlainText()
    window.stop()
    result = window.controller.snapshot
    window.dock.result.save(str(tmp_path / "r.h5"))
    recipe = sc.Recipe.load(tmp_path / "r.h5")
    assert stages(recipe) == [("RPIE", where[0]), ("EPIE", result.epoch - where[0])]
    more = window.run_to_the_end("1")
    assert stages(window.controller.made_by())[2:] == [("EPIE", 1)]
    assert more.settings["algorithm"]["alpha_object"] == 0.3


def test_a_kind_whose_fields_are_wrong_is_not_switched_to(
    open_window: OpenWindow, folder: Path
) -> None:
    window = open_window()
    window.open(folder)
    window.choose(f"{R}.algorithm", "M-ePIE")
    window.type(f"{R}.algorithm.alpha_object", "7")
    window.choose(f"{R}.algorithm", "M-rPIE")
    window.run(ENDLESS)
    hold(window, 1)
    window.try_to_choose(f"{R}.algorithm", "M-ePIE")
    assert "alpha_object" in window.message
    assert window.widget(f"{R}.algorithm").currentText() == "M-rPIE"
    window.click(f"{R}.pause")
    window.until_epoch(window.controller.snapshot.epoch + 1)
    assert window.controller.snapshot.history.changes == ()
    window.stop()


# -- stages ---------------------------------------------------------------------------
def test_stages_are_added_run_one_after_the_other_and_reopened(
    open_window: OpenWindow, folder: Path, tmp_path: Path
) -> None:
    window = open_window()
    window.open(folder)
    window.type(f"{R}.epochs", "3")
    assert told(window) == ["1  M-rPIE · 3 epochs"]
    window.click(f"{R}.stages.add")
    window.choose(f"{R}.algorithm", "M-ePIE")
    window.type(f"{R}.algorithm.alpha_object", "0.4")
    window.type(f"{R}.epochs", "2")
    assert told(window) == ["1  M-rPIE · 3 epochs", "2  M-ePIE · 2 epochs"]
    window.click(f"{R}.run")
    window.until("ready")
    result = window.controller.snapshot
    assert result.epoch == 5
    assert "stage 2 of 2: M-ePIE" in window.dock.log.toPlainText()
    recipe = window.controller.made_by()
    assert stages(recipe) == [("RPIE", 3), ("EPIE", 2)]
    *_, headless = recipe.run()
    same(result, headless)
    bar = window.dock.bar.progress
    assert bar.value() == bar.maximum() == 5 * 25

    # Continue goes on with the stage on show, the last.
    assert window.run_to_the_end("1").epoch == 6
    assert stages(window.controller.made_by())[-1] == ("EPIE", 1)

    window.dock.result.save_recipe(str(tmp_path / "r.toml"))
    again = open_window()
    again.dock.result.open_recipe(str(tmp_path / "r.toml"))
    assert told(again) == ["1  M-rPIE · 3 epochs", "2  M-ePIE · 1 epochs"]
    assert again.dock.recipe().stages == sc.Recipe.load(tmp_path / "r.toml").stages


def test_stages_are_reordered_edited_and_removed(open_window: OpenWindow) -> None:
    window = open_window()
    window.type(f"{R}.epochs", "7")
    window.click(f"{R}.stages.add")
    window.type(f"{R}.epochs", "9")
    window.click(f"{R}.stages.up")
    assert [s.epochs for s in window.dock.recipe().stages] == [9, 7]
    window.dock.live.stages.list.setCurrentRow(1)
    assert window.dock.bar.form.values["epochs"] == 7
    window.type(f"{R}.epochs", "-1")
    window.dock.live.stages.list.setCurrentRow(0)
    assert "epochs" in window.message
    assert window.dock.live.stages.row == 1
    window.type(f"{R}.epochs", "8")
    assert [s.epochs for s in window.dock.recipe().stages] == [9, 8]
    window.click(f"{R}.stages.remove")
    assert window.dock.recipe().stages == (Stage(algorithm=sc.RPIE(), epochs=9),)
    assert not window.widget(f"{R}.stages.remove").isEnabled()


def test_a_stop_ends_all_stages_and_the_fields_show_where(
    open_window: OpenWindow, folder: Path
) -> None:
    window = open_window()
    window.open(folder)
    window.type(f"{R}.epochs", "2")
    for algorithm, epochs in (("M-ePIE", ENDLESS), ("M-rPIE", "5")):
        window.click(f"{R}.stages.add")
        window.choose(f"{R}.algorithm", algorithm)
        window.type(f"{R}.epochs", epochs)
    window.dock.live.stages.list.setCurrentRow(1)
    window.click(f"{R}.run")
    window.until("running")
    window.until_epoch(4)
    assert window.dock.live.stages.row == 1
    assert not window.dock.live.stages.list.isEnabled()
    assert "stage 2/3" in window.text(f"{R}.numbers")
    window.type(f"{R}.algorithm.alpha_object", "0.35")  # live, in this stage
    window.stop()
    result = window.controller.snapshot
    assert stages(window.controller.made_by()) == [
        ("RPIE", 2),
        ("EPIE", result.epoch - 2),
    ]
    algorithms = [stage.algorithm for stage in window.dock.recipe().stages]
    assert algorithms == [sc.RPIE(), sc.EPIE(alpha_object=0.35), sc.RPIE()]
    window.type(f"{R}.epochs", "1")
    window.click(f"{R}.run")  # this stage, and the one after it
    window.until("ready")
    assert window.controller.snapshot.epoch == result.epoch + 6
    window.click(f"{R}.reset")
    window.click(f"{R}.run")
    window.until("ready")
    assert window.controller.snapshot.epoch == 2 + 1 + 5


# -- memory ---------------------------------------------------------------------------
def test_the_memory_of_the_next_run_is_told_before_it_begins(
    open_window: OpenWindow, folder: Path
) -> None:
    window = open_window()
    assert window.text(f"{R}.numbers") == ""
    window.open(folder)
    assert window.text(f"{R}.numbers") == "needs 1 MiB"
    window.type(f"{R}.modes", "16")
    window.type(f"{R}.batch", "25")

    def needed() -> int:
        return int(window.text(f"{R}.numbers").split()[-2])

    by_pie = needed()
    assert by_pie > 10
    window.choose(f"{R}.algorithm", "Automatic")
    assert needed() > by_pie
    window.type(f"{R}.batch", "5")
    assert needed() < by_pie
