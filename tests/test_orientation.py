"""The orientation of the detector: found, told with how sure it is, and taken."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.analysis.pattern_motion import pattern_motion
from napari_scicompty.core.quarter_turns import flags_of, matrix_of, rotation, split
from napari_scicompty.formats import OpenChoices
from napari_scicompty.workflow.orientation import SURE, verdict
from napari_scicompty.workflow.orientation_search import ALL, apart

EXPERIMENT = sc.VirtualExperiment(
    probe={"kind": "disc", "radius": 0.22},
    path={"kind": "jittered-raster", "rows": 8, "columns": 8, "step_px": 8},
    detector={"frame": 64, "photons": 1e5},
    focus_sample_m=5e-3,
)
SCAN, _ = sc.simulate(EXPERIMENT)
NEAR, _ = sc.simulate(
    sc.VirtualExperiment(
        probe={"kind": "disc", "radius": 0.42},
        path={"kind": "jittered-raster", "rows": 7, "columns": 7, "step_px": 8},
        detector={"frame": 64, "photons": 1e6, "pixel_m": 1e-6},
        propagation="near-field",
        wavelength_m=1e-10,
        distance_m=1.0,
    )
)
FLAGS = list(itertools.product((False, True), repeat=3))


def turned(scan: sc.Scan, degrees: float) -> sc.Scan:
    middle = scan.positions_m.mean(0)
    return scan.with_positions(
        (scan.positions_m - middle) @ rotation(degrees).T + middle
    )


def matrix(candidate: sc.OrientationCandidate) -> np.ndarray:
    return candidate.frames_matrix


def undoes(candidate: sc.OrientationCandidate, done: sc.OrientationCandidate) -> bool:
    """Whether both together leave the patterns, or turn them by 180 degrees."""
    both = matrix(candidate) @ matrix(done)
    signs = (1, -1) if candidate.has_twin else (1,)
    return any(np.array_equal(both, s * np.eye(2)) for s in signs)


# -- mirrors and turns --
@pytest.mark.parametrize("flags", FLAGS)
def test_a_matrix_tells_its_flags(flags):
    assert flags_of(matrix_of(*flags)) == flags


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("degrees", [-30.0, 0.0, 17.0, 44.0])
def test_a_turn_is_split_off(flags, degrees):
    found, quarter = split(rotation(degrees) @ matrix_of(*flags))
    assert found == pytest.approx(degrees)
    assert np.array_equal(quarter, matrix_of(*flags))


def test_those_that_patterns_can_tell_apart():
    assert len(apart(NEAR)) == 8
    far = apart(SCAN)
    assert len(far) == 4
    pairs = itertools.combinations(far, 2)
    assert not any(np.array_equal(matrix(a), -matrix(b)) for a, b in pairs)


# -- the motion of the patterns --
@pytest.mark.parametrize("scan", [SCAN, NEAR], ids=["far", "near"])
@pytest.mark.parametrize("degrees", [0.0, 17.0, -60.0])
def test_patterns_tell_the_angle_of_the_scan(scan, degrees):
    motion = pattern_motion(turned(scan, degrees))
    assert motion.is_clear and not motion.mirrored
    assert motion.rotation_deg == pytest.approx(-degrees, abs=1)


def test_patterns_tell_that_they_are_mirrored():
    motion = pattern_motion(sc.OrientationCandidate(flip_columns=True).apply(NEAR))
    assert motion.is_clear and motion.mirrored


def test_near_field_moves_by_the_pixel():
    motion = pattern_motion(NEAR)
    assert motion.pixels_per_m * NEAR.pixel_size_m[0] == pytest.approx(1, abs=0.05)


def test_large_patterns_are_binned_and_tell_the_same():
    small = pattern_motion(turned(SCAN, 17))
    frames = np.kron(np.asarray(SCAN.patterns), np.ones((4, 4), np.uint16))
    large = pattern_motion(turned(SCAN.replace(patterns=frames), 17))
    assert large.is_clear
    assert large.rotation_deg == pytest.approx(small.rotation_deg, abs=0.5)
    assert large.pixels_per_m == pytest.approx(4 * small.pixels_per_m, rel=0.02)


def test_a_centre_on_a_stretched_scan_is_no_trouble_for_the_check(tmp_path):
    np.save(tmp_path / "d.npy", np.asarray(SCAN.patterns)[:, ::-1])
    np.save(tmp_path / "p.npy", SCAN.positions_m[:, ::-1])
    geometry = SCAN.geometry.replace(focus_sample_m=None)
    choices = {"center": (32, 32), "aspect": 1.001}
    scan = sc.open_scan(tmp_path / "d.npy", tmp_path / "p.npy", geometry, **choices)
    (told,) = [f for f in sc.check(scan, device="cpu") if f.code == "orientation"]
    assert told.change == ()


def test_patterns_that_belong_to_other_positions_do_not_move():
    mixed = np.random.default_rng(0).permutation(len(SCAN))
    assert not pattern_motion(SCAN.with_positions(SCAN.positions_m[mixed])).is_clear


def test_too_few_patterns_tell_no_motion():
    few = sc.Scan(SCAN.patterns[:3], SCAN.positions_m[:3], SCAN.geometry)
    assert pattern_motion(few) is None


# -- the search --
@pytest.mark.parametrize("done", ALL[:4], ids=lambda c: c.words)
def test_far_field_orientation_is_found(done):
    best, *others = sc.find_orientation(done.apply(SCAN))
    assert len(others) == 3 and undoes(best, done)
    assert best.is_sure and best.error < min(c.error for c in others)
    assert sum(c.confidence for c in (best, *others)) == pytest.approx(1)


@pytest.mark.parametrize("done", ALL[4:6], ids=lambda c: c.words)
def test_near_field_orientation_is_found(done):
    best, *others = sc.find_orientation(done.apply(NEAR))
    assert len(others) == 7 and undoes(best, done) and best.is_sure


def test_the_angle_of_the_scan_is_found_and_mends_it():
    best = sc.find_orientation(turned(SCAN, 17))[0]
    assert best.rotation_deg == pytest.approx(-17, abs=0.5)
    mended = best.apply(turned(SCAN, 17))
    away = mended.positions_m - SCAN.positions_m
    assert np.abs(away).max() < 1 * SCAN.pixel_size_m[0]


def test_no_light_to_tell_by_is_undecided():
    dim, _ = sc.simulate(
        EXPERIMENT.replace(detector={"frame": 64, "photons": 30}, focus_sample_m=1.0)
    )
    found = sc.find_orientation(dim)
    assert found[0].confidence < SURE
    assert verdict(found).startswith("undecided")


def test_a_search_that_is_stopped_keeps_what_it_tried():
    controls, seen = sc.Controls(), []

    def stop(number, planned, candidate):
        seen.append((number, planned))
        controls.stop()

    found = sc.find_orientation(SCAN, controls=controls, progress=stop)
    assert len(found) == 1 and seen == [(1, 4)]


# -- taking it --
@pytest.mark.parametrize("before", FLAGS)
@pytest.mark.parametrize("extra", [{}, {"center": (30, 33)}])
def test_choices_open_the_file_as_the_candidate_turns_the_scan(before, extra, tmp_path):
    """The whole picture may be turned; the patterns fit the positions in each case."""
    np.save(tmp_path / "d.npy", np.asarray(SCAN.patterns))
    np.save(tmp_path / "p.npy", SCAN.positions_m[:, ::-1])
    names = ("transpose", "flip_rows", "flip_columns")
    told = dict(zip(names, before, strict=True))
    axes = {"flip_x": True, "swap_xy": before[0], "rotation_deg": 10.0}
    geometry = SCAN.geometry.replace(focus_sample_m=None)
    given = OpenChoices(**told, **axes, **extra)

    def opened(**choices):
        named = given.model_dump() | choices
        return sc.open_scan(tmp_path / "d.npy", tmp_path / "p.npy", geometry, **named)

    first = opened()
    candidate = sc.OrientationCandidate(
        transpose=True, flip_columns=True, rotation_deg=-25.0
    )
    want, got = candidate.apply(first), opened(**candidate.choices(given))
    whole = np.eye(2)
    if extra:  # then the positions are turned instead, and the picture with them
        whole = matrix(candidate).T
    middle = want.positions_m - want.positions_m.mean(0)
    placed = got.positions_m - got.positions_m.mean(0)
    assert np.allclose(placed, middle @ whole.T, atol=1e-12)
    if extra:
        assert np.array_equal(got.patterns, first.patterns)
    else:
        assert np.array_equal(got.patterns, want.patterns)


def test_of_the_twins_the_one_with_fewer_flips_is_taken():
    before = OpenChoices(flip_columns=True)
    candidate = sc.OrientationCandidate(flip_rows=True, has_twin=True)
    assert not any(candidate.choices(before).values())


def test_a_centre_on_a_stretched_scan_is_refused():
    before = OpenChoices(center=(3, 4), aspect=1.2)
    with pytest.raises(sc.InputError, match="shear and aspect"):
        sc.OrientationCandidate(transpose=True).choices(before)


def test_positions_can_be_turned_by_hand():
    candidate = sc.OrientationCandidate(swap_xy=True, flip_x=True)
    found = candidate.apply(SCAN)
    middle = SCAN.positions_m.mean(0)
    want = ((SCAN.positions_m - middle) * [1, -1])[:, ::-1] + middle
    assert np.allclose(found.positions_m, want)
    assert np.array_equal(found.patterns, SCAN.patterns)
    assert "swap_xy" in found.report[-1]


def test_a_candidate_says_what_it_is():
    assert sc.OrientationCandidate().words == "as opened"
    one = sc.OrientationCandidate(flip_rows=True, rotation_deg=-3.14159)
    assert one.words == "flip_rows + rotation_deg -3.14"
    assert math.isinf(one.error) and not one.is_sure
