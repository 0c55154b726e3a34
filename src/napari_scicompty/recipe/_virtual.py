"""What a recipe knows of a virtual experiment before it is reconstructed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.simulation.beams import ZonePlateBeam
from napari_scicompty.workflow.start import AutoStart, DiscProbe, ZonePlateProbe

if TYPE_CHECKING:
    from napari_scicompty.simulation import VirtualExperiment
    from napari_scicompty.workflow.start import Start


def known_start(experiment: VirtualExperiment) -> Start:
    """Return the start that its optics suggest; its phase and modes stay unknown."""
    beam = experiment.probe
    if experiment.propagation == "near-field":
        return AutoStart()
    if isinstance(beam, ZonePlateBeam):
        return ZonePlateProbe(
            diameter_m=beam.diameter_m,
            outer_zone_m=beam.outer_zone_m,
            stop_m=beam.stop_m,
        )
    return DiscProbe(radius_m=experiment.probe_radius_m)
