"""The log: what is told, where a fault goes, and what a report holds."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication
from typer.testing import CliRunner

import napari_scicompty as sc
from napari_scicompty.cli import app
from napari_scicompty.core import log as ours
from napari_scicompty.core.report import report, without_home
from small_scans import small_scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from window import Window

    OpenWindow = Callable[[], Window]

R = "reconstruction"
START = sc.DiscProbe(0.6e-6)


class Faulty(sc.RPIE):
    """An own algorithm with a fault in its second epoch."""

    def step(self, *now: Any) -> Any:
        if now[3].epoch == 1:
            return now[0].no_such_thing  # the faulty statement
        return super().step(*now)


def line_of(text: str) -> int:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(n for n, line in enumerate(lines, 1) if line.strip().endswith(text))


FAULT = f'test_log.py", line {line_of("# the faulty statement")}'


@pytest.fixture
def log_file() -> Path:
    """The log file of this test, which is kept."""
    ours.keep_log()
    return ours.log_file()


def run(algorithm: Any, epochs: int = 3, **settings: Any) -> list[sc.Snapshot]:
    scan = small_scan().scan
    return list(sc.reconstruct(scan, algorithm, epochs=epochs, start=START, **settings))


# -- what is told ---------------------------------------------------------------------
def test_a_script_is_told_what_the_engine_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    controls = sc.Controls()
    controls.set("algorithm.alpha_object", 0.3)
    with caplog.at_level(logging.INFO):
        run(sc.RPIE(), controls=controls, device="cpu")
    told = caplog.text
    assert "run begins at epoch 0" in told and "on cpu" in told
    assert "algorithm.alpha_object = 0.3" in told
    for epoch in (1, 2, 3):
        assert re.search(rf"epoch {epoch}: error 0\.\d+", told)
    assert "run ends at epoch 3" in told


def test_the_search_tells_candidates_and_not_their_epochs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        sc.find_start(small_scan().scan, sc.AutoStart(epochs=1, patterns=16))
    assert "tried 1 of" in caplog.text
    assert "run begins" not in caplog.text and "epoch 1: error" not in caplog.text


def test_refiners_tell_what_they_found(caplog: pytest.LogCaptureFixture) -> None:
    refine = sc.LeastSquaresShift(start_epoch=1)
    with caplog.at_level(logging.DEBUG):
        run(sc.RPIE(), refine=refine)
    assert re.search(r"positions, epoch 2: \d+ views moved by", caplog.text)


def test_opening_tells_what_was_assumed(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        sc.open_scan(
            folder / "stack.tif",
            folder / "positions.txt",
            wavelength_m=1.5e-10,
            distance_m=2,
            detector_pixel_m=75e-6,
        )
    assert "is read by napari_scicompty.formats.tiff" in caplog.text
    assert "opened" in caplog.text and "25 patterns of 32 x 32 pixels" in caplog.text
    assert "far field assumed" in caplog.text


def test_nothing_is_told_in_a_step() -> None:
    """Records are made for epochs and runs alone, whatever the level."""
    made = []

    class Counting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            made.append(record.getMessage())

    logger, handler = logging.getLogger(ours.OURS), Counting()
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    run(sc.RPIE(), epochs=1, device="cpu")
    one = len(made)
    run(sc.RPIE(), epochs=3, device="cpu")
    assert len(made) - one == one + 2  # one line for each epoch more
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    before = len(made)
    run(sc.RPIE(), epochs=1)
    assert len(made) == before


def test_a_library_is_silent_by_itself() -> None:
    code = """
import logging
import napari_scicompty as sc
logging.getLogger("napari_scicompty.engine.run").warning("not on the screen")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# -- faults ---------------------------------------------------------------------------
def test_a_fault_of_an_own_algorithm_keeps_its_cause(log_file: Path) -> None:
    with pytest.raises(sc.EngineError, match="epoch 1 with Faulty: Attr") as caught:
        run(Faulty())
    assert isinstance(caught.value.__cause__, AttributeError)
    text = log_file.read_text()
    assert FAULT in text and "no_such_thing" in text
    assert text.count("Traceback") == 1


