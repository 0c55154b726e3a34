"""Runs: errors, exact continuation, what is left out, the guard, and Controls."""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest

from napari_scicompty.algorithms import ALGORITHMS, EPIE, RPIE, from_description
from napari_scicompty.algorithms.base import AlgorithmState
from napari_scicompty.core.device import Switch
from napari_scicompty.core.errors import InputError
from napari_scicompty.data.diverged import DivergedError
from napari_scicompty.data.snapshot import Change, Snapshot
from napari_scicompty.engine.controls import Controls
from napari_scicompty.engine.run import Run
from napari_scicompty.optics import registration
from napari_scicompty.refine import CrossCorrelationShift, LeastSquaresShift
from napari_scicompty.results import open_result, save_result
from napari_scicompty.workflow.half_sets import split_half_frc
from napari_scicompty.workflow.reconstruction import reconstruct
from napari_scicompty.workflow.start import DiscProbe
from patience import patient
from small_scans import SmallScan, diffract, settings, small_scan

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.algorithms import Algorithm
    from napari_scicompty.data.scan import Scan

every_algorithm = pytest.mark.parametrize("name", ALGORITHMS)


@pytest.fixture(scope="module")
def small() -> SmallScan:
    return small_scan()


def final(scan: Scan, algorithm: Any, start: Any, epochs: int, **more: Any) -> Snapshot:
    steps = reconstruct(
        scan, algorithm, epochs=epochs, start=start, **{"device": "cpu"} | more
    )
    return list(steps)[-1]


def same(one: Snapshot, other: Snapshot) -> bool:
    """Bitwise equality of what was reconstructed."""
    return np.array_equal(one.object, other.object) and np.array_equal(
        one.probe, other.probe
    )


# -- the error ------------------------------------------------------------------------
def test_first_and_last_error_are_a_full_pass(small: SmallScan) -> None:
    mask = np.random.default_rng(3).random(small.scan.frame_shape) > 0.1
    patterns = small.scan.patterns.copy()
    patterns[4, :3] = -5
    patterns[7] = 0
    scan = small.scan.replace(patterns=patterns, mask=mask, excluded=(2,))
    first, *_, last = reconstruct(
        scan, RPIE(), epochs=3, modes=2, start=small.start(), device="cpu"
    )
    for snapshot in (first, last):
        difference, power = np.zeros(25), np.zeros(25)
        for j in range(25):
            measured = np.maximum(patterns[j], 0)[mask].astype(float)
            model = diffract(
                snapshot.probe.astype(complex),
                snapshot.object.astype(complex),
                small.corners[j],
            )[mask]
            difference[j] = ((np.sqrt(model) - np.sqrt(measured)) ** 2).sum()
            power[j] = measured.sum()
        part = [j for j in range(25) if j not in (2, 7)]
        total = difference[part].sum() / power[part].sum()
        assert snapshot.error == pytest.approx(total, rel=1e-4)
        by_pattern = difference[part] / power[part]
        assert np.allclose(snapshot.pattern_error[part], by_pattern, rtol=1e-3)
        assert np.isnan(snapshot.pattern_error[[2, 7]]).all()


def test_snapshots_do_not_change_while_the_run_goes_on(small: SmallScan) -> None:
    steps = reconstruct(small.scan, RPIE(), epochs=2, start=small.start(), device="cpu")
    first = next(steps)
    kept = first.object.copy(), first.probe.copy(), first.pattern_error.copy()
    list(steps)
    for array, copy in zip(
        (first.object, first.probe, first.pattern_error), kept, strict=True
    ):
        assert np.array_equal(array, copy)


# -- exact continuation ---------------------------------------------------------------
@every_algorithm
@pytest.mark.parametrize("batch", [None, 4])
def test_six_epochs_are_three_and_three(
    name: str, batch: int | None, small: SmallScan
) -> None:
    begun = small.start()
    algorithm = ALGORITHMS[name]()
    whole = final(small.scan, algorithm, begun, 6, batch=batch)
    half = final(small.scan, algorithm, begun, 3, batch=batch)
    rest = final(small.scan, algorithm, half, 3, batch=batch)
    assert rest.epoch == 6
    assert same(rest, whole)
    assert rest.history.epochs == whole.history.epochs
    assert np.allclose(rest.history.errors, whole.history.errors, rtol=1e-6)
    assert rest.elapsed_s > half.elapsed_s


