"""The foot of the Virtual experiment dock: buttons, and what was said."""

from __future__ import annotations

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_scicompty.ui.widgets.labels import BAR, colour_by_level, plain_label

BUTTONS = {
    "simulate": (
        "Simulate",
        "Measure the scan, and open it in the Reconstruction dock",
    ),
    "reconstruct": ("Reconstruct", "Simulate, and run the reconstruction"),
    "truth": ("Show the truth", "True phase, magnitude and probe as layers"),
    "compare": ("Compare", "Judge the result against the truth"),
    "save": ("Save scan …", "The scan with its truth, as CXI"),
    "save_recipe": (
        "Save recipe …",
        "Experiment and run as TOML, for the command line",
    ),
    "copy": ("Copy as Python", "Experiment and run as a script, on the clipboard"),
}
"""Name -> text and help."""
ROWS = (
    ("simulate", "reconstruct"),
    ("truth", "compare"),
    ("save", "save_recipe", "copy"),
)

LASTING_MS = 1000
"""What is done sooner needs no progress bar."""


class VirtualBar(QWidget):
    """Buttons, and a line for what was said."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.buttons: dict[str, QPushButton] = {}
        grid = QGridLayout()
        grid.setSpacing(4)
        for row, names in enumerate(ROWS):
            for column, name in enumerate(names):
                text, help = BUTTONS[name]
                button = QPushButton(text)
                button.setObjectName(f"{prefix}.{name}")
                button.setToolTip(help)
                wide = 6 // len(names)
                grid.addWidget(button, row, column * wide, 1, wide)
                self.buttons[name] = button
        self.progress = QProgressBar()
        self.progress.setObjectName(f"{prefix}.progress")
        self.progress.setFormat("")
        self.progress.setStyleSheet(BAR)
        self.stop = QPushButton("Stop")
        self.stop.setObjectName(f"{prefix}.stop")
        self.stop.setToolTip("Simulate no further; the scan from before stays")
        self._under_way = QWidget()
        row = QHBoxLayout(self._under_way)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.progress, 1)
        row.addWidget(self.stop)
        self._under_way.setVisible(False)
        self._lasting = QTimer(self)
        self._lasting.setSingleShot(True)
        self._lasting.setInterval(LASTING_MS)
        self._lasting.timeout.connect(lambda: self._under_way.setVisible(True))
        self.message = plain_label(name=f"{prefix}.message", wrap=True)
        self.message.setMinimumHeight(36)
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.message.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(4)
        layout.addLayout(grid)
        layout.addWidget(self._under_way)
        layout.addWidget(self.message)

    def show_message(self, level: str, sentence: str) -> None:
        """Show the last thing that was said."""
        self.message.setText(sentence)
        colour_by_level(self.message, level)

    def show_progress(self, busy: bool, done: int, planned: int) -> None:
        """Show how far it is, if it is under way for long; planned 0 is not known."""
        self.stop.setVisible(planned > 0)
        self.progress.setRange(0, planned)
        self.progress.setValue(done)
        if not busy:
            self._lasting.stop()
            self._under_way.setVisible(False)
        elif not self._lasting.isActive() and self._under_way.isHidden():
            self._lasting.start()

    def set_reasons(self, why_not: dict[str, str]) -> None:
        """Grey the buttons for which there is a reason, which their tooltip tells."""
        for name, button in self.buttons.items():
            reason = why_not[name]
            button.setEnabled(not reason)
            button.setToolTip(reason or BUTTONS[name][1])
