"""What napari sees of the plugin: docks, reader, writer, sample, actions, figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import matplotlib.image
import numpy as np
import pytest
import tifffile
from napari._app_model import get_app_model
from napari.plugins._npe2 import file_extensions_string_for_layers
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QWidget

import napari_scicompty as sc
from napari_scicompty.ui import FigureExport, Reconstruction
from napari_scicompty.ui.plugin.measured_sample import STAR
from napari_scicompty.ui.plugin.reader import get_reader
from window import ENDLESS, EXPERIMENT, RADIUS_M, Window, same, write_cxi

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
NAME = "napari-scicompty"
R = "reconstruction"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved result, without its recipe."""
    path = tmp_path_factory.mktemp("result") / "result.h5"
    *_, last = sc.reconstruct(
        sc.simulate(EXPERIMENT)[0], sc.RPIE(), epochs=3, start=sc.DiscProbe(RADIUS_M)
    )
    sc.save_result(path, last)
    return path


def test_the_manifest_opens_both_docks(open_window: OpenWindow) -> None:
    window = open_window()
    assert isinstance(window.dock, Reconstruction)
    _, figures = window.viewer.window.add_plugin_dock_widget(NAME, "Figure export")
    assert isinstance(figures, FigureExport)
    assert figures.controller is window.controller
    assert Reconstruction.of(window.viewer) is window.dock


def test_a_dropped_result_is_shown_and_continued(
    open_window: OpenWindow, result: Path, folder: Path
) -> None:
    window = open_window()
    window.viewer.open(result, plugin=NAME)
    saved = sc.open_result(result)
    same(window.controller.snapshot, saved)
    phase = window.viewer.layers["Object phase"]
    np.testing.assert_array_equal(phase.data, np.angle(saved.object))
    np.testing.assert_allclose(phase.scale, 0.125)
    window.open(folder)
    assert window.run_to_the_end("1").epoch == 4


def test_a_dropped_result_does_not_disturb_a_run(
    open_window: OpenWindow, result: Path, folder: Path
) -> None:
    window = open_window()
    window.open(folder)
    window.run(ENDLESS)
    window.until_epoch(4)
    with pytest.raises(sc.InputError, match="stop the run"):
        window.viewer.open(result, plugin=NAME)
    assert window.controller.snapshot.epoch >= 4
    window.stop()


def test_a_dropped_cxi_opens_in_the_dock(
    make_napari_viewer: Any, plugin: None, qtbot: QtBot, tmp_path: Path
) -> None:
    viewer = make_napari_viewer()
    viewer.open(write_cxi(tmp_path / "a.cxi"), plugin=NAME)
    assert len(viewer.layers) == 0
    dock = Reconstruction.of(viewer)
    qtbot.waitUntil(lambda: dock.controller.scan is not None)
    assert dock.controller.scan.patterns.shape == (25, 32, 32)
    assert dock.data.path.text() == str(tmp_path / "a.cxi")


