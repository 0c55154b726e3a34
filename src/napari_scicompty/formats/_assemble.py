"""From what the files hold and what was chosen to a checked `Scan`."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty import prepare
from napari_scicompty.core.affine import PositionMap
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.findings import Finding
from napari_scicompty.core.geometry import Geometry
from napari_scicompty.core.units import size
from napari_scicompty.data.checks.span import check_span
from napari_scicompty.data.door import NotFinite
from napari_scicompty.data.scan import Scan, Source
from napari_scicompty.files.hdf5_links import linked_files
from napari_scicompty.files.reading import expanded, reading
from napari_scicompty.formats import positions as positions_files
from napari_scicompty.formats._angular import INVERSE, MRAD, merged, with_pixel
from napari_scicompty.formats._beam import electrons
from napari_scicompty.formats._matched import matched
from napari_scicompty.formats._raw import MissingChoice, RawFrames, fingerprint
from napari_scicompty.formats.choices import (
    BEAM_CHOICES,
    COLUMN_CHOICES,
    FILE_CHOICES,
    POSITION_KEYS,
    OpenChoices,
    geometry_choices,
)
from napari_scicompty.formats.masks import good_pixels, read_mask
from napari_scicompty.formats.raster import (
    RASTER_CHOICES,
    raster_hint,
    raster_positions,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_scicompty.formats._raw import Positions, Raw

OVERRIDES = "overrides-file"
"""Code of a finding: what was given replaces what the file says."""
_ORDER = {"xy": "x (column), y (row)", "yx": "y (row), x (column)"}
_NEEDED = {
    "wavelength_m": (
        "wavelength_m (or energy_ev, voltage_v)",
        ("wavelength_key", "energy_key"),
    ),
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
    raw, found = matched(path, raw, found, choices)
    whole, notes, findings = _complete(path.name, raw, geometry, choices)
    given = RawFrames(
        raw.patterns, whole, raw.mask, (*raw.report, *notes), tuple(findings)
    )
    if choices.saturation is None and raw.saturation is not None:
        choices = choices.replace(saturation=math.nextafter(raw.saturation, math.inf))
    frames = _prepared(given, choices, read)
    height, width = (int(length) for length in frames.patterns.shape[1:])
    pixel = frames.geometry.pixel_size_m((height, width))
    placed, position_notes = _placed(found, choices, pixel)
    if positions is not None and raw.positions is not None:
        position_notes.append(f"positions of {path.name} not used")
    unused = [n for n in RASTER_CHOICES if getattr(choices, n) is not None]
    if unused and (positions is not None or raw.positions is not None):
        position_notes.append(f"{', '.join(unused)} not used: there are positions")
    with reading(path, "scan"):
        source = Source(
            str(path.absolute()),
            fingerprint(raw.files),
            _files(raw, path, positions, choices),
            _opened(path, positions, None if geometry is None else whole, choices),
        )
    view = _view_notes(frames.geometry, (height, width), pixel)
    frames = frames.replace(report=(*frames.report, *position_notes, *view))
    try:
        taken = frames.geometry, (height, width), raw.excluded, _unit(found, choices)
        check_span(placed, *taken)
        return _scan(frames, placed, source, raw.excluded)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error


def _scan(
    frames: RawFrames,
    placed: NDArray[np.float64],
    source: Source,
    excluded: tuple[int, ...],
) -> Scan:
    """Make the scan; what is not finite is masked where it is little."""

    def made(frames: RawFrames, excluded: tuple[int, ...]) -> Scan:
        return Scan(
            frames.patterns,
            placed,
            frames.geometry,
            frames.mask,
            frames.report,
            source,
            excluded,
            frames.findings,
        )

    try:
        return made(frames, excluded)
    except NotFinite:
        return made(*prepare.mask_not_finite(frames, excluded))


def _files(
    raw: Raw, path: Path, positions: Path | None, choices: OpenChoices
) -> tuple[str, ...]:
    """Name every file that was read."""
    named = (*raw.files, path, positions, *(getattr(choices, n) for n in FILE_CHOICES))
    files = [Path(name).absolute() for name in named if name is not None]
    beside = [linked for file in files for linked in linked_files(file)]
    return tuple(dict.fromkeys((*map(str, files), *beside)))


def _opened(
    path: Path, positions: Path | None, geometry: Geometry | None, choices: OpenChoices
) -> dict[str, object]:
    """Path, positions and choices that open the same scan again."""
    values = choices.model_dump(mode="json", exclude_defaults=True)
    if geometry is not None:  # given as a whole, which a choice may have changed
        for name in (*BEAM_CHOICES, MRAD, INVERSE):
            values.pop(name, None)
        values |= geometry.described
    files = {"path": path, "positions": positions}
    files |= {name: values.get(name) for name in FILE_CHOICES}
    named = {k: str(Path(v).absolute()) for k, v in files.items() if v is not None}
    return values | named


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
    ours = choices if choices.mask is None else choices.replace(mask_key=None)
    if positions is not None:
        keys = dict.fromkeys(POSITION_KEYS)
        raw = read(path, ours.replace(**keys))
        return raw, positions_files.read(positions, choices)
    if named := [n for n in COLUMN_CHOICES if getattr(choices, n) is not None]:
        raise InputError(f"{named[0]} belongs to a text; also give positions=FILE")
    raw = read(path, ours)
    found = raw.positions
    if found is None:
        found = raster_positions(raw, choices)
    if found is None:
        choose = _hint(raw, *POSITION_KEYS)
        raise MissingChoice(
            f"{path}: holds no positions{' that were chosen' if choose else ''}; give "
            f"{f'{choose}, or ' if choose else ''}positions=FILE (text, CSV, NPY or "
            f"HDF5), or {raster_hint(raw)}"
        )
    return raw, found


def _hint(raw: Raw, *choices: str) -> str:
    """Say which datasets of a plain HDF5 file fit, where there are some."""
    return ", ".join(raw.hints[name] for name in choices if name in raw.hints)


def _complete(
    name: str, raw: Raw, given: Geometry | None, choices: OpenChoices
) -> tuple[Geometry, list[str], list[Finding]]:
    """Geometry from the file, then `geometry`, then single choices: the last wins."""
    found = raw.geometry
    chosen, findings = _beam(geometry_choices(choices), raw, choices, given)
    whole = {} if given is None else {
        f.name: getattr(given, f.name) for f in dataclasses.fields(given)
    }  # fmt: skip
    values, notes = with_pixel(merged(found, whole, chosen))
    missing = [field for field in _NEEDED if field not in values]
    if INVERSE in values:  # waits for the wavelength
        missing.remove("detector_pixel_m")
    if missing:
        choose = _hint(raw, *(key for field in missing for key in _NEEDED[field][1]))
        raise MissingChoice(
            f"{name}: the geometry lacks {', '.join(_NEEDED[f][0] for f in missing)}; "
            f"give {'it' if len(missing) == 1 else 'them'}"
            + (f", or name the dataset that holds it: {choose}" if choose else "")
            + "".join(f"; {raw.unused[f]}" for f in missing if f in raw.unused)
        )
    notes += raw.unused.values()
    for field in [f for f in found if f in values]:
        now, then = values[field], found[field]
        if field in (*whole, *chosen) and not _agree(now, then):
            said = f"{field}: {now} as given, not {then} of the file"
            remedy = f"leave {field} out to take the file's"
            change = ((field, None),)
            findings.append(Finding(OVERRIDES, field, said, remedy, change=change))
    if "propagation" not in values:
        notes.append(
            "far field assumed; where frames show the sample, choose "
            "propagation='near-field'"
        )
    return Geometry(**values), notes, findings


def _beam(
    chosen: dict[str, Any], raw: Raw, choices: OpenChoices, given: Geometry | None
) -> tuple[dict[str, Any], list[Finding]]:
    """Turn energy or voltage into the wavelength; ask where photons are unlikely."""
    told = [name for name in BEAM_CHOICES if name in chosen]
    if len(told) > 1:
        raise InputError(f"{' and '.join(told)} are both given; give one")
    energy, voltage = chosen.pop("energy_ev", None), chosen.pop("voltage_v", None)
    asked = None
    if energy is not None:
        chosen["wavelength_m"] = Geometry.from_energy(energy, 1, 1).wavelength_m
        asked = electrons(energy)
    elif voltage is not None:
        chosen["wavelength_m"] = Geometry.from_voltage(voltage, 1, 1).wavelength_m
    elif raw.energy_ev is not None and not told and given is None:
        asked = electrons(raw.energy_ev, choices.energy_key or "the file's energy")
    return chosen, [asked] if asked is not None else []


def _agree(one: Any, other: Any) -> bool:
    """Whether two values of the geometry are the same but for rounding."""
    if isinstance(one, str) or isinstance(other, str) or None in (one, other):
        return bool(one == other)
    return bool(np.allclose(one, other, rtol=1e-9, atol=0))


def _prepared(
    frames: RawFrames, choices: OpenChoices, read: Callable[[Path, OpenChoices], Raw]
) -> RawFrames:
    """Apply the choices of preparation; the dark frame is turned and cut alike."""
    frames = prepare.mask_markers(_masked(frames, choices, read))
    if choices.amplitudes:
        frames = prepare.amplitudes_squared(frames)
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


def _masked(
    frames: RawFrames, choices: OpenChoices, read: Callable[[Path, OpenChoices], Raw]
) -> RawFrames:
    """Apply the mask of a file of its own."""
    if choices.mask is None:
        return frames
    path = expanded(choices.mask)
    shape = frames.patterns.shape[1:]
    good, note = good_pixels(*read_mask(path, shape, choices, read), choices.mask_means)
    frames = frames.replace(report=(*frames.report, note))
    return _naming(
        choices.mask,
        lambda: prepare.mask_pixels(frames, good, f"masked by {path.name}"),
    )


def _aimed(frames: RawFrames, choices: OpenChoices) -> RawFrames:
    """Bring frames to the order, the sign and the centre that a scan has."""
    if choices.corner:
        frames = prepare.from_corner(frames)
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
        raise InputError(f"{where}: {error}") from error


def _placed(
    found: Positions, choices: OpenChoices, pixel: tuple[float, float]
) -> tuple[NDArray[np.float64], list[str]]:
    """Positions (y, x) in metres, and how they were understood."""
    order, unit = choices.position_order, _unit(found, choices)
    order = found.order if order == "auto" else order
    rows_columns = found.columns[:, ::-1] if order == "xy" else found.columns
    signs = np.where([choices.flip_y, choices.flip_x], -1.0, 1.0)
    scale = np.array(pixel) if unit == "px" else size(unit)
    words = {"px": "object pixels", "m": "metres"}.get(unit, unit)
    note = f"{found.name}: positions taken as {_ORDER[order]} in {words}"
    flips = [axis for axis in "xy" if getattr(choices, f"flip_{axis}")]
    notes = [*found.report, note, *(f"positions: sign of {a} changed" for a in flips)]
    placed = rows_columns * signs * scale
    if choices.swap_xy:
        placed = placed[:, ::-1]
        notes.append("positions: x and y swapped")
    return _turned(placed, choices, notes), notes


def _turned(
    placed: NDArray[np.float64], choices: OpenChoices, notes: list[str]
) -> NDArray[np.float64]:
    """Turn, shear and stretch positions (n, 2) about their middle; and say so."""
    whole = PositionMap(
        (0.0, 0.0),
        (1.0, choices.aspect),
        math.radians(choices.rotation_deg),
        choices.shear,
    )
    if np.allclose(whole.matrix, np.eye(2), rtol=0, atol=1e-12):
        return placed
    notes.append(f"positions: {whole.words}")
    return whole.apply(placed, placed.mean(0))


def _unit(found: Positions, choices: OpenChoices) -> str:
    return found.unit if choices.position_unit == "auto" else choices.position_unit


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
