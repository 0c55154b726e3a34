"""What can be done with the positions of a result, between runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QGridLayout, QPushButton, QWidget

from napari_scicompty.analysis.positions import outliers
from napari_scicompty.core.errors import InputError
from napari_scicompty.formats import open_positions, save_positions
from napari_scicompty.ui.layers.position_layers import positions_moved
from napari_scicompty.ui.session.controller import inputs_of_all
from napari_scicompty.ui.widgets.save_dialog import chosen_target
from napari_scicompty.workflow.corrections import (
    reset_outliers,
    reset_positions,
    with_positions,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.ui.session.controller import RunController

FILES = "Text (*.txt);;CSV (*.csv);;NumPy (*.npy)"


class PositionActions(QWidget):
    """Reset, exclude, save and load; Continue goes on from what is left."""

    exclude_wanted = Signal(object)
    """Numbers of patterns that should take no part."""

    def __init__(self, prefix: str, controller: RunController) -> None:
        super().__init__()
        self.controller = controller
        entries = (
            ("reset_outliers", "Reset outliers", self.reset_outliers,
             "Put them where the map of the others takes their measured positions"),
            ("exclude_outliers", "Exclude outliers", self.exclude_outliers,
             "Let their patterns take no part from the next run on"),
            ("reset_all", "Reset all", self.reset_all,
             "Positions as measured; object and probe stay"),
            ("save", "Save positions …", self.save,
             "Text, CSV or NPY: x then y in metres, as Open reads them"),
            ("load", "Load positions …", self.load,
             "x then y in metres, one for each pattern, in the frame of the scan"),
        )  # fmt: skip
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        self.buttons = {}
        for i, (name, text, act, tip) in enumerate(entries):
            button = QPushButton(text)
            button.setObjectName(f"{prefix}.{name}")
            button.setToolTip(tip)
            button.clicked.connect(lambda _=False, act=act: act())
            grid.addWidget(button, i // 2, i % 2)
            self.buttons[name] = button
        self.show_state()

    def show_state(self) -> None:
        """Enable what can be done now."""
        controller = self.controller
        snapshot = None if controller.busy else controller.snapshot
        moved = snapshot is not None and positions_moved(snapshot)
        odd = snapshot is not None and len(outliers(snapshot)) > 0
        for name, button in self.buttons.items():
            needs = {"reset_all": moved, "save": True, "load": True}.get(name, odd)
            button.setEnabled(snapshot is not None and needs)

    def reset_outliers(self) -> None:
        """Put outliers back."""
        self._change(reset_outliers, "outliers were reset; Continue goes on from there")

    def exclude_outliers(self) -> None:
        """Let outliers take no part from the next run on."""
        if self.controller.snapshot is not None:
            found = outliers(self.controller.snapshot)
            self.exclude_wanted.emit(tuple(int(j) for j in found))

    def reset_all(self) -> None:
        """Put all positions back to where they were measured."""
        self._change(
            reset_positions, "positions are as measured; Continue goes on from there"
        )

    def save(self, path: str | None = None) -> None:
        """Save the present positions."""
        snapshot = self.controller.snapshot
        if snapshot is None:
            return
        question, inputs = (
            ("Save the positions", "positions.txt", FILES),
            inputs_of_all(),
        )
        try:
            target = chosen_target(self, path, question, suffix=".txt", inputs=inputs)
            if target is None:
                return
            save_positions(
                target.path, snapshot.positions_m, overwrite=target.overwrite
            )
        except InputError as error:
            self.controller.say("error", str(error))
            return
        self.controller.say("info", f"saved {target.path}")

    def load(self, path: str | None = None) -> None:
        """Take the positions of a file in place of the present ones."""
        if path is None:
            path, _ = QFileDialog.getOpenFileName(
                self, "Load positions", "", "Positions (*.txt *.csv *.dat *.npy *.h5)"
            )
        if path:
            name = Path(path).name
            self._change(
                lambda snapshot: with_positions(
                    snapshot, open_positions(path), f"positions of {name} taken"
                ),
                f"positions of {name} taken; Continue goes on from there",
            )

    def _change(self, change: Callable[[Snapshot], Snapshot], done: str) -> None:
        """Change the result, or say why it cannot be."""
        snapshot = self.controller.snapshot
        if snapshot is None or self.controller.busy:
            return
        try:
            self.controller.replace_result(change(snapshot))
        except InputError as error:
            self.controller.say("error", str(error))
        else:
            self.controller.say("info", done)