def test_what_is_not_ours_is_left_to_others(
    plugin: None, npe2pm: Any, folder: Path, result: Path, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = [1, 2]
    assert list(npe2pm.iter_compatible_readers([str(folder / "stack.tif")])) == []
    assert get_reader(str(tmp_path / "other.h5")) is None
    assert get_reader([str(result), str(result)]) is None
    assert get_reader(str(result)) is not None


def test_saved_layers_keep_their_pixel_size(
    open_window: OpenWindow, result: Path, tmp_path: Path
) -> None:
    viewer = open_window().viewer
    viewer.open(result, plugin=NAME)
    layers = viewer.layers
    layers.selection = {layers["Object phase"], layers["Positions (nominal)"]}
    path = tmp_path / "two.ome.tif"
    written = layers.save(str(path), selected=True, plugin=NAME)
    assert len(written) == 2
    with tifffile.TiffFile(path) as file:
        np.testing.assert_array_equal(file.asarray(), layers["Object phase"].data)
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    assert pixels["PhysicalSizeX"] == pytest.approx(0.125)
    assert pixels["PhysicalSizeXUnit"] == "µm"
    (table,) = (name for name in written if name.endswith(".csv"))
    points = np.loadtxt(table, delimiter=",", skiprows=1)
    np.testing.assert_allclose(points, layers["Positions (nominal)"].data)


def test_the_sample_opens_and_runs(
    make_napari_viewer: Any, plugin: None, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer(show=True)
    (truth,) = viewer.open_sample(NAME, "virtual-experiment")
    dock = Reconstruction.of(viewer)
    qtbot.waitUntil(lambda: dock.controller.scan is not None, timeout=15_000)
    assert len(dock.controller.scan) == 121
    assert not truth.visible
    dock.bar.form.set_values({"epochs": 1})
    dock.run()
    qtbot.waitUntil(lambda: dock.controller.state == "ready", timeout=30_000)
    assert dock.controller.failure is None
    phase = viewer.layers["Object phase"]
    np.testing.assert_allclose(phase.scale, truth.scale)
    np.testing.assert_allclose(phase.translate, truth.translate)
    assert viewer.layers.extent.units is not None


def test_palette_actions_act(open_window: OpenWindow, folder: Path) -> None:
    window = open_window()
    window.open(folder)
    window.type(f"{R}.epochs", ENDLESS)
    commands = get_app_model().commands
    for action, state in (
        ("run", "running"),
        ("pause_resume", "paused"),
        ("pause_resume", "running"),
        ("stop", "ready"),
    ):
        commands.execute_command(f"{NAME}.{action}").result()
        window.until(state)
    commands.execute_command(f"{NAME}.copy_as_python").result()
    assert "sc.reconstruct(" in QApplication.clipboard().text()


def test_figures_and_screenshots_are_exported(
    open_window: OpenWindow,
    result: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    qtbot: QtBot,
) -> None:
    window = open_window()
    window.viewer.open(result, plugin=NAME)
    window.click(f"{R}.figure")
    docks = window.viewer.window._qt_window.findChildren(FigureExport)
    qtbot.waitUntil(lambda: docks[0].isVisible())
    message = docks[0].findChild(QWidget, "figure_export.message")
    for button in ("save", "canvas", "window"):
        path = tmp_path / f"{button}.png"
        monkeypatch.setattr(
            QFileDialog,
            "getSaveFileName",
            staticmethod(lambda *_, p=path: (str(p), "")),
        )
        qtbot.mouseClick(
            docks[0].findChild(QWidget, f"figure_export.{button}"),
            Qt.MouseButton.LeftButton,
        )
        qtbot.waitUntil(lambda p=path: message.text() == f"Saved {p}")
        picture = matplotlib.image.imread(path)[..., :3]
        assert min(picture.shape[:2]) > 200
        assert picture.std() > 0.05


def test_the_measured_sample_opens_ready_to_run(
    make_napari_viewer: Any, plugin: None, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer(show=True)
    (path,) = viewer.open_sample(NAME, "siemens-star-measured")
    dock = Reconstruction.of(viewer)
    qtbot.waitUntil(lambda: dock.controller.scan is not None, timeout=15_000)
    assert dock.controller.scan.patterns.shape == (132, 128, 128)
    assert not path.visible
    assert len(path.data) == 132
    recipe = dock.recipe()
    assert recipe.start == sc.AutoStart()
    assert recipe.stages[0].algorithm == sc.RPIE()
    assert (recipe.shared.modes, recipe.stages[0].epochs) == (3, 40)
    dock.start.set_value(sc.PupilProbe(defocus_m=1e-3))
    dock.bar.form.set_values({"epochs": 1})
    dock.run()
    qtbot.waitUntil(lambda: dock.controller.state == "ready", timeout=60_000)
    assert dock.controller.snapshot.error < 0.05
    assert viewer.layers.extent.units is not None


@pytest.mark.slow
def test_the_measured_sample_gives_a_clear_star() -> None:
    scan = sc.open_scan(STAR)
    *_, last = sc.reconstruct(scan, sc.RPIE(), epochs=40, modes=3, device="cpu")
    assert last.error < 0.0125


def test_menus_hold_our_commands(make_napari_viewer: Any, plugin: None) -> None:
    viewer = make_napari_viewer()
    window = viewer.window
    found = {}
    for bar in (window.file_menu, window.layers_menu):
        for place in _submenus(bar):
            for ours in _submenus(place.menu()):
                if ours.text() == "Ptychography":
                    texts = [a.text() for a in ours.menu().actions() if a.text()]
                    found[place.text().replace("&", "")] = texts
    assert set(found) == {
        "Acquire", "IO Utilities", "Data", "Visualize", "Measure", "Register"
    }  # fmt: skip
    assert any("Virtual experiment" in text for text in found["Acquire"])
    assert len(found["IO Utilities"]) == 3
    assert len(found["Data"]) == 4


def _submenus(menu: Any) -> list[Any]:
    return [action for action in menu.actions() if action.menu()]


@pytest.mark.parametrize("name", ["Resolution", "Positions"])
def test_menu_actions_unfold_their_section(open_window: OpenWindow, name: str) -> None:
    window = open_window()
    section = window.dock.sections[name]
    assert not section.isExpanded()
    get_app_model().commands.execute_command(f"{NAME}.show_{name.lower()}").result()
    assert section.isExpanded()
    window.qtbot.waitUntil(lambda: not section.visibleRegion().isEmpty())


def test_a_folder_of_tiffs_waits_in_the_dock_for_its_positions(
    open_window: OpenWindow, folder: Path, tmp_path: Path
) -> None:
    window = open_window()
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, frame in enumerate(tifffile.imread(folder / "stack.tif")):
        tifffile.imwrite(frames / f"frame_{number}.tif", frame)
    (tmp_path / "positions.txt").write_bytes((folder / "positions.txt").read_bytes())
    window.viewer.open(str(frames), plugin=NAME)
    assert "positions and geometry" in window.message
    assert window.dock.data.path.text() == str(frames)
    window.type(f"{R}.data.positions", str(tmp_path / "positions.txt"))
    window.type(f"{R}.geometry.wavelength_m", "0.15 nm")
    window.type(f"{R}.geometry.distance_m", "2 m")
    window.type(f"{R}.geometry.detector_pixel_m", "75 um")
    window.click(f"{R}.open")
    window.until("ready")
    assert window.controller.scan.patterns.shape == (25, 32, 32)


def test_a_folder_without_tiffs_is_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    assert get_reader(str(tmp_path)) is None


def test_object_and_probe_layers_are_written_as_cxi(
    open_window: OpenWindow, result: Path, tmp_path: Path
) -> None:
    viewer = open_window().viewer
    viewer.open(result, plugin=NAME)
    saved, layers = sc.open_result(result), viewer.layers
    layers["Object phase"].name = "renamed"
    layers.selection = {layers["renamed"], layers["Probe modes"]}
    path = tmp_path / "star.cxi"
    assert layers.save(str(path), selected=True, plugin=NAME) == [str(path)]
    with h5py.File(path) as file:
        image, probe = file["entry_1/image_1"], file["entry_1/image_2"]
        assert image["data"].dtype == np.complex64
        np.testing.assert_array_equal(image["data"][()], saved.object)
        np.testing.assert_array_equal(probe["data"][()], saved.probe)
        assert image["data_space"].asstr()[()] == "real"
        assert image["x_pixel_size"][()] == saved.pixel_size_m[1]
        assert image["x_pixel_size"].attrs["units"] == "m"
        np.testing.assert_allclose(image["first_pixel"][:2], saved.origin_m[::-1])
        size = np.multiply(saved.object.shape, saved.pixel_size_m)
        np.testing.assert_allclose(image["image_size"][:2], size[::-1])
        source = file["entry_1/instrument_1/source_1"]
        assert source["wavelength"][()] == saved.geometry.wavelength_m
    with pytest.raises(sc.InputError, match="no diffraction patterns"):
        sc.open_scan(path)


def test_what_is_no_complex_image_is_not_written_as_cxi(
    open_window: OpenWindow, result: Path, tmp_path: Path
) -> None:
    viewer = open_window().viewer
    other = viewer.add_image(np.zeros((4, 4)), name="other")
    path = tmp_path / "a.cxi"
    _, writers = file_extensions_string_for_layers([other])
    (writer,) = (w for w in writers if w.command == f"{NAME}.write_cxi")
    save = {"selected": True, "_writer": writer}  # as the dialog of napari does
    viewer.layers.selection = {other}
    with pytest.raises(sc.InputError, match="no result on show"):
        viewer.layers.save(str(path), **save)
    viewer.open(result, plugin=NAME)
    for layer in (other, viewer.layers["Canvas map"]):
        viewer.layers.selection = {layer}
        with pytest.raises(sc.InputError, match=r"is not of the result on show"):
            viewer.layers.save(str(path), **save)
    assert not path.exists()
