"""The window finds how the detector lies, shows what each way gives, and takes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QLabel, QPushButton

import napari_scicompty as sc

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from window import Window

ORIENTATION = "reconstruction.orientation"
EXPERIMENT = sc.VirtualExperiment(
    probe={"kind": "disc", "radius": 0.22},
    path={"kind": "jittered-raster", "rows": 8, "columns": 8, "step_px": 8},
    detector={"frame": 64, "photons": 1e5},
    focus_sample_m=5e-3,
)


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan whose detector was read from the right, with its positions beside it."""
    folder = tmp_path_factory.mktemp("mirrored")
    scan, _ = sc.simulate(EXPERIMENT)
    frames = np.asarray(scan.patterns)[:, :, ::-1].astype(np.uint16)
    tifffile.imwrite(folder / "stack.tif", frames, photometric="minisblack")
    np.savetxt(folder / "positions.txt", scan.positions_m[:, ::-1], "%.17g")
    return folder


def opened(window: Window, folder: Path) -> sc.Scan:
    window.open(folder, start="auto")
    scan = window.controller.scan
    assert scan is not None
    return scan


def test_an_orientation_is_found_and_taken_with_two_clicks(
    open_window: Callable[[], Window], mirrored: Path
) -> None:
    window = open_window()
    before = opened(window, mirrored)
    said: list[tuple[str, str]] = []
    window.controller.said.connect(lambda *line: said.append(line))
    window.click(f"{ORIENTATION}.find")
    window.until("ready", 60_000)
    found = window.controller.orienter.job.found
    assert len(found) == 4 and found[0].is_sure and found[0].flip_rows
    assert any(level == "warning" and "flip_rows" in text for level, text in said)
    pictures = [w for w in window.dock.orientation.findChildren(QLabel) if w.pixmap()]
    assert sum(not w.pixmap().isNull() for w in pictures) == 4
    assert "What the data cannot tell" in window.text(f"{ORIENTATION}.text")
    window.click(f"{ORIENTATION}.use.0")
    window.until("ready")
    scan = window.controller.scan
    assert scan is not None and scan is not before
    assert window.controller.input.flip_rows
    assert np.array_equal(scan.patterns, np.asarray(before.patterns)[:, ::-1])
    assert window.dock.recipe().input.flip_rows, "the recipe keeps it"
    names = [b.objectName() for b in window.dock.orientation.findChildren(QPushButton)]
    assert f"{ORIENTATION}.find" in names


def test_the_search_is_stopped_and_keeps_what_it_tried(
    open_window: Callable[[], Window], mirrored: Path
) -> None:
    window = open_window()
    opened(window, mirrored)
    window.click(f"{ORIENTATION}.find")
    window.qtbot.waitUntil(
        lambda: bool(window.controller.orienter.job.tried), timeout=60_000
    )
    window.click("reconstruction.stop")
    window.until("ready", 60_000)
    assert 1 <= len(window.controller.orienter.job.found) < 4


def test_a_virtual_experiment_has_no_file_to_turn(
    open_window: Callable[[], Window],
) -> None:
    window = open_window()
    window.dock.open_virtual(EXPERIMENT)
    window.until("ready", 60_000)
    scan = window.controller.scan
    window.dock.scan_input.take_orientation(sc.OrientationCandidate(flip_rows=True))
    assert "virtual experiment has no file" in window.message
    assert window.controller.scan is scan


def test_a_wrong_orientation_is_told_while_it_runs_and_its_button_looks_for_it(
    open_window: Callable[[], Window], mirrored: Path
) -> None:
    window = open_window()
    window.open(mirrored, start="disc")
    window.type("reconstruction.start.radius_m", f"{EXPERIMENT.probe_radius_m:.6g} m")
    window.run("100000")
    window.until_epoch(6)
    window.qtbot.waitUntil(
        lambda: "reconstruction.verdict" in seen(window), timeout=15_000
    )
    verdict = window.text("reconstruction.verdict")
    assert verdict.startswith("▲ Look: wrong geometry or start is likely")
    window.click("reconstruction.verdict.act")
    window.qtbot.waitUntil(
        lambda: bool(
            window.controller.orienter.job and window.controller.orienter.job.found
        ),
        timeout=90_000,
    )
    best = window.controller.orienter.job.found[0]
    assert best.is_sure and not best.is_as_opened


def test_a_run_in_a_wrong_orientation_does_not_end_without_a_word(
    open_window: Callable[[], Window], mirrored: Path
) -> None:
    window = open_window()
    window.open(mirrored, start="disc")
    window.type("reconstruction.start.radius_m", f"{EXPERIMENT.probe_radius_m:.6g} m")
    window.run_to_the_end("7")
    assert "finished at epoch 7" in window.message
    assert "wrong geometry or start is likely" in window.message


def test_patterns_that_do_not_fit_are_excluded_with_a_click_while_it_runs(
    open_window: Callable[[], Window], tmp_path: Path
) -> None:
    scan, _ = sc.simulate(EXPERIMENT)
    frames = np.array(scan.patterns)
    frames[[20, 41]] = frames[[20, 41], ::-1]
    tifffile.imwrite(tmp_path / "stack.tif", frames.astype(np.uint16))
    np.savetxt(tmp_path / "positions.txt", scan.positions_m[:, ::-1], "%.17g")
    window = open_window()
    window.open(tmp_path, start="disc")
    window.type("reconstruction.start.radius_m", f"{EXPERIMENT.probe_radius_m:.6g} m")
    window.type("reconstruction.geometry.focus_sample_m", "5 mm")
    window.run("100000")
    window.until_epoch(11)
    window.qtbot.waitUntil(
        lambda: "20,41" in window.dock.bar.verdict.text.text(), timeout=15_000
    )
    window.click("reconstruction.verdict.act")
    window.qtbot.waitUntil(
        lambda: bool(window.controller.snapshot.history.changes), timeout=15_000
    )
    window.stop()
    (change,) = window.controller.snapshot.history.changes
    assert (change.path, change.value) == ("run.excluded", (20, 41))
    assert not np.isfinite(window.controller.snapshot.pattern_error[[20, 41]]).any()
    assert window.dock.recipe().shared.excluded == (20, 41)


def seen(window: Window) -> set[str]:
    """Names of the labels that can be seen."""
    labels = window.dock.findChildren(QLabel)
    return {label.objectName() for label in labels if label.isVisible()}
