"""Files of other ptychography packages, in the layouts that those write."""

from __future__ import annotations

from itertools import pairwise

import h5py
import numpy as np
import pytest
from scipy import io

import napari_scicompty as sc
from napari_scicompty.formats import FORMATS, MissingChoice

ROWS, COLUMNS, H, W = 3, 4, 16, 20
N = ROWS * COLUMNS
GEOMETRY = sc.Geometry.from_energy(9000.0, 2.0, (50e-6, 60e-6))
PIXEL = np.array(GEOMETRY.pixel_size_m((H, W)))
_rng = np.random.default_rng(1)
PATTERNS = _rng.poisson(20, (N, H, W)).astype(np.uint16)
YX = np.round(_rng.uniform(0, 30, (N, 2))) * PIXEL
GOOD = _rng.random((H, W)) > 0.1


def same_geometry(scan):
    assert scan.geometry.wavelength_m == pytest.approx(GEOMETRY.wavelength_m)
    assert scan.geometry.distance_m == pytest.approx(2.0)
    assert scan.geometry.detector_pixel_m == pytest.approx((50e-6, 60e-6))


def put(file, name, value, units=None):
    file[name] = value
    if units:
        file[name].attrs["units"] = units


# -- PtyPy --
def write_ptyd(path, cuts=(0, 5, N), **meta):
    """Chunks as its preparation writes them; None stands as a zero with a type."""
    held = {"energy": 9.0, "distance": 2.0, "psize": [50e-6, 60e-6]} | meta
    with h5py.File(path, "w") as file:
        for name, value in held.items():
            file[f"meta/{name}"] = value
        for k, (a, b) in enumerate(pairwise(cuts)):
            chunk = file.create_group(f"chunks/{k}")
            chunk["data"], chunk["indices"] = PATTERNS[a:b], np.arange(a, b)
            chunk["positions"] = YX[a:b]
            weights = np.broadcast_to(GOOD, (b - a, H, W)).astype(float)
            chunk["weights"] = weights
    return path


@pytest.mark.parametrize("cuts", [(0, N), (0, 5, N), tuple(range(N + 1))])
def test_ptyd_comes_back(cuts, tmp_path):
    scan = sc.open_scan(write_ptyd(tmp_path / "a.ptyd", cuts))
    assert np.array_equal(scan.patterns, PATTERNS)
    assert np.array_equal(scan.positions_m, YX)
    assert np.array_equal(scan.good, GOOD)
    same_geometry(scan)
    assert any("9 keV (unit of this format)" in line for line in scan.report)


def test_ptyd_without_an_energy_says_what_it_found(tmp_path):
    path = write_ptyd(tmp_path / "a.h5", energy=np.zeros(1))
    with pytest.raises(sc.InputError, match="/meta/energy = 0 means nothing"):
        sc.open_scan(path)
    same_geometry(sc.open_scan(path, energy_ev=9000))


# -- PtyLab --
def write_ptylab(path, **more):
    held = {
        "ptychogram": PATTERNS.astype(np.float32),
        "encoder": YX,
        "wavelength": [[GEOMETRY.wavelength_m]],
        "dxd": 50e-6,
        "zo": [[2.0]],
        "entrancePupilDiameter": 3e-6,
    } | more
    with h5py.File(path, "w") as file:
        for name, value in held.items():
            file[name] = value
    return path


@pytest.mark.parametrize("turned", [False, True])
def test_ptylab_comes_back(turned, tmp_path):
    encoder = YX.T if turned else YX
    scan = sc.open_scan(write_ptylab(tmp_path / "a.hdf5", encoder=encoder))
    assert np.array_equal(scan.patterns, PATTERNS)
    assert np.allclose(scan.positions_m, YX)
    assert scan.geometry.wavelength_m == pytest.approx(GEOMETRY.wavelength_m)
    assert scan.geometry.distance_m == pytest.approx(2.0)
    assert scan.geometry.detector_pixel_m == pytest.approx((50e-6, 50e-6))
    assert any("1.5e-06 m radius" in line for line in scan.report)


def test_ptylab_orientation_is_told(tmp_path):
    scan = sc.open_scan(write_ptylab(tmp_path / "a.hdf5", orientation=5))
    assert (
        "orientation 5 of the file is not applied; choose flip_columns, transpose"
        in scan.report
    )


