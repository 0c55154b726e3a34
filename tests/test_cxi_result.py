"""Object and probe as CXI; what napari saves by it is in test_ui_plugin.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.results.cxi_result import save_cxi

if TYPE_CHECKING:
    from pathlib import Path

SCAN = sc.simulate(
    sc.VirtualExperiment(
        path={"rows": 4, "columns": 4, "step_px": 5}, detector={"frame": 32}, modes=2
    )
)[0]


@pytest.fixture(scope="module")
def shot() -> sc.Snapshot:
    start = sc.DiscProbe(radius_m=1e-6)
    *_, last = sc.reconstruct(SCAN, sc.RPIE(), epochs=1, modes=2, start=start)
    return last


def test_reads_back_as_it_was(shot: sc.Snapshot, tmp_path: Path) -> None:
    save_cxi(tmp_path / "a.cxi", shot)
    with h5py.File(tmp_path / "a.cxi") as file:
        for number, values in ((1, shot.object), (2, shot.probe)):
            image = file[f"entry_1/image_{number}"]
            np.testing.assert_array_equal(image["data"][()], values)
            assert image["y_pixel_size"][()] == shot.pixel_size_m[0]
            assert image["process_1/epochs"][()] == 1
        detector = file["entry_1/instrument_1/detector_1"]
        assert detector["distance"][()] == shot.distance_m
        energy_j = file["entry_1/instrument_1/source_1/energy"][()]
    assert energy_j / 1.602176634e-19 == pytest.approx(shot.geometry.energy_ev)


def test_one_part_alone_is_the_first_image(shot: sc.Snapshot, tmp_path: Path) -> None:
    save_cxi(tmp_path / "a.cxi", shot, ["probe"])
    with h5py.File(tmp_path / "a.cxi") as file:
        assert [name for name in file["entry_1"] if "image" in name] == ["image_1"]
        assert file["entry_1/image_1/data"].shape == (2, 32, 32)


def test_what_cannot_be_written_is_a_sentence(
    shot: sc.Snapshot, tmp_path: Path
) -> None:
    path = tmp_path / "a.cxi"
    with pytest.raises(sc.InputError, match=r"end the name of a CXI file with \.cxi"):
        save_cxi(tmp_path / "a.h5", shot)
    with pytest.raises(sc.InputError, match="choose among object, probe"):
        save_cxi(path, shot, ["positions"])
    path.write_text("somebody's")
    with pytest.raises(sc.InputError, match="overwrite=True"):
        save_cxi(path, shot)
    assert path.read_text() == "somebody's"
    with pytest.raises(sc.InputError, match="folder is missing"):
        save_cxi(tmp_path / "none" / "a.cxi", shot)
