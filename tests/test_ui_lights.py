"""Lights beside a scan: worst first, with buttons that mend in one click."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from qtpy.QtWidgets import QPushButton

import napari_scicompty as sc
from napari_scicompty.ui.reconstruction.lights import button_text
from window import EXPERIMENT, write_scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from window import Window

LIGHTS = "reconstruction.data.lights"
SCAN, _ = sc.simulate(EXPERIMENT)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Files of the small scan that a test may change."""
    return write_scan(tmp_path / "own")


def buttons(window: Window) -> list[str]:
    """Codes of the lights that have a button."""
    found = window.dock.data.lights.findChildren(QPushButton)
    names = [button.objectName() for button in found if button.text()]
    return [n.rpartition(".")[2] for n in names if n.startswith(f"{LIGHTS}.")]


def test_an_honest_scan_has_green_lights_and_no_button(
    open_window: Callable[[], Window], folder: Path
) -> None:
    window = open_window()
    window.open(folder)
    assert {f.level for f in window.controller.findings} == {"ok"}
    assert not buttons(window)
    fine = window.text(f"{LIGHTS}.fine")
    assert fine.count("✔ Fine") == len(window.controller.findings) > 6


def test_positions_in_micrometres_are_read_so_with_one_click(
    open_window: Callable[[], Window], own: Path
) -> None:
    positions = np.loadtxt(own / "positions.txt")
    np.savetxt(own / "positions.txt", positions * 1e6)
    window = open_window()
    window.fill(own)
    window.click("reconstruction.open")
    window.until("empty")
    assert "✖ Wrong" in window.text(f"{LIGHTS}.refused.text")
    found = window.dock.findChildren(QPushButton, f"{LIGHTS}.refused")
    (button,) = (b for b in found if b.text() == "Read as um")
    button.click()
    window.until("ready")
    scan = window.controller.scan
    assert scan is not None, window.message
    assert np.allclose(scan.positions_m, SCAN.positions_m, rtol=1e-9, atol=0)
    assert not buttons(window)


@pytest.fixture
def spoiled(own: Path) -> Path:
    frames = tifffile.imread(own / "stack.tif")
    frames[[4, 9]] *= 1e-4
    tifffile.imwrite(own / "stack.tif", frames)
    return own


def test_spoiled_frames_are_left_out_with_one_click(
    open_window: Callable[[], Window], spoiled: Path
) -> None:
    window = open_window()
    window.open(spoiled)
    assert "pattern(s) 4,9 hold" in window.text(f"{LIGHTS}.sums-apart.text")
    assert window.text(f"{LIGHTS}.sums-apart") == "Leave out 4,9"
    window.click(f"{LIGHTS}.sums-apart")
    assert window.dock.recipe().shared.excluded == (4, 9)
    assert not buttons(window)
    assert "4,9 left out" in window.text(f"{LIGHTS}.fine")


def test_amplitudes_are_squared_with_one_click(
    open_window: Callable[[], Window], own: Path
) -> None:
    frames = np.round(1e5 * np.asarray(SCAN.patterns) / np.max(SCAN.patterns))
    tifffile.imwrite(own / "stack.tif", np.sqrt(frames).astype(np.float32))
    window = open_window()
    window.open(own)
    window.click(f"{LIGHTS}.amplitudes")
    window.until("ready")
    scan = window.controller.scan
    assert scan is not None
    assert np.allclose(scan.patterns, frames, rtol=1e-4)
    assert "amplitudes" not in buttons(window)


def test_errors_come_before_warnings(
    open_window: Callable[[], Window], own: Path
) -> None:
    frames = tifffile.imread(own / "stack.tif")[:3]
    frames[1] *= 1e-4
    tifffile.imwrite(own / "stack.tif", frames, photometric="minisblack")
    np.savetxt(own / "positions.txt", SCAN.positions_m[:3, ::-1])
    window = open_window()
    window.open(own)
    levels = [finding.level for finding in window.dock.data.lights.findings]
    assert levels == sorted(levels, key=["error", "warning", "ok"].index)
    assert "✖ Wrong" in window.text(f"{LIGHTS}.few-patterns.text")
    assert levels[1] == "warning"


def test_buttons_say_what_they_do() -> None:
    near = (("propagation", "near-field"), ("focus_sample_m", 3.69e-3))
    assert button_text(near) == "Use near-field, focus to sample 3.69 mm"
    assert button_text((("distance_m", None),)) == "Use the file's distance_m"
    assert button_text((("center", (73, 60)),)) == "Use centre 73, 60"
    assert button_text((("rebin", 2),)) == "rebin = 2"
