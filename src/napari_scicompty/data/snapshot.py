"""What leaves the engine: frozen numpy `Snapshot`s, never live tensors."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from napari_scicompty.data import canvas
from napari_scicompty.data.scan import Source
from napari_scicompty.optics.modes import orthogonal_modes

if TYPE_CHECKING:
    from typing import TypeVar

    Scalar = TypeVar("Scalar", bound=np.generic)
    from numpy.typing import NDArray

    from napari_scicompty.core.geometry import Geometry


@dataclass(frozen=True)
class Change:
    """A setting that was changed while the run was under way."""

    epoch: int
    """Epochs that were completed before it."""
    batch: int
    """Patterns of the next epoch that had had their turn."""
    path: str
    """Group and setting: ``"algorithm.alpha_object"``."""
    value: Any
    """From then on."""
    previous: Any = None
    """Until then."""

    @property
    def shown(self) -> object:
        """The value in a word: of a whole algorithm its name."""
        return self.value["name"] if isinstance(self.value, dict) else self.value


@dataclass(frozen=True)
class Refined:
    """What a refiner did at the end of an epoch."""

    epoch: int
    """Epochs that were completed, this one too."""
    quantity: str
    """``"positions"``, ``"distance"`` or ``"focus"``, for some."""
    change: float
    """Mean pixels of positions, share of a distance; for the focus the curvature that
    the probe's wavefront took on, 1/m, with its sign."""
    distance_m: float = math.nan
    """Sample to detector, after it."""


@dataclass(frozen=True)
class RunRecord:
    """How one run of a chain began; with the changes under way it can be repeated."""

    epoch: int
    """Epochs that were completed when it began."""
    batch: int
    """Patterns of that epoch that had had their turn."""
    algorithm: dict[str, object]
    """Its name and settings."""
    run: dict[str, object]
    """Fields of `RunSettings`."""
    refine: tuple[dict[str, object], ...] = ()
    """Refiners, one each."""
    geometry: dict[str, Any] = field(default_factory=dict)
    """Fields of the scan's `Geometry`."""
    excluded: tuple[int, ...] = ()
    """Patterns that the scan itself left out."""
    changes: int = 0
    """Changes of the history that belong to earlier runs."""
    exact: bool = False
    """Whether the run began from an error by a full pass."""
    finished: bool = False
    """Whether it came to its end by itself, and was not stopped."""
    why_ended: str = ""
    """What made it end before its last epoch; empty where nothing did."""


@dataclass(frozen=True)
class History:
    """What happened so far, enough to replay a run and to draw its curve."""

    epochs: tuple[int, ...] = ()
    """Epochs that `errors` belongs to; 0 is the start."""
    errors: tuple[float, ...] = ()
    """Error of each epoch, as the patterns were visited."""
    changes: tuple[Change, ...] = ()
    """Settings changed mid-run, in order."""
    refined: tuple[Refined, ...] = ()
    """What was refined beside object and probe, epoch by epoch."""
    held_out: tuple[tuple[int, float], ...] = ()
    """(epoch, error) of the pixels that took no part, where there were some."""
    notes: tuple[str, ...] = ()
    """What the engine did by itself: the start that was found, a fallback."""
    runs: tuple[RunRecord, ...] = ()
    """Every run of the chain, in order, as it began."""
    edits: tuple[int, ...] = ()
    """Epochs at which the result was changed by hand, between two runs."""

    def add(self, **more: Any) -> Self:
        """Return the history with items appended to its fields.

        Parameters
        ----------
        **more : sequence
            Items to append, by the name of the field.
        """
        joined = {name: (*getattr(self, name), *items) for name, items in more.items()}
        return dataclasses.replace(self, **joined)

    def with_end(self, *, finished: bool) -> Self:
        """Return it with the last run marked as finished by itself, or not.

        Parameters
        ----------
        finished : bool
            Whether the run came to its own end.
        """
        return self._with_last_run(finished=finished)

    def ended(self, why: str) -> Self:
        """Return it with what made the last run end before its last epoch.

        Parameters
        ----------
        why : str
            The end of a sentence.
        """
        return self._with_last_run(why_ended=why)

    def _with_last_run(self, **fields: Any) -> Self:
        *earlier, now = self.runs
        now = dataclasses.replace(now, **fields)
        return dataclasses.replace(self, runs=(*earlier, now))

    def before(self, later: History, epoch: int, batch: int, note: str) -> Self:
        """Return this history after a run went back to it from a later one.

        Settings stay as they are, so changes of the later one act from here on.

        Parameters
        ----------
        later : History
            Of the run as it was before it went back.
        epoch, batch : int
            Where it is: epochs that were completed, patterns visited of the next.
        note : str
            Why the run went back.
        """
        changes = [
            dataclasses.replace(c, epoch=epoch, batch=batch) if c.epoch >= epoch else c
            for c in later.changes
        ]
        notes = (*later.notes, note)
        return dataclasses.replace(self, changes=tuple(changes), notes=notes)


