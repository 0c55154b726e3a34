"""Recipes: TOML there and back, bad ones named by key, the same run by script."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
import tifffile

import napari_scicompty as sc
from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.data.snapshot import Change
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.recipe import FileInput, RunChoices, Stage
from napari_scicompty.workflow.start import STARTS, ZonePlateProbe

EXPERIMENT = sc.VirtualExperiment(
    path={"rows": 3, "columns": 3, "step_px": 5},
    detector={"frame": 32, "photons": None},
)
DISC = sc.DiscProbe(EXPERIMENT.probe_radius_m)
SHORT = Stage(epochs=2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scan as files, with a recipe written by hand beside it."""
    scan, _ = sc.simulate(EXPERIMENT)
    tifffile.imwrite(tmp_path / "stack.tif", scan.patterns)
    np.savetxt(tmp_path / "positions_m.txt", scan.positions_m[:, ::-1])
    (tmp_path / "recipe.toml").write_text(f"""
[input]
path = "stack.tif"
positions = "positions_m.txt"
wavelength_m = {EXPERIMENT.wavelength_m}
distance_m = {EXPERIMENT.distance_m}
detector_pixel_m = 75e-6
[start]
name = "disc"
radius_m = {DISC.radius_m}
[run]
modes = 2
seed = 5
device = "cpu"
[[stage]]
algorithm = "epie"
epochs = 2
[[stage]]
algorithm = "rpie"
epochs = 1
gamma = 0.25
""")
    return tmp_path


def test_runs_stages_one_after_the_other(folder: Path) -> None:
    recipe = sc.Recipe.load(folder / "recipe.toml")
    shots = list(recipe.run())
    assert [shot.epoch for shot in shots] == [0, 1, 2, 3]
    assert shots[3].settings["algorithm"]["gamma"] == 0.25
    scan = recipe.scan()
    whole: dict[str, Any] = {"modes": 2, "seed": 5, "device": "cpu"}
    *_, first = sc.reconstruct(scan, sc.EPIE(), epochs=2, start=DISC, **whole)
    *_, last = sc.reconstruct(scan, sc.RPIE(gamma=0.25), epochs=1, start=first, **whole)
    np.testing.assert_array_equal(shots[3].object, last.object)
    assert shots[3].error == last.error


def test_a_recipe_travels_with_its_folder(folder: Path, tmp_path: Path) -> None:
    recipe = sc.Recipe.load(folder / "recipe.toml")
    assert isinstance(recipe.input, FileInput)
    assert recipe.input.path == str(folder / "stack.tif")
    recipe.save(folder / "again.toml")
    text = (folder / "again.toml").read_text()
    assert 'path = "stack.tif"' in text
    assert sc.Recipe.load(folder / "again.toml") == recipe
    (folder / "other").mkdir()
    recipe.save(folder / "other" / "far.toml")
    assert sc.Recipe.load(folder / "other" / "far.toml") == recipe


