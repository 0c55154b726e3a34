"""Plain HDF5: the user names the datasets, and every guess and unit is told."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import napari_scicompty as sc
from napari_scicompty.cli import app
from napari_scicompty.formats import list_datasets

N, H, W = 12, 16, 20
GEOMETRY = sc.Geometry(1e-10, 1.0, (50e-6, 60e-6))
PIXEL = np.array(GEOMETRY.pixel_size_m((H, W)))
POSITIONS = {"positions_key": "scan/xy"}
KEYS = POSITIONS | {
    "wavelength_key": "beam/lambda",
    "distance_key": "beam/distance",
    "detector_pixel_key": "camera/pixel_size",
}


@pytest.fixture(scope="module")
def truth() -> SimpleNamespace:
    rng = np.random.default_rng(1)
    return SimpleNamespace(
        patterns=rng.poisson(20, (N, H, W)).astype(np.uint16),
        yx=np.round(rng.uniform(0, 30, (N, 2))) * PIXEL,
        good=rng.random((H, W)) > 0.1,
    )


@pytest.fixture
def write(tmp_path, truth):
    """Write a file as users have them; a dataset named by `more` is another, or gone.

    A pair is (values, unit).
    """

    def written(name="scan.h5", **more):
        held = {
            "camera__counts": truth.patterns,
            "camera__pixel_size": [50e-6, 60e-6],
            "camera__good": truth.good.astype("u1"),
            "scan__xy": truth.yx[:, ::-1],
            "beam__lambda": np.array([1e-10]),
            "beam__distance": 1.0,
            "note": "made by hand",
        } | more
        with h5py.File(tmp_path / name, "w") as file:
            for key, value in held.items():
                if value is None:
                    continue
                pair = value if isinstance(value, tuple) else (value, None)
                dataset = file.create_dataset(key.replace("__", "/"), data=pair[0])
                if pair[1] is not None:
                    dataset.attrs["units"] = pair[1]
        return tmp_path / name

    return written


def test_what_the_user_names_is_what_is_opened(write, truth):
    scan = sc.open_scan(
        write(), data_key="/camera/counts", mask_key="camera/good", **KEYS
    )
    assert np.array_equal(scan.patterns, truth.patterns)
    assert np.array_equal(scan.positions_m, truth.yx)
    assert np.array_equal(scan.good, truth.good)
    assert scan.geometry == GEOMETRY
    for line in (
        "patterns from /camera/counts, as chosen",
        "wavelength: 1e-10 m (unit assumed), from /beam/lambda",
        "distance: 1 m (unit assumed), from /beam/distance",
        "detector pixel: 5e-05, 6e-05 m (unit assumed)",
        "unit of /scan/xy: none in the file, metres assumed",
        "positions taken as x (column), y (row) in metres",
        "mask from /camera/good, not zero = good",
    ):
        assert any(line in said for said in scan.report), line


def test_the_only_patterns_are_taken_and_it_is_said(write, truth):
    scan = sc.open_scan(write(), geometry=GEOMETRY, **POSITIONS)
    assert np.array_equal(scan.patterns, truth.patterns)
    assert any("the only dataset that can be" in line for line in scan.report)


def test_a_grid_of_patterns_is_unrolled_with_its_positions(write, truth):
    path = write(
        camera__counts=truth.patterns.reshape(3, 4, H, W),
        scan__xy=None,
        x=truth.yx[:, 1].reshape(3, 4),
        y=truth.yx[:, 0].reshape(3, 4),
    )
    scan = sc.open_scan(path, geometry=GEOMETRY, x_key="x", y_key="y")
    assert np.array_equal(scan.patterns, truth.patterns)
    assert np.array_equal(scan.positions_m, truth.yx)


LAYOUTS = {
    "2, n": (lambda p: p.T, {}),
    "n, 3": (lambda p: np.c_[p, 7 * p[:, 0]], {}),
    "rows, columns, 2": (lambda p: p.reshape(3, 4, 2), {}),
    "y, x": (lambda p: p[:, ::-1], {"position_order": "yx"}),
    "pixels": (lambda p: p / PIXEL[::-1], {"position_unit": "px"}),
    "angstrom": (lambda p: p * 1e10, {"position_unit": "angstrom"}),
    "the file's um": (lambda p: (p * 1e6, "um"), {}),
    "the file's micron": (lambda p: (p * 1e6, b"Microns"), {}),
    "the file is wrong": (lambda p: (p * 1e3, "um"), {"position_unit": "mm"}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_positions_of_any_layout_come_back(layout, write, truth):
    change, choices = LAYOUTS[layout]
    path = write(scan__xy=change(truth.yx[:, ::-1]))
    scan = sc.open_scan(path, geometry=GEOMETRY, **POSITIONS, **choices)
    assert np.allclose(scan.positions_m, truth.yx, rtol=1e-12, atol=0)


QUANTITIES = {
    "energy in keV": (
        {"beam__e": 12.398419843320025},
        {"energy_key": "beam/e", "energy_unit": "keV"},
    ),
    "energy, the file's joule": (
        {"beam__e": (1.9864458571489286e-15, "J")},
        {"energy_key": "beam/e"},
    ),
    "energy of each frame": (
        {"beam__e": np.full(N, 12398.419843320025)},
        {"energy_key": "beam/e"},
    ),
    "lengths in other units": (
        {
            "beam__lambda": (1.0, "Å"),
            "beam__distance": 1000.0,
            "camera__pixel_size": ([[50], [60]], "um"),
        },
        {"wavelength_key": "beam/lambda", "distance_unit": "mm"},
    ),
}


@pytest.mark.parametrize("case", QUANTITIES)
def test_geometry_in_any_unit_comes_back(case, write):
    held, choices = QUANTITIES[case]
    keys = {k: v for k, v in KEYS.items() if k != "wavelength_key"}
    scan = sc.open_scan(write(**held), **keys | choices)
    assert scan.geometry.wavelength_m == pytest.approx(1e-10)
    assert scan.geometry.distance_m == pytest.approx(1.0)
    assert scan.geometry.detector_pixel_m == pytest.approx((50e-6, 60e-6))


def test_a_value_given_goes_before_one_named(write):
    scan = sc.open_scan(write(), **KEYS, distance_m=2.0, energy_ev=5e3)
    assert scan.geometry.distance_m == 2
    assert scan.geometry.energy_ev == pytest.approx(5e3)
    assert any("distance_m: 2.0 as given, not 1.0" in line for line in scan.report)


def test_a_mask_may_mark_the_bad_pixels(write, truth):
    bad = np.repeat(~truth.good[None], 3, 0)
    path = write(camera__bad=bad.astype("i4"))
    choices = {"mask_key": "camera/bad", "mask_means": "bad"}
    scan = sc.open_scan(path, geometry=GEOMETRY, **POSITIONS, **choices)
    assert np.array_equal(scan.good, truth.good)
    np.save(path.parent / "bad.npy", ~truth.good)
    image = {"mask": path.parent / "bad.npy", "mask_means": "bad"}
    keys = POSITIONS | {"data_key": "camera/counts"}
    scan = sc.open_scan(path, geometry=GEOMETRY, **keys, **image)
    assert np.array_equal(scan.good, truth.good)


def test_positions_of_a_file_of_their_own_are_named_there(write, truth):
    write("p.h5", camera__counts=None)
    path = write(scan__xy=None)
    own = path.parent / "p.h5"
    scan = sc.open_scan(path, own, GEOMETRY, **POSITIONS)
    assert np.array_equal(scan.positions_m, truth.yx)
    with pytest.raises(sc.InputError, match="positions_key='scan/xy'"):
        sc.open_scan(path, own, GEOMETRY)


def test_matlab_stores_axes_reversed(write, truth):
    swapped = truth.patterns.swapaxes(1, 2)
    path = write("scan.mat", camera__counts=swapped, scan__xy=truth.yx[:, ::-1].T)
    with h5py.File(path, "a") as file:
        file["camera/counts"].attrs["MATLAB_class"] = b"uint16"
    scan = sc.open_scan(path, geometry=GEOMETRY, **POSITIONS)
    assert np.array_equal(scan.patterns, truth.patterns)
    assert any("written by MATLAB" in line for line in scan.report)


def test_the_list_says_what_each_dataset_could_be(write):
    rows = {row.path: row for row in list_datasets(write(beam__lambda=(1e-10, "m")))}
    fits = {path: row.fits for path, row in rows.items() if row.fits}
    assert fits == {
        "camera/counts": ("data_key",),
        "camera/pixel_size": ("detector_pixel_key",),
        "camera/good": ("mask_key",),
        "scan/xy": ("positions_key",),
        "beam/lambda": ("wavelength_key",),
        "beam/distance": ("distance_key",),
    }
    wavelength, note = rows["beam/lambda"], rows["note"]
    assert (wavelength.value, wavelength.units, str(wavelength)) == (
        1e-10,
        "m",
        "1e-10 m",
    )
    assert note.value == "made by hand"
    assert (rows["camera/counts"].shape, str(rows["camera/counts"])) == (
        (N, H, W),
        "12 x 16 x 20, uint16",
    )


def test_a_suffix_of_the_laboratory_and_links_to_other_files(write, truth):
    held = write("detector.h5")
    with h5py.File(held.parent / "master.lab", "w") as file:
        file["scan/xy"] = truth.yx[:, ::-1]
        file["frames"] = h5py.ExternalLink("detector.h5", "/camera/counts")
        file["gone"] = h5py.ExternalLink("nowhere.h5", "/data")
    path = held.parent / "master.lab"
    scan = sc.open_scan(path, geometry=GEOMETRY, **POSITIONS)
    assert np.array_equal(scan.patterns, truth.patterns)
    assert {row.path for row in list_datasets(path)} == {"scan/xy", "frames"}
    one = sc.open_scan(held, geometry=GEOMETRY, **POSITIONS)
    assert scan.source.sha256 == one.source.sha256, "of the file with the patterns"


@pytest.mark.parametrize(
    ("held", "choices", "says"),
    [
        ({}, {}, "give positions_key='scan/xy', or positions=FILE"),
        ({}, POSITIONS, r"wavelength_key='beam/lambda', distance_key='beam/distance'"),
        ({}, {"data_key": "camera/count"}, "not in the file; .*'camera/counts'"),
        ({}, {"data_key": "camera"}, "'camera' is a group"),
        ({"other": np.ones((4, 9, 9))}, {}, "data_key='camera/counts' or 'other' fits"),
        ({"camera__counts": None}, {}, "no diffraction patterns"),
        ({}, KEYS | {"mask_key": "note"}, "/note holds .*real numbers"),
        ({}, KEYS | {"energy_key": "beam/lambda"}, "both given"),
        ({}, KEYS | {"x_key": "a", "y_key": "b"}, "both given"),
        ({}, {"x_key": "scan/xy"}, "give both"),
        ({}, KEYS | {"positions_key": "note"}, "/note holds .*numbers"),
        ({}, KEYS | {"positions_key": "beam/lambda"}, r"need \(n, 2\)"),
        ({}, KEYS | {"distance_key": "scan/xy"}, "one number is needed"),
        ({"beam__distance": (1.0, "mrad")}, KEYS, "choose distance_unit"),
        ({"beam__distance": (1.0, "keV")}, KEYS, "choose distance_unit"),
        ({"scan__xy": (np.ones((N, 2)), "mrad")}, KEYS, "choose position_unit"),
        ({"scan__xy": np.ones((N - 1, 2))}, KEYS, "11 positions, scan.h5 12 patterns"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(write, held, choices, says):
    with pytest.raises(sc.InputError, match=says) as caught:
        sc.open_scan(write(**held), **choices)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_names_of_datasets_are_for_hdf5_only(tmp_path, truth):
    np.save(tmp_path / "a.npy", truth.patterns)
    np.savetxt(tmp_path / "p.txt", truth.yx)
    with pytest.raises(sc.InputError, match="data_key names a dataset of an HDF5"):
        sc.open_scan(tmp_path / "a.npy", tmp_path / "p.txt", GEOMETRY, data_key="a")
    with pytest.raises(sc.InputError, match="positions_key names a dataset of an HDF5"):
        sc.open_scan(tmp_path / "a.npy", tmp_path / "p.txt", GEOMETRY, **POSITIONS)
    (tmp_path / "old.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    with pytest.raises(sc.InputError, match="has no diffraction patterns"):
        sc.open_scan(tmp_path / "old.mat")


def test_the_command_line_lists_opens_and_keeps_the_names(write, monkeypatch):
    def call(*arguments, code=0):
        done = CliRunner().invoke(app, [str(a) for a in arguments])
        assert done.exit_code == code, done.output
        return done.output + done.stderr

    path = write()
    monkeypatch.chdir(path.parent)
    said = call("info", path)
    assert "/camera/counts:" in said and "fits --data-key" in said
    assert "still needed:" in said and "give --positions-key='scan/xy'" in said
    assert "is not in the file" in call("info", path, "--data-key=frames", code=2)
    names = [f"--{k.replace('_', '-')}={v}" for k, v in KEYS.items()]
    names.append("--data-key=camera/counts")
    assert "12 of 16 x 20 pixels" in call("info", path, *names)
    run = ["--radius-m=1e-7", "--epochs=1", "--device=cpu"]
    call("reconstruct", path, *names, *run, "--save-recipe=r.toml", "--save=a.h5")
    call("reconstruct", "--recipe=r.toml", "--save=b.h5")
    one, two = sc.open_result("a.h5"), sc.open_result("b.h5")
    assert np.array_equal(one.object, two.object)
    assert sc.Recipe.load("r.toml").input.data_key == "camera/counts"
    assert "data_key='camera/counts'" in sc.Recipe.load("b.h5").to_python()


@pytest.fixture
def rotavirus(shared_data):
    """The recipe that the documentation shows, for the measured scan."""
    page = Path(__file__).parents[1] / "docs" / "formats.md"
    (text,) = re.findall("```toml\n(.*?)```", page.read_text(), re.DOTALL)
    return sc.Recipe.from_toml(text, shared_data / "rotavirus")


def test_measured_rotavirus(rotavirus):
    scan = rotavirus.scan()
    assert scan.patterns.shape == (1296, 128, 128)
    by_pixel = {"position_unit": "px", "position_order": "yx"}
    pixels = rotavirus.input.replace(positions_key="positions_rowcol_px", **by_pixel)
    assert np.allclose(scan.positions_m, pixels.open().positions_m, atol=1e-12)
    with h5py.File(rotavirus.input.path) as file:
        assert scan.pixel_size_m == pytest.approx((file["object_pixel_m"][()],) * 2)


@pytest.mark.slow
def test_the_documented_orientation_of_rotavirus_fits_best(rotavirus):
    def error(**changes):
        recipe = rotavirus.replace(
            input=rotavirus.input.replace(**changes),
            stages=(rotavirus.stages[0].replace(epochs=6),),
        )
        *_, last = recipe.run()
        return last.error

    assert error() < error(flip_y=False) - 1e-4
