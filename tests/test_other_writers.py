"""What is written for other packages comes back through our readers of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from scipy import constants

import napari_scicompty as sc
from napari_scicompty.formats.nexus import missing_of_nexus
from napari_scicompty.formats.saving import KINDS
from napari_scicompty.results.foreign.ptychodus import save_product
from napari_scicompty.results.foreign.ptypy import save_ptyr
from small_scans import NEAR, small_scan

if TYPE_CHECKING:
    from pathlib import Path

SMALL = small_scan(view=(32, 27), grid=(3, 4), modes=2)
MASK = np.random.default_rng(2).random((32, 27)) > 0.15
SCAN = SMALL.scan.replace(mask=MASK, excluded=(1, 7))
TAKEN = [j for j in range(12) if j not in (1, 7)]
STATE = SMALL.start(
    object=SMALL.object.astype(np.complex64), probe=SMALL.probe.astype(np.complex64)
)


def most_px(found: np.ndarray, true: np.ndarray) -> float:
    """Largest difference of positions, in object pixels."""
    return float(np.abs((found - true) / SCAN.pixel_size_m).max())


# -- scans ----------------------------------------------------------------------------
def test_a_ptyd_comes_back(tmp_path: Path) -> None:
    sc.save_scan(tmp_path / "a.ptyd", SCAN)
    again = sc.open_scan(tmp_path / "a.ptyd")
    assert again.patterns.dtype == SCAN.patterns.dtype
    assert np.array_equal(again.patterns, SCAN.patterns[TAKEN])
    assert np.array_equal(again.mask, MASK)
    assert most_px(again.positions_m, SCAN.positions_m[TAKEN]) <= 1e-6
    for name in ("wavelength_m", "distance_m", "detector_pixel_m"):
        now, then = (getattr(s.geometry, name) for s in (again, SCAN))
        assert now == pytest.approx(then, rel=1e-12)


def test_a_ptyd_has_the_tree_of_ptypy(tmp_path: Path) -> None:
    sc.save_scan(tmp_path / "a.ptyd", SCAN)
    with h5py.File(tmp_path / "a.ptyd") as file:
        meta, chunk = file["meta"], file["chunks/0"]
        kev = SCAN.geometry.energy_ev / 1e3
        assert meta["energy"][()] == pytest.approx(kev)
        assert meta["num_frames"][()] == 10 and list(meta["shape"]) == [32, 27]
        assert np.array_equal(chunk["indices"], TAKEN)
        assert np.array_equal(chunk["positions"], SCAN.positions_m[TAKEN])
        assert chunk["weights"].shape == chunk["data"].shape
        for item in (meta, chunk, meta["energy"], chunk["data"]):
            assert item.attrs["type"] in ("dict", "scalar", "array")


@pytest.mark.parametrize("kind", ["near field", "truth"])
def test_what_a_ptyd_cannot_hold_is_refused(kind: str, tmp_path: Path) -> None:
    scan, truth = SCAN, None
    if kind == "near field":
        scan = sc.Scan(SCAN.patterns, SCAN.positions_m, NEAR)
    else:
        scan, truth = sc.simulate(sc.VirtualExperiment())
    with pytest.raises(sc.InputError, match=r"a\.ptyd.*save it as \.cxi"):
        sc.save_scan(tmp_path / "a.ptyd", scan, truth)
    assert not (tmp_path / "a.ptyd").exists()


@pytest.mark.parametrize("cone", [None, 3e-3])
def test_an_nxcxi_ptycho_comes_back_exactly(cone: float | None, tmp_path: Path) -> None:
    geometry = SCAN.geometry.replace(focus_sample_m=cone)
    scan = SCAN.with_geometry(geometry)
    sc.save_scan(tmp_path / "a.nxs", scan)
    again = sc.open_scan(tmp_path / "a.nxs")
    assert np.array_equal(again.patterns, scan.patterns)
    assert np.array_equal(again.mask, MASK) and again.excluded == (1, 7)
    assert most_px(again.positions_m, scan.positions_m) <= 1e-6
    assert again.geometry == geometry


def test_an_nxcxi_ptycho_is_read_by_its_own_fields_too(tmp_path: Path) -> None:
    """Without our group and without the wavelength the definition's fields are left."""
    path = tmp_path / "a.nxs"
    sc.save_scan(path, SCAN)
    bare = tmp_path / "bare.nxs"
    with h5py.File(path) as file, h5py.File(bare, "w") as copy:
        for name in file:
            if name not in ("napari_scicompty", "checksums"):
                file.copy(name, copy)
        del copy["entry_1/instrument_1/source_1/wavelength"]
        for name in ("data_1", "sample_1/geometry_1", "instrument_1/detector_1"):
            del copy[f"entry_1/{name}/translation"]
    again = sc.open_scan(bare)
    assert most_px(again.positions_m, SCAN.positions_m) <= 1e-6
    joule = constants.h * constants.c / SCAN.geometry.wavelength_m
    with h5py.File(bare) as file:
        beam = file["entry_1/instrument_1/beam_1/incident_beam_energy"]
        assert beam[()] == pytest.approx(joule) and beam.attrs["units"] == "J"
    assert again.geometry.wavelength_m == pytest.approx(SCAN.geometry.wavelength_m)


