"""One scan after the other in one window: nothing of the first spoils the second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import napari_scicompty as sc
from napari_scicompty.formats import OVERRIDES
from napari_scicompty.ui.session.docks import DockPanel, dock_around
from window import write_cxi

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QDockWidget

    from window import Window

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
R = "reconstruction"


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan with other frames, farther apart."""
    folder = tmp_path_factory.mktemp("larger")
    scan, _ = sc.simulate(
        sc.VirtualExperiment(
            path={"rows": 4, "columns": 4, "step_px": 20},
            detector={"frame": 48, "photons": None},
        )
    )
    tifffile.imwrite(folder / "stack.tif", np.asarray(scan.patterns))
    np.savetxt(folder / "positions.txt", scan.positions_m[:, ::-1])
    return folder


def _in_view(window: Window) -> bool:
    """Whether the object can be seen whole, and fills a fair part of the canvas."""
    viewer = window.viewer
    low, high = viewer.layers["Object phase"].extent.world
    size = np.array(viewer.canvas.size) / viewer.scene.camera.zoom
    middle = np.array(viewer.scene.camera.center[-2:])
    inside = (low >= middle - size / 2).all() and (high <= middle + size / 2).all()
    return bool(inside and ((high - low) / size).max() > 0.5)


def test_a_second_scan_is_seen_whole_and_run_anew(
    open_window: OpenWindow, folder: Path, larger: Path
) -> None:
    window = open_window()
    window.open(folder)
    first = window.run_to_the_end("1")
    assert _in_view(window)
    window.open(larger)
    assert window.text(f"{R}.run") == "Run"
    assert window.controller.snapshot is None
    second = window.run_to_the_end("1")
    assert _in_view(window)
    assert second.object.shape != first.object.shape
    names = [layer.name for layer in window.viewer.layers]
    kept = window.viewer.layers["Object phase (stack.tif)"]
    assert np.array_equal(kept.data, np.angle(first.object))
    assert not kept.visible
    assert names.count("Object phase") == 1
    window.open(folder)
    third = window.run_to_the_end("1")
    assert _in_view(window)
    assert np.array_equal(third.object, first.object)


def test_the_same_scan_opened_again_is_continued(
    open_window: OpenWindow, folder: Path
) -> None:
    window = open_window()
    window.open(folder)
    window.run_to_the_end("1")
    window.open(folder)
    assert window.text(f"{R}.run") == "Continue"
    assert window.run_to_the_end("1").epoch == 2


def test_home_shows_the_object_after_a_second_scan(
    open_window: OpenWindow, folder: Path, larger: Path
) -> None:
    window = open_window()
    window.open(larger)
    window.run_to_the_end("1")
    for layer in list(window.viewer.layers):
        assert layer.extent.world.min() > -1e6
    result = window.controller.snapshot
    moved = result.replace(
        origin_m=tuple(o + 1e-3 for o in result.origin_m),
        positions_m=result.positions_m + 1e-3,
        nominal_positions_m=result.nominal_positions_m + 1e-3,
    )
    window.controller.layers.begin(window.viewer, moved)
    for layer in window.viewer.layers:  # hidden ones as well
        assert layer.extent.world.min() > 900, layer.name
    window.viewer.reset_view()
    assert _in_view(window)


def test_our_docks_are_tabs_of_one_another(
    open_window: OpenWindow, qtbot: QtBot
) -> None:
    window = open_window()
    main = window.dock.window()
    window.viewer.window.resize(1366, 768)
    docks: list[QDockWidget] = [dock_around(window.dock)]
    for name in ("Virtual experiment", "Figure export"):
        _, panel = window.viewer.window.add_plugin_dock_widget("napari-scicompty", name)
        assert isinstance(panel, DockPanel)
        docks.append(dock_around(panel))
        qtbot.waitUntil(
            lambda dock=docks[-1]: dock in main.tabifiedDockWidgets(docks[0])
        )
    assert main.height() <= 800
    assert set(docks[1:]) <= set(main.tabifiedDockWidgets(docks[0]))


def test_another_file_clears_what_was_set_for_the_last(
    open_window: OpenWindow, folder: Path, larger: Path
) -> None:
    window = open_window()
    window.fill(folder)
    window.type(f"{R}.geometry.focus_sample_m", "3.65 mm")
    window.choose(f"{R}.geometry.propagation", "near")
    window.dock.data.conventions.set_values({"flip_columns": True})
    window.type(f"{R}.data.path", str(larger / "stack.tif"))
    assert set(window.dock.geometry.values.values()) == {None}
    assert window.dock.data.conventions.values["flip_columns"] is False
    assert window.text(f"{R}.data.positions") == str(larger / "positions.txt")
    assert "are cleared" in window.message
    window.type(f"{R}.data.path", str(folder / "stack.tif"))
    assert window.dock.geometry.values["focus_sample_m"] == pytest.approx(3.65e-3)
    assert window.dock.data.conventions.values["flip_columns"] is True
    assert "as they were set for it" in window.message


def test_what_overrides_a_file_is_amber_and_can_be_taken_back(
    open_window: OpenWindow, tmp_path: Path
) -> None:
    cxi = write_cxi(tmp_path / "scan.cxi")
    window = open_window()
    window.type(f"{R}.data.path", str(cxi))
    window.type(f"{R}.geometry.distance_m", "3 m")
    window.type(f"{R}.geometry.energy_ev", "9 keV")
    window.click(f"{R}.open")
    window.until("ready")
    amber = window.text(f"{R}.geometry.overridden")
    assert "distance_m: 3.0 as given, not 2.0 of the file" in amber
    assert "wavelength_m" in amber
    assert "#ffb454" in window.widget(f"{R}.geometry.overridden").styleSheet()
    assert [f.code for f in window.controller.scan.findings].count(OVERRIDES) == 2
    window.click(f"{R}.geometry.use_file")
    window.until("ready")
    assert window.controller.scan.geometry.distance_m == pytest.approx(2)
    assert not window.dock.geometry.overridden.isVisible()


def test_a_mask_is_a_file_like_the_others(
    open_window: OpenWindow, folder: Path, tmp_path: Path
) -> None:
    bad = np.ones((32, 32), np.uint8)
    bad[3:5] = 0
    tifffile.imwrite(tmp_path / "mask.tif", bad)
    window = open_window()
    window.fill(folder)
    window.type(f"{R}.data.mask", str(tmp_path / "mask.tif"))
    window.click(f"{R}.open")
    window.until("ready")
    assert np.array_equal(window.controller.scan.good, bad > 0)
    assert window.controller.input.mask == str(tmp_path / "mask.tif")
    window.type(f"{R}.data.mask", "")
    window.click(f"{R}.open")
    window.until("ready")
    assert window.controller.scan.good.all()