@every_algorithm
def test_a_run_continues_exactly_from_mid_epoch(name: str, small: SmallScan) -> None:
    algorithm = ALGORITHMS[name]()
    whole = final(small.scan, algorithm, small.start(), 4)
    run = Run(small.scan, algorithm, small.start(), settings(4))
    while run.epoch < 2 or run.batch < 5:
        run.advance(seconds=0)
    middle = run.snapshot()
    assert (middle.epoch, middle.batch) == (2, 5)
    rest = final(small.scan, algorithm, middle, 2)
    assert rest.epoch == 4
    assert same(rest, whole)
    assert np.allclose(rest.history.errors, whole.history.errors, rtol=1e-5)


def test_algorithms_chain(small: SmallScan) -> None:
    first = final(small.scan, EPIE(), small.start(), 2)
    last = final(small.scan, RPIE(), first, 3)
    assert (first.epoch, last.epoch) == (2, 5)
    assert last.error < first.error
    assert last.history.epochs == (0, 1, 2, 3, 4, 5)


# -- what is held, and what is left out -----------------------------------------------
def test_a_frozen_probe_stays_bitwise(small: SmallScan) -> None:
    begun = small.start(probe=np.roll(small.start().probe, 4, 1))
    last = final(small.scan, RPIE(), begun, 3, freeze_probe=True)
    assert np.array_equal(last.probe, begun.probe)
    assert not np.array_equal(last.object, begun.object)


@pytest.mark.parametrize("roll", [0, 4], ids=["centred", "off-centre"])
def test_a_held_probe_stays_bitwise_until_it_is_let_go(
    roll: int, small: SmallScan
) -> None:
    begun = small.start(probe=np.roll(small.start().probe, roll, 1))
    snapshots = list(
        reconstruct(
            small.scan, RPIE(), epochs=4, start=begun, hold_probe=2, device="cpu"
        )
    )
    for held in snapshots[:3]:
        assert np.array_equal(held.probe, begun.probe)
    assert not np.array_equal(snapshots[3].probe, begun.probe)


def spoilt(small: SmallScan, where: Any, value: float) -> Scan:
    patterns = small.scan.patterns.copy()
    patterns[where] = value
    return small.scan.replace(patterns=patterns)


@every_algorithm
@pytest.mark.parametrize("batch", [None, 4])
@pytest.mark.parametrize("by", ["scan", "setting"])
def test_excluded_patterns_do_not_matter(
    name: str, batch: int | None, by: str, small: SmallScan
) -> None:
    left_out = (3, 17)
    bad = spoilt(small, [3, 17], 7e8)
    radius = small.start().settings["start"]["radius_m"]
    results = []
    for scan in (small.scan, bad):
        more: dict[str, Any] = {"batch": batch}
        if by == "scan":
            scan = scan.exclude(left_out)
        else:
            more["excluded"] = left_out
        results.append(final(scan, ALGORITHMS[name](), DiscProbe(radius), 3, **more))
    assert same(*results)
    assert results[0].error == results[1].error
    assert np.isnan(results[0].pattern_error[[3, 17]]).all()


def test_excluding_a_pattern_changes_the_result(small: SmallScan) -> None:
    all_in = final(small.scan, RPIE(), small.start(), 2)
    assert not same(all_in, final(small.scan.exclude(3), RPIE(), small.start(), 2))


@every_algorithm
@pytest.mark.parametrize("garbage", [3e5, 4e9, -1e4, np.inf, np.nan])
def test_masked_pixels_are_free(name: str, garbage: float, small: SmallScan) -> None:
    mask = np.random.default_rng(1).random(small.scan.frame_shape) > 0.08
    clean = small.scan.replace(mask=mask)
    patterns = small.scan.patterns.copy()
    patterns[:, ~mask] = garbage
    bad = clean.replace(patterns=patterns)
    begun = small.start()
    one, other = (final(s, ALGORITHMS[name](), begun, 5) for s in (clean, bad))
    assert one.error < 0.5 * one.history.errors[0]
    assert same(one, other)
    assert one.error == other.error


