"""Measured scans of other geometries than the star's (see test_start.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.core.findings import level_of
from napari_scicompty.simulation import PRESETS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def p25(shared_data: Path) -> sc.Scan:
    path = shared_data / "p25_nearfield" / "PETRAIII_P25_Near_Field_Ptycho.cxi"
    return sc.open_scan(path, focus_sample_m=3.65e-3, propagation="near-field")


@pytest.mark.slow
def test_near_field_of_a_cone_beam_shows_the_star(p25: sc.Scan) -> None:
    *_, last = sc.reconstruct(p25, sc.RPIE(), epochs=150, device="cpu")
    assert last.error <= 0.0055
    # Spokes: around the middle of the star the phase goes up and down many times.
    phase = np.angle(last.object)
    row, column = (n // 2 for n in phase.shape)
    turn = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    y, x = (row + 40 * np.sin(turn), column + 40 * np.cos(turn))
    ring = phase[y.round().astype(int), x.round().astype(int)]
    power = np.abs(np.fft.rfft(ring - ring.mean())) ** 2
    assert power[24:33].sum() > 0.8 * power.sum()


@pytest.mark.slow
def test_the_orientation_of_the_file_is_the_best_of_all_eight(p25: sc.Scan) -> None:
    """The file's basis vectors are used, not a guess: every other turn is worse."""
    errors = {}
    for swap in (False, True):
        for sign in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
            turned = p25.positions_m[:, ::-1] if swap else p25.positions_m
            scan = p25.replace(positions_m=turned * sign)
            *_, last = sc.reconstruct(scan, sc.RPIE(), epochs=3, device="cpu")
            errors[swap, *sign] = last.error
    asis = errors.pop((False, 1, 1))
    assert asis < 0.8 * min(errors.values())


def test_nothing_is_odd_about_the_measured_scans(
    p25: sc.Scan, shared_data: Path
) -> None:
    star = sc.open_scan(
        shared_data / "siemens_star" / "stack.tif",
        shared_data / "siemens_star" / "positions_m.txt",
        wavelength_m=1.4089e-10,
        distance_m=1.92,
        detector_pixel_m=75e-6,
    )
    rotavirus = sc.open_scan(
        shared_data / "rotavirus" / "cryo_rotavirus_small.h5",
        positions_key="positions_xy_m",
        wavelength_key="wavelength_m",
        distance_key="distance_m",
        detector_pixel_key="detector_pixel_m",
    )
    for scan in (p25, star, rotavirus):
        assert scan.findings == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
def test_a_run_of_a_preset_hears_of_wrong_geometry_alone(name: str) -> None:
    """Some have a distance that is 30 % wrong, which M-rPIE does not refine."""
    recipe = sc.Recipe.preset(name)
    stage = recipe.stages[0].replace(epochs=20)
    scan = recipe.scan()
    assert scan.findings == ()
    *_, last = recipe.replace(stages=(stage,)).run(scan)
    told = (level_of(note) for note in last.history.notes)
    warned = [text for level, text in told if level == "warning"]
    is_wrong = recipe.input.mistakes.distance_error and not stage.refine
    assert all("wrong geometry" in text for text in warned)
    assert bool(warned) == bool(is_wrong)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [False, True])
def test_the_star_tells_a_wrong_orientation_and_spoiled_frames(
    wrong: bool, shared_data: Path
) -> None:
    """Swapped axes; a mirrored frame and a copy: the curve falls all the same."""
    scan = sc.open_scan(
        shared_data / "siemens_star" / "stack.tif",
        shared_data / "siemens_star" / "positions_m.txt",
        wavelength_m=1.4089e-10,
        distance_m=1.92,
        detector_pixel_m=75e-6,
    )
    start = sc.PupilProbe(
        defocus_m=160 * scan.pixel_size_m[0] ** 2 / scan.geometry.wavelength_m
    )
    if wrong:
        scan = scan.with_positions(scan.positions_m[:, ::-1])
    else:
        frames = np.asarray(scan.patterns).copy()
        frames[50], frames[77] = frames[50][:, ::-1], frames[3]
        scan = scan.replace(patterns=frames)
        assert [f.code for f in scan.findings] == ["frames-apart", "frames-doubled"]
    *_, last = sc.reconstruct(scan, sc.RPIE(), epochs=20, start=start, device="cpu")
    notes = " ".join(last.history.notes)
    assert ("hardly falls" in notes) == wrong
    assert ("run.excluded=[50,77]" in notes) != wrong
