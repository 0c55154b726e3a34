"""Keys of a viewer that act on its Reconstruction dock, opened when there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_scicompty.ui.session.docks import dock_of, registered

if TYPE_CHECKING:
    from napari.viewer import Viewer

KEYS = {"R": "run", "H": "pause_resume", "X": "stop"}
"""With Ctrl and Alt -> what the dock does."""


def bind_keys(viewer: Viewer) -> None:
    """Bind the keys; again does no harm."""
    for key, name in KEYS.items():
        viewer.bind_key(
            f"Control-Alt-{key}",
            lambda viewer, name=name: getattr(_dock(viewer), name)(),
            overwrite=True,
        )


def _dock(viewer: Any) -> Any:
    return registered(viewer) or dock_of(viewer)
