"""The Reconstruction dock: from files to a result, top to bottom."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize
from qtpy.QtWidgets import (
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.log import keep_log
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.recipe import Recipe
from napari_scicompty.ui.reconstruction.data_section import DataSection
from napari_scicompty.ui.reconstruction.geometry_section import GeometrySection
from napari_scicompty.ui.reconstruction.live_settings import LiveSettings
from napari_scicompty.ui.reconstruction.mender import Mender
from napari_scicompty.ui.reconstruction.orientation_section import OrientationSection
from napari_scicompty.ui.reconstruction.positions_section import PositionsSection
from napari_scicompty.ui.reconstruction.recipe_fields import RecipeFields
from napari_scicompty.ui.reconstruction.refiner_sections import RefinerSections
from napari_scicompty.ui.reconstruction.resolution_section import ResolutionSection
from napari_scicompty.ui.reconstruction.result_section import ResultSection
from napari_scicompty.ui.reconstruction.run_bar import BASIC, RunBar
from napari_scicompty.ui.reconstruction.scan_input import ScanInput
from napari_scicompty.ui.reconstruction.start_section import StartSection
from napari_scicompty.ui.session import window_state as memory
from napari_scicompty.ui.session.controller import RunController
from napari_scicompty.ui.session.docks import DockPanel, register, registered
from napari_scicompty.ui.session.shortcuts import bind_keys
from napari_scicompty.ui.widgets.forms import settings_form
from napari_scicompty.ui.widgets.kind_form import KindForm
from napari_scicompty.ui.widgets.sections import (
    CollapsibleSection,
    bring_in_sight,
    panel_scroll_area,
)

if TYPE_CHECKING:
    import napari

    from napari_scicompty.simulation import VirtualExperiment

PREFIX = "reconstruction"


class Reconstruction(DockPanel):
    """Open a scan, run, turn knobs, keep the result.

    A view of the viewer's `RunController`: closing it, or opening a second one, does
    nothing to a run.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._viewer = weakref.ref(viewer)
        self.controller = RunController.for_viewer(viewer)
        register(viewer, self)
        keep_log()
        self.data = DataSection(f"{PREFIX}.data")
        self.geometry = GeometrySection(f"{PREFIX}.geometry", self.controller)
        self.start = StartSection(f"{PREFIX}.start")
        titles = {name: kind.title for name, kind in ALGORITHMS.items()}
        self.algorithm = KindForm(
            dict(ALGORITHMS), titles, f"{PREFIX}.algorithm", f"{PREFIX}.algorithm"
        )
        self.refiners = RefinerSections(PREFIX, self.controller)
        self.bar = RunBar(PREFIX)
        self.more = settings_form(RunSettings, None, PREFIX, leave_out=BASIC)
        fields = RecipeFields(
            self.data,
            self.geometry,
            self.start,
            self.algorithm,
            self.refiners,
            (self.bar.form, self.more),
        )
        fields.follow_kind()
        self.live = LiveSettings(f"{PREFIX}.stages", fields, self.controller)
        self.result = ResultSection(
            PREFIX,
            self.controller,
            (self.recipe, self.set_recipe),
            self.open_figure_dock,
        )
        self.resolution = ResolutionSection(
            f"{PREFIX}.resolution", self.controller, self.recipe
        )
        self.orientation = OrientationSection(
            f"{PREFIX}.orientation", self.controller, self.recipe
        )
        self.mender = Mender(
            self.controller,
            (self.bar, self.algorithm, self.orientation),
            self._exclude,
            lambda: bring_in_sight(self.sections["Orientation"], self.scroll),
        )
        self.scan_input = ScanInput(
            (self.data, self.geometry, self.start), self.controller, self.recipe
        )
        self.log = QPlainTextEdit()
        self._lay_out()
        self._connect()
        self._restore()
        self.live.stages.refresh()
        bind_keys(viewer)
        self._show_scan()
        self._show_state()
        self._show_progress()

    def sizeHint(self) -> QSize:
        """Return a width that leaves the canvas most of a laptop's screen."""
        return QSize(400, 900)

    @classmethod
    def of(cls, viewer: napari.viewer.Viewer) -> Reconstruction | None:
        """Return a dock of this viewer, if there is one."""
        dock: Reconstruction | None = registered(viewer)
        return dock

    @property
    def positions(self) -> PositionsSection:
        """The section of the positions."""
        section = self.refiners["positions"]
        assert isinstance(section, PositionsSection)
        return section

    # -- building ---------------------------------------------------------------------
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
            "Orientation": (self.orientation, False),
            "Start": (self.start, False),
            "Algorithm": (self.algorithm, True),
            **{
                title: (section, False)
                for title, section in self.refiners.titled.items()
            },
            "More run settings": (self.more.native, False),
            "Result": (self.result, True),
            "Resolution": (self.resolution, False),
            "Log": (self.log, False),
        }
        for title, (widget, is_open) in parts.items():
            section = CollapsibleSection(title, widget, expanded=is_open)
            self.sections[title] = section
            column.addWidget(section)
        column.addStretch(1)
        self.algorithm.layout().addWidget(self.live.section)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self.scroll = panel_scroll_area(inside)
        layout.addWidget(self.scroll, 1)
        layout.addWidget(self.bar)

    def _connect(self) -> None:
        self.bar.run_clicked.connect(self.run)
        self.bar.pause_clicked.connect(self.pause_resume)
        self.bar.stop_clicked.connect(self.stop)
        self.bar.reset_clicked.connect(self.reset)
        self.bar.view.currentTextChanged.connect(self._view_chosen)
        self.bar.verdict.acted.connect(self.mender.act_on)
        self.start.said.connect(self.controller.say)
        self.orientation.taken.connect(self.scan_input.take_orientation)
        self.live.changed.connect(self._show_memory)
        self.positions.buttons.exclude_wanted.connect(self._exclude)
        self.positions.report.show_arrows.clicked.connect(
            lambda: self.bar.view.setCurrentText("Positions")
        )
        self.controller.state_changed.connect(self._show_state)
        self.data.lights.change_wanted.connect(self.scan_input.apply)
        self.data.lights.exclude_wanted.connect(self._exclude)
        self.live.changed.connect(self._show_lights)
        self.controller.refused.connect(self.data.lights.show_refusal)
        self.controller.scan_changed.connect(self._show_scan)
        self.controller.progressed.connect(self._show_progress)
        self.controller.said.connect(self._hear)

    # -- settings and recipes ---------------------------------------------------------
    def recipe(self) -> Recipe:
        """Return what the fields say; InputError when one of them is not valid."""
        return self.live.recipe

    def set_recipe(self, recipe: Recipe) -> None:
        """Fill every field.

        Raises
        ------
        InputError
            A recipe with something that has no field here; then nothing is filled in.
        """
        self.live.set_recipe(recipe)

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
        self.scan_input.open()

    def open_path(self, path: str) -> None:
        """Open a file that was dropped; its positions and geometry are in it."""
        self.scan_input.open_path(path)

    def open_virtual(self, experiment: VirtualExperiment) -> None:
        """Open a virtual experiment, with a start that suits it."""
        self.scan_input.open_virtual(experiment)

    def run(self) -> None:
        """Run all stages, or add the chosen one and those after it to the result."""
        if self.controller.busy:
            return
        recipe = self.controller.speaker.attempt(self.recipe)
        waiting = self.controller.speaker.attempt(lambda: self.refiners.waiting)
        if recipe is None or waiting is None:
            return
        memory.remember(recipe=recipe.to_toml())
        if self.controller.scan is None or self.controller.input != recipe.input:
            self.scan_input.open(self.run)
            return
        self.controller.start(self.live.begin(recipe), waiting)

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

    def open_figure_dock(self) -> None:
        """Open the Figure export dock."""
        viewer = self._viewer()
        if viewer is not None:
            viewer.window.add_plugin_dock_widget("napari-scicompty", "Figure export")

    # -- what is shown ----------------------------------------------------------------
    def _exclude(self, numbers: tuple[int, ...]) -> None:
        """Add patterns to those that take no part, of a run under way too."""
        excluded = tuple(dict.fromkeys((*self.more.values["excluded"], *numbers)))
        self.more.set_values({"excluded": excluded})
        if self.controller.running:
            self.controller.speaker.attempt(
                lambda: self.controller.change("run.excluded", excluded)
            )
        else:
            listed = ", ".join(str(number) for number in numbers)
            self.controller.say(
                "info", f"pattern(s) {listed} take no part from the next run on"
            )
        self._show_lights()

    def _show_lights(self) -> None:
        """Show what was found of the scan, as the patterns left out are set now."""
        if self.controller.scan is not None:
            self.data.lights.show_findings(
                self.controller.findings,
                self.more.values["excluded"],
                of_file=not self.data.is_virtual,
            )

    def _show_memory(self) -> None:
        """Say what memory the stages need, as the fields are set now."""
        self.bar.show_memory(self.live.memory, self.controller)

    def _view_chosen(self, name: str) -> None:
        viewer = self._viewer()
        if viewer is not None:
            self.controller.layers.show_view(viewer, name)
            if self.controller.snapshot is not None:
                self.controller.layers.update(viewer, self.controller.snapshot)

    def _show_scan(self) -> None:
        self.data.show_scan(self.controller.scan)
        self.geometry.show_scan(self.controller.scan)
        self._show_lights()
        self._show_memory()

    def _show_state(self) -> None:
        busy = self.controller.busy
        self.bar.show_state(self.controller)
        if self.controller.state == "running":
            self.scroll.ensureWidgetVisible(self.sections["Algorithm"])
        self.data.set_busy(busy)
        for widget in (self.geometry.form.native, self.start.kinds):
            widget.setEnabled(not busy)
        self.algorithm.combo.setEnabled(not busy or self.controller.running)
        for form in (self.algorithm, self.bar.form, self.more):
            form.set_running(busy)
        self.live.stages.set_running(busy)
        self.refiners.show_state(busy)
        self.result.show_state()
        self.resolution.show_state()
        self.orientation.show_state()

    def _show_progress(self) -> None:
        controller = self.controller
        self.bar.show_progress(controller)
        self.refiners.show_progress()
        self.geometry.focus.show_progress()
        self.resolution.show_state()
        self.orientation.show_state()
        if controller.job is not None:
            progress = controller.job.progress
            self.start.show_tried(progress.tried, progress.count, progress.planned)
        if controller.snapshot is not None and not controller.busy:
            self.data.show_errors(controller.snapshot)
            self.geometry.show_derived(controller.scan, controller.snapshot.probe)
            self._show_state()

    def _hear(self, level: str, sentence: str) -> None:
        self.bar.show_message(level, sentence)
        self.log.appendPlainText(
            f"{level}: {sentence}" if level != "info" else sentence
        )
        if level == "error" and (row := self.data.lead_to(sentence)) is not None:
            self.scroll.ensureWidgetVisible(row)
