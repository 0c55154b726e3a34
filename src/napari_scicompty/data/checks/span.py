"""Positions that cannot be: in another unit, or a few far from all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import Mendable
from napari_scicompty.core.findings import numbered
from napari_scicompty.core.geometry import pixel_sentence
from napari_scicompty.core.units import OF_POSITIONS, size
from napari_scicompty.data.checks import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_scicompty.core.geometry import Geometry

LARGEST_OBJECT = 16_384
"""Pixels along one axis above which positions are taken to be in the wrong unit."""
_SMALLEST_STEP = 0.3
"""Pixels below which a step is no scan."""


def check_span(
    positions_m: NDArray[np.float64],
    geometry: Geometry,
    frame_shape: tuple[int, int],
    excluded: Sequence[int] = (),
    unit: str = "m",
) -> None:
    """Refuse positions (n, 2) that span less than a pixel or more than any object.

    Parameters
    ----------
    positions_m : array (n, 2)
        (y, x) in metres.
    geometry : Geometry
        How it was measured.
    frame_shape : (h, w)
        Pixels of a pattern.
    excluded : sequence of int
        Positions that may be anything.
    unit : str
        What they were taken to be in, for the sentence that names a better one.

    Raises
    ------
    InputError
        They are in another unit, a few are far from all others, or the object pixel
        follows from a wrong number.
    """
    taking_part = np.setdiff1d(np.arange(len(positions_m)), np.asarray(excluded, int))
    pixel = np.array(geometry.pixel_size_m(frame_shape))
    points = positions_m[taking_part] / pixel
    start = _fault(points, pixel, frame_shape)
    if not start:
        return
    lost = spread.standing_alone(points, frame_shape)
    rest = np.delete(points, lost, 0)
    if len(lost) and _is_sane(rest, frame_shape):
        left_out = tuple(taking_part[lost].tolist())
        raise Mendable(
            f"{start}, because position(s) {numbered(taking_part[lost])[1:-1]} stand "
            f"alone: the others span {np.ptp(rest, axis=0).max():.0f}; mend them in "
            f"the file, or leave them out when opening: leave_out="
            f"{numbered(left_out)}",
            ((("leave_out", left_out),),),
        )
    fitting = _better_units(points, pixel, frame_shape, unit)
    raise Mendable(
        f"{start}; they are in another unit (say which as position_unit when opening"
        f"{_told(fitting)}), or a number is wrong that "
        f"the object pixel follows from: it is {pixel_sentence(geometry, frame_shape)}",
        tuple((("position_unit", name),) for name in fitting),
    )


def _fault(
    points: NDArray[np.float64],
    pixel: NDArray[np.float64],
    frame_shape: tuple[int, int],
) -> str:
    """Say how far points (n, 2) in pixels reach, where that cannot be."""
    span = np.ptp(points, axis=0)
    if len(points) > 1 and span.max() < 1:
        size, fault = f"{span.max():.2g}", "less than one pixel"
    elif (span + frame_shape).max() > LARGEST_OBJECT:
        size, fault = f"{span.max():.0f}", f"over the limit of {LARGEST_OBJECT}"
    else:
        return ""
    metres = (span * pixel).max()
    return f"positions_m span {size} object pixels ({metres:.3g} m), {fault}"


def _better_units(
    points: NDArray[np.float64],
    pixel: NDArray[np.float64],
    frame_shape: tuple[int, int],
    unit: str,
) -> dict[str, float]:
    """Return units in which the positions would make a scan, and how far they reach."""
    numbers = points if unit == "px" else points * pixel / size(unit)
    tried = {name: numbers * size(name) / pixel for name in OF_POSITIONS}
    return {
        name: float(np.ptp(there, axis=0).max())
        for name, there in (tried | {"px": numbers}).items()
        if name != unit and _is_sane(there, frame_shape)
    }


def _told(fitting: dict[str, float]) -> str:
    return "".join(
        f"{': ' if i == 0 else ' or '}{name!r} gives {span:.3g}"
        for i, (name, span) in enumerate(fitting.items())
    )


def _is_sane(points: NDArray[np.float64], frame_shape: tuple[int, int]) -> bool:
    """Whether views at these points (n, 2) in pixels overlap and fit an object."""
    span = np.ptp(points, axis=0).max()
    if not 1 <= span <= LARGEST_OBJECT - max(frame_shape):
        return False
    return _SMALLEST_STEP <= spread.step_between(points) <= min(frame_shape)