# -- NPZ and MATLAB --
STEP = {"scan_rows": ROWS, "scan_step_m": 1e-6}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_ptychodus_patterns_come_back(save, tmp_path):
    save(tmp_path / "a.npz", patterns=PATTERNS, indexes=np.arange(N), bad_pixels=~GOOD)
    scan = sc.open_scan(tmp_path / "a.npz", None, GEOMETRY, **STEP)
    assert np.array_equal(scan.patterns, PATTERNS)
    assert np.array_equal(scan.good, GOOD)
    np.savez(tmp_path / "m.npz", GOOD)
    again = sc.open_scan(
        tmp_path / "a.npz", None, GEOMETRY, **STEP, mask=tmp_path / "m.npz"
    )
    assert np.array_equal(again.good, GOOD)


def test_arrays_of_an_archive_are_named(tmp_path):
    stacks = {"one": PATTERNS, "two": PATTERNS + 1, "xy": YX[:, ::-1], "label": "text"}
    np.savez(tmp_path / "a.npz", **stacks)
    keys = {"data_key": "two", "positions_key": "xy"}
    with pytest.raises(MissingChoice, match="data_key='one' or 'two'"):
        sc.open_scan(tmp_path / "a.npz", None, GEOMETRY)
    with pytest.raises(MissingChoice, match="give positions_key='xy'"):
        sc.open_scan(tmp_path / "a.npz", None, GEOMETRY, data_key="two")
    scan = sc.open_scan(tmp_path / "a.npz", None, GEOMETRY, **keys)
    assert np.array_equal(scan.patterns, PATTERNS + 1)
    assert np.allclose(scan.positions_m, YX)


