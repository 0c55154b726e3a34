"""Makes the pictures of the docs from the real window.

``python docs/make_pictures.py`` needs a screen, a virtual one will do. A scan is
simulated and written to files, opened and run by clicks as in the tour, and
photographed on the way.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

IMAGES = Path(__file__).resolve().parent / "images"
SCRATCH = Path(tempfile.mkdtemp())
# Nobody's own settings may be seen in the pictures, nor be changed by them.
os.environ["NAPARI_CONFIG"] = str(SCRATCH / "napari.yaml")
for kind in ("CONFIG", "DATA", "STATE"):
    os.environ[f"XDG_{kind}_HOME"] = str(SCRATCH / kind.lower())

import napari  # noqa: E402
import numpy as np  # noqa: E402
import tifffile  # noqa: E402
from qtpy.QtCore import Qt  # noqa: E402
from qtpy.QtTest import QTest  # noqa: E402
from qtpy.QtWidgets import QApplication, QPushButton, QWidget  # noqa: E402

import napari_scicompty as sc  # noqa: E402
from napari_scicompty.figures import save_figure  # noqa: E402
from napari_scicompty.simulation import preset  # noqa: E402
from napari_scicompty.ui import Reconstruction, VirtualExperimentDock  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

EXPERIMENT = sc.VirtualExperiment(
    probe={"diffuser_rad": 0.3},
    detector={"photons": 3e6},
    focus_sample_m=3e-3,
    modes=2,
    mode_ratio=0.3,
)
FILES = SCRATCH / "beamtime"


def write_scan() -> None:
    """Write the scan as a user has it: a TIFF stack and a text file."""
    FILES.mkdir()
    scan, _ = sc.simulate(EXPERIMENT)
    tifffile.imwrite(FILES / "stack.tif", scan.patterns)
    np.savetxt(
        FILES / "positions.txt", scan.positions_m[:, ::-1], header="x_m y_m", fmt="%.9e"
    )


def wait(until: Callable[[], bool], seconds: float = 120) -> None:
    """Let the window live until something holds."""
    ends = time.monotonic() + seconds
    while not until():
        if time.monotonic() > ends:
            raise TimeoutError("the window did not get there")
        QApplication.processEvents()
        time.sleep(0.005)


def pause(seconds: float) -> None:
    """Let the window live for a while."""
    ends = time.monotonic() + seconds
    wait(lambda: time.monotonic() > ends)


class Window:
    """The window of the tour, used by clicks and keys."""

    def __init__(self) -> None:
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1440, 900)
        self.dock = Reconstruction(self.viewer)
        self.viewer.window.add_dock_widget(
            self.dock, name="Reconstruction (SciComPty)", area="right"
        )
        self.controller = self.dock.controller
        pause(1)

    def find(self, name: str) -> QWidget:
        """Return the widget of an object name."""
        found = self.dock.findChild(QWidget, f"reconstruction.{name}")
        assert found is not None, name
        return found

    def type(self, name: str, text: str) -> None:
        """Type into a field, and press Enter."""
        field = self.find(name)
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, text)
        QTest.keyClick(field, Qt.Key.Key_Return)

    def click(self, name: str) -> None:
        """Click a button."""
        button = self.find(name)
        assert isinstance(button, QPushButton)
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)

    def picture(self, name: str) -> None:
        """Photograph the window."""
        pause(0.6)
        self.viewer.screenshot(
            str(IMAGES / f"{name}.png"), canvas_only=False, flash=False
        )


def main() -> None:
    """Go through the tour."""
    IMAGES.mkdir(exist_ok=True)
    write_scan()
    window = Window()
    controller = window.controller
    os.chdir(SCRATCH)
    window.type("data.path", "beamtime/stack.tif")
    window.type("data.positions", "beamtime/positions.txt")
    window.type("geometry.wavelength_m", "0.15 nm")
    window.type("geometry.distance_m", "2 m")
    window.type("geometry.detector_pixel_m", "75 um")
    window.click("open")
    wait(lambda: controller.scan is not None and not controller.busy)
    window.picture("opened")

    window.type("modes", "2")
    window.type("epochs", "60")
    window.dock.sections["Start"].expand()
    window.click("run")
    wait(lambda: controller.job is not None and len(controller.job.progress.tried) > 14)
    window.dock.scroll.ensureWidgetVisible(window.dock.sections["Start"], 0, 220)
    window.picture("start")

    wait(lambda: controller.snapshot is not None and controller.snapshot.epoch >= 12)
    window.type("algorithm.alpha_object", "0.3")
    wait(lambda: controller.snapshot.epoch >= 18)
    window.picture("running")

    wait(lambda: not controller.busy, 180)
    window.dock.bar.view.setCurrentText("Side by side")
    window.picture("side_by_side")
    save_figure(
        IMAGES / "figure.png",
        controller.snapshot,
        what=("phase", "magnitude"),
        dpi=150,
        overwrite=True,
    )
    refine_positions(window)
    plan(window)
    window.viewer.close()


def refine_positions(window: Window) -> None:
    """Refine the positions of a scan that is told wrong ones."""
    controller, dock = window.controller, window.dock
    if controller.snapshot is not None:
        window.click("reset")
    window.viewer.canvas.grid.enabled = False
    dock.open_virtual(preset("positions-7px").experiment)
    wait(lambda: controller.truth is not None and not controller.busy)
    for title, section in dock.sections.items():
        section.expand() if title == "Positions" else section.collapse()
    window.type("modes", "1")
    window.type("epochs", "60")
    pause(0.5)
    QTest.mouseClick(dock.positions.refine, Qt.MouseButton.LeftButton)
    window.click("run")
    wait(lambda: not controller.busy and controller.snapshot is not None, 300)
    window.click("positions.show")
    window.viewer.reset_view()
    pause(0.5)
    dock.scroll.ensureWidgetVisible(dock.positions.report.text)
    dock.scroll.ensureWidgetVisible(dock.positions.report.arrows)
    window.picture("positions")
    dock.bar.view.setCurrentText("Phase")
    QTest.mouseClick(dock.positions.refine, Qt.MouseButton.LeftButton)


def plan(window: Window) -> None:
    """Plan an experiment in the same window, and simulate it."""
    viewer, controller = window.viewer, window.controller
    dock = VirtualExperimentDock(viewer)
    viewer.window.add_dock_widget(
        dock, name="Virtual experiment (SciComPty)", area="right", tabify=True
    )
    viewer.layers.clear()
    viewer.canvas.grid.enabled = False
    chosen = dock.presets.combo
    chosen.setFocus()
    QTest.keyClicks(chosen, "Diatom")
    wait(lambda: dock.preview is not None and dock.preview.experiment.modes == 3)
    for name in ("simulate", "truth"):
        QTest.mouseClick(dock.bar.buttons[name], Qt.MouseButton.LeftButton)
        wait(lambda: controller.truth is not None and not controller.busy)
        pause(1)
        dock.parentWidget().raise_()
        pause(0.5)
    dock.views.turn_to("path")
    window.picture("virtual_experiment")


if __name__ == "__main__":
    main()
