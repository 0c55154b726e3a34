"""Every format written, read and compared; every bad file refused in one sentence."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tifffile

import napari_scicompty as sc
from napari_scicompty.formats import (
    FORMATS,
    OpenChoices,
    open_positions,
    save_positions,
)
from napari_scicompty.formats import _raw as raw_module

N, H, W = 12, 16, 20
GEOMETRY = sc.Geometry(1e-10, 1.0, 50e-6)
PIXEL = np.array(GEOMETRY.pixel_size_m((H, W)))


@pytest.fixture(scope="module")
def truth() -> SimpleNamespace:
    rng = np.random.default_rng(1)
    return SimpleNamespace(
        patterns=rng.poisson(20, (N, H, W)).astype(np.uint16),
        positions_m=np.round(rng.uniform(0, 30, (N, 2))) * PIXEL,
    )


# -- writers: one for each kind of file a user may have --
def write_pages(path, patterns):
    with tifffile.TiffWriter(path) as file:
        for frame in patterns:
            file.write(frame, contiguous=False, metadata=None)


def write_folder(path, patterns, name="frame_{}.tif"):
    path.mkdir()
    for j, frame in enumerate(patterns):
        tifffile.imwrite(path / name.format(j), frame)


def tiff(**options):
    return lambda path, patterns: tifffile.imwrite(
        path, patterns, photometric="minisblack", **options
    )


PATTERN_FILES = {
    "stack.tif": tiff(),
    "imagej.tif": tiff(imagej=True),
    "ome.ome.tiff": tiff(ome=True),
    "big.btf": tiff(bigtiff=True),
    "zlib.tif": tiff(compression="zlib"),
    "pages.tif": write_pages,
    "raster.tif": lambda path, p: tiff()(path, p.reshape(3, 4, H, W)),
    "folder": write_folder,
    "array.npy": np.save,
}


def write_text(path, yx, sep=" ", head=""):
    rows = [f"{x!r}{sep}{y!r}" for y, x in yx.tolist()]
    path.write_text("\n".join([*([head] if head else []), *rows, ""]))


def write_scicompty(path, yx):
    with h5py.File(path, "w") as file:
        file["sample_motors/sample_x_pos"] = yx[:, 1] * 1e6
        file["sample_motors/sample_y_pos"] = yx[:, 0] * 1e6


POSITION_FILES = {
    "p.txt": write_text,
    "tabs.dat": lambda path, yx: write_text(path, yx, "\t", "# x y"),
    "p.csv": lambda path, yx: write_text(path, yx, ", ", "x_m,y_m"),
    "semicolon.csv": lambda path, yx: write_text(path, yx, ";"),
    "y_first.csv": lambda path, yx: write_text(path, yx[:, ::-1], ",", "y,x"),
    "p.npy": lambda path, yx: np.save(path, yx[:, ::-1]),
    "p.h5": write_scicompty,
}


def write_cxi(path, truth, *, basis=None, stored="n3", energy="j", chunks=None, **more):
    """As a beamline would: sample motion in metres along x, y, z."""
    basis = np.array([[0, -1.0, 0], [-1, 0, 0]]) if basis is None else np.array(basis)
    motion = -(truth.positions_m @ basis)
    mask = np.zeros((H, W), np.uint32)
    mask[0, 0], mask[1, 1], mask[2, 2] = 4, 0x1000, 0x1001
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry_1")
        detector = entry.create_group("instrument_1/detector_1")
        detector.create_dataset("data", data=truth.patterns, chunks=chunks)
        detector["distance"] = 1.0
        detector["x_pixel_size"] = detector["y_pixel_size"] = 50e-6
        detector["basis_vectors"] = (
            (basis * 50e-6).T if stored == "n3" else basis * 5e-5
        )
        detector["mask"] = mask
        joule = 6.62607015e-34 * 299792458 / 1e-10
        if energy == "beam":
            entry["instrument_1/source_1/energy"] = 4.8e-10
            entry["instrument_1/beam_1/energy"] = joule / 1.602176634e-16
            entry["instrument_1/beam_1/energy"].attrs["units"] = "keV"
        elif energy == "j":
            entry["instrument_1/source_1/energy"] = joule
        else:
            entry["instrument_1/source_1/wavelength"] = 1e-10
        entry["data_1/translation"] = motion if stored == "n3" else motion.T
        entry["data_1/data"] = h5py.SoftLink(detector.name + "/data")
        for name, value in more.items():
            del file[name.replace("__", "/")]
            if value is not None:
                file[name.replace("__", "/")] = value
    return path


CXI_FILES = {
    "cdtools": {},
    "PyNX": {"stored": "3n", "energy": "j"},
    "wavelength": {"energy": "wavelength"},
    "storage ring": {"energy": "beam"},
    "chunked": {"chunks": (1, H, W)},
    "transposed basis": {"basis": [[-1, 0, 0], [0, -1, 0]]},
    "flipped basis": {"basis": [[0, 1, 0], [-1, 0, 0]]},
}


# -- what is written is read --
@pytest.mark.parametrize("name", PATTERN_FILES)
def test_patterns_come_back(name, tmp_path, truth):
    PATTERN_FILES[name](tmp_path / name, truth.patterns)
    write_text(tmp_path / "p.txt", truth.positions_m)
    scan = sc.open_scan(tmp_path / name, tmp_path / "p.txt", GEOMETRY)
    assert np.array_equal(scan.patterns, truth.patterns)
    assert np.array_equal(scan.positions_m, truth.positions_m)
    assert scan.geometry == GEOMETRY and scan.mask is None
    assert not _is_mapped(scan.patterns)
    assert len(scan.source.sha256) == 64 and Path(scan.source.path).name == name


@pytest.mark.parametrize("name", POSITION_FILES)
def test_positions_come_back(name, tmp_path, truth):
    tiff()(tmp_path / "s.tif", truth.patterns)
    POSITION_FILES[name](tmp_path / name, truth.positions_m)
    scan = sc.open_scan(tmp_path / "s.tif", tmp_path / name, GEOMETRY)
    assert np.allclose(scan.positions_m, truth.positions_m, rtol=1e-12, atol=0)
    assert any("positions taken as" in line for line in scan.report)


@pytest.mark.parametrize("name", ["saved.txt", "saved.csv", "saved.NPY"])
def test_saved_positions_come_back_exactly(name, tmp_path, truth):
    tiff()(tmp_path / "s.tif", truth.patterns)
    moved = truth.positions_m * (1 + 1 / 3)
    save_positions(tmp_path / name, moved)
    scan = sc.open_scan(tmp_path / "s.tif", tmp_path / name, GEOMETRY)
    assert np.array_equal(scan.positions_m, moved)
    assert np.array_equal(open_positions(tmp_path / name), moved)
    with pytest.raises(sc.InputError, match="cannot be written"):
        save_positions(tmp_path / "nowhere" / name, moved)


@pytest.mark.parametrize("kind", CXI_FILES)
def test_cxi_comes_back(kind, tmp_path, truth):
    scan = sc.open_scan(write_cxi(tmp_path / "a.cxi", truth, **CXI_FILES[kind]))
    assert np.array_equal(scan.patterns, truth.patterns)
    assert np.allclose(scan.positions_m, truth.positions_m, atol=1e-3 * PIXEL.min())
    assert scan.geometry.wavelength_m == pytest.approx(1e-10)
    assert scan.geometry.detector_pixel_m == pytest.approx((50e-6, 50e-6))
    assert np.argwhere(~scan.good).tolist() == [[0, 0], [2, 2]]
    assert any("negated" in line for line in scan.report)
    assert not _is_mapped(scan.patterns)


def test_cxi_distance_and_pixel_from_vectors(tmp_path, truth):
    gone = {f"entry_1__instrument_1__detector_1__{name}": None
            for name in ("x_pixel_size", "y_pixel_size", "distance")}  # fmt: skip
    path = write_cxi(tmp_path / "a.cxi", truth, **gone)
    with h5py.File(path, "a") as file:
        file["entry_1/instrument_1/detector_1/corner_position"] = [1e-3, 1e-3, 1.0]
    geometry = sc.open_scan(path).geometry
    assert geometry.distance_m == pytest.approx(1)
    assert geometry.detector_pixel_m == pytest.approx((50e-6, 50e-6))


def _is_mapped(array) -> bool:
    """Whether an array ends the process where its file is cut short."""
    while array is not None:
        if isinstance(array, np.memmap):
            return True
        array = getattr(array, "base", None)
    return False


def test_folder_is_in_natural_order_and_skips_the_rest(tmp_path, truth):
    write_folder(tmp_path / "f", truth.patterns, "run7_{}.TIF")
    (tmp_path / "f" / "notes.txt").write_text("not a pattern")
    (tmp_path / "f" / "._run7_1.TIF").write_bytes(b"resource fork")
    write_text(tmp_path / "p.txt", truth.positions_m)
    scan = sc.open_scan(tmp_path / "f", tmp_path / "p.txt", GEOMETRY)
    assert np.array_equal(scan.patterns, truth.patterns)


@pytest.mark.parametrize("name", FORMATS)
def test_table_names_readers(name):

    module = FORMATS[name].reader
    assert callable(module.read) and (FORMATS[name].suffixes or FORMATS[name].folder)


# -- measured scans --
def test_measured_star(shared_data):
    star = shared_data / "siemens_star"
    geometry = sc.Geometry(1.4089113454545454e-10, 1.92, 75e-6)
    scan = sc.open_scan(star / "stack.tif", star / "positions_m.txt", geometry)
    assert len(scan) == 132 and scan.pixel_size_m == pytest.approx(
        (28.178e-9,) * 2, 1e-4
    )
    first = (4.768231065e-06, 1.690368606e-06)
    assert tuple(scan.positions_m[0]) == first, "the file holds x then y"
    assert "zero frequency assumed at pixel (64, 64)" in scan.report


def test_measured_near_field(shared_data):
    path = shared_data / "p25_nearfield" / "PETRAIII_P25_Near_Field_Ptycho.cxi"
    scan = sc.open_scan(path, propagation="near-field", focus_sample_m=3.65e-3)
    assert scan.geometry.magnification == pytest.approx(307.85, abs=0.01)
    assert scan.geometry.energy_ev == pytest.approx(12658, abs=1)
    assert scan.pixel_size_m == pytest.approx((178.66e-9,) * 2, 1e-4)
    assert np.count_nonzero(~scan.good) == 5
    with h5py.File(path) as file:
        sample = file["entry_1/sample_1/geometry_1/translation"][()]
    assert np.allclose(scan.positions_m, sample[:, [1, 0]], rtol=1e-6), "net: +y, +x"
    assert any(line.startswith("near-field cone beam") for line in scan.report)


# -- choices --
def opened(tmp_path, truth, positions=None, **choices):
    tiff()(tmp_path / "s.tif", truth.patterns)
    write_text(
        tmp_path / "p.txt", truth.positions_m if positions is None else positions
    )
    return sc.open_scan(tmp_path / "s.tif", tmp_path / "p.txt", GEOMETRY, **choices)


def about_middle(positions, matrix):
    middle = positions.mean(0)
    return (positions - middle) @ np.transpose(matrix) + middle


def turn(degrees):
    """From y towards x, on (y, x)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return [[c, -s], [s, c]]


