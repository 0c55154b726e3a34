"""Test objects: complex transmission functions with a known truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.settings import Settings, setting
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.files.reading import expanded, read_npy
from napari_scicompty.formats.choices import FilePath
from napari_scicompty.optics import grids
from napari_scicompty.simulation._grid import Shape, clouds
from napari_scicompty.simulation._kinds import table_of
from napari_scicompty.simulation.pictures import Picture, Range, complex_picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_MOST_CELLS = 5000
_KIND = "picture of an object (a saved result, or NPY)"


class SiemensStar(Settings):
    """A Siemens star with a ring on a cloudy support."""

    title: ClassVar[str] = "Siemens star"
    kind: Literal["siemens-star"] = setting("siemens-star", "Kind of object")
    spokes: int = setting(36, "Spokes of the star", ge=4, le=500)
    absorption: float = setting(0.35, "Amplitude that the star takes", ge=0, le=1)
    phase_rad: float = setting(1.2, "Phase of the star", unit="rad")
    support_rad: float = setting(
        0.8, "Phase of the cloudy support, peak to peak", unit="rad", ge=0
    )

    def draw(self, shape: Shape, rng: np.random.Generator) -> NDArray[np.complex128]:
        """Transmission function (H, W).

        Parameters
        ----------
        shape : (H, W)
            Pixels of the canvas.
        rng : numpy.random.Generator
            Source of what is random.

        Returns
        -------
        array (H, W) complex128
            Without a unit; 1 is vacuum.
        """
        star, cloud = _star(shape, self.spokes), clouds(shape, rng)
        magnitude = 1 - self.absorption * star - self.support_rad / 8 * cloud
        phase = self.phase_rad * star + self.support_rad * (cloud - 0.5)
        return np.asarray(np.maximum(magnitude, 0) * np.exp(1j * phase))


class PictureObject(Settings):
    """Two pictures: one is the magnitude, the other the phase."""

    title: ClassVar[str] = "Two pictures"
    kind: Literal["pictures"] = setting("pictures", "Kind of object")
    magnitude: Picture = setting("camera", "Picture of the magnitude: name or file")
    phase: Picture = setting("astronaut", "Picture of the phase: name or file")
    magnitude_range: Range = setting((0.5, 1.0), "Magnitude of black and of white")
    phase_range_rad: Range = setting(
        (-math.pi / 2, math.pi / 2), "Phase of black and of white", unit="rad"
    )

    def draw(self, shape: Shape, rng: np.random.Generator) -> NDArray[np.complex128]:
        """Transmission function (H, W).

        Parameters
        ----------
        shape : (H, W)
            Pixels of the canvas.
        rng : numpy.random.Generator
            Source of what is random.

        Returns
        -------
        array (H, W) complex128
            Without a unit; 1 is vacuum.
        """
        del rng
        ranges = (self.magnitude_range, self.phase_range_rad)
        return complex_picture(self.magnitude, self.phase, ranges, shape)


class ResolutionBars(Settings):
    """Groups of three bars, lying and standing, each group finer than the last."""

    title: ClassVar[str] = "Resolution bars"
    kind: Literal["bars"] = setting("bars", "Kind of object")
    widest_px: int = setting(
        8,
        "Widest bar; each group is half as wide, and all are smoothed over 1 px",
        unit="px",
        ge=1,
        le=1024,
    )
    absorption: float = setting(0.3, "Amplitude that a bar takes", ge=0, le=1)
    phase_rad: float = setting(1.0, "Phase of a bar", unit="rad")

    def draw(self, shape: Shape, rng: np.random.Generator) -> NDArray[np.complex128]:
        """Transmission function (H, W).

        Parameters
        ----------
        shape : (H, W)
            Pixels of the canvas.
        rng : numpy.random.Generator
            Source of what is random.

        Returns
        -------
        array (H, W) complex128
            Without a unit; 1 is vacuum.
        """
        del rng
        tile = _bars(self.widest_px)
        times = [math.ceil(n / m) for n, m in zip(shape, tile.shape, strict=True)]
        bars = np.tile(tile, times)[: shape[0], : shape[1]]
        return (1 - self.absorption * bars) * np.exp(1j * self.phase_rad * bars)


class RandomCells(Settings):
    """Round cells with a nucleus, scattered at random: mostly phase."""

    title: ClassVar[str] = "Random cells"
    kind: Literal["cells"] = setting("cells", "Kind of object")
    radius: float = setting(
        0.08, "Radius of a cell, as a share of the object's shorter side", gt=0, le=0.5
    )
    coverage: float = setting(
        0.8, "Area of all cells over that of the object", gt=0, le=20
    )
    phase_rad: float = setting(1.0, "Phase in the middle of a cell", unit="rad")
    absorption: float = setting(0.1, "Amplitude that its middle takes", ge=0, le=0.5)

    def draw(self, shape: Shape, rng: np.random.Generator) -> NDArray[np.complex128]:
        """Transmission function (H, W).

        Parameters
        ----------
        shape : (H, W)
            Pixels of the canvas.
        rng : numpy.random.Generator
            Source of what is random.

        Returns
        -------
        array (H, W) complex128
            Without a unit; 1 is vacuum.

        Raises
        ------
        InputError
            More cells than can be drawn in a sensible time.
        """
        mean = self.radius * min(shape)
        area = max(math.pi * mean**2, 1e-9)
        count = math.ceil(self.coverage * shape[0] * shape[1] / area)
        if count > _MOST_CELLS:
            raise InputError(
                f"VirtualExperiment.object.radius is {self.radius:g}: with a coverage "
                f"of {self.coverage:g} these are {count} cells, over {_MOST_CELLS}; "
                "take a larger radius or less coverage"
            )
        thickness = np.zeros(shape)
        for _ in range(count):
            thickness += _cell(shape, mean, rng)
        magnitude = np.exp(-self.absorption * thickness)
        return np.asarray(magnitude * np.exp(1j * self.phase_rad * thickness))


class ResultObject(Settings):
    """The object of a reconstruction; vacuum around it."""

    title: ClassVar[str] = "A result"
    kind: Literal["result"] = setting("result", "Kind of object")
    path: FilePath = setting(..., "A saved result, or a complex array as NPY")

    def draw(self, shape: Shape, rng: np.random.Generator) -> NDArray[np.complex128]:
        """Transmission function (H, W), pixel by pixel, in the middle.

        Parameters
        ----------
        shape : (H, W)
            Pixels of the canvas.
        rng : numpy.random.Generator
            Source of what is random.

        Returns
        -------
        array (H, W) complex128
            Without a unit; 1 is vacuum.
        """
        del rng
        known = _complex_array(expanded(self.path))
        canvas = np.ones(shape, complex)
        to, of = [], []
        for wide, have in zip(shape, known.shape, strict=True):
            used = min(wide, have)
            to.append(slice((wide - used) // 2, (wide - used) // 2 + used))
            of.append(slice((have - used) // 2, (have - used) // 2 + used))
        canvas[to[0], to[1]] = known[of[0], of[1]]
        return canvas


AnyObject = Annotated[
    SiemensStar | PictureObject | ResolutionBars | RandomCells | ResultObject,
    Field(discriminator="kind"),
]

OBJECTS = table_of(AnyObject)
"""Kind -> settings class."""


# -- drawing --------------------------------------------------------------------------
def _star(shape: Shape, spokes: int) -> NDArray[np.float64]:
    """Siemens star with a ring, values 0 to 1, shape (H, W)."""
    pixel = 2 / min(shape)
    y, x = grids.column_and_row(*(grids.from_middle(n) * pixel for n in shape))
    radius = np.hypot(y, x)
    wave = np.sin(spokes * np.arctan2(y, x))
    star = np.clip(wave * radius / (spokes * pixel) + 0.5, 0, 1)
    disc = np.clip((0.92 - radius) / pixel, 0, 1)
    ring = np.clip((0.025 - np.abs(radius - 0.5)) / pixel, 0, 1)
    return np.asarray(np.maximum(star * disc, ring))


def _bars(widest: int) -> NDArray[np.float64]:
    """One tile with a row of groups for each width, values 0 or 1."""
    side, rows, width = 12 * widest, [], widest
    while width >= 1:
        lying = np.zeros((6 * width, 6 * width))
        for bar in (0, 2, 4):
            lying[bar * width : (bar + 1) * width, : 5 * width] = 1
        group = np.concatenate([lying, lying.T], axis=1)
        rows.append(np.tile(group, math.ceil(side / group.shape[1]))[:, :side])
        width //= 2
    return np.concatenate(rows)


def _cell(shape: Shape, mean: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Thickness of one cell, 1 in its middle, with a nucleus that is half as thick."""
    centre, axes = rng.uniform((0, 0), shape), mean * rng.uniform(0.6, 1.3, 2)
    angle, aside = rng.uniform(0, math.pi), rng.uniform(-0.3, 0.3, 2)
    y, x = (np.arange(n) - c for n, c in zip(shape, centre, strict=True))
    along = (math.cos(angle) * x[None, :] + math.sin(angle) * y[:, None]) / axes[0]
    across = (math.cos(angle) * y[:, None] - math.sin(angle) * x[None, :]) / axes[1]
    body = np.sqrt(np.maximum(1 - along**2 - across**2, 0))
    inner = ((along - aside[0]) ** 2 + (across - aside[1]) ** 2) / 0.35**2
    return np.asarray(body + 0.5 * np.sqrt(np.maximum(1 - inner, 0)))


def _complex_array(path: Path) -> NDArray[np.complex128]:
    room = room_for_a_stack()
    if path.suffix.lower() == ".npy":
        array = read_npy(path, _KIND, room)
    else:
        with opened(path, _KIND) as file:
            if (known := file.get("object")) is None:
                raise InputError(f"{path}: no dataset 'object' in this HDF5 file")
            array = read_small(known, "uifc", room)
    if array.ndim != 2 or 0 in array.shape or not np.isfinite(array).all():
        raise InputError(
            f"{path}: the object has shape {array.shape} or values that are not "
            "finite; give one complex picture (H, W)"
        )
    return array.astype(np.complex128)
