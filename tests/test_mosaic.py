"""Views placed by their neighbours: beliefs, places, pictures; the survey."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.engine.run import Run
from napari_scicompty.refine.beliefs import believed
from napari_scicompty.refine.mosaic import Distances, place_by_neighbours, solved
from napari_scicompty.refine.overlaps import Overlaps, overlaps
from napari_scicompty.refine.survey import surveyed_distance
from napari_scicompty.simulation import PRESETS
from napari_scicompty.workflow.start import BackPropagatedProbe, begin
from small_scans import NEAR, SmallScan, settings, small_scan

GRID = np.array(list(itertools.product(range(6), repeat=2)))
FIRST, SECOND = np.array(
    [
        (i, j)
        for i, j in itertools.combinations(range(36), 2)
        if np.abs(GRID[i] - GRID[j]).max() == 1
    ]
).T


def wide_scan() -> SmallScan:
    """Views of 48 px, a quarter of it apart."""
    return small_scan((48, 48), (6, 6), step=12, near=True)


def begun(small: SmallScan, errors_px: float = 0, factor: float = 1) -> Run:
    """Start a run that is told wrong positions and a wrong distance."""
    rng = np.random.default_rng(3)
    told = rng.normal(0, 1, small.corners.shape) * errors_px * small.scan.pixel_size_m
    geometry = NEAR.replace(distance_m=factor * NEAR.distance_m)
    scan = small.scan.with_geometry(geometry)
    scan = scan.replace(positions_m=scan.positions_m + told)
    return Run(scan, sc.RPIE(), begin(scan, BackPropagatedProbe()), settings())


def off(run: Run, small: SmallScan) -> np.ndarray:
    """How far each view is off, in pixels, without an affine map."""
    found = sc.metrics.position_error(run.estimate.positions_m, small.scan.positions_m)
    return np.hypot(*(found.residuals_m / small.scan.pixel_size_m).T)


def placed(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Let neighbours place all views, within a quarter of the view."""
    seen = np.ones(len(run.scan), bool)
    return place_by_neighbours(run.estimate, run.measured, seen, 0.25)


