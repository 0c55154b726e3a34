"""Frames in several datasets and files: Dectris masters, and any group of pieces."""

from __future__ import annotations

import h5py
import hdf5plugin
import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.core.stacks import LazyStack
from napari_scicompty.formats import _hdf5, _pieces

N, H, W = 12, 16, 20
GEOMETRY = sc.Geometry(1e-10, 1.0, 75e-6)
_rng = np.random.default_rng(1)
PATTERNS = _rng.poisson(20, (N, H, W)).astype(np.uint32)
GAP = np.zeros((H, W), bool)
GAP[:, 7] = True
FRAMES = np.where(GAP, 2**32 - 1, PATTERNS).astype(np.uint32)
CUTS = (0, 5, 9, N)
YX = np.round(_rng.uniform(0, 30, (N, 2))) * GEOMETRY.pixel_size_m((H, W))
DETECTOR = "entry/instrument/detector/"


def put(file, name, value, units=None):
    file[name] = value
    if units:
        file[name].attrs["units"] = units


def write_details(file):
    put(file, DETECTOR + "x_pixel_size", 75e-6, "m")
    put(file, DETECTOR + "y_pixel_size", 75e-6, "m")
    put(file, DETECTOR + "detector_distance", 1000.0, "mm")
    put(file, DETECTOR + "beam_center_x", 9.5, "pixel")
    put(file, DETECTOR + "beam_center_y", 8.0, "pixel")
    put(file, DETECTOR + "detectorSpecific/pixel_mask", GAP.astype("u4"))
    put(file, DETECTOR + "detectorSpecific/countrate_correction_count_cutoff", 5000)
    put(file, "entry/instrument/beam/incident_wavelength", 1.0, "angstrom")


def write_master(folder, links=4, bitshuffle=True):
    """As the detector's computer writes it; the last link was never filled."""
    packed = hdf5plugin.Bitshuffle() if bitshuffle else {}
    for k in range(3):
        with h5py.File(folder / f"s_data_{k + 1:06d}.h5", "w") as file:
            frames = FRAMES[CUTS[k] : CUTS[k + 1]]
            chunks = (1, H, W) if bitshuffle else None
            file.create_dataset("entry/data/data", data=frames, chunks=chunks, **packed)
    with h5py.File(folder / "s_master.h5", "w") as file:
        for k in range(links):
            name = f"s_data_{k + 1:06d}.h5"
            link = h5py.ExternalLink(name, "entry/data/data")
            file[f"entry/data/data_{k + 1:06d}"] = link
        write_details(file)
    np.savetxt(folder / "p.txt", YX[:, ::-1])
    return folder / "s_master.h5"


@pytest.mark.parametrize("bitshuffle", [True, False])
def test_all_files_are_joined_and_a_dangling_link_is_named(bitshuffle, tmp_path):
    scan = sc.open_scan(write_master(tmp_path, 4, bitshuffle), tmp_path / "p.txt")
    assert np.array_equal(scan.patterns, FRAMES)
    assert np.array_equal(scan.good, ~GAP)
    assert scan.geometry.wavelength_m == pytest.approx(1e-10)
    assert scan.geometry.distance_m == pytest.approx(1)
    assert scan.geometry.detector_pixel_m == pytest.approx((75e-6, 75e-6))
    for says in (
        "3 datasets joined in their order (5+4+3 patterns)",
        "s_data_000004.h5, which is not there",
        "choose center=(8, 9.5)",
        "counts above 5000 are not valid",
        "not zero = bad",
    ):
        assert any(says in line for line in scan.report), says
    assert len(scan.source.files) > 4


def test_what_is_larger_than_memory_is_read_as_needed(tmp_path, monkeypatch):
    for module in (_hdf5, _pieces):
        monkeypatch.setattr(module, "room_for_a_stack", lambda: 1000)
    scan = sc.open_scan(write_master(tmp_path), tmp_path / "p.txt")
    assert isinstance(scan.patterns, LazyStack)
    assert np.array_equal(scan.patterns[[11, 0, 6, 5, 4]], FRAMES[[11, 0, 6, 5, 4]])


def test_counts_above_the_cutoff_are_masked(tmp_path):
    path = write_master(tmp_path)
    with h5py.File(path, "a") as file:
        file[DETECTOR + "detectorSpecific/countrate_correction_count_cutoff"][...] = 38
    expected = ~(GAP | (PATTERNS > 38).any(0))
    assert expected.sum() < (~GAP).sum(), "some pixels are above"
    scan = sc.open_scan(path, tmp_path / "p.txt")
    assert np.array_equal(scan.good, expected)
    chosen = sc.open_scan(path, tmp_path / "p.txt", saturation=2**31)
    assert np.array_equal(chosen.good, ~GAP), "a choice goes before the file"


