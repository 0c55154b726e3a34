"""Sample data: a virtual experiment, opened in the Reconstruction dock."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_scicompty.simulation import VirtualExperiment, simulate
from napari_scicompty.ui.layers.live_layer import PER_METRE, UNIT
from napari_scicompty.ui.session.docks import dock_of


def virtual_experiment() -> list[tuple[Any, dict[str, Any], str]]:
    """Simulate the Siemens star, hand it to the dock, and return the true phase."""
    import napari

    experiment = VirtualExperiment()
    viewer = napari.current_viewer()
    if viewer is not None:
        dock_of(viewer).open_virtual(experiment)
    truth = simulate(experiment)[1]
    place = {
        "name": "True phase",
        "scale": tuple(p * PER_METRE for p in truth.pixel_size_m),
        "translate": tuple(o * PER_METRE for o in truth.origin_m),
        "units": (UNIT, UNIT),
        "colormap": "twilight",
        "contrast_limits": (-np.pi, np.pi),
        "visible": viewer is None,
    }
    return [(np.angle(truth.object), place, "image")]
