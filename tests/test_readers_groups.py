"""Files of groups: NSLS-II, fold_slice, and the patterns and products of Ptychodus."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.formats import open_positions

N, H, W = 12, 16, 20
GEOMETRY = sc.Geometry.from_energy(9000.0, 2.0, 50e-6)
PIXEL = np.array(GEOMETRY.pixel_size_m((H, W)))
_rng = np.random.default_rng(1)
PATTERNS = _rng.poisson(20, (N, H, W)).astype(np.float32)
YX = np.round(_rng.uniform(0, 30, (N, 2))) * PIXEL
GOOD = _rng.random((H, W)) > 0.1


def write(path, **held):
    with h5py.File(path, "w") as file:
        for name, value in held.items():
            file[name] = value
    return path


# -- NSLS-II --
def write_hxn(path, **more):
    held = {
        "diffamp": np.sqrt(PATTERNS),
        "points": YX[:, ::-1].T * 1e6,
        "lambda_nm": GEOMETRY.wavelength_m * 1e9,
        "z_m": 2.0,
        "ccd_pixel_um": 50.0,
        "angle": 0.0,
    }
    return write(path, **held | more)


def test_amplitudes_of_nsls_are_squared_once(tmp_path):
    path = write_hxn(tmp_path / "a.h5")
    for choices in ({}, {"amplitudes": True}):
        scan = sc.open_scan(path, **choices)
        assert np.allclose(scan.patterns, PATTERNS, rtol=1e-5, atol=0)
        assert np.allclose(scan.positions_m, YX)
        assert scan.geometry.wavelength_m == pytest.approx(GEOMETRY.wavelength_m)
        assert scan.geometry.detector_pixel_m == pytest.approx((50e-6, 50e-6))
        assert scan.geometry.distance_m == pytest.approx(2)
    told = sc.open_scan(path).report
    assert "amplitudes squared: the file holds square roots" in told


def test_its_corner_is_found_and_mended(tmp_path):
    y, x = np.indices((H, W))
    beam = 1e4 * np.exp(-((y - H // 2) ** 2 + (x - W // 2) ** 2) / 8)
    frames = _rng.poisson(beam, (N, H, W)).astype(np.float32)
    corner = np.fft.ifftshift(np.sqrt(frames), axes=(1, 2))
    path = write_hxn(tmp_path / "a.h5", diffamp=corner)
    assert "corner" in {finding.code for finding in sc.open_scan(path).findings}
    scan = sc.open_scan(path, corner=True)
    assert np.allclose(scan.patterns, frames, rtol=1e-5, atol=0)


# -- fold_slice --
def test_fold_slice_takes_the_file_beside(tmp_path):
    path = write(tmp_path / "data_roi0_dp.hdf5", dp=PATTERNS)
    held = {"ppX": -YX[:, 1:], "ppY": -YX[:, :1], "lambda": GEOMETRY.wavelength_m}
    write(tmp_path / "data_roi0_para.hdf5", **held)
    rest = {"distance_m": 2.0, "detector_pixel_m": 50e-6}
    scan = sc.open_scan(path, **rest)
    assert np.array_equal(scan.patterns, PATTERNS)
    assert np.allclose(scan.positions_m, YX)
    assert scan.geometry.wavelength_m == pytest.approx(GEOMETRY.wavelength_m)
    assert str(tmp_path / "data_roi0_para.hdf5") in scan.source.files
    moved = (tmp_path / "data_roi0_para.hdf5").rename(tmp_path / "p.h5")
    with pytest.raises(sc.InputError, match="give positions=FILE"):
        sc.open_scan(path, energy_ev=9000, **rest)
    assert np.allclose(open_positions(moved), YX)


# -- Ptychodus --
def write_product(path, keep=slice(None)):
    numbers = np.arange(N)[keep]
    return write(
        path,
        probe_position_indexes=numbers,
        probe_position_x_m=YX[keep, 1],
        probe_position_y_m=YX[keep, 0],
        probe=np.ones((1, 1, H, W), "c8"),
    )


def test_a_product_numbers_the_patterns(tmp_path):
    keep = np.setdiff1d(np.arange(N), [2, 5, 9])
    np.save(tmp_path / "a.npy", PATTERNS)
    product = write_product(tmp_path / "product.h5", keep)
    scan = sc.open_scan(tmp_path / "a.npy", product, GEOMETRY)
    assert np.array_equal(scan.patterns, PATTERNS[keep])
    assert np.allclose(scan.positions_m, YX[keep])


@pytest.mark.parametrize("kind", ["a.npz", "a.h5"])
def test_patterns_with_numbers_of_their_own_meet_their_positions(kind, tmp_path):
    """Some patterns were not kept, and these came in another order."""
    numbers = np.array([7, 1, 3, 10, 8])
    held = {"patterns": PATTERNS[numbers], "indexes": numbers, "bad_pixels": ~GOOD}
    save = np.savez if kind == "a.npz" else write
    save(tmp_path / kind, **held)
    product = write_product(tmp_path / "p.h5", [1, 7, 10])
    scan = sc.open_scan(tmp_path / kind, product, GEOMETRY)
    assert np.array_equal(scan.patterns, PATTERNS[[1, 7, 10]])
    assert np.allclose(scan.positions_m, YX[[1, 7, 10]])
    assert np.array_equal(scan.good, GOOD)
    used = sc.open_scan(tmp_path / kind, product, GEOMETRY, use_frames="0:3")
    assert np.array_equal(used.patterns, PATTERNS[[1, 7]]), "of 7, 1 and 3"
    other = write_product(tmp_path / "q.h5", [1, 2])
    with pytest.raises(sc.InputError, match="no pattern of number 2"):
        sc.open_scan(tmp_path / kind, other, GEOMETRY)


def test_the_pixel_of_ptychodus_is_taken(tmp_path):
    held = {"indexes": np.arange(N), "bad_pixels": ~GOOD}
    path = write(tmp_path / "a.h5", patterns=PATTERNS, **held)
    with h5py.File(path, "a") as file:
        file["patterns"].attrs["detector_pixel_width_m"] = 50e-6
        file["patterns"].attrs["detector_pixel_height_m"] = 60e-6
    beam = {"energy_ev": 9000, "distance_m": 2.0}
    scan = sc.open_scan(path, write_product(tmp_path / "p.h5"), **beam)
    assert scan.geometry.detector_pixel_m == (60e-6, 50e-6)


def test_positions_of_no_known_program_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", PATTERNS)
    write(tmp_path / "p.h5", probe_position_x_m=YX[:, 1], probe_position_y_m=YX[1:, 0])
    with pytest.raises(sc.InputError, match="holds 12 x and 11 y"):
        sc.open_scan(tmp_path / "a.npy", tmp_path / "p.h5", GEOMETRY)
    write(tmp_path / "p.h5", points=YX)
    with pytest.raises(sc.InputError, match=r"\(2, n\) is needed"):
        sc.open_scan(tmp_path / "a.npy", tmp_path / "p.h5", GEOMETRY)
