"""Live layers of positions: points at the centres of the views, arrows between them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.analysis.positions import displacements, outliers
from napari_scicompty.optics.grids import middle
from napari_scicompty.ui.layers.live_layer import (
    PER_METRE,
    UNIT,
    Live,
    metadata,
    refresh_extent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_scicompty.data.snapshot import Snapshot

MOVED_PX = 1e-2
"""Positions that moved less than this many pixels count as not refined."""

GREEN, RED = "#06d6a0", "#ff6b6b"
COLOURS = {False: GREEN, True: RED}
"""Of a position that is not an outlier, and of one that is."""

VISIBLE = 0.7
"""Automatic length of the median arrow, as a share of the space between positions."""


def view_centres(
    snapshot: Snapshot, positions_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Centres of the views in layer units, shape (n, 2)."""
    half = np.array([middle(n) for n in snapshot.probe.shape[-2:]])
    half = half * snapshot.pixel_size_m
    return (positions_m + half) * PER_METRE


def nominal_positions(snapshot: Snapshot) -> NDArray[np.float64]:
    """Positions as measured (n, 2), in metres."""
    if snapshot.nominal_positions_m is None:
        return snapshot.positions_m
    return snapshot.nominal_positions_m


def positions_moved(snapshot: Snapshot) -> bool:
    """Whether positions were refined."""
    moved = np.abs(snapshot.positions_m - nominal_positions(snapshot))
    return bool((moved / snapshot.pixel_size_m).max() > MOVED_PX)


def fitting_exaggeration(snapshot: Snapshot) -> float:
    """How many times longer than true arrows are drawn, so that one sees them.

    1, 2, 3, 5, 10, 20 ..., so that it seldom changes while a run is under way.
    """
    nominal = nominal_positions(snapshot)
    apart = math.sqrt(float(np.ptp(nominal, axis=0).prod()) / len(nominal))
    typical = float(np.median(np.hypot(*displacements(snapshot).T)))
    if not typical or not apart:
        return 1.0
    wanted = max(VISIBLE * apart / typical, 1.0)
    decade = 10.0 ** math.floor(math.log10(wanted))
    return decade * max(step for step in (1, 2, 3, 5) if step * decade <= wanted)


class LivePoints(Live):
    """A points layer at the centres of the views."""

    def __init__(
        self,
        name: str,
        positions_m: Callable[[Snapshot], NDArray[np.float64]],
        **options: object,
    ) -> None:
        super().__init__(name, **options)
        self._positions_m = positions_m

    def make(self, viewer: Viewer, snapshot: Snapshot) -> Layer:
        """Add the layer."""
        points = view_centres(snapshot, self._positions_m(snapshot))
        layer = viewer.add_points(
            points,
            name=self.name,
            features=_features(snapshot),
            size=_span(points) / 60,
            face_color="transparent",
            border_width=0.12,
            **_placed(snapshot),
            **self.options,
        )
        self.made(layer)
        return layer

    def follow(
        self, layer: Layer, snapshot: Snapshot, *, thumbnail: bool = True
    ) -> None:
        """Set the points, and what is known of each."""
        points = view_centres(snapshot, self._positions_m(snapshot))
        if not np.array_equal(layer.data, points):
            layer.data = points
            refresh_extent(layer)
        layer.features = _features(snapshot)


class LiveVectors(Live):
    """Arrows from the measured positions to the refined ones, without a common shift.

    The layer's data are true; its `length` is how many times longer they are drawn.
    """

    def __init__(self, name: str, **options: object) -> None:
        super().__init__(name, **options)
        self.exaggeration: float | None = None
        """As chosen; None is `fitting_exaggeration`."""
        self._own_length = 0.0

    def make(self, viewer: Viewer, snapshot: Snapshot) -> Layer:
        """Add the layer."""
        self._own_length = self._length(snapshot)
        arrows = _arrows(snapshot)
        layer = viewer.add_vectors(
            arrows,
            name=self.name,
            features=_features(snapshot),
            length=self._own_length,
            edge_width=_span(arrows[:, 0]) / 220,
            vector_style="arrow",
            edge_color="outlier",
            edge_color_cycle=COLOURS,
            opacity=1.0,
            **_placed(snapshot),
            **self.options,
        )
        self.made(layer)
        return layer

    def follow(
        self, layer: Layer, snapshot: Snapshot, *, thumbnail: bool = True
    ) -> None:
        """Set the arrows; their length too, until the user sets it in the layer."""
        arrows = _arrows(snapshot)
        if not np.array_equal(layer.data, arrows):
            layer.data = arrows
            layer.features = _features(snapshot)
            refresh_extent(layer)
        if layer.length == self._own_length != self._length(snapshot):
            self._own_length = layer.length = self._length(snapshot)

    def draw_as_chosen(self, layer: Layer, snapshot: Snapshot) -> None:
        """Draw the arrows as long as `exaggeration` says, whatever the user set."""
        self._own_length = layer.length = self._length(snapshot)

    def _length(self, snapshot: Snapshot) -> float:
        return self.exaggeration or fitting_exaggeration(snapshot)


def _arrows(snapshot: Snapshot) -> NDArray[np.float64]:
    """Start and vector of each arrow in layer units, shape (n, 2, 2)."""
    start = view_centres(snapshot, nominal_positions(snapshot))
    return np.stack([start, displacements(snapshot) * PER_METRE], axis=1)


def _span(points: NDArray[np.float64]) -> float:
    return float(np.ptp(points, axis=0).max()) or 60.0


def _features(snapshot: Snapshot) -> dict[str, object]:
    count = len(snapshot.positions_m)
    away = displacements(snapshot)
    return {
        "pattern": np.arange(count),
        "error": snapshot.pattern_error.astype(float),
        "displacement_nm": np.hypot(*away.T) * 1e9,
        "outlier": np.isin(np.arange(count), outliers(snapshot)),
    }


def _placed(snapshot: Snapshot) -> dict[str, object]:
    return {
        "units": (UNIT, UNIT),
        "axis_labels": ("y", "x"),
        "metadata": metadata(snapshot),
    }
