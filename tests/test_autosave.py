"""What is kept of a run: two generations, found again, never removed by others."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import napari_scicompty as sc
from napari_scicompty.files.processes import this_process
from napari_scicompty.workflow import autosave
from napari_scicompty.workflow.autosave import Autosave
from napari_scicompty.workflow.leftovers import leftovers

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.data.snapshot import Snapshot

EXPERIMENT = sc.VirtualExperiment(
    path={"rows": 3, "columns": 3, "step_px": 5}, detector={"frame": 32}
)


@pytest.fixture(scope="module")
def shots() -> list[Snapshot]:
    scan, _ = sc.simulate(EXPERIMENT)
    start = sc.DiscProbe(EXPERIMENT.probe_radius_m)
    return list(sc.reconstruct(scan, sc.RPIE(), epochs=3, start=start))


@pytest.fixture(scope="module")
def gone() -> str:
    """Token of a process that has ended."""
    code = (
        "from napari_scicompty.files.processes import this_process as this;"
        "print(this().token)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def _left(name: str, shot: Snapshot) -> Path:
    autosave.folder().mkdir(parents=True, exist_ok=True)
    sc.save_result(autosave.folder() / name, shot)
    return autosave.folder() / name


def test_two_generations_are_kept(shots: list[Snapshot]) -> None:
    kept = Autosave()
    for shot in shots:
        kept.offer(shot, None, now=True)
    kept.wait()
    first, second = sorted(autosave.folder().iterdir(), key=lambda p: len(p.name))
    assert sc.open_result(first).epoch == 3
    assert sc.open_result(second).epoch == 2
    first.write_bytes(first.read_bytes()[:5000])
    assert autosave.kept(kept.path) == second, "the whole one of the two"
    kept.discard()
    assert not list(autosave.folder().iterdir())


def test_only_what_a_dead_process_left_is_offered(
    gone: str, shots: list[Snapshot]
) -> None:
    dead = _left(f"20260101-000000-{gone}-a1.h5", shots[1])
    number = gone.split(".")[1]
    _left(f"20260101-000001-{this_process().token}-b2.h5", shots[1])
    _left("notes.h5", shots[1])
    (autosave.folder() / "alien.h5").write_text("of a person")
    (autosave.folder() / "a-b-c.h5").write_text("of a person")
    reused = this_process()._replace(started_s=1.0, since_boot_s=1.0)
    again = _left(f"20260101-000002-{reused.token}-c3.h5", shots[1])
    found = {left.path: left.made for left in leftovers()}
    assert found == {dead: "2026-01-01 00:00", again: "2026-01-01 00:00"}, number


def test_an_older_generation_alone_is_found(gone: str, shots: list[Snapshot]) -> None:
    name = f"20260101-000000-{gone}-a1"
    older = _left(f"{name}.older.h5", shots[1])
    (left,) = leftovers()
    assert left.path.name == f"{name}.h5"
    assert autosave.kept(left.path) == older
    autosave.discard(left.path)
    assert not older.exists()


def test_nothing_is_removed_however_many_there_are(
    gone: str, shots: list[Snapshot]
) -> None:
    names = [f"2026010{n}-000000-{gone}-a{n}.h5" for n in range(1, 9)]
    for name in names:
        _left(name, shots[1])
    mine = Autosave()
    mine.offer(shots[2], None, now=True)
    mine.wait()
    assert {p.name for p in autosave.folder().iterdir()} == {*names, mine.path.name}
    assert len(leftovers()) == 8


@pytest.mark.skipif(os.name == "nt", reason="Windows has no rights of folders by mode")
def test_a_folder_that_takes_nothing_is_said(
    shots: list[Snapshot], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    said: list[Exception] = []
    kept = Autosave(failed=said.append)
    kept.offer(shots[1], None, now=True)
    kept.wait()
    assert len(said) == 1


def test_the_first_is_due_at_once_and_then_every_minute(
    shots: list[Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Autosave()
    assert kept.due
    kept.offer(shots[1], None)
    assert not kept.due
    monkeypatch.setenv("SCICOMPTY_AUTOSAVE_S", "0")
    assert kept.due
    kept.wait()


def test_a_result_that_no_folder_takes_goes_to_a_rescue_file(
    shots: list[Snapshot], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    place = autosave.rescue(shots[2], None)
    assert place is not None
    assert place.parent == autosave.folder()
    assert sc.open_result(place).epoch == 2
    assert [left.path for left in leftovers()] == [place]
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    place = autosave.rescue(shots[2], None)
    assert place is not None
    assert place.parent == tmp_path
