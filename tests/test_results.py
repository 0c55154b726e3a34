"""Results: everything comes back, a run continues, bad files get a sentence."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import torch

import napari_scicompty as sc
from napari_scicompty import results
from napari_scicompty.data.snapshot import Change, Snapshot
from napari_scicompty.engine.run import Run
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.results.ome_tiff import save_ome_tiff
from napari_scicompty.workflow.start import DiscProbe, begin

EXPERIMENT = sc.VirtualExperiment(
    modes=2, path={"rows": 3, "columns": 4, "step_px": 5}, detector={"frame": 32}
)


@pytest.fixture(scope="module")
def scan() -> sc.Scan:
    return sc.simulate(EXPERIMENT)[0].exclude([3])


def _run(scan: sc.Scan, start: Snapshot | None = None, epochs: int = 2) -> Run:
    disc = DiscProbe(EXPERIMENT.probe_radius_m)
    first = start or begin(scan, disc, modes=2, seed=4)
    return Run(scan, sc.RPIE(), first, RunSettings(epochs=epochs, seed=4, device="cpu"))


def _full(scan: sc.Scan, *, batches: int = 0) -> Snapshot:
    """A snapshot with something in every field."""
    run = _run(scan)
    run.controls.set("algorithm.alpha_object", 0.25)
    run.advance()
    for _ in range(batches):
        run.step()
    shot = run.snapshot()
    moments = torch.arange(6, dtype=torch.float32).reshape(2, 3) / 7
    state = {
        **shot.state,
        "moments": {"object": moments, "count": 3, "lr": 0.1},
        "noise": np.random.default_rng(0).normal(size=4),
        "generator": np.random.default_rng(1).bit_generator.state,
        "empty": None,
    }
    source = dataclasses.replace(shot.source, path="a/b.tif", sha256="abc")
    history = shot.history.add(notes=["start found: µ"])
    return shot.replace(state=state, source=source, history=history)


def _assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            _assert_same(a[key], b[key])
    elif isinstance(a, np.ndarray | torch.Tensor):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    else:
        assert a == b


@pytest.mark.parametrize("batches", [0, 5])
def test_every_field_comes_back_bit_for_bit(
    scan: sc.Scan, tmp_path: Path, batches: int
) -> None:
    before = _full(scan, batches=batches)
    before = before.replace(settings=before.settings | {"run": {"modes": 2}})
    assert before.history.changes == (
        Change(0, 0, "algorithm.alpha_object", 0.25, 0.5),
    )
    sc.save_result(tmp_path / "r.h5", before)
    after = sc.open_result(tmp_path / "r.h5")
    for field in dataclasses.fields(Snapshot):
        _assert_same(getattr(after, field.name), getattr(before, field.name))


@pytest.mark.parametrize("batches", [0, 5])
def test_a_run_continues_from_the_file_as_from_memory(
    scan: sc.Scan, tmp_path: Path, batches: int
) -> None:
    first = _run(scan)
    first.advance()
    for _ in range(batches):
        first.step()
    shot = first.snapshot()
    sc.save_result(tmp_path / "r.h5", shot)
    ends = []
    for start in (shot, sc.open_result(tmp_path / "r.h5")):
        run = _run(scan, start)
        while not run.done:
            run.advance()
        ends.append(run.snapshot())
    assert ends[0].epoch == 3
    assert ends[0].history.errors == ends[1].history.errors
    _assert_same(ends[1].object, ends[0].object)
    _assert_same(ends[1].probe, ends[0].probe)


def test_anyone_can_read_it_with_h5py(scan: sc.Scan, tmp_path: Path) -> None:
    shot = _full(scan)
    sc.save_result(tmp_path / "r.h5", shot, sc.Recipe(input=EXPERIMENT))
    with h5py.File(tmp_path / "r.h5") as file:
        np.testing.assert_array_equal(file["object"], shot.object)
        assert file["positions_m"].attrs["units"] == "m"
        assert file.attrs["error"] == shot.error
        assert file["geometry"].attrs["wavelength_m"] == EXPERIMENT.wavelength_m
    assert sc.Recipe.load(tmp_path / "r.h5") == sc.Recipe(input=EXPERIMENT)
    made = results.provenance(tmp_path / "r.h5")
    assert made["torch"] == torch.__version__
    assert made["created"].startswith("20")


def _not_hdf5(path: Path) -> None:
    path.write_text("hello")


def _someone_elses(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["object"] = np.ones((4, 4))


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def _gutted(path: Path) -> None:
    with h5py.File(path, "a") as file:
        del file["geometry"]


def _newer(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file.attrs["format_version"] = results.FORMAT_VERSION + 1
        del file["checksums"]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (Path.unlink, "no such file"),
        (_not_hdf5, "damaged or of another kind"),
        (_someone_elses, "not a result of napari-scicompty"),
        (_truncated, "damaged"),
        (_gutted, "damaged"),
        (_newer, "newer"),
    ],
)
def test_a_bad_file_gets_a_sentence(
    scan: sc.Scan, tmp_path: Path, spoil: Any, says: str
) -> None:
    path = tmp_path / "r.h5"
    sc.save_result(path, _run(scan).snapshot())
    assert results.is_result(path)
    spoil(path)
    with pytest.raises(sc.InputError, match=says) as caught:
        sc.open_result(path)
    assert str(path) in str(caught.value)
    assert results.is_result(path) == (spoil in (_gutted, _newer))


def test_a_failing_write_leaves_the_old_file(
    scan: sc.Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.h5"
    shot = _run(scan).snapshot()
    sc.save_result(path, shot)
    old = path.read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(results, "save_state", full_disk)
    with pytest.raises(sc.InputError, match="the disk is full"):
        sc.save_result(path, shot.replace(epoch=7))
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["r.h5"]


def test_a_folder_that_is_missing_gets_a_sentence(
    scan: sc.Scan, tmp_path: Path
) -> None:
    with pytest.raises(sc.InputError, match=r"cannot be written .*choose a folder"):
        sc.save_result(tmp_path / "none" / "r.h5", _run(scan).snapshot())


def test_ome_tiff_keeps_channels_and_pixel_size(scan: sc.Scan, tmp_path: Path) -> None:
    shot = _full(scan)
    path = tmp_path / "r.ome.tif"
    save_ome_tiff(path, shot)
    with tifffile.TiffFile(path) as file:
        data = file.asarray()
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    np.testing.assert_array_equal(data[0], np.angle(shot.object))
    np.testing.assert_array_equal(data[1], np.abs(shot.object))
    assert [c["Name"] for c in pixels["Channel"]] == ["phase", "magnitude"]
    assert (pixels["PhysicalSizeXUnit"], data.dtype) == ("nm", np.float32)
    assert pixels["PhysicalSizeX"] == pytest.approx(shot.pixel_size_m[1] * 1e9)
    with pytest.raises(sc.InputError, match="end the name"):
        save_ome_tiff(tmp_path / "r.png", shot)
