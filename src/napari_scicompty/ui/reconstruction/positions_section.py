"""The Positions section: refine them, see what came of it, mend what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_scicompty.refine import REFINERS, PositionRefiner
from napari_scicompty.ui.reconstruction.position_actions import PositionActions
from napari_scicompty.ui.reconstruction.positions_report import PositionsReport
from napari_scicompty.ui.widgets.kind_form import KindForm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scicompty.refine import Refiner
    from napari_scicompty.ui.session.controller import RunController


class PositionsSection(QWidget):
    """Whether and how positions are refined, and what can be done with them."""

    changed = Signal(str, object)
    """(setting, value) that a person has changed, `enabled` among them."""

    def __init__(self, prefix: str, controller: RunController) -> None:
        super().__init__()
        self.refine = QCheckBox("Refine positions")
        self.refine.setObjectName(f"{prefix}.refine")
        self.refine.setToolTip(
            "Move each view to where its pattern fits best, while a run is under way; "
            "half sets (Resolution) take the positions that were found"
        )
        self.refine.clicked.connect(lambda on: self.changed.emit("enabled", on))
        kinds = {
            name: kind
            for name, kind in REFINERS.items()
            if issubclass(kind, PositionRefiner)
        }
        self.kinds = KindForm(
            dict(kinds),
            {name: kind.title for name, kind in kinds.items()},
            f"{prefix}.kind",
            prefix,
            leave_out=("enabled",),
        )
        self.kinds.changed.connect(self.changed.emit)
        self.report = PositionsReport(prefix, controller)
        self.buttons = PositionActions(prefix, controller)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.refine, 0, Qt.AlignmentFlag.AlignLeft)
        for widget in (self.kinds, self.report, self.buttons):
            layout.addWidget(widget)

    @property
    def refiner(self) -> PositionRefiner:
        """The refiner as set, switched on or off; InputError where it is not valid."""
        made: PositionRefiner = self.kinds.form.value
        return made.replace(enabled=self.refine.isChecked())

    @property
    def chosen(self) -> tuple[PositionRefiner, ...]:
        """What a recipe says: the refiner where the box is ticked, else nothing."""
        return (self.refiner,) if self.refine.isChecked() else ()

    def set_chosen(self, refine: Sequence[Refiner]) -> None:
        """Show what a recipe says."""
        own = [item for item in refine if isinstance(item, PositionRefiner)]
        self.refine.setChecked(any(item.enabled for item in own))
        for item in own:
            self.kinds.set_value(item)

    def show_state(self, busy: bool) -> None:
        """Enable what can be done now."""
        self.kinds.combo.setEnabled(not busy)
        self.kinds.set_running(busy)
        self.buttons.show_state()

    def show_progress(self) -> None:
        """Follow the run."""
        self.report.follow()
