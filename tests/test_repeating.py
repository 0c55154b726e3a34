"""A saved result repeats itself bit for bit, whatever was changed under way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.recipe import FileInput, Recipe, Stage
from napari_scicompty.refine import refiners
from napari_scicompty.workflow.reconstruction import prepare
from napari_scicompty.workflow.repeating import differences, repeated_runs

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.engine.run import Run

EXPERIMENT = sc.VirtualExperiment(
    modes=2,
    path={"rows": 5, "columns": 5, "step_px": 5},
    detector={"frame": 32, "photons": 1e5},
)
DISC = sc.DiscProbe(EXPERIMENT.probe_radius_m)


@pytest.fixture(scope="module")
def scan() -> sc.Scan:
    return sc.simulate(EXPERIMENT)[0]


def _begin(
    scan: sc.Scan,
    start: Any = DISC,
    algorithm: Any = None,
    refine: Any = (),
    **settings: Any,
) -> Run:
    chosen = RunSettings(
        **{"epochs": 6, "modes": 2, "device": "cpu", "seed": 3} | settings
    )
    return prepare(scan, algorithm or sc.RPIE(), chosen, start, refine=refiners(refine))


def _until(run: Run, epoch: int, batch: int = 0) -> None:
    """Go on, batch by batch, to a point of the run."""
    while (run.epoch, run.batch) < (epoch, batch):
        run.advance(0)


def _end(run: Run) -> sc.Snapshot:
    while not run.done:
        run.advance()
    return run.snapshot(exact=True)


CHANGES: dict[str, list[tuple[str, Any]]] = {
    "alpha": [("algorithm.alpha_object", 0.1)],
    "batch": [("run.batch", 4)],
    "excluded": [("run.excluded", (3, 7))],
    "frozen probe": [("run.freeze_probe", True)],
    "gain of the refiner": [("positions.rate_px", 2.0)],
    "refiner off": [("positions.enabled", False)],
    "another algorithm": [("algorithm", sc.EPIE())],
    "gradients": [("algorithm", sc.AutoDiff())],
    "fewer epochs": [("run.epochs", 4)],
    "more epochs": [("run.epochs", 8)],
    "several at once": [
        ("algorithm.beta", 1.0),
        ("run.batch", 3),
        ("algorithm.beta", 0.2),
    ],
}


@pytest.mark.parametrize("point", [(2, 0), (2, 13)], ids=["between", "mid-epoch"])
@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_made_again_where_it_was_made(
    what: str, point: tuple[int, int], scan: sc.Scan
) -> None:
    run = _begin(scan, refine="positions")
    _until(run, *point)
    for path, value in CHANGES[what]:
        run.controls.set(path, value)
    result = _end(run)
    assert result.history.changes
    _check(scan, result)


def _check(scan: sc.Scan, result: sc.Snapshot) -> None:
    """Check that a result repeats itself, and that its repetition does."""
    for _ in range(2):
        run = None
        for run in repeated_runs(scan, result):
            while not run.done:
                run.advance()
        assert run is not None
        again = run.snapshot(exact=result.exact)
        assert differences(result, again) == []
        result = again


def test_a_knob_turned_at_the_last_moment_is_repeated(scan: sc.Scan) -> None:
    run = _begin(scan, epochs=3)
    _until(run, 3)
    run.controls.set("run.epochs", 5)
    run.controls.set("algorithm.alpha_probe", 0.9)
    _check(scan, _end(run))


@pytest.mark.parametrize("point", [(2, 0), (2, 13)], ids=["between", "mid-epoch"])
def test_a_stop_is_repeated(point: tuple[int, int], scan: sc.Scan) -> None:
    run = _begin(scan, epochs=1000)
    _until(run, 1, 5)
    run.controls.set("algorithm.gamma", 0.2)
    _until(run, *point)
    run.controls.stop()
    result = _end(run)
    assert (result.epoch, result.batch) == point
    _check(scan, result)


def test_a_chain_of_runs_is_repeated(scan: sc.Scan) -> None:
    run = _begin(scan, epochs=1000, batch=2)
    _until(run, 1, 10)
    run.controls.set("algorithm.alpha_object", 0.2)
    _until(run, 2, 8)
    run.controls.stop()
    more = _begin(scan, _end(run), sc.EPIE(), modes=3, epochs=2, excluded=(1,))
    last = _begin(
        scan, more_end := _end(more), sc.RPIE(), "positions", modes=None, epochs=2
    )
    assert (len(more_end.probe), more_end.epoch) == (3, 4)
    _until(last, 5, 7)
    last.controls.set("run.excluded", ())
    _check(scan, _end(last))


def test_a_stage_cut_short_by_patience_is_repeated(scan: sc.Scan) -> None:
    run = _begin(scan, epochs=40, held_out=0.1, patience=1, algorithm=_BOLD)
    result = _end(run)
    assert result.epoch < 40
    after = _end(_begin(scan, result, sc.RPIE(), modes=None, epochs=2, held_out=0.1))
    _check(scan, after)


_BOLD = sc.RPIE(alpha_object=1.0, alpha_probe=1.0)


def test_a_halved_batch_after_memory_ran_out_is_repeated(
    scan: sc.Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    from napari_scicompty.engine import plan as engine

    monkeypatch.setattr(engine, "smaller", lambda *_: None)
    run = _begin(scan, batch=4)
    _until(run, 1, 8)
    run.controls.set("algorithm.beta", 0.1)
    _until(run, 1, 16)
    step, failed = run.step, []

    def fails_once() -> None:
        if not failed:
            failed.append(True)
            raise MemoryError
        step()

    monkeypatch.setattr(run, "step", fails_once)
    run.advance(0)
    assert run.settings.batch == 2
    result = _end(run)
    assert failed
    _check(scan, result)


def test_a_mid_run_snapshot_is_repeated(scan: sc.Scan) -> None:
    run = _begin(scan)
    _until(run, 2, 9)
    _check(scan, run.snapshot())


def test_what_cannot_be_repeated_says_why(scan: sc.Scan) -> None:
    from napari_scicompty.workflow.corrections import with_positions

    result = _end(_begin(scan, epochs=1))
    edited = with_positions(result, result.positions_m, "looked at")
    after = _end(_begin(scan, edited, modes=None, epochs=1))
    with pytest.raises(sc.InputError, match="changed between two runs, at epoch 1"):
        next(repeated_runs(scan, after))
    old = result.replace(history=type(result.history)(epochs=(0,), errors=(1.0,)))
    with pytest.raises(sc.InputError, match="did not record"):
        next(repeated_runs(scan, old))
    odd = _end(_begin(scan, old, modes=None, epochs=1))
    with pytest.raises(sc.InputError, match="a state that is not recorded"):
        next(repeated_runs(scan, odd))


def test_differences_are_named(scan: sc.Scan) -> None:
    result = _end(_begin(scan, epochs=1))
    other = result.replace(error=0.5, probe=result.probe[:1], object=result.object * 2)
    text = "; ".join(differences(result, other))
    assert "error is 0.5, not" in text
    assert "probe is of shape (1, 32, 32), not (2, 32, 32)" in text
    assert "object differs by up to" in text


def _files(folder: Path, scan: sc.Scan) -> Path:
    sc.save_scan(folder / "scan.cxi", scan)
    return folder / "scan.cxi"


def test_a_recipe_of_a_result_replays_it(scan: sc.Scan, tmp_path: Path) -> None:
    recipe = Recipe(
        input=FileInput(path=str(_files(tmp_path, scan))),
        start=DISC,
        stages=(Stage(epochs=2), Stage(algorithm=sc.EPIE(), epochs=2)),
    )
    controls = sc.Controls()
    for run in recipe.runs(controls=controls):
        while not run.done:
            run.advance(0)
            if (run.epoch, run.batch) == (2, 6):
                controls.set("algorithm.alpha_object", 0.3)
    result = run.snapshot(exact=True)
    sc.save_result(tmp_path / "r.h5", result, recipe)
    loaded = sc.Recipe.load(tmp_path / "r.h5")
    assert loaded == sc.Recipe.load(tmp_path / "r.h5").replace()
    *_, again = loaded.replay()
    assert differences(result, again) == []
    *_, plain = loaded.run()
    assert not np.array_equal(plain.object, result.object)
    with pytest.raises(sc.InputError, match=r"Recipe\.load"):
        next(recipe.replay())


def test_a_result_of_a_script_finds_its_scan(scan: sc.Scan, tmp_path: Path) -> None:
    path = _files(tmp_path, scan)
    opened = sc.open_scan(path, rebin=2, distance_m=scan.geometry.distance_m * 1.01)
    start = sc.DiscProbe(EXPERIMENT.probe_radius_m / 2)
    controls = sc.Controls()
    for snapshot in sc.reconstruct(
        opened.exclude([4]), sc.RPIE(), epochs=3, start=start, controls=controls
    ):
        if snapshot.epoch == 1:
            controls.set("algorithm.alpha_object", 0.3)
    sc.save_result(tmp_path / "r.h5", snapshot)
    recipe = sc.Recipe.load(tmp_path / "r.h5")
    assert recipe.input.rebin == 2
    *_, again = recipe.replay()
    assert differences(snapshot, again) == []
