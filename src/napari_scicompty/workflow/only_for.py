"""Starts that mean something in one kind of propagation only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.core.settings import Settings


def only_for(propagation: str, start: Settings, geometry: Geometry) -> None:
    """Refuse a start that means nothing in the other kind of propagation.

    Parameters
    ----------
    propagation : {"far-field", "near-field"}
        That the start is for.
    start : Settings
        How the probe begins.
    geometry : Geometry
        Of the scan.

    Raises
    ------
    InputError
        A scan of the other kind.
    """
    if geometry.propagation != propagation:
        raise InputError(
            field="start",
            problem=f"{type(start).__name__} is for {propagation} scans, and this one "
            f"is {geometry.propagation}",
            remedy="take the automatic start, a disc or a probe file",
        )