def test_one_file_with_the_same_tree(tmp_path):
    with h5py.File(tmp_path / "one.nxs", "w") as file:
        file["entry/data/data"] = FRAMES.reshape(3, 4, H, W)
        write_details(file)
        del file["entry/instrument/beam/incident_wavelength"]
        put(file, DETECTOR + "detectorSpecific/photon_energy", 12398.42, "eV")
    scan = sc.open_scan(tmp_path / "one.nxs", scan_step_m=1e-6)
    assert np.array_equal(scan.patterns, FRAMES)
    assert scan.geometry.energy_ev == pytest.approx(12398.42)


def test_electrons_are_asked_for(tmp_path):
    path = write_master(tmp_path)
    with h5py.File(path, "a") as file:
        del file["entry/instrument/beam/incident_wavelength"]
        put(file, DETECTOR + "detectorSpecific/photon_energy", 3e5, "eV")
    scan = sc.open_scan(path, tmp_path / "p.txt")
    assert "electrons" in {finding.code for finding in scan.findings}
    scan = sc.open_scan(path, tmp_path / "p.txt", voltage_v=3e5)
    assert scan.geometry.wavelength_m == pytest.approx(1.9687e-12, 1e-4)


def test_what_a_master_says_and_is_not_used_is_told(tmp_path):
    path = write_master(tmp_path)
    with h5py.File(path, "a") as file:
        file[DETECTOR + "detector_distance"][...] = 0
        file["entry/instrument/beam/incident_wavelength"].attrs["units"] = "furlong"
    with pytest.raises(sc.InputError) as caught:
        sc.open_scan(path, tmp_path / "p.txt")
    text = str(caught.value)
    assert "lacks wavelength_m (or energy_ev, voltage_v), distance_m" in text
    assert "incident_wavelength = 1 furlong is in a unit that does not fit" in text
    assert "detector_distance = 0 mm means nothing" in text
    assert "\n" not in text and len(text) < 500
    scan = sc.open_scan(path, tmp_path / "p.txt", energy_ev=1e4, distance_m=1)
    assert any("furlong" in line for line in scan.report)


def test_a_master_without_its_files_says_so(tmp_path):
    path = write_master(tmp_path)
    for file in tmp_path.glob("s_data*"):
        file.unlink()
    with pytest.raises(sc.InputError, match=r"links to is there.*s_data_000001\.h5"):
        sc.open_scan(path, tmp_path / "p.txt", GEOMETRY)


def write_pieces(path):
    with h5py.File(path, "w") as file:
        for k in range(3):
            file[f"frames/part_{k + 9}"] = PATTERNS[CUTS[k] : CUTS[k + 1]]
        file["xy"] = YX[:, ::-1]
        file["dark"] = np.zeros((4, H, W), "u4")
    return path


def test_pieces_of_a_group_are_joined_in_the_order_of_their_numbers(tmp_path):
    path = write_pieces(tmp_path / "a.h5")
    keys = {"positions_key": "xy"}
    with pytest.raises(sc.InputError, match="choose which dataset holds the patterns"):
        sc.open_scan(path, None, GEOMETRY, **keys)
    scan = sc.open_scan(path, None, GEOMETRY, data_key="frames", **keys)
    assert np.array_equal(scan.patterns, PATTERNS), "9, 10, 11"
    with h5py.File(path, "a") as file:
        del file["dark"]
    scan = sc.open_scan(path, None, GEOMETRY, **keys)
    assert np.array_equal(scan.patterns, PATTERNS)
    one = sc.open_scan(path, None, GEOMETRY, data_key="frames/part_9", scan_step_m=1e-6,
                       scan_rows=1)  # fmt: skip
    assert np.array_equal(one.patterns, PATTERNS[:5])


def test_a_frame_a_dataset(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for j, frame in enumerate(PATTERNS):
            file[f"frames/{j}"] = frame
        file["xy"] = YX[:, ::-1]
    scan = sc.open_scan(
        tmp_path / "a.h5", None, GEOMETRY, data_key="frames", positions_key="xy"
    )
    assert np.array_equal(scan.patterns, PATTERNS)


def test_pieces_that_differ_are_refused(tmp_path):
    path = write_pieces(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["frames/part_12"] = np.zeros((2, H, W + 1), "u4")
    with pytest.raises(sc.InputError, match="part_12 holds frames of"):
        sc.open_scan(path, None, GEOMETRY, data_key="frames", positions_key="xy")
