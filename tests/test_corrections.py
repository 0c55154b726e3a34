"""Positions of a result changed by hand, and runs that go on from there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty import metrics
from napari_scicompty.core.affine import PositionMap
from napari_scicompty.workflow.corrections import (
    as_refined,
    reset_outliers,
    reset_positions,
    with_positions,
)
from napari_scicompty.workflow.reconstruction import reconstruct
from small_scans import small_scan

QUICK = sc.LeastSquaresShift(start_epoch=0, search_every=0)
STRAY = [3, 20]


@pytest.fixture(scope="module")
def scan() -> sc.Scan:
    small = small_scan((32, 32), (5, 5), step=5)
    error = np.random.default_rng(5).uniform(-1.5, 1.5, small.corners.shape)
    moved = small.scan.positions_m + error * small.scan.pixel_size_m
    return small.scan.with_positions(moved)


def run_on(scan: sc.Scan, epochs: int, **more: Any) -> sc.Snapshot:
    start = sc.DiscProbe(0.3 * 32 * scan.pixel_size_m[0])
    options: dict[str, Any] = {"start": start, "device": "cpu"} | more
    *_, last = reconstruct(scan, sc.RPIE(), epochs=epochs, **options)
    return last


@pytest.fixture(scope="module")
def refined(scan: sc.Scan) -> sc.Snapshot:
    return run_on(scan, 40, refine=[QUICK])


def test_reset_positions_are_those_measured_and_a_run_goes_on(
    scan: sc.Scan, refined: sc.Snapshot
) -> None:
    reset = reset_positions(refined)
    assert np.array_equal(reset.positions_m, scan.positions_m)
    assert np.array_equal(reset.object, refined.object)
    assert "positions reset by hand at epoch 40" in reset.history.notes
    # The error is far above the best so far, which is no divergence.
    more = run_on(scan, 1, start=reset)
    assert np.array_equal(more.positions_m, scan.positions_m)
    assert refined.error < more.error
    assert not any("diverged" in note for note in more.history.notes)
    again = run_on(scan, 40, start=reset, refine=[QUICK])
    assert again.error < 1.1 * refined.error


def test_a_run_goes_on_where_the_error_is_tenfold_the_best() -> None:
    scan = small_scan(grid=(6, 6), step=4).scan
    good = run_on(scan, 80)
    lost = with_positions(good, np.roll(good.positions_m, 7, axis=0), "loaded")
    more = run_on(scan, 2, start=lost)
    assert min(more.history.errors[-2:]) > 10 * good.error
    assert not any("diverged" in note for note in more.history.notes)
    np.testing.assert_array_equal(more.positions_m, lost.positions_m)
    assert run_on(scan, 1, start=more).epoch == 83  # the guard begins anew for good


def test_a_scan_takes_the_positions_of_its_own_result_only(
    scan: sc.Scan, refined: sc.Snapshot
) -> None:
    assert np.array_equal(as_refined(scan, refined).positions_m, refined.positions_m)
    other = scan.with_positions(scan.positions_m[::-1])
    assert as_refined(other, refined) is other


def test_outliers_are_put_where_the_map_of_the_others_moves_them(
    refined: sc.Snapshot,
) -> None:
    nominal = refined.nominal_positions_m
    assert nominal is not None
    known = PositionMap((1e-8, 0.0), (1.02, 0.99), 0.01)
    straight = known.apply(nominal, nominal.mean(0))
    moved = straight.copy()
    moved[STRAY] += 8 * np.array(refined.pixel_size_m)
    found = refined.replace(positions_m=moved)
    assert set(metrics.outliers(found)) == set(STRAY)
    reset = reset_outliers(found)
    np.testing.assert_allclose(reset.positions_m, straight, atol=1e-3 * 1e-7)
    assert "2 outlying position(s) reset by hand" in reset.history.notes[-1]
    assert reset_outliers(reset) is reset
    assert "scale 1.0200 (y) x 0.9900 (x), rotation 0.57°" in known.words


@pytest.mark.parametrize(
    ("change", "says"),
    [(lambda p: p[1:], "24 positions for"), (lambda p: p * np.nan, "not finite")],
)
def test_positions_that_do_not_fit_are_refused(
    refined: sc.Snapshot, change: Any, says: str
) -> None:
    with pytest.raises(sc.InputError, match=says):
        with_positions(refined, change(refined.positions_m), "loaded")
    unknown = refined.replace(nominal_positions_m=None)
    with pytest.raises(sc.InputError, match="measured positions"):
        reset_positions(unknown)


def test_the_scale_of_refined_positions_and_how_well_it_is_known(
    refined: sc.Snapshot,
) -> None:
    """Measured positions scatter about the true ones; the scale is pinned by all."""
    true = np.random.default_rng(1).uniform(-50e-6, 50e-6, (400, 2))
    sigma, scale, found = 1e-6, 1.02, []
    for seed in range(40):
        measured = true + np.random.default_rng(seed).normal(0, sigma, true.shape)
        known = metrics.measured_scale(
            refined.replace(positions_m=scale * true, nominal_positions_m=measured)
        )
        assert known is not None
        found.append(known)
    scales, errors = np.transpose(found)
    assert scales.mean() == pytest.approx(scale, abs=5e-4)
    assert scales.std() == pytest.approx(errors.mean(), rel=0.35)
    same = refined.replace(nominal_positions_m=refined.positions_m)
    assert metrics.measured_scale(same) is None
