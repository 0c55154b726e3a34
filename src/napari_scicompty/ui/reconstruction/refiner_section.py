"""A section for what is refined beside object and probe: one for each quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyqtgraph as pg
from magicgui.widgets import CheckBox
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_scicompty.ui.widgets.kind_form import KindForm
from napari_scicompty.ui.widgets.plots import ACCENT, empty_plot
from napari_scicompty.ui.widgets.sections import WrappedLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtWidgets import QCheckBox

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.refine import Refiner
    from napari_scicompty.ui.session.controller import RunController

HEIGHT = 150


class RefinerSection(QWidget):
    """Whether and how one quantity is refined; below, what came of it.

    Made from the table of refiners alone. What more there is to say of a quantity is
    added by a subclass: `add_parts` puts its widgets below the form.

    Parameters
    ----------
    kinds : dict
        Name in the table -> refiner, all of one quantity.
    """

    tip: ClassVar[str] = ""
    """Help of the box that switches the refinement on."""
    changed = Signal(str, object)
    """(setting, value) that a person has changed, `enabled` among them."""

    def __init__(
        self, prefix: str, controller: RunController, kinds: dict[str, type[Refiner]]
    ) -> None:
        super().__init__()
        self.controller, self.prefix = controller, prefix
        self.quantity = next(iter(kinds.values())).quantity
        self._box = CheckBox(label="", text=f"Refine {in_words(self.quantity)}")
        self.refine: QCheckBox = self._box.native
        self.refine.setObjectName(f"{prefix}.refine")
        self.refine.setToolTip(self.tip or "Refine it while a run is under way")
        self.refine.clicked.connect(lambda on: self.changed.emit("enabled", on))
        titles = {name: kind.title or name for name, kind in kinds.items()}
        self.kinds = KindForm(
            dict(kinds), titles, f"{prefix}.kind", prefix, leave_out=("enabled",)
        )
        self.kinds.combo.setVisible(len(kinds) > 1)
        self.kinds.changed.connect(self.changed.emit)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.addWidget(self.refine, 0, Qt.AlignmentFlag.AlignLeft)
        self.column.addWidget(self.kinds)
        self.add_parts()

    def add_parts(self) -> None:
        """Put below the form what shows the outcome: here words and a curve."""
        self.text = WrappedLabel()
        self.text.setObjectName(f"{self.prefix}.text")
        self.plot = ChangePlot()
        self.column.addWidget(self.text)
        self.column.addWidget(self.plot)
        self.show_progress()

    # -- what is set ------------------------------------------------------------------
    @property
    def refiner(self) -> Refiner:
        """The refiner as set, switched on or off; InputError where it is not valid."""
        made: Refiner = self.kinds.form.value
        return made.replace(enabled=self.refine.isChecked())

    @property
    def chosen(self) -> tuple[Refiner, ...]:
        """What a recipe says: the refiner where the box is ticked, else nothing."""
        return (self.refiner,) if self.refine.isChecked() else ()

    def set_chosen(self, refine: Sequence[Refiner]) -> None:
        """Show what a recipe says of this quantity."""
        own = [item for item in refine if item.quantity == self.quantity]
        self.refine.setChecked(any(item.enabled for item in own))
        for item in own:
            self.kinds.set_value(item)

    # -- what is shown ----------------------------------------------------------------
    def show_state(self, busy: bool) -> None:
        """Enable what can be done now."""
        self.kinds.combo.setEnabled(not busy)
        self.kinds.set_running(busy)

    def show_progress(self) -> None:
        """Follow the run."""
        curve = _changes(self.controller.snapshot, self.quantity)
        self.plot.setVisible(bool(curve))
        what = in_words(self.quantity)
        if not curve:
            self.text.setText(
                f"Nothing has been refined yet: the {what} of the result is as it was "
                "given. The box can be ticked while a run is under way, too."
            )
            return
        epoch, change = curve[-1]
        self.text.setText(f"Change of the {what} in epoch {epoch}: {change:.3g}.")
        self.plot.show_changes(curve)


class ChangePlot(QWidget):
    """By how much a quantity was changed in each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = empty_plot()
        self.plot.setMouseEnabled(False, False)
        self.plot.setLabel("bottom", "Epoch")
        self.plot.setLabel("left", "Change")
        self.curve = self.plot.plot([], [], pen=pg.mkPen(ACCENT, width=2))
        self.setFixedHeight(HEIGHT)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def show_changes(self, curve: Sequence[tuple[int, float]]) -> None:
        """Show (epoch, change) pairs."""
        epochs, changes = np.array(curve, float).T
        symbol = "o" if len(curve) < 3 else None  # else nothing would be seen
        self.curve.setData(epochs, changes, symbol=symbol, connect="finite")


def in_words(quantity: str) -> str:
    """Return the words for a quantity."""
    return quantity.replace("_", " ").replace("-", " ")


def _changes(snapshot: Snapshot | None, quantity: str) -> list[tuple[int, float]]:
    refined = () if snapshot is None else snapshot.history.refined
    return [(item.epoch, item.change) for item in refined if item.quantity == quantity]
