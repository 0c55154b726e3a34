"""What `scicompty info` says, as plain lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import h5py

from napari_scicompty.algorithms import RPIE
from napari_scicompty.analysis.focus import probe_focus, refined_focus
from napari_scicompty.analysis.preflight import preflight
from napari_scicompty.core.beam import beam_words, is_electrons, pixel_angle
from napari_scicompty.core.device import free_bytes, pick_device
from napari_scicompty.core.findings import level_of
from napari_scicompty.core.units import shown_length
from napari_scicompty.engine.plan import plan, size
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.formats import list_datasets, read_patterns
from napari_scicompty.formats.hdf5 import energy_of_electrons
from napari_scicompty.optics.propagators import PROPAGATORS, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from napari_scicompty.core.findings import Finding
    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.data.scan import Scan, Source
    from napari_scicompty.data.snapshot import History, Snapshot

Line = tuple[str, str]


def describe_scan(scan: Scan) -> Iterator[Line]:
    """Say what was measured, what follows from it, and what was assumed."""
    h, w = scan.frame_shape
    view = preflight(scan)
    yield "patterns", f"{len(scan)} of {h} x {w} pixels, {scan.patterns.dtype}"
    yield "taking part", str(len(scan.included))
    yield "largest count", f"{scan.largest_count:g}"
    yield "good pixels", f"{scan.good.mean():.2%}"
    yield from describe_geometry(scan.geometry, scan.source)
    yield "Fresnel number", f"{view.fresnel_number:.3g}: {view.sampling}"
    yield "object pixel", _by(scan.pixel_size_m)
    yield "field of view", _by(view.field_of_view_m)
    yield "canvas", f"{view.canvas_shape[0]} x {view.canvas_shape[1]} pixels"
    yield "step", f"{view.step_px:.3g} object pixels"
    yield "overlap", f"{view.window_overlap:.0%} of the frame"
    settings = RunSettings()
    free = size(free_bytes(pick_device(settings.device)))
    words = f"{plan(scan, RPIE(), settings)} (M-rPIE, one mode; {free} free)"
    yield "memory", words
    yield from report_of(scan)


def report_of(scan: Scan) -> Iterator[Line]:
    """Say what was assumed or converted, and what was found to be odd."""
    for note in scan.notes:
        yield "note", note
    for finding in scan.findings:
        yield finding.level, str(finding)


def notes_of(history: History, told: Iterable[Finding] = ()) -> Iterator[Line]:
    """Say what a run did by itself, and what it found that was not told already."""
    known = {finding.as_note for finding in told}
    for note in history.notes:
        if note not in known:
            yield level_of(note)


def describe_file(path: Path) -> Iterator[Line]:
    """Say what a file holds that cannot be opened as a scan yet."""
    if h5py.is_hdf5(path):
        for row in list_datasets(path):
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in row.fits)
            yield f"/{row.path}", f"{row}{f'   fits {flags}' if flags else ''}"
            if (asked := energy_of_electrons(row)) is not None:
                yield asked.level, str(asked)
        return
    patterns = read_patterns(path).patterns
    shape = " x ".join(str(length) for length in patterns.shape)
    yield "patterns", f"{shape}, {patterns.dtype}"


def describe_result(snapshot: Snapshot, made: dict[str, str]) -> Iterator[Line]:
    """Say how far a result is, how it was made, and by what."""
    H, W = snapshot.object.shape
    modes, h, w = snapshot.probe.shape
    batch = f", {snapshot.batch} patterns into the next" if snapshot.batch else ""
    yield "epoch", f"{snapshot.epoch}{batch}"
    yield "error", f"{snapshot.error:.5g}"
    yield "object", f"{H} x {W} pixels"
    power = ", ".join(f"{share:.1%}" for share in snapshot.mode_power)
    yield "probe", f"{modes} mode(s) of {h} x {w} pixels, power {power}"
    yield "positions", str(len(snapshot.positions_m))
    yield from describe_geometry(snapshot.geometry, snapshot.source)
    yield from refined_geometry(snapshot)
    yield "object pixel", _by(snapshot.pixel_size_m)
    for part, values in snapshot.settings.items():
        yield part, ", ".join(f"{k} = {v}" for k, v in values.items())
    yield "computed for", f"{snapshot.elapsed_s:.1f} s"
    yield "source", snapshot.source.path or "not from a file"
    for change in snapshot.history.changes:
        where = f"epoch {change.epoch}, pattern {change.batch}"
        yield "changed", f"{change.path} = {change.shown} ({where})"
    yield from notes_of(snapshot.history)
    yield from made.items()


def refined_geometry(snapshot: Snapshot) -> Iterator[Line]:
    """Say what was found for distance and focus, where they were refined."""
    yield from refined_distance(snapshot)
    if bent := refined_focus(snapshot):
        yield "refined focus", f"{probe_focus(snapshot).sentence}; {bent}"


def refined_distance(snapshot: Snapshot) -> Iterator[Line]:
    """Say what was found for the distance, where it was refined."""
    told, found = snapshot.nominal_geometry.distance_m, snapshot.distance_m
    if found != told:
        change = f"{told * 1e3:.5g} mm nominal -> {found * 1e3:.5g} mm"
        yield "refined distance", f"{change} ({found / told - 1:+.2%})"


def describe_geometry(geometry: Geometry, source: Source) -> Iterator[Line]:
    """Say how it was measured."""
    volts = source.opened.get("voltage_v") is not None
    beam = beam_words(geometry, volts)
    yield "wavelength", f"{length(geometry.wavelength_m)}{beam}"
    yield "sample to detector", length(geometry.distance_m)
    pixel = _by(geometry.detector_pixel_m)
    if is_electrons(geometry, volts):
        pixel += f" ({pixel_angle(geometry)})"
    yield "detector pixel", pixel
    if geometry.focus_sample_m is not None:
        yield "focus to sample", length(geometry.focus_sample_m)
    yield "propagation", PROPAGATORS[kind_of(geometry)].title


def length(metres: float) -> str:
    """Write a length with a fitting unit."""
    return shown_length(metres)


def _by(pair: tuple[float, float]) -> str:
    y, x = pair
    if math.isclose(y, x):
        return length(y)
    return f"{length(y)} (y) x {length(x)} (x)"
