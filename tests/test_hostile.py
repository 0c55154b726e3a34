"""Hostile and broken files: bounded, never a crash, and nothing is taken in silence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import fuzz
import napari_scicompty as sc
from hostile import GEOMETRY, STACK, YX, H, N, W, scan, snapshot, write_cxi, write_truth
from napari_scicompty.cli import app
from napari_scicompty.core.stacks import LazyStack
from napari_scicompty.figures import save_figure
from napari_scicompty.files import hdf5_reading as hdf5_files
from napari_scicompty.formats import _plain, list_datasets, open_positions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from window import Window

posix = pytest.mark.skipif(
    os.name != "posix", reason="Windows has other pipes and locks"
)


def named(kind: str) -> list[str]:
    return [name for name, case in fuzz.cases().items() if case.kind == kind]


# -- the fuzzer -----------------------------------------------------------------------
@posix
def test_a_share_of_the_fuzzer_finds_nothing() -> None:
    """Named inputs without those that take seconds, and a few mutants of each kind."""
    kinds = [name for name in fuzz.kinds() if name != "result"]
    every = list(fuzz.jobs(kinds, seed=1, mutants=12, with_cases=True))
    todo = [job for job in every if job.number >= 0] + every[::8]
    results = fuzz.run(iter(todo), seconds=60)
    faults = [result for result in results if result[1] in fuzz.FAULTS]
    assert not faults
    assert len(results) > 200


def test_the_fuzzer_has_four_hundred_named_inputs_and_other_mutants_by_seed() -> None:
    assert len(fuzz.cases()) >= 400
    valid = [bytes(range(256)) * 8]
    rng = [np.random.default_rng(seed) for seed in (0, 0, 1)]
    first, again, other = (fuzz.mutant(valid[0], one) for one in rng)
    assert first == again != other


@posix
@pytest.mark.slow
def test_the_fuzzer_tells_a_hang_a_crash_and_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that it could not see would never be found."""
    source = """
import os, sys, time
sys.path.insert(0, {tests!r})
import fuzz, fuzz_kinds
def read(path):
    what = path.read_text()
    if what == "hang": time.sleep(99)
    if what == "crash": os.abort()
    if what == "memory": bytearray(2**34)
    if what == "traceback": raise KeyError("x")
    return what
fuzz_kinds.KINDS = {{"text": fuzz.Kind(".txt", read, ())}}
import hostile
for name in ("hang", "crash", "memory", "traceback", "fine"):
    hostile.CASES[name] = hostile.Case("text", lambda p, n=name: p.write_text(n))
fuzz.work()
"""
    (tmp_path / "fuzz.py").write_text(source.format(tests=str(fuzz.HERE)))
    monkeypatch.setattr(fuzz, "HERE", tmp_path)
    monkeypatch.setattr(fuzz, "LONGEST_S", 3.0)
    words = ("hang", "crash", "memory", "traceback", "fine")
    results = fuzz.run(iter([fuzz.Job("text", w) for w in words]), 100, parallel=1)
    told = {job.name: verdict for job, verdict, _ in results}
    assert told == {word: word for word in words[:4]} | {"fine": "accepted"}


# -- no regular file ------------------------------------------------------------------
@posix
@pytest.mark.parametrize(
    "arguments",
    [
        ["info", "PIPE.tif"],
        ["info", "PIPE.h5"],
        ["info", "PIPE.unknown"],
        ["info", "scan.cxi", "--positions", "PIPE.txt"],
        ["info", "scan.cxi", "--dark", "PIPE.npy"],
        ["info", "scan.cxi", "--mask", "PIPE.npy"],
        ["reconstruct", "--recipe", "PIPE.toml"],
        ["reconstruct", "scan.cxi", "--start=file", "--set=start.path=PIPE.npy"],
        ["reconstruct", "scan.cxi", "--from", "PIPE.h5"],
        ["compare", "PIPE.h5", "scan.cxi"],
    ],
    ids=" ".join,
)
def test_a_pipe_in_any_place_is_refused_at_once(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_cxi(tmp_path / "scan.cxi")
    for word in arguments:
        if "PIPE" in word:
            os.mkfifo(word.rpartition("=")[2])
    began = time.monotonic()
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2, done.output
    assert "no regular file" in done.output or "no such file" in done.output
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "read",
    [
        sc.open_scan,
        open_positions,
        sc.Recipe.load,
        sc.open_result,
        list_datasets,
        lambda path: sc.ProbeFile(path).first_mode(scan()),
    ],
)
def test_a_user_that_is_not_there_gets_a_sentence(read: Callable[..., Any]) -> None:
    with pytest.raises(sc.InputError, match="no such user"):
        read("~nobody-of-this-name/a.h5")
    with pytest.raises(sc.InputError, match="no such user"):
        sc.save_result("~nobody-of-this-name/a.h5", snapshot())


# -- files that others change ---------------------------------------------------------
FRAMES: dict[str, Callable[[Path], Any]] = {
    "a.npy": lambda path: np.save(path, STACK),
    "a.tif": lambda path: tifffile.imwrite(path, STACK, photometric="minisblack"),
    "a.h5": lambda path: h5py.File(path, "w").create_dataset("d", data=STACK),
}


