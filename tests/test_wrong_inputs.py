"""Measured scans opened wrongly: what is said of each, and which change mends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.core.errors import changes_of

if TYPE_CHECKING:
    from pathlib import Path

STAR = {"wavelength_m": 1.4089e-10, "distance_m": 1.92, "detector_pixel_m": 75e-6}


@pytest.fixture
def files(shared_data: Path) -> tuple[Path, Path]:
    folder = shared_data / "siemens_star"
    return folder / "stack.tif", folder / "positions_m.txt"


def odd(scan: sc.Scan) -> dict[str, sc.Finding]:
    found = sc.check(scan, device="cpu")
    return {f.code: f for f in found if f.level != "ok"}


@pytest.fixture
def p25(shared_data: Path) -> Path:
    return shared_data / "p25_nearfield" / "PETRAIII_P25_Near_Field_Ptycho.cxi"


def test_the_measured_scans_are_well(
    files: tuple[Path, Path], p25: Path, shared_data: Path
) -> None:
    assert not odd(sc.open_scan(*files, **STAR))
    near = {"propagation": "near-field", "focus_sample_m": 3.65e-3}
    assert not odd(sc.open_scan(p25, **near))
    rotavirus = shared_data / "rotavirus" / "cryo_rotavirus_small.h5"
    keys = {
        "positions_key": "positions_xy_m",
        "wavelength_key": "wavelength_m",
        "distance_key": "distance_m",
        "detector_pixel_key": "detector_pixel_m",
    }
    # Its positions are told in the frame of the sample: the detector is mirrored.
    told = odd(sc.open_scan(rotavirus, **keys))
    assert set(told) == {"orientation"}
    assert dict(told["orientation"].change) == {"flip_rows": True}
    assert not odd(sc.open_scan(rotavirus, **keys, flip_rows=True))


@pytest.mark.parametrize(
    ("wrong", "code", "level"),
    [
        ({"distance_m": 19.2}, "step-small", "warning"),
        ({"distance_m": 0.192}, "near-field", "error"),
        ({"flip_columns": True}, "orientation", "error"),
        ({"position_order": "yx"}, "orientation", "error"),
    ],
)
def test_a_wrong_number_or_orientation_of_the_star_is_told(
    files: tuple[Path, Path], wrong: dict[str, Any], code: str, level: str
) -> None:
    told = odd(sc.open_scan(*files, **STAR | wrong))
    assert told[code].level == level


@pytest.mark.parametrize(
    "wrong", [{"flip_columns": True}, {"flip_rows": True}, {"position_order": "yx"}]
)
def test_what_is_proposed_mends_the_orientation_of_the_star(
    files: tuple[Path, Path], wrong: dict[str, Any]
) -> None:
    choices = STAR | wrong
    for _ in range(2):
        told = odd(sc.open_scan(*files, **choices)).get("orientation")
        if told is not None:
            choices |= dict(told.change)
    assert not odd(sc.open_scan(*files, **choices))


def test_positions_of_the_star_eight_times_too_far(files: tuple[Path, Path]) -> None:
    scan = sc.open_scan(*files, **STAR)
    told = odd(scan.with_positions(8 * scan.positions_m))
    assert {"near-field", "overlap"} <= set(told)


def test_nine_patterns_of_the_star(files: tuple[Path, Path]) -> None:
    scan = sc.open_scan(*files, **STAR)
    few = sc.Scan(np.asarray(scan.patterns)[:9], scan.positions_m[:9], scan.geometry)
    assert "only 9 patterns" in odd(few)["few-views"].what


def test_patterns_of_the_star_that_are_rolled(files: tuple[Path, Path]) -> None:
    scan = sc.open_scan(*files, **STAR)
    rolled = np.roll(np.asarray(scan.patterns), (9, -7), (1, 2))
    told = odd(scan.replace(patterns=rolled))["centre"]
    assert told.change == (("center", (73, 60)),)


def test_spoiled_frames_of_the_star(files: tuple[Path, Path]) -> None:
    """One mirrored, one a copy of another."""
    scan = sc.open_scan(*files, **STAR)
    frames = np.asarray(scan.patterns).copy()
    frames[50], frames[77] = frames[50][:, ::-1], frames[3]
    told = odd(scan.replace(patterns=frames))
    assert told["frames-apart"].patterns == (50,)
    assert told["frames-doubled"].patterns == (77,)


@pytest.mark.parametrize("unit", ["um", "nm", "mm"])
def test_positions_of_the_star_in_another_unit(
    files: tuple[Path, Path], unit: str, tmp_path: Path
) -> None:
    metres = {"um": 1e-6, "nm": 1e-9, "mm": 1e-3}[unit]
    path = tmp_path / "p.txt"
    np.savetxt(path, np.loadtxt(files[1]) / metres)
    with pytest.raises(sc.InputError) as caught:
        sc.open_scan(files[0], path, **STAR)
    change = (("position_unit", unit),)
    assert change in changes_of(caught.value)
    assert not odd(sc.open_scan(files[0], path, **STAR | dict(change)))


def test_a_near_field_file_opened_as_far_field_is_mended(p25: Path) -> None:
    told = odd(sc.open_scan(p25))["near-field"]
    assert told.level == "error"
    choices = dict(told.change)
    assert choices["propagation"] == "near-field"
    assert choices["focus_sample_m"] == pytest.approx(3.65e-3, rel=0.03)
    assert not odd(sc.open_scan(p25, **choices))


def test_a_wrong_focus_of_the_near_field_is_mended(p25: Path) -> None:
    near = {"propagation": "near-field"}
    told = odd(sc.open_scan(p25, **near, focus_sample_m=2e-3))["magnification"]
    assert dict(told.change)["focus_sample_m"] == pytest.approx(3.65e-3, rel=0.03)
    scan = sc.open_scan(p25, **near, focus_sample_m=3.65e-3)
    both = odd(scan.with_positions(-scan.positions_m))["orientation"]
    assert both.change == (("flip_rows", True), ("flip_columns", True))
