"""Our docks as tabs of one another: side by side they would not fit on a laptop."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

if TYPE_CHECKING:
    import napari
    from qtpy.QtGui import QShowEvent

_PANELS: weakref.WeakKeyDictionary[Any, weakref.WeakSet[Any]] = (
    weakref.WeakKeyDictionary()
)
_OURS = "scicompty_dock"
"""Property that marks a dock's widget as one of ours."""


class DockPanel(QWidget):
    """What lies in one of our docks; shown for the first time it joins the others."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty(_OURS, True)
        self._joined = False

    def showEvent(self, event: QShowEvent) -> None:
        """Join the other docks, once they have their places."""
        super().showEvent(event)
        if not self._joined:
            self._joined = True
            QTimer.singleShot(0, self._join)

    def _join(self) -> None:
        dock, window = dock_around(self), self.window()
        if dock is None or dock.isFloating() or not isinstance(window, QMainWindow):
            return
        others = [
            other
            for other in window.findChildren(QDockWidget)
            if other is not dock and not other.isFloating() and _is_ours(other)
        ]
        if others and dock not in window.tabifiedDockWidgets(others[0]):
            window.tabifyDockWidget(others[0], dock)
            dock.show()
            dock.raise_()


def dock_around(widget: QWidget) -> QDockWidget | None:
    """Return the dock that a widget lies in, if it lies in one."""
    holder = widget.parentWidget()
    while holder is not None and not isinstance(holder, QDockWidget):
        holder = holder.parentWidget()
    return holder


def _is_ours(dock: QDockWidget) -> bool:
    """Whether a dock that can be seen, or is behind another tab, is one of ours."""
    inside = [dock.widget(), *dock.findChildren(QWidget)]
    marked = any(w is not None and w.property(_OURS) for w in inside)
    return bool(marked and dock.toggleViewAction().isChecked())


def register(viewer: napari.viewer.Viewer, dock: QWidget) -> None:
    """Remember a Reconstruction dock of a viewer, as long as it lives."""
    _PANELS.setdefault(viewer, weakref.WeakSet()).add(dock)


def registered(viewer: napari.viewer.Viewer) -> Any:
    """Return a Reconstruction dock of this viewer; None if there is none."""
    viewer = getattr(viewer, "__wrapped__", viewer)
    docks = [dock for dock in _PANELS.get(viewer, ()) if dock.parent() is not None]
    return docks[0] if docks else None


def dock_of(viewer: napari.Viewer) -> Any:
    """Return the viewer's Reconstruction dock, in front; opened when there is none."""
    dock = registered(viewer)
    if dock is None:
        return viewer.window.add_plugin_dock_widget(
            "napari-scicompty", "Reconstruction", tabify=True
        )[1]
    holder = dock_around(dock)
    if holder is not None:
        holder.raise_()
    return dock