def opened(path: Path, **choices: Any) -> sc.Scan:
    positions = path.parent / "p.npy"
    np.save(positions, YX[:, ::-1])
    return sc.open_scan(path, positions, GEOMETRY, **choices)


@pytest.mark.parametrize("name", FRAMES)
def test_a_small_stack_outlives_its_file(name: str, tmp_path: Path) -> None:
    FRAMES[name](tmp_path / name)
    stack = opened(tmp_path / name).patterns
    os.truncate(tmp_path / name, 10)
    assert np.array_equal(stack, STACK)


@pytest.mark.parametrize("name", FRAMES)
def test_a_large_stack_that_is_cut_short_gets_a_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_plain, "_SMALL_BYTES", 0)
    FRAMES[name](tmp_path / name)
    one = opened(tmp_path / name)
    assert isinstance(one.patterns, LazyStack)
    assert np.array_equal(one.patterns, STACK)
    assert any("large, read as needed" in note for note in one.report)
    shots = sc.reconstruct(
        one,
        sc.EPIE(),
        epochs=3,
        start=sc.DiscProbe(5e-7),
        device="cpu",
        memory_gb=1e-9,
    )
    assert [next(shots).epoch, next(shots).epoch] == [0, 1]
    os.truncate(tmp_path / name, 600)
    with pytest.raises(sc.InputError, match="cut it short"):
        list(shots)


@pytest.mark.gui
def test_the_window_keeps_its_result_when_the_file_is_cut_short(
    open_window: Callable[[], Window],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_plain, "_SMALL_BYTES", 0)
    monkeypatch.setattr("napari_scicompty.engine.plan._SHARE", 0)  # nothing fits
    for name in ("stack.tif", "positions.txt"):
        shutil.copy(folder / name, tmp_path)
    window = open_window()
    window.open(tmp_path)
    window.run("5000")
    window.until_epoch(2)
    os.truncate(tmp_path / "stack.tif", 3000)
    window.until("ready")
    assert "cut it short" in window.message
    assert window.controller.snapshot is not None
    assert window.controller.snapshot.epoch >= 2


# -- HDF5 -----------------------------------------------------------------------------
def virtual(path: Path, boxes: dict[str, tuple[Any, tuple[int, ...]]]) -> Path:
    layout = h5py.VirtualLayout((N, H, W), STACK.dtype)
    for source, (box, shape) in boxes.items():
        layout[box] = h5py.VirtualSource(source, "d", shape)
        if "gone" not in source:
            with h5py.File(path.parent / source, "w") as file:
                file["d"] = STACK[box]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)
    return path


def test_frames_that_a_virtual_dataset_lacks_take_no_part(tmp_path: Path) -> None:
    parts = {
        "a.h5": (np.s_[:1], (1, H, W)),
        "gone.h5": (np.s_[1:3], (2, H, W)),
        "b.h5": (np.s_[3:], (1, H, W)),
    }
    one = opened(virtual(tmp_path / "v.h5", parts))
    assert one.excluded == (1, 2)
    assert np.array_equal(one.patterns[[0, 3]], STACK[[0, 3]])
    told = "\n".join(one.report)
    assert "1 part(s) are missing (gone.h5, d) and take no part" in told
    assert "a.h5" in told and "v.h5 draws on" in told


def test_pixels_that_a_virtual_dataset_lacks_are_masked(tmp_path: Path) -> None:
    parts = {
        "left.h5": (np.s_[:, :, :10], (N, H, 10)),
        "gone.h5": (np.s_[:, :, 10:], (N, H, W - 10)),
    }
    one = opened(virtual(tmp_path / "v.h5", parts))
    assert one.excluded == ()
    assert one.good[:, :10].all() and not one.good[:, 10:].any()


def test_a_source_that_is_shorter_than_what_is_taken_counts_as_missing(
    tmp_path: Path,
) -> None:
    path = virtual(tmp_path / "v.h5", {"a.h5": (np.s_[:], (N, H, W))})
    layout = h5py.VirtualLayout((N, H, W), STACK.dtype)
    layout[:2] = h5py.VirtualSource("a.h5", "d", (N, H, W))[:2]
    layout[2:] = h5py.VirtualSource("a.h5", "d", (2 * N, H, W))[N : N + 2]
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout)
    assert opened(path).excluded == (2, 3)


def raw_elsewhere(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "other" / "raw").write_bytes(STACK.tobytes())
    with h5py.File(tmp_path / "home" / "a.h5", "w") as file:
        external = [(str(tmp_path / "other" / "raw"), 0, STACK.nbytes)]
        file.create_dataset("data", STACK.shape, STACK.dtype, external=external)
    return tmp_path / "home" / "a.h5"


def test_raw_data_of_another_folder_are_read_when_that_is_allowed(
    tmp_path: Path,
) -> None:
    path = raw_elsewhere(tmp_path)
    with pytest.raises(sc.InputError, match="allow_external=True"):
        opened(path, data_key="data")
    one = opened(path, data_key="data", allow_external=True)
    assert np.array_equal(one.patterns, STACK)
    assert any(str(tmp_path / "other" / "raw") in note for note in one.report)


