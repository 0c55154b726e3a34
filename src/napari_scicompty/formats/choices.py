"""Everything a user can choose when a scan is opened."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from napari_scicompty.core.settings import Numbers, Settings, setting

FilePath = Annotated[
    str, BeforeValidator(lambda p: os.fspath(p) if isinstance(p, os.PathLike) else p)
]
"""A path, kept as text so that recipes and results can hold it."""


def _as_list(value: object) -> object:
    """Write numbers as a user would: ``3,5,7``."""
    if isinstance(value, range | list | tuple) and all(type(j) is int for j in value):
        return ",".join(map(str, value))
    return str(value) if type(value) is int else value


FrameList = Annotated[str, BeforeValidator(_as_list)]
"""Numbers of patterns as text, such as ``10:500:2``; a list of them is written out."""

_LengthUnit = Literal["auto", "m", "mm", "um", "nm", "angstrom", "pm"]


def _key(what: str) -> Any:
    return setting(None, f"Plain HDF5: dataset with the {what}.", live=False)


def _unit(key: str, default: str = "m") -> Any:
    text = f"Unit of {key}; auto: the file's, or {default}."
    return setting("auto", text, live=False)


class OpenChoices(Settings):
    """Choices of `open_scan`: geometry by name, positions, orientation, preparation.

    They are applied in this order: mask, amplitudes, corner, orientation, centre and
    crop, dark field, saturation, hot pixels, rebin. The last ones name the datasets of
    a plain HDF5 file.
    """

    wavelength_m: float | None = setting(
        None, "Wavelength of the illumination.", unit="m", live=False, gt=0
    )
    energy_ev: float | None = setting(
        None, "Photon energy, instead of the wavelength.", unit="eV", live=False, gt=0
    )
    voltage_v: float | None = setting(
        None,
        "Acceleration voltage of electrons, instead of the wavelength.",
        unit="V",
        live=False,
        gt=0,
    )
    distance_m: float | None = setting(
        None, "Sample to detector.", unit="m", live=False, gt=0
    )
    detector_pixel_m: float | tuple[float, float] | None = setting(
        None, "Detector pixel of the file, one number or (y, x).", unit="m", live=False
    )
    detector_pixel_mrad: float | tuple[float, float] | None = setting(
        None,
        "Angle of a detector pixel, one number or (y, x), instead of its size.",
        unit="mrad",
        title="Pixel, angle",
        live=False,
    )
    detector_pixel_inv_angstrom: float | tuple[float, float] | None = setting(
        None,
        "Detector pixel as spatial frequency in 1/angstrom, one number or (y, x), "
        "instead of its size.",
        title="Pixel (1/Å)",
        live=False,
    )
    focus_sample_m: float | None = setting(
        None,
        "Focus to sample; above zero: the focus lies upstream.",
        unit="m",
        live=False,
    )
    propagation: Literal["far-field", "near-field"] | None = setting(
        None, "Far field unless the file or you say otherwise.", live=False
    )

    position_order: Literal["auto", "xy", "yx"] = setting(
        "auto", "Order of the two columns of positions; auto: x, y.", live=False
    )
    position_unit: Literal["auto", "m", "mm", "um", "nm", "angstrom", "px"] = setting(
        "auto",
        "Unit of the positions; px: object pixels; auto: the file's, or metres.",
        live=False,
    )
    flip_x: bool = setting(False, "Change the sign of x of the positions.", live=False)
    flip_y: bool = setting(False, "Change the sign of y of the positions.", live=False)
    swap_xy: bool = setting(
        False, "Swap x and y of the positions, after their signs.", live=False
    )
    rotation_deg: float = setting(
        0.0,
        "Turn the positions about their middle, from y (down) towards x (right), after "
        "signs and swap.",
        title="Scan rotation",
        unit="deg",
        live=False,
    )
    shear: float = setting(
        0.0,
        "Share of x that is added to y of the positions, before they are turned.",
        title="Scan shear",
        live=False,
        gt=-1,
        lt=1,
    )
    aspect: float = setting(
        1.0,
        "Step of the scan along x over that along y, where the file takes both for "
        "equal: x of the positions is multiplied by it.",
        title="Scan aspect",
        live=False,
        gt=0.1,
        lt=10,
    )
    x_column: str | None = setting(
        None,
        "Text: column of x of the positions, by its name or its number from 0.",
        live=False,
    )
    y_column: str | None = setting(
        None,
        "Text: column of y of the positions, by its name or its number from 0.",
        live=False,
    )

    scan_rows: int | None = setting(
        None,
        "Rows of a raster scan whose positions are in no file.",
        live=False,
        ge=1,
    )
    scan_columns: int | None = setting(
        None, "Columns of a raster scan; x runs along a row.", live=False, ge=1
    )
    scan_step_m: float | tuple[float, float] | None = setting(
        None,
        "Step of a raster scan whose positions are in no file, one number or (y, x).",
        unit="m",
        live=False,
    )

    frames: Literal["each", "first", "last"] = setting(
        "each",
        "Which belong together where there are not as many patterns as positions: the "
        "first or the last ones; each: refuse.",
        live=False,
    )
    use_frames: FrameList | None = setting(
        None,
        "Patterns of the file that are used, by number from 0: a range first:end:step, "
        "or numbers with commas between; all others are left in the file.",
        live=False,
    )
    use_frames_file: FilePath | None = setting(
        None,
        "Text or NPY with the numbers of the patterns that are used, from 0.",
        live=False,
    )
    leave_out: Numbers = setting(
        (),
        "Patterns that take no part, by their number from 0; their positions may "
        "lie anywhere.",
        live=False,
    )

    corner: bool = setting(
        False,
        "The patterns have their zero frequency at pixel (0, 0); bring it to the "
        "middle.",
        live=False,
    )
    amplitudes: bool = setting(
        False, "The patterns are square roots of counts; square them.", live=False
    )
    transpose: bool = setting(
        False, "Swap rows and columns of the patterns, before any flip.", live=False
    )
    flip_rows: bool = setting(False, "Turn the patterns upside down.", live=False)
    flip_columns: bool = setting(
        False, "Mirror the patterns left to right.", live=False
    )
    center: tuple[float, float] | None = setting(
        None,
        "Beam centre (row, column) in the patterns after transpose and flips.",
        unit="px",
        live=False,
    )
    crop: int | tuple[int, int] | None = setting(
        None, "Side of the patterns, or (rows, columns).", unit="px", live=False
    )
    rebin: int = setting(1, "Detector pixels summed along each axis.", live=False, ge=1)
    dark: FilePath | None = setting(
        None, "Dark frame or stack of dark frames, shaped like the file.", live=False
    )
    mask: FilePath | None = setting(
        None,
        "Mask shaped like the file, see mask_means: PNG, TIFF, NPY or HDF5, in which "
        "mask_key names it.",
        live=False,
    )
    mask_means: Literal["auto", "good", "bad"] = setting(
        "auto",
        "What a pixel that is not zero in the mask is; auto: bad where the mask is "
        "called pixel_mask, bad_pixels or the like, else good.",
        live=False,
    )
    saturation: float | None = setting(
        None, "Mask pixels at or above this.", unit="counts", live=False, gt=0
    )
    hot_pixel_sigma: float | None = setting(
        None, "Mask pixels that stand out of their surroundings.", live=False, gt=0
    )

    damaged: bool = setting(
        False,
        "Open a saved scan that was changed since, or damaged: its checksums do not "
        "fit.",
        live=False,
    )
    allow_external: bool = setting(
        False,
        "HDF5: read raw data, too, that the file keeps outside its own folder.",
        live=False,
        advanced=True,
    )
    data_key: str | None = _key("diffraction patterns")
    positions_key: str | None = _key("positions, two columns")
    x_key: str | None = _key("x of the positions")
    y_key: str | None = _key("y of the positions")
    frame_index_key: str | None = _key("number of each position's pattern, from 0")
    mask_key: str | None = _key("mask")
    wavelength_key: str | None = _key("wavelength")
    wavelength_unit: _LengthUnit = _unit("wavelength_key")
    energy_key: str | None = _key("photon energy")
    energy_unit: Literal["auto", "eV", "keV", "J"] = _unit("energy_key", "eV")
    distance_key: str | None = _key("distance from sample to detector")
    distance_unit: _LengthUnit = _unit("distance_key")
    detector_pixel_key: str | None = _key("detector pixel, one number or (y, x)")
    detector_pixel_unit: _LengthUnit = _unit("detector_pixel_key")


GEOMETRY_CHOICES = (
    "wavelength_m",
    "energy_ev",
    "voltage_v",
    "distance_m",
    "detector_pixel_m",
    "detector_pixel_mrad",
    "detector_pixel_inv_angstrom",
    "focus_sample_m",
    "propagation",
)
"""The fields of `OpenChoices` that belong to the geometry."""
BEAM_CHOICES = ("wavelength_m", "energy_ev", "voltage_v")
"""Those of them of which one is enough, and two are too many."""
HDF5_CHOICES = tuple(
    name
    for name in OpenChoices.model_fields
    if name.endswith("_key")
    or (
        name.endswith("_unit")
        and f"{name.removesuffix('_unit')}_key" in OpenChoices.model_fields
    )
)
"""The fields of `OpenChoices` that name datasets of a plain HDF5 file."""
COLUMN_CHOICES = ("x_column", "y_column")
"""The fields of `OpenChoices` that name columns of a text of positions."""
FILE_CHOICES = ("mask", "dark", "use_frames_file")
"""The fields of `OpenChoices` that name further files."""
POSITION_KEYS = ("positions_key", "x_key", "y_key", "frame_index_key")
"""Those of them that belong to the file of the positions."""


def geometry_choices(choices: OpenChoices) -> dict[str, object]:
    """Pick the geometry fields that were given, by name.

    Parameters
    ----------
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    dict
        Name of a field of `Geometry`, or ``energy_ev`` and the like, to value.
    """
    values = {name: getattr(choices, name) for name in GEOMETRY_CHOICES}
    return {name: value for name, value in values.items() if value is not None}


def chosen_keys(choices: OpenChoices) -> dict[str, str]:
    """Pick the names of datasets that were given, by choice.

    Parameters
    ----------
    choices : OpenChoices
        What was told about the file when it was opened.

    Returns
    -------
    dict
        Name of the choice (``"data_key"``) to name of a dataset.
    """
    values = {n: getattr(choices, n) for n in HDF5_CHOICES if n.endswith("_key")}
    return {name: value for name, value in values.items() if value is not None}
