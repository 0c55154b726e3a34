"""Calibrated axes of 4-D STEM files: the step of the scan and the detector pixel."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from napari_scicompty.core import units
from napari_scicompty.core.geometry import Geometry
from napari_scicompty.formats._angular import INVERSE, MRAD
from napari_scicompty.formats._raw import Raw, grid_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_PER = re.compile(r"1/(.+)|(.+?)\^?-1|(.+)⁻¹")


class Axis(NamedTuple):
    """Distance of two points of an axis, as a file has it."""

    scale: float
    unit: str


class Calibration(NamedTuple):
    """What the axes of a file give."""

    step_m: tuple[float, float] | None
    geometry: dict[str, object]
    report: tuple[str, ...]
    hint: dict[str, str]
    """Why a field is missing."""


def calibration(
    scan: Sequence[Axis], pattern: Sequence[Axis], voltage_v: float | None = None
) -> Calibration:
    """Turn axes (y, x) of the scan and of the patterns into step and geometry.

    Parameters
    ----------
    scan, pattern : sequence of Axis
        Two of each.
    voltage_v : float, optional
        That accelerates the electrons.

    Returns
    -------
    Calibration
        What has another unit is told and left.
    """
    report: list[str] = []
    geometry: dict[str, object] = {}
    hint: dict[str, str] = {}
    lengths = [_length(axis) for axis in scan]
    step = None
    if all(lengths):
        step = (lengths[0] or 0.0, lengths[1] or 0.0)
    else:
        report.append(f"step of the scan is {_shown(scan)}: not used")
    pixel = [_pixel(axis) for axis in pattern]
    kinds = {part[0] for part in pixel if part is not None}
    if len(kinds) == 1 and None not in pixel:
        geometry[kinds.pop()] = tuple(part[1] for part in pixel if part is not None)
        report.append(f"detector pixel: {_shown(pattern)}")
    else:
        hint["detector_pixel_m"] = (
            f"the detector pixel in the file is {_shown(pattern)} and not used; choose "
            f"{MRAD} or {INVERSE}"
        )
    if voltage_v is not None and 0 < voltage_v < math.inf:
        wavelength = Geometry.from_voltage(voltage_v, 1, 1).wavelength_m
        geometry["wavelength_m"] = wavelength
        report.append(f"wavelength {wavelength:.5g} m, electrons of {voltage_v:.6g} V")
    return Calibration(step, geometry, tuple(report), hint)


def with_calibration(raw: Raw, held: Calibration, shape: tuple[int, ...]) -> Raw:
    """Return a file with what its axes give; `shape` is that of its array."""
    return replace(
        raw,
        geometry=held.geometry,
        report=(*raw.report, *held.report),
        unused=held.hint,
        grid=grid_of(shape),
        step_m=held.step_m if len(shape) == 4 else None,
    )


def _is_scale(axis: Axis) -> bool:
    return 0 < abs(axis.scale) < math.inf


def _length(axis: Axis) -> float | None:
    unit = units.named(axis.unit)
    if unit is None or unit.kind != "length" or not _is_scale(axis):
        return None
    return axis.scale * units.size(unit.name)


def _pixel(axis: Axis) -> tuple[str, float] | None:
    """Return the kind of a detector pixel, and its size in mrad or 1/angstrom."""
    if not _is_scale(axis):
        return None
    text = re.sub(r"[${}\s]", "", axis.unit)
    unit, scale = units.named(text), abs(axis.scale)
    if unit is not None and unit.kind == "angle":
        return MRAD, scale * units.size(unit.name, "mrad")
    found = _PER.fullmatch(text)
    unit = None if found is None else units.named(next(filter(None, found.groups())))
    if unit is None or unit.kind != "length":
        return None
    return INVERSE, scale / units.size(unit.name, "angstrom")


def _shown(axes: Sequence[Axis]) -> str:
    texts = dict.fromkeys(f"{axis.scale:.6g} {axis.unit}".strip() for axis in axes)
    return " x ".join(texts)
