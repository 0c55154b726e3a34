"""4-D STEM: rasters, pixels that are angles, and the files of electron microscopes."""

from __future__ import annotations

import sys

import h5py
import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.formats import MissingChoice
from napari_scicompty.formats._scan_axes import Axis, calibration

ROWS, COLUMNS, H, W = 3, 4, 16, 20
N = ROWS * COLUMNS
_rng = np.random.default_rng(1)
PATTERNS = _rng.poisson(20, (N, H, W)).astype(np.uint16)
GRID = PATTERNS.reshape(ROWS, COLUMNS, H, W)
WAVELENGTH = sc.Geometry.from_voltage(300e3, 1, 1).wavelength_m
STEP, PER_ANGSTROM = 4e-10, 0.02
PIXEL = 1e-10 / (PER_ANGSTROM * np.array([H, W]))
RASTER = (np.indices((ROWS, COLUMNS)).reshape(2, N).T - [1, 1.5]) * STEP


# -- pixels that are angles --
@pytest.mark.parametrize(
    "pixel",
    [
        {"detector_pixel_inv_angstrom": PER_ANGSTROM},
        {"detector_pixel_mrad": PER_ANGSTROM * WAVELENGTH * 1e13},
        {"detector_pixel_mrad": PER_ANGSTROM * WAVELENGTH * 1e13, "distance_m": 0.4},
    ],
)
def test_the_object_pixel_follows_from_angles(pixel, tmp_path):
    np.save(tmp_path / "a.npy", GRID)
    scan = sc.open_scan(tmp_path / "a.npy", voltage_v=3e5, scan_step_m=STEP, **pixel)
    assert scan.pixel_size_m == pytest.approx(PIXEL, rel=1e-6)
    assert scan.geometry.distance_m == pixel.get("distance_m", 1.0)
    assert any("m at a distance of" in line for line in scan.report)
    again = sc.open_scan(**scan.source.opened)
    assert again.geometry == scan.geometry


def test_a_size_goes_before_an_angle_of_a_file_and_two_are_refused(tmp_path):
    path = write_hspy(tmp_path / "a.hspy")
    scan = sc.open_scan(path, detector_pixel_m=1e-4, distance_m=0.05)
    assert scan.geometry.detector_pixel_m == (1e-4, 1e-4)
    whole = sc.Geometry(2e-12, 0.05, 1e-4)
    assert sc.open_scan(path, geometry=whole).geometry == whole
    given = sc.open_scan(path, geometry=whole, detector_pixel_mrad=4)
    assert given.geometry.detector_pixel_m == pytest.approx((2e-4, 2e-4), rel=1e-4)
    assert sc.open_scan(**given.source.opened).geometry == given.geometry
    with pytest.raises(sc.InputError, match="both given"):
        sc.open_scan(path, detector_pixel_m=1e-4, detector_pixel_mrad=1)
    with pytest.raises(sc.InputError, match="above zero"):
        sc.open_scan(path, detector_pixel_mrad=0)


def test_only_the_wavelength_is_asked_for_beside_a_frequency(tmp_path):
    np.save(tmp_path / "a.npy", GRID)
    with pytest.raises(MissingChoice, match=r"lacks wavelength_m [^,]*, voltage_v\);"):
        sc.open_scan(
            tmp_path / "a.npy", scan_step_m=STEP, detector_pixel_inv_angstrom=0.02
        )


@pytest.mark.parametrize(
    ("unit", "scale", "name", "value"),
    [
        ("A^-1", 0.02, "detector_pixel_inv_angstrom", 0.02),
        ("1/nm", 0.2, "detector_pixel_inv_angstrom", 0.02),
        ("$A^{-1}$", 0.02, "detector_pixel_inv_angstrom", 0.02),
        ("nm⁻¹", 0.2, "detector_pixel_inv_angstrom", 0.02),
        ("1 / Å", 0.02, "detector_pixel_inv_angstrom", 0.02),
        ("mrad", 0.5, "detector_pixel_mrad", 0.5),
        ("rad", 5e-4, "detector_pixel_mrad", 0.5),
    ],
)
def test_units_of_axes_are_known(unit, scale, name, value):
    held = calibration([Axis(0.4, "nm")] * 2, [Axis(scale, unit)] * 2)
    assert held.geometry == {name: pytest.approx((value, value))}
    assert held.step_m == pytest.approx((STEP, STEP))


