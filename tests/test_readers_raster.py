"""Scans without a positions file, and the patterns of a file that are used."""

from __future__ import annotations

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tifffile

import napari_scicompty as sc
from napari_scicompty.formats import MissingChoice

ROWS, COLUMNS, H, W = 3, 4, 16, 20
N = ROWS * COLUMNS
GEOMETRY = sc.Geometry(1e-10, 1.0, 50e-6)
PIXEL = np.array(GEOMETRY.pixel_size_m((H, W)))
STEP = 7 * PIXEL
RASTER = (np.indices((ROWS, COLUMNS)).reshape(2, N).T - [1, 1.5]) * STEP


@pytest.fixture(scope="module")
def truth() -> SimpleNamespace:
    rng = np.random.default_rng(1)
    return SimpleNamespace(
        patterns=rng.poisson(20, (N, H, W)).astype(np.uint16),
        yx=np.round(rng.uniform(0, 30, (N, 2))) * PIXEL,
    )


def write_hdf5(path, array):
    with h5py.File(path, "w") as file:
        file["datacube"] = array


def write_cxi(path, array):
    with h5py.File(path, "w") as file:
        file["entry_1/data_1/data"] = array


WRITERS = {
    "a.npy": np.save,
    "a.h5": write_hdf5,
    "a.cxi": write_cxi,
    "a.tif": lambda p, a: tifffile.imwrite(p, a, photometric="minisblack"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_four_axes_need_only_the_step(name, tmp_path, truth):
    WRITERS[name](tmp_path / name, truth.patterns.reshape(ROWS, COLUMNS, H, W))
    scan = sc.open_scan(tmp_path / name, None, GEOMETRY, scan_step_m=tuple(STEP))
    assert np.array_equal(scan.patterns, truth.patterns)
    assert np.allclose(scan.positions_m, RASTER, rtol=1e-12, atol=0)
    assert any("raster of 3 x 4 positions" in line for line in scan.report)


@pytest.mark.parametrize(
    "grid",
    [
        {"scan_rows": ROWS, "scan_columns": COLUMNS},
        {"scan_rows": ROWS},
        {"scan_columns": COLUMNS},
    ],
)
def test_three_axes_need_rows_or_columns_too(grid, tmp_path, truth):
    np.save(tmp_path / "a.npy", truth.patterns)
    step = {"scan_step_m": float(STEP[0])}
    scan = sc.open_scan(tmp_path / "a.npy", None, GEOMETRY, **step, **grid)
    assert np.allclose(scan.positions_m, RASTER * [1, STEP[0] / STEP[1]], rtol=1e-12)
    turned = sc.open_scan(
        tmp_path / "a.npy", None, GEOMETRY, flip_x=True, **step, **grid
    )
    assert np.array_equal(turned.positions_m, scan.positions_m * [1, -1])


def test_the_frames_of_the_way_back_go(tmp_path, truth):
    """A detector that also counts while the beam returns has one column more."""
    grid = truth.patterns.reshape(ROWS, COLUMNS, H, W)
    wide = np.concatenate([grid, grid[:, :1]], 1)
    np.save(tmp_path / "a.npy", wide)
    kept = np.arange(ROWS * (COLUMNS + 1)).reshape(ROWS, -1)[:, :-1].ravel()
    scan = sc.open_scan(
        tmp_path / "a.npy", None, GEOMETRY, scan_step_m=tuple(STEP),
        scan_rows=ROWS, scan_columns=COLUMNS, use_frames=kept.tolist(),
    )  # fmt: skip
    assert np.array_equal(scan.patterns, truth.patterns)
    assert np.allclose(scan.positions_m, RASTER, rtol=1e-12, atol=0)


def test_the_error_says_how_a_raster_is_described(tmp_path, truth):
    np.save(tmp_path / "3.npy", truth.patterns)
    np.save(tmp_path / "4.npy", truth.patterns.reshape(ROWS, COLUMNS, H, W))
    for name, says in (
        ("3.npy", "or scan_rows, scan_columns and scan_step_m of a raster"),
        ("4.npy", "or scan_step_m of its raster of 3 x 4"),
    ):
        with pytest.raises(MissingChoice, match=says):
            sc.open_scan(tmp_path / name, None, GEOMETRY)


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ({"scan_rows": 3, "scan_columns": 4}, "a raster needs scan_step_m"),
        ({"scan_step_m": 1e-7}, "also give scan_rows and scan_columns"),
        ({"scan_step_m": 1e-7, "scan_rows": 5}, "12 patterns are no multiple of it"),
        ({"scan_step_m": 1e-7, "scan_rows": 4, "scan_columns": 4}, "16 positions"),
        ({"scan_step_m": 0, "scan_rows": 3}, "scan_step_m is 0"),
        (
            {"scan_step_m": 1e-7, "scan_rows": 3, "position_unit": "um"},
            "position_unit: scan_step_m",
        ),
        ({"use_frames": "0:20:0"}, "a step of 0"),
        ({"use_frames": "one"}, "'one' is no number"),
        ({"use_frames": "12"}, "there is no pattern 12; they are numbered 0 to 11"),
        ({"use_frames": "20:"}, "names no pattern"),
        ({"use_frames": "1:3,2"}, "names pattern 2 twice"),
        ({"use_frames": "1", "use_frames_file": "a.txt"}, "both given"),
        ({"use_frames_file": "no.txt"}, "no.txt: there is no such file"),
    ],
)
def test_what_is_no_raster_and_no_list_is_said(choices, says, tmp_path, truth):
    np.save(tmp_path / "a.npy", truth.patterns)
    np.savetxt(tmp_path / "p.txt", truth.yx[:, ::-1])
    positions = None if any("scan" in name for name in choices) else tmp_path / "p.txt"
    with pytest.raises(sc.InputError, match=says) as caught:
        sc.open_scan(tmp_path / "a.npy", positions, GEOMETRY, **choices)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_positions_of_a_file_go_before_a_raster(tmp_path, truth):
    np.save(tmp_path / "a.npy", truth.patterns)
    np.savetxt(tmp_path / "p.txt", truth.yx[:, ::-1])
    scan = sc.open_scan(
        tmp_path / "a.npy", tmp_path / "p.txt", GEOMETRY, scan_step_m=1e-7, scan_rows=3
    )
    assert np.allclose(scan.positions_m, truth.yx)
    assert "scan_rows, scan_step_m not used: there are positions" in scan.report