@pytest.mark.parametrize("error", [RuntimeError, TypeError, ValueError, KeyError])
def test_what_a_step_raises_is_an_engine_error(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def step(*_: Any) -> Any:
        raise error("odd")

    monkeypatch.setattr(sc.RPIE, "step", step)
    with pytest.raises(sc.EngineError, match=f"{error.__name__}: '?odd") as caught:
        run(sc.RPIE(), device="cpu")
    assert type(caught.value.__cause__) is error


def test_bad_input_in_a_step_stays_bad_input(
    monkeypatch: pytest.MonkeyPatch, log_file: Path
) -> None:
    def step(*_: Any) -> Any:
        raise sc.InputError("give another one")

    monkeypatch.setattr(sc.RPIE, "step", step)
    with pytest.raises(sc.InputError, match=r"^give another one$"):
        run(sc.RPIE(), device="cpu")
    assert "Traceback" not in log_file.read_text()


def test_the_cause_of_a_refusal_is_kept() -> None:
    with pytest.raises(sc.InputError) as caught:
        sc.RPIE(alpha_object="much")
    assert caught.value.__cause__ is not None
    with pytest.raises(sc.InputError) as caught:
        sc.open_scan("nowhere.tif")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_fault_in_the_window_is_in_the_log(
    open_window: OpenWindow, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sc.RPIE, "step", _faulty_from(sc.RPIE.step))
    window = open_window()
    window.open(folder)
    window.run("4")
    window.until("ready")
    assert "RPIE: AttributeError" in window.message
    assert str(ours.log_file()) in window.message
    assert FAULT in ours.log_file().read_text()
    failure = window.controller.failure
    assert failure is not None and failure.__traceback__ is None


def test_a_fault_in_the_terminal_is_in_the_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sc.RPIE, "step", _faulty_from(sc.RPIE.step))
    result = scicompty("reconstruct", *scan_of(folder), "--epochs", "3")
    assert result.exit_code == 1
    assert "Auto: AttributeError" in result.stderr
    assert str(ours.log_file()) in result.stderr.replace("\n", "")
    text = ours.log_file().read_text()
    assert FAULT in text and text.count("no_such_thing  # the faulty") == 1


def _faulty_from(step: Any) -> Any:
    def faulty(self: Any, *now: Any) -> Any:
        if now[3].epoch == 1:
            return Faulty.step(Faulty(), *now)
        return step(self, *now)

    return faulty


@pytest.mark.parametrize("again", [copy.deepcopy, lambda e: pickle.loads(_dumped(e))])
def test_public_errors_can_be_copied(again: Callable[[Any], Any]) -> None:
    (first, *_) = run(sc.RPIE(), epochs=1, device="cpu")
    for error in (
        sc.InputError("give less"),
        sc.EngineError("no memory"),
        sc.DivergedError("it diverged", first),
    ):
        copied = again(error)
        assert type(copied) is type(error) and str(copied) == str(error)
    np.testing.assert_array_equal(copied.snapshot.object, first.object)


def _dumped(error: Exception) -> bytes:
    return pickle.dumps(error)