def test_nothing_is_missing_of_the_definition(tmp_path: Path) -> None:
    sc.save_scan(tmp_path / "a.nxs", SCAN)
    assert missing_of_nexus(tmp_path / "a.nxs") == []
    sc.save_scan(tmp_path / "a.cxi", SCAN)
    lacking = missing_of_nexus(tmp_path / "a.cxi")
    assert "entry_1/definition" in lacking


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("entry_1/instrument_1/beam_1", "beam_1/incident_beam_energy"),
        ("entry_1/instrument_1/detector_1/distance", "detector_1/distance"),
        ("entry_1/sample_1/transformations/x", "sample_1/transformations/x"),
        ("entry_1/diffraction", "NXdata"),
        ("entry_1/data_1/translation", "data_1/translation"),
    ],
)
def test_what_is_missing_is_named(gone: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "a.nxs"
    sc.save_scan(path, SCAN)
    with h5py.File(path, "r+") as file:
        del file[gone]
    assert any(told in name for name in missing_of_nexus(path))


def test_a_unit_and_a_definition_that_are_missing_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.nxs"
    sc.save_scan(path, SCAN)
    with h5py.File(path, "r+") as file:
        del file["entry_1/instrument_1/beam_1/energy"].attrs["units"]
        del file["entry_1/definition"]
        file["entry_1/definition"] = "NXmx"
    assert missing_of_nexus(path) == [
        "entry_1/instrument_1/beam_1/energy@units",
        "entry_1/definition is not NXcxi_ptycho",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_goes_before_the_name(kind: str, tmp_path: Path) -> None:
    sc.save_scan(tmp_path / "a.h5", SCAN, kind=kind)
    with h5py.File(tmp_path / "a.h5") as file:
        assert ("chunks" in file) == (kind == "ptyd")
        assert ("entry_1/definition" in file) == (kind == "nexus")
    again = sc.open_scan(tmp_path / "a.h5")
    assert len(again) == (10 if kind == "ptyd" else 12)


def test_a_kind_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(sc.InputError, match="choose among cxi, nexus, ptyd"):
        sc.save_scan(tmp_path / "a.h5", SCAN, kind="tiff")


# -- results --------------------------------------------------------------------------
def came_back(state: sc.Snapshot, path: Path) -> Any:
    """Read a result that was written for another package."""
    found = sc.open_foreign_result(path)
    assert np.array_equal(found.object, state.object)
    assert np.array_equal(found.probe, state.probe)
    corners = (found.positions_m - found.origin_m) / np.array(found.pixel_size_m)
    assert np.abs(corners - state.positions_px).max() <= 1e-6
    assert found.wavelength_m == pytest.approx(state.geometry.wavelength_m)
    return found


def test_a_product_of_ptychodus_comes_back(tmp_path: Path) -> None:
    save_product(tmp_path / "product.h5", STATE)
    found = came_back(STATE, tmp_path / "product.h5")
    assert found.distance_m == pytest.approx(STATE.distance_m)
    with pytest.raises(sc.InputError, match=r"product\.h5"):
        save_product(tmp_path / "product.h5", STATE)
    save_product(tmp_path / "product.h5", STATE, overwrite=True)


def test_a_ptyr_comes_back(tmp_path: Path) -> None:
    save_ptyr(tmp_path / "result.ptyr", STATE)
    came_back(STATE, tmp_path / "result.ptyr")
