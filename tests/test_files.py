"""The door of all writing: whole or not at all, and never over what is not ours."""

from __future__ import annotations

import dataclasses
import os
import resource
import stat
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import tifffile

import napari_scicompty as sc
from napari_scicompty.figures import save_figure
from napari_scicompty.figures.ring_correlation import (
    save_ring_correlation,
    save_ring_table,
)
from napari_scicompty.files import writing as files
from napari_scicompty.files.processes import Owner, owner_of, this_process
from napari_scicompty.formats import save_positions
from napari_scicompty.recipe import FileInput, Recipe
from napari_scicompty.results.ome_tiff import save_ome_tiff
from napari_scicompty.ui.plugin.writer import write_ome_tiff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXPERIMENT = sc.VirtualExperiment(
    path={"rows": 4, "columns": 4, "step_px": 5}, detector={"frame": 32}
)
ASKED = ("scan.cxi", "positions.txt", "recipe.toml", "layers.ome.tif")
PLACES = 20
"""Bytes, spread over a file, at which its disk is full."""


class Made:
    """One of everything that can be written."""

    def __init__(self) -> None:
        self.scan, self.truth = sc.simulate(EXPERIMENT)
        start = sc.DiscProbe(EXPERIMENT.probe_radius_m)
        run = sc.reconstruct(self.scan, sc.RPIE(), epochs=1, start=start)
        *_, self.result = run
        self.recipe = Recipe.of_experiment(EXPERIMENT)
        self.frc = sc.metrics.agreement(self.result, self.result)


@pytest.fixture(scope="module")
def made() -> Made:
    return Made()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with nothing in it."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


LAYER = (np.eye(64), {"name": "eye", "scale": (2.0, 2.0)}, "image")

SMALL: dict[str, Any] = {"what": ("phase",), "dpi": 50, "width_mm": 50.0}

SURE: dict[str, Any] = {"overwrite": True}
"""For what people edit, or have nothing else of: that is always asked about."""

WRITERS: dict[str, Callable[[Path, Made], object]] = {
    "result.h5": lambda p, m: sc.save_result(p, m.result, m.recipe),
    "scan.cxi": lambda p, m: sc.save_scan(p, m.scan, m.truth, **SURE),
    "picture.ome.tif": lambda p, m: save_ome_tiff(p, m.result),
    "positions.txt": lambda p, m: save_positions(p, m.scan.positions_m, **SURE),
    "recipe.toml": lambda p, m: m.recipe.save(p, **SURE),
    "figure.png": lambda p, m: save_figure(p, m.result, **SMALL),
    "figure.svg": lambda p, m: save_figure(p, m.result, **SMALL),
    "figure.pdf": lambda p, m: save_figure(p, m.result, **SMALL),
    "rings.pdf": lambda p, m: save_ring_correlation(p, m.frc),
    "rings.csv": lambda p, m: save_ring_table(p, m.frc),
    "layers.ome.tif": lambda p, _: write_ome_tiff(str(p), [LAYER]),
}


