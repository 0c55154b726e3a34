"""A scan is looked at before a run: what is well, and what each mistake is told as."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.analysis.pattern_motion import pattern_motion
from napari_scicompty.analysis.view_checks import centre_of_light
from napari_scicompty.core.errors import changes_of
from napari_scicompty.core.quarter_turns import rotation
from napari_scicompty.simulation import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXPERIMENT = sc.VirtualExperiment(
    probe={"kind": "disc", "radius": 0.22},
    path={"kind": "jittered-raster", "rows": 10, "columns": 10, "step_px": 8},
    detector={"frame": 64, "photons": 1e6},
    focus_sample_m=5e-3,
)
SCAN, _ = sc.simulate(EXPERIMENT)
DEFOCUSED = sc.VirtualExperiment(
    probe={"kind": "zone-plate"},
    path={"kind": "jittered-raster", "rows": 8, "columns": 8, "step_px": 12},
    detector={"frame": 128, "photons": 1e6},
    wavelength_m=1.5e-10,
    distance_m=2.0,
    focus_sample_m=1.67e-3,
)
SHADED, _ = sc.simulate(DEFOCUSED)
"""Whose patterns show the shadow of the sample."""
FRAMES = np.asarray(SCAN.patterns)
TOPICS = {
    *("memory", "counts", "geometry", "positions", "overlap", "frames", "centre"),
    *("values", "mask"),
}


def odd(scan: sc.Scan, **options: Any) -> dict[str, sc.Finding]:
    """What is not well, by code."""
    found = sc.check(scan, device="cpu", **options)
    assert [f.level for f in found] == sorted(
        (f.level for f in found), key=["error", "warning", "ok"].index
    )
    return {f.code: f for f in found if f.level != "ok"}


def with_frames(
    change: Callable[[np.ndarray], np.ndarray], scan: sc.Scan = SCAN
) -> sc.Scan:
    frames = np.asarray(scan.patterns, np.float64)
    return scan.replace(patterns=change(frames).astype(np.float32))


def moved(change: Callable[[np.ndarray], np.ndarray]) -> sc.Scan:
    return SHADED.with_positions(change(SHADED.positions_m))


def test_an_honest_scan_is_well_in_every_topic() -> None:
    for scan in (SCAN, SHADED):
        found = sc.check(scan, device="cpu")
        assert {f.code for f in found} == TOPICS
        assert {f.level for f in found} == {"ok"} and all(f.what for f in found)


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_well(name: str) -> None:
    assert not odd(sc.Recipe.preset(name).scan())


def test_a_topic_with_a_finding_is_not_called_well() -> None:
    scan = with_frames(lambda f: np.roll(f, (9, -7), (1, 2)))
    well = {f.code for f in sc.check(scan, device="cpu") if f.level == "ok"}
    assert well == TOPICS - {"centre"}


# -- spoiled frames -------------------------------------------------------------------
BAD = (5, 17, 60, 81)
RNG = np.random.default_rng(3)
SPOILS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "near-empty": lambda f: RNG.poisson(80 / f.size, f.shape),
    "bright": lambda f: 30 * f,
    "noise": lambda f: RNG.poisson(f.mean(), f.shape),
    "shifted": lambda f: np.roll(f, (6, -4), (0, 1)),
}


@pytest.mark.parametrize("kind", SPOILS)
def test_spoiled_frames_are_named_and_no_others(kind: str) -> None:
    frames = FRAMES.astype(np.float64)
    for j in BAD:
        frames[j] = SPOILS[kind](frames[j])
    scan = SCAN.replace(patterns=frames.astype(np.float32))
    found = odd(scan)
    assert set(found) <= {"sums-apart", "frames-apart"}
    named = [j for finding in found.values() for j in finding.patterns]
    assert sorted(named) == list(BAD)
    for finding in found.values():
        assert finding.change == (("run.excluded", finding.patterns),)
    assert not odd(scan.exclude(BAD))


# -- orientation, geometry ------------------------------------------------------------
def test_a_shadow_tells_how_wide_the_lit_part_is() -> None:
    seen = pattern_motion(SHADED)
    assert seen is not None and seen.is_clear
    lit = 2 * DEFOCUSED.probe_radius_m / SHADED.pixel_size_m[0]
    assert seen.lit_px == pytest.approx(lit, rel=0.1)


@pytest.mark.parametrize(
    "done",
    [{"flip_columns": True}, {"flip_rows": True}, {"transpose": True}],
    ids=str,
)
def test_a_wrong_orientation_is_seen_in_the_shadow(done: dict[str, bool]) -> None:
    scan = sc.OrientationCandidate(**done).apply(SHADED)
    told = odd(scan)["orientation"]
    assert told.level == "error"
    mended = sc.OrientationCandidate(**dict(told.change)).apply(scan)
    assert "orientation" not in odd(mended)


def test_a_turned_scan_is_seen_in_the_shadow() -> None:
    middle = SHADED.positions_m.mean(0)
    told = odd(moved(lambda p: (p - middle) @ rotation(17).T + middle))["orientation"]
    ((name, degrees),) = told.change
    assert name == "rotation_deg" and degrees == pytest.approx(-17, abs=1)


def test_a_half_turn_in_the_far_field_is_the_other_side_of_the_focus() -> None:
    assert "orientation" not in odd(moved(lambda p: -p))


def with_distance(factor: float) -> sc.Scan:
    geometry = SHADED.geometry
    return SHADED.with_geometry(
        replace(geometry, distance_m=factor * geometry.distance_m)
    )


def test_a_distance_ten_times_too_long_makes_tiny_steps() -> None:
    told = odd(with_distance(10))["step-small"]
    assert "views overlap by 99%" in told.what and told.where == "positions"


def test_a_distance_ten_times_too_short_makes_a_view_that_is_too_small() -> None:
    found = odd(with_distance(0.1))
    assert found["near-field"].level == "error"
    assert "lit part is then" in found["near-field"].what
    assert "lit parts by less" in found["overlap"].what


def test_positions_eight_times_too_far_do_not_overlap() -> None:
    assert odd(moved(lambda p: 8 * p))["near-field"].level == "error"
    assert "overlap by 33%" in odd(moved(lambda p: 8 * p))["overlap"].what
    assert odd(moved(lambda p: 12 * p))["overlap"].level == "error"


def test_few_views_are_questioned() -> None:
    scan = sc.Scan(FRAMES[:9], SCAN.positions_m[:9], SCAN.geometry)
    assert "only 9 patterns" in odd(scan)["few-views"].what
    one = sc.Scan(FRAMES[:1], SCAN.positions_m[:1], SCAN.geometry)
    assert odd(one)["few-patterns"].level == "error"


def test_the_lit_part_of_a_probe_decides_on_the_overlap() -> None:
    h, w = SCAN.frame_shape
    probe = np.zeros((1, h, w), np.complex64)
    probe[0, 28:36, 28:36] = 1
    told = odd(SCAN, probe=probe)["overlap"]
    assert "lit parts overlap by" in told.what


def test_an_exact_grid_with_little_overlap_is_told() -> None:
    h, w = SCAN.frame_shape
    grid = np.indices((10, 10)).reshape(2, -1).T * 8.0
    scan = SCAN.with_positions(grid * SCAN.pixel_size_m)
    assert "raster" not in odd(scan)
    probe = np.zeros((1, h, w), np.complex64)
    probe[0, 24:38, 24:38] = 1
    assert "exact grid" in odd(scan, probe=probe)["raster"].what
    assert "raster" not in odd(SCAN, probe=probe)


# -- centre, values -------------------------------------------------------------------
def test_a_beam_off_the_middle_is_told_with_its_centre(tmp_path: Path) -> None:
    rolled = np.roll(FRAMES, (9, -7), (1, 2))
    np.save(tmp_path / "d.npy", rolled)
    np.save(tmp_path / "p.npy", SCAN.positions_m[:, ::-1])
    files = (tmp_path / "d.npy", tmp_path / "p.npy")
    told = odd(sc.open_scan(*files, SCAN.geometry))["centre"]
    ((name, at),) = told.change
    assert name == "center" and np.allclose(at, (32 + 9, 32 - 7), atol=1)
    mended = sc.open_scan(*files, SCAN.geometry, **dict(told.change))
    assert "centre" not in odd(mended)
    cropped = sc.open_scan(*files, SCAN.geometry, crop=62)
    assert odd(cropped)["centre"].change == ()


def test_a_masked_half_does_not_move_the_centre() -> None:
    mask = np.ones(SCAN.frame_shape, bool)
    mask[:, 33:40] = False
    y, x = centre_of_light(SCAN.replace(mask=mask))
    assert max(abs(y), abs(x)) < 1.5


@pytest.mark.parametrize(
    ("name", "of"),
    [
        ("ln(1 + counts)", np.log1p),
        ("lg(1 + counts)", lambda f: np.log10(1 + f)),
    ],
)
def test_logarithms_are_seen(name: str, of: Callable[[np.ndarray], np.ndarray]) -> None:
    told = odd(with_frames(of))["logarithms"]
    assert name in told.what and told.level == "error"


def test_whole_counts_and_scaled_ones_are_no_logarithms() -> None:
    for factor in (1.0, 1.7, 1e-5):
        assert "logarithms" not in odd(with_frames(partial(np.multiply, factor)))


def test_hot_pixels_are_told_and_masked_by_what_is_proposed(tmp_path: Path) -> None:
    frames = FRAMES.astype(np.uint32)
    spots = ([3, 20, 50], [60, 9, 44])
    frames[:, *spots] = 0.02 * frames.sum((1, 2)).mean()
    np.save(tmp_path / "d.npy", frames)
    np.save(tmp_path / "p.npy", SCAN.positions_m[:, ::-1])
    files = (tmp_path / "d.npy", tmp_path / "p.npy")
    told = odd(sc.open_scan(*files, SCAN.geometry))["hot-pixels"]
    assert "3 pixel(s)" in told.what
    scan = sc.open_scan(*files, SCAN.geometry, **dict(told.change))
    assert not scan.good[spots].any() and not odd(scan)


def test_what_does_not_fit_the_memory_is_an_error() -> None:
    told = odd(SCAN, memory_gb=1e-4)["memory"]
    assert told.level == "error" and "does not fit" in told.what
    assert "object of" in told.why


# -- a unit that is refused -----------------------------------------------------------
def test_a_refusal_names_the_unit_that_mends_it(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", FRAMES)
    np.save(tmp_path / "p.npy", SCAN.positions_m[:, ::-1] * 1e6)
    files = (tmp_path / "d.npy", tmp_path / "p.npy")
    with pytest.raises(sc.InputError) as caught:
        sc.open_scan(*files, SCAN.geometry)
    changes = changes_of(caught.value)
    assert (("position_unit", "um"),) in changes
    assert not odd(sc.open_scan(*files, SCAN.geometry, position_unit="um"))


def test_a_refusal_names_the_positions_to_leave_out() -> None:
    points = SCAN.positions_m.copy()
    points[50] += 30000 * SCAN.pixel_size_m[0]
    with pytest.raises(sc.InputError) as caught:
        SCAN.with_positions(points)
    assert changes_of(caught.value) == ((("leave_out", (50,)),),)
    assert changes_of(ValueError()) == ()
