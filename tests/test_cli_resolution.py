"""Commands that judge: resolution, frc, compare."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_scicompty as sc
from napari_scicompty.cli import app
from napari_scicompty.results.foreign.ptychodus import save_product
from napari_scicompty.workflow.half_sets import split_half_frc

EXPERIMENT = sc.VirtualExperiment(
    path={"rows": 6, "columns": 7, "step_px": 4},
    detector={"frame": 32, "photons": 1e5},
)
DISC = sc.DiscProbe(radius_m=EXPERIMENT.probe_radius_m)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A simulated scan, its truth, its recipe and its result, where we are."""
    monkeypatch.chdir(tmp_path)
    scan, truth = sc.simulate(EXPERIMENT)
    sc.save_scan("scan.cxi", scan, truth)
    recipe = sc.Recipe(input=EXPERIMENT, start=DISC)
    recipe = recipe.replace(stages=(recipe.stages[0].replace(epochs=6),))
    recipe.save("r.toml")
    *_, last = recipe.run()
    sc.save_result("r.h5", last, recipe)
    return tmp_path


def _call(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    said = result.output + result.stderr
    assert result.exit_code == code, said or result.exception
    return said


def test_half_scans_say_what_a_script_says_and_leave_figure_and_curve() -> None:
    said = _call("resolution", "--recipe=r.toml", "--figure=f.png", "--save=f.csv")
    scan, _ = sc.simulate(EXPERIMENT)
    found = split_half_frc(scan, sc.Auto(), epochs=6, start=DISC)
    assert found.sentence in said
    assert Path("f.png").read_bytes().startswith(b"\x89PNG")
    curve = np.genfromtxt("f.csv", delimiter=",", names=True)
    assert curve["correlation"] == pytest.approx(found.frc.correlation, abs=1e-5)
    assert curve["frequency_per_m"] == pytest.approx(found.frc.frequency, rel=1e-5)


def test_half_scans_of_a_file_and_of_the_recipe_of_a_result() -> None:
    whole = _call("resolution", "--from=r.h5", "--set=stage.epochs=2")
    options = [f"--radius-m={DISC.radius_m}", "--epochs=2", "--excluded=0,5"]
    part = _call("resolution", "scan.cxi", *options)
    assert "after 2 epochs" in whole
    assert "after 2 epochs" in part
    assert _crossings(whole) != _crossings(part)


def _crossings(said: str) -> list[str]:
    return [line for line in said.splitlines() if "half period" in line]


def test_two_results_ring_by_ring() -> None:
    said = _call("frc", "r.h5", "r.h5", "--save=same.csv")
    assert _crossings(said)[1].endswith("half period below the pixel (125 nm)")
    assert "1-bit" in said
    assert np.genfromtxt("same.csv", delimiter=",", names=True)["correlation"].min() > 0


def test_compares_a_result_with_its_truth() -> None:
    said = _call("compare", "r.h5", "scan.cxi", "--save=judged.json")
    judged = sc.metrics.compare(sc.open_result("r.h5"), sc.open_truth("scan.cxi"))
    assert f"{1 - judged.correlation:.3g}" in said
    assert f"SSIM of phase:       {judged.ssim.phase:.4f}" in said
    numbers = json.loads(Path("judged.json").read_text(encoding="utf-8"))
    assert numbers["ssim_phase"] == pytest.approx(judged.ssim.phase)
    assert numbers["ring_correlation"]["against_truth"] is True
    assert "refined distance" not in said


def test_compares_a_refined_distance_with_the_true_one() -> None:
    result = sc.open_result("r.h5")
    found = 0.9 * result.distance_m
    sc.save_result("further.h5", result.replace(distance_m=found))
    said = _call("compare", "further.h5", "scan.cxi", "--save=judged.json")
    told = f"{result.distance_m * 1e3:g} mm"
    assert (
        f"{told} nominal -> {found * 1e3:g} mm (-10.00%); the true one is {told}"
        in said
    )
    numbers = json.loads(Path("judged.json").read_text(encoding="utf-8"))
    assert numbers["distance"]["found_m"] == pytest.approx(found)


def test_results_of_other_packages_are_judged_as_ours_are() -> None:
    ours = sc.open_result("r.h5")
    save_product("product.h5", ours)
    for pair in (("product.h5", "r.h5"), ("r.h5", "product.h5")):
        said = _call("frc", *pair, f"--save={pair[0]}.csv")
        assert _crossings(said)[1].endswith("half period below the pixel (125 nm)")
        curve = np.genfromtxt(f"{pair[0]}.csv", delimiter=",", names=True)
        assert curve["correlation"].min() > 0.999
    said = _call("compare", "product.h5", "scan.cxi", "--save=judged.json")
    assert "start from product.h5 of Ptychodus" in said
    numbers = json.loads(Path("judged.json").read_text(encoding="utf-8"))
    judged = sc.metrics.compare(ours, sc.open_truth("scan.cxi")).to_dict()
    for name in ("one_minus_C", "ssim_phase", "ssim_magnitude"):
        assert numbers[name] == pytest.approx(judged[name], rel=1e-3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["resolution", "--recipe=r.toml", "--figure=f.jpg"], "end its name"),
        (["resolution", "--recipe=r.toml", "--save=none/f.csv"], "folder is missing"),
        (["resolution", "--recipe=r.toml", "--set=stage.epochs=0"], "at least one"),
        (["resolution"], "no input"),
        (["compare", "r.h5", "r.h5"], "holds no truth"),
        (["frc", "r.h5", "scan.cxi"], "scan.cxi"),
        (["frc", "product.h5", "product.h5"], "both of other packages"),
    ],
)
def test_refusals(arguments: list[str], says: str) -> None:
    save_product("product.h5", sc.open_result("r.h5"))
    assert says in _call(*arguments, code=2)
