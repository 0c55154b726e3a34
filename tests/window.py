"""A napari window with our dock, used as a person uses it: by mouse and keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import tifffile
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtWidgets import QComboBox, QScrollArea, QWidget
from superqt import QCollapsible

import napari_scicompty as sc
from napari_scicompty.ui import Reconstruction

if TYPE_CHECKING:
    from pathlib import Path

    import napari
    from pytestqt.qtbot import QtBot


EXPERIMENT = sc.VirtualExperiment(
    probe={"diffuser_rad": 0.5},
    path={"rows": 5, "columns": 5, "step_px": 5},
    detector={"frame": 32, "photons": None},
)
RADIUS_M = EXPERIMENT.probe_radius_m
ENDLESS = "100000"
"""Epochs of a run that ends only when it is stopped."""


class Window:
    """A shown viewer with a Reconstruction dock, and hands to use it."""

    def __init__(
        self, qtbot: QtBot, viewer: napari.Viewer, *, again: bool = False
    ) -> None:
        self.qtbot = qtbot
        self.viewer = viewer
        self.dock: Reconstruction
        if again:  # napari shows a dock twice when its menu opens it too
            self.dock = Reconstruction(viewer)
            viewer.window.add_dock_widget(self.dock, name="again", tabify=True)
        else:
            _, self.dock = viewer.window.add_plugin_dock_widget(
                "napari-scicompty", "Reconstruction"
            )
        self.controller = self.dock.controller
        if self.dock.algorithm.name == "auto":
            # Most tests want a run that does just so many epochs.
            self.dock.algorithm.set_kind("rpie")
        self.activate()

    def activate(self) -> None:
        """Bring the window to the front, so that keys and focus are its own."""
        window = self.dock.window()
        window.activateWindow()
        self.qtbot.waitUntil(lambda: self.dock.isVisible() and window.isActiveWindow())

    # -- hands ------------------------------------------------------------------------
    def widget(self, name: str) -> Any:
        """Find the one widget of this object name that can be seen, unfolding it."""
        found = self.dock.findChildren(QWidget, name)
        assert found, f"no widget is called {name}"
        for widget in found:
            unfold(self.qtbot, widget)
        seen = [widget for widget in found if widget.isVisible()]
        assert len(seen) == 1, f"{len(seen)} of {len(found)} {name} can be seen"
        return seen[0]

    def click(self, name: str) -> None:
        """Click on a widget that is enabled."""
        widget = self.widget(name)
        assert widget.isEnabled(), f"{name} is greyed"
        # A section that has just been unfolded has no room for a moment.
        self.qtbot.waitUntil(lambda: not widget.visibleRegion().isEmpty())
        self.qtbot.mouseClick(widget, Qt.MouseButton.LeftButton)

    def type(self, name: str, text: str) -> None:
        """Replace what a field holds, and press Enter."""
        widget = self.widget(name)
        assert widget.isEnabled(), f"{name} is greyed"
        type_into(self.qtbot, widget, text)

    def choose(self, name: str, text: str) -> None:
        """Choose an entry of a list by typing its first letters."""
        self.try_to_choose(name, text)
        assert self.widget(name).currentText().startswith(text)

    def try_to_choose(self, name: str, text: str) -> None:
        """Choose an entry of a list, which may be refused."""
        combo = self.widget(name)
        assert isinstance(combo, QComboBox)
        combo.view().keyboardSearch("")  # forgets what was typed a moment ago
        self.qtbot.keyClicks(combo, text)

    def text(self, name: str) -> str:
        """Return what a label or line says."""
        return str(self.widget(name).text())

    @property
    def message(self) -> str:
        """The message line."""
        return self.text("reconstruction.message")

    # -- what a person waits for ------------------------------------------------------
    def until(self, *states: str, timeout: int = 15_000) -> None:
        """Wait until the controller is in one of these states."""

        def there() -> None:
            assert self.controller.state in states, self.message

        self.qtbot.waitUntil(there, timeout=timeout)

    def until_epoch(self, epoch: int) -> None:
        """Wait until a snapshot of this epoch or a later one is on show."""
        self.qtbot.waitUntil(lambda: _epoch(self) >= epoch, timeout=15_000)

    # -- parts of the main job --------------------------------------------------------
    def fill(self, folder: Path, start: str = "disc") -> None:
        """Type paths, geometry and start."""
        self.type("reconstruction.data.path", str(folder / "stack.tif"))
        self.type("reconstruction.data.positions", str(folder / "positions.txt"))
        self.type("reconstruction.geometry.wavelength_m", "0.15 nm")
        self.type("reconstruction.geometry.distance_m", "2 m")
        self.type("reconstruction.geometry.detector_pixel_m", "75 um")
        if start == "disc":
            self.choose("reconstruction.start.kind", "Disc")
            self.type("reconstruction.start.radius_m", f"{RADIUS_M:.6g} m")

    def open(self, folder: Path, start: str = "disc") -> None:
        """Fill in the fields and click Open."""
        self.fill(folder, start)
        self.click("reconstruction.open")
        self.until("ready")
        assert self.controller.scan is not None, self.message

    def run(self, epochs: str) -> None:
        """Choose the epochs and click Run."""
        self.type("reconstruction.epochs", epochs)
        self.click("reconstruction.run")

    def run_to_the_end(self, epochs: str) -> sc.Snapshot:
        """Run, wait, and return the result."""
        self.run(epochs)
        self.until("ready")
        assert self.controller.failure is None
        assert self.controller.snapshot is not None
        return self.controller.snapshot

    def stop(self) -> None:
        """Click Stop and wait until the run has ended."""
        self.click("reconstruction.stop")
        self.until("ready")


def _epoch(window: Window) -> int:
    snapshot = window.controller.snapshot
    return -1 if snapshot is None else snapshot.epoch


def unfold(qtbot: QtBot, widget: QWidget) -> None:
    """Click open the sections a widget lies in, and scroll to it."""
    chain: list[QWidget] = []
    parent = widget.parentWidget()
    while parent is not None:
        chain.append(parent)
        parent = parent.parentWidget()
    for part in reversed(chain):
        if isinstance(part, QCollapsible) and not part.isExpanded():
            qtbot.mouseClick(part.toggleButton(), Qt.MouseButton.LeftButton)
            qtbot.wait(20)  # the dock is laid out anew before it can be scrolled
    for part in chain:
        if isinstance(part, QScrollArea):
            part.ensureWidgetVisible(widget)


def type_into(qtbot: QtBot, widget: QWidget, text: str) -> None:
    """Replace the text of a widget and press Enter."""
    widget.setFocus()
    qtbot.keyClick(widget, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    if text:
        qtbot.keyClicks(widget, text)
    else:
        qtbot.keyClick(widget, Qt.Key.Key_Delete)
    qtbot.keyClick(widget, Qt.Key.Key_Return)


def on_screen(plot: Any, x: float, y: float) -> QPoint:
    """Where a point of a plot is painted."""
    scene = plot.getViewBox().mapViewToScene(QPointF(x, y))
    return QPoint(plot.mapFromScene(scene))


def click_at(qtbot: QtBot, plot: Any, x: float, y: float) -> None:
    """Click on a point of a plot."""
    qtbot.wait(50)  # a plot settles its range when it is painted
    spot = on_screen(plot, x, y)
    qtbot.mouseMove(plot.viewport(), spot)
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=spot)


def write_scan(folder: Path) -> Path:
    """Write the small virtual experiment as TIFF and text, x before y."""
    folder.mkdir(parents=True, exist_ok=True)
    scan, _ = sc.simulate(EXPERIMENT)
    tifffile.imwrite(folder / "stack.tif", np.asarray(scan.patterns))
    np.savetxt(folder / "positions.txt", scan.positions_m[:, ::-1])
    return folder


def same(a: sc.Snapshot, b: sc.Snapshot) -> None:
    """Check that two results are the same to the last bit."""
    assert (a.epoch, a.error) == (b.epoch, b.error)
    np.testing.assert_array_equal(a.object, b.object)
    np.testing.assert_array_equal(a.probe, b.probe)


def write_cxi(path: Path) -> Path:
    """Write the small virtual experiment as CXI."""
    scan, _ = sc.simulate(EXPERIMENT)
    geometry = scan.geometry
    with h5py.File(path, "w") as file:
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector["data"] = scan.patterns
        detector["distance"] = geometry.distance_m
        detector["x_pixel_size"], detector["y_pixel_size"] = geometry.detector_pixel_m
        file["entry_1/instrument_1/source_1/wavelength"] = geometry.wavelength_m
        y, x = scan.positions_m.T
        file["entry_1/data_1/translation"] = np.column_stack([x, y, np.zeros_like(x)])
    return path
