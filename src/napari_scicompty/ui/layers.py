"""Live layers: made once from a snapshot, then only their data is set.

Pure functions turn a snapshot into arrays; `LiveLayers` puts them into a viewer. Every
layer has the same length unit and the canvas' origin, so that the scale bar is true.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.optics.modes import orthogonal_modes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Image, Layer, Points
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_scicompty.snapshot import Snapshot

UNIT = "um"
PER_METRE = 1e6
METADATA_KEY = "scicompty"

PHASE = "Object phase"
MAGNITUDE = "Object magnitude"
PROBE = "Probe modes"
CANVAS_MAP = "Canvas map"
NOMINAL = "Positions (nominal)"
REFINED = "Positions (refined)"

VIEWS: dict[str, tuple[str, ...]] = {
    "Phase": (PHASE, REFINED),
    "Magnitude": (MAGNITUDE, REFINED),
    "Probe modes": (PROBE,),
    "Canvas map and positions": (CANVAS_MAP, NOMINAL, REFINED),
    "Side by side": (PHASE, MAGNITUDE, PROBE, CANVAS_MAP),
}
"""What can be chosen in one click -> the layers that are visible then."""

MOVED_PX = 1e-2
"""Positions that moved less than this many pixels count as not refined."""


def object_phase(snapshot: Snapshot) -> NDArray[np.float32]:
    """Phase of the object in radians, shape (H, W)."""
    return np.angle(snapshot.object)


def object_magnitude(snapshot: Snapshot) -> NDArray[np.float32]:
    """Magnitude of the object, shape (H, W)."""
    return np.abs(snapshot.object)


def probe_montage(snapshot: Snapshot) -> NDArray[np.float32]:
    """Magnitudes of the orthogonal modes side by side, strongest first."""
    modes = orthogonal_modes(snapshot.probe)
    return np.concatenate(list(np.abs(modes)), axis=1)


def view_centres(
    snapshot: Snapshot, positions_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Centres of the views in layer units, shape (n, 2)."""
    half = (np.array(snapshot.probe.shape[-2:]) - 1) / 2 * snapshot.pixel_size_m
    return (positions_m + half) * PER_METRE


def robust_limits(
    values: NDArray[np.float32], where: NDArray[np.bool_]
) -> tuple[float, float]:
    """Contrast limits that a few bright pixels cannot spoil."""
    chosen = values[where] if where.any() else values.ravel()
    low, high = np.percentile(chosen[np.isfinite(chosen)], (0.5, 99.5))
    return float(low), float(max(high, low + 1e-6))


class _LiveImage:
    """An image layer that follows a run; so do its limits until the user sets them."""

    def __init__(
        self,
        name: str,
        values: Callable[[Snapshot], NDArray[np.float32]],
        *,
        limits: Callable[[Snapshot, NDArray[np.float32]], tuple[float, float]],
        **options: Any,
    ) -> None:
        self.name = name
        self._values = values
        self._limits = limits
        self._options = options
        self._layer: weakref.ref[Image] | None = None
        self._own_limits: tuple[float, float] | None = None

    @property
    def layer(self) -> Image | None:
        return self._layer() if self._layer else None

    def show(self, viewer: Viewer, snapshot: Snapshot, *, create: bool) -> None:
        """Set the data; make the layer when it is not there and may be made."""
        layer = self.layer
        there = layer is not None and layer in viewer.layers
        if there and not layer.visible and not create:
            return
        if not there and not create:
            return
        values = self._values(snapshot)
        limits = self._limits(snapshot, values)
        place = _placed(snapshot)
        if not there:
            layer = viewer.add_image(
                values, name=self.name, contrast_limits=limits, **place, **self._options
            )
            self._layer = weakref.ref(layer)
            self._own_limits = tuple(layer.contrast_limits)
            return
        if layer.data.shape == values.shape and layer.data.dtype == values.dtype:
            layer.data[...] = values
            layer.refresh(extent=False, highlight=False)
        else:
            layer.data = values
        if create:
            layer.scale, layer.translate = place["scale"], place["translate"]
        if self._own_limits == tuple(layer.contrast_limits):
            layer.contrast_limits = limits
            self._own_limits = tuple(layer.contrast_limits)


class _LivePoints:
    """A points layer that follows positions."""

    def __init__(self, name: str, **options: Any) -> None:
        self.name = name
        self._options = options
        self._layer: weakref.ref[Points] | None = None

    @property
    def layer(self) -> Points | None:
        return self._layer() if self._layer else None

    def show(
        self,
        viewer: Viewer,
        snapshot: Snapshot,
        positions_m: NDArray[np.float64],
        *,
        create: bool,
    ) -> None:
        """Set the points; make the layer when it is not there and may be made."""
        layer = self.layer
        there = layer is not None and layer in viewer.layers
        if not there and not create:
            return
        points = view_centres(snapshot, positions_m)
        features = {
            "pattern": np.arange(len(points)),
            "error": snapshot.pattern_error.astype(float),
        }
        if not there:
            size = float(np.ptp(points, axis=0).max()) / 60 or 1.0
            layer = viewer.add_points(
                points,
                name=self.name,
                features=features,
                size=size,
                units=(UNIT, UNIT),
                axis_labels=("y", "x"),
                metadata=_metadata(snapshot),
                **self._options,
            )
            self._layer = weakref.ref(layer)
            return
        if not layer.visible and not create:
            return
        if not np.array_equal(layer.data, points):
            layer.data = points
        layer.features = features


