"""The Positions section: refine them, see what came of it, mend what went wrong."""

from __future__ import annotations

from typing import ClassVar

from napari_scicompty.ui.reconstruction.position_actions import PositionActions
from napari_scicompty.ui.reconstruction.positions_report import PositionsReport
from napari_scicompty.ui.reconstruction.refiner_section import RefinerSection


class PositionsSection(RefinerSection):
    """Whether and how positions are refined, and what can be done with them."""

    tip: ClassVar[str] = (
        "Move each view to where its pattern fits best, while a run is under way; "
        "half sets (Resolution) take the positions that were found"
    )

    def add_parts(self) -> None:
        """Put words, plots and buttons below the form."""
        self.report = PositionsReport(self.prefix, self.controller)
        self.buttons = PositionActions(self.prefix, self.controller)
        self.column.addWidget(self.report)
        self.column.addWidget(self.buttons)

    def show_state(self, busy: bool) -> None:
        """Enable what can be done now."""
        super().show_state(busy)
        self.buttons.show_state()

    def show_progress(self) -> None:
        """Follow the run."""
        self.report.follow()
