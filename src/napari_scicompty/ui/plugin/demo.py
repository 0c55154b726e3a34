"""The main job on a virtual experiment, in a real window."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import napari
from qtpy.QtCore import QTimer

from napari_scicompty.recipe import Recipe, Stage
from napari_scicompty.simulation import VirtualExperiment
from napari_scicompty.ui.figure.dock import FigureExport
from napari_scicompty.ui.reconstruction.panel import Reconstruction

if TYPE_CHECKING:
    from pathlib import Path

EPOCHS = 60


def main(output: Path | None = None) -> int:
    """Open napari, run the virtual experiment, and leave the window open.

    Parameters
    ----------
    output : Path, optional
        Folder for screenshot, figure and result; the window closes when they are there.

    Returns
    -------
    int
        0, or 1 if the run failed.
    """
    viewer = napari.Viewer(title="SciComPty: virtual experiment")
    viewer.window.resize(1500, 1000)
    _, dock = viewer.window.add_plugin_dock_widget("napari-scicompty", "Reconstruction")
    assert isinstance(dock, Reconstruction)
    # All of it, so that nothing remembered from other work comes in.
    demo = Recipe.of_experiment(VirtualExperiment(), Stage(epochs=EPOCHS))
    dock.set_recipe(demo)
    controller = dock.controller
    code = 0

    def ended(state: str) -> None:
        nonlocal code
        if state != "ready" or controller.snapshot is None or output is None:
            return
        code = int(controller.failure is not None)
        QTimer.singleShot(500, lambda: leave(output))

    def leave(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        nonlocal code
        dock.result.save(str(folder / "result.h5"))
        figures = FigureExport(viewer)
        figures.save(str(folder / "figure.png"))
        figures.screenshot_window(str(folder / "screenshot.png"))
        if not controller.saved:
            print(dock.bar.message.text(), file=sys.stderr)
            code = 1
        viewer.close()

    controller.state_changed.connect(ended)
    controller.scan_changed.connect(lambda: QTimer.singleShot(0, dock.run))
    QTimer.singleShot(0, dock.open)
    napari.run()
    return code