@pytest.mark.parametrize("unit", ["pixels", "", "m", "1/s", "counts"])
def test_other_units_are_told_and_left(unit):
    held = calibration([Axis(1.0, unit and "pixels")] * 2, [Axis(1.0, unit)] * 2)
    assert not held.geometry and held.step_m is None
    assert "choose detector_pixel_mrad" in held.hint["detector_pixel_m"]
    assert "not used" in held.report[0]


# -- HDF5 --
def write_emd(path, calibrated=True, unit="A^-1"):
    """As emdfile and py4DSTEM write it."""
    with h5py.File(path, "w") as file:
        root = file.create_group("datacube_root")
        root.attrs["emd_group_type"] = "root"
        cube = root.create_group("datacube")
        cube.attrs["emd_group_type"] = "array"
        cube["data"] = GRID
        for number in range(4):
            axis = [0.0, 4.0] if number < 2 else [0.0, PER_ANGSTROM]
            cube[f"dim{number}"] = axis
            cube[f"dim{number}"].attrs["units"] = "A" if number < 2 else unit
        if calibrated:
            held = cube.create_group("metadatabundle/calibration")
            held["R_pixel_size"], held["R_pixel_units"] = 4.0, "A"
            held["Q_pixel_size"], held["Q_pixel_units"] = PER_ANGSTROM, unit
            held["QR_rotation"] = 0.5
    return path


def write_hspy(path, voltage=300.0, unit="1/A"):
    """As HyperSpy writes it."""
    with h5py.File(path, "w") as file:
        one = file.create_group("Experiments/__unnamed__")
        one["data"] = GRID
        for number, name in enumerate(["y", "x", "ky", "kx"]):
            axis = one.create_group(f"axis-{number}")
            scale = 0.4 if number < 2 else PER_ANGSTROM
            units = "nm" if number < 2 else unit
            axis.attrs.update({"name": name, "scale": scale, "units": units})
        beam = one.create_group("metadata/Acquisition_instrument/TEM")
        beam.attrs["beam_energy"] = voltage
    return path


