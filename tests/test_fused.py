"""The step by compiled kernels: the same numbers as torch's, told, and repeated."""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import napari_scicompty as sc
from napari_scicompty.algorithms import _fused
from napari_scicompty.algorithms.base import AlgorithmState, StepContext
from napari_scicompty.engine import kernels
from napari_scicompty.engine.run import Run
from napari_scicompty.model.pattern_store import Keeping, Packing
from napari_scicompty.optics import compiled
from napari_scicompty.recipe import _recorded
from napari_scicompty.workflow import repeating
from napari_scicompty.workflow.repeating import differences, repeated_runs
from small_scans import SmallScan, settings, small_scan

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = Path(sc.__file__).parent
RULE = sc.RPIE(alpha_object=0.7, alpha_probe=0.4, beta=0.3, gamma=0.2)
CPU = torch.device("cpu")

needs_numba = pytest.mark.skipif(
    not kernels.is_installed(), reason="numba is not installed"
)


def _run(small: SmallScan, algorithm: Any = RULE, **chosen: Any) -> Run:
    return Run(small.scan, algorithm, small.start(), settings(**chosen))


def _masked(small: SmallScan) -> SmallScan:
    good = np.ones(small.scan.frame_shape, bool)
    good[3:6, 7:20] = False
    return dataclasses.replace(small, scan=small.scan.replace(mask=good))


def _stepped(
    small: SmallScan,
    kind: str,
    batch: list[int],
    prepare: Callable[[Run], None] = lambda run: None,
    **context: Any,
) -> tuple[np.ndarray, ...]:
    """Object, probe and errors after two steps."""
    run = _run(small, kernels="torch", held_out=0.1, seed=1)
    prepare(run)
    told = StepContext(**context, kernels=kind)
    with torch.no_grad():
        for numbers in (batch, [j + 1 for j in batch]):
            now = (run.estimate, run.measured, numbers, told)
            errors = RULE.step(*now, AlgorithmState())
    assert run.measured.held_out is not None
    found = (
        run.estimate.object,
        run.estimate.probe_kept.copied(),
        errors,
        run.measured.held_out.squared,
    )
    return tuple(tensor.clone().numpy() for tensor in found)


def _are_close(found: tuple[np.ndarray, ...], by: tuple[np.ndarray, ...]) -> None:
    for a, b in zip(found, by, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=3e-6 * abs(b).max())


# -- the same numbers -----------------------------------------------------------------
@needs_numba
@pytest.mark.parametrize("batch", [[6], [6, 18, 2, 12]], ids=["one", "batch"])
@pytest.mark.parametrize("modes", [1, 3])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "fractions"])
@pytest.mark.parametrize("near", [False, True], ids=["far", "near"])
class TestStep:
    @pytest.mark.parametrize("probe", [True, False], ids=["", "held probe"])
    def test_is_that_of_torch(
        self, near: bool, whole: bool, modes: int, batch: list[int], probe: bool
    ) -> None:
        small = _masked(small_scan(modes=modes, whole=whole, near=near))
        told = {"update_probe": probe}
        of_torch = _stepped(small, "torch", batch, **told)
        fused = _stepped(small, "numba", batch, **told)
        assert not np.array_equal(fused[0], of_torch[0])  # it was another one
        _are_close(fused, of_torch)
        if not probe:
            np.testing.assert_array_equal(fused[1], of_torch[1])

    def test_knows_a_background(
        self, near: bool, whole: bool, modes: int, batch: list[int]
    ) -> None:
        small = small_scan(modes=modes, whole=whole, near=near)

        def prepare(run: Run) -> None:
            run.measured.background = torch.linspace(0, 20, 32 * 32).view(32, 32)

        with_it = _stepped(small, "numba", batch, prepare)
        _are_close(with_it, _stepped(small, "torch", batch, prepare))
        assert not np.allclose(with_it[2], _stepped(small, "numba", batch)[2])

    def test_clips_to_the_detector(
        self, near: bool, whole: bool, modes: int, batch: list[int]
    ) -> None:
        small = small_scan(modes=modes, whole=whole, near=near)
        clipped = _stepped(small, "numba", batch, clip_to_detector=True)
        _are_close(clipped, _stepped(small, "torch", batch, clip_to_detector=True))
        free = _stepped(small, "numba", batch)
        assert np.allclose(clipped[0], free[0], atol=1e-5) is not near

    def test_epochs_are_those_of_torch(
        self, near: bool, whole: bool, modes: int, batch: list[int]
    ) -> None:
        small = small_scan(modes=modes, whole=whole, near=near)
        ends = []
        for kind in ("torch", "numba"):
            run = _run(small, epochs=3, batch=len(batch), kernels=kind)
            while not run.done:
                run.advance()
            ends.append(run.snapshot(exact=True))
        first, second = ends
        assert second.error == pytest.approx(first.error, rel=1e-3)
        assert abs(first.object - second.object).max() < 1e-3


