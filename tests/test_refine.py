"""Positions refined: signals against known shifts, gains, lost views, whole runs."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import napari_scicompty as sc
from napari_scicompty import metrics
from napari_scicompty.core.affine import PositionMap, fit_map
from napari_scicompty.core.errors import InputError
from napari_scicompty.data.canvas import Canvas
from napari_scicompty.data.diverged import DivergedError
from napari_scicompty.engine.run import Run
from napari_scicompty.refine import REFINERS, LeastSquaresShift, refiners, signals
from napari_scicompty.refine.gains import GAINS
from napari_scicompty.refine.lost_views import find_lost_views
from napari_scicompty.workflow.reconstruction import reconstruct
from small_scans import SmallScan, blurred, settings, shifted, small_scan

if TYPE_CHECKING:
    from pathlib import Path

QUICK = LeastSquaresShift(start_epoch=3, half_life=15)


def wrong(small: SmallScan, pixels: float, seed: int = 5) -> sc.Scan:
    """The scan, told positions that are wrong by up to `pixels` along each axis."""
    rng = np.random.default_rng(seed)
    error = rng.uniform(-pixels, pixels, small.corners.shape)
    moved = small.scan.positions_m + error * small.scan.pixel_size_m
    return small.scan.replace(positions_m=moved)


def off(snapshot: sc.Snapshot, small: SmallScan) -> np.ndarray:
    """How far each position is off, in pixels, without the common shift."""
    away = (snapshot.positions_m - small.scan.positions_m) / snapshot.pixel_size_m
    return np.hypot(*(away - np.median(away, 0)).T)


def run_on(scan: sc.Scan, small: SmallScan, epochs: int, **more: Any) -> sc.Snapshot:
    radius = 0.3 * min(scan.frame_shape) * scan.pixel_size_m[0]
    start = "auto" if small.near else sc.DiscProbe(radius)
    options: dict[str, Any] = {"start": start, "device": "cpu"} | more
    *_, last = reconstruct(scan, sc.RPIE(), epochs=epochs, **options)
    return last


# -- signals --------------------------------------------------------------------------
def views(shift: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A view, the same moved by `shift` pixels, and a beam's weight in the middle."""
    rng = np.random.default_rng(1)
    field = 1 + 0.3 * blurred(rng, (48, 40), 2) + 0.3j * blurred(rng, (48, 40), 2)
    y, x = (np.arange(n) - n / 2 for n in (48, 40))
    weight = np.exp(-(y[:, None] ** 2 + x[None] ** 2) / 80)
    return (
        torch.from_numpy(field.astype("c8"))[None],
        torch.from_numpy(shifted(field, shift).astype("c8"))[None],
        torch.from_numpy(weight.astype("f4")),
    )


@pytest.mark.parametrize("shift", [(0.04, 0.0), (0.0, -0.03), (-0.02, 0.05)])
def test_signals_are_minus_the_shift_of_the_object(shift: tuple[float, float]) -> None:
    """The object lies further down, so the view was taken too far up: go up."""
    before, after, weight = views(np.array(shift))
    products = signals.gradient_products(before, after, weight).double().numpy()
    found = signals.least_squares_corrections(products)
    assert np.allclose(found, [np.negative(shift)], atol=4e-3)
    # The weight stays where it is and holds the peak back: a smaller one, that way.
    peak = signals.object_correlation(before, after, weight).numpy()
    assert np.allclose(peak, [np.multiply(shift, -0.75)], atol=4e-3)


def test_a_view_without_structure_tells_nothing() -> None:
    flat = torch.ones((1, 16, 16), dtype=torch.complex64)
    products = signals.gradient_products(flat, 1.1 * flat, torch.ones(16, 16))
    assert not signals.least_squares_corrections(products.numpy()).any()


# -- gains ----------------------------------------------------------------------------
def test_adam_moves_by_its_rate_whatever_the_size_of_the_signal() -> None:
    signal = np.array([[1e-3, -2e-2], [5e-2, 0.0]])
    state: dict[str, Any] = {}
    for step in (1, 2, 3):
        move = GAINS["adam"](signal, step, 0.5, state)
    assert np.allclose(move, [[0.5, -0.5], [0.5, 0]], rtol=1e-6)


def test_feedback_turns_its_gain_up_and_down() -> None:
    state: dict[str, Any] = {}
    signal = np.array([[1.0, 0.0], [0.0, 1.0]])
    turn = np.array([[1.0], [-1.0]])  # the second goes back and forth
    sizes = [
        np.linalg.norm(GAINS["feedback"](signal * turn**step, step, 2.0, state), axis=1)
        for step in range(4)
    ]
    assert np.allclose(sizes[0], 2)
    assert sizes[3][0] > 2.5
    assert sizes[3][1] < 1.6