# -- what pairs say together ----------------------------------------------------------
def test_beliefs_see_through_pairs_that_are_wrong() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(-4, 5, (36, 2))
    evidence = rng.exponential(1, (len(FIRST), 33, 33))
    y, x = (16 + true[SECOND] - true[FIRST]).T
    pair = np.arange(len(FIRST))
    evidence[pair, y, x] = 25
    wrong = rng.permutation(pair)[: len(pair) // 3]
    evidence[wrong, y[wrong], x[wrong]] = 1
    evidence[wrong, *rng.integers(2, 31, (2, len(wrong)))] = 40
    nowhere = np.zeros((len(FIRST), 33, 33, 2))
    supposed = 12.0 * (GRID[SECOND] - GRID[FIRST])
    pairs = Overlaps(FIRST, SECOND, supposed, 1, evidence, nowhere)
    found = believed(pairs, np.zeros((36, 2)))
    away = found - true
    assert (np.abs(away - np.median(away, 0)).max(1) <= 1).mean() > 0.85


def test_places_follow_from_distances_of_which_some_are_wrong() -> None:
    rng = np.random.default_rng(1)
    true = 12 * GRID + rng.normal(0, 3, GRID.shape)
    apart = true[SECOND] - true[FIRST]
    wrong = rng.permutation(len(apart))[: len(apart) // 4]
    apart[wrong] += rng.normal(0, 20, (len(wrong), 2))
    start = 12.0 * GRID
    found = solved(Distances(FIRST, SECOND, apart, np.ones(len(apart))), start)
    away = found - true
    assert np.abs(away - np.median(away, 0)).max() < 1


# -- pictures -------------------------------------------------------------------------
def test_pictures_tell_how_far_neighbours_are_apart() -> None:
    small = wide_scan()
    run = begun(small, errors_px=3)
    found = overlaps(run.estimate, run.measured, np.arange(36), 0.25)
    strongest = found.evidence.reshape(len(found.first), -1).argmax(1)
    best = found.best.reshape(len(found.first), -1, 2)
    best = best[np.arange(len(best)), strongest] + found.supposed
    true = small.corners[found.second] - small.corners[found.first]
    right = np.linalg.norm(best - true, axis=1) < 2
    assert right.mean() > 0.6


def test_views_are_placed_before_anything_is_reconstructed() -> None:
    small = wide_scan()
    run = begun(small, errors_px=4)
    assert np.median(off(run, small)) > 3
    known, moved = placed(run)
    assert known.mean() > 0.8
    assert moved.any()
    assert np.median(off(run, small)) < 1
    assert (off(run, small) < 3).mean() > 0.9


def test_views_that_are_right_stay() -> None:
    small = wide_scan()
    run = begun(small)
    known, moved = placed(run)
    assert known.mean() > 0.9
    assert not moved.any()
    assert np.array_equal(run.estimate.positions_m, small.scan.positions_m)


def test_a_corner_that_was_drawn_in_a_wrong_place_is_put_back() -> None:
    """Its views agree with one another and with what they drew; no error tells."""
    small = wide_scan()
    told = small.scan.positions_m.copy()
    corner = np.flatnonzero((GRID < 2).all(1))
    told[corner] += np.array([7.0, -8.0]) * small.scan.pixel_size_m
    scan = small.scan.replace(positions_m=told)
    *_, drawn = sc.reconstruct(scan, sc.RPIE(), epochs=15, device="cpu")
    run = Run(scan, sc.RPIE(), drawn, settings())
    assert np.median(off(run, small)[corner]) > 5
    _, moved = placed(run)
    assert np.array_equal(np.flatnonzero(moved), corner)
    assert off(run, small).max() < 2


def test_nothing_is_moved_where_patterns_do_not_belong_together() -> None:
    small = wide_scan()
    order = np.random.default_rng(0).permutation(36)
    mixed = small.scan.replace(patterns=np.asarray(small.scan.patterns)[order])
    run = begun(replace(small, scan=mixed), errors_px=2)
    before = run.estimate.positions_m.copy()
    known, moved = placed(run)
    assert not known.any()
    assert not moved.any()
    assert np.array_equal(run.estimate.positions_m, before)


def test_views_without_neighbours_are_left_alone() -> None:
    run = begun(small_scan((32, 32), (3, 3), step=30, near=True))
    assert not placed(run)[0].any()
    seen = np.arange(9)
    found = surveyed_distance(run.estimate, run.measured, seen)
    assert found == run.estimate.distance_m


# -- the survey -----------------------------------------------------------------------
@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_the_distance_is_surveyed_without_positions(factor: float) -> None:
    """A small relative of the AD paper's appendix, positions with sigma 5 px."""
    experiment = PRESETS["autodiff-80mm"].experiment.replace(
        path={"kind": "jittered-raster", "rows": 6, "columns": 6, "step_px": 19},
        detector={"frame": 64, "pixel_m": 0.39e-6, "photons": None},
        mistakes={"gaussian_px": 5, "distance_error": factor - 1},
        distance_m=0.025,
    )
    scan, truth = sc.simulate(experiment)
    run = Run(scan, sc.RPIE(), begin(scan, BackPropagatedProbe()), settings())
    found = surveyed_distance(run.estimate, run.measured, np.arange(36))
    assert found == pytest.approx(truth.distance_m, rel=0.1)


@pytest.mark.parametrize("factor", [0.7, 1.0])
def test_a_distance_that_makes_no_difference_stays(factor: float) -> None:
    """Nearly shadows: neighbours agree as well at any distance."""
    run = begun(wide_scan(), errors_px=4, factor=factor)
    found = surveyed_distance(run.estimate, run.measured, np.arange(36))
    assert found == pytest.approx(factor * NEAR.distance_m)


# -- a whole run ----------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("sign", [1, -1])
def test_everything_is_refined_from_far_off(sign: int) -> None:
    """Distance 30 % wrong, positions with sigma 10 px: the AD paper's appendix."""
    wrong = {"gaussian_px": 10, "distance_error": 0.3 * sign}
    experiment = PRESETS["autodiff-80mm"].experiment.replace(mistakes=wrong)
    scan, truth = sc.simulate(experiment)
    refine = ["positions", "distance"]
    *_, last = sc.reconstruct(scan, sc.RPIE(), epochs=50, refine=refine)
    found = sc.metrics.position_error(last.positions_m, truth.positions_m)
    away = np.hypot(*(found.residuals_m / scan.pixel_size_m).T)
    scaled = last.distance_m / found.map.magnification
    assert scaled == pytest.approx(truth.distance_m, rel=0.01)
    assert np.median(away) < 0.4
    assert (away > 3).mean() < 0.02
