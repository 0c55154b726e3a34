"""Sample data: a measured scan that comes with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from napari_scicompty.algorithms import RPIE
from napari_scicompty.core.errors import InputError
from napari_scicompty.formats import open_scan
from napari_scicompty.ui.layers.live_layer import PER_METRE, UNIT
from napari_scicompty.ui.session.docks import dock_of
from napari_scicompty.workflow.start import AutoStart

STAR = Path(str(files("napari_scicompty") / "samples_data" / "siemens_star.cxi"))
"""132 patterns of a Siemens star, 8.8 keV, far field; its licence is beside it."""
MODES = 3
EPOCHS = 40


def measured_star() -> list[tuple[Any, dict[str, Any], str]]:
    """Open the star in the dock, set so that Run gives a clear picture.

    Returns the centres of the views as a layer, hidden where there is a dock.
    """
    import napari

    viewer = napari.current_viewer()
    if viewer is not None:
        dock = dock_of(viewer)
        if dock.controller.busy:
            raise InputError("stop what is under way before opening the sample")
        dock.start.set_value(AutoStart())
        dock.algorithm.set_value(RPIE())
        dock.bar.form.set_values({"modes": MODES, "epochs": EPOCHS})
        dock.open_path(str(STAR))
    scan = open_scan(STAR)
    half = (np.array(scan.frame_shape) - 1) / 2 * scan.pixel_size_m
    points = (scan.positions_m + half) * PER_METRE
    place = {
        "name": "Scan path",
        "units": (UNIT, UNIT),
        "size": float(np.ptp(points)) / 60,
        "visible": viewer is None,
    }
    return [(points, place, "points")]
