"""The command ``scicompty focus``, and a run that goes on from what it saves."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import napari_scicompty as sc
from napari_scicompty.cli import app

FS = 3.65e-3
EXPERIMENT = sc.VirtualExperiment(
    probe={"radius": 0.3, "diffuser_rad": 1},
    path={"rows": 4, "columns": 4, "step_px": 4},
    detector={"frame": 32, "pixel_m": 55e-6, "photons": None},
    wavelength_m=9.8e-11,
    distance_m=1.12,
    focus_sample_m=FS,
    propagation="near-field",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scan of a cone beam and a result that was told another focus."""
    monkeypatch.chdir(tmp_path)
    sc.save_scan("scan.cxi", *sc.simulate(EXPERIMENT))
    _call(
        "reconstruct", "scan.cxi", "--focus-sample-m=3.4e-3", "--epochs=20",
        "--gamma=0.1", "--beta=0.1", "--save=r.h5",
    )  # fmt: skip
    return tmp_path


def _call(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    said = result.output + result.stderr
    assert result.exit_code == code, said or result.exception
    return said


def test_says_where_the_focus_is_and_a_run_goes_on_from_there() -> None:
    found = sc.metrics.probe_focus(sc.open_result("r.h5"))
    assert found.sentence in _call("focus", "r.h5")
    assert not Path("new.h5").exists()
    said = _call("focus", "r.h5", "--save=new.h5")
    assert "3.4 mm replaced by" in said
    assert "continue it first" in _call("focus", "new.h5", code=2)
    assert sc.Recipe.load("new.h5").input.focus_sample_m == found.focus_sample_m
    _call(
        "reconstruct", "--from=new.h5", "--epochs=2", "--save=more.h5",
        "--set=algorithm.alpha_object=0.25", "--set=algorithm.alpha_probe=0.25",
    )  # fmt: skip
    more = sc.open_result("more.h5")
    assert more.epoch == 22
    assert more.geometry.focus_sample_m == found.focus_sample_m
    assert more.error < 2 * sc.open_result("r.h5").error


def test_a_focus_that_is_known_better() -> None:
    _call("focus", "r.h5", f"--focus-sample-m={FS}", "--save=new.h5")
    assert sc.open_result("new.h5").geometry.focus_sample_m == FS


def test_what_cannot_be_told_another_focus_is_refused() -> None:
    snapshot = sc.open_result("r.h5")
    sc.save_result("bare.h5", snapshot)
    assert "no recipe" in _call("focus", "bare.h5", "--save=new.h5", code=2)
    sc.save_result("virtual.h5", snapshot, sc.Recipe(input=EXPERIMENT))
    said = _call("focus", "virtual.h5", "--save=new.h5", code=2)
    assert "virtual experiment" in said
    assert "end its name" in _call("focus", "r.h5", "--save=new.txt", code=2)
