"""How a run goes: a light, a sentence, and a button that does what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QWidget

from napari_scicompty.ui.reconstruction.lights import MARKS
from napari_scicompty.ui.widgets.labels import colour_by_level, plain_label

if TYPE_CHECKING:
    from napari_scicompty.core.findings import Finding

_BUTTONS = {
    "error-stays": "Find orientation",
    "patterns-worse": "Exclude",
    "stalled": "Use AutoDiff",
    "more-modes": "Use 3 modes",
}
"""Code of a finding -> what its button says."""


class VerdictLine(QWidget):
    """Shows the verdict of a run."""

    acted = Signal(object)
    """The `Finding` whose button was clicked."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._finding: Finding | None = None
        self.text = plain_label(name=name, wrap=True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignVCenter)
        self.button = QPushButton()
        self.button.setObjectName(f"{name}.act")
        self.button.clicked.connect(lambda: self.acted.emit(self._finding))
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.text, 1)
        line.addWidget(self.button)
        self.setVisible(False)

    def show_finding(self, finding: Finding | None) -> None:
        """Show a verdict, or none."""
        if finding == self._finding:
            return
        self._finding = finding
        self.setVisible(finding is not None)
        if finding is None:
            return
        self.text.setText(f"{MARKS[finding.level]}: {finding.what}")
        self.text.setToolTip(str(finding))
        colour_by_level(self.text, finding.level)
        self.button.setText(_BUTTONS.get(finding.code, ""))
        self.button.setToolTip(finding.mend)
        self.button.setVisible(finding.code in _BUTTONS)