FILES = {
    "py4DSTEM": lambda p: write_emd(p / "a.h5"),
    "axes alone": lambda p: write_emd(p / "a.emd", calibrated=False),
    "HyperSpy": lambda p: write_hspy(p / "a.hspy"),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_of_microscopes_come_back(kind, tmp_path):
    path = FILES[kind](tmp_path)
    scan = sc.open_scan(path, voltage_v=None if kind == "HyperSpy" else 3e5)
    assert np.array_equal(scan.patterns, PATTERNS)
    assert np.allclose(scan.positions_m, RASTER, rtol=1e-12, atol=0)
    assert scan.pixel_size_m == pytest.approx(PIXEL, rel=1e-6)
    assert scan.geometry.wavelength_m == pytest.approx(WAVELENGTH)
    told = any("QR_rotation of the file, 0.5, is not applied" in r for r in scan.report)
    assert told == (kind == "py4DSTEM")


@pytest.mark.parametrize("write", [write_emd, write_hspy])
def test_choices_go_before_the_calibration_and_what_is_lost_is_told(write, tmp_path):
    path = write(tmp_path / "a.h5", unit="pixels")
    with pytest.raises(MissingChoice, match=r"0\.02 pixels and not used; choose detec"):
        sc.open_scan(path, voltage_v=2e5)
    scan = sc.open_scan(
        path, voltage_v=2e5, detector_pixel_mrad=1.5, scan_step_m=2 * STEP
    )
    assert np.allclose(scan.positions_m, 2 * RASTER)
    assert scan.geometry.detector_pixel_m == pytest.approx((1.5e-3, 1.5e-3), rel=1e-5)


def test_several_cubes_are_asked_about(tmp_path):
    path = write_emd(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        file["datacube_root/datacube/again"] = GRID
    with pytest.raises(MissingChoice, match="datacube/again' or 'datacube_root"):
        sc.open_scan(path, voltage_v=3e5)


# -- raw frames --
GEOMETRY = {"voltage_v": 3e5, "detector_pixel_mrad": 0.4}


def write_empad(path):
    frames = np.zeros((N, 130, 128), "<f4")
    frames[:, :H, :W] = PATTERNS
    frames[:, 128:] = 1e9
    frames.tofile(path)
    return path


def test_empad_by_its_name(tmp_path):
    path = write_empad(tmp_path / "scan_x4_y3.raw")
    scan = sc.open_scan(path, scan_step_m=STEP, **GEOMETRY)
    assert scan.frame_shape == (128, 128)
    assert np.array_equal(scan.patterns[:, :H, :W], PATTERNS)
    assert scan.patterns.sum() == PATTERNS.sum(), "no rows of notes"
    assert np.allclose(scan.positions_m, RASTER)


def test_empad_by_its_xml(tmp_path):
    path = write_empad(tmp_path / "acquisition.raw")
    (tmp_path / "acquisition.xml").write_text(
        "<root><pix_x>4</pix_x><pix_y>3</pix_y><iom_measurements><optics>"
        "<get_full_scan_field_of_view>[16e-10, 12e-10]</get_full_scan_field_of_view>"
        "</optics></iom_measurements></root>"
    )
    scan = sc.open_scan(path, **GEOMETRY)
    assert np.allclose(scan.positions_m, RASTER)
    (tmp_path / "acquisition.xml").write_text("<root><pix_x>5</pix_x></root>")
    with pytest.raises(MissingChoice, match="or scan_rows, scan_columns"):
        sc.open_scan(path, **GEOMETRY)
    (tmp_path / "acquisition.xml").write_text("<root>")
    with pytest.raises(sc.InputError, match="cannot be read as a XML file"):
        sc.open_scan(path, **GEOMETRY)


@pytest.mark.parametrize(
    ("kind", "dtype"), [("U08", ">u1"), ("U16", ">u2"), ("U32", ">u4")]
)
def test_mib_comes_back(kind, dtype, tmp_path):
    with (tmp_path / "a.mib").open("wb") as file:
        for j, frame in enumerate(PATTERNS):
            head = f"MQ1,{j + 1:06d},00384,01,{W:04d},{H:04d},{kind},   1x1,01,"
            file.write(head.encode().ljust(384, b"\0"))
            file.write(frame.astype(dtype).tobytes())
    (tmp_path / "a.hdr").write_text(
        "HDR,\nFrames in Acquisition (Number):\t12\nFrames per Trigger (Number):\t4\n"
    )
    scan = sc.open_scan(tmp_path / "a.mib", scan_step_m=STEP, **GEOMETRY)
    assert np.array_equal(scan.patterns, PATTERNS)
    assert np.allclose(scan.positions_m, RASTER)
    (tmp_path / "a.hdr").unlink()
    with pytest.raises(MissingChoice, match="scan_rows, scan_columns"):
        sc.open_scan(tmp_path / "a.mib", **GEOMETRY)


BAD = {
    "cut EMPAD": ("a.raw", b"\0" * 70000, "no multiple of 66560, a frame of EMPAD"),
    "no MIB": ("a.mib", b"hello" * 99, "does not begin with MQ1"),
    "raw MIB": (
        "a.mib",
        b"MQ1,000001,00384,01,0020,0016,R64,".ljust(384 + 640, b"\0"),
        "'R64'",
    ),
    "cut MIB": (
        "a.mib",
        b"MQ1,000001,00384,01,0020,0016,U16,".ljust(999, b"\0"),
        "no multiple of 1024",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_raw_files_that_are_none_are_refused(case, tmp_path):
    name, content, says = BAD[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(sc.InputError, match=says) as caught:
        sc.open_scan(tmp_path / name, scan_step_m=STEP, scan_rows=3, **GEOMETRY)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


# -- zarr --
def test_zarr_names_the_package_that_is_missing(tmp_path, monkeypatch):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / ".zarray").write_text("{}")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(sc.InputError, match=r"install napari-scicompty\[formats\]"):
        sc.open_scan(tmp_path / "a.zarr", scan_step_m=STEP, **GEOMETRY)


def test_zarr_comes_back(tmp_path):
    zarr = pytest.importorskip(
        "zarr", reason="needs the extra 'formats', which ./check installs"
    )
    zarr.save(str(tmp_path / "a.zarr"), GRID)
    scan = sc.open_scan(tmp_path / "a.zarr", scan_step_m=STEP, **GEOMETRY)
    assert np.array_equal(scan.patterns, PATTERNS)
    assert np.allclose(scan.positions_m, RASTER)