@pytest.mark.parametrize(
    ("choices", "change"),
    [
        ({"position_order": "yx"}, lambda p: p[:, ::-1]),
        ({"position_unit": "mm"}, lambda p: p * 1e3),
        ({"position_unit": "um"}, lambda p: p * 1e6),
        ({"position_unit": "nm"}, lambda p: p * 1e9),
        ({"position_unit": "px"}, lambda p: p / PIXEL),
        ({"flip_x": True}, lambda p: p * [1, -1]),
        ({"flip_y": True}, lambda p: p * [-1, 1]),
        ({"flip_y": True, "position_order": "yx"}, lambda p: (p * [-1, 1])[:, ::-1]),
        ({"swap_xy": True}, lambda p: p[:, ::-1]),
        ({"swap_xy": True, "flip_x": True}, lambda p: p[:, ::-1] * [1, -1]),
        ({"rotation_deg": 17}, lambda p: about_middle(p, turn(-17))),
        ({"aspect": 2}, lambda p: about_middle(p, [[1, 0], [0, 0.5]])),
        ({"shear": 0.1}, lambda p: about_middle(p, [[1, -0.1], [0, 1]])),
        (
            {"swap_xy": True, "rotation_deg": 90},
            lambda p: about_middle(p, turn(-90))[:, ::-1],
        ),
    ],
)
def test_position_choices_undo_what_the_file_did(choices, change, tmp_path, truth):
    scan = opened(tmp_path, truth, change(truth.positions_m), **choices)
    assert np.allclose(scan.positions_m, truth.positions_m, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"flip_rows": True}, lambda p: p[:, ::-1]),
        ({"flip_columns": True}, lambda p: p[:, :, ::-1]),
        ({"transpose": True}, lambda p: p.transpose(0, 2, 1)),
        (
            {"transpose": True, "flip_rows": True},
            lambda p: p.transpose(0, 2, 1)[:, ::-1],
        ),
        ({"crop": 8}, lambda p: p[:, 4:12, 6:14]),
        ({"crop": (8, 10), "center": (6, 9.2)}, lambda p: p[:, 2:10, 4:14]),
        ({"center": (6, 10)}, lambda p: p[:, :12]),
        ({"rebin": 2}, lambda p: p.reshape(N, 8, 2, 10, 2).sum((2, 4))),
    ],
)
def test_pattern_choices(choices, expected, tmp_path, truth):
    scan = opened(tmp_path, truth, **choices)
    assert np.array_equal(scan.patterns, expected(truth.patterns.astype(np.uint32)))


