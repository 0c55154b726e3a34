"""Text that is shown as it is: what looks like markup in a name is no markup."""

from __future__ import annotations

import html

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel

COLOURS = {"error": "#ff6b6b", "warning": "#ffb454", "info": ""}
"""Level of a message -> colour of its text; none is the theme's own."""

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


def plain_tip(text: str) -> str:
    """Return a tooltip that shows a text as it is; Qt knows no plain tooltips."""
    return f"<qt>{html.escape(text).replace(chr(10), '<br>')}</qt>" if text else ""