# -- frames ---------------------------------------------------------------------------
USED = {
    "range": ("2:10:3", [2, 5, 8]),
    "open range": ("9:", [9, 10, 11]),
    "numbers": ("3,5,7", [3, 5, 7]),
    "both": ("0:2, 11", [0, 1, 11]),
    "a list": ([7, 3], [7, 3]),
    "a number": (4, [4]),
}


@pytest.mark.parametrize("case", USED)
def test_frames_that_are_used_keep_their_positions(case, tmp_path, truth):
    chosen, numbers = USED[case]
    np.save(tmp_path / "a.npy", truth.patterns)
    np.savetxt(tmp_path / "p.txt", truth.yx[:, ::-1])
    scan = sc.open_scan(
        tmp_path / "a.npy", tmp_path / "p.txt", GEOMETRY, use_frames=chosen
    )
    assert np.array_equal(scan.patterns, truth.patterns[numbers])
    assert np.allclose(scan.positions_m, truth.yx[numbers])
    assert f"taken: {len(numbers)} of 12 patterns, as chosen" in scan.report


def test_positions_of_the_used_frames_alone(tmp_path, truth):
    """A fly scan that recorded more frames than positions, at both ends."""
    extra = np.concatenate([truth.patterns[:3], truth.patterns, truth.patterns[:2]])
    np.save(tmp_path / "a.npy", extra)
    np.savetxt(tmp_path / "p.txt", truth.yx[:, ::-1])
    path, positions = tmp_path / "a.npy", tmp_path / "p.txt"
    scan = sc.open_scan(path, positions, GEOMETRY, use_frames="3:15")
    assert np.array_equal(scan.patterns, truth.patterns)
    (tmp_path / "used.txt").write_text("# frames\n3 4 5 6 7, 8\n9\n10 11 12 13 14\n")
    np.save(tmp_path / "used.npy", np.arange(3, 15))
    for name in ("used.txt", "used.npy"):
        again = sc.open_scan(path, positions, GEOMETRY, use_frames_file=tmp_path / name)
        assert np.array_equal(again.patterns, truth.patterns)
        assert str(tmp_path / name) in again.source.files
    (tmp_path / "used.txt").write_text("1.5\n")
    with pytest.raises(sc.InputError, match="not whole"):
        sc.open_scan(path, positions, GEOMETRY, use_frames_file=tmp_path / "used.txt")


def test_numbered_positions_and_used_frames(tmp_path, truth):
    numbers = np.array([1, 4, 6, 9])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["xy"] = truth.patterns, truth.yx[numbers, ::-1]
        file["frame_index"] = numbers
    keys = {"positions_key": "xy", "frame_index_key": "frame_index"}
    scan = sc.open_scan(tmp_path / "a.h5", None, GEOMETRY, use_frames="3:8", **keys)
    assert np.array_equal(scan.patterns, truth.patterns[[4, 6]])
    assert np.allclose(scan.positions_m, truth.yx[[4, 6]])


def test_the_same_frames_are_used_when_a_scan_is_opened_again(tmp_path, truth):
    np.save(tmp_path / "a.npy", truth.patterns)
    choices = {"scan_rows": 3, "scan_step_m": float(STEP[0])}
    scan = sc.open_scan(
        tmp_path / "a.npy", None, GEOMETRY, voltage_v=3e5, use_frames="0:6",
        frames="first", **choices,
    )  # fmt: skip
    opened = dict(scan.source.opened)
    again = sc.open_scan(**opened)
    assert np.array_equal(again.patterns, scan.patterns)
    assert again.geometry == scan.geometry
