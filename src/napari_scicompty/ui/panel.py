"""The Reconstruction dock: from files to a result, top to bottom."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.errors import InputError
from napari_scicompty.formats import GEOMETRY_CHOICES
from napari_scicompty.recipe import FileInput, Recipe, RunChoices, Stage
from napari_scicompty.results import open_result, save_ome_tiff, save_result
from napari_scicompty.run import RunSettings
from napari_scicompty.ui import journal, memory
from napari_scicompty.ui.controller import RunController
from napari_scicompty.ui.data_section import DataSection
from napari_scicompty.ui.geometry_section import GeometrySection
from napari_scicompty.ui.layers import show_view
from napari_scicompty.ui.run_bar import BASIC, RunBar
from napari_scicompty.ui.sections import CollapsibleSection, panel_scroll_area
from napari_scicompty.ui.start_section import KindForm, StartSection

if TYPE_CHECKING:
    import napari

    from napari_scicompty.simulation import VirtualExperiment

PREFIX = "reconstruction"
RESULT_FILES = (
    "Result (*.h5);;OME-TIFF of phase and magnitude (*.ome.tif);;Recipe (*.toml)"
)

_PANELS: weakref.WeakKeyDictionary[Any, weakref.WeakSet[Reconstruction]] = (
    weakref.WeakKeyDictionary()
)


class Reconstruction(QWidget):
    """Open a scan, run, turn knobs, keep the result.

    A view of the viewer's `RunController`: closing it, or opening a second one, does
    nothing to a run.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._viewer = weakref.ref(viewer)
        self.controller = RunController.for_viewer(viewer)
        _PANELS.setdefault(viewer, weakref.WeakSet()).add(self)
        journal.keep_log()
        self.data = DataSection(f"{PREFIX}.data")
        self.geometry = GeometrySection(f"{PREFIX}.geometry")
        self.start = StartSection(f"{PREFIX}.start")
        titles = {name: kind.title for name, kind in ALGORITHMS.items()}
        self.algorithm = KindForm(
            dict(ALGORITHMS), titles, f"{PREFIX}.algorithm", f"{PREFIX}.algorithm"
        )
        self.bar = RunBar(PREFIX)
        self.more = self._more_settings()
        self.log = QPlainTextEdit()
        self._lay_out()
        self._connect()
        self._restore()
        self._bind_keys()
        self._show_scan()
        self._show_state()
        self._show_progress()

    def sizeHint(self) -> QSize:
        """Return a width that leaves the canvas most of a laptop's screen."""
        return QSize(400, 900)

    @classmethod
    def of(cls, viewer: napari.viewer.Viewer) -> Reconstruction | None:
        """Return a dock of this viewer, if there is one."""
        viewer = getattr(viewer, "__wrapped__", viewer)
        docks = [dock for dock in _PANELS.get(viewer, ()) if dock.parent() is not None]
        return docks[0] if docks else None

    # -- building ---------------------------------------------------------------------
    def _more_settings(self) -> Any:
        from napari_scicompty.ui.forms import settings_form

        return settings_form(RunSettings, None, PREFIX, leave_out=BASIC)

    def _lay_out(self) -> None:
        self.log.setObjectName(f"{PREFIX}.log")
        self.log.setReadOnly(True)
        self.log.setMaximumBlockCount(1000)
        self.log.setFixedHeight(140)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(4, 4, 4, 4)
        self.sections = {}
        parts: dict[str, tuple[QWidget, bool]] = {
            "Data": (self.data, True),
            "Geometry": (self.geometry, True),
            "Start": (self.start, False),
            "Algorithm": (self.algorithm, True),
            "More run settings": (self.more.native, False),
            "Result": (self._result_buttons(), True),
            "Log": (self.log, False),
        }
        for title, (widget, is_open) in parts.items():
            section = CollapsibleSection(title, widget, expanded=is_open)
            self.sections[title] = section
            column.addWidget(section)
        column.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(panel_scroll_area(inside), 1)
        layout.addWidget(self.bar)

    def _result_buttons(self) -> QWidget:
        box = QWidget()
        grid = QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        entries = (
            ("save", "Save …", self.save_result),
            ("open_result", "Open result …", self.open_result),
            ("figure", "Export figure …", self.open_figure_dock),
            ("copy", "Copy as Python", self.copy_as_python),
            ("save_recipe", "Save recipe …", self.save_recipe),
            ("open_recipe", "Open recipe …", self.open_recipe),
        )
        self.buttons = {}
        for i, (name, text, act) in enumerate(entries):
            button = QPushButton(text)
            button.setObjectName(f"{PREFIX}.{name}")
            button.clicked.connect(lambda _=False, act=act: act())
            grid.addWidget(button, i // 2, i % 2)
            self.buttons[name] = button
        return box

    def _connect(self) -> None:
        self.data.open_wanted.connect(self.open)
        self.geometry.changed.connect(self._geometry_changed)
        self.bar.run_clicked.connect(self.run)
        self.bar.pause_clicked.connect(self.pause_resume)
        self.bar.stop_clicked.connect(self.stop)
        self.bar.reset_clicked.connect(self.reset)
        self.bar.view.currentTextChanged.connect(self._view_chosen)
        self.start.said.connect(self.controller.say)
        self.algorithm.changed.connect(lambda n, v: self._turned("algorithm", n, v))
        self.bar.form.changed.connect(lambda n, v: self._turned("run", n, v))
        self.more.changed.connect(lambda n, v: self._turned("run", n, v))
        self.controller.state_changed.connect(self._show_state)
        self.controller.scan_changed.connect(self._show_scan)
        self.controller.progressed.connect(self._show_progress)
        self.controller.said.connect(self._hear)

    def _bind_keys(self) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        for key, name in (("R", "run"), ("H", "pause_resume"), ("X", "stop")):
            viewer.bind_key(
                f"Control-Alt-{key}",
                lambda viewer, name=name: getattr(_any_dock(viewer), name)(),
                overwrite=True,
            )

    # -- settings and recipes ---------------------------------------------------------
    def recipe(self) -> Recipe:
        """Return what the fields say; InputError when one of them is not valid."""
        run = {**self.bar.form.values, **self.more.values}
        shared = {n: run[n] for n in RunChoices.model_fields}
        own = {n: run[n] for n in run if n not in shared}
        return Recipe(
            input=self.data.input(self.geometry.values),
            start=self.start.value,
            stages=(Stage(algorithm=self.algorithm.form.value, **own),),
            shared=RunChoices(**shared),
        )

    def set_recipe(self, recipe: Recipe) -> None:
        """Fill every field."""
        self.data.set_input(recipe.input)
        if isinstance(recipe.input, FileInput):
            self.geometry.set_values(
                {name: getattr(recipe.input, name) for name in GEOMETRY_CHOICES}
            )
        self.start.set_value(recipe.start)
        stage = recipe.stages[0]
        self.algorithm.set_value(stage.algorithm)
        settings = recipe.settings_of(stage)
        self.bar.form.set_values(settings)
        self.more.set_values(settings)

    def _restore(self) -> None:
        text = memory.recall().get("recipe")
        if text:
            try:
                self.set_recipe(Recipe.from_toml(text))
            except InputError:
                memory.remember(recipe=None)

    # -- what a person does -----------------------------------------------------------
    def open(self) -> None:
        """Open the scan that the fields name."""
        self._open_then(None)

    def _open_then(self, then: Any) -> None:
        recipe = self._attempt(self.recipe)
        if recipe is None:
            return
        memory.remember(recipe=recipe.to_toml())
        if isinstance(recipe.input, FileInput):
            memory.add_recent(str(recipe.input.path), recipe.input.positions)
        self.controller.open(recipe, then)

    def open_path(self, path: str) -> None:
        """Open a file that was dropped; its positions and geometry are in it."""
        from napari_scicompty.formats import OpenChoices

        self.data.set_input(FileInput(path=path))
        self.geometry.set_values(
            {name: getattr(OpenChoices(), name) for name in GEOMETRY_CHOICES}
        )
        self.open()

    def open_virtual(self, experiment: VirtualExperiment) -> None:
        """Open a virtual experiment, with a start that suits it."""
        from napari_scicompty.start import DiscProbe

        self.data.set_input(experiment)
        self.start.set_value(DiscProbe(radius_m=experiment.probe_radius_m))
        self.open()

    def run(self) -> None:
        """Run, or add epochs to the result."""
        if self.controller.busy:
            return
        recipe = self._attempt(self.recipe)
        if recipe is None:
            return
        memory.remember(recipe=recipe.to_toml())
        opened = self.controller.recipe
        if self.controller.scan is None or (
            opened is not None and opened.input != recipe.input
        ):
            self._open_then(self.run)
            return
        stage = recipe.stages[0]
        self.controller.recipe = recipe
        self.controller.start(
            stage.algorithm,
            recipe.settings_of(stage),
            self.controller.snapshot or recipe.start,
        )

    def pause_resume(self) -> None:
        """Pause, or go on."""
        if self.controller.state == "paused":
            self.controller.resume()
        else:
            self.controller.pause()

    def stop(self) -> None:
        """Stop; the result is kept."""
        self.controller.stop()

    def reset(self) -> None:
        """Forget the result, to begin from the start again."""
        self.controller.forget()
        self._show_state()

    def save_result(self, path: str | None = None) -> None:
        """Save the result as HDF5 or OME-TIFF, by the file's suffix."""
        snapshot = self.controller.snapshot
        if snapshot is None:
            self.controller.say("warning", "there is no result yet: Run first")
            return
        if path is None:
            path, _ = QFileDialog.getSaveFileName(
                self, "Save the result", "result.h5", RESULT_FILES
            )
        if not path:
            return
        recipe = self.controller.recipe
        if path.endswith(".toml"):
            self.save_recipe(path)
        elif path.lower().endswith((".tif", ".tiff")):
            self._attempt(lambda: save_ome_tiff(path, snapshot), f"saved {path}")
        else:
            path = path if Path(path).suffix else f"{path}.h5"
            self._attempt(lambda: save_result(path, snapshot, recipe), f"saved {path}")
            self.controller.mark_saved()

    def open_result(self, path: Path | None = None) -> None:
        """Open a saved result, and its scan with it, to look at or to continue."""
        if self.controller.busy:
            self.controller.say("warning", "stop the run before opening a result")
            return
        if path is None:
            name, _ = QFileDialog.getOpenFileName(
                self, "Open a result", "", "Result (*.h5 *.hdf5)"
            )
            if not name:
                return
            path = Path(name)
        snapshot = self._attempt(lambda: open_result(path))
        if snapshot is None:
            return
        self.controller.show_result(snapshot)
        self.controller.say("info", f"opened {path}, epoch {snapshot.epoch}")
        try:
            recipe = Recipe.load(path)
        except InputError as error:
            self.controller.say("warning", f"{error}; open its scan to continue")
            return
        self.set_recipe(recipe)
        self.controller.open(recipe)

    def save_recipe(self, path: str | None = None) -> None:
        """Save the fields as a TOML recipe."""
        recipe = self._attempt(self.recipe)
        if recipe is None:
            return
        if path is None:
            path, _ = QFileDialog.getSaveFileName(
                self, "Save the recipe", "recipe.toml", "Recipe (*.toml)"
            )
        if path:
            self._attempt(lambda: recipe.save(path), f"saved {path}")

    def open_recipe(self, path: str | None = None) -> None:
        """Fill the fields from a recipe."""
        if path is None:
            path, _ = QFileDialog.getOpenFileName(
                self, "Open a recipe", "", "Recipe or result (*.toml *.h5)"
            )
        if not path:
            return
        recipe = self._attempt(lambda: Recipe.load(path))
        if recipe is not None:
            self.set_recipe(recipe)
            self.controller.say("info", f"fields filled from {path}")

    def copy_as_python(self) -> None:
        """Put the same run, as a script, on the clipboard."""
        recipe = self._attempt(self.recipe)
        if recipe is not None:
            QGuiApplication.clipboard().setText(recipe.to_python())
            self.controller.say("info", "copied as Python: paste it into a script")

    def open_figure_dock(self) -> None:
        """Open the Figure export dock."""
        viewer = self._viewer()
        if viewer is not None:
            viewer.window.add_plugin_dock_widget("napari-scicompty", "Figure export")

    # -- what is shown ----------------------------------------------------------------
    def _turned(self, group: str, name: str, value: Any) -> None:
        """Hand a change of a field to the run under way."""
        if self.controller.busy:
            self._attempt(lambda: self.controller.change(f"{group}.{name}", value))

    def _geometry_changed(self) -> None:
        self.geometry.show_derived(self.controller.scan, self._modes())

    def _modes(self) -> int:
        return self.bar.form.values.get("modes") or 1

    def _view_chosen(self, name: str) -> None:
        viewer = self._viewer()
        if viewer is not None:
            show_view(viewer, name)
            if self.controller.snapshot is not None:
                self.controller.layers.update(viewer, self.controller.snapshot)

    def _show_scan(self) -> None:
        self.data.show_scan(self.controller.scan)
        self.geometry.show_scan(self.controller.scan, self._modes())

    def _show_state(self) -> None:
        busy = self.controller.busy
        self.bar.show_state(self.controller)
        self.data.set_busy(busy)
        for widget in (
            self.geometry.form.native,
            self.start.kinds,
            self.algorithm.combo,
        ):
            widget.setEnabled(not busy)
        for form in (self.algorithm.form, self.bar.form, self.more):
            form.set_running(busy)
        has_result = self.controller.snapshot is not None
        self.buttons["save"].setEnabled(has_result)
        self.buttons["figure"].setEnabled(has_result)
        self.buttons["open_result"].setEnabled(not busy)

    def _show_progress(self) -> None:
        controller = self.controller
        self.bar.show_progress(controller)
        if controller.job is not None:
            self.start.show_tried(controller.job.tried, controller.job.planned)
        if controller.snapshot is not None and not controller.busy:
            self.data.show_errors(controller.snapshot)
            self._show_state()

    def _hear(self, level: str, sentence: str) -> None:
        self.bar.show_message(level, sentence)
        self.log.appendPlainText(
            f"{level}: {sentence}" if level != "info" else sentence
        )

    def _attempt(self, act: Any, done: str = "") -> Any:
        """Do something that bad input may prevent; say so instead of raising."""
        try:
            outcome = act()
        except InputError as error:
            self.controller.say("error", str(error))
            return None
        if done:
            self.controller.say("info", done)
        return outcome


def _any_dock(viewer: Any) -> Reconstruction:
    dock = Reconstruction.of(viewer)
    if dock is None:
        from napari_scicompty.ui.reader import dock_of

        dock = dock_of(viewer)
    return dock
