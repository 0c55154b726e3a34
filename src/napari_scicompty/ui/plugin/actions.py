"""Actions of the command palette; each acts on the current viewer's dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer

from napari_scicompty.ui.session.docks import dock_of

if TYPE_CHECKING:
    from napari_scicompty.ui.reconstruction.panel import Reconstruction


def run() -> None:
    """Run, or continue, the reconstruction."""
    _dock().run()


def pause_resume() -> None:
    """Pause or resume the reconstruction."""
    _dock().pause_resume()


def stop() -> None:
    """Stop the reconstruction and keep its result."""
    _dock().stop()


def save_result() -> None:
    """Save the result."""
    _dock().result.save()


def copy_as_python() -> None:
    """Copy the settings of the dock as a Python script."""
    _dock().result.copy_as_python()


def show_resolution() -> None:
    """Show where the resolution is measured."""
    _show_section("Resolution")


def show_positions() -> None:
    """Show where positions are refined."""
    _show_section("Positions")


def _show_section(title: str) -> None:
    dock = _dock()
    section = dock.sections[title]
    section.expand()
    QTimer.singleShot(0, lambda: dock.scroll.ensureWidgetVisible(section))


def copy_report() -> None:
    """Copy a report of versions, devices, settings and log."""
    _dock().result.copy_report()


def _dock() -> Reconstruction:
    import napari

    viewer = napari.current_viewer()
    assert viewer is not None, "napari runs actions in a viewer only"
    return dock_of(viewer)
