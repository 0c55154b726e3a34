"""What people do to a window in mid-run: nothing may crash or stay behind."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt, QThreadPool
from qtpy.QtWidgets import QAbstractButton, QDockWidget
from superqt.utils import WorkerBase

import napari_scicompty as sc
from window import ENDLESS, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
R = "reconstruction"


def _threads() -> set[threading.Thread]:
    """Threads that Python began; Qt's get a name tag of it when they write a log."""
    dummy = threading._DummyThread
    return {t for t in threading.enumerate() if not isinstance(t, dummy)}


class Traces:
    """What a run may not leave behind: threads, tensors, itself, a busy napari."""

    def __init__(self, qtbot: QtBot) -> None:
        self._qtbot = qtbot
        self._threads = _threads()
        self._tensors = _tensors()
        self.runs: list[weakref.ref[Any]] = []
        self._windows: weakref.WeakSet[Any] = weakref.WeakSet()

    def begin(self, window: Window) -> None:
        """Start a run that would never end, and wait until it is under way."""
        window.run(ENDLESS)
        window.until_epoch(2)
        self.runs.append(weakref.ref(window.controller.job.run))
        self._windows.add(window.viewer.window)

    def check_gone(self) -> None:
        """Wait until nothing is left of the runs."""
        pool = QThreadPool.globalInstance()
        self._qtbot.waitUntil(lambda: pool.activeThreadCount() == 0, timeout=10_000)
        self._qtbot.waitUntil(self._clean, timeout=10_000)

    def _clean(self) -> None:
        gc.collect()
        assert self.runs and [run() for run in self.runs] == [None] * len(self.runs)
        assert _threads() <= self._threads
        assert _tensors() <= self._tensors
        assert not any(w._task_status_manager.is_busy() for w in self._windows)
        assert not WorkerBase._worker_set


def _tensors() -> int:
    """Count tensors; those behind the numpy arrays of a result are not meant."""
    objects = gc.get_objects()
    results = [o for o in objects if type(o) is sc.Snapshot]
    arrays = [v for r in results for v in (r.object, r.probe, *r.state.values())]
    kept = {v.ctypes.data for v in arrays if isinstance(v, np.ndarray)}
    tensors = [o for o in objects if issubclass(type(o), torch.Tensor)]
    return sum(tensor.data_ptr() not in kept for tensor in tensors)


@pytest.fixture
def traces(qtbot: QtBot) -> Iterator[Traces]:
    """Check, at the end of the test too, that nothing is left."""
    left = Traces(qtbot)
    yield left
    left.check_gone()


@pytest.mark.parametrize("state", ["running", "paused"])
def test_stop_leaves_only_the_result(
    open_window: OpenWindow, folder: Path, traces: Traces, state: str
) -> None:
    window = open_window()
    window.open(folder)
    traces.begin(window)
    if state == "paused":
        window.click(f"{R}.pause")
    window.stop()
    traces.check_gone()
    assert window.controller.snapshot.epoch >= 2


def test_closing_the_dock_leaves_the_run_alone(
    open_window: OpenWindow, folder: Path, traces: Traces, qtbot: QtBot
) -> None:
    window = open_window()
    window.open(folder)
    traces.begin(window)
    controller = window.controller
    _click_the_x(qtbot, window)
    seen = controller.snapshot.epoch
    qtbot.waitUntil(lambda: controller.snapshot.epoch > seen + 5)
    assert controller.state == "running"
    again = Window(qtbot, window.viewer)
    assert again.controller is controller
    assert again.dock is not window.dock
    assert again.widget(f"{R}.pause").isEnabled()
    again.stop()
    assert "stopped" in again.message


def test_two_panels_follow_one_run(
    open_window: OpenWindow, folder: Path, traces: Traces, qtbot: QtBot
) -> None:
    window = open_window()
    window.open(folder)
    traces.begin(window)
    second = Window(qtbot, window.viewer, again=True)
    assert second.dock is not window.dock
    assert second.controller is window.controller
    assert "25 patterns" in second.dock.data.report.text()
    second.dock.parentWidget().raise_()
    second.click(f"{R}.pause")
    for panel in (window, second):
        assert panel.dock.bar.pause.text() == "Resume"
    second.stop()
    assert window.dock.bar.run.text() == second.dock.bar.run.text() == "Continue"
    assert window.dock.bar.message.text() == second.dock.bar.message.text()
    _click_the_x(qtbot, second)
    window.activate()
    assert window.run_to_the_end("1").epoch > 2


