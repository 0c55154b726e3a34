"""The window says what was found to be odd, and takes a voltage."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import napari_scicompty as sc
from window import EXPERIMENT, RADIUS_M, write_scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from window import Window

R = "reconstruction"


@pytest.fixture
def odd_folder(tmp_path: Path) -> Path:
    """The small scan with a gap of 2^16 - 1 and one position far off."""
    folder = write_scan(tmp_path / "odd")
    frames = tifffile.imread(folder / "stack.tif")
    counts = np.minimum(1e4 * frames / frames.max(), 6e4).astype(np.uint16)
    counts[:, :, 3] = 65535
    tifffile.imwrite(folder / "stack.tif", counts)
    positions = np.loadtxt(folder / "positions.txt")
    positions[7] += 300 * sc.simulate(EXPERIMENT)[0].pixel_size_m[0]
    np.savetxt(folder / "positions.txt", positions)
    return folder


def test_findings_are_said_as_warnings_when_a_scan_is_opened(
    open_window: Callable[[], Window], odd_folder: Path
) -> None:
    window = open_window()
    said: list[tuple[str, str]] = []
    window.controller.said.connect(lambda *line: said.append(line))
    window.open(odd_folder)
    scan = window.controller.scan
    assert scan is not None
    codes = {finding.code for finding in scan.findings}
    assert {"marker-values", "position-alone"} <= codes
    for finding in scan.findings:
        assert said.count(("warning", str(finding))) == 1
        assert ("info", str(finding)) not in said
    lights = f"{R}.data.lights"
    assert "32 pixel(s)" in window.text(f"{lights}.marker-values.text")
    alone = window.text(f"{lights}.position-alone.text")
    assert alone.startswith("▲ Look: position(s) 7 stand alone")
    report = window.text(f"{R}.data.report")
    assert "object pixel 125 nm" in report and "stand alone" not in report


def test_a_voltage_is_typed_in_place_of_an_energy(
    open_window: Callable[[], Window], folder: Path
) -> None:
    window = open_window()
    window.fill(folder)
    geometry = window.dock.geometry
    window.type(f"{R}.geometry.energy_ev", "8.8 keV")
    assert geometry.values["wavelength_m"] is None
    window.type(f"{R}.geometry.voltage_v", "300 kV")
    assert geometry.values["energy_ev"] is None
    assert geometry.values["voltage_v"] == pytest.approx(3e5)
    window.type(f"{R}.geometry.distance_m", "150 m")  # the pixel that the scan has
    window.click(f"{R}.open")
    window.until("ready")
    scan = window.controller.scan
    assert scan is not None, window.message
    assert scan.geometry.wavelength_m == pytest.approx(1.9687e-12, rel=1e-4)
    assert not scan.findings
    derived = window.text(f"{R}.geometry.derived")
    assert "wavelength 1.9687 pm (electrons of 300 kV)\n" in derived
    assert re.search(r"detector pixel [\d.e-]+ mrad, [\d.e-]+ 1/Å", derived)
    # Slow electrons that were asked for, and photons of the same wavelength.
    window.type(f"{R}.geometry.voltage_v", "15 kV")
    assert "(electrons of 15 kV)" in window.text(f"{R}.geometry.derived")
    window.type(f"{R}.geometry.energy_ev", "123 keV")
    assert "photons of 123 keV or" in window.text(f"{R}.geometry.derived")


def test_the_start_of_electrons_takes_the_units_of_their_microscopes(
    open_window: Callable[[], Window],
) -> None:
    window = open_window()
    window.choose(f"{R}.start.kind", "Convergent")
    window.type(f"{R}.start.semiangle_rad", "1.03 mrad")
    window.type(f"{R}.start.defocus_m", "-12 µm")
    window.type(f"{R}.start.astigmatism_deg", "30")
    window.type(f"{R}.start.spherical_m", "1.2 mm")
    start = window.dock.start.value
    assert isinstance(start, sc.ConvergentProbe)
    assert start.semiangle_rad == pytest.approx(1.03e-3)
    assert start.defocus_m == pytest.approx(-12e-6)
    assert start.astigmatism_deg == 30
    assert start.spherical_m == pytest.approx(1.2e-3)
    assert start.astigmatism_m == 0


def test_notes_of_a_run_are_as_loud_as_they_are(
    open_window: Callable[[], Window], folder: Path, tmp_path: Path
) -> None:
    scan, _ = sc.simulate(EXPERIMENT)
    start = sc.DiscProbe(RADIUS_M)
    *_, first = sc.reconstruct(scan, sc.RPIE(), epochs=1, start=start, device="cpu")
    other = first.replace(nominal_positions_m=first.nominal_positions_m * (1, -1))
    window = open_window()
    said: list[tuple[str, str]] = []
    window.controller.said.connect(lambda *line: said.append(line))
    window.open(folder)
    window.controller.show_result(other, None)
    window.run_to_the_end("1")
    told = [line for line in said if "the sign of x is another one" in line[1]]
    assert [level for level, _ in told] == ["warning"]
    assert not told[0][1].startswith("warning:")
