"""Text that is shown as it is: what looks like markup in a name is no markup."""

from __future__ import annotations

import html

from qtpy.QtCore import Qt
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QLabel, QWidget

ON_DARK = {"error": "#ff6b6b", "warning": "#ffb454", "ok": "#7bd88f"}
ON_LIGHT = {"error": "#b3261e", "warning": "#8a5200", "ok": "#1e6b34"}
"""Level of a message -> colour of its text; "info" has the theme's own."""

BAR = "QProgressBar::chunk { background: #4aa3ff; }"
"""Style of a progress bar: napari's is as grey when full as when empty."""


def plain_label(text: str = "", name: str = "", *, wrap: bool = False) -> QLabel:
    """Return a label that never takes its text for markup.

    Parameters
    ----------
    name : str
        Object name, by which a script finds it.
    wrap : bool
        Whether long lines are broken.
    """
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setText(text)
    label.setWordWrap(wrap)
    if name:
        label.setObjectName(name)
    return label


def colour_by_level(widget: QWidget, level: str) -> None:
    """Colour the text of a widget, so that it can be read in the present theme."""
    widget.setStyleSheet("")
    widget.ensurePolished()
    text = widget.palette().color(QPalette.ColorRole.WindowText)
    colours = ON_DARK if text.lightness() > 127 else ON_LIGHT
    if level in colours:
        widget.setStyleSheet(f"color: {colours[level]};")


def plain_tip(text: str) -> str:
    """Return a tooltip that shows a text as it is; Qt knows no plain tooltips."""
    return f"<qt>{html.escape(text).replace(chr(10), '<br>')}</qt>" if text else ""
