"""Collapsible sections in a scroll area: docks that fit a laptop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtpy.QtGui import QResizeEvent, QShowEvent

NO_LIMIT = 2**24 - 1
"""Qt's largest height of a widget."""


class CollapsibleSection(QCollapsible):
    """A titled part of a dock that folds away."""

    def __init__(self, title: str, widget: QWidget, *, expanded: bool = False) -> None:
        super().__init__(title)
        self._draw_arrows()
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.toggleButton().setStyleSheet(
            "QPushButton { text-align: left; font-weight: bold; padding: 4px; }"
            "QPushButton:checked:!hover { background: transparent; }"
        )
        inside = self.content().layout()
        inside.setContentsMargins(6, 2, 2, 6)
        inside.addWidget(widget)
        if expanded:
            self.expand()
        else:
            self.collapse()

    def changeEvent(self, event: QEvent | None) -> None:
        """Draw the arrows anew in the colour of another theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange:
            self._draw_arrows()

    def showEvent(self, event: QShowEvent | None) -> None:
        """Draw the arrows in the colour of the text, which is known by now."""
        super().showEvent(event)
        self._draw_arrows()

    def _draw_arrows(self) -> None:
        self.toggleButton().ensurePolished()
        self.setExpandedIcon("▾")
        self.setCollapsedIcon("▸")

    def expand(self, animate: bool = False) -> None:
        """Unfold, without an animation and without a limit to what is inside."""
        super().expand(animate=False)
        self.content().setMaximumHeight(NO_LIMIT)

    def collapse(self, animate: bool = False) -> None:
        """Fold, without an animation."""
        super().collapse(animate=False)


class WrappedLabel(QLabel):
    """Text over several lines that claims its height: sections do not ask for it."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)

    def setText(self, text: str) -> None:
        """Show a text."""
        super().setText(text)
        self._claim()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap anew."""
        super().resizeEvent(event)
        self._claim()

    def _claim(self) -> None:
        self.setMinimumHeight(max(0, self.heightForWidth(self.width())))


class OneOf(QWidget):
    """Several widgets in one place, of which one is shown."""

    def __init__(self, widgets: Sequence[QWidget]) -> None:
        super().__init__()
        self._widgets = widgets
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in widgets:
            layout.addWidget(widget)
        self.show_only(0)

    def show_only(self, index: int) -> None:
        """Show one, hide the others."""
        for i, widget in enumerate(self._widgets):
            widget.setVisible(i == index)


def bring_in_sight(section: CollapsibleSection, scroll: QScrollArea) -> None:
    """Unfold a section and scroll to it."""
    section.expand()
    scroll.ensureWidgetVisible(section)


def panel_scroll_area(inside: QWidget) -> QScrollArea:
    """Return a vertical scroll area around a dock's content."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setMinimumWidth(320)
    area.setWidget(inside)
    return area
