"""The Result section: save, reopen, recipes, scripts, and what was never saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil
from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.report import report
from napari_scicompty.core.settings import Settings
from napari_scicompty.recipe import Recipe
from napari_scicompty.results import open_result, save_result
from napari_scicompty.results.ome_tiff import save_ome_tiff
from napari_scicompty.ui.session.controller import inputs_of_all
from napari_scicompty.ui.widgets.labels import plain_label, plain_tip
from napari_scicompty.ui.widgets.save_dialog import Target, chosen_target
from napari_scicompty.workflow.autosave import discard, kept
from napari_scicompty.workflow.leftovers import leftovers

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.ui.session.controller import RunController

AnySettings = TypeVar("AnySettings", bound=Settings)

RESULT_FILES = "Result (*.h5);;OME-TIFF of phase and magnitude (*.ome.tif)"


class ResultSection(QWidget):
    """What can be done with a result, and with the settings that made it.

    Parameters
    ----------
    fields : pair of callables
        What the fields of the dock say, as a recipe; and how to fill them from one.
    """

    def __init__(
        self,
        prefix: str,
        controller: RunController,
        fields: tuple[Callable[[], Recipe], Callable[[Recipe], None]],
        open_figure_dock: Callable[[], None],
    ) -> None:
        super().__init__()
        self.controller = controller
        self._recipe, self._fill = fields
        entries = (
            ("save", "Save …", self.save),
            ("open_result", "Open result …", self.open),
            ("figure", "Export figure …", open_figure_dock),
            ("copy", "Copy as Python", self.copy_as_python),
            ("save_recipe", "Save recipe …", self.save_recipe),
            ("open_recipe", "Open recipe …", self.open_recipe),
            ("copy_report", "Copy report", self.copy_report),
        )
        grid = QGridLayout()
        self.buttons = {}
        for i, (name, text, act) in enumerate(entries):
            button = QPushButton(text)
            button.setObjectName(f"{prefix}.{name}")
            button.clicked.connect(lambda _=False, act=act: act())
            grid.addWidget(button, i // 2, i % 2)
            self.buttons[name] = button
        self._offer = _Offer(prefix)
        self._offer.opened.connect(self._recover)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._offer)
        layout.addLayout(grid)

    def show_state(self) -> None:
        """Enable what can be done now."""
        has_result = self.controller.snapshot is not None
        self.buttons["save"].setEnabled(has_result)
        self.buttons["figure"].setEnabled(has_result)
        self.buttons["open_result"].setEnabled(not self.controller.busy)

    def save(self, path: str | None = None) -> None:
        """Save the result as HDF5 or OME-TIFF, by the file's suffix."""
        snapshot = self.controller.snapshot
        if snapshot is None:
            self.controller.say("warning", "there is no result yet: Run first")
            return
        target = self._target(
            path, ("Save the result", "result.h5", RESULT_FILES), ".h5"
        )
        if target is None:
            return
        where, allowed = target
        if where.lower().endswith((".tif", ".tiff")):
            self._attempt(
                lambda: save_ome_tiff(where, snapshot, overwrite=allowed),
                f"saved {where}",
            )
            return
        recipe = self.controller.made_by()
        older: list[Path | None] = []
        if self._attempt(
            lambda: older.append(
                save_result(where, snapshot, recipe, overwrite=allowed)
            ),
            f"saved {where}",
        ):
            self.controller.result.mark_saved(where)
            if older[0] is not None:
                self.controller.say(
                    "info",
                    f"{where} held the result of another run, which is now {older[0]}",
                )

    def _target(
        self, path: str | None, question: tuple[str, str, str], suffix: str
    ) -> Target | None:
        """Ask where to save; say what cannot be."""
        inputs = inputs_of_all()
        try:
            return chosen_target(self, path, question, suffix=suffix, inputs=inputs)
        except InputError as error:
            self.controller.say("error", str(error))
            return None

    def _recover(self, path: Path) -> None:
        """Open what was never saved; it is offered again until it is saved."""
        if self.open(kept(path) or path):
            self.controller.result.mark_recovered(path)

    def open(self, path: Path | None = None) -> bool:
        """Open a saved result, and its scan with it, to look at or to continue.

        Returns
        -------
        bool
            Whether there is a result on show now.
        """
        controller = self.controller
        if controller.busy:
            controller.say("warning", "stop the run before opening a result")
            return False
        if path is None:
            name, _ = QFileDialog.getOpenFileName(
                self, "Open a result", "", "Result (*.h5 *.hdf5)"
            )
            if not name:
                return False
            path = Path(name)
        try:
            snapshot = open_result(path)
        except InputError as error:
            controller.say("error", str(error))
            return False
        try:
            recipe = Recipe.load(path)
        except InputError as error:
            controller.show_result(snapshot, None)
            controller.say("warning", f"{error}; open its scan to continue")
            return True
        controller.show_result(snapshot, recipe)
        controller.say("info", f"opened {path}, epoch {snapshot.epoch}")
        controller.open(recipe, keep_result=True)
        try:
            self._fill(_as_it_ended(recipe, snapshot))
        except InputError as error:
            controller.say("warning", f"{error}; the fields stay as they were")
        return True

    def save_recipe(self, path: str | None = None) -> None:
        """Save the fields as a TOML recipe."""
        question = ("Save the recipe", "recipe.toml", "Recipe (*.toml)")
        target = self._target(path, question, ".toml")
        if target is not None:
            where, allowed = target
            self._attempt(
                lambda: self._recipe().save(where, overwrite=allowed), f"saved {where}"
            )

    def open_recipe(self, path: str | None = None) -> None:
        """Fill the fields from a recipe."""
        if path is None:
            path, _ = QFileDialog.getOpenFileName(
                self, "Open a recipe", "", "Recipe or result (*.toml *.h5)"
            )
        if path:
            self._attempt(
                lambda: self._fill(Recipe.load(path)),
                f"fields filled from {path}",
            )

    def copy_as_python(self) -> None:
        """Put the same run, as a script, on the clipboard."""
        self._attempt(
            lambda: QGuiApplication.clipboard().setText(self._recipe().to_python()),
            "copied as Python: paste it into a script",
        )

    def copy_report(self) -> None:
        """Put a report for those who help on the clipboard."""
        snapshot = self.controller.snapshot
        notes = () if snapshot is None else snapshot.history.notes
        try:
            made = self.controller.made_by() or self._recipe()
            settings = made.to_toml_without_folders()
        except InputError as error:
            settings = f"the fields cannot be read: {error}"
        since = psutil.Process().create_time()  # the log of other sessions is theirs
        QGuiApplication.clipboard().setText(report(settings, notes, since=since))
        self.controller.say("info", "report copied: look it over, then paste it")

    def _attempt(self, act: Callable[[], Any], done: str) -> bool:
        """Do something that bad input may prevent; say so instead of raising."""
        try:
            act()
        except InputError as error:
            self.controller.say("error", str(error))
            return False
        self.controller.say("info", done)
        return True


