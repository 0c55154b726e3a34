"""The Figure export dock: publication figures and screenshots."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_scicompty.errors import InputError
from napari_scicompty.figures import FigureOptions, save_figure
from napari_scicompty.ui.controller import RunController
from napari_scicompty.ui.forms import settings_form
from napari_scicompty.ui.sections import panel_scroll_area

if TYPE_CHECKING:
    import napari

PREFIX = "figure_export"
FIGURES = "PNG (*.png);;SVG (*.svg);;PDF (*.pdf)"


class FigureExport(QWidget):
    """Phase and magnitude with scale bar, colour bar and units; screenshots."""

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._viewer = weakref.ref(viewer)
        self.controller = RunController.for_viewer(viewer)
        self.form = settings_form(FigureOptions, None, PREFIX)
        self.message = QLabel()
        self.message.setObjectName(f"{PREFIX}.message")
        self.message.setWordWrap(True)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.addWidget(self.form.native)
        for name, text, act in (
            ("save", "Save figure …", self.save),
            ("canvas", "Screenshot of the canvas …", self.screenshot_canvas),
            ("window", "Screenshot of the window …", self.screenshot_window),
        ):
            button = QPushButton(text)
            button.setObjectName(f"{PREFIX}.{name}")
            button.clicked.connect(lambda _=False, act=act: act())
            column.addWidget(button)
        column.addWidget(self.message)
        column.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(panel_scroll_area(inside))

    def save(self, path: str | None = None) -> None:
        """Save the figure of the present result."""
        snapshot = self.controller.snapshot
        if snapshot is None:
            self.message.setText("There is no result yet: run a reconstruction first.")
            return
        path = path or self._ask("Save the figure", "figure.png", FIGURES)
        if not path:
            return
        try:
            save_figure(path, snapshot, **self.form.values)
        except InputError as error:
            self.message.setText(str(error))
            return
        self.message.setText(f"Saved {path}")

    def screenshot_canvas(self, path: str | None = None) -> None:
        """Save what the canvas shows."""
        self._screenshot(path, canvas_only=True)

    def screenshot_window(self, path: str | None = None) -> None:
        """Save the whole window."""
        self._screenshot(path, canvas_only=False)

    def _screenshot(self, path: str | None, *, canvas_only: bool) -> None:
        viewer = self._viewer()
        path = path or self._ask("Save a screenshot", "screenshot.png", "PNG (*.png)")
        if not path or viewer is None:
            return
        target = Path(path).with_suffix(Path(path).suffix or ".png")
        try:
            viewer.screenshot(str(target), canvas_only=canvas_only, flash=False)
        except OSError as error:
            self.message.setText(f"{target}: cannot be written ({error.strerror})")
            return
        self.message.setText(f"Saved {target}")

    def _ask(self, title: str, name: str, kinds: str) -> str:
        return QFileDialog.getSaveFileName(self, title, name, kinds)[0]