MATLAB = {
    "as MATLAB counts": np.moveaxis(PATTERNS, 0, -1),
    "a grid": PATTERNS.reshape(ROWS, COLUMNS, H, W).transpose(2, 3, 1, 0),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", MATLAB)
def test_matlab_before_7_3_comes_back(case, packed, tmp_path):
    held = {"dp": MATLAB[case], "positions": YX[:, ::-1], "note": "text", "z": 1.5 + 1j}
    io.savemat(tmp_path / "a.mat", held, do_compression=packed)
    keys = {"positions_key": "positions"}
    scan = sc.open_scan(tmp_path / "a.mat", None, GEOMETRY, **keys)
    assert np.array_equal(scan.patterns, PATTERNS)
    assert np.allclose(scan.positions_m, YX)
    assert any("along the last, as in MATLAB" in line for line in scan.report)


def test_square_frames_tell_where_python_counted(tmp_path):
    square = PATTERNS[:, :, :H]
    io.savemat(tmp_path / "a.mat", {"dp": square})
    scan = sc.open_scan(tmp_path / "a.mat", None, GEOMETRY, **STEP)
    assert np.array_equal(scan.patterns, square)


BAD = {
    "a text": ({"note": "text"}, {}, "no array of three or four axes"),
    "not there": ({"a": PATTERNS}, {"data_key": "b"}, "'b' is not in it; its arrays"),
    "a key of HDF5": ({"a": PATTERNS}, {"x_key": "b"}, "x_key names a dataset of an"),
    "no pairs": (
        {"a": PATTERNS, "b": np.ones(N)},
        {"positions_key": "b"},
        r"has shape \(12,\)",
    ),
    "a mask of others": (
        {"a": PATTERNS, "mask": np.ones((3, 3))},
        {},
        "'mask' has shape",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_archives_that_do_not_fit_are_refused(case, tmp_path):
    held, choices, says = BAD[case]
    np.savez(tmp_path / "a.npz", **held)
    with pytest.raises(sc.InputError, match=says) as caught:
        sc.open_scan(tmp_path / "a.npz", None, GEOMETRY, **choices)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_matlab_stores_whole_numbers_smaller_than_they_are(tmp_path):
    """Doubles stored as bytes, in the order of another machine."""
    frames = np.arange(512).reshape(8, 8, 8) % 200

    def element(kind, content):
        head = np.array([kind, len(content)], ">u4").tobytes()
        return head + content + bytes(-len(content) % 8)

    flags = element(6, np.array([6, 0], ">u4").tobytes())
    sides = element(5, np.array(frames.shape, ">i4").tobytes())
    numbers = element(2, frames.astype("u1").tobytes(order="F"))
    matrix = element(14, flags + sides + element(1, b"dp") + numbers)
    start = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    (tmp_path / "a.mat").write_bytes(start + matrix)
    step = {"scan_rows": 2, "scan_step_m": 1e-6}
    scan = sc.open_scan(tmp_path / "a.mat", None, GEOMETRY, **step)
    assert scan.patterns.dtype == np.float64
    assert np.array_equal(scan.patterns, np.moveaxis(frames, -1, 0))
    (tmp_path / "a.mat").write_bytes((start + matrix)[:-100])
    with pytest.raises(sc.InputError, match="cannot be read as a MATLAB file"):
        sc.open_scan(tmp_path / "a.mat", None, GEOMETRY, **step)


def test_an_archive_of_objects_is_never_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", patterns=np.array([{}]))
    with pytest.raises(sc.InputError, match="no diffraction patterns"):
        sc.open_scan(tmp_path / "a.npz", None, GEOMETRY)


# -- NXcxi_ptycho --
def write_nexus(
    path, energy=(9000.0, "eV"), source=(3.0, "GeV"), axes=None, grid=False
):
    """As a beamline writes it: the ring's energy in the source, mm and um."""
    frames = PATTERNS.reshape(ROWS, COLUMNS, H, W) if grid else PATTERNS
    with h5py.File(path, "w") as file:
        file["entry_1/definition"] = "NXcxi_ptycho"
        one = "entry_1/instrument_1/"
        file[one + "detector_1/data"] = frames
        put(file, one + "detector_1/distance", 2000.0, "mm")
        put(file, one + "detector_1/y_pixel_size", 50.0, "micrometers")
        put(file, one + "detector_1/x_pixel_size", 60.0, "um")
        put(file, one + "source_1/energy", *source)
        if energy:
            put(file, one + "beam_1/incident_beam_energy", *energy)
        for name, value in (axes or {}).items():
            put(file, name, *value)
    return path


AXES = {
    "data_1": {
        "entry_1/data_1/x": (YX[:, 1].reshape(N, 1, 1) * 1e3, "mm"),
        "entry_1/data_1/y": (YX[:, 0].reshape(N, 1, 1) * 1e3, "mm"),
    },
    "transformations": {
        "entry_1/sample_1/transformations/x": (YX[:, 1] * 1e6, "micrometers"),
        "entry_1/sample_1/transformations/y": (YX[:, 0] * 1e6, "micrometers"),
    },
    "no unit": {
        "entry_1/data_1/x": (YX[:, 1], None),
        "entry_1/data_1/y": (YX[:, 0], None),
    },
}


@pytest.mark.parametrize("place", AXES)
def test_x_and_y_apart_come_back(place, tmp_path):
    scan = sc.open_scan(write_nexus(tmp_path / "a.nxs", axes=AXES[place]))
    assert np.array_equal(scan.patterns, PATTERNS)
    assert np.allclose(scan.positions_m, YX), "the motion of the sample, as translation"
    same_geometry(scan)
    told = any("no unit, metres assumed" in line for line in scan.report)
    assert told == (place == "no unit")


def test_x_of_the_columns_and_y_of_the_rows(tmp_path):
    x, y = np.arange(COLUMNS) * 1e-6, np.arange(ROWS) * 2e-6
    axes = {"entry_1/data_1/x": (x, "m"), "entry_1/data_1/y": (y, "m")}
    scan = sc.open_scan(write_nexus(tmp_path / "a.nxs", axes=axes, grid=True))
    expected = np.stack(np.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    assert np.allclose(scan.positions_m, expected)


def test_an_energy_without_a_unit_is_told(tmp_path):
    path = write_nexus(tmp_path / "a.nxs", (9000.0, None), axes=AXES["data_1"])
    with pytest.raises(sc.InputError) as caught:
        sc.open_scan(path)
    text = str(caught.value)
    assert "incident_beam_energy = 9000 without a unit gives a wavelength of" in text
    assert "choose energy_ev" in text
    same_geometry(sc.open_scan(path, energy_ev=9000))


@pytest.mark.parametrize("unit", ["GeV", "furlong", "eV"])
def test_the_energy_of_the_ring_does_no_harm(unit, tmp_path):
    source = (3e9 if unit == "eV" else 3.0, unit)
    path = write_nexus(tmp_path / "a.nxs", None, source, AXES["data_1"])
    with pytest.raises(sc.InputError, match=r"source_1/energy .*not used"):
        sc.open_scan(path)
    same_geometry(sc.open_scan(path, energy_ev=9000))
    with_beam = write_nexus(tmp_path / "b.nxs", (9.0, "keV"), source, AXES["data_1"])
    same_geometry(sc.open_scan(with_beam))


# -- which reader takes a file --
def test_each_layout_is_recognised_by_one_reader_alone(tmp_path):
    files = {
        "ptyd": write_ptyd(tmp_path / "ptyd.h5"),
        "ptylab": write_ptylab(tmp_path / "ptylab.h5"),
        "cxi": write_nexus(tmp_path / "cxi.h5", axes=AXES["data_1"]),
    }
    for name, path in files.items():
        kinds = {n: f.reader for n, f in FORMATS.items() if ".h5" in f.suffixes}
        takers = [
            n
            for n, r in kinds.items()
            if hasattr(r, "recognises") and r.recognises(path)
        ]
        assert takers == [name]
