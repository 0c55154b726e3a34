"""Nothing is lost in the window: what is kept goes only when it is saved."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox

import napari_scicompty as sc
from napari_scicompty.files.writing import remove_parts
from napari_scicompty.ui.plugin.writer import write_ome_tiff
from napari_scicompty.workflow import autosave
from napari_scicompty.workflow.leftovers import leftovers
from patience import patient
from window import ENDLESS, RADIUS_M, same

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from window import Window

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
R = "reconstruction"


@pytest.fixture
def left(folder: Path) -> Path:
    """What a run left that was killed before it was saved."""
    code = (
        "from napari_scicompty.files.processes import this_process as this;"
        "print(this().token)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    scan = sc.open_scan(
        folder / "stack.tif", folder / "positions.txt", sc.Geometry(1.5e-10, 2, 75e-6)
    )
    *_, last = sc.reconstruct(scan, sc.RPIE(), epochs=1, start=sc.DiscProbe(RADIUS_M))
    autosave.folder().mkdir(parents=True)
    path = autosave.folder() / f"20260101-000000-{done.stdout.strip()}-a1.h5"
    sc.save_result(path, last)
    return path


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    def set_answer(path: Path) -> None:
        for name in ("getSaveFileName", "getOpenFileName"):
            monkeypatch.setattr(
                QFileDialog, name, staticmethod(lambda *_, **__: (str(path), ""))
            )

    return set_answer


def test_what_was_recovered_stays_until_it_is_saved(
    left: Path,
    open_window: OpenWindow,
    folder: Path,
    tmp_path: Path,
    answers: Callable[[Path], None],
) -> None:
    window = open_window()
    window.click(f"{R}.recover")
    window.until("ready")
    other = tmp_path / "other.h5"
    sc.save_result(other, sc.open_result(left))
    answers(other)
    window.click(f"{R}.open_result")
    window.until("ready")
    answers(tmp_path / "saved.h5")
    window.click(f"{R}.save")
    assert left.exists(), "another result was saved"
    again = open_window()
    again.click(f"{R}.recover")
    again.until("ready")
    again.click(f"{R}.reset")
    again.fill(folder)
    again.open(folder)
    again.run_to_the_end("1")
    answers(tmp_path / "new.h5")
    again.click(f"{R}.save")
    assert left.exists(), "a new run was saved"
    third = open_window()
    third.click(f"{R}.recover")
    third.until("ready")
    answers(tmp_path / "recovered.h5")
    third.click(f"{R}.save")
    assert not left.exists()
    same(sc.open_result(tmp_path / "recovered.h5"), third.controller.snapshot)


def test_what_is_recovered_and_continued_goes_when_that_is_saved(
    left: Path,
    open_window: OpenWindow,
    tmp_path: Path,
    answers: Callable[[Path], None],
) -> None:
    window = open_window()
    window.click(f"{R}.recover")
    window.until("ready")
    window.run_to_the_end("1")
    assert left.exists()
    answers(tmp_path / "saved.h5")
    window.click(f"{R}.save")
    assert not left.exists()
    assert not list(autosave.folder().iterdir())


def test_saving_over_the_recovered_file_keeps_it(
    left: Path, open_window: OpenWindow, answers: Callable[[Path], None]
) -> None:
    window = open_window()
    window.click(f"{R}.recover")
    window.until("ready")
    answers(left)
    window.click(f"{R}.save")
    assert sc.open_result(left).epoch == 1


def test_a_run_is_kept_though_no_layer_is_seen(
    open_window: OpenWindow,
    folder: Path,
    tmp_path: Path,
    answers: Callable[[Path], None],
    qtbot: QtBot,
) -> None:
    window = open_window()
    window.open(folder)
    window.run_to_the_end("1")
    answers(tmp_path / "r.h5")
    window.click(f"{R}.save")
    for layer in window.viewer.layers:
        layer.visible = False
    window.run(ENDLESS)
    qtbot.waitUntil(lambda: bool(list(autosave.folder().glob("*.h5"))), timeout=15_000)
    window.stop()


def test_tables_beside_a_picture_replace_nothing(tmp_path: Path) -> None:
    theirs = tmp_path / "out_my_points.csv"
    theirs.write_text("of a person")
    points = [(np.zeros((2, 2)), {"name": n}, "points") for n in ("my points", "a/b")]
    image = (np.eye(8), {"name": "eye"}, "image")
    written = write_ome_tiff(str(tmp_path / "out.ome.tif"), [image, *points, points[0]])
    assert theirs.read_text() == "of a person"
    assert len(set(written)) == 4


def test_a_strange_file_in_our_folder_keeps_no_dock_closed(
    open_window: OpenWindow,
) -> None:
    autosave.folder().mkdir(parents=True)
    (autosave.folder() / "notes.h5").write_text("of a person")
    window = open_window()
    assert window.dock.isVisible()


def test_it_is_said_when_a_run_is_not_kept(
    open_window: OpenWindow, folder: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "file").touch()
    os.environ["XDG_DATA_HOME"] = str(tmp_path / "file")  # put back by the fixture
    window = open_window()
    said: list[tuple[str, str]] = []
    window.controller.said.connect(lambda level, text: said.append((level, text)))
    window.open(folder)
    window.run_to_the_end("2")
    qtbot.waitUntil(lambda: any("not kept on disk" in text for _, text in said))
    (told,) = [entry for entry in said if "not kept on disk" in entry[1]]
    assert told[0] == "warning"


def test_an_input_is_refused_and_a_file_of_a_person_is_asked_about(
    open_window: OpenWindow,
    folder: Path,
    tmp_path: Path,
    answers: Callable[[Path], None],
    qtbot: QtBot,
) -> None:
    window = open_window()
    window.open(folder)
    window.run_to_the_end("1")
    stack = folder / "stack.tif"
    before = stack.read_bytes()
    answers(stack)
    window.click(f"{R}.save")
    assert "is an input of this run" in window.message
    link = tmp_path / "link.h5"
    os.link(stack, link)
    answers(link)
    window.click(f"{R}.save")
    assert "is an input of this run" in window.message
    answers(folder / "positions.txt")
    window.click(f"{R}.positions.save")
    assert "is an input of this run" in window.message
    with pytest.raises(sc.InputError, match="is an input"):
        write_ome_tiff(str(stack), [(np.ones((4, 4)), {}, "image")])
    assert stack.read_bytes() == before
    theirs = tmp_path / "theirs.h5"
    theirs.write_text("of a person")
    answers(theirs)
    _press(qtbot, "Cancel")
    window.click(f"{R}.save")
    assert theirs.read_text() == "of a person"
    assert not window.controller.saved
    _press(qtbot, "Replace")
    window.click(f"{R}.save")
    assert sc.open_result(theirs).epoch == 1


def _press(qtbot: QtBot, text: str) -> None:
    """Press a button of the question that comes next."""

    def press() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, press)
            return
        assert box.textFormat() == Qt.TextFormat.PlainText
        button = next(b for b in box.buttons() if text in b.text().replace("&", ""))
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    QTimer.singleShot(50, press)


def test_the_result_of_another_run_is_kept_and_told(
    open_window: OpenWindow,
    folder: Path,
    tmp_path: Path,
    answers: Callable[[Path], None],
) -> None:
    window = open_window()
    window.open(folder)
    first = window.run_to_the_end("1")
    answers(tmp_path / "r.h5")
    window.click(f"{R}.save")
    window.click(f"{R}.reset")
    window.type(f"{R}.algorithm.alpha_object", "0.1")
    window.run_to_the_end("1")
    window.click(f"{R}.save")
    assert "r.previous.h5" in window.message
    same(sc.open_result(tmp_path / "r.previous.h5"), first)


WINDOW = """
import os, sys, napari
from pathlib import Path
from qtpy.QtCore import QTimer
from window import write_scan, RADIUS_M
import napari_scicompty as sc
from napari_scicompty.recipe import FileInput, Recipe, Stage
folder = Path(sys.argv[1])
viewer = napari.Viewer()
_, dock = viewer.window.add_plugin_dock_widget("napari-scicompty", "Reconstruction")
dock.set_recipe(Recipe(
    input=FileInput(path=str(folder / "stack.tif"),
        positions=str(folder / "positions.txt"), wavelength_m=1.5e-10, distance_m=2,
        detector_pixel_m=75e-6),
    start=sc.DiscProbe(RADIUS_M), stages=(Stage(epochs=100000),)))
