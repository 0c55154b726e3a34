"""The distance refined along its valley: what the valley is, and whole runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import napari_scicompty as sc
from napari_scicompty.core.errors import InputError
from napari_scicompty.engine.run import Run
from napari_scicompty.model.defocus import defocus_coupled
from napari_scicompty.optics import propagators
from napari_scicompty.refine.distance import coupled_slope
from small_scans import NEAR, SmallScan, settings, small_scan


def told(small: SmallScan, factor: float) -> sc.Scan:
    """The scan, told a distance that is wrong by a factor."""
    geometry = NEAR.replace(distance_m=factor * NEAR.distance_m)
    return small.scan.with_geometry(geometry)


def true_run(small: SmallScan) -> Run:
    """A run that begins with the truth."""
    begun = small.start()
    h, w = begun.object.shape
    return Run(
        small.scan,
        sc.RPIE(),
        begun.replace(
            object=small.object[:h, :w].astype("c8"), probe=small.probe.astype("c8")
        ),
        settings(),
    )


def test_the_valley_is_flat_and_a_plain_change_of_distance_is_not() -> None:
    run = true_run(small_scan((40, 40), (5, 5), step=4, near=True))
    before = run.full_error()[0]
    there = defocus_coupled(run.estimate, 0.05 * NEAR.distance_m)
    assert there.distance_m == pytest.approx(1.05 * NEAR.distance_m)
    original = run.estimate
    run.estimate = there
    along = run.full_error()[0]
    there.object, there.probe = original.object, original.probe
    plain = run.full_error()[0]
    assert abs(along - before) < 0.3 * abs(plain - before)
    back = defocus_coupled(defocus_coupled(original, 2e-4), -2e-4)
    assert torch.allclose(back.probe, original.probe, atol=1e-3)
    assert back.distance_m == pytest.approx(original.distance_m)


@pytest.mark.parametrize(
    ("algorithm", "refine"),
    [
        (sc.RPIE(), [sc.DefocusCoupledDistance(start_epoch=0, rate=0.2)]),
        (sc.RPIE(), [sc.DefocusCoupledDistance(start_epoch=0, rate=0.2, survey=False)]),
        (sc.AutoDiff(free_distance=True, start_distance=0, rate_distance=0.2), []),
    ],
)
def test_a_distance_next_to_the_far_field_stays_in_near_field(
    algorithm: object, refine: list[object]
) -> None:
    small = small_scan((24, 24), (4, 4), step=4, near=True)
    farthest = propagators.farthest_m(NEAR, (24, 24))
    scan = told(small, 0.95 * farthest / NEAR.distance_m)
    snapshots = sc.reconstruct(scan, algorithm, epochs=6, refine=refine, device="cpu")
    z = np.array([snapshot.distance_m for snapshot in snapshots])
    assert len(z) == 7
    assert (z > 0).all()
    assert (z <= farthest).all()
    assert z[-1] != z[0]
    with pytest.raises(InputError, match="far field"):
        propagators.check_carried(NEAR.replace(distance_m=1.01 * farthest), (24, 24))


@pytest.mark.parametrize("factor", [0.85, 1.2])
def test_the_slope_points_to_the_true_distance(factor: float) -> None:
    small = small_scan((40, 40), (6, 6), step=4, near=True)
    *_, begun = sc.reconstruct(told(small, factor), sc.RPIE(), epochs=10, device="cpu")
    run = Run(told(small, factor), sc.RPIE(), begun, settings())
    slope = coupled_slope(run.estimate, run.measured, range(36))
    assert np.sign(slope) == np.sign(factor - 1)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_wrong_distance_is_put_right(factor: float) -> None:
    small = small_scan((40, 40), (6, 6), step=4, near=True)
    scan = told(small, factor)
    *_, kept = sc.reconstruct(scan, sc.RPIE(), epochs=60, device="cpu")
    *_, found = sc.reconstruct(
        scan, sc.RPIE(), epochs=60, refine=["distance"], device="cpu"
    )
    assert kept.distance_m == scan.geometry.distance_m
    assert found.distance_m == pytest.approx(NEAR.distance_m, rel=0.02)
    assert found.error < 0.5 * kept.error
    curve = [item.distance_m for item in found.history.refined]
    assert len(curve) == 60
    assert curve[0] == scan.geometry.distance_m
    assert curve[-1] == found.distance_m


def test_distance_and_positions_together() -> None:
    small = small_scan((40, 40), (6, 6), step=4, near=True)
    rng = np.random.default_rng(4)
    error = rng.uniform(-1, 1, small.corners.shape) * small.scan.pixel_size_m
    scan = told(small, 1.2).replace(positions_m=small.scan.positions_m + error)
    *_, found = sc.reconstruct(
        scan, sc.RPIE(), epochs=80, refine=["positions", "distance"], device="cpu"
    )
    left = sc.metrics.position_error(found.positions_m, small.scan.positions_m)
    assert found.distance_m == pytest.approx(NEAR.distance_m, rel=0.03)
    assert left.median_m < 0.2 * scan.pixel_size_m[0]


@pytest.mark.parametrize(
    ("scan", "says"),
    [
        (small_scan((24, 24), (3, 3)).scan, "far field"),
        (
            small_scan((24, 24), (3, 3), near=True).scan.with_geometry(
                sc.Geometry(1e-10, 1.0, 55e-6, 4e-3, "near-field")
            ),
            "point source",
        ),
    ],
    ids=["far", "cone"],
)
def test_distances_that_cannot_be_seen_are_refused(scan: sc.Scan, says: str) -> None:
    with pytest.raises(InputError, match=says):
        next(sc.reconstruct(scan, sc.RPIE(), epochs=1, refine=["distance"]))