@every_algorithm
def test_power_and_scale_do_not_drift(name: str, small: SmallScan) -> None:
    begun = small.start()
    # A wrong split of the scale between probe and object must not run away.
    kind = ALGORITHMS[name]
    rate = "rate" if "rate_probe" in kind.model_fields else "alpha"
    algorithm = kind(**{f"{rate}_object": 0.2, f"{rate}_probe": 0.9})
    power = [
        (np.abs(s.probe.astype(complex)) ** 2).sum()
        for s in reconstruct(
            small.scan, algorithm, epochs=12, start=begun, device="cpu"
        )
    ]
    assert np.allclose(power, power[0], rtol=1e-5)


# -- the guard ------------------------------------------------------------------------
WILD = {"alpha_object": 2.0, "alpha_probe": 2.0, "beta": 0.0, "gamma": 0.0}


def test_wild_steps_fall_back_once_with_a_note(small: SmallScan) -> None:
    last = final(small.scan, RPIE(**WILD), small.start(), 20)
    assert last.epoch == 20
    notes = [note for note in last.history.notes if "diverged" in note]
    assert len(notes) == 1
    assert "RPIE" in notes[0]
    assert last.settings["algorithm"]["alpha_object"] < 2
    assert last.error < last.history.errors[0]
    assert np.isfinite(last.object).all()


def test_a_second_divergence_stops_with_the_last_good_snapshot(
    small: SmallScan,
) -> None:
    controls = Controls()
    seen: list[Snapshot] = []
    with pytest.raises(DivergedError, match=r"epoch \d+.*steps") as caught:
        for snapshot in reconstruct(
            small.scan,
            RPIE(**WILD),
            epochs=60,
            start=small.start(),
            controls=controls,
            device="cpu",
        ):
            seen.append(snapshot)
            # The user insists as soon as the engine has become careful.
            if any("diverged" in n for n in snapshot.history.notes):
                for field, value in WILD.items():
                    controls.set(f"algorithm.{field}", value)
    assert any("diverged" in note for note in seen[-1].history.notes)
    good = caught.value.snapshot
    assert np.isfinite(good.object).all()
    assert np.isfinite(good.probe).all()
    assert np.isfinite(good.error)
    assert good.epoch >= seen[-1].epoch - 1


def test_wrong_positions_after_a_good_result_are_noticed() -> None:
    small = small_scan(grid=(6, 6), step=4)
    good = final(small.scan, RPIE(), small.start(), 80)
    lost = good.replace(positions_m=np.roll(good.positions_m, 7, axis=0), error=np.nan)
    with pytest.raises(DivergedError) as caught:
        final(small.scan, RPIE(), lost, 5)
    kept = caught.value.snapshot
    assert kept.epoch == 80
    assert np.array_equal(kept.object, good.object)
    # A result saved from here must tell that gentler weights were tried.
    assert any("diverged" in note for note in kept.history.notes)


