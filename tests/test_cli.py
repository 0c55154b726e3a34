"""The command line: same numbers as a script, exit codes, Ctrl-C, sentences."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import napari_scicompty as sc
from napari_scicompty.cli import app
from napari_scicompty.cli._options import read_value
from napari_scicompty.cli._words import spoken
from napari_scicompty.data.snapshot import Refined

EXPERIMENT = sc.VirtualExperiment(
    path={"rows": 4, "columns": 4, "step_px": 5},
    detector={"frame": 32, "photons": None},
)
GEOMETRY = {
    "wavelength_m": EXPERIMENT.wavelength_m,
    "distance_m": EXPERIMENT.distance_m,
    "detector_pixel_m": EXPERIMENT.detector.pixel_m,
}
DISC = sc.DiscProbe(EXPERIMENT.probe_radius_m)
FLAGS = [f"--{name.replace('_', '-')}={value}" for name, value in GEOMETRY.items()]
FILES = ["stack.tif", "--positions", "positions.txt", *FLAGS]
SHORT = [*FILES, f"--radius-m={DISC.radius_m}", "--epochs=2", "--device=cpu"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scan as files in the working directory."""
    scan, _ = sc.simulate(EXPERIMENT)
    tifffile.imwrite(tmp_path / "stack.tif", scan.patterns)
    np.savetxt(tmp_path / "positions.txt", scan.positions_m[:, ::-1])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _call(*arguments: str, code: int = 0) -> str:
    """Call the command line; return what it said on both channels."""
    result = CliRunner().invoke(app, list(arguments))
    said = result.output + result.stderr
    assert result.exit_code == code, said or result.exception
    return said


def test_same_seed_same_numbers_as_by_script() -> None:
    run = ["--modes=2", "--seed=3", "--alpha-object=0.75", "--hold-probe=1"]
    said = _call("reconstruct", *SHORT, *run, "--save=r.h5", "--save-recipe=r.toml")
    scan = sc.open_scan("stack.tif", "positions.txt", **GEOMETRY)
    *_, last = sc.reconstruct(
        scan,
        sc.Auto(alpha_object=0.75),
        epochs=2,
        modes=2,
        seed=3,
        start=DISC,
        hold_probe=1,
    )
    saved = sc.open_result("r.h5")
    np.testing.assert_array_equal(saved.object, last.object)
    np.testing.assert_array_equal(saved.probe, last.probe)
    assert saved.error == last.error
    assert f"{last.error:.5f} at epoch 2" in said
    *_, again = sc.Recipe.load("r.toml").run()
    np.testing.assert_array_equal(again.object, last.object)
    assert sc.Recipe.load("r.h5") == sc.Recipe.load("r.toml")


def test_continues_from_a_result_and_its_recipe_tells_both_stages() -> None:
    _call("reconstruct", *SHORT, "--seed=1", "--save=a.h5")
    more = ["--algorithm=epie", "--epochs=1"]
    _call("reconstruct", "--from=a.h5", *more, "--save=b.h5")
    saved, recipe = sc.open_result("b.h5"), sc.Recipe.load("b.h5")
    assert (saved.epoch, [s.epochs for s in recipe.stages]) == (3, [2, 1])
    *_, whole = recipe.run()
    np.testing.assert_array_equal(saved.object, whole.object)


def test_a_result_without_recipe_needs_the_files(folder: Path) -> None:
    scan = sc.open_scan("stack.tif", "positions.txt", **GEOMETRY)
    *_, last = sc.reconstruct(scan, sc.Auto(), epochs=1, start=DISC, device="cpu")
    sc.save_result("bare.h5", last)
    said = _call("reconstruct", "--from=bare.h5", "--epochs=1", code=2)
    assert "bare.h5 carries no recipe; also give FILE, --positions and" in said
    _call("reconstruct", *FILES, "--from=bare.h5", "--epochs=1", "--save=b.h5")
    assert sc.open_result("b.h5").epoch == 2


