"""The foot of the Virtual experiment dock: buttons, and what was said."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QGridLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_scicompty.ui.run_bar import COLOURS

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
        self.progress.setRange(0, 0)
        self.progress.setTextVisible(False)
        self.progress.setVisible(False)
        self.message = QLabel("")
        self.message.setObjectName(f"{prefix}.message")
        self.message.setWordWrap(True)
        self.message.setMinimumHeight(36)
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.message.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(4)
        layout.addLayout(grid)
        layout.addWidget(self.progress)
        layout.addWidget(self.message)

    def show_message(self, level: str, sentence: str) -> None:
        """Show the last thing that was said."""
        self.message.setText(sentence)
        self.message.setStyleSheet(
            f"color: {COLOURS[level]};" if COLOURS.get(level) else ""
        )

    def set_busy(self, busy: bool) -> None:
        """Show that something is under way."""
        self.progress.setVisible(busy)

    def set_reasons(self, why_not: dict[str, str]) -> None:
        """Grey the buttons for which there is a reason, which their tooltip tells."""
        for name, button in self.buttons.items():
            reason = why_not[name]
            button.setEnabled(not reason)
            button.setToolTip(reason or BUTTONS[name][1])