# -- the affine map -------------------------------------------------------------------
def test_a_map_is_found_in_spite_of_lost_views_and_undone() -> None:
    rng = np.random.default_rng(2)
    true = rng.uniform(-1, 1, (60, 2)) * 1e-5
    known = PositionMap((2e-7, -1e-7), (1.02, 0.97), 0.01, -0.02)
    middle = true.mean(0)
    found = known.apply(true, middle)
    assert np.allclose(known.undo(found, middle), true, atol=1e-18)
    found[:6] += 5e-6
    map_ = fit_map(found, true)
    assert np.allclose(map_.matrix, known.matrix, atol=1e-9)
    assert np.allclose(map_.shift_m, known.shift_m, atol=1e-14)


# -- runs -----------------------------------------------------------------------------
@pytest.mark.parametrize("near", [False, True], ids=["far", "near"])
def test_wrong_positions_are_put_right(near: bool) -> None:
    small = small_scan((40, 40), (6, 6), step=5, near=near)
    scan = wrong(small, 1.5)
    kept = run_on(scan, small, 60)
    found = run_on(scan, small, 60, refine=[QUICK])
    assert off(kept, small).mean() > 1
    assert off(found, small).mean() < 0.15
    assert found.error < 0.1 * kept.error
    assert np.array_equal(found.nominal_positions_m, scan.positions_m)
    moves = [item.change for item in found.history.refined]
    assert len(moves) == 60
    assert moves[2] == 0
    assert max(moves) > 0.1 > moves[-1]


@pytest.mark.parametrize(
    ("gain", "rate", "left"),
    [("constant", 10, 0.05), ("feedback", 10, 0.05), ("adam", 0.2, 0.5)],
)
def test_the_papers_cross_correlation_puts_positions_right(
    gain: str, rate: float, left: float
) -> None:
    small = small_scan((40, 40), (6, 6), step=5)
    scan = wrong(small, 1.5)
    refine = sc.CrossCorrelationShift(
        gain=gain, rate_px=rate, start_epoch=3, search_every=0
    )
    last = run_on(scan, small, 60, refine=[refine])
    assert off(last, small).mean() < left


def test_true_positions_stay() -> None:
    small = small_scan((40, 40), (6, 6), step=5)
    last = run_on(small.scan, small, 80, refine=["positions"])
    assert off(last, small).mean() < 0.05


@pytest.mark.parametrize("name", REFINERS)
def test_every_refiner_continues_exactly(name: str, tmp_path: Path) -> None:
    kind = REFINERS[name]
    small = small_scan((32, 32), (4, 4), step=5, near=kind.quantity == "distance")
    scan = wrong(small, 1)
    more = {"search_every": 4} if "search_every" in kind.model_fields else {}
    refine = [kind(start_epoch=2, **more)]
    whole = run_on(scan, small, 12, refine=refine)
    half = run_on(scan, small, 7, refine=refine)
    sc.save_result(tmp_path / "half.h5", half)
    again = sc.open_result(tmp_path / "half.h5")
    assert again.history.refined == half.history.refined
    rest = run_on(scan, small, 5, refine=refine, start=again)
    assert np.array_equal(rest.positions_m, whole.positions_m)
    assert rest.distance_m == whole.distance_m
    assert np.array_equal(rest.object, whole.object)
    assert rest.history.refined == whole.history.refined


def test_refinement_can_be_switched_off_and_on_and_changed_on_the_way() -> None:
    small = small_scan((32, 32), (4, 4), step=5)
    scan = wrong(small, 1)
    controls = sc.Controls()
    run = reconstruct(
        scan,
        sc.RPIE(),
        epochs=12,
        start=small.start().replace(positions_m=scan.positions_m),
        refine=[QUICK.replace(start_epoch=0)],
        controls=controls,
        device="cpu",
    )
    shots = {}
    for snapshot in run:
        shots[snapshot.epoch] = snapshot.positions_m
        if snapshot.epoch == 4:
            controls.set("positions.enabled", False)
        if snapshot.epoch == 8:
            controls.set("positions.enabled", True)
            controls.set("positions.rate_px", 0.1)
            with pytest.raises(InputError, match="rate_px"):
                controls.set("positions.rate_px", -1)
    assert not np.array_equal(shots[3], shots[4])
    assert np.array_equal(shots[4], shots[8])
    way = np.abs(shots[9] - shots[8]) / scan.pixel_size_m
    assert 0 < way.max() < 0.3
    paths = [change.path for change in snapshot.history.changes]
    assert paths == ["positions.enabled", "positions.enabled", "positions.rate_px"]


