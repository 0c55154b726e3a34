"""AutoDiff: each parameter that it can free is found again; the rest stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.algorithms import _optimisers
from napari_scicompty.core.errors import InputError
from napari_scicompty.engine.run import Run
from small_scans import SmallScan, settings, small_scan

if TYPE_CHECKING:
    from napari_scicompty.data.snapshot import Snapshot

NEAR_AND_FAR = pytest.mark.parametrize("near", [False, True], ids=["far", "near"])


def run(
    scan: sc.Scan, algorithm: sc.AutoDiff, start: Any, epochs: int = 30, **more: Any
) -> Snapshot:
    """The last snapshot of a run on the CPU."""
    *_, last = sc.reconstruct(
        scan, algorithm, epochs=epochs, start=start, device="cpu", **more
    )
    return last


def at_truth(small: SmallScan) -> Snapshot:
    """The start of a run that knows object and probe."""
    begun = small.start()
    h, w = begun.object.shape
    return begun.replace(
        object=small.object[:h, :w].astype("c8"), probe=small.probe.astype("c8")
    )


def displaced(small: SmallScan, by_px: np.ndarray) -> sc.Scan:
    """The scan, told positions that are wrong by (n, 2) pixels."""
    positions = small.scan.positions_m + by_px * small.scan.pixel_size_m
    return small.scan.replace(positions_m=positions)


def away_px(small: SmallScan, last: Snapshot) -> np.ndarray:
    """Distance (n,) in pixels of each position from the true one, map removed."""
    found = sc.metrics.position_error(last.positions_m, small.scan.positions_m)
    return np.hypot(*(found.residuals_m / small.scan.pixel_size_m).T)


@pytest.mark.parametrize("loss", ["amplitude", "intensity", "poisson"])
@pytest.mark.parametrize("optimiser", ["momentum", "adam"])
def test_every_loss_falls_with_every_optimiser(loss: Any, optimiser: Any) -> None:
    small = small_scan((32, 32), (6, 6), step=4)
    algorithm = sc.AutoDiff(loss=loss, optimiser=optimiser)
    last = run(small.scan, algorithm, small.start(), 30)
    assert last.error < 0.3 * last.history.errors[0]
    assert all(np.isfinite(last.history.errors))


def test_bilinear_views_reconstruct_too() -> None:
    small = small_scan((32, 32), (6, 6), step=4, near=True)
    last = run(small.scan, sc.AutoDiff(view="bilinear"), "auto", 20)
    assert last.error < 0.05 * last.history.errors[0]


@NEAR_AND_FAR
def test_positions_are_found(near: bool) -> None:
    small = small_scan((48, 48), (8, 8), step=6, near=near)
    wrong = np.random.default_rng(2).normal(0, 1.2, (64, 2))
    scan = displaced(small, wrong)
    start = "auto" if near else small.start(positions_m=scan.positions_m)
    last = run(scan, sc.AutoDiff(free_positions=True), start, 30 if near else 60)
    before = np.hypot(*(wrong - wrong.mean(0)).T).mean()
    assert away_px(small, last).mean() < 0.25 * before
    assert any(item.quantity == "positions" for item in last.history.refined)


def test_an_affine_map_is_found_while_each_position_keeps_its_own_error() -> None:
    small = small_scan((40, 40), (6, 6), step=5, near=True)
    away = small.scan.positions_m - small.scan.positions_m.mean(0)
    stretched = away @ np.diag([1.03, 0.97]) - away
    scan = displaced(small, stretched / small.scan.pixel_size_m)
    start = at_truth(small).replace(positions_m=scan.positions_m)
    held = {"free_object": False, "free_probe": False}
    algorithm = sc.AutoDiff(free_affine=True, rate_affine=3e-3, **held)
    last = run(scan, algorithm, start, 40)
    left = last.positions_m - small.scan.positions_m
    before = scan.positions_m - small.scan.positions_m
    size = [np.hypot(*(d - d.mean(0)).T).mean() for d in (left, before)]
    assert size[0] < 0.1 * size[1]


def test_the_pull_holds_positions_where_they_were_measured() -> None:
    small = small_scan((40, 40), (5, 5), step=5, near=True)
    scan = displaced(small, np.random.default_rng(2).normal(0, 1, (25, 2)))
    moved = []
    for pull in (0.0, 1.0):
        algorithm = sc.AutoDiff(free_positions=True, position_pull=pull)
        last = run(scan, algorithm, "auto", 20)
        moved.append(np.abs(last.positions_m - scan.positions_m).mean())
    assert moved[1] < 0.5 * moved[0]


def test_brightness_of_every_pattern_is_found() -> None:
    small = small_scan((32, 32), (6, 6), step=4)
    true = np.random.default_rng(3).uniform(0.7, 1.3, 36)
    true /= true.mean()
    patterns = (small.scan.patterns * true[:, None, None]).astype("f4")
    scan = small.scan.replace(patterns=patterns)
    start = at_truth(small)
    plain = run(scan, sc.AutoDiff(), start, 40)
    last = run(scan, sc.AutoDiff(free_brightness=True), start, 40)
    found = last.state["brightness"]
    assert np.corrcoef(found, true)[0, 1] > 0.99
    assert np.abs(found - true).mean() < 0.02
    assert last.error < 0.1 * plain.error


def test_a_background_is_found_and_kept_in_a_file(tmp_path: Any) -> None:
    small = small_scan((32, 32), (6, 6), step=4)
    level = small.scan.patterns.mean()
    true = level * np.linspace(0.2, 1.0, 32, dtype="f4")[None, :, None]
    scan = small.scan.replace(patterns=small.scan.patterns + true)
    plain = run(scan, sc.AutoDiff(), at_truth(small), 60)
    algorithm = sc.AutoDiff(free_background=True, start_others=0)
    last = run(scan, algorithm, at_truth(small), 60)
    found = np.fft.fftshift(last.state["background"]).mean(1)
    assert np.corrcoef(found, true[0, :, 0])[0, 1] > 0.9
    assert last.error < 0.3 * plain.error
    sc.save_result(tmp_path / "with.h5", last)
    opened = sc.open_result(tmp_path / "with.h5")
    assert np.array_equal(opened.state["background"], last.state["background"])
    again = Run(scan, algorithm, opened, settings(epochs=0))
    assert again.full_error()[0] == pytest.approx(last.error, rel=1e-5)


def test_a_known_probe_stays_and_the_distance_is_found() -> None:
    small = small_scan((40, 40), (5, 5), step=4, near=True)
    z = small.scan.geometry.distance_m
    told = small.scan.with_geometry(small.scan.geometry.replace(distance_m=1.2 * z))
    start = small.start(probe=small.probe.astype("c8"), distance_m=1.2 * z)
    algorithm = sc.AutoDiff(free_distance=True, start_distance=0, half_life=10)
    last = run(told, algorithm, start, 40, freeze_probe=True)
    assert np.array_equal(last.probe, start.probe)
    assert abs(last.distance_m / z - 1) < 0.03
    assert [i.quantity for i in last.history.refined] == ["distance"] * 40


def bent_near() -> tuple[SmallScan, Snapshot]:
    """A scan with a parallel beam, and a start whose known probe is curved."""
    small = small_scan((40, 40), (5, 5), step=4, near=True)
    y, x = ((np.arange(40) - 19.5) * small.scan.pixel_size_m[0] for _ in range(2))
    wavefront = np.exp(-1j * np.pi * 30 * (y[:, None] ** 2 + x**2) / 1e-10)
    return small, small.start(probe=(small.probe * wavefront).astype("c8"))


def test_the_curvature_of_a_parallel_beam_is_found_and_no_other_is_touched() -> None:
    small, start = bent_near()
    frozen = {"freeze_probe": True}
    last = run(small.scan, sc.AutoDiff(free_focus=True), start, 60, **frozen)
    bends = [i.change for i in last.history.refined if i.quantity == "focus"]
    assert sum(bends) == pytest.approx(30, abs=0.6)
    plain = run(small.scan, sc.AutoDiff(), start, 3, **frozen)
    waiting = sc.AutoDiff(free_focus=True, start_focus=9)
    later = run(small.scan, waiting, start, 3, **frozen)
    assert np.array_equal(plain.object, later.object)
    assert np.array_equal(later.probe, start.probe)
    assert not later.history.refined


def test_a_run_that_bends_the_probe_continues_exactly(tmp_path: Any) -> None:
    small, start = bent_near()
    free = sc.AutoDiff(free_focus=True)

    def begun(first: Snapshot, epochs: int) -> Run:
        chosen = settings(epochs=epochs, freeze_probe=True)
        return Run(small.scan, free, first, chosen)

    whole, part = begun(start, 4), begun(start, 4)
    while not whole.done:
        whole.advance()
    for _ in range(8):  # of 5 steps an epoch
        part.step()
    sc.save_result(tmp_path / "part.h5", part.snapshot())
    rest = begun(sc.open_result(tmp_path / "part.h5"), 3)
    while not rest.done:
        rest.advance()
    ours, theirs = whole.snapshot(), rest.snapshot()
    assert ours.epoch == theirs.epoch == 4
    assert np.array_equal(ours.probe, theirs.probe)
    assert np.array_equal(ours.object, theirs.object)
    assert ours.history.refined == theirs.history.refined


REFUSED = pytest.raises(InputError, match="freeze a calibrated probe")


def test_the_focus_of_a_free_probe_is_refused() -> None:
    small, start = bent_near()
    with REFUSED:
        run(small.scan, sc.AutoDiff(free_focus=True), start, 1)
    with REFUSED:  # not yet updated, but free
        run(small.scan, sc.AutoDiff(free_focus=True), start, 1, hold_probe=9)


@pytest.mark.parametrize(
    ("frozen", "path", "value"),
    [
        (True, "run.freeze_probe", False),
        (False, "algorithm.free_focus", True),
        (False, "algorithm", sc.AutoDiff(free_focus=True)),
    ],
)
def test_it_is_refused_on_the_way_too(frozen: bool, path: str, value: Any) -> None:
    small, start = bent_near()
    controls = sc.Controls()
    free = sc.AutoDiff(free_focus=frozen)
    chosen = settings(epochs=2, freeze_probe=frozen)
    run_ = Run(small.scan, free, start, chosen, controls)
    run_.advance()
    with REFUSED:
        controls.set(path, value)
    run_.advance()
    assert run_.epoch == 2
    assert not run_.history.changes
    if not frozen:
        controls.set("run.freeze_probe", True)
        controls.set(path, value)
        assert controls.waiting


def test_what_is_not_free_stays() -> None:
    small = small_scan()
    start = small.start()
    last = run(small.scan, sc.AutoDiff(free_object=False), start, 3)
    assert np.allclose(last.object, last.object[0, 0])  # only the common scale
    last = run(small.scan, sc.AutoDiff(free_probe=False), start, 3)
    shape = last.probe / last.probe.flat[np.argmax(np.abs(last.probe))]
    begun = start.probe / start.probe.flat[np.argmax(np.abs(last.probe))]
    assert np.allclose(shape, begun, atol=1e-5)


def test_limits_and_variation_are_paid_for() -> None:
    small = small_scan((32, 32), (6, 6), step=4)
    noisy = np.random.default_rng(0).poisson(small.scan.patterns * 0.02)
    scan = small.scan.replace(patterns=noisy.astype("f4"))
    start = sc.DiscProbe(small.start().settings["start"]["radius_m"])

    def object_of(**weights: float) -> np.ndarray:
        last = run(scan, sc.AutoDiff(**weights), start, 30)
        return last.object[last.lit]

    plain = object_of()
    limited = object_of(magnitude_limit=1.0, magnitude_weight=3)
    assert (np.abs(limited) > 1.2).mean() < 0.5 * (np.abs(plain) > 1.2).mean()
    phase = object_of(phase_low=-0.2, phase_high=0.2, phase_weight=10)
    assert np.abs(np.angle(phase)).mean() < 0.5 * np.abs(np.angle(plain)).mean()
    whole = [
        run(scan, sc.AutoDiff(total_variation=w), start, 30).object for w in (0.0, 0.3)
    ]
    varied = [np.abs(np.diff(o, axis=0)).mean() for o in whole]
    assert varied[1] < 0.7 * varied[0]


def test_a_canvas_that_grows_takes_the_moments_along() -> None:
    small = small_scan((40, 40), (5, 5), step=5, near=True)
    wrong = np.zeros((25, 2))
    wrong[:5, 0] = 14  # beyond the margin, once the common shift is off
    scan = displaced(small, wrong)
    begun = run(scan, sc.AutoDiff(free_positions=True), "auto", 3)
    run_ = Run(scan, sc.AutoDiff(free_positions=True), begun, settings(epochs=3))
    pixel = np.array(small.scan.pixel_size_m)
    run_.estimate.place(run_.estimate.positions_m - 20 * pixel)
    while not run_.done:
        run_.advance()
    grown = run_.snapshot()
    assert grown.object.shape > begun.object.shape
    velocity = grown.state["algorithm"]["moments"]["object"]["velocity"]
    assert velocity.shape == grown.object.shape


def test_one_quantity_is_refined_once() -> None:
    small = small_scan(near=True)
    both = sc.AutoDiff(free_positions=True)
    with pytest.raises(InputError, match="free_positions"):
        run(small.scan, both, "auto", 1, refine=["positions"])
    far = small_scan()
    with pytest.raises(InputError, match="far field"):
        run(far.scan, sc.AutoDiff(free_distance=True), far.start(), 1)


def test_without_momentum_a_step_is_that_of_rpie(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_optimisers, "LIT", 0.0)
    small = small_scan((32, 32), (4, 4), step=4)
    same: dict[str, Any] = {"batch": 1, "freeze_probe": True}
    plain = sc.AutoDiff(rate_object=0.4, damping=0.3, momentum_share=0)
    ours = run(small.scan, plain, small.start(), 2, **same)
    *_, theirs = sc.reconstruct(
        small.scan,
        sc.RPIE(alpha_object=0.4, gamma=0.3),
        epochs=2,
        start=small.start(),
        device="cpu",
        **same,
    )
    assert np.abs(theirs.object - 1).max() > 0.1
    assert np.allclose(ours.object, theirs.object, atol=1e-4)