def test_positions_in_pixels_are_those_of_the_cropped_frames(tmp_path, truth):
    pixels = truth.positions_m / PIXEL
    scan = opened(tmp_path, truth, pixels, position_unit="px", crop=8)
    assert np.allclose(scan.positions_m, pixels * scan.pixel_size_m)
    assert scan.pixel_size_m == pytest.approx(GEOMETRY.pixel_size_m((8, 8)))


def test_dark_and_mask_are_turned_and_cut_with_the_patterns(tmp_path, truth):
    dark = np.arange(H * W).reshape(H, W) % 9
    np.save(tmp_path / "dark.npy", np.stack([dark - 1, dark + 1]))
    good = np.ones((H, W), np.uint8)
    good[5, 7] = 0
    tifffile.imwrite(tmp_path / "good.tif", good)
    scan = opened(
        tmp_path, truth, dark=tmp_path / "dark.npy", mask=str(tmp_path / "good.tif"),
        transpose=True, crop=12,
    )  # fmt: skip
    expected = np.maximum(truth.patterns.astype(float) - dark, 0)
    expected = expected.transpose(0, 2, 1)[:, 4:16, 2:14]
    assert np.allclose(scan.patterns, expected)
    assert np.array_equal(scan.mask, (good > 0).T[4:16, 2:14])