def test_a_move_is_never_larger_than_allowed() -> None:
    small = small_scan((32, 32), (4, 4), step=5)
    scan = wrong(small, 2)
    bold = LeastSquaresShift(
        start_epoch=0, rate_px=50, largest_px=0.7, search_every=0, gain="constant"
    )
    shots = [
        s.positions_m
        for s in reconstruct(
            scan, sc.RPIE(), epochs=6, start=small.start(), refine=[bold], device="cpu"
        )
    ]
    for before, after in pairwise(shots):
        way = (after - before) / scan.pixel_size_m
        assert np.hypot(*way.T).max() < 2 * 0.7  # and the common shift, taken off


def test_an_affine_model_moves_all_views_by_one_map() -> None:
    small = small_scan((40, 40), (6, 6), step=5)
    known = PositionMap((0.0, 0.0), (1.03, 0.98), 0.02)
    middle = small.scan.positions_m.mean(0)
    told = known.apply(small.scan.positions_m, middle)
    scan = small.scan.replace(positions_m=told)
    refine = [QUICK.replace(model="affine", search_every=0)]
    last = run_on(scan, small, 60, refine=refine)
    assert off(last, small).mean() < 0.3 * off(run_on(scan, small, 1), small).mean()
    left = metrics.position_error(last.positions_m, told)
    assert left.max_m < 1e-3 * scan.pixel_size_m[0]  # one map, and nothing else


def test_density_holds_back_views_at_the_edge() -> None:
    small = small_scan((40, 40), (6, 6), step=5)
    scan = wrong(small, 1)
    free, dense = (
        run_on(scan, small, 5, refine=[QUICK.replace(start_epoch=4, density=density)])
        for density in (False, True)
    )
    ways = [
        np.hypot(*((s.positions_m - scan.positions_m) / s.pixel_size_m).T)
        for s in (free, dense)
    ]
    edge = np.array([0, 5, 30, 35])  # the corners of the raster
    assert ways[1][edge].mean() < 0.8 * ways[0][edge].mean()


# -- lost views -----------------------------------------------------------------------
def with_one_lost(small: SmallScan, away_px: tuple[float, float]) -> Run:
    """A run that begins with the truth, but for view 7."""
    begun, told = small.start(), small.scan.positions_m.copy()
    h, w = begun.object.shape
    told[7] += np.array(away_px) * small.scan.pixel_size_m
    begun = begun.replace(
        object=small.object[:h, :w].astype("c8"),
        probe=small.probe.astype("c8"),
        positions_m=told,
    )
    return Run(small.scan, sc.RPIE(), begun, settings())


@pytest.mark.parametrize("near", [False, True], ids=["far", "near"])
def test_a_lost_view_is_found_by_its_pattern(near: bool) -> None:
    small = small_scan((40, 40), (5, 5), step=5, near=near)
    run = with_one_lost(small, (8.3, -6.1))
    errors = run.full_error()[1]
    state: dict[str, Any] = {}
    now = (run.estimate, run.measured, errors)
    assert find_lost_views(*now, 0.3, state) == 1
    away = (run.estimate.positions_m - small.scan.positions_m) / small.scan.pixel_size_m
    assert np.hypot(*away[7]) < 1
    assert not np.delete(away, 7, axis=0).any()


def test_a_view_that_stays_is_not_searched_every_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = small_scan((32, 32), (4, 4), step=5)
    run = Run(small.scan, sc.RPIE(), small.start(), settings())
    errors = torch.full((16,), 1.0)
    errors[3] = 1e6
    searched = []
    monkeypatch.setattr(
        "napari_scicompty.refine.lost_views._best_place",
        lambda *now: searched.append(now[2]),
    )
    state: dict[str, Any] = {}
    for _ in range(8):
        find_lost_views(run.estimate, run.measured, errors, 0.2, state)
    assert searched == [3, 3, 3]


@pytest.mark.parametrize("known", [False, True])
def test_a_lost_view_is_searched_where_it_was_measured_too(known: bool) -> None:
    """Far from both, its neighbours may be wrong; its pattern is not."""
    small = small_scan((32, 32), (5, 5), step=5)
    run = with_one_lost(small, (9, -9))
    errors = run.full_error()[1]
    agreed = np.zeros(25, bool)
    agreed[7] = known
    state: dict[str, Any] = {}
    now = (run.estimate, run.measured, errors)
    assert find_lost_views(*now, 0.15, state, agreed) == 1
    away = (run.estimate.positions_m - small.scan.positions_m) / small.scan.pixel_size_m
    assert np.hypot(*away[7]) < 1
    assert state["settled"][7] == known