def test_two_viewers_run_apart(
    open_window: OpenWindow, folder: Path, traces: Traces
) -> None:
    first, second = open_window(), open_window()
    for window in (first, second):
        window.open(folder)
        traces.begin(window)
    assert first.controller is not second.controller
    first.stop()
    second.until_epoch(second.controller.snapshot.epoch + 5)
    assert second.controller.state == "running"
    assert first.controller.state == "ready"
    # neither is closed here: vispy then deletes textures of the viewer that remains
    second.stop()
    assert first.run_to_the_end("1").epoch > 2


def test_a_deleted_layer_stays_away_until_the_next_run(
    open_window: OpenWindow, folder: Path, traces: Traces
) -> None:
    window = open_window()
    window.open(folder)
    traces.begin(window)
    layers, controller = window.viewer.layers, window.controller
    del layers["Object phase"]
    layers["Object magnitude"].visible = True
    window.until_epoch(controller.snapshot.epoch + 5)
    assert "Object phase" not in layers
    window.stop()
    window.run_to_the_end("1")
    assert "Object phase" in layers


def test_a_run_goes_on_without_layers(
    open_window: OpenWindow, folder: Path, traces: Traces
) -> None:
    window = open_window()
    window.open(folder)
    traces.begin(window)
    window.viewer.layers.clear()
    job = window.controller.job
    epoch = job.run.epoch
    window.qtbot.waitUntil(lambda: job.run.epoch > epoch + 5)
    window.stop()
    assert len(window.viewer.layers) == 0
    assert window.controller.snapshot.epoch > epoch
    window.run_to_the_end("1")
    assert len(window.viewer.layers) == 5


@pytest.mark.parametrize("state", ["running", "paused"])
def test_closing_the_viewer_ends_the_run(
    open_window: OpenWindow, folder: Path, traces: Traces, state: str, qtbot: QtBot
) -> None:
    window = open_window()
    window.open(folder)
    traces.begin(window)
    if state == "paused":
        window.click(f"{R}.pause")
    controller = weakref.ref(window.controller)
    scan = weakref.ref(window.controller.scan)
    viewer = weakref.ref(window.viewer)
    window.viewer.close()
    del window
    traces.check_gone()

    def gone() -> None:
        gc.collect()
        assert [ref() for ref in (controller, scan, viewer)] == [None] * 3

    qtbot.waitUntil(gone)


def test_closing_the_viewer_while_a_scan_is_opened(
    open_window: OpenWindow, folder: Path, traces: Traces, qtbot: QtBot
) -> None:
    window = open_window()
    window.fill(folder)
    window.click(f"{R}.open")
    assert window.controller.state == "opening"
    traces.runs.append(weakref.ref(window.controller))
    window.viewer.close()
    del window
    traces.check_gone()


def test_a_fault_leaves_no_tensor(
    open_window: OpenWindow,
    folder: Path,
    traces: Traces,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = sc.RPIE.step

    def faulty(*now: Any) -> Any:
        if now[4].epoch == 3:
            kept = now[1].object.clone()
            # The window may have let go of a run that ends so soon.
            traces.runs.append(weakref.ref(window.controller.job.run))
            raise RuntimeError(f"no good {kept.shape}")
        return step(*now)

    monkeypatch.setattr(sc.RPIE, "step", faulty)
    window = open_window()
    window.open(folder)
    window.run(ENDLESS)
    window.until("ready")
    assert "no good" in window.message
    traces.check_gone()


def _click_the_x(qtbot: QtBot, window: Window) -> None:
    """Close a dock by the x in its title."""
    holder = window.dock.parentWidget()
    while not isinstance(holder, QDockWidget):
        holder = holder.parentWidget()
    x = holder.titleBarWidget().findChild(QAbstractButton, "QTitleBarCloseButton")
    qtbot.mouseClick(x, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.dock.parent() is None)