def test_geometry_by_name_completes_and_overrides(tmp_path, truth):
    by_name = {"energy_ev": 12398.419843, "distance_m": 2, "detector_pixel_m": 50e-6}
    tiff()(tmp_path / "s.tif", truth.patterns)
    write_text(tmp_path / "p.txt", truth.positions_m)
    scan = sc.open_scan(tmp_path / "s.tif", tmp_path / "p.txt", **by_name)
    assert scan.geometry.wavelength_m == pytest.approx(1e-10)
    cxi = sc.open_scan(write_cxi(tmp_path / "a.cxi", truth), distance_m=2)
    assert (cxi.geometry.distance_m, scan.geometry.distance_m) == (2, 2)
    assert any("distance_m: 2.0 as given, not" in line for line in cxi.report)


def test_positions_file_replaces_those_of_a_cxi(tmp_path, truth):
    write_text(tmp_path / "p.txt", truth.positions_m[::-1])
    scan = sc.open_scan(write_cxi(tmp_path / "a.cxi", truth), tmp_path / "p.txt")
    assert np.array_equal(scan.positions_m, truth.positions_m[::-1])
    assert "positions of a.cxi not used" in scan.report


def test_choices_survive_a_text_file():
    chosen = OpenChoices(center=(3, 4.5), crop=(8, 10), dark=Path("d.tif"), flip_x=True)
    stored = chosen.model_dump(mode="json", exclude_none=True)
    assert OpenChoices(**stored) == chosen and stored["center"] == [3, 4.5]


