"""The live layers of a viewer, and which of them are shown.

Pure functions turn a snapshot into arrays; `LiveLayers` puts them into a viewer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.optics.modes import orthogonal_modes
from napari_scicompty.ui.layers.live_layer import Live, LiveImage, placed
from napari_scicompty.ui.layers.position_layers import (
    COLOURS,
    LivePoints,
    LiveVectors,
    nominal_positions,
    positions_moved,
)

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.utils.events import Event
    from napari.viewer import Viewer
    from numpy.typing import NDArray

    from napari_scicompty.data.snapshot import Snapshot

PHASE = "Object phase"
MAGNITUDE = "Object magnitude"
PROBE = "Probe modes"
CANVAS_MAP = "Canvas map"
NOMINAL = "Positions (nominal)"
REFINED = "Positions (refined)"
DISPLACEMENTS = "Displacements"

VIEWS: dict[str, tuple[str, ...]] = {
    "Phase": (PHASE, REFINED),
    "Magnitude": (MAGNITUDE, REFINED),
    "Probe modes": (PROBE,),
    "Canvas map and positions": (CANVAS_MAP, NOMINAL, REFINED),
    "Positions": (MAGNITUDE, NOMINAL, REFINED, DISPLACEMENTS),
    "Side by side": (PHASE, MAGNITUDE, PROBE, CANVAS_MAP),
}
"""What can be chosen in one click -> the layers that are visible then."""

LEAST_PHASE = 0.1
"""Radians that are shown as a full contrast at least."""


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


class LiveLayers:
    """The layers of one viewer that follow its run.

    A layer that the user deletes stays away until the next run begins; a hidden one is
    brought up to date when it is shown.
    """

    def __init__(self) -> None:
        self.view = next(iter(VIEWS))
        """Which of `VIEWS` was chosen."""
        self._snapshot: Snapshot | None = None
        refined = LivePoints(
            REFINED,
            lambda snapshot: snapshot.positions_m,
            border_color="outlier",
            border_color_cycle=COLOURS,
        )
        self._displacements = LiveVectors(DISPLACEMENTS)
        self._of_moved = (refined, self._displacements)
        """Layers that there are once positions have moved."""
        self._parts: tuple[Live, ...] = (
            LiveImage(
                CANVAS_MAP,
                lambda snapshot: snapshot.canvas_map,
                _from_zero,
                colormap="viridis",
            ),
            LiveImage(PROBE, probe_montage, _from_zero, colormap="inferno"),
            LiveImage(
                MAGNITUDE,
                object_magnitude,
                lambda snapshot, values: robust_limits(values, snapshot.lit),
                colormap="gray",
            ),
            LiveImage(
                PHASE,
                object_phase,
                lambda snapshot, values: phase_limits(values, snapshot.lit),
                colormap="twilight",
            ),
            LivePoints(NOMINAL, nominal_positions, border_color="#ffd166"),
            *self._of_moved,
        )

    def begin(self, viewer: Viewer, snapshot: Snapshot) -> None:
        """Show a snapshot, making every layer that is missing."""
        is_elsewhere = self._snapshot is None or not _same_place(
            self._snapshot, snapshot
        )
        self._snapshot = snapshot
        fresh = PHASE not in viewer.layers
        for part in self._parts:
            layer = part.layer_in(viewer)
            if layer is not None:
                part.follow(layer, snapshot)
            elif part not in self._of_moved:
                self._make(part, viewer, snapshot)
            else:
                part.forget()
        self._make_of_moved(viewer, snapshot)
        if fresh:
            viewer.canvas.overlays.scale_bar.visible = True
            viewer.layers.selection.active = viewer.layers[PHASE]
        if fresh or is_elsewhere:
            self._fit(viewer)

    def preview(self, viewer: Viewer, snapshot: Snapshot) -> None:
        """Show a picture that is no result yet: only what can be seen follows."""
        if self._snapshot is None or not _same_place(self._snapshot, snapshot):
            self.begin(viewer, snapshot)
        else:
            self.update(viewer, snapshot, whole=False)

    def _fit(self, viewer: Viewer) -> None:
        """Show what can be seen whole; layers of other scans may lie far away."""
        viewer.reset_view()
        found = (part.layer_in(viewer) for part in self._parts)
        layers = [layer for layer in found if layer is not None]
        seen = [layer for layer in layers if layer.visible] or layers
        extents = [layer.extent.world for layer in seen]
        if viewer.canvas.grid.enabled or not extents:
            return
        # Not napari's own fit_to_view(layers=...): it keeps the window alive for ever.
        low = np.min([extent[0] for extent in extents], axis=0)
        high = np.max([extent[1] for extent in extents], axis=0)
        size = np.maximum(high - low, 1e-12)
        viewer.scene.camera.center = tuple((low + high) / 2)
        viewer.scene.camera.zoom = 0.95 * float(np.min(viewer.canvas.size / size))

    def leave(self, viewer: Viewer, name: str) -> None:
        """Let the layers be as they are, hidden and under names of their own.

        Parameters
        ----------
        name : str
            Of what they show.
        """
        for part in self._parts:
            layer = part.layer_in(viewer)
            if layer is not None:
                layer.events.visible.disconnect(self._visibility_changed)
                layer.name = f"{part.name} ({name})"
                layer.visible = False
            part.forget()
        self._snapshot = None

    def update(self, viewer: Viewer, snapshot: Snapshot, *, whole: bool = True) -> None:
        """Follow a snapshot; no layer that was deleted comes back.

        Parameters
        ----------
        whole : bool
            Hidden layers and thumbnails, too: what a person may save has to be true.
            While a run goes on only what can be seen follows.
        """
        self._snapshot = snapshot
        for part in self._parts:
            layer = part.layer_in(viewer)
            if layer is not None and (whole or layer.visible):
                part.follow(layer, snapshot, thumbnail=whole)
        self._make_of_moved(viewer, snapshot)

    def _make_of_moved(self, viewer: Viewer, snapshot: Snapshot) -> None:
        if positions_moved(snapshot):
            selected = viewer.layers.selection.active
            for part in self._of_moved:
                if not part.ever_made:
                    self._make(part, viewer, snapshot)
            viewer.layers.selection.active = selected

    def _make(self, part: Live, viewer: Viewer, snapshot: Snapshot) -> None:
        layer = part.make(viewer, snapshot)
        layer.visible = part.name in VIEWS[self.view]
        layer.events.visible.connect(self._visibility_changed)

    def wanted(self, viewer: Viewer) -> bool:
        """Whether any live layer can be seen."""
        layers = [part.layer_in(viewer) for part in self._parts]
        return any(layer is not None and layer.visible for layer in layers)

    def name_of(self, viewer: Viewer, data: object) -> str | None:
        """Return the first name of the live layer that holds these data, or None."""
        for part in self._parts:
            layer = part.layer_in(viewer)
            if layer is not None and layer.data is data:
                return part.name
        return None

    def show_view(self, viewer: Viewer, name: str) -> None:
        """Make one of `VIEWS` visible; other people's layers are left alone."""
        self.view = name
        ours = {part.name for part in self._parts}
        for layer in viewer.layers:
            if layer.name in ours:
                layer.visible = layer.name in VIEWS[name]
        grid = viewer.canvas.grid
        grid.stride = 1
        side_by_side = name == "Side by side"
        if grid.enabled != side_by_side:
            grid.enabled = side_by_side
            viewer.reset_view()

    # -- displacements ----------------------------------------------------------------
    @property
    def exaggeration(self) -> float | None:
        """How many times longer displacements are drawn; None is automatic."""
        return self._displacements.exaggeration

    def exaggerate(self, viewer: Viewer, factor: float | None) -> None:
        """Draw displacements so many times longer than they are; None: automatic."""
        self._displacements.exaggeration = factor
        layer = self._displacements.layer_in(viewer)
        if layer is not None and self._snapshot is not None:
            self._displacements.draw_as_chosen(layer, self._snapshot)

    def displacements_in(self, viewer: Viewer) -> Layer | None:
        """Return the layer of arrows, None where there is none.

        Its `length` may have been set in the layer's own controls.
        """
        return self._displacements.layer_in(viewer)

    def _visibility_changed(self, event: Event) -> None:
        """Bring a layer up to date that has just been shown."""
        if self._snapshot is None or not event.source.visible:
            return
        for part in self._parts:
            if part.is_layer(event.source):
                part.follow(event.source, self._snapshot)


def _same_place(one: Snapshot, other: Snapshot) -> bool:
    """Whether two objects lie on the same pixels."""
    places = ((s.object.shape, s.pixel_size_m, s.origin_m) for s in (one, other))
    first, second = places
    return first == second


def layer_data(snapshot: Snapshot) -> list[tuple[object, dict[str, object], str]]:
    """Phase and magnitude as layer data, for readers where there is no window."""
    place = placed(snapshot)
    return [
        (object_magnitude(snapshot), {"name": MAGNITUDE, **place}, "image"),
        (object_phase(snapshot), {"name": PHASE, **place}, "image"),
    ]


def _from_zero(_: Snapshot, values: NDArray[np.float32]) -> tuple[float, float]:
    return 0.0, float(values.max()) or 1.0