# -- Controls -------------------------------------------------------------------------
def test_a_change_takes_effect_at_the_next_batch_and_is_recorded(
    small: SmallScan,
) -> None:
    run = Run(small.scan, RPIE(), small.start(), settings(2))
    for _ in range(7):
        run.advance(seconds=0)
    run.controls.set("algorithm.alpha_object", 0.9)
    assert run.snapshot().history.changes == ()
    run.advance(seconds=0)
    wanted = (Change(0, 7, "algorithm.alpha_object", 0.9, 0.5),)
    snapshot = run.snapshot()
    assert snapshot.history.changes == wanted
    assert snapshot.settings["algorithm"]["alpha_object"] == 0.9

    unchanged = Run(small.scan, RPIE(), small.start(), settings(2))
    for _ in range(7):
        unchanged.advance(seconds=0)
    before = unchanged.snapshot().object
    unchanged.advance(seconds=0)
    # The object's step is linear in alpha: the eighth one was 0.9 / 0.5 as long.
    ratio = (snapshot.object - before) / np.where(
        (old := unchanged.snapshot().object - before) == 0, 1, old
    )
    moved = np.abs(old) > 0.1 * np.abs(old).max()
    assert np.allclose(ratio[moved], 1.8, rtol=1e-3)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("algorithm.alpha", 0.5, "settings are algorithm, algorithm.alpha_object"),
        ("algorithm", "epie", "give an instance, such as RPIE()"),
        ("algorithm", EPIE, "algorithm is EPIE; give an instance"),
        ("run", settings(1), "there is no setting 'run'"),
        ("alpha_object", 0.5, "alpha_object"),
        ("probe.radius", 1, "probe.radius"),
        ("algorithm.alpha_object", -1, "alpha_object"),
        ("algorithm.gamma", "x", "gamma"),
        ("algorithm.gamma", float("nan"), "gamma"),
        ("run.device", "cpu", "run.device"),
        ("run.seed", 3, "run.seed"),
        ("run.modes", 3, "run.modes"),
        ("run.excluded", (99,), "99"),
        ("run.batch", 0, "batch"),
        ("run.epochs", -1, "epochs"),
    ],
)
def test_an_invalid_change_is_refused_and_alters_nothing(
    path: str, value: Any, says: str, small: SmallScan
) -> None:
    run = Run(small.scan, RPIE(), small.start(), settings(1))
    run.advance(seconds=0)
    with pytest.raises(InputError, match=says):
        run.controls.set(path, value)
    run.advance()
    assert run.snapshot().history.changes == ()
    assert same(run.snapshot(), final(small.scan, RPIE(), small.start(), 1))


def test_a_change_made_before_the_run_is_checked_when_it_begins(
    small: SmallScan,
) -> None:
    controls = Controls()
    controls.set("algorithm.alpha_object", 0.25)
    snapshot = final(small.scan, RPIE(), small.start(), 1, controls=controls)
    wanted = final(small.scan, RPIE(alpha_object=0.25), small.start(), 1)
    assert same(snapshot, wanted)
    wrong = Controls()
    wrong.set("algorithm.alpha_object", 25)
    with pytest.raises(InputError, match="alpha_object"):
        final(small.scan, RPIE(), small.start(), 1, controls=wrong)


def test_epochs_can_be_added_and_taken_away_in_mid_run(small: SmallScan) -> None:
    for asked, ends in ((6, 6), (2, 2)):
        controls, epochs = Controls(), []
        for snapshot in reconstruct(
            small.scan,
            RPIE(),
            epochs=4,
            start=small.start(),
            controls=controls,
            device="cpu",
        ):
            epochs.append(snapshot.epoch)
            if snapshot.epoch == 1 and not snapshot.history.changes:
                controls.set("run.epochs", asked)
        assert epochs[-1] == ends


def test_a_live_exclusion_counts_from_the_next_batch(small: SmallScan) -> None:
    run = Run(small.scan, RPIE(), small.start(), settings(2))
    run.advance()
    first = run.snapshot()
    run.controls.set("run.excluded", (0, 8))
    run.advance()
    wanted = final(small.scan, RPIE(), first, 1, excluded=(0, 8))
    found = run.snapshot()
    assert found.error == pytest.approx(wanted.history.errors[-1], rel=1e-6)
    assert np.isnan(found.pattern_error[[0, 8]]).all()


def test_every_epoch_has_an_order_of_its_own(small: SmallScan) -> None:
    visited: list[int] = []

    class Told(RPIE):
        def step(self, *now: Any) -> Any:
            visited.extend(now[2])
            return super().step(*now)

    run = Run(small.scan, Told(), small.start(), settings(3, batch=2))
    while not run.done:
        run.advance()
    orders = np.reshape(visited, (3, 25))
    assert (np.sort(orders) == np.arange(25)).all()
    assert len({tuple(order) for order in orders}) == 3
    assert not (orders == np.arange(25)).all(1).any()