def test_every_choice_is_described():
    for name, field in OpenChoices.model_fields.items():
        assert field.description, name
        assert field.json_schema_extra["live"] is False, name


def test_odd_values_are_counted_not_refused(tmp_path, truth):
    patterns = truth.patterns.astype(np.int32)
    patterns[3], patterns[5, 2, 2] = 0, -4
    np.save(tmp_path / "s.npy", patterns)
    write_text(tmp_path / "p.txt", truth.positions_m)
    scan = sc.open_scan(tmp_path / "s.npy", tmp_path / "p.txt", GEOMETRY)
    assert scan.excluded == (3,) and scan.negative_counts == 1
    assert (
        len([line for line in scan.report if "blank" in line or "negative" in line])
        == 2
    )


def test_hash_tells_files_apart(tmp_path, truth, monkeypatch):
    def hashed(patterns):
        return opened(tmp_path, SimpleNamespace(**vars(truth) | {"patterns": patterns}))

    changed = truth.patterns.copy()
    changed[0, 0, 0] += 1
    for limit in (256 * 2**20, 2048):  # the whole file; only its ends
        monkeypatch.setattr(raw_module, "_HASH_ALL", limit)
        monkeypatch.setattr(raw_module, "_HASH_END", 1024)
        one, two, three = (
            hashed(p).source.sha256 for p in (truth.patterns, truth.patterns, changed)
        )
        assert one == two != three


# -- bad input --
def lines(*texts):
    return lambda path, truth: path.write_text("\n".join(texts))


def cut(writer, share):
    def write(path, truth):
        writer(path, truth.patterns)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])

    return write


def mixed_folder(path, truth):
    write_folder(path, truth.patterns[:3])
    tifffile.imwrite(path / "frame_3.tif", truth.patterns[0, :-1])


def two_series(path, truth):
    with tifffile.TiffWriter(path) as file:
        file.write(truth.patterns[0], metadata=None)
        file.write(truth.patterns[0, :-1], metadata=None)


BAD_PATTERNS = {
    "missing file": ("no.tif", lambda path, truth: None, "no such file"),
    "empty file": ("e.tif", lambda path, truth: path.write_bytes(b""), "empty"),
    "not a TIFF": ("n.tif", lines("hello", "world"), "cannot be read as a TIFF"),
    "half a header": ("h.tif", lambda p, t: p.write_bytes(b"II*\0\x08"), "TIFF"),
    "unknown kind": ("a.jpg", lines("x"), "not known"),
    "no TIFFs": ("dir", lambda path, truth: path.mkdir(), "no TIFF files"),
    "differing frames": ("dir", mixed_folder, "frame_3.tif: holds frames of 15 x 20"),
    "differing pages": ("d.tif", two_series, "differ in shape"),
    "colour": (
        "c.tif",
        lambda p, t: tifffile.imwrite(p, np.zeros((H, W, 3), "u1"), photometric="rgb"),
        "colour",
    ),
    "complex": ("z.npy", lambda p, t: np.save(p, t.patterns * 1j), "complex128"),
    "strings": ("s.npy", lambda p, t: np.save(p, np.full((N, H, W), "a")), "<U1"),
    "objects": ("o.npy", lambda p, t: np.save(p, np.array([{}])), "cannot be read"),
    "one axis": ("v.npy", lambda p, t: np.save(p, np.zeros(5)), "shape (5,)"),
    "broken CXI": ("b.cxi", lines("no HDF5"), "cannot be read as a CXI"),
    "empty CXI": ("e.cxi", lambda p, t: h5py.File(p, "w").close(), "no diffraction"),
    "CXI cut": (
        "cut.cxi",
        lambda p, t: p.write_bytes(write_cxi(p, t).read_bytes()[:3000]),
        "cannot be read as a CXI",
    ),
    "CXI string data": (
        "s.cxi",
        lambda p, t: write_cxi(p, t, entry_1__instrument_1__detector_1__data="text"),
        "holds values of dtype object",
    ),
    "all blank": ("0.npy", lambda p, t: np.save(p, t.patterns * 0), "blank"),
    **{
        f"truncated {name} {share}": (name, cut(PATTERN_FILES[name], share), name)
        for name in PATTERN_FILES
        if "tif" in name or "btf" in name
        for share in (0.02, 0.3, 0.7)
    },
}