@needs_numba
def test_a_point_source_behind_the_sample_turns_the_pattern() -> None:
    """The wave is flipped: it does not lie in the grid of the propagator."""
    small = small_scan(near=True)
    turned = small.scan.geometry.replace(focus_sample_m=-4e-3)
    small = dataclasses.replace(small, scan=small.scan.with_geometry(turned))
    run = _run(small, kernels="torch")
    assert run.estimate.propagator.inverted
    of_torch = _stepped(small, "torch", [6, 7, 8])
    _are_close(_stepped(small, "numba", [6, 7, 8]), of_torch)


@needs_numba
@pytest.mark.parametrize("place", ["device", "host", "scan"])
@pytest.mark.parametrize("kind", ["float32", "float16", "counts"])
def test_patterns_may_be_kept_in_any_way(place: Any, kind: Any) -> None:
    small = small_scan(whole=True)
    scan = small.scan.replace(patterns=small.scan.patterns.round())
    small = dataclasses.replace(small, scan=scan)

    def prepare(run: Run) -> None:
        keeping = Keeping(place, Packing(kind, 0.1))
        run.measured.keep(scan, keeping, CPU)

    for batch in ([6], [6, 18, 2]):
        told = (batch, prepare)
        _are_close(_stepped(small, "numba", *told), _stepped(small, "torch", *told))


@needs_numba
def test_brightness_is_left_to_torch() -> None:
    small = small_scan()

    def prepare(run: Run) -> None:
        run.estimate.brightness = torch.linspace(0.8, 1.2, 25)

    found = _stepped(small, "numba", [3], prepare)
    for a, b in zip(found, _stepped(small, "torch", [3], prepare), strict=True):
        np.testing.assert_array_equal(a, b)


def test_only_what_is_covered_is_fused() -> None:
    estimate = _run(small_scan(), kernels="torch").estimate
    fused = StepContext(kernels="numba")
    assert _fused.is_covered([1], estimate, fused)
    assert not _fused.is_covered([1], estimate, StepContext())
    assert not _fused.is_covered(torch.tensor([1]), estimate, fused)


@needs_numba
def test_no_view_is_written_beyond_the_canvas() -> None:
    run = _run(small_scan(whole=True), kernels="numba", epochs=1)
    run.estimate.placement._corners[3] = (500, 0)
    with pytest.raises(IndexError, match="beyond the canvas"), torch.no_grad():
        now = (run.estimate, run.measured, [3], StepContext(kernels="numba"))
        RULE.step(*now, AlgorithmState())


# -- a run ----------------------------------------------------------------------------
@needs_numba
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "fractions"])
def test_the_same_seed_gives_the_same_numbers_resumed_or_not(
    batch: int, whole: bool
) -> None:
    small = small_scan(modes=2, whole=whole)

    def ended(run: Run) -> sc.Snapshot:
        while not run.done:
            run.advance()
        return run.snapshot()

    straight = ended(_run(small, epochs=4, batch=batch, kernels="numba"))
    again = ended(_run(small, epochs=4, batch=batch, kernels="numba"))
    assert differences(straight, again) == []
    half = ended(_run(small, epochs=2, batch=batch, kernels="numba"))
    told = settings(epochs=2, batch=batch, kernels="numba")
    assert differences(straight, ended(Run(small.scan, RULE, half, told))) == []


@needs_numba
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_error_that_is_no_number_shows(value: float) -> None:
    for batch in ([6], [6, 7]):

        def prepare(run: Run) -> None:
            run.estimate.object[20, 20] = value

        small = small_scan(whole=True)
        run = _run(small, kernels="torch")
        prepare(run)
        with torch.no_grad():
            now = (run.estimate, run.measured, batch, StepContext(kernels="numba"))
            errors = RULE.step(*now, AlgorithmState())
        assert not torch.isfinite(errors).any()


@needs_numba
def test_a_run_that_diverges_goes_back() -> None:
    small = small_scan()
    notes = []
    for kind in ("torch", "numba"):
        run = _run(small, sc.RPIE(), epochs=4, kernels=kind)
        while not run.done:
            run.advance()
            if run.epoch == 2 and not run._divergence.fell_back:
                run.estimate.object[20:30, 20:30] = np.nan
        notes.append([n for n in run.history.notes if "went back" in n])
        assert np.isfinite(run.snapshot().object).all()
    assert len(notes[0]) == 1
    assert notes[0] == notes[1]


# -- what ran is told -----------------------------------------------------------------
def _ended(small: SmallScan, algorithm: Any = RULE, **chosen: Any) -> sc.Snapshot:
    start = sc.DiscProbe(8 * small.scan.pixel_size_m[0])
    told = {"epochs": 2, "device": "cpu"} | chosen
    return sc.run(small.scan, algorithm, start=start, **told)


def _used(result: sc.Snapshot) -> object:
    return result.history.runs[-1].run["kernels"]


@needs_numba
def test_a_result_tells_what_was_asked_for_and_what_was_used() -> None:
    small = small_scan()
    result = _ended(small)
    assert _used(result) == "numba"
    assert result.settings["run"]["kernels"] == "auto"
    assert _used(_ended(small, kernels="torch")) == "torch"
    assert _used(_ended(small, sc.AutoDiff())) == "torch"
    assert _used(_ended(small, sc.AutoDiff(), kernels="numba")) == "torch"
    assert _used(_ended(small, threads=kernels.MOST_THREADS + 1)) == "torch"