@contextmanager
def _disk_full_at(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _open_files() -> set[str]:
    """Regular files that this process holds open."""
    held = set()
    for handle in Path("/proc/self/fd").iterdir():
        try:
            held.add(os.readlink(handle))
        except OSError:
            continue
    return {name for name in held if name.startswith("/tmp") or "part" in name}


@pytest.mark.skipif(sys.platform != "linux", reason="limits files as Linux does")
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_the_old_file_and_says_so(
    name: str, place: Path, made: Made
) -> None:
    path, write = place / name, WRITERS[name]
    write(path, made)
    old, size = path.read_bytes(), path.stat().st_size
    held, h5 = _open_files(), h5py.h5f.get_obj_count(types=h5py.h5f.OBJ_FILE)
    refused = 0
    for at in np.linspace(0, size - 1, PLACES).astype(int):
        with (
            _disk_full_at(int(at)),
            pytest.raises(
                sc.InputError, match=r"larger than this|not all of it"
            ) as error,
        ):
            write(path, made)
        refused += name in str(error.value)
        assert path.read_bytes() == old
    assert refused == PLACES
    assert _open_files() == held
    assert h5py.h5f.get_obj_count(types=h5py.h5f.OBJ_FILE) == h5
    assert [p.name for p in place.iterdir()] == [name]


@pytest.mark.parametrize("name", WRITERS)
def test_what_this_program_wrote_is_written_anew_without_a_question(
    name: str, place: Path, made: Made
) -> None:
    WRITERS[name](place / name, made)
    WRITERS[name](place / name, made)


@pytest.mark.parametrize(
    ("name", "write"),
    {
        "scan.cxi": lambda p, m: sc.save_scan(p, m.scan, m.truth),
        "positions.txt": lambda p, m: save_positions(p, m.scan.positions_m),
        "recipe.toml": lambda p, m: m.recipe.save(p),
    }.items(),
)
def test_what_people_edit_is_always_asked_about(
    name: str, write: Callable[[Path, Made], object], place: Path, made: Made
) -> None:
    write(place / name, made)
    before = (place / name).read_bytes()
    with pytest.raises(sc.InputError, match="overwrite=True"):
        write(place / name, made)
    assert (place / name).read_bytes() == before


def test_a_scan_never_takes_the_place_of_a_result(place: Path, made: Made) -> None:
    sc.save_result(place / "r.h5", made.result)
    with pytest.raises(sc.InputError, match="overwrite=True"):
        sc.save_scan(place / "r.h5", made.scan)
    assert sc.open_result(place / "r.h5").epoch == 1


@pytest.mark.parametrize("name", ["f.svg", "c.json", "r.csv", "f.png"])
def test_a_file_that_speaks_of_this_program_is_not_its_own(
    name: str, place: Path, made: Made
) -> None:
    (place / name).write_text("# my notes on napari-scicompty, nowhere else\n")
    with pytest.raises(sc.InputError, match="did not write it"):
        files.write_bytes(place / name, b"")


def test_every_result_of_another_run_is_kept(place: Path, made: Made) -> None:
    start = sc.DiscProbe(EXPERIMENT.probe_radius_m)
    for alpha in (0.1, 0.2, 0.3, 0.4):
        *_, shot = sc.reconstruct(
            made.scan, sc.RPIE(alpha_object=alpha), epochs=1, start=start
        )
        sc.save_result(place / "r.h5", shot)
    kept = {
        path.name: sc.open_result(path).settings["algorithm"]["alpha_object"]
        for path in place.iterdir()
    }
    assert kept == {
        "r.previous.h5": 0.1,
        "r.previous2.h5": 0.2,
        "r.previous3.h5": 0.3,
        "r.h5": 0.4,
    }
    changed = made.result.replace(object=made.result.object * 0)
    sc.save_result(place / "same.h5", made.result)
    assert sc.save_result(place / "same.h5", changed) == place / "same.previous.h5"


def test_what_an_input_links_to_is_an_input(place: Path, made: Made) -> None:
    mask = np.ones((32, 32), np.uint8)
    (place / "there").mkdir()
    with h5py.File(place / "there" / "good.h5", "w") as file:
        file["good"] = mask
    with h5py.File(place / "mask.h5", "w") as file:
        file["mask"] = h5py.ExternalLink("there/good.h5", "good")
    sc.save_scan(place / "scan.cxi", made.scan)
    scan = sc.open_scan(place / "scan.cxi", mask=place / "mask.h5")
    assert str(place / "there" / "good.h5") in scan.source.files
    recipe = Recipe(
        input=FileInput(path=str(place / "scan.cxi"), mask=str(place / "mask.h5"))
    )
    assert place / "there" / "good.h5" in recipe.input_files


def test_the_probe_file_of_a_run_is_an_input(place: Path, made: Made) -> None:
    np.save(place / "probe.npy", made.result.probe)
    start = sc.ProbeFile(path=place / "probe.npy")
    *_, shot = sc.reconstruct(made.scan, sc.RPIE(), epochs=1, start=start)
    with pytest.raises(sc.InputError, match="is an input"):
        sc.save_result(place / "probe.npy", shot, overwrite=True)
    *_, more = sc.reconstruct(made.scan, sc.RPIE(), epochs=1, start=shot)
    with pytest.raises(sc.InputError, match="is an input"):
        sc.save_result(place / "probe.npy", more, overwrite=True)


def test_no_picture_is_put_among_patterns(place: Path, made: Made) -> None:
    tifffile.imwrite(place / "frame_1.tif", np.ones((8, 8), np.uint8))
    with pytest.raises(sc.InputError, match="lies among the patterns"):
        files.checked_target(place / "out.ome.tif", inputs=[place])
    files.checked_target(place / "out.h5", inputs=[place])


def test_an_old_file_is_not_kept_over_a_foreign_one(place: Path) -> None:
    files.write_bytes(place / "a.txt", b"ours", overwrite=True)
    (place / "b.txt").write_text("of a person")
    with (
        pytest.raises(sc.InputError, match="did not write it"),
        files.replacing(place / "a.txt", overwrite=True, keep_as=place / "b.txt"),
    ):
        raise AssertionError("nothing may be written")
    assert (place / "b.txt").read_text() == "of a person"


@pytest.mark.parametrize("name", [n for n in WRITERS if n not in ASKED])
def test_what_it_did_not_write_stays(name: str, place: Path, made: Made) -> None:
    path = place / name
    path.write_text("of a person")
    with pytest.raises(sc.InputError, match="this program did not write it"):
        WRITERS[name](path, made)
    assert path.read_text() == "of a person"


def test_a_foreign_hdf5_file_stays_unless_it_is_allowed(
    place: Path, made: Made
) -> None:
    path = place / "measured.h5"
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(5)
    with pytest.raises(sc.InputError, match="overwrite=True"):
        sc.save_result(path, made.result)
    sc.save_result(path, made.result, overwrite=True)
    assert sc.open_result(path).epoch == 1


def _opened(folder: Path, made: Made) -> sc.Scan:
    sc.save_scan(folder / "scan.cxi", made.scan)
    return sc.open_scan(folder / "scan.cxi")


@pytest.mark.parametrize("link", ["itself", "symbolic", "hard"])
def test_an_input_is_never_written_over(link: str, place: Path, made: Made) -> None:
    scan = _opened(place, made)
    path = place / "scan.cxi"
    old = path.read_bytes()
    if link == "symbolic":
        path = place / "link.h5"
        path.symlink_to("scan.cxi")
    if link == "hard":
        path = place / "link.h5"
        path.hardlink_to(place / "scan.cxi")
    start = sc.DiscProbe(EXPERIMENT.probe_radius_m)
    *_, result = sc.reconstruct(scan, sc.RPIE(), epochs=1, start=start)
    with pytest.raises(sc.InputError, match="is an input of this run"):
        sc.save_result(path, result, overwrite=True)
    with pytest.raises(sc.InputError, match="is an input of this run"):
        sc.save_scan(path, scan, overwrite=True)
    assert (place / "scan.cxi").read_bytes() == old


def test_positions_mask_and_dark_of_a_scan_are_inputs_too(place: Path) -> None:
    for name in ("stack.npy", "mask.npy", "dark.npy"):
        np.save(place / name, np.ones((4, 16, 16) if "stack" in name else (16, 16)))
    np.savetxt(place / "p.txt", [[0, 0], [0, 1e-6], [1e-6, 0], [1e-6, 1e-6]])
    scan = sc.open_scan(
        place / "stack.npy",
        place / "p.txt",
        sc.Geometry(1e-10, 1.0, 1e-3),
        mask=place / "mask.npy",
    )
    names = {Path(name).name for name in scan.source.files}
    assert names == {"stack.npy", "mask.npy", "p.txt"}
    with pytest.raises(sc.InputError, match="is an input of this run"):
        files.write_bytes(place / "p.txt", b"", inputs=scan.source.files)


def test_rights_of_the_old_file_stay(place: Path, made: Made) -> None:
    path = place / "r.h5"
    sc.save_result(path, made.result)
    path.chmod(0o664)
    sc.save_result(path, made.result)
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


@pytest.mark.skipif(
    os.name == "nt" or os.getuid() != 0, reason="only root can give a file away"
)
def test_the_owner_of_the_old_file_stays(place: Path, made: Made) -> None:
    path = place / "r.h5"
    sc.save_result(path, made.result)
    os.chown(path, 12345, 23456)
    sc.save_result(path, made.result)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_a_link_is_followed_and_stays_one(place: Path, made: Made) -> None:
    (place / "there").mkdir()
    link = place / "r.h5"
    link.symlink_to(place / "there" / "result.h5")
    sc.save_result(link, made.result)
    assert link.is_symlink()
    assert sc.open_result(place / "there" / "result.h5").epoch == 1


def test_what_is_no_regular_file_is_refused(place: Path, made: Made) -> None:
    os.mkfifo(place / "pipe.h5")
    (place / "folder.h5").mkdir()
    with pytest.raises(sc.InputError, match="no regular file"):
        sc.save_result(place / "pipe.h5", made.result)
    with pytest.raises(sc.InputError, match="is a folder"):
        sc.save_result(place / "folder.h5", made.result)
    with pytest.raises(sc.InputError, match="its folder is missing"):
        sc.save_result(place / "gone" / "r.h5", made.result)


def test_the_longest_names_are_written(place: Path, made: Made) -> None:
    name = "ä" * 126 + ".h5"  # 255 bytes
    sc.save_result(place / name, made.result)
    assert [p.name for p in place.iterdir()] == [name]
    with pytest.raises(sc.InputError, match="the name is too long"):
        sc.save_result(place / f"a{name}", made.result)


def test_the_old_file_can_be_kept_under_another_name(place: Path) -> None:
    path, older = place / "a.txt", place / "a.previous.txt"
    for text in (b"first", b"second"):
        with files.replacing(path, overwrite=True, keep_as=older) as part:
            part.write_bytes(text)
    assert (path.read_bytes(), older.read_bytes()) == (b"second", b"first")


KILLED = """
import os, sys
from napari_scicompty.files.writing import replacing
with replacing(sys.argv[1]) as part:
    part.write_bytes(b"half")
    os._exit(9)
"""


def test_the_next_start_removes_what_a_killed_process_left(place: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(place / "r.h5")])
    assert done.returncode == 9
    (left,) = place.glob(".r.h5.*.part")
    alien = place / ".other.part"
    alien.touch()
    with files.replacing(place / "alive") as part:
        files.remove_parts()
        assert part.exists(), "of a process that lives"
    assert not left.exists()
    assert alien.exists(), "which this program never recorded"