def test_info_does_not_show_what_lies_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush-hush")
    (tmp_path / "home").mkdir()
    path = tmp_path / "home" / "a.h5"
    with h5py.File(path, "w") as file:
        external = [(str(tmp_path / "secret"), 0, 9)]
        file.create_dataset("text", (1,), "S9", external=external)
        file["data"] = STACK
    said = CliRunner().invoke(app, ["info", str(path)]).output
    assert "/data" in said and "outside the folder" in said
    assert "hush" not in said


def test_raw_data_beside_the_file_are_its_own(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        external = [(str(tmp_path / "raw"), 0, STACK.nbytes)]
        file.create_dataset("data", data=STACK, external=external)
    assert np.array_equal(opened(tmp_path / "a.h5", data_key="data").patterns, STACK)


def test_a_long_list_of_datasets_is_cut_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5_files, "MOST_LISTED", 30)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["a"] = STACK
        for j in range(40):
            file[f"more/{j:02}"] = j
    assert len(list_datasets(tmp_path / "a.h5")) == 30 + 1
    one = opened(tmp_path / "a.h5", data_key="a")
    assert any("only the first 30 are listed" in note for note in one.report)
    said = CliRunner().invoke(app, ["info", str(tmp_path / "a.h5")]).output
    assert "only the first 30 are listed" in said


def test_groups_in_groups_without_end_are_listed_in_time(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = STACK
        group = file
        for _ in range(3000):
            group = group.create_group("g")
        file["circle"] = file["/"]
    began = time.monotonic()
    assert [row.path for row in list_datasets(tmp_path / "a.h5")] == ["data"]
    assert time.monotonic() - began < 5


@posix
def test_a_file_that_is_being_written_tells_the_way_out(tmp_path: Path) -> None:
    import fcntl

    write_cxi(tmp_path / "a.cxi")
    with (tmp_path / "a.cxi").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(sc.InputError, match="HDF5_USE_FILE_LOCKING=FALSE"):
            sc.open_scan(tmp_path / "a.cxi")
    assert len(sc.open_scan(tmp_path / "a.cxi")) == N


def test_a_disk_without_locks_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cxi(tmp_path / "a.cxi")
    known = h5py.File

    def without_locks(*args: Any, locking: Any, **options: Any) -> h5py.File:
        if locking:
            raise OSError(37, "unable to lock file, errno = 37 (No locks available)")
        return known(*args, locking=locking, **options)

    monkeypatch.setattr(hdf5_files.h5py, "File", without_locks)
    one = sc.open_scan(tmp_path / "a.cxi")
    assert any("opened without a lock" in note for note in one.report)


def test_opening_a_plain_file_costs_no_look_at_torch() -> None:
    code = (
        "import sys, napari_scicompty.files.hdf5_reading;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# -- what is absurd -------------------------------------------------------------------
@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"wavelength_m": 1e-10 + 1j}, "wavelength_m is .*give a number"),
        ({"wavelength_m": "1e-10 m"}, "give a number"),
        ({"wavelength_m": True}, "give a number"),
        ({"distance_m": np.bool_(True)}, "give a number"),
        ({"distance_m": 10**400}, "give a number"),
        ({"detector_pixel_m": [[1e-6], [1e-6, 1e-6]]}, "one number or"),
        ({"detector_pixel_m": 0}, "larger than zero"),
        ({"detector_pixel_m": (1e-6, np.inf)}, "larger than zero"),
        ({"propagation": np.array(["far-field"])}, "choose 'far-field'"),
    ],
)
def test_a_geometry_of_anything_else_is_refused(
    values: dict[str, Any], says: str
) -> None:
    good = {"wavelength_m": 1e-10, "distance_m": 1.0, "detector_pixel_m": 5e-5}
    with pytest.raises(sc.InputError, match=says):
        sc.Geometry(**good | values)


def test_counts_whose_squares_overflow_are_refused() -> None:
    for dtype, counts in (("f8", 1e300), ("f4", 1e37), ("f4", 1e17)):
        with pytest.raises(sc.InputError, match="single precision"):
            sc.Scan(np.full((N, H, W), counts, dtype), YX, GEOMETRY)


def test_a_figure_of_gigabytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(sc.InputError, match=r"take at most \d+ dots per inch"):
        save_figure(tmp_path / "a.png", snapshot(), width_mm=1000, dpi=1200)
    assert not (tmp_path / "a.png").exists()


def test_a_truth_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.cxi"
    for name, value in (("object", "a star"), ("pixel_size_m", (0.0, 1e-9))):
        path.unlink(missing_ok=True)
        write_truth(path)
        with h5py.File(path, "a") as file:
            truth = file["napari_scicompty/truth"]
            truth.pop(name, None)
            truth.attrs[name] = value
            del file["checksums"]
        with pytest.raises(sc.InputError, match=name):
            sc.open_truth(path)