def test_the_recipe_of_a_result_works_on_another_machine() -> None:
    result = _ended(small_scan())
    source = dataclasses.replace(result.source, opened={"path": "scan.cxi"})
    made = _recorded.recorded(result.replace(source=source))
    assert made["shared"].kernels == "auto"


def _repeated(small: SmallScan, result: sc.Snapshot) -> sc.Snapshot:
    run = None
    for run in repeated_runs(small.scan, result):
        while not run.done:
            run.advance()
    assert run is not None
    return run.snapshot(exact=result.exact)


@needs_numba
@pytest.mark.parametrize("kind", ["torch", "numba"])
def test_a_result_is_repeated_by_what_made_it(kind: str) -> None:
    small = small_scan()
    result = _ended(small, kernels=kind)
    again = _repeated(small, result)
    assert _used(again) == kind
    assert differences(result, again) == []


def test_a_result_of_before_is_repeated_by_torch() -> None:
    small = small_scan()
    result = _ended(small, kernels="torch")
    (record,) = result.history.runs
    old = {name: v for name, v in record.run.items() if name != "kernels"}
    runs = (dataclasses.replace(record, run=old),)
    history = dataclasses.replace(result.history, runs=runs)
    again = _repeated(small, result.replace(history=history))
    assert _used(again) == "torch"
    assert differences(result, again) == []


@needs_numba
def test_a_result_of_numba_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    small = small_scan()
    result = _ended(small)
    monkeypatch.setattr(repeating, "is_installed", lambda: False)
    with pytest.raises(sc.InputError, match=r"pip install .*\[fast\]"):
        next(repeated_runs(small.scan, result))


# -- without numba --------------------------------------------------------------------
def test_without_numba_torch_does_all(monkeypatch: pytest.MonkeyPatch) -> None:
    small = small_scan()
    of_torch = _ended(small, kernels="torch")
    monkeypatch.setattr(kernels, "is_installed", lambda: False)
    result = _ended(small)
    assert _used(result) == "torch"
    assert differences(result, of_torch) == []
    with pytest.raises(sc.InputError, match=r"numba is not installed.*fast") as found:
        _ended(small, kernels="numba")
    assert found.value.field == "run.kernels"
    assert found.value.remedy


def test_numba_that_does_not_work_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ImportError("Numba needs NumPy 2.4 or less")

    monkeypatch.setattr(kernels, "is_installed", lambda: True)
    monkeypatch.setattr(compiled, "load", broken)
    with caplog.at_level(logging.WARNING):
        assert _used(_ended(small_scan())) == "torch"
    assert "NumPy 2.4" in caplog.text
    with pytest.raises(sc.InputError, match="does not work here"):
        _ended(small_scan(), kernels="numba")


def test_kernels_of_numba_are_for_the_cpu() -> None:
    told = (settings(kernels="numba"), RULE, torch.device("cuda"), 1)
    with pytest.raises(sc.InputError, match="run on the CPU"):
        kernels.kernels_for(*told)
    auto = (settings(), RULE, torch.device("cuda"), 1)
    assert kernels.kernels_for(*auto) == "torch"


def _python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=200,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_numba_is_not_imported_before_it_is_used() -> None:
    _python("""
import sys
import napari_scicompty as sc
import napari_scicompty.recipe, napari_scicompty.engine.run
scan, _ = sc.simulate(sc.VirtualExperiment(path={"rows": 3, "columns": 3}))
start = sc.DiscProbe(scan.frame_shape[0] / 4 * scan.pixel_size_m[0])
more = dict(start=start, device="cpu", epochs=1)
sc.run(scan, sc.RPIE(), kernels="torch", **more)
sc.run(scan, sc.AutoDiff(), **more)
assert "numba" not in sys.modules
""")


# -- where compiled code is kept ------------------------------------------------------
LOADED = """
import logging
logging.basicConfig(level=logging.INFO)
from napari_scicompty.optics import compiled
assert compiled.load() is compiled.load()
print(compiled.load().exit_one.stats.cache_path)
"""


@needs_numba
@pytest.mark.parametrize("user", ["writable", "not writable"])
def test_a_package_that_cannot_be_written_works(tmp_path: Path, user: str) -> None:
    away = shutil.ignore_patterns("__pycache__", "samples_data", "ui")
    shutil.copytree(PACKAGE, tmp_path / "napari_scicompty", ignore=away)
    (tmp_path / "napari_scicompty" / "optics" / "__pycache__").touch()
    home = tmp_path / "user"
    if user == "writable":
        home.mkdir()
    else:
        home.touch()
    folders = ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA", "NUMBA_CACHE_DIR")
    places = {name: str(home / "cache") for name in folders}
    told = _python(LOADED, PYTHONPATH=str(tmp_path), **places).strip()
    if user == "writable":
        assert Path(told).is_relative_to(home)
        assert list(home.rglob("*.nbc"))
    else:
        assert told == "None"