def test_history_replays(small: SmallScan) -> None:
    def advance(run: Run, changes: dict[tuple[int, int], list[tuple[str, Any]]]) -> Any:
        while not run.done:
            for path, value in changes.get((run.epoch, run.batch), ()):
                run.controls.set(path, value)
            run.advance(seconds=0)
        return run.snapshot()

    live = {
        (0, 9): [("algorithm.alpha_object", 1.0), ("algorithm.gamma", 0.8)],
        (1, 0): [("run.excluded", (4, 5))],
        (2, 3): [("run.freeze_probe", True)],
    }
    first = advance(Run(small.scan, RPIE(), small.start(), settings(4)), live)
    assert len(first.history.changes) == 4
    recorded: dict[tuple[int, int], list[tuple[str, Any]]] = {}
    for c in first.history.changes:
        recorded.setdefault((c.epoch, c.batch), []).append((c.path, c.value))
    assert recorded == live
    again = advance(Run(small.scan, RPIE(), small.start(), settings(4)), recorded)
    assert same(first, again)
    assert not same(first, final(small.scan, RPIE(), small.start(), 4))


# -- another algorithm under way ------------------------------------------------------
@dataclass
class Steps(AlgorithmState):
    """How many steps were done."""

    steps: int | None = None


class Counting(EPIE):
    """Remembers how many steps it has done, as moments would be."""

    state_type: ClassVar[type[AlgorithmState]] = Steps

    def step(self, *now: Any) -> Any:
        now[4].steps = (now[4].steps or 0) + 1
        return super().step(*now)


def switched(
    run: Run, switches: dict[tuple[int, int], Algorithm], path: str = "algorithm"
) -> Snapshot:
    while not run.done:
        if (run.epoch, run.batch) in switches:
            run.controls.set(path, switches.pop((run.epoch, run.batch)))
        run.advance(seconds=0)
    return run.snapshot()


def test_a_switch_at_the_end_of_an_epoch_is_a_chain_of_stages(small: SmallScan) -> None:
    refine = (LeastSquaresShift(start_epoch=1),)
    begun = final(small.scan, RPIE(gamma=0.4), small.start(), 2, refine=refine)
    middle = final(small.scan, EPIE(alpha_object=0.9), begun, 2, refine=refine)
    chain = final(small.scan, RPIE(beta=0.7), middle, 2, refine=refine)
    run = Run(small.scan, RPIE(gamma=0.4), small.start(), settings(6), refiners=refine)
    live = switched(run, {(2, 0): EPIE(alpha_object=0.9), (4, 0): RPIE(beta=0.7)})
    assert same(live, chain)
    assert np.array_equal(live.positions_m, chain.positions_m)
    assert np.allclose(live.history.errors, chain.history.errors, rtol=1e-6)
    assert live.settings["algorithm"] == chain.settings["algorithm"]


def test_a_switch_in_mid_epoch_is_recorded_and_replays_from_a_file(
    small: SmallScan, tmp_path: Path
) -> None:
    run = Run(small.scan, RPIE(gamma=0.3), small.start(), settings(4))
    first = switched(run, {(1, 7): EPIE(alpha_probe=0.8), (2, 20): RPIE()})
    save_result(tmp_path / "r.h5", first)
    changes = open_result(tmp_path / "r.h5").history.changes
    there, back = changes
    assert (there.epoch, there.batch, there.path) == (1, 7, "algorithm")
    assert there.value == EPIE(alpha_probe=0.8).described
    assert from_description(there.previous) == RPIE(gamma=0.3)
    assert back.previous == there.value
    again = Run(small.scan, RPIE(gamma=0.3), small.start(), settings(4))
    by_time = {(c.epoch, c.batch): from_description(c.value) for c in changes}
    assert same(switched(again, by_time), first)
    assert not same(first, final(small.scan, RPIE(gamma=0.3), small.start(), 4))


def test_a_setting_of_the_new_algorithm_can_follow_the_switch_at_once(
    small: SmallScan,
) -> None:
    run = Run(small.scan, EPIE(), small.start(), settings(1))
    run.controls.set("algorithm", RPIE())
    run.controls.set("algorithm.gamma", 0.2)
    run.advance()
    assert same(run.snapshot(), final(small.scan, RPIE(gamma=0.2), small.start(), 1))
    changes = [(c.path, c.previous) for c in run.history.changes]
    assert changes == [("algorithm", EPIE().described), ("algorithm.gamma", 0.5)]