def refused(caplog, *args, **choices) -> str:
    """One sentence, no other exception, nothing logged beside it."""
    with caplog.at_level(logging.WARNING), pytest.raises(sc.InputError) as caught:
        sc.open_scan(*args, **choices)
    assert not caplog.records
    text = str(caught.value)
    assert "\n" not in text and len(text) < 400
    return text


@pytest.mark.parametrize("case", BAD_PATTERNS)
def test_bad_patterns_are_refused(case, tmp_path, truth, caplog):
    name, write, expected = BAD_PATTERNS[case]
    write(tmp_path / name, truth)
    write_text(tmp_path / "p.txt", truth.positions_m)
    text = refused(caplog, tmp_path / name, tmp_path / "p.txt", GEOMETRY)
    assert expected in text and name in text


def rows(change):
    return lambda path, truth: write_text(path, change(truth.positions_m))


BAD_POSITIONS = {
    "missing": ("no.txt", lambda p, t: None, "no such file"),
    "a folder": ("dir", lambda p, t: p.mkdir(), "folder"),
    "empty": ("e.txt", lambda p, t: p.touch(), "empty"),
    "only comments": ("c.txt", lines("# x y", ""), "holds no positions"),
    "fewer": ("f.txt", rows(lambda p: p[1:]), "11 positions, s.tif 12 patterns"),
    "more": ("m.txt", rows(lambda p: np.r_[p, p]), "24 positions, s.tif 12 patterns"),
    "NaN": ("n.txt", rows(lambda p: np.r_[p[:4], [[np.nan] * 2], p[5:]]), "line 5"),
    "words": ("w.txt", lines("1e-6 2e-6", "1e-6 two"), "w.txt, line 2: '1e-6 two'"),
    "three columns": ("3.txt", lines("1 2 3"), "3.txt: holds 3 columns"),
    "binary": ("b.txt", lambda p, t: p.write_bytes(b"\xff\xfe\x00\x01"), "b.txt"),
    "NPY shape": ("s.npy", lambda p, t: np.save(p, np.zeros((N, 3))), "3 columns"),
    "NPY NaN": ("n.npy", lambda p, t: np.save(p, [[np.nan, 0]] * N), "not finite"),
    "HDF5 without motors": (
        "h.h5",
        lambda p, t: h5py.File(p, "w").close(),
        "/sample_motors/sample_x_pos",
    ),
    "broken HDF5": ("b.h5", lines("no HDF5"), "cannot be read"),
    "micrometres as metres": ("u.txt", rows(lambda p: p * 1e6), "another unit"),
    "under a pixel": ("l.txt", rows(lambda p: p * 1e-3), "less than one pixel"),
}


@pytest.mark.parametrize("case", BAD_POSITIONS)
def test_bad_positions_are_refused(case, tmp_path, truth, caplog):
    name, write, expected = BAD_POSITIONS[case]
    tiff()(tmp_path / "s.tif", truth.patterns)
    write(tmp_path / name, truth)
    assert expected in refused(caplog, tmp_path / "s.tif", tmp_path / name, GEOMETRY)


