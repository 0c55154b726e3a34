"""A mask of any kind of file, and which dataset of it."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
import tifffile
from skimage import io

import napari_scicompty as sc
from napari_scicompty.formats import MissingChoice

N, H, W = 12, 16, 20
GEOMETRY = sc.Geometry(1e-10, 1.0, 50e-6)
_rng = np.random.default_rng(1)
PATTERNS = _rng.poisson(20, (N, H, W)).astype(np.uint16)
GOOD = _rng.random((H, W)) > 0.1


def grey(path, good):
    io.imsave(path, good.astype("u1") * 255, check_contrast=False)


def coloured(path, good):
    """As a drawing program saves it: three equal colours and opaque."""
    one = good.astype("u1") * 255
    full = np.full_like(one, 255)
    io.imsave(path, np.stack([one, one, one, full], -1), check_contrast=False)


def hdf5(**more):
    def write(path, good):
        with h5py.File(path, "w") as file:
            file["good"] = good
            for name, value in more.items():
                file[name] = value

    return write


MASKS = {
    "m.png": grey,
    "rgba.png": coloured,
    "m.tif": lambda p, g: tifffile.imwrite(p, g.astype("u1")),
    "m.npy": np.save,
    "m.h5": hdf5(),
    "beside.h5": hdf5(frames=PATTERNS, spectrum=np.ones(9)),
}


def opened(tmp_path, **choices):
    np.save(tmp_path / "a.npy", PATTERNS)
    step = {"scan_rows": 3, "scan_step_m": 1e-6}
    return sc.open_scan(tmp_path / "a.npy", None, GEOMETRY, **step, **choices)


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_of_any_kind_is_read(name, tmp_path):
    MASKS[name](tmp_path / name, GOOD)
    scan = opened(tmp_path, mask=tmp_path / name)
    assert np.array_equal(scan.good, GOOD)
    MASKS[name](tmp_path / name, ~GOOD)
    scan = opened(tmp_path, mask=tmp_path / name, mask_means="bad")
    assert np.array_equal(scan.good, GOOD)


def test_which_dataset_is_the_mask_is_asked(tmp_path):
    path = tmp_path / "m.h5"
    hdf5(bad_pixels=~GOOD, other=np.ones((3, 3)))(path, np.ones((H, W), bool))
    with pytest.raises(MissingChoice, match="mask_key='bad_pixels' or 'good'"):
        opened(tmp_path, mask=path)
    scan = opened(tmp_path, mask=path, mask_key="bad_pixels")
    assert np.array_equal(scan.good, GOOD), "by its name not zero is bad"
    with pytest.raises(sc.InputError, match="mask_key='worse' is not in the file"):
        opened(tmp_path, mask=path, mask_key="worse")


def test_the_mask_key_belongs_to_the_file_of_the_mask(tmp_path):
    hdf5(bad=~GOOD)(tmp_path / "m.h5", GOOD)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["frames"], file["xy"] = PATTERNS, np.indices((N, 2))[0] * 1e-6
    scan = sc.open_scan(
        tmp_path / "a.h5", None, GEOMETRY, positions_key="xy",
        mask=tmp_path / "m.h5", mask_key="bad",
    )  # fmt: skip
    assert np.array_equal(scan.good, GOOD)


@pytest.mark.parametrize(
    ("name", "write", "says"),
    [
        ("m.h5", lambda p: hdf5()(p, GOOD[1:]), r"no dataset of shape \(16, 20\)"),
        ("m.png", lambda p: grey(p, GOOD[1:]), r"mask has shape \(15, 20\)"),
        (
            "c.png",
            lambda p: io.imsave(p, _rng.integers(0, 255, (H, W, 3), "u1")),
            "grey",
        ),
        ("n.png", lambda p: p.write_text("none"), "cannot be read as a picture"),
        ("e.png", lambda p: p.touch(), "is empty"),
    ],
)
def test_what_is_no_mask_is_said(name, write, says, tmp_path):
    write(tmp_path / name)
    with pytest.raises(sc.InputError, match=says) as caught:
        opened(tmp_path, mask=tmp_path / name)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