def test_keys_of_a_recipe_are_not_called_options(folder: Path) -> None:
    Path("r.toml").write_text("[input]\npath = 'stack.tif'\n[run]\nmodes = 0\n")
    said = _call("reconstruct", "--recipe=r.toml", code=2)
    assert "r.toml: run.modes: must be" in said and "--modes" not in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("FileInput.rebin: must be", "--rebin: must be"),
        ("positions_key='xy_m' fits", "--positions-key='xy_m' fits"),
        ("choose propagation='near-field'", "choose --propagation='near-field'"),
        ("a smaller positions.start_epoch", "a smaller --set positions.start_epoch"),
        ("positions.txt, distance.csv", "positions.txt, distance.csv"),
        ("FigureOptions.dpi: must be", "--set figure.dpi: must be"),
        ("/data/energy_ev/run.h5: damaged", "/data/energy_ev/run.h5: damaged"),
        ("it holds 'distance_m', mask", "it holds 'distance_m', mask"),
    ],
)
def test_sentences_name_options(text: str, told: str) -> None:
    assert spoken(text) == told


def test_a_recipe_with_changes_on_top(folder: Path) -> None:
    recipe = sc.Recipe(input=EXPERIMENT, start=DISC)
    recipe.save("r.toml")
    sets = ["--set=stage.epochs=1", "--set=algorithm.gamma=0.1", "--set=run.seed=2"]
    outputs = ["--save=r.h5", "--figure=f.png", "--tiff=t.ome.tif"]
    _call("reconstruct", "--recipe=r.toml", *sets, *outputs, "--set=figure.dpi=60")
    done = sc.Recipe.load("r.h5")
    assert done.stages[0].algorithm == sc.Auto(gamma=0.1)
    assert (done.stages[0].epochs, done.shared.seed) == (1, 2)
    assert (folder / "f.png").stat().st_size > 0
    assert tifffile.imread("t.ome.tif").shape[0] == 2


def test_shows_the_search_of_the_start() -> None:
    search = ["--step-px2=200", "--set=start.epochs=1", "--epochs=1"]
    said = _call("reconstruct", *FILES, *search)
    assert said.count("tried: defocus") >= 3
    assert "start found among" in said


def test_info_tells_of_a_scan_and_of_a_result() -> None:
    said = _call("info", *FILES)
    for text in ("16 of 32 x 32 pixels, float32", "150 pm", "object pixel", "overlap"):
        assert text in said
    assert "positions" in said.split("note:", 1)[1]
    _call("reconstruct", *SHORT, "--save=r.h5")
    said = _call("info", "r.h5")
    for text in ("epoch:               2", "alpha_object = 1.0", "torch", "stack.tif"):
        assert text in said


def test_info_tells_of_a_refined_distance(folder: Path) -> None:
    _call("reconstruct", *SHORT, "--save=r.h5")
    result = sc.open_result(folder / "r.h5")
    assert "refined distance" not in _call("info", "r.h5")
    further = result.replace(distance_m=1.1 * result.distance_m)
    sc.save_result(folder / "r.h5", further)
    (line,) = [s for s in _call("info", "r.h5").splitlines() if "refined dist" in s]
    told = GEOMETRY["distance_m"] * 1e3
    assert line.endswith(f" {told:g} mm nominal -> {1.1 * told:g} mm (+10.00%)")


def test_info_says_what_a_scan_still_needs() -> None:
    said = _call("info", "stack.tif")
    assert "16 x 32 x 32, float32" in said
    assert "still needed:        stack.tif: holds no positions; give" in said
    said = _call("info", "stack.tif", "--positions=positions.txt")
    assert (
        "the geometry lacks --wavelength-m (or --energy-ev, --voltage-v), --distance-m"
        in said
    )


