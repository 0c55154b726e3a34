"""A result is continued: with the scan it was made from, or it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.core.findings import level_of
from napari_scicompty.recipe import Recipe, RunChoices, Stage
from small_scans import small_scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = small_scan()
SCAN = SMALL.scan
START = sc.DiscProbe(0.3 * 32 * SCAN.pixel_size_m[0])


def run(scan: sc.Scan, start: Any, epochs: int = 2, **options: Any) -> sc.Snapshot:
    *_, last = sc.reconstruct(
        scan, sc.RPIE(), epochs=epochs, start=start, device="cpu", **options
    )
    return last


FIRST = run(SCAN, START, 8)


def warnings(snapshot: sc.Snapshot) -> list[str]:
    told = (level_of(note) for note in snapshot.history.notes)
    return [text for level, text in told if level == "warning"]


def test_the_same_scan_is_continued_in_silence() -> None:
    assert warnings(run(SCAN, FIRST)) == warnings(FIRST) == []


def flipped(y: int, x: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda p: p * (y, x)


MOVED = {
    "y": (flipped(-1, 1), "the sign of y is another one"),
    "x": (flipped(1, -1), "the sign of x is another one"),
    "both": (flipped(-1, -1), "the signs of x and y are others"),
    "swapped": (lambda p: p[:, ::-1], "x and y are swapped"),
    "mended": (lambda p: p + SCAN.pixel_size_m * np.eye(25)[:, :2] * 3, "to 3 pixels"),
    "a nanometre": (lambda p: p + np.eye(25)[:, :2] * 1e-9, "differ by up to"),
}


@pytest.mark.parametrize("case", MOVED)
def test_other_positions_are_told_with_those_that_are_used(case: str) -> None:
    change, how = MOVED[case]
    other = SCAN.with_positions(change(SCAN.positions_m))
    last = run(other, FIRST)
    (told,) = warnings(last)
    assert how in told and 'positions_of="scan"' in told
    assert np.array_equal(last.positions_m, FIRST.positions_m)
    assert np.array_equal(last.object, run(SCAN, FIRST).object)


def test_the_positions_of_the_scan_are_a_choice() -> None:
    change = SCAN.pixel_size_m * np.random.default_rng(0).normal(0, 1, (25, 2))
    mended = SCAN.with_positions(SCAN.positions_m + change)
    last = run(mended, FIRST, positions_of="scan")
    assert np.array_equal(last.positions_m, mended.positions_m)
    assert np.array_equal(last.nominal_positions_m, mended.positions_m)
    assert last.history.errors[9] != FIRST.error  # measured anew
    assert any("those of the scan are used" in note for note in last.history.notes)
    assert not warnings(last)
    again = run(mended, last, positions_of="scan")
    assert again.history.notes == last.history.notes  # they are the same now


def test_refined_positions_outlive_the_choice_where_the_scan_is_the_same() -> None:
    refined = FIRST.replace(positions_m=FIRST.positions_m + 0.3 * SCAN.pixel_size_m[0])
    last = run(SCAN, refined, positions_of="scan")
    assert np.array_equal(last.positions_m, refined.positions_m)


def test_stages_after_the_first_keep_what_was_refined() -> None:
    stage = Stage(epochs=1)
    recipe = Recipe(
        input=sc.VirtualExperiment(),
        start=START,
        stages=(stage, stage),
        shared=RunChoices(positions_of="scan", device="cpu"),
    )
    mended = SCAN.with_positions(SCAN.positions_m + 5 * SCAN.pixel_size_m[0])
    *_, last = recipe.run(mended, start=FIRST)
    assert last.epoch == 10 and np.array_equal(last.positions_m, mended.positions_m)


def test_another_orientation_of_the_patterns_shows_at_once() -> None:
    turned = SCAN.replace(patterns=SCAN.patterns.swapaxes(1, 2))
    told, *_ = warnings(run(turned, FIRST))
    assert "does not fit these patterns" in told and "transpose" in told


FACTORS = (1.002, 1.1, 2.0)
PIXELS = {"X-rays": 1.0, "nanometres": 0.05, "electrons": 0.003}


def shrunk(scale: float) -> sc.Scan:
    """The same scan seen by shorter waves."""
    geometry = SCAN.geometry.replace(wavelength_m=scale * SCAN.geometry.wavelength_m)
    return sc.Scan(SCAN.patterns, scale * SCAN.positions_m, geometry)


@pytest.mark.parametrize("kind", PIXELS)
@pytest.mark.parametrize("factor", FACTORS)
def test_another_object_pixel_is_refused_however_small(
    kind: str, factor: float
) -> None:
    scan = shrunk(PIXELS[kind])
    start = sc.DiscProbe(0.3 * 32 * scan.pixel_size_m[0])
    first = run(scan, start, 1)
    geometry = scan.geometry
    other = scan.with_geometry(
        geometry.replace(distance_m=factor * geometry.distance_m)
    )
    with pytest.raises(sc.InputError, match="object pixel"):
        run(other, first)
    with pytest.raises(sc.InputError, match="object pixels differ"):
        sc.metrics.agreement(first, run(other, start, 0, modes=1))


def test_a_geometry_that_leaves_the_pixel_is_told() -> None:
    near = small_scan(near=True).scan
    first = run(near, sc.BackPropagatedProbe(), 1)
    other = near.with_geometry(near.geometry.replace(distance_m=1.2e-2))
    told = warnings(run(other, first))
    assert any(
        "distance_m is 0.012 in the scan and 0.01 in the result" in t for t in told
    )
    assert not warnings(run(near, first))


def test_a_probe_of_a_result_must_have_the_pixel_of_the_scan(tmp_path: Path) -> None:
    sc.save_result(tmp_path / "r.h5", FIRST)
    probe = sc.ProbeFile(path=tmp_path / "r.h5")
    assert run(SCAN, probe, 1).epoch == 1
    for factor in (1.1, 0.5):
        geometry = SCAN.geometry
        other = SCAN.with_geometry(
            geometry.replace(distance_m=factor * geometry.distance_m)
        )
        with pytest.raises(sc.InputError, match=r"r.h5: its probe has pixels of"):
            run(other, probe, 1)


# -- what the first epochs tell -------------------------------------------------------
EXPERIMENT = sc.VirtualExperiment(
    probe={"kind": "disc", "radius": 0.22},
    path={"kind": "jittered-raster", "rows": 10, "columns": 10, "step_px": 8},
    detector={"frame": 64, "photons": 1e5},
    focus_sample_m=5e-3,
)
VIRTUAL = sc.simulate(EXPERIMENT)[0]
DISC = sc.DiscProbe(EXPERIMENT.probe_radius_m)


def test_patterns_that_fit_worse_are_named_once() -> None:
    frames = np.asarray(VIRTUAL.patterns).copy()
    frames[50] = frames[50].T[:, ::-1]
    frames[77] = np.roll(frames[77], 3, 1)
    scan = VIRTUAL.replace(patterns=frames)
    last = run(scan, DISC, 20)
    told = [text for text in warnings(last) if "times worse than the median" in text]
    assert len(told) == 1 and "run.excluded=[50,77]" in told[0]
    assert not warnings(run(scan, DISC, 20, excluded=(50, 77)))


def test_an_error_that_does_not_fall_is_told() -> None:
    order = np.random.default_rng(0).permutation(len(VIRTUAL))
    wrong = VIRTUAL.with_positions(VIRTUAL.positions_m[order])
    told = warnings(run(wrong, DISC, 10))
    assert any("the error hardly falls" in text for text in told)
    assert any("orientation" in text for text in told)


@pytest.mark.parametrize("photons", [1e3, 1e5, None])
def test_an_honest_run_hears_nothing(photons: float | None) -> None:
    detector = {"frame": 64, "photons": photons}
    scan, _ = sc.simulate(EXPERIMENT.replace(detector=detector))
    assert not scan.findings
    assert not warnings(run(scan, DISC, 20))
