"""A bit that flips in a saved file is never taken in silence."""

from __future__ import annotations

import dataclasses
import os
import random
import subprocess
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import torch

import napari_scicompty as sc
from napari_scicompty.files import hdf5_writing
from napari_scicompty.recipe import Recipe
from napari_scicompty.results import provenance, stored_recipe

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENT = sc.VirtualExperiment(
    modes=2, path={"rows": 4, "columns": 4, "step_px": 5}, detector={"frame": 32}
)
FLIPS = 25
MANY = int(os.environ.get("SCICOMPTY_FLIPS", 250))
"""Of the slow test; 2000 for the figures of the benchmark page."""
Known = dict[str, Any]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A scan with its truth and a result with its recipe, as they are saved."""
    folder = tmp_path_factory.mktemp("saved")
    scan, truth = sc.simulate(EXPERIMENT)
    scan = scan.replace(mask=np.arange(32 * 32).reshape(32, 32) % 7 > 0)
    sc.save_scan(folder / "scan.cxi", scan, truth)
    start = sc.DiscProbe(EXPERIMENT.probe_radius_m)
    *_, shot = sc.reconstruct(
        sc.open_scan(folder / "scan.cxi"), sc.RPIE(), epochs=2, start=start,
        refine="positions",
    )  # fmt: skip
    sc.save_result(folder / "result.h5", shot, Recipe.of_experiment(EXPERIMENT))
    return {"scan": folder / "scan.cxi", "result": folder / "result.h5"}


def _of_result(path: Path) -> Known:
    shot = sc.open_result(path)
    fields = {f.name: getattr(shot, f.name) for f in dataclasses.fields(shot)}
    return fields | {"recipe": stored_recipe(path), "made": provenance(path)}


def _of_scan(path: Path) -> Known:
    scan = sc.open_scan(path)
    truth = sc.open_truth(path)
    source = dataclasses.replace(scan.source, path="", sha256="", files=(), opened={})
    names = ("patterns", "positions_m", "mask", "report", "excluded", "geometry")
    known = {name: getattr(scan, name) for name in names} | {"source": source}
    known["patterns"] = np.asarray(known["patterns"])
    return known | {"truth": dataclasses.asdict(truth)}


READ = {"scan": _of_scan, "result": _of_result}


def _same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray | torch.Tensor):
        return a.dtype == b.dtype and np.array_equal(
            np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind in "fc"
        )
    return repr(a) == repr(b)


def _flip(kind: str, path: Path, copy: Path, flips: int) -> tuple[int, int]:
    """Flip one bit after the other; count (refused, opened the same)."""
    whole, read = path.read_bytes(), READ[kind]
    path_seen = read(path)
    copy.write_bytes(whole)
    first = read(copy)
    for name in ("path", "report"):
        first.pop(name, None), path_seen.pop(name, None)
    chance, refused, same = random.Random(1), 0, 0
    for number in range(flips):
        at, bit = chance.randrange(len(whole)), chance.randrange(8)
        copy.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        try:
            found = read(copy)
        except sc.InputError:
            refused += 1
            continue
        found.pop("report", None)
        assert _same(first, found), f"flip {number}: byte {at}, bit {bit}"
        same += 1
    return refused, same


@pytest.mark.parametrize("kind", READ)
def test_a_flipped_bit_is_refused_or_changes_nothing(
    kind: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    refused, same = _flip(kind, saved[kind], tmp_path / saved[kind].name, FLIPS)
    assert refused > FLIPS / 2
    assert refused + same == FLIPS


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("kind", READ)
def test_many_flipped_bits(kind: str, saved: dict[str, Path], tmp_path: Path) -> None:
    refused, same = _flip(kind, saved[kind], tmp_path / saved[kind].name, MANY)
    print(f"{kind}: {MANY} flips, {refused} refused, {same} of no effect")


def _spoil(path: Path, copy: Path, name: str) -> None:
    """Change a value of a dataset without its checksum."""
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "a") as file:
        data = file[name]
        data[(0,) * data.ndim] = 3


@pytest.mark.parametrize(
    ("part", "told"),
    [("object", "/object"), ("history/errors", "/history/errors")],
)
def test_a_damaged_result_says_which_part_and_opens_what_is_whole(
    part: str, told: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "r.h5"
    _spoil(saved["result"], copy, part)
    with pytest.raises(sc.InputError, match=rf"{told}: the checksum does not fit"):
        sc.open_result(copy)
    whole, found = sc.open_result(saved["result"]), sc.open_result(copy, damaged=True)
    assert "opened though it was damaged" in found.history.notes[-1]
    assert np.array_equal(whole.probe, found.probe)
    assert (len(found.history.errors) == 0) == (part != "object")


def test_a_damaged_scan_is_refused_unless_that_is_allowed(
    saved: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "s.cxi"
    _spoil(saved["scan"], copy, "entry_1/instrument_1/detector_1/distance")
    with pytest.raises(sc.InputError, match="the checksum does not fit"):
        sc.open_scan(copy)
    assert len(sc.open_scan(copy, damaged=True)) == 16


def test_what_somebody_adds_is_no_damage(
    saved: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "r.h5"
    copy.write_bytes(saved["result"].read_bytes())
    with h5py.File(copy, "a") as file:
        file["my_notes"] = "looks good"
    assert sc.open_result(copy).epoch == 2


def test_a_file_that_ends_the_process_that_reads_it_is_refused(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "r.h5"
    data = bytearray(saved["result"].read_bytes())
    data[3000] ^= 1
    copy.write_bytes(data)
    crash = subprocess.CompletedProcess([], -11, b"", b"")
    monkeypatch.setattr(hdf5_writing.subprocess, "run", lambda *_, **__: crash)
    with pytest.raises(sc.InputError, match="so damaged that it cannot be looked at"):
        sc.open_result(copy)
    assert sc.open_result(saved["result"]).epoch == 2
