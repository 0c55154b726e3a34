"""The window under load: many changes, one core, names that look like markup."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

import pytest
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QLabel

from napari_scicompty.engine.controls import Controls
from napari_scicompty.ui.widgets.labels import plain_label, plain_tip
from napari_scicompty.ui.widgets.plots import MOST_MARKS, ErrorPlot
from window import ENDLESS, write_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from window import Window

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
R = "reconstruction"


def test_thousands_of_changes_are_drawn_in_no_time(qtbot: QtBot) -> None:
    plot = ErrorPlot()
    qtbot.addWidget(plot)
    plot.show()
    few = _seconds(plot, 20)
    many = _seconds(plot, 4000)
    assert len(plot.marks) == MOST_MARKS
    assert [mark.value() for mark in plot.marks] == list(range(3990, 4000))
    assert len(plot.older.xvals) == 3990
    assert many < 10 * few + 0.5, f"{many:.2f} s for 4000, {few:.2f} s for 20"


def _seconds(plot: ErrorPlot, count: int) -> float:
    began = time.perf_counter()
    changes = [(epoch, f"alpha {epoch}") for epoch in range(count)]
    plot.set_history(range(count), [0.1] * count, changes)
    plot.grab()
    return time.perf_counter() - began


def test_changes_at_one_epoch_share_a_mark(qtbot: QtBot) -> None:
    plot = ErrorPlot()
    qtbot.addWidget(plot)
    plot.set_history([0, 1], [0.2, 0.1], [(1, "a {x}"), (1, "<b>b</b>")])
    (mark,) = plot.marks
    assert mark.label.toPlainText() == "2 settings"
    assert "&lt;b&gt;" in mark.toolTip()
    plot.set_history([0, 1, 2], [0.2, 0.1, 0.1], [(2, "a {x}")])
    assert [mark.label.toPlainText() for mark in plot.marks] == ["a {x}"]


def test_a_knob_that_is_turned_while_paused_is_one_change() -> None:
    controls = Controls()
    checked: list[int] = []

    class Run:
        def check(self, changes: list[Any]) -> None:
            checked.append(len(changes))

    run = Run()
    controls.bind(run.check)
    for value in range(1000):
        controls.set("algorithm.alpha_object", value)
        controls.set("algorithm.beta", value)
    assert max(checked) == 2
    taken: list[Any] = []
    controls.apply(taken.extend)
    assert taken == [
        ("algorithm.alpha_object", 999),
        ("algorithm.beta", 999),
    ]


@pytest.fixture
def one_core() -> Iterator[None]:
    """Qt's pool as it is where the machine has one core."""
    pool = QThreadPool.globalInstance()
    before = pool.maxThreadCount()
    pool.setMaxThreadCount(1)
    yield
    pool.setMaxThreadCount(before)


def test_two_viewers_run_on_one_core(
    open_window: OpenWindow, folder: Path, one_core: None
) -> None:
    first, second = open_window(), open_window()
    for window in (first, second):
        window.activate()
        window.open(folder)
        window.run(ENDLESS)
        window.until_epoch(1)
    for window in (first, second):
        window.activate()
        window.stop()


@pytest.mark.parametrize("state", ["opening", "starting", "running"])
def test_a_viewer_closed_early_leaves_nothing(
    state: str, open_window: OpenWindow, folder: Path, qtbot: QtBot
) -> None:
    from napari_scicompty.engine.run import Run
    from napari_scicompty.ui.widgets.threads import pool

    gc.collect()
    before = {id(o) for o in gc.get_objects() if type(o) is Run}
    window = open_window()
    if state == "opening":
        window.fill(folder)
        window.click(f"{R}.open")
    else:
        window.open(folder)
        window.run(ENDLESS)
    if state == "running":
        window.until("running")
    viewer = window.viewer
    del window
    viewer.close()
    qtbot.waitUntil(lambda: pool().activeThreadCount() == 0, timeout=20_000)

    def gone() -> None:
        gc.collect()
        left = [o for o in gc.get_objects() if type(o) is Run and id(o) not in before]
        assert not left

    qtbot.waitUntil(gone, timeout=10_000)


MARKUP = "<h1>a</h1><img src='x'>"


def test_what_looks_like_markup_is_shown_as_it_is(
    open_window: OpenWindow, tmp_path: Path
) -> None:
    assert plain_label(MARKUP).textFormat() == Qt.TextFormat.PlainText
    assert "<h1>" not in plain_tip(MARKUP).removeprefix("<qt>")
    strange = tmp_path / "<b>bold<br>"
    write_scan(strange)
    window = open_window()
    window.open(strange)
    window.controller.say("error", MARKUP)
    assert window.message == MARKUP
    for label in window.dock.findChildren(QLabel):
        if "<" in label.text():
            assert label.textFormat() == Qt.TextFormat.PlainText, label.text()


def test_control_characters_do_not_reach_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from napari_scicompty.cli import app

    monkeypatch.chdir(tmp_path)
    name = "a\x1b[31mred\x07.h5"
    result = CliRunner().invoke(app, ["info", name])
    said = result.output + result.stderr
    assert result.exit_code == 2
    assert "\x1b[31m" not in said
    assert "\\x1b[31mred\\x07" in said
