"""Live layers: made once from a snapshot, then only their data is set.

Pure functions turn a snapshot into arrays; `LiveLayers` puts them into a viewer. Every
layer has the same length unit and the canvas' origin, so that the scale bar is true.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.optics.modes import orthogonal_modes

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
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

LEAST_PHASE = 0.1
"""Radians that are shown as a full contrast at least."""

LIMITS_EVERY_S = 1.0
"""How often contrast limits are looked after in a run: the lit region takes a while."""

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


def nominal_positions(snapshot: Snapshot) -> NDArray[np.float64]:
    """Positions as measured (n, 2), in metres."""
    if snapshot.nominal_positions_m is None:
        return snapshot.positions_m
    return snapshot.nominal_positions_m


def positions_moved(snapshot: Snapshot) -> bool:
    """Whether positions were refined."""
    moved = np.abs(snapshot.positions_m - nominal_positions(snapshot))
    return bool((moved / snapshot.pixel_size_m).max() > MOVED_PX)


def robust_limits(
    values: NDArray[np.float32], where: NDArray[np.bool_]
) -> tuple[float, float]:
    """Contrast limits that a few bright pixels cannot spoil."""
    chosen = values[where] if where.any() else values.ravel()
    low, high = np.percentile(chosen[np.isfinite(chosen)], (0.5, 99.5))
    return float(low), float(max(high, low + 1e-6))


def phase_limits(
    values: NDArray[np.float32], where: NDArray[np.bool_]
) -> tuple[float, float]:
    """Let a weak phase span half of the colour circle: light to dark, without a turn.

    A phase that spans half a turn or more has the whole circle.
    """
    low, high = robust_limits(values, where)
    span = max(high - low, LEAST_PHASE)
    return (low, low + 2 * span) if span < np.pi else (-np.pi, np.pi)


class _Live:
    """A layer that follows a run; looked up by identity, so that it may be renamed."""

    def __init__(self, name: str, **options: Any) -> None:
        self.name = name
        self.options = options
        self._layer: weakref.ref[Layer] | None = None

    def layer_in(self, viewer: Viewer) -> Any:
        """Return the layer, None when it was never made or has been deleted."""
        layer = self._layer() if self._layer is not None else None
        return layer if layer is not None and layer in viewer.layers else None

    def is_layer(self, layer: Layer) -> bool:
        """Whether this is the layer that was made."""
        return self._layer is not None and self._layer() is layer

    @property
    def ever_made(self) -> bool:
        """Whether the layer was made once (it may have been deleted since)."""
        return self._layer is not None

    def made(self, layer: Layer) -> None:
        """Remember the layer, without keeping it alive."""
        self._layer = weakref.ref(layer)


class _LiveImage(_Live):
    """An image layer; its contrast limits follow too until the user sets them."""

    def __init__(
        self,
        name: str,
        values: Callable[[Snapshot], NDArray[np.float32]],
        limits: Callable[[Snapshot, NDArray[np.float32]], tuple[float, float]],
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self._values = values
        self._limits = limits
        self._own_limits: tuple[float, ...] = ()
        self._looked = -LIMITS_EVERY_S

    def make(self, viewer: Viewer, snapshot: Snapshot) -> Any:
        """Add the layer."""
        values = self._values(snapshot)
        limits = self._limits(snapshot, values)
        layer = viewer.add_image(
            values,
            name=self.name,
            contrast_limits=limits,
            **_placed(snapshot),
            **self.options,
        )
        self._own_limits = tuple(layer.contrast_limits)
        self.made(layer)
        return layer

    def follow(self, layer: Any, snapshot: Snapshot, *, thumbnail: bool = True) -> None:
        """Set the data of the layer."""
        values = self._values(snapshot)
        if layer.data.shape == values.shape:
            layer.data[...] = values
            # A new thumbnail repaints the layer list, and with it the whole window.
            layer.refresh(thumbnail=thumbnail, extent=False, highlight=False)
        else:
            layer.data = values
        place = _placed(snapshot)
        if not np.allclose(layer.translate, place["translate"]):
            layer.translate = place["translate"]
        if not np.allclose(layer.scale, place["scale"]):
            layer.scale = place["scale"]
        due = thumbnail or time.monotonic() - self._looked > LIMITS_EVERY_S
        if due and self._own_limits == tuple(layer.contrast_limits):
            self._looked = time.monotonic()
            self._follow_limits(layer, self._limits(snapshot, values))

    def _follow_limits(self, layer: Any, limits: tuple[float, float]) -> None:
        """Set contrast limits that moved by over 2 %: each setting costs a repaint."""
        span = self._own_limits[1] - self._own_limits[0]
        if np.abs(np.subtract(limits, self._own_limits)).max() > 0.02 * span:
            layer.contrast_limits = limits
            self._own_limits = tuple(layer.contrast_limits)


class _LivePoints(_Live):
    """A points layer at the centres of the views."""

    def __init__(
        self,
        name: str,
        positions_m: Callable[[Snapshot], NDArray[np.float64]],
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self._positions_m = positions_m

    def make(self, viewer: Viewer, snapshot: Snapshot) -> Any:
        """Add the layer."""
        points = view_centres(snapshot, self._positions_m(snapshot))
        layer = viewer.add_points(
            points,
            name=self.name,
            features=_features(snapshot),
            size=float(np.ptp(points, axis=0).max()) / 60 or 1.0,
            units=(UNIT, UNIT),
            axis_labels=("y", "x"),
            metadata=_metadata(snapshot),
            **self.options,
        )
        self.made(layer)
        return layer

    def follow(self, layer: Any, snapshot: Snapshot, *, thumbnail: bool = True) -> None:
        """Set the points, and the error of each as a feature."""
        points = view_centres(snapshot, self._positions_m(snapshot))
        if not np.array_equal(layer.data, points):
            layer.data = points
        layer.features = _features(snapshot)


class LiveLayers:
    """The layers of one viewer that follow its run.

    A layer that the user deletes stays away until the next run begins; a hidden one is
    brought up to date when it is shown.
    """

    def __init__(self) -> None:
        self._snapshot: Snapshot | None = None
        self._refined = _LivePoints(
            REFINED,
            lambda snapshot: snapshot.positions_m,
            face_color="transparent",
            border_color="#06d6a0",
        )
        self._parts: tuple[_LiveImage | _LivePoints, ...] = (
            _LiveImage(
                CANVAS_MAP,
                lambda snapshot: snapshot.canvas_map,
                _from_zero,
                colormap="viridis",
                visible=False,
            ),
            _LiveImage(
                PROBE, probe_montage, _from_zero, colormap="inferno", visible=False
            ),
            _LiveImage(
                MAGNITUDE,
                object_magnitude,
                lambda snapshot, values: robust_limits(values, snapshot.lit),
                colormap="gray",
                visible=False,
            ),
            _LiveImage(
                PHASE,
                object_phase,
                lambda snapshot, values: phase_limits(values, snapshot.lit),
                colormap="twilight",
            ),
            _LivePoints(
                NOMINAL,
                nominal_positions,
                face_color="transparent",
                border_color="#ffd166",
                visible=False,
            ),
            self._refined,
        )

    def begin(self, viewer: Viewer, snapshot: Snapshot) -> None:
        """Show a snapshot, making every layer that is missing."""
        self._snapshot = snapshot
        fresh = PHASE not in viewer.layers
        for part in self._parts:
            layer = part.layer_in(viewer)
            if layer is not None:
                part.follow(layer, snapshot)
            elif part is not self._refined or positions_moved(snapshot):
                layer = part.make(viewer, snapshot)
                layer.events.visible.connect(self._visibility_changed)
        if fresh:
            viewer.canvas.overlays.scale_bar.visible = True
            viewer.reset_view()
            viewer.layers.selection.active = viewer.layers[PHASE]

    def update(
        self, viewer: Viewer, snapshot: Snapshot, *, thumbnails: bool = True
    ) -> None:
        """Follow a snapshot: visible layers only; none that was deleted comes back."""
        self._snapshot = snapshot
        for part in self._parts:
            layer = part.layer_in(viewer)
            if layer is not None and layer.visible:
                part.follow(layer, snapshot, thumbnail=thumbnails)
        if positions_moved(snapshot) and not self._refined.ever_made:
            self._refined.make(viewer, snapshot)

    def wanted(self, viewer: Viewer) -> bool:
        """Whether any live layer can be seen."""
        layers = [part.layer_in(viewer) for part in self._parts]
        return any(layer is not None and layer.visible for layer in layers)

    def _visibility_changed(self, event: Any) -> None:
        """Bring a layer up to date that has just been shown."""
        if self._snapshot is None or not event.source.visible:
            return
        for part in self._parts:
            if part.is_layer(event.source):
                part.follow(event.source, self._snapshot)


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


def _from_zero(_: Snapshot, values: NDArray[np.float32]) -> tuple[float, float]:
    return 0.0, float(values.max()) or 1.0


def _features(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "pattern": np.arange(len(snapshot.positions_m)),
        "error": snapshot.pattern_error.astype(float),
    }


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
