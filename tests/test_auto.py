"""Auto: the coarse level, the end that it finds, and what is recorded of both."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.optics.resampling import with_frequencies
from napari_scicompty.workflow import coarse_level
from napari_scicompty.workflow.coarse_level import (
    coarse_scan,
    coarse_shape,
    coarse_start,
    coarser,
    finer,
)
from napari_scicompty.workflow.repeating import differences, repeated
from napari_scicompty.workflow.start import begin
from small_scans import settings, small_scan

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENT = sc.VirtualExperiment(
    probe={"diffuser_rad": 0.5},
    path={"rows": 7, "columns": 7, "step_px": 6},
    detector={"frame": 96},
)
START = sc.DiscProbe(EXPERIMENT.probe_radius_m)


@pytest.fixture(scope="module")
def simulated() -> tuple[sc.Scan, sc.Truth]:
    return sc.simulate(EXPERIMENT)


@pytest.fixture(scope="module")
def result(simulated: Any) -> sc.Snapshot:
    return sc.run(simulated[0], start=START, device="cpu")


# -- what is the default -----------------------------------------------------------
def test_nothing_given_is_auto(simulated: Any, result: sc.Snapshot) -> None:
    assert result.settings["algorithm"]["name"] == "auto"
    assert sc.metrics.compare(result, simulated[1]).correlation > 0.999


def test_epochs_alone_are_a_limit(simulated: Any) -> None:
    last = sc.run(simulated[0], epochs=2, start=START, device="cpu")
    assert last.settings["algorithm"]["name"] == "auto"
    assert last.epoch == 2
    assert not any("ended by itself" in note for note in last.history.notes)


def test_an_algorithm_without_epochs_is_refused() -> None:
    scan = small_scan().scan
    for call in (sc.run, sc.reconstruct):
        with pytest.raises(sc.InputError, match=r"epochs.*say how many"):
            call(scan, sc.RPIE())
    with pytest.raises(sc.InputError, match="epochs"):
        sc.run(scan, sc.Auto(ends=False))


def test_an_algorithm_with_epochs_does_just_these(simulated: Any) -> None:
    last = sc.run(simulated[0], sc.RPIE(), epochs=3, start=START, device="cpu")
    assert last.epoch == 3
    assert not any("coarse" in note for note in last.history.notes)


def test_a_recipe_without_a_version_keeps_the_defaults_of_before() -> None:
    old = "[virtual_experiment]\n[start]\nname = 'auto'\n[[stage]]\n"
    stage = sc.Recipe.from_toml(old).stages[0]
    assert (stage.algorithm, stage.epochs) == (sc.RPIE(), 40)
    start = sc.Recipe.from_toml(old).start
    assert (start.patterns, start.coarse) == (400, False)
    new = sc.Recipe.from_toml("format_version = 3\n" + old)
    assert (new.stages[0].algorithm, new.stages[0].epochs) == (sc.Auto(), 200)
    assert new.start.coarse
    assert sc.Recipe.from_toml(new.to_toml()) == new


# -- its end -----------------------------------------------------------------------
def test_it_ends_by_itself_and_says_why(result: sc.Snapshot) -> None:
    assert result.epoch < 100
    ended = [note for note in result.history.notes if "ended by itself" in note]
    assert len(ended) == 1
    assert f"epoch {result.epoch}" in ended[0]
    assert result.history.runs[-1].finished


def test_a_result_that_has_ended_can_be_continued(
    simulated: Any, result: sc.Snapshot
) -> None:
    more = sc.run(simulated[0], start=result, device="cpu")
    assert more.epoch > result.epoch + 2
    assert more.error < result.error
    (first, second) = more.history.runs
    assert first.why_ended
    assert second.why_ended


def test_it_goes_on_to_its_limit_where_it_shall_not_end(simulated: Any) -> None:
    last = sc.run(
        simulated[0], sc.Auto(ends=False), epochs=40, start=START, device="cpu"
    )
    assert last.epoch == 40


def test_a_noiseless_scan_ends_when_the_object_is_still() -> None:
    noiseless = EXPERIMENT.replace(detector={"frame": 96, "photons": None})
    scan, truth = sc.simulate(noiseless)
    last = sc.run(scan, start=START, device="cpu")
    assert "the object moved by only" in last.history.notes[-1]
    assert 1 - sc.metrics.compare(last, truth).correlation < 1e-4


def test_steps_fall_to_the_noise(result: sc.Snapshot) -> None:
    assert result.state["algorithm"]["shrunk"] == pytest.approx(0.7**4)


def test_refined_positions_must_come_to_rest_first(simulated: Any) -> None:
    shaken = EXPERIMENT.replace(mistakes={"gaussian_px": 1.0})
    scan, truth = sc.simulate(shaken)
    last = sc.run(scan, start=START, refine="positions", epochs=150, device="cpu")
    moves = [done.change for done in last.history.refined]
    assert last.epoch == 150 or moves[-1] < 0.005
    found = sc.metrics.position_error(last.positions_m, truth.positions_m)
    assert np.hypot(*found.residuals_m.T).mean() < 0.2 * last.pixel_size_m[0]


# -- it can be repeated --------------------------------------------------------------
def test_a_saved_result_repeats_itself_bit_by_bit(
    simulated: Any, result: sc.Snapshot, tmp_path: Path
) -> None:
    sc.save_result(tmp_path / "r.h5", result)
    opened = sc.open_result(tmp_path / "r.h5")
    *_, again = repeated(simulated[0], opened)
    assert differences(opened, again) == []


def test_the_same_seed_gives_the_same_result(
    simulated: Any, result: sc.Snapshot
) -> None:
    again = sc.run(simulated[0], start=START, device="cpu")
    assert np.array_equal(again.object, result.object)
    other = sc.run(simulated[0], start=START, device="cpu", seed=1)
    assert not np.array_equal(other.object, result.object)


# -- the coarse level ------------------------------------------------------------------
def test_the_middle_holds_nearly_all_counts(simulated: Any) -> None:
    scan = simulated[0]
    h, w = coarse_shape(scan)
    assert 32 <= h < 96
    coarse = coarse_scan(scan, (h, w))
    assert coarse.pattern_sum.sum() >= 0.985 * scan.pattern_sum.sum()
    assert np.allclose(coarse.pixel_size_m, np.multiply(scan.pixel_size_m, 96 / h))
    assert coarse.mean_pattern[h // 2, w // 2] == scan.mean_pattern[48, 48]


def test_there_is_none_in_near_field_and_for_small_frames() -> None:
    assert coarse_shape(small_scan(near=True, view=(64, 64)).scan) is None
    assert coarse_shape(small_scan(view=(32, 32)).scan) is None


def test_the_mask_is_that_of_the_middle(simulated: Any) -> None:
    mask = np.ones((96, 96), bool)
    mask[48, 50] = False
    scan = simulated[0].replace(mask=mask)
    coarse = coarse_scan(scan, (48, 48))
    assert not coarse.mask[24, 26]
    assert coarse.mask.sum() == 48 * 48 - 1


@pytest.mark.parametrize("shape", [(48, 64), (47, 33), (96, 96), (128, 100)])
def test_cut_and_padded_frequencies_keep_the_zero_one_in_its_place(
    shape: tuple[int, int],
) -> None:
    rng = np.random.default_rng(0)
    y, x = (np.arange(n) / n for n in (96, 96))
    field = sum(
        rng.normal() * np.exp(2j * np.pi * (ky * y[:, None] + kx * x))
        for ky in range(-5, 6)
        for kx in range(-5, 6)
    ).astype(np.complex64)
    other = with_frequencies(field, shape)
    assert other.shape == shape
    power = np.sum(np.abs(other) ** 2) / np.sum(np.abs(field) ** 2)
    assert power == pytest.approx(1, rel=1e-5)
    assert np.allclose(with_frequencies(other, (96, 96)), field, atol=2e-4)
    scale = math.sqrt(math.prod(shape)) / 96
    assert other[0, 0] * scale == pytest.approx(field[0, 0], abs=2e-4)


def test_the_truth_goes_down_and_up_again(simulated: Any) -> None:
    scan, truth = simulated
    first = begin(scan, START).replace(object=truth.object, probe=truth.probe)
    coarse = coarse_scan(scan, coarse_shape(scan))
    down = coarser(first, coarse)
    assert down.object.shape < first.object.shape
    assert (down.object == 1).all()
    known = first.replace(origin_m=truth.origin_m)
    spread = down.replace(object=np.full(down.object.shape, 0.5 + 0.5j, np.complex64))
    up = finer(spread, known)
    assert up.object.shape == known.object.shape
    inner = up.object[40:-40, 40:-40]
    assert np.allclose(inner, 0.5 + 0.5j, atol=0.02)
    assert np.array_equal(finer(spread, known, with_probe=False).probe, known.probe)


def test_it_helps_and_says_so(simulated: Any, result: sc.Snapshot) -> None:
    assert any(note.startswith("coarse level: 20 ") for note in result.history.notes)
    plain = sc.run(
        simulated[0], sc.Auto(coarse=False), epochs=1, start=START, device="cpu"
    )
    coarse = sc.run(simulated[0], epochs=1, start=START, device="cpu")
    assert coarse.error < 0.5 * plain.error


def test_a_coarse_result_that_does_not_help_is_left(
    simulated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coarse_level, "CLEAR", 0)
    monkeypatch.setattr(coarse_level, "GATE", 0)
    first = begin(simulated[0], START)
    left = coarse_start(simulated[0], first, settings(2))
    assert left.snapshot is first
    assert "did not help" in left.note


def test_a_frozen_probe_stays_what_it_is(simulated: Any) -> None:
    scan, truth = simulated
    first = begin(scan, START).replace(probe=truth.probe)
    begun = coarse_start(scan, first, settings(2, freeze_probe=True))
    assert np.array_equal(begun.snapshot.probe, truth.probe)


def test_it_is_shown_and_can_be_stopped(
    simulated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coarse_level, "EPOCHS", 5000)
    controls, seen = sc.Controls(), []

    def show(snapshot: sc.Snapshot, epochs: int) -> None:
        seen.append((snapshot.epoch, epochs))
        controls.stop()

    first = begin(simulated[0], START)
    begun = coarse_start(simulated[0], first, settings(2), controls, show)
    ((epoch, epochs),) = seen
    assert 0 < epoch < epochs == 5000
    assert f"stopped at epoch {epoch}" in begun.note
    assert not (begun.snapshot.object == 1).all()


def test_it_is_left_out_where_something_is_refined(simulated: Any) -> None:
    last = sc.run(simulated[0], epochs=1, start=START, refine="positions", device="cpu")
    assert not any("coarse" in note for note in last.history.notes)