BAD_CHOICES = {
    "unknown": ({"centre": (1, 1)}, "centre: there is no such setting"),
    "wrong kind": ({"rebin": "two"}, "OpenChoices.rebin"),
    "crop too large": ({"crop": 64}, "at most 16 x 20"),
    "centre outside": ({"center": (16, 3)}, "lies outside"),
    "centre NaN": ({"center": (float("nan"), 3)}, "finite number"),
    "rebin too large": ({"rebin": 17}, "rebin is 17"),
    "energy and wavelength": ({"energy_ev": 1e4, "wavelength_m": 1e-10}, "give one"),
    "no mask file": ({"mask": "nowhere.tif"}, "nowhere.tif: there is no such file"),
    "dark of another shape": ({"dark": "p.npy"}, "same detector"),
    "mask of another shape": ({"mask": "p.npy"}, "p.npy: mask has shape"),
    "distance": ({"distance_m": -1}, "distance_m"),
}


@pytest.mark.parametrize("case", BAD_CHOICES)
def test_bad_choices_are_refused(case, tmp_path, truth, caplog, monkeypatch):
    monkeypatch.chdir(tmp_path)
    choices, expected = BAD_CHOICES[case]
    tiff()(tmp_path / "s.tif", truth.patterns)
    write_text(tmp_path / "p.txt", truth.positions_m)
    np.save("p.npy", np.ones((4, 5)))
    assert expected in refused(caplog, "s.tif", "p.txt", GEOMETRY, **choices)


def test_missing_geometry_is_named(tmp_path, truth, caplog):
    tiff()(tmp_path / "s.tif", truth.patterns)
    write_text(tmp_path / "p.txt", truth.positions_m)
    text = refused(caplog, tmp_path / "s.tif", tmp_path / "p.txt", distance_m=1)
    assert "lacks wavelength_m (or energy_ev, voltage_v), detector_pixel_m;" in text
    ev = {"entry_1__instrument_1__source_1__energy": 12400.0}  # not joule
    text = refused(caplog, write_cxi(tmp_path / "a.cxi", truth, **ev))
    assert "lacks wavelength_m (or energy_ev, voltage_v);" in text


def test_patterns_without_positions_are_refused(tmp_path, truth, caplog):
    tiff()(tmp_path / "s.tif", truth.patterns)
    gone = write_cxi(tmp_path / "a.cxi", truth, entry_1__data_1__translation=None)
    for path in (tmp_path / "s.tif", gone):
        assert "holds no positions" in refused(caplog, path, None, GEOMETRY)
    text = refused(caplog, tmp_path / "s.tif", truth.positions_m, GEOMETRY)
    assert "positions is a ndarray, not a path" in text


def test_broken_cxi_fields_are_refused(tmp_path, truth, caplog):
    table = {
        "entry_1__instrument_1__detector_1__basis_vectors": (np.zeros((2, 3)), "basis"),
        "entry_1__data_1__translation": (np.zeros((N, 4)), "translations need (n, 3)"),
        "entry_1__instrument_1__detector_1__mask": (np.zeros((2, 2), "u4"), "mask"),
    }
    for name, (value, expected) in table.items():
        path = write_cxi(tmp_path / "a.cxi", truth, **{name: value})
        assert expected in refused(caplog, path)
    path = write_cxi(tmp_path / "a.cxi", truth)
    with h5py.File(path, "a") as file:
        file["entry_1/data_1/translation"].attrs["units"] = "furlong"
    assert "'furlong'" in refused(caplog, path)


@pytest.fixture
def locked(truth):
    """A folder of files that the reader has no right to.

    No mode bit stops root, so tests that run as root read as somebody else.
    """
    if not hasattr(os, "geteuid"):
        pytest.skip("rights of files work in another way on this system")
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folder(folder / "folder", truth.patterns)
        tiff()(folder / "s.tif", truth.patterns)
        write_cxi(folder / "a.cxi", truth)
        for path in folder.iterdir():
            path.chmod(0)
        folder.chmod(0o755)
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            (folder / "folder").chmod(0o755)


@pytest.mark.parametrize("name", ["folder", "folder/frame_1.tif", "s.tif", "a.cxi"])
def test_no_rights_is_said(name, locked, caplog):
    text = refused(caplog, locked / name, None, GEOMETRY)
    assert text.startswith(f"{locked / name}: no right to read it")
