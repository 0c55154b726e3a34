"""What only napari, Qt and magicgui know: docks, layers, plots and the worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_scicompty.ui.figure.dock import FigureExport
    from napari_scicompty.ui.reconstruction.panel import Reconstruction
    from napari_scicompty.ui.virtual.dock import VirtualExperimentDock

__all__ = ["FigureExport", "Reconstruction", "VirtualExperimentDock"]


def __getattr__(name: str) -> Any:
    if name == "Reconstruction":
        from napari_scicompty.ui.reconstruction.panel import Reconstruction

        return Reconstruction
    if name == "FigureExport":
        from napari_scicompty.ui.figure.dock import FigureExport

        return FigureExport
    if name == "VirtualExperimentDock":
        from napari_scicompty.ui.virtual.dock import VirtualExperimentDock

        return VirtualExperimentDock
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
