"""The Resolution section: half sets in one click."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from qtpy.QtWidgets import QFileDialog

from napari_scicompty.workflow.half_sets import split_half_frc
from window import ENDLESS, RADIUS_M

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from window import Window

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
R = "reconstruction"


def test_the_resolution_is_measured_as_the_result_was_made(
    open_window: OpenWindow,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = open_window()
    assert not window.widget(f"{R}.resolution.measure").isEnabled()
    window.open(folder)
    snapshot = window.run_to_the_end("4")
    window.run_to_the_end("2")
    window.type(f"{R}.epochs", "50")  # of the next run, and not of the result
    window.click(f"{R}.resolution.measure")
    window.until("measuring")
    assert window.widget(f"{R}.run").isEnabled() is False
    window.until("ready", timeout=60_000)

    found = window.dock.resolution.resolution
    assert found is not None, window.message
    assert found.first.epoch == found.second.epoch == 6
    assert found.sentence in window.message
    assert window.text(f"{R}.resolution.text") == found.sentence
    # A script that does the same finds the same.
    algorithm = window.dock.algorithm.form.value
    again = split_half_frc(
        window.controller.scan,
        algorithm,
        epochs=6,
        start=window.dock.start.value,
        device="cpu",
    )
    assert again.frc.frequency == pytest.approx(found.frc.frequency)
    assert window.controller.snapshot.epoch == snapshot.epoch + 2, "the result stays"

    for name in ("frc.csv", "frc.png"):
        path = tmp_path / name
        monkeypatch.setattr(
            QFileDialog, "getSaveFileName", lambda *_, p=path, **__: (str(p), "")
        )
        window.click(f"{R}.resolution.save")
        assert path.is_file(), window.message
    with (tmp_path / "frc.csv").open() as file:
        rows = list(csv.reader(line for line in file if not line.startswith("#")))
    assert len(rows) == len(found.frc.frequency) + 1

    window.click(f"{R}.reset")
    assert window.dock.resolution.resolution is None
    assert not window.widget(f"{R}.resolution.save").isEnabled()


def test_half_scans_can_be_stopped_and_need_no_result(
    open_window: OpenWindow, folder: Path
) -> None:
    window = open_window()
    window.open(folder)
    assert window.text(f"{R}.start.radius_m")
    window.type(f"{R}.epochs", ENDLESS)
    window.click(f"{R}.resolution.measure")
    window.until("measuring")
    window.qtbot.waitUntil(
        lambda: "epoch 3" in window.text(f"{R}.numbers"), timeout=20_000
    )
    window.click(f"{R}.stop")
    window.until("ready")
    found = window.dock.resolution.resolution
    assert found is not None, window.message
    assert found.first.epoch >= 2
    assert window.controller.snapshot is None


def test_a_setting_that_half_scans_cannot_use_is_told(
    open_window: OpenWindow, folder: Path, qtbot: QtBot
) -> None:
    window = open_window()
    window.open(folder)
    window.type(f"{R}.start.radius_m", f"{1e3 * RADIUS_M:.6g} m")
    window.click(f"{R}.resolution.measure")
    qtbot.waitUntil(lambda: "does not fit" in window.message, timeout=15_000)
    window.until("ready")
    assert window.dock.resolution.resolution is None
