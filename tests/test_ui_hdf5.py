"""Plain HDF5 in the window: its datasets are chosen by mouse and keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QComboBox, QFileDialog, QStyleOptionViewItem

import napari_scicompty as sc
from napari_scicompty.ui import Reconstruction
from napari_scicompty.ui.plugin.reader import get_reader, read_plain, read_scan
from window import ENDLESS, EXPERIMENT, RADIUS_M, Window, same, write_cxi

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
NAME = "napari-scicompty"
R = "reconstruction"
D = f"{R}.data"
KEYS = {
    "positions_key": "scan/xy",
    "wavelength_key": "beam/lambda",
    "distance_key": "beam/distance",
    "detector_pixel_key": "camera/pixel_size",
}


def write_plain(path: Path, **more: Any) -> Path:
    """Write the small virtual experiment under names of our own; None leaves out."""
    scan, _ = sc.simulate(EXPERIMENT)
    geometry = scan.geometry
    held: dict[str, Any] = {
        "camera/counts": np.asarray(scan.patterns),
        "camera/pixel_size": geometry.detector_pixel_m,
        "scan/xy": scan.positions_m[:, ::-1],
        "scan/readback": scan.positions_m[:, ::-1] * 1.01,
        "beam/lambda": geometry.wavelength_m,
        "beam/distance": geometry.distance_m * 1e3,
        "note": "made by hand",
    }
    with h5py.File(path, "w") as file:
        for name, value in (held | more).items():
            if value is not None:
                file[name] = value
    return path


def drop(window: Window, path: Path) -> None:
    """Drop a file on the viewer."""
    window.viewer.open(path, plugin=NAME)


def pick(window: Window, choice: str, name: str) -> None:
    """Unfold a list of datasets and click on one."""
    box = window.widget(f"{D}.{choice}")
    window.qtbot.waitUntil(lambda: box.visibleRegion().contains(box.rect().center()))
    arrow = QPoint(box.width() - 8, box.height() // 2)
    window.qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=arrow)
    window.qtbot.waitUntil(box.view().isVisible)
    entry = box.model().index(box.findText(name), 0)
    box.view().scrollTo(entry)
    spot = box.view().visualRect(entry).center()
    window.qtbot.mouseMove(box.view().viewport(), spot)
    window.qtbot.mouseClick(box.view().viewport(), Qt.MouseButton.LeftButton, pos=spot)
    window.qtbot.waitUntil(lambda: not box.view().isVisible())
    assert box.currentText() == name


def offered(window: Window, choice: str) -> list[str]:
    """What the list of a choice holds."""
    box = window.widget(f"{D}.{choice}")
    return [box.itemText(i) for i in range(box.count())]


def written(box: QComboBox, row: int) -> str:
    """What a line of the list shows."""
    option = QStyleOptionViewItem()
    box.itemDelegate().initStyleOption(option, box.model().index(row, 0))
    return str(option.text)


def named(window: Window) -> dict[str, str]:
    """Names of datasets that are in the fields."""
    values = window.dock.data.datasets.values
    return {k: v for k, v in values.items() if k.endswith("_key") and v is not None}


def is_marked(window: Window, choice: str) -> bool:
    return "#ff6b6b" in window.widget(f"{D}.{choice}").styleSheet()


def test_a_dropped_file_is_opened_by_clicks_and_remembered(
    open_window: OpenWindow, tmp_path: Path
) -> None:
    window, path = open_window(), write_plain(tmp_path / "lab.h5")
    drop(window, path)
    assert window.text(f"{D}.path") == str(path)
    assert "lab.h5: plain HDF5; choose positions, wavelength" in window.message
    assert window.dock.findChild(type(window.dock.data.datasets)).isVisible()
    assert named(window) == {}
    for choice, name in KEYS.items():
        pick(window, choice, name)
    window.choose(f"{D}.distance_unit", "mm")
    assert window.text(f"{D}.distance_key.note").endswith(", taken as mm")
    assert window.text(f"{D}.wavelength_key.note").endswith(", m assumed")
    assert not window.dock.data.datasets.advice.isVisible()
    window.click(f"{R}.open")
    window.until("ready")
    opened = sc.open_scan(path, distance_unit="mm", **KEYS)
    scan = window.controller.scan
    np.testing.assert_array_equal(scan.patterns, opened.patterns)
    np.testing.assert_array_equal(scan.positions_m, opened.positions_m)
    assert scan.geometry == opened.geometry == sc.simulate(EXPERIMENT)[0].geometry
    window.choose(f"{R}.start.kind", "Disc")
    window.type(f"{R}.start.radius_m", f"{RADIUS_M:.6g} m")
    result = window.run_to_the_end("1")
    recipe = window.dock.recipe()
    *_, by_recipe = sc.Recipe.from_toml(recipe.to_toml()).run()
    same(result, by_recipe)

    again = open_window()
    assert named(again) == KEYS
    assert again.dock.recipe().input == recipe.input
    section = again.dock.data._dataset_section
    assert not section.isExpanded()
    drop(again, path)
    assert section.isExpanded()
    assert named(again) == KEYS
    assert again.message == "lab.h5: plain HDF5; click Open"
    assert again.widget(f"{D}.distance_unit").currentText() == "mm"


def test_what_fits_comes_first_and_is_not_taken(
    open_window: OpenWindow, tmp_path: Path
) -> None:
    window = open_window()
    drop(window, write_plain(tmp_path / "lab.nxs"))
    assert offered(window, "positions_key")[:3] == ["", "scan/readback", "scan/xy"]
    assert offered(window, "distance_key")[:2] == ["", "beam/distance"]
    everything = set(offered(window, "data_key"))
    assert {"note", "camera/counts", "scan/xy"} < everything
    for choice in KEYS:
        assert set(offered(window, choice)) == everything
    box = window.widget(f"{D}.positions_key")
    assert [written(box, i) for i in range(3)] == [
        "not used",
        "scan/readback    25 x 2, float64",
        "scan/xy    25 x 2, float64",
    ]
    assert window.widget(f"{D}.data_key").lineEdit().placeholderText() == (
        "camera/counts: only this fits"
    )
    assert named(window) == {}


def test_a_refusal_leads_to_the_datasets(
    open_window: OpenWindow, tmp_path: Path, qtbot: QtBot
) -> None:
    window = open_window()
    path = write_plain(tmp_path / "two.hdf5", dark=np.ones((25, 32, 32)))
    window.type(f"{D}.path", str(path))
    assert "patterns, positions" in window.text(f"{D}.datasets")
    section = window.dock.data._dataset_section
    for choice, name in {"data_key": "camera/counts", **KEYS}.items():
        if section.isExpanded():
            qtbot.mouseClick(section.toggleButton(), Qt.MouseButton.LeftButton)
        window.click(f"{R}.open")
        window.until("empty")
        assert choice in window.message
        assert section.isExpanded()
        box = window.widget(f"{D}.{choice}")
        assert is_marked(window, choice)
        qtbot.waitUntil(lambda b=box: b.visibleRegion().contains(b.rect().center()))
        window.type(f"{D}.{choice}", name)
        assert not is_marked(window, choice)
    window.choose(f"{D}.distance_unit", "mm")
    window.click(f"{R}.open")
    window.until("ready")
    assert len(window.controller.scan) == 25


@pytest.mark.parametrize("typed", ["scan", "Scan/XY", "scan/xyz"])
def test_a_typed_name_is_taken_as_typed(
    open_window: OpenWindow, tmp_path: Path, typed: str
) -> None:
    window = open_window()
    window.type(f"{D}.path", str(write_plain(tmp_path / "lab.h5")))
    window.type(f"{D}.positions_key", typed)
    assert named(window) == {"positions_key": typed}
    assert window.text(f"{D}.positions_key.note") == "not in the file"
    window.click(f"{R}.open")
    window.until("empty")
    assert f"positions_key='{typed}' is" in window.message
    assert is_marked(window, "positions_key")
    window.type(f"{D}.positions_key", "/scan/xy")
    assert window.text(f"{D}.positions_key.note") == "25 x 2, float64"


def test_another_file_keeps_the_names_that_it_has(
    open_window: OpenWindow, folder: Path, tmp_path: Path
) -> None:
    window = open_window()
    drop(window, write_plain(tmp_path / "one.h5"))
    for choice, name in KEYS.items():
        window.type(f"{D}.{choice}", name)
    drop(window, write_plain(tmp_path / "two.h5", **{"beam/distance": None}))
    kept = {k: name for k, name in KEYS.items() if k != "distance_key"}
    assert named(window) == kept
    window.type(f"{D}.path", str(tmp_path / "missing.h5"))
    assert named(window) == kept
    section = window.dock.data._dataset_section
    assert section.isVisible()
    for other in (write_cxi(tmp_path / "a.cxi"), folder / "stack.tif"):
        window.type(f"{D}.path", str(other))
        assert named(window) == {}
        assert not section.isVisible()
    window.open(folder)
    assert len(window.controller.scan) == 25


def test_positions_are_named_in_a_file_of_their_own(
    open_window: OpenWindow, folder: Path, tmp_path: Path
) -> None:
    window = open_window()
    window.fill(folder)
    path = write_plain(tmp_path / "motors.h5", **{"camera/counts": None})
    window.type(f"{D}.positions", str(path))
    assert not window.dock.data.datasets._boxes["distance_key"].isVisible()
    pick(window, "positions_key", "scan/xy")
    window.click(f"{R}.open")
    window.until("ready")
    np.testing.assert_allclose(
        window.controller.scan.positions_m, sc.simulate(EXPERIMENT)[0].positions_m
    )


def test_a_recipe_fills_names_even_where_the_file_is_gone(
    open_window: OpenWindow, tmp_path: Path
) -> None:
    window = open_window()
    recipe = window.dock.recipe().replace(
        input=sc.recipe.FileInput(path=str(tmp_path / "gone.h5"), **KEYS)
    )
    window.dock.set_recipe(recipe)
    assert window.widget(f"{D}.distance_key").currentText() == "beam/distance"
    assert window.dock.recipe().input == recipe.input


def test_only_scans_are_taken_from_other_readers(tmp_path: Path) -> None:
    plain = write_plain(tmp_path / "a.mat")
    assert get_reader(str(plain)) is read_plain
    assert get_reader(str(write_cxi(tmp_path / "cxi.h5"))) is read_scan
    assert get_reader(str(write_cxi(tmp_path / "b.cxi"))) is read_scan
    few = write_plain(tmp_path / "few.h5", **{"camera/counts": None})
    assert get_reader(str(few)) is None
    (tmp_path / "old.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(200))
    assert get_reader(str(tmp_path / "old.mat")) is None
    (layer,) = read_plain(str(plain))
    assert layer[0].shape == (25, 32, 32)


def test_a_dropped_file_does_not_disturb_a_run(
    open_window: OpenWindow, folder: Path, tmp_path: Path
) -> None:
    window = open_window()
    window.open(folder)
    window.run(ENDLESS)
    window.until_epoch(1)
    with pytest.raises(sc.InputError, match="stop what is under way"):
        drop(window, write_plain(tmp_path / "lab.h5"))
    assert window.text(f"{D}.path") == str(folder / "stack.tif")
    window.stop()


def test_the_dialogs_show_every_hdf5(
    open_window: OpenWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, path = open_window(), write_plain(tmp_path / "lab.nxs")
    kinds: list[str] = []

    def answer(*asked: Any) -> tuple[str, str]:
        kinds.append(asked[3])
        return str(path), ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", staticmethod(answer))
    window.click(f"{D}.path.browse")
    window.click(f"{D}.positions.browse")
    assert len(kinds) == 2
    for kind in kinds:
        for suffix in ("h5", "hdf5", "nxs", "mat"):
            assert re.search(rf"\*\.{suffix}[ )]", kind)
    assert window.widget(f"{D}.positions_key").isVisible()
    assert Reconstruction.of(window.viewer) is window.dock