@pytest.mark.parametrize(
    "recipe",
    [
        sc.Recipe(input=EXPERIMENT),
        sc.Recipe(
            input=FileInput(
                path="a.cxi", crop=(64, 32), detector_pixel_m=(1e-6, 2e-6), rebin=2
            ),
            start=sc.ProbeFile(path=Path("p.npy"), frozen=True),
            stages=[Stage(algorithm=kind()) for kind in ALGORITHMS.values()],
            shared=RunChoices(modes=3, excluded=(1, 4)),
        ),
        sc.Recipe(
            input=EXPERIMENT, start=ZonePlateProbe(diameter_m=1e-4, outer_zone_m=5e-8)
        ),
        sc.Recipe(
            input=FileInput(path="a.h5", voltage_v=3e5, detector_pixel_mrad=0.03),
            start=sc.ConvergentProbe(
                semiangle_rad=1.03e-3,
                defocus_m=-1.2e-5,
                astigmatism_m=1e-8,
                astigmatism_deg=30.0,
                spherical_m=1e-3,
            ),
        ),
    ],
)
def test_toml_there_and_back(recipe: sc.Recipe) -> None:
    assert sc.Recipe.from_toml(recipe.to_toml()) == recipe
    compile(recipe.to_python(), "script", "exec")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x =", "not TOML"),
        ("", "is empty"),
        ("seed = 1", "seed: no such part"),
        ("# nothing", r"either \[input\] or"),
        ("[virtual_experiment]\n[input]\npath='a'", "not both"),
        ("[virtual_experiment]\n[inputs]", "inputs: no such part"),
        ("[virtual_experiment]\nphoton = 3", "virtual_experiment.photon: there is no"),
        ("[input]\npath = 3", "input.path: .*got 3"),
        ("[input]\ndistance_m = 1.0", "input.path: is missing"),
        ("[virtual_experiment]\n[start]\nname = 'disk'", "start.name is 'disk'"),
        ("[virtual_experiment]\n[start]\nname = 'disc'", "start.radius_m: is missing"),
        ("[virtual_experiment]\n[run]\nmodes = 0", "run.modes: .*got 0"),
        ("[virtual_experiment]\n[stage]", r"write \[\[stage\]\]"),
        ("stage = [3]\n[virtual_experiment]", r"write \[\[stage\]\]"),
        ("run = 3\n[virtual_experiment]", r"write \[run\]"),
        ("[virtual_experiment]\n[[stage]]\ngamma = 7", "stage.gamma: .*got 7"),
        ("[virtual_experiment]\n[[stage]]\nepochs = -1", "stage.epochs: .*got -1"),
        (
            "[virtual_experiment]\n[[stage]]\n[[stage]]\nalgorithm = 'e'",
            "stage 2.algorithm is 'e'; choose one of 'auto', 'rpie'",
        ),
    ],
)
def test_a_bad_recipe_is_named_by_file_and_key(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(sc.InputError, match=says) as caught:
        sc.Recipe.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_recipe_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(sc.InputError, match="there is no such file"):
        sc.Recipe.load(tmp_path / "none.toml")
    *_, last = sc.Recipe(input=EXPERIMENT, start=DISC, stages=[SHORT]).run()
    sc.save_result(tmp_path / "r.h5", last)
    with pytest.raises(sc.InputError, match="carries no recipe"):
        sc.Recipe.load(tmp_path / "r.h5")


@pytest.mark.parametrize("files", [True, False])
def test_copied_python_makes_the_same_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: bool
) -> None:
    recipe = sc.Recipe.load(folder / "recipe.toml")
    if not files:
        recipe = recipe.replace(input=EXPERIMENT)
    monkeypatch.chdir(folder)
    exec(recipe.to_python(), {})
    *_, last = recipe.run()
    saved = sc.open_result(folder / "result.h5")
    np.testing.assert_array_equal(saved.object, last.object)
    assert saved.history.errors == last.history.errors


