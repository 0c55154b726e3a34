"""The stages of a run as a list; the fields of the dock show the chosen one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QListWidget, QPushButton, QVBoxLayout, QWidget

from napari_scicompty.core.errors import InputError
from napari_scicompty.ui.widgets.sections import WrappedLabel

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.recipe import Stage

WHAT = (
    "Run carries out the stages one after the other, each going on from the one "
    "before: add one, then change the settings above for it."
)
LINES = 4
"""Height of the list."""


class StageList(QWidget):
    """Add, remove and reorder stages.

    Parameters
    ----------
    read : callable
        Returns the stage that the fields say; InputError where one is not valid.
    show : callable
        Fills the fields.
    """

    counted = Signal(int)
    """There are so many stages now."""
    refused = Signal(str)
    """Why nothing was done: a field is not valid."""

    def __init__(
        self,
        prefix: str,
        read: Callable[[], Stage],
        show: Callable[[Stage], None],
    ) -> None:
        super().__init__()
        self._read, self._show = read, show
        self._stages: list[Stage] = []
        self._row = 0
        self.list = QListWidget()
        self.list.setObjectName(prefix)
        self.list.setFixedHeight(LINES * self.list.fontMetrics().lineSpacing() + 12)
        self.list.currentRowChanged.connect(self._row_chosen)
        self.add = self._button(prefix, "add", "Add", self._add)
        self.remove = self._button(prefix, "remove", "Remove", self._remove)
        self.up = self._button(prefix, "up", "Up", lambda: self._move(-1))
        self.down = self._button(prefix, "down", "Down", lambda: self._move(1))
        what = WrappedLabel()
        what.setText(WHAT)
        buttons = QHBoxLayout()
        for button in (self.add, self.remove, self.up, self.down):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(what)
        layout.addWidget(self.list)
        layout.addLayout(buttons)

    def _button(
        self, prefix: str, name: str, text: str, act: Callable[[], None]
    ) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(f"{prefix}.{name}")
        button.clicked.connect(lambda _=False: act())
        return button

    # -- what others ask and tell -----------------------------------------------------
    @property
    def row(self) -> int:
        """Number of the stage that the fields show, from 0."""
        return self._row

    def with_fields(self, stage: Stage) -> tuple[Stage, ...]:
        """Return all stages, the chosen one as the fields say."""
        stages = list(self._stages) or [stage]
        stages[self._row] = stage
        return tuple(stages)

    def set_stages(self, stages: tuple[Stage, ...]) -> None:
        """Show the stages of a recipe, the first in the fields."""
        self._stages, self._row = list(stages), 0
        self._show(stages[0])
        self._fill()

    def choose(self, row: int) -> None:
        """Keep what the fields say, where it is valid, and show another stage."""
        self._keep_valid()
        self._go_to(row)

    def refresh(self) -> None:
        """Tell in the list what a person has changed in the fields."""
        self._keep_valid()
        self._fill()

    def set_running(self, running: bool) -> None:
        """Lock the list while a run is under way: it follows the run."""
        several = len(self._stages) > 1
        self.list.setEnabled(not running)
        self.add.setEnabled(not running)
        self.remove.setEnabled(not running and several)
        self.up.setEnabled(not running and self._row > 0)
        self.down.setEnabled(not running and self._row < len(self._stages) - 1)

    # -- what a person does -----------------------------------------------------------
    def _row_chosen(self, row: int) -> None:
        if self._keep():
            self._go_to(row)
        else:
            self._fill()  # what is not valid stays in sight

    def _add(self) -> None:
        """Put a stage like the chosen one after it."""
        if self._keep():
            self._stages.insert(self._row + 1, self._stages[self._row])
            self._go_to(self._row + 1)

    def _remove(self) -> None:
        del self._stages[self._row]
        self._go_to(min(self._row, len(self._stages) - 1))

    def _move(self, by: int) -> None:
        if self._keep():
            stage = self._stages.pop(self._row)
            self._stages.insert(self._row + by, stage)
            self._go_to(self._row + by)

    # -- what is shown ----------------------------------------------------------------
    def _keep(self) -> bool:
        """Take the chosen stage over from the fields, or say why that cannot be."""
        try:
            self._stages = list(self.with_fields(self._read()))
        except InputError as error:
            self.refused.emit(str(error))
            return False
        return True

    def _keep_valid(self) -> None:
        with contextlib.suppress(InputError):
            self._stages = list(self.with_fields(self._read()))

    def _go_to(self, row: int) -> None:
        self._row = row
        self._show(self._stages[row])
        self._fill()

    def _fill(self) -> None:
        self.list.blockSignals(True)
        self.list.clear()
        self.list.addItems(
            [f"{i}  {_told(stage)}" for i, stage in enumerate(self._stages, 1)]
        )
        self.list.setCurrentRow(self._row)
        self.list.blockSignals(False)
        self.set_running(not self.list.isEnabled())
        self.counted.emit(len(self._stages))


def _told(stage: Stage) -> str:
    """Say in one line what a stage does."""
    refined = [refiner.quantity for refiner in stage.refine if refiner.enabled]
    return " · ".join([stage.algorithm.title, f"{stage.epochs} epochs", *refined])
