"""Stacks larger than memory: read when needed, and the same as those that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import psutil
import pytest
import tifffile

import napari_scicompty as sc
from napari_scicompty import prepare
from napari_scicompty.core import host_memory
from napari_scicompty.core.stacks import LazyStack, chunks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

N, H, W = 12, 16, 20
GEOMETRY = sc.Geometry(1e-10, 1.0, 50e-6)
STACK = np.random.default_rng(0).integers(1, 500, (N, H, W), np.uint16)
POSITIONS = np.mgrid[:3, :4].reshape(2, -1).T * 5e-7


def write_folder(path: Path) -> None:
    path.mkdir()
    for j, piece in enumerate(np.split(STACK, [1, 2, 6])):
        tifffile.imwrite(path / f"part_{j}.tif", piece, photometric="minisblack")


def write_raster(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=STACK.reshape(3, 4, H, W), compression="gzip")


FILES: dict[str, Callable[[Path], Any]] = {
    "pages.tif": lambda path: tifffile.imwrite(path, STACK, compression="zlib"),
    "one_page.tif": lambda path: tifffile.imwrite(
        path, STACK, compression="zlib", volumetric=True, tile=(1, 16, 16)
    ),
    "folder": write_folder,
    "raster.h5": write_raster,
}


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack fits into memory."""
    monkeypatch.setattr(host_memory, "available_bytes", lambda: 0)


def opened(path: Path, **choices: Any) -> sc.Scan:
    positions = path.parent / "p.npy"
    np.save(positions, POSITIONS[:, ::-1])
    return sc.open_scan(path, positions, GEOMETRY, **choices)


@pytest.mark.parametrize("name", FILES)
def test_frames_are_read_when_they_are_asked_for(
    name: str, tmp_path: Path, scarce: None
) -> None:
    FILES[name](tmp_path / name)
    scan = opened(tmp_path / name)
    stack = scan.patterns
    assert isinstance(stack, LazyStack) and stack.nbytes == STACK.nbytes
    assert any("larger than memory, read as needed" in line for line in scan.report)
    assert np.array_equal(stack, STACK)
    for key in (3, -1, slice(2, 9, 3), [7, 1, 1, 10], np.arange(0), (4, slice(5), 2)):
        assert np.array_equal(stack[key], STACK[key]), key
    assert scan.pattern_sum == pytest.approx(STACK.sum((1, 2)))


@pytest.mark.parametrize("name", [*FILES, "mapped.npy"])
def test_preparation_is_the_same_where_nothing_fits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orientation, crop, dark field, saturation, hot pixels and sums of pixels."""
    FILES.get(name, lambda path: np.save(path, STACK))(tmp_path / name)
    np.save(tmp_path / "dark.npy", np.full((H, W), 7.0))
    choices = {
        "transpose": True, "flip_rows": True, "crop": (18, 16), "saturation": 498,
        "dark": str(tmp_path / "dark.npy"), "hot_pixel_sigma": 3, "rebin": 2,
    }  # fmt: skip
    whole = opened(tmp_path / name, **choices)
    monkeypatch.setattr(host_memory, "available_bytes", lambda: 0)
    lazy = opened(tmp_path / name, **choices)
    assert isinstance(whole.patterns, np.ndarray)
    assert isinstance(lazy.patterns, LazyStack)
    assert lazy.patterns.dtype == whole.patterns.dtype
    assert np.array_equal(lazy.patterns, whole.patterns)
    assert np.array_equal(lazy.good, whole.good)
    assert np.array_equal(lazy.mean_pattern, whole.mean_pattern)


def test_a_lazy_scan_is_saved_and_comes_back(tmp_path: Path, scarce: None) -> None:
    FILES["pages.tif"](tmp_path / "pages.tif")
    sc.save_scan(tmp_path / "a.cxi", opened(tmp_path / "pages.tif"))
    again = sc.open_scan(tmp_path / "a.cxi")
    assert isinstance(again.patterns, LazyStack)
    assert np.array_equal(again.patterns, STACK)


def test_walking_a_memory_map_lets_go_of_it(tmp_path: Path) -> None:
    if not hasattr(psutil.Process().memory_info(), "shared"):
        pytest.skip("this system does not tell which memory is a file's")
    size = 64 * 2**20
    np.save(tmp_path / "a.npy", np.ones((size // (4 * 256 * 256), 256, 256), "f4"))
    stack = np.load(tmp_path / "a.npy", mmap_mode="r")
    before = psutil.Process().memory_info().shared
    assert stack[:, 1:].sum() == stack[:, 1:].size
    assert psutil.Process().memory_info().shared - before > 0.9 * size
    for _, part in chunks(stack[:, 1:]):
        assert part.sum() == part.size
    assert psutil.Process().memory_info().shared - before < 0.3 * size


def test_what_was_written_into_a_private_map_is_kept(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", STACK)
    stack = np.load(tmp_path / "a.npy", mmap_mode="c")
    stack[:] = 1
    for _ in chunks(stack):
        pass
    assert (stack == 1).all()


def test_a_limit_of_the_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    free = host_memory.available_bytes()
    assert 0 < free <= psutil.virtual_memory().total
    if not hasattr(psutil, "RLIMIT_DATA"):
        pytest.skip("this system has no limits of a process")
    limits = (psutil.Process().memory_info().data + 2**20, -1)
    monkeypatch.setattr(psutil.Process, "rlimit", lambda *_: limits)
    assert host_memory.available_bytes() <= 2**20


def test_a_dark_field_of_counts_stays_single_precision() -> None:
    scan = sc.Scan(STACK.astype(np.uint32), POSITIONS, GEOMETRY)
    assert prepare.dark_field(scan, np.ones((H, W))).patterns.dtype == np.float32
