"""How a run is judged under way: well, in a wrong geometry, by what does not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.data.snapshot import History
from napari_scicompty.engine.run import Run
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.engine.verdicts import judged, noise_error, not_fallen
from napari_scicompty.workflow.start import begin

EXPERIMENT = sc.VirtualExperiment(
    probe={"kind": "disc", "radius": 0.22},
    path={"kind": "jittered-raster", "rows": 8, "columns": 8, "step_px": 8},
    detector={"frame": 64, "photons": 1e6},
    focus_sample_m=5e-3,
)
SCAN, TRUTH = sc.simulate(EXPERIMENT)
START = sc.DiscProbe(radius_m=EXPERIMENT.probe_radius_m)
MIRRORED = sc.OrientationCandidate(flip_rows=True).apply(SCAN)


def run_of(scan, algorithm=None, epochs=5, modes=1, **settings) -> Run:
    chosen = RunSettings(epochs=epochs, modes=modes, device="cpu", **settings)
    run = Run(scan, algorithm or sc.RPIE(), begin(scan, START, modes=modes), chosen)
    while not run.done:
        run.advance(1)
    return run


def history(*errors: float) -> History:
    return History(epochs=tuple(range(len(errors))), errors=errors)


@pytest.mark.parametrize("algorithm", [sc.RPIE(), sc.EPIE(alpha_object=1.0)])
def test_what_is_right_goes_well(algorithm):
    verdict = run_of(SCAN, algorithm).verdict
    assert verdict.level == "ok" and verdict.code in ("going-well", "more-modes")


def test_there_is_no_verdict_before_the_fifth_epoch():
    assert run_of(MIRRORED, epochs=4).verdict is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"flip_rows": True},
        {"transpose": True},
        {"swap_xy": True},
        {"rotation_deg": 20.0},
    ],
    ids=str,
)
def test_a_wrong_orientation_is_told_by_epoch_five(wrong):
    run = run_of(sc.OrientationCandidate(**wrong).apply(SCAN))
    assert run.verdict.code == "error-stays" and run.verdict.level == "warning"
    assert "wrong geometry or start is likely" in str(run.verdict)
    assert any("wrong geometry" in note for note in run.history.notes)


def test_noise_alone_is_no_wrong_geometry():
    dim, _ = sc.simulate(EXPERIMENT.replace(detector={"frame": 64, "photons": 300}))
    assert run_of(dim).verdict.level == "ok"


def test_an_error_that_fell_later_is_forgiven():
    flat = history(0.2, 0.2, 0.2, 0.2, 0.2, 0.2)
    stays = not_fallen(flat, SCAN)
    assert stays is not None
    later = history(*flat.errors, *(0.1, 0.06, 0.05))
    assert judged([stays], later, SCAN, 1).code != "error-stays"
    assert judged([stays], history(*flat.errors, 0.19), SCAN, 1) is stays


def test_a_small_error_that_rises_is_told():
    rising = history(0.016, 0.023, 0.025, 0.025, 0.024, 0.0237)
    assert not_fallen(rising, SCAN) is not None
    falling = history(0.016, 0.0101, 0.0092, 0.0081, 0.0075, 0.0072)
    assert not_fallen(falling, SCAN) is None


def test_patterns_that_do_not_fit_are_named_until_they_are_excluded():
    frames = np.array(SCAN.patterns)
    frames[[20, 41]] = frames[[20, 41], ::-1]
    run = run_of(SCAN.replace(patterns=frames), epochs=10)
    assert run.verdict.code == "patterns-worse"
    assert set(run.verdict.patterns) == {20, 41}
    assert dict(run.verdict.change) == {"run.excluded": (20, 41)}
    clean = run_of(SCAN.replace(patterns=frames), epochs=10, excluded=(20, 41))
    assert clean.verdict.level == "ok"


def test_an_error_that_stays_high_for_long_is_stalled():
    errors = [0.2, 0.1, 0.07, 0.06, 0.05, 0.049, 0.048, 0.047, 0.046, *[0.045] * 15]
    verdict = judged([], history(*errors), SCAN, 3)
    assert verdict.code == "stalled" and dict(verdict.change) == {
        "algorithm": "autodiff"
    }
    assert judged([], history(*errors[:15]), SCAN, 3).code == "going-well"


def test_more_modes_are_proposed_where_counting_noise_does_not_explain_the_error():
    noise = noise_error(SCAN)
    high = history(0.2, 0.1, 0.05, 0.02, 0.01, 3 * noise)
    verdict = judged([], high, SCAN, 1)
    assert verdict.code == "more-modes" and dict(verdict.change) == {"modes": 3}
    assert judged([], high, SCAN, 3).code == "going-well"
    low = replace(high, errors=(*high.errors[:-1], 1.2 * noise))
    assert judged([], low, SCAN, 1).code == "going-well"
