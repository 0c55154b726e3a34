"""Drag and drop: CXI, our results, any other HDF5, NPZ, MIB, folders of TIFFs.

Plain TIFF files stay napari's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_scicompty.core.errors import InputError
from napari_scicompty.formats import open_scan, read_patterns
from napari_scicompty.formats.tiff import holds_frames
from napari_scicompty.results import is_result, open_result
from napari_scicompty.ui.session.docks import dock_of
from napari_scicompty.ui.widgets.dataset_chooser import File

if TYPE_CHECKING:
    from collections.abc import Callable


LayerData = tuple[Any, ...]
OTHERS = (".npz", ".mib")
"""Files of patterns that are no HDF5, and that napari has no reader for."""
NO_LAYER: list[LayerData] = [(None,)]
"""Tells napari that a file was taken care of."""


def get_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Return a reader for scans, our results and folders of TIFFs, else None."""
    if not isinstance(path, str):
        return None
    if Path(path).is_dir():
        return read_plain if holds_frames(Path(path)) else None
    if path.lower().endswith(OTHERS):
        return read_plain
    if is_result(path):
        return read_result
    file = File.at(path)
    if path.lower().endswith(".cxi") or file.is_known:
        return read_scan
    return read_plain if file.may_be_scan else None


def read_scan(path: str) -> list[LayerData]:
    """Open a scan in the Reconstruction dock; a stack where there is no window."""
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        scan = open_scan(path)
        return [(scan.patterns, {"name": Path(path).name}, "image")]
    dock_of(viewer).open_path(path)
    return NO_LAYER


def read_plain(path: str) -> list[LayerData]:
    """Let the user say in the dock what the file does not; a stack without a window."""
    import napari

    viewer = napari.current_viewer()
    if viewer is None:
        patterns = read_patterns(Path(path)).patterns
        return [(patterns, {"name": Path(path).name}, "image")]
    dock = dock_of(viewer)
    if dock.controller.busy:
        raise InputError(f"{path}: stop what is under way before opening another file")
    dock.data.choose(path)
    missing = dock.data.datasets.next_step
    if Path(path).is_dir() or path.lower().endswith(OTHERS):
        missing = "give positions and geometry, then Open"
    dock.controller.say("info", f"{Path(path).name}: {missing}")
    return NO_LAYER


def read_result(path: str) -> list[LayerData]:
    """Show a result as live layers, so that a run can continue from it."""
    import napari

    from napari_scicompty.ui.layers.result_layers import layer_data
    from napari_scicompty.ui.session.controller import RunController

    viewer = napari.current_viewer()
    if viewer is None:
        return layer_data(open_result(path))
    controller = RunController.for_viewer(viewer)
    if controller.busy:
        raise InputError(
            f"{path}: stop the run that is under way before opening a result"
        )
    dock_of(viewer).result.open(Path(path))
    return NO_LAYER
