"""The Figure export dock: publication figures and screenshots."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_scicompty.core.errors import InputError
from napari_scicompty.figures import FigureOptions, save_figure, save_picture
from napari_scicompty.ui.session.controller import RunController, inputs_of_all
from napari_scicompty.ui.session.docks import DockPanel
from napari_scicompty.ui.widgets.forms import settings_form
from napari_scicompty.ui.widgets.labels import plain_label
from napari_scicompty.ui.widgets.save_dialog import chosen_target
from napari_scicompty.ui.widgets.sections import panel_scroll_area

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

PREFIX = "figure_export"
FIGURES = "PNG (*.png);;SVG (*.svg);;PDF (*.pdf)"


class FigureExport(DockPanel):
    """Phase and magnitude with scale bar, colour bar and units; screenshots."""

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._viewer = weakref.ref(viewer)
        self.controller = RunController.for_viewer(viewer)
        self.form = settings_form(FigureOptions, None, PREFIX)
        self.message = plain_label(name=f"{PREFIX}.message", wrap=True)
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
        question = ("Save the figure", "figure.png", FIGURES)
        self._save(
            path,
            question,
            lambda where, door: save_figure(
                where, snapshot, **door, **self.form.values
            ),
        )

    def screenshot_canvas(self, path: str | None = None) -> None:
        """Save what the canvas shows."""
        self._screenshot(path, canvas_only=True)

    def screenshot_window(self, path: str | None = None) -> None:
        """Save the whole window."""
        self._screenshot(path, canvas_only=False)

    def _screenshot(self, path: str | None, *, canvas_only: bool) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        question = ("Save a screenshot", "screenshot.png", "PNG (*.png)")
        self._save(
            path,
            question,
            lambda where, door: save_picture(
                where, viewer.screenshot(canvas_only=canvas_only, flash=False), **door
            ),
        )

    def _save(
        self,
        path: str | None,
        question: tuple[str, str, str],
        write: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """Ask where to, write, and say what came of it."""
        inputs = inputs_of_all()
        try:
            target = chosen_target(self, path, question, suffix=".png", inputs=inputs)
            if target is None:
                return
            write(target.path, {"overwrite": target.overwrite, "inputs": inputs})
        except InputError as error:
            self.message.setText(str(error))
            return
        self.message.setText(f"Saved {target.path}")