def test_what_an_algorithm_remembers_is_not_for_another(small: SmallScan) -> None:
    run = Run(small.scan, Counting(), small.start(), settings(4))
    run.advance()
    assert run.snapshot().state["algorithm"]["steps"] == 25
    run.controls.set("algorithm", Counting(alpha_object=0.3))  # the same kind
    run.advance(seconds=0)
    assert run.snapshot().state["algorithm"]["steps"] == 26
    run.controls.set("algorithm", RPIE())
    run.advance(seconds=0)
    assert "steps" not in run.snapshot().state["algorithm"]
    run.controls.set("algorithm", Counting())
    run.advance(seconds=0)
    assert run.snapshot().state["algorithm"]["steps"] == 1


def test_the_next_stage_forgets_what_another_algorithm_remembered(
    small: SmallScan,
) -> None:
    first = final(small.scan, Counting(), small.start(), 1)
    assert first.state["algorithm"]["steps"] == 25
    second = final(small.scan, RPIE(), first, 1)
    assert "steps" not in second.state["algorithm"]


def test_the_guard_goes_back_to_the_old_state_but_not_to_its_memory(
    small: SmallScan,
) -> None:
    run = Run(small.scan, Counting(), small.start(), settings(30))
    run.advance()
    run.controls.set("algorithm", RPIE(**WILD))
    while not any("diverged" in note for note in run.history.notes):
        run.advance(seconds=0)
    assert run.epoch >= 1
    assert "steps" not in run.snapshot().state["algorithm"]


class InThread:
    """A run in a thread of its own, as the window has it."""

    def __init__(self, small: SmallScan, epochs: int) -> None:
        self.controls = Controls()
        self.snapshots: list[Snapshot] = []
        self._steps = reconstruct(
            small.scan,
            RPIE(),
            epochs=epochs,
            start=small.start(),
            controls=self.controls,
            device="cpu",
        )
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def _work(self) -> None:
        for snapshot in self._steps:
            self.snapshots.append(snapshot)

    def wait_for(self, count: int) -> None:
        until = time.monotonic() + patient(20)
        while len(self.snapshots) < count and time.monotonic() < until:
            time.sleep(1e-3)
        assert len(self.snapshots) >= count


def test_stop_from_another_thread_keeps_the_result(small: SmallScan) -> None:
    run = InThread(small, 100_000)
    run.wait_for(4)
    run.controls.stop()
    run.thread.join(5)
    assert not run.thread.is_alive()
    last = run.snapshots[-1]
    assert last.epoch < 100_000
    assert np.isfinite(last.error)
    # What was kept goes on exactly.
    rest = final(small.scan, RPIE(), last, 1)
    assert same(rest, final(small.scan, RPIE(), small.start(), last.epoch + 1))


def test_pause_holds_and_resume_goes_on_with_the_same_numbers(
    small: SmallScan,
) -> None:
    run = InThread(small, 12)
    run.wait_for(3)
    run.controls.pause()
    time.sleep(0.2)
    held = len(run.snapshots)
    time.sleep(0.3)
    assert len(run.snapshots) == held < 13
    assert run.controls.paused
    run.controls.resume()
    run.thread.join(20)
    assert not run.thread.is_alive()
    assert same(run.snapshots[-1], final(small.scan, RPIE(), small.start(), 12))


def test_stop_while_paused_ends_the_run(small: SmallScan) -> None:
    run = InThread(small, 100_000)
    run.wait_for(2)
    run.controls.pause()
    run.controls.stop()
    run.thread.join(5)
    assert not run.thread.is_alive()


def test_a_pause_in_mid_epoch_yields_no_extra_snapshot(small: SmallScan) -> None:
    controls = Controls()
    run = Run(small.scan, RPIE(), small.start(), settings(2), controls)

    class PausesOnce(RPIE):
        def step(self, *now: Any) -> Any:
            if run.batch == 6 and run.epoch == 0:
                controls.pause()
                threading.Timer(0.1, controls.resume).start()
            return super().step(*now)

    run.algorithm = PausesOnce()
    run.advance()
    assert (run.epoch, run.batch) == (1, 0)