def test_a_frozen_probe_stays_frozen_in_every_stage(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", sc.simulate(EXPERIMENT)[1].probe)
    start = sc.ProbeFile(path=tmp_path / "p.npy", frozen=True)
    recipe = sc.Recipe(input=EXPERIMENT, start=start, stages=[SHORT, SHORT])
    first, *_, last = recipe.run()
    np.testing.assert_array_equal(last.probe, first.probe)


def test_a_stop_ends_all_stages_and_the_recipe_says_how_far() -> None:
    controls = sc.Controls()
    recipe = sc.Recipe(input=EXPERIMENT, start=DISC, stages=[SHORT, SHORT, SHORT])
    for shot in recipe.run(controls=controls):
        if shot.epoch == 3:
            controls.stop()
    assert shot.epoch == 3
    assert [stage.epochs for stage in recipe.until(3).stages] == [2, 1]
    assert [stage.epochs for stage in recipe.until(0).stages] == [0]


def test_a_switch_under_way_becomes_a_stage_that_leads_to_the_same_result() -> None:
    controls = sc.Controls()
    stages = [Stage(algorithm=sc.RPIE(gamma=0.3), epochs=4), SHORT]
    recipe = sc.Recipe(input=EXPERIMENT, start=DISC, stages=stages)
    for shot in recipe.run(controls=controls):
        if shot.epoch == 1 and not controls.waiting:
            controls.set("algorithm", sc.EPIE(alpha_object=0.8))
        if shot.epoch == 3:
            controls.set("run.epochs", 5)
    assert shot.epoch == 7
    done = recipe.until(shot.epoch, shot.history.changes)
    told = [(stage.algorithm, stage.epochs) for stage in done.stages]
    assert told == [
        (sc.RPIE(gamma=0.3), 1),
        (sc.EPIE(alpha_object=0.8), 4),
        (SHORT.algorithm, 2),
    ]
    *_, again = sc.Recipe.from_toml(done.to_toml()).run()
    np.testing.assert_array_equal(again.object, shot.object)


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        ([(0, sc.EPIE())], [("EPIE", 4)]),
        ([(1, sc.EPIE()), (1, sc.RPIE())], [("RPIE", 1), ("RPIE", 3)]),
        ([(1, sc.EPIE()), (3, sc.RPIE())], [("RPIE", 1), ("EPIE", 2), ("RPIE", 1)]),
        ([(4, sc.EPIE())], [("RPIE", 4)]),
    ],
)
def test_switches_cut_a_stage_where_they_were_made(
    switches: list[tuple[int, Any]], told: list[tuple[str, int]]
) -> None:
    changes = [Change(e, 3, "algorithm", kind.described) for e, kind in switches]
    recipe = sc.Recipe(input=EXPERIMENT, stages=[Stage(algorithm=sc.RPIE(), epochs=4)])
    done = recipe.until(4, changes)
    assert [(type(s.algorithm).__name__, s.epochs) for s in done.stages] == told


def test_refiners_go_through_toml_and_python(tmp_path: Path) -> None:
    refine = (sc.LeastSquaresShift(rate_px=0.7, search_every=0),)
    recipe = sc.Recipe(
        input=EXPERIMENT, start=DISC, stages=[SHORT.replace(refine=refine)]
    )
    recipe.save(tmp_path / "r.toml")
    again = sc.Recipe.load(tmp_path / "r.toml")
    assert again.stages[0].refine == refine
    *_, last = again.run()
    assert last.settings["positions"]["rate_px"] == 0.7
    assert "refine=[sc.LeastSquaresShift(rate_px=0.7, search_every=0)]" in (
        again.to_python()
    )
    by_hand = sc.Recipe.from_dict(
        again.to_dict() | {"stage": [{"epochs": 1, "refine": ["positions"]}]}
    )
    assert by_hand.stages[0].refine == (sc.LeastSquaresShift(),)
    alone = again.to_dict() | {"stage": [{"refine": "positions"}]}
    assert sc.Recipe.from_dict(alone).stages[0].refine == by_hand.stages[0].refine


@pytest.mark.parametrize(
    ("refine", "says"),
    [
        (["angle"], "'angle' is not known"),
        (3, "'3' is not known"),
        ([{"name": "least"}], "stage.refine.name is 'least'"),
        ([{"name": "least-squares-shift", "rate_px": 0}], "stage.refine.rate_px"),
    ],
)
def test_refiners_that_cannot_be_are_named(refine: Any, says: str) -> None:
    data = sc.Recipe(input=EXPERIMENT, start=DISC).to_dict()
    with pytest.raises(sc.InputError, match=says):
        sc.Recipe.from_dict(data | {"stage": [{"refine": refine}]})


def test_every_setting_has_its_place() -> None:
    parts = (Stage, RunChoices)
    fields = [name for part in parts for name in part.model_fields]
    assert sorted(fields) == sorted([*RunSettings.model_fields, "algorithm", "refine"])
    theirs = get_type_hints(RunSettings)
    for part in parts:
        ours = get_type_hints(part)
        assert all(ours[n] == theirs[n] for n in part.model_fields if n in theirs)
    for kind in ALGORITHMS.values():
        assert not set(kind.model_fields) & set(Stage.model_fields)
    assert not any("name" in kind.model_fields for kind in STARTS.values())
