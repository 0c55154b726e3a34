"""Scan paths: where the beam goes, in the order in which it goes there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy.stats import qmc

from napari_scicompty.core.settings import Settings, setting
from napari_scicompty.core.units import size
from napari_scicompty.files.reading import expanded
from napari_scicompty.formats import positions as position_files
from napari_scicompty.formats.choices import FilePath, OpenChoices
from napari_scicompty.simulation._kinds import table_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_OVERLAP = 0.98


class SteppedPath(Settings):
    """A path of steps, by their length or by how much the beam overlaps."""

    title: ClassVar[str] = ""
    kind: str = ""
    """Name of its line in the table of paths."""
    step_px: float = setting(
        20.0, "Step between neighbours, in object pixels", unit="px", gt=0
    )
    overlap: float | None = setting(
        None,
        "Part of the lit diameter that neighbours share; empty: as the step says",
        ge=0,
        le=LARGEST_OVERLAP,
        reason="from 1 on the beam would not move, and from 0 down neighbours share no "
        f"light; the nearest that work are {LARGEST_OVERLAP} and 0",
    )

    def step_m(self, pixel_m: float, diameter_m: float) -> float:
        """Length of a step; `diameter_m` is that of the lit spot.

        Parameters
        ----------
        pixel_m : float
            Object pixel in metres.
        diameter_m : float
            Of the lit spot, in metres.

        Returns
        -------
        float
            Metres.
        """
        if self.overlap is None:
            return self.step_px * pixel_m
        return (1 - self.overlap) * diameter_m

    def positions_m(
        self, pixel_m: float, diameter_m: float, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Positions (n, 2) as (y, x); `diameter_m` is that of the lit spot.

        Parameters
        ----------
        pixel_m : float
            Object pixel in metres.
        diameter_m : float
            Of the lit spot, in metres.
        rng : numpy.random.Generator
            Source of what is random.

        Returns
        -------
        array (n, 2) float64
            (y, x) in metres.
        """
        return self.unit_positions(rng) * self.step_m(pixel_m, diameter_m)

    def unit_positions(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Positions (n, 2) as (y, x), in steps.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of what is random.

        Returns
        -------
        array (n, 2) float64
            (y, x), in steps.
        """
        raise NotImplementedError


class RasterPath(SteppedPath):
    """Rows and columns; its regularity leaves a periodic ambiguity."""

    title: ClassVar[str] = "Raster"
    kind: Literal["raster"] = setting("raster", "Kind of path")
    rows: int = setting(11, "Rows of the raster", ge=1, le=200)
    columns: int = setting(11, "Columns of the raster", ge=1, le=200)

    def unit_positions(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Positions (n, 2) as (y, x), in steps."""
        del rng
        return _raster(self.rows, self.columns)


class JitteredRasterPath(SteppedPath):
    """A raster with a random part in each position, against its ambiguity."""

    title: ClassVar[str] = "Jittered raster"
    kind: Literal["jittered-raster"] = setting("jittered-raster", "Kind of path")
    rows: int = setting(11, "Rows of the raster", ge=1, le=200)
    columns: int = setting(11, "Columns of the raster", ge=1, le=200)
    jitter: float = setting(
        0.15,
        "Random part of each step, against the raster's periodic ambiguity",
        ge=0,
        le=0.5,
    )

    def unit_positions(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Positions (n, 2) as (y, x), in steps."""
        grid = _raster(self.rows, self.columns)
        return grid + rng.uniform(-self.jitter, self.jitter, grid.shape)


class FermatSpiralPath(SteppedPath):
    """Fermat's spiral with the golden angle: even, and never periodic."""

    title: ClassVar[str] = "Fermat spiral"
    kind: Literal["fermat"] = setting("fermat", "Kind of path")
    points: int = setting(121, "Positions", ge=1, le=40_000)

    def unit_positions(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Positions (n, 2) as (y, x), in steps: one position a square step."""
        del rng
        number = np.arange(self.points)
        angle = number * math.pi * (3 - math.sqrt(5))
        radius = np.sqrt(number / math.pi)
        return np.stack([radius * np.sin(angle), radius * np.cos(angle)], 1)


class ConcentricPath(SteppedPath):
    """Rings around a middle, a step apart, positions on them a step apart."""

    title: ClassVar[str] = "Concentric rings"
    kind: Literal["concentric"] = setting("concentric", "Kind of path")
    rings: int = setting(6, "Rings around the middle position", ge=1, le=100)

    def unit_positions(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Positions (n, 2) as (y, x), in steps."""
        del rng
        points = [np.zeros((1, 2))]
        for ring in range(1, self.rings + 1):
            count = round(2 * math.pi * ring)
            # Half a step of turn from ring to ring, so that no spokes form.
            angle = (np.arange(count) + ring % 2 / 2) * 2 * math.pi / count
            points.append(ring * np.stack([np.sin(angle), np.cos(angle)], 1))
        return np.concatenate(points)


class PoissonDiscPath(SteppedPath):
    """Random positions, none nearer to another than a step."""

    title: ClassVar[str] = "Poisson disc"
    kind: Literal["poisson"] = setting("poisson", "Kind of path")
    points: int = setting(121, "Positions", ge=1, le=4_000)

    def unit_positions(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Positions (n, 2) as (y, x), in steps: those nearest to the middle.

        Bridson's sampling fills about 0.7 positions a square step; twice the area that
        is needed leaves enough to choose from.
        """
        side = math.sqrt(2 * self.points / 0.7) + 2
        found = qmc.PoissonDisk(2, radius=1 / side, rng=rng).fill_space() * side
        found -= found.mean(0)
        return found[np.argsort(np.hypot(*found.T), kind="stable")[: self.points]]


class MeasuredPath(Settings):
    """Positions from a file, such as those of a beam time."""

    title: ClassVar[str] = "Positions from a file"
    kind: Literal["file"] = setting("file", "Kind of path")
    path: FilePath = setting(..., "Text, CSV, NPY or SciComPty HDF5, as in open_scan")
    order: Literal["auto", "xy", "yx"] = setting("auto", "Order of its columns")
    unit: Literal["auto", "m", "mm", "um", "nm", "px"] = setting(
        "auto", "Unit of its positions; px: object pixels"
    )

    def positions_m(
        self, pixel_m: float, diameter_m: float, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Positions (n, 2) as (y, x).

        Parameters
        ----------
        pixel_m : float
            Object pixel in metres.
        diameter_m : float
            Of the lit spot, in metres.
        rng : numpy.random.Generator
            Source of what is random.

        Returns
        -------
        array (n, 2) float64
            (y, x) in metres.
        """
        del diameter_m, rng
        found = position_files.read(expanded(self.path), OpenChoices())
        order = found.order if self.order == "auto" else self.order
        unit = found.unit if self.unit == "auto" else self.unit
        columns = found.columns[:, ::-1] if order == "xy" else found.columns
        return columns * (pixel_m if unit == "px" else size(unit))


AnyPath = Annotated[
    JitteredRasterPath
    | RasterPath
    | FermatSpiralPath
    | ConcentricPath
    | PoissonDiscPath
    | MeasuredPath,
    Field(discriminator="kind"),
]

PATHS = table_of(AnyPath)
"""Kind -> settings class."""


def _raster(rows: int, columns: int) -> NDArray[np.float64]:
    """Positions (rows * columns, 2) as (y, x), row by row."""
    return np.mgrid[:rows, :columns].reshape(2, -1).T.astype(float)
