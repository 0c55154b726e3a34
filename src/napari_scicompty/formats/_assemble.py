"""From what the files hold and what was chosen to a checked `Scan`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty import prepare
from napari_scicompty.errors import InputError
from napari_scicompty.formats import positions as positions_files
from napari_scicompty.formats._raw import MissingChoice, RawFrames, fingerprint
from napari_scicompty.formats.choices import (
    POSITION_KEYS,
    OpenChoices,
    geometry_choices,
)
from napari_scicompty.geometry import Geometry
from napari_scicompty.reading import expanded, reading
from napari_scicompty.scan import Scan, Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_scicompty.formats._raw import Positions, Raw

_METRES = {"m": 1.0, "mm": 1e-3, "um": 1e-6, "nm": 1e-9, "angstrom": 1e-10}
_ORDER = {"xy": "x (column), y (row)", "yx": "y (row), x (column)"}
_NEEDED = {
    "wavelength_m": ("wavelength_m (or energy_ev)", ("wavelength_key", "energy_key")),
    "distance_m": ("distance_m", ("distance_key",)),
    "detector_pixel_m": ("detector_pixel_m", ("detector_pixel_key",)),
}
"""Fields of the geometry: what they are called, and datasets that may give them."""


def assemble(
    path: Path,
    positions: Path | None,
    geometry: Geometry | None,
    choices: OpenChoices,
    read: Callable[[Path, OpenChoices], Raw],
) -> Scan:
    """Read, complete, prepare, place; the cheap refusals come first."""
    raw, found = _read(path, positions, choices, read)
    _check_count(path, raw, found)
    whole, notes = _complete(path.name, raw, geometry, choices)
    frames = _prepared(
        RawFrames(raw.patterns, whole, raw.mask, (*raw.report, *notes)), choices, read
    )
    height, width = (int(length) for length in frames.patterns.shape[1:])
    pixel = frames.geometry.pixel_size_m((height, width))
    placed, position_notes = _placed(found, choices, pixel)
    if positions is not None and raw.positions is not None:
        position_notes.append(f"positions of {path.name} not used")
    with reading(path, "scan"):
        source = Source(str(path.absolute()), fingerprint(raw.files))
    view = _view_notes(frames.geometry, (height, width), pixel)
    report = (*frames.report, *position_notes, *view)
    try:
        return Scan(
            frames.patterns,
            placed,
            frames.geometry,
            frames.mask,
            report,
            source,
            raw.excluded,
        )
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None


def read_placed(path: Path) -> NDArray[np.float64]:
    """Read a file of positions alone: (n, 2) as (y, x) in metres."""
    choices = OpenChoices()
    placed, _ = _placed(positions_files.read(path, choices), choices, (1.0, 1.0))
    return placed


def _read(
    path: Path,
    positions: Path | None,
    choices: OpenChoices,
    read: Callable[[Path, OpenChoices], Raw],
) -> tuple[Raw, Positions]:
    """Read patterns and positions; datasets are named in the file that holds them."""
    if positions is not None:
        keys = dict.fromkeys(POSITION_KEYS)
        raw = read(path, choices.replace(**keys))
        return raw, positions_files.read(positions, choices)
    raw = read(path, choices)
    if raw.positions is None:
        choose = _hint(raw, *POSITION_KEYS)
        raise MissingChoice(
            f"{path}: holds no positions{' that were chosen' if choose else ''}; give "
            f"{f'{choose}, or ' if choose else ''}positions=FILE (text, CSV, NPY or "
            "HDF5)"
        )
    return raw, raw.positions


def _hint(raw: Raw, *choices: str) -> str:
    """Say which datasets of a plain HDF5 file fit, where there are some."""
    return ", ".join(raw.hints[name] for name in choices if name in raw.hints)


def _check_count(path: Path, raw: Raw, found: Positions) -> None:
    n, given = len(raw.patterns), len(found.columns)
    if n != given:
        raise InputError(
            f"{found.name} holds {given} positions, {path.name} {n} patterns; each "
            "pattern needs exactly one: check that both belong to the same scan"
        )


def _complete(
    name: str, raw: Raw, given: Geometry | None, choices: OpenChoices
) -> tuple[Geometry, list[str]]:
    """Geometry from the file, then `geometry`, then single choices: the last wins."""
    found = raw.geometry
    chosen = geometry_choices(choices)
    if "energy_ev" in chosen:
        if "wavelength_m" in chosen:
            raise InputError("wavelength_m and energy_ev are both given; give one")
        photon = Geometry.from_energy(chosen.pop("energy_ev"), 1, 1)
        chosen["wavelength_m"] = photon.wavelength_m
    whole = {} if given is None else {
        f.name: getattr(given, f.name) for f in dataclasses.fields(given)
    }  # fmt: skip
    values = {**found, **whole, **chosen}
    missing = [field for field in _NEEDED if field not in values]
    if missing:
        choose = _hint(raw, *(key for field in missing for key in _NEEDED[field][1]))
        raise MissingChoice(
            f"{name}: the geometry lacks {', '.join(_NEEDED[f][0] for f in missing)}; "
            f"give {'it' if len(missing) == 1 else 'them'}"
            + (f", or name the dataset that holds it: {choose}" if choose else "")
        )
    replaced = [f for f in found if f in whole or f in chosen]
    notes = [f"{f}: as given, not {found[f]} of the file" for f in replaced]
    if "propagation" not in values:
        notes.append(
            "far field assumed; where frames show the sample, choose "
            "propagation='near-field'"
        )
    return Geometry(**values), notes


def _prepared(
    frames: RawFrames, choices: OpenChoices, read: Callable[[Path, OpenChoices], Raw]
) -> RawFrames:
    """Apply the choices of preparation; the dark frame is turned and cut alike."""
    if choices.mask is not None:
        stored = np.asarray(read(expanded(choices.mask), OpenChoices()).patterns)
        good = (stored != 0) == (choices.mask_means == "good")
        name = Path(choices.mask).name
        frames = _naming(
            choices.mask,
            lambda: prepare.mask_pixels(
                frames, good[0] if len(good) == 1 else good, f"masked by {name}"
            ),
        )
    turned = _aimed(frames, choices)
    if choices.dark is not None:
        raw = read(expanded(choices.dark), OpenChoices()).patterns
        if raw.shape[1:] != frames.patterns.shape[1:]:
            raise InputError(
                f"{choices.dark}: has frames of shape {raw.shape[1:]}, the patterns "
                f"{frames.patterns.shape[1:]}; give dark frames of the same detector"
            )
        dark = _aimed(RawFrames(raw, frames.geometry), choices).patterns
        turned = _naming(choices.dark, lambda: prepare.dark_field(turned, dark))
    if choices.saturation is not None:
        turned = prepare.mask_saturated(turned, choices.saturation)
    if choices.hot_pixel_sigma is not None:
        turned = prepare.mask_hot_pixels(turned, choices.hot_pixel_sigma)
    return prepare.rebin(turned, choices.rebin)


def _aimed(frames: RawFrames, choices: OpenChoices) -> RawFrames:
    turned = prepare.orient(
        frames,
        transpose=choices.transpose,
        flip_rows=choices.flip_rows,
        flip_columns=choices.flip_columns,
    )
    if choices.crop is None and choices.center is None:
        return turned
    return prepare.crop(turned, choices.crop, choices.center)


def _naming(where: str, step: Callable[[], RawFrames]) -> RawFrames:
    """Put the file's name in front of what a step complains about."""
    try:
        return step()
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _placed(
    found: Positions, choices: OpenChoices, pixel: tuple[float, float]
) -> tuple[NDArray[np.float64], list[str]]:
    """Positions (y, x) in metres, and how they were understood."""
    order, unit = choices.position_order, choices.position_unit
    order = found.order if order == "auto" else order
    unit = found.unit if unit == "auto" else unit
    rows_columns = found.columns[:, ::-1] if order == "xy" else found.columns
    signs = np.where([choices.flip_y, choices.flip_x], -1.0, 1.0)
    scale = np.array(pixel) if unit == "px" else _METRES[unit]
    words = {"px": "object pixels", "m": "metres"}.get(unit, unit)
    note = f"{found.name}: positions taken as {_ORDER[order]} in {words}"
    flips = [axis for axis in "xy" if getattr(choices, f"flip_{axis}")]
    notes = [*found.report, note, *(f"positions: sign of {a} changed" for a in flips)]
    return rows_columns * signs * scale, notes


def _view_notes(
    geometry: Geometry, shape: tuple[int, int], pixel: tuple[float, float]
) -> list[str]:
    sizes = dict.fromkeys(f"{length * 1e9:.4g}" for length in pixel)
    text = f"object pixel {' x '.join(sizes)} nm"
    if geometry.propagation == "near-field":
        beam = "parallel beam" if geometry.focus_sample_m is None else "cone beam"
        return [
            f"near-field {beam}: magnification {geometry.magnification:.4g}, {text}, "
            f"effective distance {geometry.effective_distance_m * 1e3:.4g} mm"
        ]
    middle = (shape[0] // 2, shape[1] // 2)
    return [f"zero frequency assumed at pixel {middle}", text]
