"""The Virtual experiment dock: settings, what they would give, and a scan of it."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QSplitter, QVBoxLayout, QWidget

from napari_scicompty.core.errors import InputError
from napari_scicompty.recipe import Recipe
from napari_scicompty.simulation import VirtualExperiment
from napari_scicompty.ui.layers.truth_layers import show_truth
from napari_scicompty.ui.session import window_state as memory
from napari_scicompty.ui.session.controller import RunController, inputs_of_all
from napari_scicompty.ui.session.docks import DockPanel, dock_of
from napari_scicompty.ui.virtual.bar import VirtualBar
from napari_scicompty.ui.virtual.experiment_form import ExperimentForm
from napari_scicompty.ui.virtual.preset_section import PresetSection
from napari_scicompty.ui.virtual.preview import Preview, preview
from napari_scicompty.ui.virtual.views import PreviewViews
from napari_scicompty.ui.virtual.work import judged, saved, suited_recipe
from napari_scicompty.ui.widgets.background import Background
from napari_scicompty.ui.widgets.save_dialog import Target, chosen_target
from napari_scicompty.ui.widgets.sections import (
    CollapsibleSection,
    WrappedLabel,
    panel_scroll_area,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

    from napari_scicompty.simulation import Preset

PREFIX = "virtual"
SETTLED_MS = 200
"""A preview is made when nobody has typed for so long."""


class VirtualExperimentDock(DockPanel):
    """Plan a scan, look at what it would give, and hand it to the Reconstruction dock.

    The scan and its truth belong to the viewer's `RunController`; of this dock only
    the settings are remembered.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._viewer = weakref.ref(viewer)
        self.controller = RunController.for_viewer(viewer)
        self.presets = PresetSection(PREFIX)
        self.form = ExperimentForm(PREFIX)
        self.views = PreviewViews()
        self.derived = WrappedLabel()
        self.derived.setObjectName(f"{PREFIX}.derived")
        self.bar = VirtualBar(PREFIX)
        self.preview: Preview | None = None
        self._refused = ""
        """Why the fields cannot work together; empty when they can."""
        self._previews, self._work = Background(self), Background(self)
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLED_MS)
        self._lay_out()
        self._connect()
        self._restore()
        self._look()
        self._show_state()

    def sizeHint(self) -> QSize:
        """Return a width that leaves the canvas most of a laptop's screen."""
        return QSize(400, 900)

    # -- building ---------------------------------------------------------------------
    def _lay_out(self) -> None:
        chosen = CollapsibleSection("Preset", self.presets, expanded=True)
        halves = QSplitter(Qt.Orientation.Vertical)
        for parts in ((self.views, self.derived), (chosen, self.form)):
            inside = QWidget()
            column = QVBoxLayout(inside)
            column.setContentsMargins(4, 4, 4, 4)
            for part in parts:
                column.addWidget(part)
            column.addStretch(1)
            halves.addWidget(panel_scroll_area(inside))
        halves.setChildrenCollapsible(False)
        halves.setSizes([450, 330])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(halves, 1)
        layout.addWidget(self.bar)

    def _connect(self) -> None:
        self.presets.chosen.connect(self.take_preset)
        self.form.touched.connect(self._touched)
        self._settled.timeout.connect(self._look)
        self._previews.done.connect(self._show_preview)
        self._previews.failed.connect(self._refuse)
        self._work.done.connect(lambda said: self.bar.show_message("info", said))
        self._work.failed.connect(lambda said: self._hear("error", said))
        for background in (self._previews, self._work):
            background.ended.connect(self._show_state)
        for name, act in (
            ("simulate", self.simulate),
            ("reconstruct", self.reconstruct),
            ("truth", self.show_truth),
            ("compare", self.compare),
            ("save", self.save),
            ("save_recipe", self.save_recipe),
            ("copy", self.copy_as_python),
        ):
            self.bar.buttons[name].clicked.connect(lambda _=False, act=act: act())
        self.bar.stop.clicked.connect(lambda: self.controller.stop())
        self.controller.state_changed.connect(self._show_state)
        self.controller.progressed.connect(self._show_state)
        self.controller.said.connect(self._hear)

    # -- settings ---------------------------------------------------------------------
    def recipe(self) -> Recipe:
        """Return the experiment and its run; InputError when a field is not valid."""
        return suited_recipe(self.form.value, self.presets.preset)

    def take_preset(self, preset: Preset) -> None:
        """Fill the fields with an experiment of a paper."""
        self.form.set_value(preset.experiment)
        self._look()

    def _restore(self) -> None:
        text = memory.recall().get(PREFIX)
        if not text:
            return
        try:
            kept = Recipe.from_toml(text).input
        except InputError:
            memory.remember(**{PREFIX: None})
            return
        if isinstance(kept, VirtualExperiment):
            self.form.set_value(kept)

    def _touched(self, part: str) -> None:
        self.views.turn_to(part)
        self._settled.start()

    # -- the preview ------------------------------------------------------------------
    def _look(self) -> None:
        """Make a preview of what the fields say now; older ones are dropped."""
        try:
            experiment = self.form.value
        except InputError as error:
            self._previews.drop()
            self._refuse(str(error))
            return
        self._previews.ask(partial(preview, experiment))
        self._show_state()

    def _show_preview(self, made: Preview) -> None:
        self.preview = made
        self.presets.show_which(made.experiment)
        memory.remember(**{PREFIX: Recipe(input=made.experiment).to_toml()})
        self.views.show_preview(made)
        self.derived.setText("\n".join(made.lines))
        if self._refused:
            self._refused = ""
            self.bar.show_message("info", "")

    def _refuse(self, sentence: str) -> None:
        """Say why the settings cannot work; the last pictures stay."""
        self._refused = _plainly(sentence)
        self.bar.show_message("error", self._refused)
        self._show_state()

    # -- what a person does -----------------------------------------------------------
    def simulate(self) -> None:
        """Measure the scan, and open it in the Reconstruction dock."""
        dock = self._handed_over()
        if dock is not None:
            dock.open()

    def reconstruct(self) -> None:
        """Run the reconstruction; simulate first where that was not done."""
        dock = self._handed_over()
        if dock is not None:
            dock.run()

    def _handed_over(self) -> Any:
        """Fill the fields of the Reconstruction dock; None when that cannot be."""
        viewer, recipe = self._viewer(), self._attempt(self.recipe)
        if viewer is None or recipe is None or self.controller.busy:
            return None
        if self.controller.input != recipe.input:
            self.controller.forget()  # a run cannot go on with another scan
        dock = dock_of(viewer)
        if self.presets.preset is not None:
            dock.set_recipe(recipe)
        else:
            dock.data.set_input(recipe.input)
            dock.start.set_value(recipe.start)
            dock.bar.form.set_values({"modes": recipe.shared.modes})
        return dock

    def show_truth(self) -> None:
        """Add the truth of the scan as layers."""
        viewer, truth = self._viewer(), self.controller.truth
        if viewer is not None and truth is not None:
            show_truth(viewer, truth)

    def compare(self) -> None:
        """Judge the result against the truth."""
        snapshot, truth = self.controller.snapshot, self.controller.truth
        if snapshot is not None and truth is not None:
            self._do(partial(judged, snapshot, truth))

    def save(self, path: str | None = None) -> None:
        """Save the scan with its truth; simulate first where that was not done."""
        experiment = self._attempt(lambda: self.form.value)
        question = ("Save the scan", "scan.cxi", "CXI (*.cxi)")
        target = self._target(path, question, ".cxi")
        if experiment is None or target is None:
            return
        scan, truth = self.controller.scan, self.controller.truth
        at_hand = None
        if self.controller.input == experiment and scan and truth:
            at_hand = (scan, truth)
        self._do(partial(saved, target, experiment, at_hand))

    def save_recipe(self, path: str | None = None) -> None:
        """Save experiment and run as TOML."""
        recipe = self._attempt(self.recipe)
        question = ("Save the recipe", "recipe.toml", "Recipe (*.toml)")
        target = self._target(path, question, ".toml")
        if recipe is not None and target is not None:
            where, allowed = target
            self._attempt(
                lambda: recipe.save(where, overwrite=allowed), f"saved {where}"
            )

    def copy_as_python(self) -> None:
        """Put experiment and run, as a script, on the clipboard."""
        self._attempt(
            lambda: QGuiApplication.clipboard().setText(self.recipe().to_python()),
            "copied as Python: paste it into a script",
        )

    # -- what is shown ----------------------------------------------------------------
    def _do(self, work: Callable[[], str]) -> None:
        """Do something in a thread; what it returns is said."""
        if not self._work.busy:
            self._work.ask(work)
            self._show_state()

    def _show_state(self) -> None:
        """Enable what can be done now."""
        controller = self.controller
        opening = controller.state == "opening"
        busy = self._previews.busy or self._work.busy or opening
        self.bar.show_progress(
            busy, *(controller.opener.progress if opening else (0, 0))
        )
        taken = "something is under way" if controller.busy else ""
        working = "something is under way" if self._work.busy else ""
        truth = "" if controller.truth is not None else "Simulate a scan first"
        result = "" if controller.snapshot is not None else "Run a reconstruction first"
        self.bar.set_reasons(
            {
                "simulate": self._refused or taken,
                "reconstruct": self._refused or taken,
                "truth": truth,
                "compare": truth or result or working,
                "save": self._refused or working,
                "save_recipe": self._refused,
                "copy": self._refused,
            }
        )

    def _hear(self, level: str, sentence: str) -> None:
        """Pass on what went wrong when a scan was simulated."""
        if level == "error":
            self.bar.show_message(level, _plainly(sentence))

    def _target(
        self, path: str | None, question: tuple[str, str, str], suffix: str
    ) -> Target | None:
        """Ask where to save; say what cannot be."""
        inputs = inputs_of_all()
        found: Target | None = self._attempt(
            lambda: chosen_target(self, path, question, suffix=suffix, inputs=inputs)
        )
        return found

    def _attempt(self, act: Callable[[], Any], done: str = "") -> Any:
        """Do something that bad input may prevent; say so instead of raising."""
        try:
            outcome = act()
        except InputError as error:
            self.bar.show_message("error", _plainly(str(error)))
            return None
        if done:
            self.bar.show_message("info", done)
        return outcome


def _plainly(sentence: str) -> str:
    """Name settings as the fields are named."""
    return sentence.replace("VirtualExperiment.", "")
