"""No run on the command line is lost: kills, signals, full disks, older results."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import napari_scicompty as sc
from napari_scicompty.cli import app
from napari_scicompty.results import save_result
from napari_scicompty.workflow import autosave
from napari_scicompty.workflow.repeating import differences
from patience import patient

EXPERIMENT = sc.VirtualExperiment(
    path={"rows": 5, "columns": 5, "step_px": 5},
    detector={"frame": 32, "photons": 1e5},
)
RADIUS = f"--radius-m={EXPERIMENT.probe_radius_m}"
RUN = [sys.executable, "-c", "from napari_scicompty.cli import main; main()"]
LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="sends signals as Linux does, and makes terminals"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A simulated scan, where we are."""
    monkeypatch.chdir(tmp_path)
    scan, truth = sc.simulate(EXPERIMENT)
    sc.save_scan("scan.cxi", scan, truth)
    return tmp_path


def _call(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    said = result.output + result.stderr
    assert result.exit_code == code, said or result.exception
    return said


def _begin(*arguments: str, every: str = "0", **options: object) -> subprocess.Popen:
    """Begin a run in a process of its own that keeps itself often."""
    return subprocess.Popen(
        [*RUN, "reconstruct", *arguments],
        env=os.environ | {"SCICOMPTY_AUTOSAVE_S": every, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )


def _wait_for(path: Path, run: subprocess.Popen) -> None:
    until = time.monotonic() + patient(60)
    while not path.exists():
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.02)


RPIE = sc.RPIE()
ENDLESS = (
    "scan.cxi", RADIUS, "--algorithm=rpie", "--epochs=100000", "--save=r.h5",
)  # fmt: skip
KEPT = Path("r.autosave.h5")
KILLS_EACH = int(os.environ.get("SCICOMPTY_KILLS", 5))
"""Kills by each signal; 20 for the figures of the benchmark page."""


# -- nothing of others is lost --------------------------------------------------------
def test_outputs_that_are_inputs_are_refused_before_the_work(folder: Path) -> None:
    np.savetxt("p.csv", sc.open_scan("scan.cxi").positions_m[:, ::-1], delimiter=",")
    os.link("scan.cxi", "hard.h5")
    os.symlink("scan.cxi", "soft.h5")
    os.rename("scan.cxi", "scan.h5")
    os.unlink("soft.h5")
    os.symlink("scan.h5", "soft.h5")
    before = Path("scan.h5").read_bytes()
    for name in ("scan.h5", "hard.h5", "soft.h5"):
        said = _call("reconstruct", "scan.h5", RADIUS, f"--save={name}", code=2)
        assert "is an input of this run" in said
        said = _call(
            "reconstruct", "scan.h5", RADIUS, "--overwrite", f"--save={name}", code=2
        )
        assert "is an input of this run" in said
    assert Path("scan.h5").read_bytes() == before
    short = ("scan.h5", RADIUS, "--epochs=1")
    _call("reconstruct", *short, "--save=r.h5", "--save-recipe=r.toml")
    said = _call("reconstruct", "--recipe=r.toml", "--save-recipe=r.toml", code=2)
    assert "is an input of this run" in said
    said = _call("frc", "r.h5", "r.h5", "--save=p.csv", code=2)
    assert "exists, and this program did not write it" in said
    assert "--overwrite" in said
    said = _call("compare", "r.h5", "scan.h5", "--save=r.json")
    assert "numbers saved" in said
    said = _call("focus", "r.h5", "--save=r.h5", code=2)
    assert "is an input of this run" in said


def test_a_file_of_a_person_stays_unless_it_is_allowed() -> None:
    short = ("scan.cxi", RADIUS, "--epochs=1")
    for option in ("save=a.h5", "tiff=a.ome.tif", "figure=a.png", "save-recipe=a.toml"):
        path = Path(option.partition("=")[2])
        path.write_text("of a person")
        said = _call("reconstruct", *short, f"--{option}", code=2)
        assert f"{path}: exists" in said
        assert "--overwrite" in said
        assert path.read_text() == "of a person"
        _call("reconstruct", *short, f"--{option}", "--overwrite")
        assert path.read_bytes() != b"of a person"


def test_the_result_of_another_run_is_kept_and_told() -> None:
    short = ("scan.cxi", RADIUS, "--save=r.h5")
    _call("reconstruct", *short, "--epochs=2")
    before = sc.open_result("r.h5")
    said = _call("reconstruct", *short, "--epochs=2", "--alpha-object=0.1")
    assert "r.previous.h5" in said
    assert differences(before, sc.open_result("r.previous.h5")) == []
    said = _call("reconstruct", *short, "--epochs=2", "--alpha-object=0.1")
    assert "r.previous.h5" not in said, "the same run again loses nothing"
    assert differences(before, sc.open_result("r.previous.h5")) == []


def test_a_run_that_goes_on_replaces_its_own_result() -> None:
    _call("reconstruct", "scan.cxi", RADIUS, "--save=r.h5", "--epochs=2")
    os.rename("r.h5", "first.h5")
    _call("reconstruct", "--from=first.h5", "--save=r.h5", "--epochs=1")
    said = _call("reconstruct", "--from=first.h5", "--save=r.h5", "--epochs=2")
    assert "previous" not in said
    assert not Path("r.previous.h5").exists()


# -- nothing of the run is lost -------------------------------------------------------
@LINUX
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_that_end_a_program_stop_and_save(
    number: signal.Signals, code: int
) -> None:
    run = _begin(*ENDLESS)
    _wait_for(KEPT, run)
    run.send_signal(number)
    began = time.monotonic()
    said, _ = run.communicate(timeout=patient(60))
    assert run.returncode == code, said
    assert time.monotonic() - began < 30
    assert sc.open_result("r.h5").epoch > 0
    assert not KEPT.exists()


@LINUX
def test_a_signal_that_is_ignored_stays_so() -> None:
    run = _begin(
        *ENDLESS, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    _wait_for(KEPT, run)
    run.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert run.poll() is None
    run.terminate()
    run.communicate(timeout=patient(60))
    assert run.returncode == 143


@LINUX
def test_a_killed_run_is_taken_up_where_it_was_cut() -> None:
    run = _begin(*ENDLESS)
    _wait_for(KEPT, run)
    run.kill()
    run.communicate()
    cut = autosave.kept(KEPT)
    assert cut is not None
    epoch = sc.open_result(cut).epoch
    assert not Path("r.h5").exists()
    more = _begin("--save=r.h5", "--resume")
    said = ""
    while "taken up from" not in said:
        said += more.stdout.readline()
        assert more.poll() is None, said
    time.sleep(patient(3))  # numba loads before the first epoch
    more.terminate()
    said, _ = more.communicate(timeout=patient(60))
    assert more.returncode == 143, said
    assert sc.open_result("r.h5").epoch > epoch
    assert not KEPT.exists()


def _cut(recipe: sc.Recipe, epoch: int, batch: int) -> sc.Snapshot:
    """Leave what a run leaves that is killed at a point."""
    from napari_scicompty.cli._job import Job

    job = Job(recipe)
    for run in recipe.runs(controls=job.controls):
        while not run.done:
            run.advance(0)
            if (run.epoch, run.batch) == (epoch, batch):
                shot = run.snapshot()
                plan = (recipe, job.rest(shot, run))
                save_result(KEPT, shot, job.done(shot), plan=plan)
                return shot
    raise AssertionError


def _recipe(*epochs: int, algorithm: Any = RPIE) -> sc.Recipe:
    from napari_scicompty.recipe import FileInput, Stage

    return sc.Recipe(
        input=FileInput(path="scan.cxi"),
        start=sc.DiscProbe(EXPERIMENT.probe_radius_m),
        stages=tuple(Stage(algorithm=algorithm, epochs=n) for n in epochs),
    )


@pytest.mark.parametrize(
    ("point", "algorithm"),
    [
        ((1, 0), RPIE),
        ((2, 7), RPIE),
        ((3, 0), RPIE),
        ((4, 20), RPIE),
        ((2, 10), sc.Auto()),
        ((4, 0), sc.Auto()),
    ],
)
def test_a_run_that_is_taken_up_ends_as_if_it_had_not_been_cut(
    point: tuple[int, int], algorithm: Any
) -> None:
    recipe = _recipe(3, 2, algorithm=algorithm)
    recipe.save("r.toml")
    *_, whole = recipe.run()
    _cut(recipe, *point)
    said = _call("reconstruct", "--recipe=r.toml", "--save=r.h5", "--resume")
    assert "taken up from" in said
    assert "r.autosave.h5" in said
    found = sc.open_result("r.h5")
    assert differences(whole, found) == []
    assert sum(stage.epochs for stage in sc.Recipe.load("r.h5").stages) == 5
    assert not KEPT.exists()


def test_a_run_is_taken_up_with_the_settings_it_was_begun_with() -> None:
    _cut(_recipe(3), 1, 3)
    said = _call(
        "reconstruct", "scan.cxi", RADIUS, "--epochs=3", "--save=r.h5", "--resume",
        "--algorithm=rpie", "--alpha-object=0.1", code=2,
    )  # fmt: skip
    assert "begun with other settings of stage" in said
    assert KEPT.exists()
    _call(
        "reconstruct", "scan.cxi", RADIUS, "--epochs=3", "--save=r.h5", "--resume",
        "--algorithm=rpie",
    )  # fmt: skip
    assert sc.open_result("r.h5").epoch == 3


def test_a_new_run_leaves_what_an_earlier_one_left() -> None:
    shot = _cut(_recipe(3), 2, 0)
    said = _call("reconstruct", "scan.cxi", RADIUS, "--epochs=1", "--save=r.h5")
    assert "held an earlier run that was never saved" in said
    (aside,) = Path().glob("r.autosave.*.h5")
    assert differences(shot, sc.open_result(aside)) == []


def test_nothing_to_take_up_begins_anew() -> None:
    short = ("scan.cxi", RADIUS, "--epochs=1", "--save=r.h5")
    assert "begins anew" in _call("reconstruct", *short, "--resume")
    assert "no input" in _call("reconstruct", "--save=r.h5", "--resume", code=2)
    assert "give --save" in _call("reconstruct", *short[:3], "--resume", code=2)


@LINUX
def test_a_result_that_cannot_be_saved_goes_to_a_rescue_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_scicompty.cli import _saving

    def full(*_: object, **__: object) -> None:
        raise sc.InputError("r.h5: cannot be written (the disk is full)")

    monkeypatch.setattr(_saving, "save_result", full)
    short = ("scan.cxi", RADIUS, "--epochs=1", "--save=r.h5", "--figure=f.png")
    said = _call("reconstruct", *short, code=2)
    assert "the disk is full" in said
    (rescued,) = autosave.folder().glob("rescued-*.h5")
    assert str(rescued) in said.replace("\n", "")
    assert sc.open_result(rescued).epoch == 1
    assert Path("f.png").exists(), "the other outputs are not skipped"


def test_ctrl_c_before_the_first_epoch_leaves_an_older_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _call("reconstruct", "scan.cxi", RADIUS, "--epochs=1", "--save=r.h5")
    old = Path("r.h5").read_bytes()
    from napari_scicompty.workflow.trials import Trials

    short_run = Trials._run

    def interrupted(*arguments: object) -> object:
        if interrupted.count:
            os.kill(os.getpid(), signal.SIGINT)
        interrupted.count += 1
        return short_run(*arguments)

    interrupted.count = 0
    monkeypatch.setattr(Trials, "_run", interrupted)
    said = _call("reconstruct", "scan.cxi", "--save=r.h5")
    assert "nothing was saved" in said
    assert Path("r.h5").read_bytes() == old
    assert not list(Path().glob("*previous*"))


def test_ctrl_c_while_saving_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_scicompty.cli import _saving

    def slow(*arguments: object, **door: object) -> object:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
        return save_result(*arguments, **door)

    monkeypatch.setattr(_saving, "save_result", slow)
    _call("reconstruct", "scan.cxi", RADIUS, "--epochs=2", "--save=r.h5")
    assert sc.open_result("r.h5").epoch == 2


@LINUX
def test_a_closed_pipe_loses_nothing() -> None:
    run = _begin("scan.cxi", RADIUS, "--epochs=30", "--save=r.h5")
    run.stdout.close()
    assert run.wait(timeout=patient(60)) == 0
    assert sc.open_result("r.h5").epoch == 30


@LINUX
def test_a_terminal_that_goes_away_loses_nothing() -> None:
    import pty

    ours, theirs = pty.openpty()
    run = subprocess.Popen(
        [*RUN, "reconstruct", *ENDLESS],
        env=os.environ | {"SCICOMPTY_AUTOSAVE_S": "0"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,
    )
    os.close(theirs)
    os.set_blocking(ours, False)
    until = time.monotonic() + patient(60)
    while not KEPT.exists() and time.monotonic() < until:
        _drain(ours)
        time.sleep(0.05)
    os.close(ours)  # the kernel sends SIGHUP, and nobody reads any more
    assert run.wait(timeout=patient(60)) == 129
    assert sc.open_result("r.h5").epoch > 0


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _drain(terminal: int) -> None:
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        return


@LINUX
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_at_random_moments_lose_nothing() -> None:
    chance = random.Random(0)
    for number in [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP] * KILLS_EACH:
        for name in ("r.h5", "r.autosave.h5", "r.autosave.older.h5"):
            Path(name).unlink(missing_ok=True)
        run = _begin(*ENDLESS, every="0.2")
        _wait_for(KEPT, run)
        time.sleep(chance.uniform(0, 1.5))
        run.send_signal(number)
        run.communicate(timeout=patient(60))
        found = Path("r.h5") if Path("r.h5").exists() else autosave.kept(KEPT)
        assert found is not None
        assert sc.open_result(found).epoch > 0
        _call("info", "scan.cxi")  # the next start
        assert not list(Path().glob(".*.part"))


# -- a result repeats itself ----------------------------------------------------------
def test_repeat_says_that_it_is_the_same_in_a_fresh_process() -> None:
    controls = sc.Controls()
    scan = sc.open_scan("scan.cxi")
    start = sc.DiscProbe(EXPERIMENT.probe_radius_m)
    for shot in sc.reconstruct(
        scan, sc.RPIE(), epochs=4, start=start, controls=controls, device="cpu"
    ):
        if shot.epoch == 2:
            controls.set("algorithm.alpha_object", 0.2)
            controls.set("run.excluded", (3,))
    sc.save_result("r.h5", shot)
    done = subprocess.run(
        [*RUN, "reconstruct", "--repeat=r.h5", "--save=again.h5"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the same as the saved result, bit for bit" in done.stdout
    assert differences(sc.open_result("r.h5"), sc.open_result("again.h5")) == []
    said = _call("reconstruct", "--repeat=r.h5", "--alpha-object=1", code=2)
    assert "takes its settings from the result" in said


def test_repeat_says_where_it_differs() -> None:
    _call("reconstruct", "scan.cxi", RADIUS, "--epochs=1", "--save=r.h5")
    shot, recipe = sc.open_result("r.h5"), sc.Recipe.load("r.h5")
    sc.save_result("r.h5", shot.replace(error=0.5), recipe)
    said = _call("reconstruct", "--repeat=r.h5", code=1)
    assert "not the same: error is" in said.replace("\n", " ")


def test_a_result_of_mid_epoch_repeats_itself_as_it_was_saved() -> None:
    scan = sc.open_scan("scan.cxi")
    start = sc.DiscProbe(EXPERIMENT.probe_radius_m)
    shots = sc.reconstruct(scan, sc.RPIE(), epochs=4, start=start, device="cpu")
    next(shots)
    next(shots)
    sc.save_result("r.h5", next(shots))
    said = _call("reconstruct", "--repeat=r.h5")
    assert "the same as the saved result, bit for bit" in said


# -- what was found by attacking it ---------------------------------------------------
def test_files_at_the_names_of_the_autosave_stay() -> None:
    os.rename("scan.cxi", "r.autosave.h5")
    Path("r.autosave.older.h5").write_text("of a person")
    before = Path("r.autosave.h5").read_bytes()
    _call("reconstruct", "r.autosave.h5", RADIUS, "--epochs=2", "--save=r.h5")
    assert Path("r.autosave.h5").read_bytes() == before
    assert Path("r.autosave.older.h5").read_text() == "of a person"
    assert sorted(p.name for p in Path().glob("r.*")) == [
        "r.autosave.h5", "r.autosave.older.h5", "r.h5",
    ]  # fmt: skip


def test_what_is_continued_stays_though_it_lies_where_runs_are_kept() -> None:
    shot = _cut(_recipe(3), 2, 0)
    _call("reconstruct", f"--from={KEPT}", "--epochs=1", "--save=r.h5")
    assert differences(shot, sc.open_result(KEPT)) == []
    assert sc.open_result("r.h5").epoch == 3


def test_a_run_that_is_taken_up_and_stopped_at_once_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_scicompty import recipe as recipes

    shot = _cut(_recipe(3), 2, 0)
    prepare = recipes.prepare

    def stopped(*arguments: object, **options: object) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return prepare(*arguments, **options)

    monkeypatch.setattr(recipes, "prepare", stopped)
    _call("reconstruct", "--save=r.h5", "--resume")
    assert np.array_equal(shot.object, sc.open_result(KEPT).object)

    def failing(*_: object, **__: object) -> object:
        raise sc.EngineError("out of memory")

    monkeypatch.setattr(recipes, "prepare", failing)
    said = _call("reconstruct", "--save=r.h5", "--resume", code=1)
    assert "out of memory" in said
    assert np.array_equal(shot.object, sc.open_result(KEPT).object)


def test_a_damaged_generation_is_told_and_stays() -> None:
    _cut(_recipe(3), 1, 0)
    os.rename(KEPT, "r.autosave.older.h5")
    KEPT.write_bytes(Path("r.autosave.older.h5").read_bytes()[:3000])
    said = _call("reconstruct", "--save=r.h5", "--resume")
    assert "is damaged and is not used" in said
    assert sc.open_result("r.h5").epoch == 3


@LINUX
def test_two_runs_with_one_name_do_not_take_each_others() -> None:
    run = _begin(*ENDLESS)
    _wait_for(KEPT, run)
    said = _call("reconstruct", "--save=r.h5", "--resume", code=2)
    assert "still under way" in said
    _call("reconstruct", "scan.cxi", RADIUS, "--epochs=1", "--save=r.h5")
    assert KEPT.exists()
    run.kill()
    run.communicate()
    assert autosave.kept(KEPT) is not None


def test_outputs_that_fail_are_all_told_and_the_run_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_scicompty.cli import _saving

    def full(path: Path, *_: object, **__: object) -> None:
        raise sc.InputError(f"{path}: cannot be written (the disk is full)")

    monkeypatch.setattr(_saving, "save_figure", full)
    monkeypatch.setattr(_saving, "save_ome_tiff", full)
    wanted = ("--tiff=t.ome.tif", "--figure=f.png")
    said = _call("reconstruct", "scan.cxi", RADIUS, "--epochs=1", *wanted, code=2)
    for name in ("t.ome.tif", "f.png"):
        assert f"{name}: cannot be written" in said
    assert "the run is kept in" in said
    (kept,) = (p for p in autosave.folder().iterdir() if ".older" not in p.name)
    assert sc.open_result(kept).epoch == 1


def test_home_is_written_out_for_the_autosave_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SCICOMPTY_AUTOSAVE_S", "0")
    for _ in range(2):
        said = _call("reconstruct", "scan.cxi", RADIUS, "--epochs=3", "--save=~/x.h5")
        assert "not kept" not in said
    assert [p.name for p in tmp_path.glob("x*")] == ["x.h5"]


def test_the_same_command_with_resume_takes_a_continued_run_up() -> None:
    _call("reconstruct", "scan.cxi", RADIUS, "--epochs=1", "--save=a.h5")
    said = _call("reconstruct", "--from=a.h5", "--epochs=2", "--save=r.h5", "--resume")
    assert "begins anew" in said
    assert sc.open_result("r.h5").epoch == 3


@pytest.mark.parametrize("point", [(2, 10), (4, 0)])
def test_patience_goes_on_over_a_cut(point: tuple[int, int]) -> None:
    from napari_scicompty.recipe import FileInput, RunChoices, Stage

    recipe = sc.Recipe(
        input=FileInput(path="scan.cxi"),
        start=sc.DiscProbe(EXPERIMENT.probe_radius_m),
        stages=(Stage(epochs=6, patience=3),),
        shared=RunChoices(held_out=0.05),
    )
    *_, whole = recipe.run()
    _cut(recipe, *point)
    _call("reconstruct", "--save=r.h5", "--resume")
    found = sc.open_result("r.h5")
    told = whole.history.held_out
    assert found.history.held_out[: len(told)] == told
    if found.epoch != whole.epoch:  # the best state was lost with the process
        assert "is not at hand any more" in found.history.notes[-1]
