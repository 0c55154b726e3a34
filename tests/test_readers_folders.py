"""Folders of frames, and kinds of files that need a package of their own."""

from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.core.stacks import LazyStack
from napari_scicompty.formats import folder

N, H, W = 12, 16, 20
GEOMETRY = sc.Geometry(1e-10, 1.0, 50e-6)
PATTERNS = np.random.default_rng(1).poisson(20, (N, H, W)).astype(np.uint16)
EXTRA = "needs the extra 'formats', which ./check installs"
STEP = {"scan_rows": 3, "scan_step_m": 1e-6}


def write_npy(path):
    for j, frame in enumerate(PATTERNS):
        np.save(path / f"frame_{j}.npy", frame)


def write_pairs(path):
    for j in range(0, N, 2):
        np.save(path / f"frames_{j}.npy", PATTERNS[j : j + 2])


def write_hdf5(path):
    for j, frame in enumerate(PATTERNS):
        with h5py.File(path / f"f{j}.h5", "w") as file:
            file["entry/frame"], file["dark"] = frame[None], np.zeros((1, H, W))


FOLDERS = {
    "a frame a file": (write_npy, {}),
    "two frames a file": (write_pairs, {}),
    "HDF5": (write_hdf5, {"data_key": "entry/frame"}),
}


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_is_read_in_natural_order(case, memory, tmp_path, monkeypatch):
    write, keys = FOLDERS[case]
    write(tmp_path)
    (tmp_path / "notes.txt").write_text("no pattern")
    (tmp_path / "one.mib").write_bytes(b"of another kind")
    if not memory:
        monkeypatch.setattr(folder, "room_for_a_stack", lambda: 3000)
    scan = sc.open_scan(tmp_path, None, GEOMETRY, **STEP, **keys)
    assert isinstance(scan.patterns, LazyStack) != memory
    assert np.array_equal(np.asarray(scan.patterns), PATTERNS)
    assert np.array_equal(scan.patterns[[11, 0, 5]], PATTERNS[[11, 0, 5]])


def test_frames_that_differ_are_refused(tmp_path):
    write_npy(tmp_path)
    np.save(tmp_path / "frame_7.npy", PATTERNS[7, 1:])
    with pytest.raises(sc.InputError, match=r"frame_7\.npy: holds frames of \(15, "):
        sc.open_scan(tmp_path, None, GEOMETRY, **STEP)


@pytest.mark.parametrize(
    ("package", "name"), [("fabio", "a.cbf"), ("rsciio", "a.blo"), ("rsciio", "a.dm4")]
)
def test_the_package_that_is_missing_is_named(package, name, tmp_path, monkeypatch):
    (tmp_path / name).write_bytes(b"x" * 99)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(sc.InputError, match=r"install napari-scicompty\[formats\]"):
        sc.open_scan(tmp_path / name, None, GEOMETRY, **STEP)


def test_cbf_frames_come_back(tmp_path):
    fabio = pytest.importorskip("fabio", reason=EXTRA)
    for j, frame in enumerate(PATTERNS):
        image = fabio.cbfimage.CbfImage(data=frame.astype(np.int32))
        image.write(str(tmp_path / f"frame_{j:05d}.cbf"))
    scan = sc.open_scan(tmp_path, None, GEOMETRY, **STEP)
    assert np.array_equal(scan.patterns, PATTERNS)
    (tmp_path / "bad.cbf").write_bytes(b"no frame")
    with pytest.raises(sc.InputError, match="cannot be read as a CBF"):
        sc.open_scan(tmp_path / "bad.cbf", None, GEOMETRY)


def test_a_block_file_comes_back(tmp_path):
    pytest.importorskip("rsciio", reason=EXTRA)
    from rsciio.blockfile import file_writer

    grid = PATTERNS.astype("u1").reshape(3, 4, H, W)[..., :H]
    names = ("y", "x", "dy", "dx")
    axes = [
        {
            "name": name,
            "size": grid.shape[j],
            "scale": 0.4 if j < 2 else 1.0,
            "offset": 0.0,
            "units": "nm" if j < 2 else "cm",
            "navigate": j < 2,
            "index_in_array": j,
        }
        for j, name in enumerate(names)
    ]
    signal = {"data": grid, "axes": axes, "metadata": {}, "original_metadata": {}}
    signal["attributes"] = {"_lazy": False}
    file_writer(str(tmp_path / "a.blo"), signal)
    scan = sc.open_scan(
        tmp_path / "a.blo", voltage_v=3e5, detector_pixel_mrad=0.4, scan_step_m=4e-10
    )
    assert np.array_equal(scan.patterns, grid.reshape(N, H, H))
    assert "by rosettasciio" in scan.report[0]