def frozen(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Make a new array read-only, so that a snapshot takes it as it is.

    Parameters
    ----------
    array : array
        Nobody else may hold it.

    Returns
    -------
    array
        The same one.
    """
    array.flags.writeable = False
    return array


def owned(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Return an array that nobody can write to: a copy, unless it is `frozen`.

    Parameters
    ----------
    array : array
        Of any shape.
    """
    array = np.asarray(array)
    if array.flags.writeable or isinstance(array.base, np.ndarray):
        return frozen(array.copy())
    return array


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The state of a reconstruction at one moment, as numpy arrays of its own."""

    epoch: int
    """Epochs that were completed."""
    error: float
    """Normalised amplitude error over patterns and good pixels."""
    object: NDArray[np.complex64]
    """Transmission function, shape (H, W)."""
    probe: NDArray[np.complex64]
    """Probe modes, shape (modes, h, w)."""
    positions_m: NDArray[np.float64]
    """(n, 2) as (y, x), in the scan's own frame."""
    origin_m: tuple[float, float]
    """Position of object pixel (0, 0)."""
    pixel_size_m: tuple[float, float]
    """Object pixel (y, x)."""
    pattern_error: NDArray[np.float32]
    """Error of each pattern, shape (n,); NaN where it took no part."""
    geometry: Geometry
    """As it is taken to be now: its distance may have been refined."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Algorithm, batch, modes, start: what is needed to set up the same run."""
    seed: int = 0
    """Of the run: order of the patterns, modes, held-out pixels."""
    source: Source = field(default_factory=Source)
    """Where the scan came from."""
    history: History = History()
    """Errors, changes and notes of the whole chain of runs."""
    elapsed_s: float = 0.0
    """Seconds of computing, pauses left out, over the whole chain of runs."""
    batch: int = 0
    """Patterns visited of the epoch under way; 0 at the end of an epoch."""
    state: dict[str, Any] = field(default_factory=dict)
    """What an algorithm needs to go on exactly (moments and the like)."""
    nominal_positions_m: NDArray[np.float64] | None = None
    """(n, 2), the positions as measured; `positions_m` may have been refined."""
    nominal_geometry: Geometry = None  # type: ignore[assignment]  # set below
    """As it was given, before anything was refined; `geometry` when left out."""
    exact: bool = False
    """Whether `error` and `pattern_error` are by a full pass."""

    def __post_init__(self) -> None:
        """Make the arrays the snapshot's own: no caller and no run can change them."""
        for name in ("object", "probe", "positions_m", "pattern_error"):
            object.__setattr__(self, name, owned(getattr(self, name)))
        if self.nominal_positions_m is not None:
            nominal = owned(self.nominal_positions_m)
            object.__setattr__(self, "nominal_positions_m", nominal)
        if self.nominal_geometry is None:
            object.__setattr__(self, "nominal_geometry", self.geometry)

    def __repr__(self) -> str:
        (H, W), (modes, h, w) = self.object.shape, self.probe.shape
        return (
            f"Snapshot(epoch {self.epoch}, error {self.error:.5g}, object {H} x {W}, "
            f"{modes} probe mode(s) of {h} x {w}, {len(self.positions_m)} positions)"
        )

    @property
    def distance_m(self) -> float:
        """Sample to detector, refined where it was; see `nominal_geometry`."""
        return self.geometry.distance_m

    @cached_property
    def positions_px(self) -> NDArray[np.float64]:
        """Top-left corner of each view on the canvas, shape (n, 2)."""
        return self.canvas.to_pixels(self.positions_m)

    @cached_property
    def canvas(self) -> canvas.Canvas:
        """The grid on which the object lies."""
        h, w = self.probe.shape[-2:]
        size = (int(self.object.shape[0]), int(self.object.shape[1]))
        return canvas.Canvas(size, (h, w), self.pixel_size_m, self.origin_m)

    @cached_property
    def canvas_map(self) -> NDArray[np.float32]:
        """How strongly each pixel was lit, shape (H, W); made when asked for."""
        return canvas.canvas_map(self.object.shape, self.probe, self.positions_px)

    @cached_property
    def lit(self) -> NDArray[np.bool_]:
        """Where the object is trusted, shape (H, W)."""
        return canvas.lit_region(self.canvas_map)

    @property
    def mode_power(self) -> NDArray[np.float64]:
        """Share of each orthogonal probe mode in the total power, strongest first."""
        power = (np.abs(orthogonal_modes(self.probe)) ** 2).sum((1, 2), dtype=float)
        return power / power.sum()

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed; `distance_m` is one of the geometry.

        Another `geometry` is the nominal one, too, unless that is given beside it.

        Parameters
        ----------
        **changes : any
            New values, by the names of the fields.
        """
        if "geometry" in changes:
            changes.setdefault("nominal_geometry", changes["geometry"])
        if "distance_m" in changes:
            distance = changes.pop("distance_m")
            geometry = changes.get("geometry", self.geometry)
            changes["geometry"] = geometry.replace(distance_m=distance)
        return dataclasses.replace(self, **changes)