# -- room -----------------------------------------------------------------------------
def test_the_canvas_grows_where_a_view_moves_out() -> None:
    small = small_scan((24, 24), (3, 3), step=5)
    run = Run(small.scan, sc.RPIE(), small.start(), settings())
    estimate, pixel = run.estimate, np.array(small.scan.pixel_size_m)
    estimate.object.mul_(0.5)
    before, origin = estimate.object.clone(), np.array(estimate.canvas.origin_m)
    moved = estimate.positions_m.copy()
    moved[0] -= 20 * pixel
    estimate.place(moved)
    assert (np.array(estimate.object.shape) > before.shape).all()
    top, left = np.round((origin - estimate.canvas.origin_m) / pixel).astype(int)
    h, w = before.shape
    assert torch.equal(estimate.object[top : top + h, left : left + w], before)
    assert estimate.views([0]).shape == (1, 24, 24)
    assert (estimate.views([0])[0, :5] == 1).all()  # vacuum, where nothing was known
    inside = Canvas.of(small.scan)
    assert inside.grown_for(small.scan.positions_m) == (inside, (0, 0))


def test_a_run_whose_canvas_grew_goes_back_when_it_diverges() -> None:
    small = small_scan((32, 32), (4, 4), step=5)
    refine = LeastSquaresShift(start_epoch=0, rate_px=3, largest_px=6, search_every=0)
    wild = sc.RPIE(alpha_object=2, alpha_probe=2, beta=0, gamma=0)
    shots = []
    try:
        for snapshot in reconstruct(
            wrong(small, 3),
            wild,
            epochs=12,
            start=small.start(),
            refine=[refine],
            device="cpu",
        ):
            shots.append(snapshot)
    except DivergedError as error:
        shots.append(error.snapshot)
    last = shots[-1]
    assert np.isfinite(last.object).all()
    inside = last.positions_px + last.probe.shape[-2:]
    assert (np.round(last.positions_px) >= 0).all()
    assert (np.round(inside) <= last.object.shape).all()


# -- names ----------------------------------------------------------------------------
def test_names_lead_to_refiners() -> None:
    assert refiners(["positions"]) == (LeastSquaresShift(),)
    assert refiners("positions") == (LeastSquaresShift(),)
    assert refiners(["cross-correlation-shift"]) == (sc.CrossCorrelationShift(),)
    assert refiners([QUICK]) == refiners(QUICK) == (QUICK,)
    assert refiners(None) == ()


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        (["angle"], "'angle' is not known"),
        ([3], "3 is not known"),
        (3, "3 is not known"),
        ({"positions": {"rate_px": 1}}, "'rate_px': 1.* is not known"),
        (["positions", QUICK], "positions are refined twice"),
        (
            type(QUICK),
            r"is a class; give an object of it, such as LeastSquaresShift\(\)",
        ),
    ],
)
def test_refiners_that_cannot_be_are_refused(chosen: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        refiners(chosen)


# -- too few epochs -------------------------------------------------------------------
LATE = sc.LeastSquaresShift(start_epoch=2)


@pytest.mark.parametrize(
    ("refiner", "epochs", "says"),
    [
        (LATE, [1], ["1 epoch(s) are too few for a step of the positions, as 2 go"]),
        (LATE, [2], ["a smaller positions.start_epoch"]),
        (LATE, [3], []),
        (LATE, [0], []),
        (LATE.replace(enabled=False), [1], []),
        (LATE, [1, 1], ["as 2 go before it", "as 1 go before it"]),
        (LATE, [1, 2], ["as 2 go before it"]),
    ],
)
def test_what_will_take_no_step_is_noted(
    refiner: Any, epochs: list[int], says: list[str]
) -> None:
    small = small_scan(grid=(3, 3))
    last: Any = small.start()
    for more in epochs:
        *_, last = sc.reconstruct(
            small.scan, sc.RPIE(), epochs=more, start=last, refine=refiner, device="cpu"
        )
    notes = last.history.notes
    assert len(notes) == len(says)
    assert all(text in note for text, note in zip(says, notes, strict=True))
    moved = not np.array_equal(last.positions_m, small.scan.positions_m)
    assert moved == (sum(epochs) > 2)