@pytest.mark.parametrize(
    "flags",
    [
        ["--refine=positions,cross-correlation-shift"],
        ["--refine=positions", "--refine=cross-correlation-shift"],
        ["--set=stage.refine=positions,cross-correlation-shift"],
    ],
)
def test_several_are_refined_by_one_option_or_by_more(flags: list[str]) -> None:
    said = _call("reconstruct", *SHORT, *flags, code=2)
    assert "positions are refined twice" in said


def test_one_name_by_set_is_a_list_of_one() -> None:
    sets = ["--set=stage.refine=positions", "--set=positions.rate_px=0.6"]
    said = _call("reconstruct", *SHORT, *sets, "--save-recipe=r.toml")
    assert "too few for a step of the positions" in said
    assert "a smaller --set positions.start_epoch" in said
    refine = (sc.LeastSquaresShift(rate_px=0.6),)
    assert sc.Recipe.load("r.toml").stages[0].refine == refine


def test_info_tells_of_a_refined_focus(folder: Path) -> None:
    _call("reconstruct", *SHORT, "--save=r.h5")
    result = sc.open_result(folder / "r.h5")
    assert "refined focus" not in _call("info", "r.h5")
    bends = [Refined(1, "focus", 12.5), Refined(2, "focus", -0.25)]
    bent = result.replace(history=result.history.add(refined=bends))
    sc.save_result(folder / "r.h5", bent)
    (line,) = [s for s in _call("info", "r.h5").splitlines() if "refined focus" in s]
    assert line.endswith("by +12.25 / m in 2 epochs, by -0.25 / m in the last")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["info", "none.tif"], "none.tif"),
        (["info", "stack.tif", "--energy-ev=8keV"], "--energy-ev: must be a number"),
        (["reconstruct"], "no input"),
        (["reconstruct", "stack.tif", "--positions=positions.txt"], "--energy-ev"),
        (["reconstruct", *SHORT, "--epochs=-1"], "--epochs: must be"),
        (["reconstruct", *SHORT, "--alpha-object=x"], "--alpha-object: must be a"),
        (
            ["reconstruct", *SHORT, "--algorithm=epie", "--beta=1"],
            "--beta: there is no",
        ),
        (["reconstruct", *SHORT, "--algorithm=sharp"], "choose one of 'auto', 'rpie'"),
        (["reconstruct", *SHORT, "--start=auto"], "--radius-m: there is no"),
        (["reconstruct", *SHORT, "--set=gamma"], "write part.name=value"),
        (["reconstruct", *SHORT, "--set=stages.gamma=1"], "stages: no such part"),
        (["reconstruct", *SHORT, "--set=figure.dpi=1"], "dpi"),
        (["reconstruct", *SHORT, "--save=none/r.h5"], "folder is missing"),
        (["reconstruct", *SHORT, "--figure=f.jpg"], "end its name"),
        (["reconstruct", *SHORT, "--tiff=f.tif"], "end its name"),
        (["reconstruct", "--from=stack.tif"], "cannot be read as a result"),
        (["reconstruct", "--recipe=stack.tif"], "stack.tif: is no recipe; give a TOML"),
        (["reconstruct", "--recipe=no.toml"], "no.toml: there is no such file"),
        (["reconstruct", *FILES, "--start=disc"], "--radius-m: is missing; give it"),
        (["reconstruct", *FILES, "--energy-ev=8keV"], "--energy-ev: must be a number"),
        (["reconstruct", *FILES, "--position-unit=mm"], "as --position-unit when"),
        (["reconstruct", *FILES, "--start=best"], "--start is 'best'; choose one of"),
        (["reconstruct", *SHORT, "--save=r.txt"], "end its name with .h5 or .hdf5"),
        (["reconstruct", *SHORT, "--save-recipe=r.txt"], "end its name with .toml"),
        (["reconstruct", *SHORT, "--bogus"], "--bogus"),
    ],
)
def test_bad_input_is_a_sentence_and_exit_code_2(
    folder: Path, arguments: list[str], says: str
) -> None:
    said = _call(*arguments, code=2)
    assert says in said
    assert "Traceback" not in said
    assert sorted(os.listdir(folder)) == ["positions.txt", "stack.tif"]


