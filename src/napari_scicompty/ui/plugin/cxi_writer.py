"""Writes the layers of the object and the probe as CXI: complex, from the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_scicompty.core.errors import InputError
from napari_scicompty.results.cxi_result import PARTS, Part, save_cxi
from napari_scicompty.ui.layers.result_layers import MAGNITUDE, PHASE, PROBE
from napari_scicompty.ui.session.controller import RunController, inputs_of_all

if TYPE_CHECKING:
    LayerData = tuple[Any, dict[str, Any], str]

SHOWS: dict[str, Part] = {PHASE: "object", MAGNITUDE: "object", PROBE: "probe"}
"""Layer -> what it shows a side of."""


def write_cxi(path: str, layers: list[LayerData]) -> list[str]:
    """Write what the layers show a side of: a phase alone is no object.

    The complex numbers are those of the result on show, not of the layers, which may
    be hidden and lag behind. napari has asked before whether a file may be replaced.

    Raises
    ------
    InputError
        A layer that does not belong to the result on show, no window, an input of a
        run, a folder that is missing or cannot be written, or a full disk.
    """
    import napari

    viewer = napari.current_viewer()
    controller = None if viewer is None else RunController.for_viewer(viewer)
    if viewer is None or controller is None or controller.snapshot is None:
        raise InputError(
            f"{path}: there is no result on show, and layers hold no complex numbers; "
            "run a reconstruction or open a result first"
        )
    wanted = set()
    for data, attributes, _ in layers:
        name = controller.layers.name_of(viewer, data)
        if name not in SHOWS:
            raise InputError(
                f"{path}: the layer {attributes.get('name')!r} is not of the result on "
                f"show, or is no complex image; select {', '.join(SHOWS)}"
            )
        wanted.add(SHOWS[name])
    parts = [part for part in PARTS if part in wanted]
    save_cxi(path, controller.snapshot, parts, inputs=inputs_of_all(), overwrite=True)
    return [path]
