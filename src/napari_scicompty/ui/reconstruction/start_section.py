"""The Start section: which first probe, and the starts that were tried."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_scicompty.ui.widgets.kind_form import KindForm
from napari_scicompty.ui.widgets.plots import StartLadderView
from napari_scicompty.ui.widgets.sections import WrappedLabel
from napari_scicompty.workflow.search import ranked
from napari_scicompty.workflow.start import STARTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scicompty.workflow.search import Candidate
    from napari_scicompty.workflow.start import Start

TITLES = {
    "auto": "Automatic (search the defocus)",
    "pupil": "Mean pattern with a defocus",
    "disc": "Disc or spherical wave",
    "zone-plate": "Zone plate with central stop",
    "convergent": "Convergent beam (electrons)",
    "back-propagated": "Mean pattern propagated back (near field)",
    "file": "From a file",
}


class StartSection(QWidget):
    """The first probe: given, or found by a search whose tries are shown."""

    said = Signal(str, str)

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.kinds = KindForm(dict(STARTS), TITLES, f"{prefix}.kind", prefix)
        self.ladder = StartLadderView()
        self.ladder.setVisible(False)
        self.ladder.candidate_chosen.connect(self._choose)
        self.text = WrappedLabel()
        self.text.setObjectName(f"{prefix}.found")
        self.text.setVisible(False)
        self._tried: list[Candidate] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.kinds)
        layout.addWidget(self.ladder)
        layout.addWidget(self.text)

    @property
    def value(self) -> Start:
        """The chosen start; InputError when a field is not valid."""
        return self.kinds.form.value

    def set_value(self, start: Start) -> None:
        """Show a start."""
        self.kinds.set_value(start)

    def show_tried(self, tried: Sequence[Candidate], count: int, planned: int) -> None:
        """Show the candidates of a search, done or under way."""
        if list(tried) == self._tried:
            return
        self._tried = list(tried)
        self.ladder.setVisible(bool(tried))
        self.text.setVisible(bool(tried))
        if not tried:
            return
        best = tried.index(ranked(tried)[0])
        self.ladder.set_candidates(
            [nan if c.defocus_m is None else c.defocus_m for c in tried],
            [c.error for c in tried],
            best,
        )
        progress = "" if count >= planned else f" ({count} of {planned} tried)"
        self.text.setText(f"Best: {tried[best]}{progress}")

    def _choose(self, index: int) -> None:
        """Take another candidate than the best: it becomes a given start."""
        chosen = self._tried[index].start
        self.kinds.set_value(chosen)
        self.said.emit(
            "info", f"start set to {self._tried[index]}; Reset and Run to begin from it"
        )
