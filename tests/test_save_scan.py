"""A scan that was saved comes back as it was, with its truth."""

from __future__ import annotations

import dataclasses

import h5py
import numpy as np
import pytest
from scipy import constants

import napari_scicompty as sc
from napari_scicompty.data.scan import Source

H, W = 16, 20
FAR = sc.Geometry(1.2345678901234567e-10, 1.1, (50e-6, 60e-6))
GEOMETRIES = {
    "far field": FAR,
    "cone beam": FAR.replace(focus_sample_m=3.65e-3),
    "near field": FAR.replace(propagation="near-field", focus_sample_m=3.65e-3),
    "parallel": FAR.replace(propagation="near-field"),
}


def scan_of(geometry=FAR, dtype="u2", **more):
    rng = np.random.default_rng(0)
    patterns = rng.poisson(20, (12, H, W)).astype(dtype)
    positions = rng.normal(0, 10, (12, 2)) * geometry.pixel_size_m((H, W))
    return sc.Scan(patterns, positions, geometry, **more)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_geometry_comes_back(name, tmp_path):
    scan = scan_of(GEOMETRIES[name])
    sc.save_scan(tmp_path / "a.cxi", scan)
    again = sc.open_scan(tmp_path / "a.cxi")
    assert again.geometry == scan.geometry
    assert np.array_equal(again.positions_m, scan.positions_m)
    assert again.mask is None and again.excluded == ()
    assert not any("assumed" in line for line in again.report if "far field" in line)


@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "f4", "f8"])
def test_every_dtype_comes_back(dtype, tmp_path):
    mask = np.random.default_rng(1).random((H, W)) > 0.1
    report, source = ("made by hand",), Source("before.tif", "0" * 64)
    scan = scan_of(
        dtype=dtype, mask=mask, excluded=(3, 5), report=report, source=source
    )
    sc.save_scan(tmp_path / "a.h5", scan)
    again = sc.open_scan(tmp_path / "a.h5")
    assert again.patterns.dtype == scan.patterns.dtype
    assert np.array_equal(again.patterns, scan.patterns)
    assert np.array_equal(again.mask, mask)
    assert again.excluded == (3, 5) and again.report[0] == "made by hand"


def test_others_find_what_cxi_promises(tmp_path):
    scan = scan_of(mask=np.arange(H * W).reshape(H, W) != 7)
    sc.save_scan(tmp_path / "a.cxi", scan)
    with h5py.File(tmp_path / "a.cxi") as file:
        detector = file["entry_1/instrument_1/detector_1"]
        source = file["entry_1/instrument_1/source_1"]
        motion = file["entry_1/data_1/translation"][()]
        assert file["entry_1/data_1/data"].compression == "gzip"
        assert (detector["y_pixel_size"][()], detector["x_pixel_size"][()]) == (
            50e-6,
            60e-6,
        )
        assert detector["mask"][0, 7] == 1 and detector["mask"][()].sum() == 1
        assert np.array_equal(motion[:, :2], scan.positions_m[:, ::-1])
        energy = constants.h * constants.c / source["wavelength"][()]
        assert source["energy"][()] == pytest.approx(energy)
        assert source["wavelength"][()] == scan.geometry.wavelength_m


def test_the_truth_comes_back(tmp_path):
    scan, truth = sc.simulate(sc.VirtualExperiment(modes=2))
    sc.save_scan(tmp_path / "a.cxi", scan, truth)
    assert np.array_equal(sc.open_scan(tmp_path / "a.cxi").patterns, scan.patterns)
    again = sc.open_truth(tmp_path / "a.cxi")
    for field in dataclasses.fields(truth):
        before, after = getattr(truth, field.name), getattr(again, field.name)
        if isinstance(before, np.ndarray):
            assert after.dtype == before.dtype and np.array_equal(after, before)
        else:
            assert after == before and type(after) is type(before), field.name


def test_what_cannot_be_saved_or_read_is_said(tmp_path):
    scan = scan_of()
    with pytest.raises(sc.InputError, match=r"end the name of a scan with \.cxi"):
        sc.save_scan(tmp_path / "a.txt", scan)
    with pytest.raises(sc.InputError, match="choose a folder"):
        sc.save_scan(tmp_path / "none" / "a.cxi", scan)
    assert not list(tmp_path.glob("*.*"))
    sc.save_scan(tmp_path / "a.cxi", scan)
    with pytest.raises(sc.InputError, match="holds no truth"):
        sc.open_truth(tmp_path / "a.cxi")
    with pytest.raises(sc.InputError, match="no such file"):
        sc.open_truth(tmp_path / "b.cxi")
    with h5py.File(tmp_path / "a.cxi", "a") as file:
        file["napari_scicompty/truth/lens"] = np.ones((2, 2))
    with pytest.raises(sc.InputError, match="of another version"):
        sc.open_truth(tmp_path / "a.cxi")