dock.controller.scan_changed.connect(lambda: QTimer.singleShot(0, dock.run))
QTimer.singleShot(0, dock.open)
napari.run()
"""


KILLS_EACH = int(os.environ.get("SCICOMPTY_KILLS", 2))
"""Kills by each signal; 20 for the figures of the benchmark page."""
NUMBERS = (
    [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL] if sys.platform == "linux" else []
)


def _end_a_window(number: int, folder: Path, after_s: float) -> None:
    """End a window by a signal; look for what it kept."""
    here = os.path.dirname(__file__)
    paths = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    run = subprocess.Popen(
        [sys.executable, "-c", WINDOW, str(folder)],
        env=os.environ | {"SCICOMPTY_AUTOSAVE_S": "0.3", "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until = time.monotonic() + patient(90)
    while not list(autosave.folder().glob("*.h5")):
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(after_s)
    run.send_signal(number)
    began = time.monotonic()
    said, _ = run.communicate(timeout=patient(60))
    assert run.returncode == -number, said
    assert time.monotonic() - began < patient(15)
    (left,) = leftovers()
    found = autosave.kept(left.path)
    assert found is not None
    assert sc.open_result(found).epoch > 0
    remove_parts()
    assert not list(autosave.folder().glob(".*.part"))
    autosave.discard(left.path)


@pytest.mark.parametrize("number", NUMBERS[:1])
def test_a_window_that_is_ended_loses_nothing(number: int, folder: Path) -> None:
    _end_a_window(number, folder, 0.3)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_windows_that_are_ended_at_random_moments_lose_nothing(folder: Path) -> None:
    chance = random.Random(0)
    for number in NUMBERS * KILLS_EACH:
        _end_a_window(number, folder, chance.uniform(0, 1.5))


def test_screenshots_and_pictures_know_their_maker(
    open_window: OpenWindow, tmp_path: Path
) -> None:
    from napari_scicompty.files.writing import is_ours
    from napari_scicompty.ui.figure.dock import FigureExport

    window = open_window()
    dock = FigureExport(window.viewer)
    dock.screenshot_canvas(str(tmp_path / "canvas.png"))
    assert is_ours(tmp_path / "canvas.png")
    tifffile.imwrite(tmp_path / "theirs.png", np.ones((4, 4)))
    dock.screenshot_canvas(str(tmp_path / "theirs.png"))
    assert "this program did not write it" in dock.message.text()
