"""Presets and the command ``simulate``: a paper's experiment, changed or as it is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_scicompty as sc
from napari_scicompty.cli import app
from napari_scicompty.simulation import BEAMS, PRESETS, lay_out, preset
from napari_scicompty.workflow.start import AutoStart, DiscProbe, ZonePlateProbe

SMALL = ["detector.frame=32", "path.rows=3", "path.columns=3", "path.step_px=5"]


def _call(*arguments: str, code: int = 0) -> str:
    """Call the command line; return what it said on both channels."""
    result = CliRunner().invoke(app, list(arguments))
    said = result.output + result.stderr
    assert result.exit_code == code, said or result.exception
    return said


def _sets(*texts: str) -> list[str]:
    return [f"--set={text}" for text in texts]


# -- presets --------------------------------------------------------------------------
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_can_be_laid_out_and_travels_as_a_recipe(name: str) -> None:
    chosen = preset(name)
    assert chosen.title and chosen.source and chosen.chosen and chosen.claim
    layout = lay_out(chosen.experiment)
    assert 0 < layout.lit_overlap < 1
    recipe = sc.Recipe.preset(name)
    assert recipe.input == chosen.experiment
    assert recipe.shared.modes == chosen.experiment.modes
    assert sc.Recipe.from_toml(recipe.to_toml()) == recipe
    compile(recipe.to_python(), "script", "exec")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # sample to detector is focus to detector less focus to sample
        ("diatom", {"distance_m": 0.8907, "object_pixel_nm": 31.52, "lit": 2 / 3}),
        ("positions-14px", {"distance_m": 2.0, "view": 128, "lit": 0.6}),
        ("autodiff-100mm", {"object_pixel_nm": 390, "extent": 520, "positions": 121}),
        ("mpie", {"object_pixel_nm": 6450, "positions": 80, "lit": 0.703}),
        ("twinmic", {"energy_ev": 1020, "beam_um": 9.0, "distance_m": 0.75}),
    ],
)
def test_a_preset_has_the_numbers_of_its_paper(
    name: str, expected: dict[str, float]
) -> None:
    layout = lay_out(preset(name).experiment)
    experiment, grid = layout.experiment, layout.experiment.grid
    beam = 2 * experiment.probe_radius_m
    found = {
        "distance_m": experiment.distance_m,
        "energy_ev": experiment.geometry.energy_ev,
        "object_pixel_nm": grid.pixel_m * 1e9,
        "view": grid.shape[0],
        "positions": len(layout.positions_m),
        "extent": np.ptp(layout.positions_m[:, 0]) / grid.pixel_m + grid.shape[0],
        "beam_um": beam * 1e6,
        "lit": beam / grid.side_m,
    }
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=0.02), key


def test_mistakes_can_be_taken_out_of_a_preset() -> None:
    chosen = preset("autodiff-65mm")
    assert chosen.experiment.mistakes.distance_error == 0.3
    assert chosen.without_mistakes.mistakes.made == ()
    assert chosen.without_mistakes.path == chosen.experiment.path


def test_a_preset_that_is_not_there() -> None:
    with pytest.raises(sc.InputError, match="'cat': choose one of diatom, "):
        sc.Recipe.preset("cat")


@pytest.mark.parametrize("kind", BEAMS)
def test_a_run_of_an_experiment_starts_from_its_optics(kind: str) -> None:
    experiment = sc.VirtualExperiment(probe={"kind": kind}, focus_sample_m=2e-3)
    start = sc.Recipe.of_experiment(experiment).start
    if kind == "zone-plate":
        assert start == ZonePlateProbe(
            diameter_m=200e-6, outer_zone_m=100e-9, stop_m=60e-6
        )
    else:
        assert start == DiscProbe(experiment.probe_radius_m)
    near = experiment.replace(propagation="near-field")
    assert isinstance(sc.Recipe.of_experiment(near).start, AutoStart)


# -- the command ----------------------------------------------------------------------
@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_presets_are_listed_with_their_source() -> None:
    said = _call("simulate", "--list")
    assert all(name in said for name in PRESETS)
    assert "PeerJ Computer Science" in said


def test_a_scan_is_saved_with_its_truth() -> None:
    said = _call(
        "simulate", *_sets(*SMALL, "modes=2", "detector.photons=1e4"), "--save=s.cxi"
    )
    assert "overlap by" in said
    experiment = sc.VirtualExperiment(
        path={"rows": 3, "columns": 3, "step_px": 5},
        detector={"frame": 32, "photons": 1e4},
        modes=2,
    )
    scan, truth = sc.simulate(experiment)
    again = sc.open_scan("s.cxi")
    np.testing.assert_array_equal(again.patterns, scan.patterns)
    np.testing.assert_array_equal(sc.open_truth("s.cxi").probe, truth.probe)


def test_a_scan_named_h5_is_cxi_and_other_names_are_refused_at_once() -> None:
    said = _call("simulate", *_sets(*SMALL), "--save=s.h5")
    assert "saved as CXI: s.h5" in said
    assert "patterns" in _call("info", "s.h5")
    assert len(sc.open_scan("s.h5")) == len(sc.open_truth("s.h5").positions_m) == 9
    for name in ("--save=s.tif", "--save-recipe=r.txt", "--save=none/s.cxi"):
        said = _call("simulate", *_sets(*SMALL), name, code=2)
        assert "overlap" not in said  # nothing was simulated


def test_the_recipe_of_a_simulation_reconstructs_it() -> None:
    # The other kind of path begins with that kind's own defaults.
    changes = ("detector.frame=32", "path.kind=fermat", "path.points=9")
    _call("simulate", *_sets(*changes, "path.step_px=5"), "--save-recipe=r.toml")
    _call("reconstruct", "--recipe=r.toml", "--epochs=2", "--save=r.h5")
    recipe = sc.Recipe.load("r.toml")
    assert isinstance(recipe.input, sc.VirtualExperiment)
    assert recipe.input.path.kind == "fermat"
    assert sc.open_result("r.h5").epoch == 2
    truth = sc.simulate(recipe.input)[1]
    assert sc.metrics.compare(sc.open_result("r.h5"), truth).correlation > 0.8


def test_a_preset_can_be_changed() -> None:
    _call("simulate", "--preset=positions-7px", *_sets(*SMALL), "--save-recipe=r.toml")
    recipe = sc.Recipe.load("r.toml")
    assert recipe.stages[0].epochs == 150
    changed: Any = recipe.input
    assert changed == preset("positions-7px").experiment.replace(
        path=changed.path, detector=changed.detector
    )
    assert len(recipe.scan()) == 9


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("modes", "--set modes: write name=value"),
        ("detector.colour=3", "virtual_experiment.detector.colour: there is no such"),
        ("detectors.frame=32", "virtual_experiment.detectors: there is no such"),
        ("path.overlap=1", r"virtual_experiment.path.overlap.*0\.98"),
        ("focus_sample_m=1e-5", "works is"),
    ],
)
def test_bad_settings_end_with_a_sentence(text: str, says: str) -> None:
    said = _call("simulate", "--set", text, "--save=s.cxi", code=2)
    assert re.search(says, said), said
    assert not Path("s.cxi").exists()


# -- files in experiments -------------------------------------------------------------
def test_files_of_an_experiment_travel_with_its_recipe(tmp_path: Path) -> None:
    text = """
[virtual_experiment.object]
kind = "pictures"
magnitude = "camera"
phase = "cells.png"
[virtual_experiment.path]
kind = "file"
path = "path.txt"
[virtual_experiment.detector]
photons = "none"
"""
    (tmp_path / "recipe.toml").write_text(text)
    recipe = sc.Recipe.load(tmp_path / "recipe.toml")
    experiment = recipe.input
    assert isinstance(experiment, sc.VirtualExperiment)
    assert experiment.detector.photons is None
    files: Any = experiment
    assert files.object.magnitude == "camera"  # a name, not a file
    assert files.object.phase == str(tmp_path / "cells.png")
    assert files.path.path == str(tmp_path / "path.txt")
    recipe.save(tmp_path / "again.toml")
    saved = (tmp_path / "again.toml").read_text()
    assert 'phase = "cells.png"' in saved
    assert 'path = "path.txt"' in saved
    assert 'photons = "none"' in saved
    assert sc.Recipe.load(tmp_path / "again.toml") == recipe