def test_time_in_a_pause_is_not_counted(small: SmallScan) -> None:
    controls = Controls()
    run = Run(small.scan, RPIE(), small.start(), settings(1), controls)
    controls.pause()
    threading.Timer(0.6, controls.resume).start()
    began = time.monotonic()
    run.advance()
    assert time.monotonic() - began > 0.5
    assert run.elapsed_s < 0.5


def test_an_unknown_device_and_a_bad_exclusion_are_refused(small: SmallScan) -> None:
    with pytest.raises(InputError, match="device"):
        settings(1, device="abacus")
    with pytest.raises(InputError, match="every pattern is excluded"):
        Run(small.scan, RPIE(), small.start(), settings(1, excluded=tuple(range(25))))


def test_a_snapshot_owns_its_arrays(small: SmallScan) -> None:
    run = Run(small.scan, RPIE(), small.start(), settings(epochs=2))
    snapshot = run.snapshot()
    for name in ("object", "probe", "positions_m", "pattern_error"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(snapshot, name)[...] += 1
    before = snapshot.object.copy()
    run.advance()
    assert np.array_equal(snapshot.object, before)
    mine = np.ones(snapshot.object.shape, np.complex64)
    other = snapshot.replace(object=mine)
    mine[...] = 0
    assert (other.object == 1).all()


def test_a_snapshot_has_one_distance(small: SmallScan) -> None:
    start = small.start()
    z = start.distance_m
    moved = start.replace(distance_m=1.1 * z)
    assert moved.geometry.distance_m == moved.distance_m == 1.1 * z
    assert moved.nominal_geometry.distance_m == z


def test_a_change_between_taking_and_applying_waits_for_its_turn(
    small: SmallScan, monkeypatch: pytest.MonkeyPatch
) -> None:
    controls = Controls()
    run = Run(small.scan, RPIE(), small.start(), settings(epochs=3), controls)
    apply, answered, refused = run._apply, threading.Event(), []

    def turn_a_knob() -> None:
        try:
            controls.set("algorithm.gamma", 0.3)
        except InputError as error:
            refused.append(error)
        answered.set()

    def slow(changes: Any) -> None:
        threading.Thread(target=turn_a_knob).start()
        assert not answered.wait(0.2)  # checked only once these are applied
        apply(changes)

    monkeypatch.setattr(run, "_apply", slow)
    controls.set("algorithm", EPIE())  # which has no gamma
    run.step()
    assert isinstance(run.algorithm, EPIE)
    assert answered.wait(5)
    assert len(refused) == 1
    monkeypatch.undo()
    run.advance()
    assert [change.path for change in run.history.changes] == ["algorithm"]


def test_half_scans_refuse_changes_under_way(small: SmallScan) -> None:
    controls = Controls()
    found = split_half_frc(
        small.scan,
        RPIE(),
        epochs=2,
        start=DiscProbe(1e-6),
        controls=controls,
        progress=lambda *_: _refused(controls),
    )
    assert found is not None


def _refused(controls: Controls) -> None:
    with pytest.raises(InputError, match="half sets are under way"):
        controls.set("algorithm.gamma", 0.3)


def test_progress_is_a_record_of_its_own(small: SmallScan) -> None:
    run = Run(small.scan, RPIE(), small.start(), settings(epochs=2))
    before = run.progress
    run.advance()
    assert (before.epoch, before.patterns_visited, before.epochs_done) == (0, 0, 0)
    assert run.progress.epochs_done == 1
    with pytest.raises(AttributeError):
        before.epoch = 3


def test_process_wide_switches_come_back_in_any_order() -> None:
    value = [1]
    switch = Switch(lambda: value[0], lambda new: value.__setitem__(0, new))
    first, second = switch.to(2), switch.to(3)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert value == [3]
    second.__exit__(None, None, None)
    assert value == [1]


def test_a_run_that_is_gone_leaves_nothing_in_caches(small: SmallScan) -> None:
    refiner = CrossCorrelationShift(start_epoch=0)
    run = Run(small.scan, RPIE(), small.start(), settings(epochs=2), refiners=[refiner])
    run.advance()
    kept = registration._lines.cache_info
    assert kept().currsize
    del run
    gc.collect()
    assert not kept().currsize