class LiveLayers:
    """The layers of one viewer that follow its run.

    A layer that the user deletes stays away until the next run begins.
    """

    def __init__(self) -> None:
        self.images = (
            _LiveImage(
                CANVAS_MAP,
                lambda snapshot: snapshot.canvas_map,
                limits=lambda _, values: (0.0, float(values.max()) or 1.0),
                colormap="viridis",
                visible=False,
            ),
            _LiveImage(
                PROBE,
                probe_montage,
                limits=lambda _, values: (0.0, float(values.max()) or 1.0),
                colormap="inferno",
                visible=False,
            ),
            _LiveImage(
                MAGNITUDE,
                object_magnitude,
                limits=lambda snapshot, values: robust_limits(values, snapshot.lit),
                colormap="gray",
                visible=False,
            ),
            _LiveImage(
                PHASE,
                object_phase,
                limits=lambda *_: (-np.pi, np.pi),
                colormap="twilight",
            ),
        )
        self._nominal = _LivePoints(
            NOMINAL, face_color="transparent", border_color="#ffd166", visible=False
        )
        self._refined = _LivePoints(
            REFINED, face_color="transparent", border_color="#06d6a0"
        )

    def begin(self, viewer: Viewer, snapshot: Snapshot) -> None:
        """Show a snapshot, making every layer that is missing."""
        fresh = PHASE not in viewer.layers
        for image in self.images:
            image.show(viewer, snapshot, create=True)
        self._show_points(viewer, snapshot, create=True)
        if fresh:
            viewer.canvas.overlays.scale_bar.visible = True
            viewer.reset_view()
            viewer.layers.selection.active = viewer.layers[PHASE]

    def update(self, viewer: Viewer, snapshot: Snapshot) -> None:
        """Follow a snapshot: visible layers only, none is made anew."""
        for image in self.images:
            image.show(viewer, snapshot, create=False)
        self._show_points(viewer, snapshot, create=False)

    def wanted(self, viewer: Viewer) -> bool:
        """Whether any live layer can be seen."""
        return any(layer.visible for layer in self.present(viewer))

    def present(self, viewer: Viewer) -> list[Layer]:
        """Live layers that are in the viewer."""
        parts = (*self.images, self._nominal, self._refined)
        layers = [part.layer for part in parts]
        return [
            layer for layer in layers if layer is not None and layer in viewer.layers
        ]

    def _show_points(self, viewer: Viewer, snapshot: Snapshot, *, create: bool) -> None:
        nominal = snapshot.nominal_positions_m
        if nominal is None:
            nominal = snapshot.positions_m
        self._nominal.show(viewer, snapshot, nominal, create=create)
        moved = np.abs(snapshot.positions_m - nominal) / snapshot.pixel_size_m
        if self._refined.layer is not None or (create and moved.max() > MOVED_PX):
            self._refined.show(viewer, snapshot, snapshot.positions_m, create=create)


def layer_data(snapshot: Snapshot) -> list[tuple[Any, dict[str, Any], str]]:
    """Phase and magnitude as layer data, for readers where there is no window."""
    place = _placed(snapshot)
    return [
        (object_magnitude(snapshot), {"name": MAGNITUDE, **place}, "image"),
        (object_phase(snapshot), {"name": PHASE, **place}, "image"),
    ]


def show_view(viewer: Viewer, name: str) -> None:
    """Make one of `VIEWS` visible; other people's layers are left alone."""
    ours = {PHASE, MAGNITUDE, PROBE, CANVAS_MAP, NOMINAL, REFINED}
    for layer in viewer.layers:
        if layer.name in ours:
            layer.visible = layer.name in VIEWS[name]
    grid = viewer.canvas.grid
    grid.stride = 1
    side_by_side = name == "Side by side"
    if grid.enabled != side_by_side:
        grid.enabled = side_by_side
        viewer.reset_view()


def _placed(snapshot: Snapshot) -> dict[str, Any]:
    """Where an image of the canvas lies."""
    return {
        "scale": tuple(p * PER_METRE for p in snapshot.pixel_size_m),
        "translate": tuple(o * PER_METRE for o in snapshot.origin_m),
        "units": (UNIT, UNIT),
        "axis_labels": ("y", "x"),
        "metadata": _metadata(snapshot),
    }


def _metadata(snapshot: Snapshot) -> dict[str, Any]:
    return {METADATA_KEY: {"source": snapshot.source.path, "seed": snapshot.seed}}