def test_a_process_number_in_use_again_is_no_longer_the_same_process() -> None:
    now = this_process()
    assert not now.is_gone
    assert owner_of(now.token) is not None
    assert not owner_of(now.token).is_gone
    assert not now._replace(started_s=now.started_s - 3600).is_gone, "a clock was set"
    assert now._replace(started_s=1.0, since_boot_s=1.0).is_gone
    assert now._replace(number=2**22 + 1).is_gone
    assert not Owner("elsewhere", 1, 0.0, 0.0).is_gone, "nobody can know from here"
    assert owner_of("notes") is None


def test_a_program_ends_properly_after_a_full_disk(place: Path) -> None:
    code = """
import resource, sys
import numpy as np
from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_writing import new_hdf5
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
try:
    with new_hdf5(sys.argv[1]) as file:
        file["many"] = np.zeros(300_000)
        file.create_dataset("packed", data=np.random.rand(300, 300), compression="gzip")
        file.attrs["words"] = "w" * 1000
except InputError as error:
    print(error)
"""
    for size in ("0", "10", "2000", "100000", "2400000", "2500000"):
        done: Any = subprocess.run(
            [sys.executable, "-c", code, str(place / "r.h5"), size],
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "larger than this system allows" in done.stdout
    assert not list(place.iterdir())


def test_names_that_are_no_text_are_saved_and_reopened(place: Path, made: Made) -> None:
    strange = os.fsdecode(b"\xff\xfe")
    scan = made.scan.replace(
        source=dataclasses.replace(made.scan.source, path=f"{strange}/scan.cxi")
    )
    result = made.result.replace(source=scan.source)
    recipe = Recipe(input=FileInput(path=f"{strange}/scan.cxi"))
    sc.save_result(place / f"{strange}.h5", result, recipe)
    assert sc.open_result(place / f"{strange}.h5").epoch == result.epoch
    loaded = sc.Recipe.load(place / f"{strange}.h5")
    assert "udcff" in str(loaded.input.path)
