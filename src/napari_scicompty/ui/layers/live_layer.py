"""A layer that follows a run: made once from a snapshot, then only its data is set.

Every layer has the same length unit and the canvas' origin, so that the scale bar is
true.
"""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING, TypedDict

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer
    from napari.viewer import Viewer
    from numpy.typing import ArrayLike, NDArray

    from napari_scicompty.data.snapshot import Snapshot

    class _Place(TypedDict):
        scale: tuple[float, ...]
        translate: tuple[float, ...]
        units: tuple[str, str]
        axis_labels: tuple[str, str]
        metadata: dict[str, object]


UNIT = "um"
PER_METRE = 1e6
METADATA_KEY = "scicompty"

LIMITS_EVERY_S = 1.0
"""How often contrast limits are looked after in a run: the lit region takes a while."""


class Live:
    """A layer that follows a run; looked up by identity, so that it may be renamed."""

    def __init__(self, name: str, **options: object) -> None:
        self.name = name
        self.options = options
        self._layer: weakref.ref[Layer] | None = None

    def layer_in(self, viewer: Viewer) -> Layer | None:
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

    def forget(self) -> None:
        """Let a layer that was deleted be made again."""
        self._layer = None

    def make(self, viewer: Viewer, snapshot: Snapshot) -> Layer:
        """Add the layer."""
        raise NotImplementedError

    def follow(
        self, layer: Layer, snapshot: Snapshot, *, thumbnail: bool = True
    ) -> None:
        """Set the data of the layer."""
        raise NotImplementedError


class LiveImage(Live):
    """An image layer; its contrast limits follow too until the user sets them."""

    def __init__(
        self,
        name: str,
        values: Callable[[Snapshot], NDArray[np.float32]],
        limits: Callable[[Snapshot, NDArray[np.float32]], tuple[float, float]],
        **options: object,
    ) -> None:
        super().__init__(name, **options)
        self._values = values
        self._limits = limits
        self._own_limits: tuple[float, ...] = ()
        self._looked = -LIMITS_EVERY_S

    def make(self, viewer: Viewer, snapshot: Snapshot) -> Layer:
        """Add the layer."""
        values = self._values(snapshot)
        limits = self._limits(snapshot, values)
        layer = viewer.add_image(
            values,
            name=self.name,
            contrast_limits=limits,
            **placed(snapshot),
            **self.options,
        )
        self._own_limits = tuple(layer.contrast_limits)
        self.made(layer)
        return layer

    def follow(
        self, layer: Layer, snapshot: Snapshot, *, thumbnail: bool = True
    ) -> None:
        """Set the data of the layer."""
        values = self._values(snapshot)
        if layer.data.shape == values.shape:
            layer.data[...] = values
            # A new thumbnail repaints the layer list, and with it the whole window.
            layer.refresh(thumbnail=thumbnail, extent=False, highlight=False)
        else:
            layer.data = values
        place = placed(snapshot)
        if not _same(layer.translate, place["translate"]):
            layer.translate = place["translate"]
        if not _same(layer.scale, place["scale"]):
            layer.scale = place["scale"]
        refresh_extent(layer)
        due = thumbnail or time.monotonic() - self._looked > LIMITS_EVERY_S
        if due and self._own_limits == tuple(layer.contrast_limits):
            self._looked = time.monotonic()
            self._follow_limits(layer, self._limits(snapshot, values))

    def _follow_limits(self, layer: Layer, limits: tuple[float, float]) -> None:
        """Set contrast limits that moved by over 2 %: each setting costs a repaint."""
        span = self._own_limits[1] - self._own_limits[0]
        if np.abs(np.subtract(limits, self._own_limits)).max() > 0.02 * span:
            layer.contrast_limits = limits
            self._own_limits = tuple(layer.contrast_limits)


def refresh_extent(layer: Layer) -> None:
    """Let a hidden layer know its new data: it fits the view by its old ones else."""
    if not layer.visible:
        layer.scale = layer.scale


def _same(first: ArrayLike, second: ArrayLike) -> bool:
    """Whether lengths are the same, however small: pixels of electrons are 1e-6 um."""
    return bool(np.allclose(first, second, rtol=1e-9, atol=0))


def placed(snapshot: Snapshot) -> _Place:
    """Return where an image of the canvas lies, as options of a layer."""
    return {
        "scale": tuple(p * PER_METRE for p in snapshot.pixel_size_m),
        "translate": tuple(o * PER_METRE for o in snapshot.origin_m),
        "units": (UNIT, UNIT),
        "axis_labels": ("y", "x"),
        "metadata": metadata(snapshot),
    }


def metadata(snapshot: Snapshot) -> dict[str, object]:
    """Return what a layer keeps of where it came from."""
    return {METADATA_KEY: {"source": snapshot.source.path, "seed": snapshot.seed}}