def _as_it_ended(recipe: Recipe, snapshot: Snapshot) -> Recipe:
    """Return the last stage, with which to go on, as it was set at the end."""
    last = recipe.stages[-1]
    algorithm = _as_set(last.algorithm, snapshot.settings.get("algorithm", {}))
    refine = tuple(
        _as_set(refiner, snapshot.settings.get(refiner.quantity, {}))
        for refiner in last.refine
    )
    return recipe.replace(stages=(last.replace(algorithm=algorithm, refine=refine),))


def _as_set(settings: AnySettings, ended: dict[str, Any]) -> AnySettings:
    """Return settings as they were at the end of a run."""
    names = type(settings).model_fields
    return settings.replace(**{name: ended[name] for name in names if name in ended})


class _Offer(QWidget):
    """Offers results that were never saved, after a crash for instance."""

    opened = Signal(object)
    """Path of a result that should be opened."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._found = leftovers()
        self._text = plain_label(wrap=True)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._text, 1)
        for name, label, act in (
            ("recover", "Open", self._open),
            ("discard", "Discard", self._discard),
        ):
            button = QPushButton(label)
            button.setObjectName(f"{prefix}.{name}")
            button.clicked.connect(lambda _=False, act=act: act())
            row.addWidget(button)
        self._show()

    def _show(self) -> None:
        """Offer the newest of those that are left."""
        self.setVisible(bool(self._found))
        if not self._found:
            return
        newest, *others = self._found
        which = f"of {newest.made}" if newest.made else newest.path.stem
        more = f" So were {len(others)} older ones." if others else ""
        self._text.setText(f"A result {which} was never saved.{more}")
        self.setToolTip(plain_tip(str(newest.path)))

    def _open(self) -> None:
        self.opened.emit(self._found[0].path)
        self.setVisible(False)

    def _discard(self) -> None:
        discard(self._found.pop(0).path)
        self._show()
