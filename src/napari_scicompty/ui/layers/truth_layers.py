"""The truth of a virtual experiment as layers, where the live layers lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.ui.layers.live_layer import PER_METRE, UNIT

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_scicompty.simulation import Truth

PHASE = "True phase"
MAGNITUDE = "True magnitude"
PROBE = "True probe"


def truth_layers(truth: Truth) -> list[tuple[object, dict[str, object], str]]:
    """Probe, magnitude and phase as layer data; only the phase is visible."""
    place = {
        "scale": tuple(p * PER_METRE for p in truth.pixel_size_m),
        "translate": tuple(o * PER_METRE for o in truth.origin_m),
        "units": (UNIT, UNIT),
        "axis_labels": ("y", "x"),
    }
    hidden = place | {"visible": False}
    modes = np.concatenate(list(np.abs(truth.probe)), axis=1)
    turn = {"colormap": "twilight", "contrast_limits": (-np.pi, np.pi)}
    return [
        (modes, {"name": PROBE, "colormap": "inferno", **hidden}, "image"),
        (
            np.abs(truth.object),
            {"name": MAGNITUDE, "colormap": "gray", **hidden},
            "image",
        ),
        (np.angle(truth.object), {"name": PHASE, **turn, **place}, "image"),
    ]


def show_truth(viewer: Viewer, truth: Truth) -> None:
    """Add the truth's layers, in place of those of an earlier one."""
    for values, options, _ in truth_layers(truth):
        if options["name"] in viewer.layers:
            viewer.layers.remove(options["name"])
        viewer.add_image(values, **options)
    viewer.canvas.overlays.scale_bar.visible = True
    viewer.reset_view()