def test_a_failure_is_exit_code_1_and_keeps_the_last_good_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_scicompty.engine.run import Run

    advance = Run.advance

    def fail(self: Run, seconds: float | None = None) -> None:
        if self.epoch:
            raise sc.EngineError("out of memory")
        advance(self)

    monkeypatch.setattr(Run, "advance", fail)
    said = _call("reconstruct", *SHORT, "--save=r.h5", code=1)
    assert "error: out of memory" in said
    assert "result saved: r.h5" in said
    assert sc.open_result("r.h5").epoch == 1


def test_a_diverging_run_keeps_the_last_good_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_scicompty.engine import guard

    monkeypatch.setattr(guard, "LARGEST_TRANSMISSION", 1e-3)
    said = _call("reconstruct", *SHORT, "--save=r.h5", code=1)
    assert "diverged" in said
    assert sc.open_result("r.h5").epoch == 0


def test_ctrl_c_stops_and_saves(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_scicompty.engine.run import Run

    advance = Run.advance

    def interrupted(self: Run, seconds: float | None = None) -> None:
        advance(self)
        if self.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Run, "advance", interrupted)
    before = signal.getsignal(signal.SIGINT)
    _call("reconstruct", *SHORT, "--epochs=1000", "--save=r.h5")
    assert signal.getsignal(signal.SIGINT) is before
    assert sc.open_result("r.h5").epoch == 3
    assert sc.Recipe.load("r.h5").stages[0].epochs == 3


def test_demo_opens_the_window_and_passes_its_code_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def show(output: Path | None) -> int:
        asked.append(output)
        return 1

    window = types.SimpleNamespace(main=show)
    monkeypatch.setitem(sys.modules, "napari_scicompty.ui.plugin.demo", window)
    monkeypatch.setitem(
        sys.modules, "napari_scicompty.ui", types.SimpleNamespace(demo=window)
    )
    _call("demo", "--output=there", code=1)
    assert asked == [Path("there")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-6", 1e-6),
        ("true", True),
        ("1,2", [1, 2]),
        ("[1, 2]", [1, 2]),
        ("auto", "auto"),
        ("75e-6,80e-6", [75e-6, 80e-6]),
    ],
)
def test_values_are_read_as_in_a_recipe(text: str, value: object) -> None:
    assert read_value(text) == value


def test_help_comes_from_the_settings() -> None:
    code = "from napari_scicompty.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "reconstruct", "--help-all"],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
        check=True,
    )
    for field in (
        *sc.RPIE.model_fields.values(),
        sc.DiscProbe.model_fields["radius_m"],
    ):
        assert field.description
        text = field.description.rstrip(".")
        assert text in " ".join(done.stdout.split())


def test_positions_are_refined_as_by_script() -> None:
    rate = "--set=positions.rate_px=0.6"
    _call("reconstruct", *SHORT, "--refine=positions", rate, "--save=r.h5")
    _call("reconstruct", *SHORT, rate, "--set=positions.start_epoch=0", "--save=s.h5")
    scan = sc.open_scan("stack.tif", "positions.txt", **GEOMETRY)
    for name, more in (("r.h5", {}), ("s.h5", {"start_epoch": 0})):
        refine = sc.LeastSquaresShift(rate_px=0.6, **more)
        *_, last = sc.reconstruct(
            scan, sc.Auto(), epochs=2, start=DISC, refine=[refine], device="cpu"
        )
        saved = sc.open_result(name)
        assert np.array_equal(saved.positions_m, last.positions_m)
        assert sc.Recipe.load(name).stages[0].refine == (refine,)
    assert not np.array_equal(saved.positions_m, scan.positions_m)
    said = _call("reconstruct", *SHORT, "--refine=angle", code=2)
    assert "'angle' is not known" in said