# -- the file -------------------------------------------------------------------------
def test_two_processes_write_one_log(
    log_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logging.getLogger(f"{ours.OURS}.test")
    log.info("mine")
    os.replace(log_file, log_file.with_suffix(".log.1"))  # another one began anew
    log_file.write_text("theirs\n")
    log.info("mine again")
    assert "mine again" in log_file.read_text()
    assert log_file.read_text().startswith("theirs")


def test_a_log_that_cannot_be_renamed_goes_on(
    log_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (handler,) = (h for h in logging.getLogger(ours.OURS).handlers if h.level)
    handler.maxBytes = 100
    monkeypatch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(OSError()))
    log = logging.getLogger(f"{ours.OURS}.test")
    for number in range(5):
        log.info("line %d", number)
    assert [f"line {n}" in log_file.read_text() for n in range(5)] == [True] * 5


def test_no_log_where_its_folder_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(ours, "log_file", lambda: tmp_path / "file" / "a" / "b.log")
    ours.keep_log()
    assert ours.kept_log() is None


def test_a_crash_of_the_interpreter_leaves_its_place(tmp_path: Path) -> None:
    code = """
import faulthandler
from napari_scicompty.core.log import crash_file, keep_log
keep_log()
keep_log()
print(crash_file())
faulthandler._sigsegv()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0
    assert "Segmentation fault" in Path(done.stdout.strip()).read_text()


# -- the command line -----------------------------------------------------------------
def scan_of(folder: Path) -> list[str]:
    given = ["--wavelength-m", "1.5e-10", "--distance-m", "2"]
    given += ["--detector-pixel-m", "75e-6", "--start", "disc", "--device", "cpu"]
    given += ["--set", "start.radius_m=1.5e-6"]
    return [
        str(folder / "stack.tif"),
        "--positions",
        str(folder / "positions.txt"),
        *given,
    ]


def scicompty(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize(
    ("verbose", "info", "debug"), [([], 0, 0), (["-v"], 1, 0), (["-vv"], 1, 1)]
)
def test_v_tells_what_is_done(
    folder: Path, verbose: list[str], info: int, debug: int
) -> None:
    result = scicompty(*verbose, "reconstruct", *scan_of(folder), "--epochs", "2")
    assert result.exit_code == 0, result.output
    told = " ".join(result.stderr.split())
    for epoch in (1, 2):
        assert len(re.findall(rf"epoch {epoch}: error 0\.\d+", told)) == info
    assert ("is read by" in told) == bool(debug)
    assert "epoch 2: error" not in result.stdout
    text = ours.log_file().read_text()
    assert "run ends at epoch 2" in text and "is read by" not in text


def test_the_file_takes_one_epoch_a_second(log_file: Path) -> None:
    run(sc.RPIE(), epochs=20, device="cpu")
    text = log_file.read_text()
    assert 1 <= text.count(": error 0.") < 20
    assert "run ends at epoch 20" in text


# -- the report -----------------------------------------------------------------------
def test_a_report_has_no_private_path(
    log_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "jane"))
    monkeypatch.setenv("LOGNAME", "jane")
    log = logging.getLogger(f"{ours.OURS}.test")
    log.info("read %s and /data/jane/scan.h5", tmp_path / "jane" / "x" / "scan.h5")
    text = report("[run]\nseed = 3", ["a note"])
    assert "~/x/scan.h5 and scan.h5" in text
    assert "jane" not in text
    for part in ("napari-scicompty", "Python", "torch", "numpy", "h5py", "Qt binding"):
        assert f"{part} " in text
    assert f"{os.cpu_count()} cores" in text and "GiB" in text and "CUDA" in text
    assert "seed = 3" in text and "a note" in text


def test_home_is_not_found_in_longer_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.setenv("LOGNAME", "ann")
    assert without_home("/home/ann/a /home/anna/b") == "~/a b"


def test_the_window_copies_a_report(open_window: OpenWindow, folder: Path) -> None:
    window = open_window()
    window.open(folder)
    window.run_to_the_end("2")
    window.click(f"{R}.copy_report")
    text = QApplication.clipboard().text()
    assert 'path = "stack.tif"' in text and 'positions = "positions.txt"' in text
    assert 'algorithm = "rpie"' in text
    assert "run ends at epoch 2" in text
    settings = text.partition("== Settings ==")[2].partition("== Notes ==")[0]
    assert str(folder) not in settings


def test_the_terminal_tells_a_report(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir()
    path = private / "recipe.toml"
    path.write_text(
        f'[input]\npath = "{private}/stack.tif"\nwavelength_m = 1.5e-10\n'
        '[start]\nname = "file"\npath = "probe.npy"\n[run]\nseed = 7\n'
    )
    result = scicompty("report", str(path))
    assert result.exit_code == 0, result.output
    assert "napari-scicompty" in result.stdout and "seed = 7" in result.stdout
    settings = result.stdout.partition("== Settings ==")[2].partition("== Notes")[0]
    assert '"stack.tif"' in settings and '"probe.npy"' in settings
    assert "private" not in settings
    assert scicompty("report").exit_code == 0


def test_a_script_that_does_not_listen_pays_nothing() -> None:
    """A line that nobody hears takes less than a microsecond or two."""
    log = logging.getLogger(f"{ours.OURS}.engine.run")
    assert not log.isEnabledFor(logging.INFO)
    began = time.perf_counter()
    for _ in range(1000):
        log.log(logging.INFO, "epoch %d: error %.6g", 1, 0.5)
    assert time.perf_counter() - began < 0.1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("opened /data/proposal-7/secret/scan.h5: 9", "opened scan.h5: 9"),
        ("C:\\Users\\ann\\data\\a.h5: bad", "a.h5: bad"),
        (
            'File "/opt/lib/python3.12/site-packages/napari_scicompty/engine/run.py"',
            'File "napari_scicompty/engine/run.py"',
        ),
        ("12 um/px, 3/4, https://pytorch.org/get-started/locally/", ""),
        ("saved demo-output/result.h5", ""),
    ],
)
def test_a_report_has_no_folders(text: str, wanted: str) -> None:
    assert without_home(text) == (wanted or text)


def test_a_report_of_a_window_leaves_other_sessions_out(log_file: Path) -> None:
    log_file.write_text(
        "2001-01-01 10:00:00,000 INFO x: of another session\n  and its trace\n"
        "2101-01-01 10:00:00,000 INFO x: of this one\n"
    )
    text = report(since=time.time())
    assert "of this one" in text
    assert "another session" not in text and "its trace" not in text
    assert "another session" in report()
