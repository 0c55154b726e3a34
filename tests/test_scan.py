"""What is accepted at the door of `Geometry` and `Scan`, and what they derive."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_scicompty.core.beam import beam_words, pixel_angle
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.geometry import Geometry
from napari_scicompty.data.scan import Scan

if TYPE_CHECKING:
    from pathlib import Path

FAR = Geometry(1e-10, 1.0, 50e-6)
P25 = Geometry.from_energy(
    12658, 1.12, 55e-6, focus_sample_m=3.65e-3, propagation="near-field"
)
RNG = np.random.default_rng(0)
PATTERNS = RNG.poisson(20, (9, 16, 12)).astype(np.uint16) + 1
PIXEL = np.array(FAR.pixel_size_m((16, 12)))
POSITIONS = np.mgrid[:3, :3].reshape(2, -1).T * 4.3 * PIXEL


# -- geometry -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("geometry", "wavelength_m"),
    [
        (Geometry.from_energy(8800, 1, 1e-6), 1.40891e-10),
        (Geometry.from_energy(12398.42, 1, 1e-6), 1e-10),
        (Geometry.from_voltage(300e3, 1, 1e-6), 1.9687e-12),
        (Geometry.from_voltage(200e3, 1, 1e-6), 2.5079e-12),
        (Geometry.from_voltage(80e3, 1, 1e-6), 4.1757e-12),
    ],
)
def test_wavelengths_of_the_textbook(geometry: Geometry, wavelength_m: float) -> None:
    assert geometry.wavelength_m == pytest.approx(wavelength_m, rel=5e-5)


def test_energy_comes_back() -> None:
    assert Geometry.from_energy(6200, 1, 1e-6).energy_ev == pytest.approx(6200)
    assert Geometry.from_voltage(2e5, 1, 1e-6).voltage_v == pytest.approx(2e5)


@pytest.mark.parametrize(
    ("geometry", "given", "says"),
    [
        (Geometry.from_energy(8800, 1, 1e-6), False, " (photons of 8.8 keV)"),
        (Geometry.from_voltage(300e3, 1, 1e-6), False, " (electrons of 300 kV)"),
        (Geometry.from_voltage(300e3, 1, 1e-6), True, " (electrons of 300 kV)"),
        (Geometry.from_voltage(5e3, 1, 1e-6), True, " (electrons of 5 kV)"),
        (Geometry.from_voltage(5e3, 1, 1e-6), False, " (photons of 71.659 keV)"),
        (
            Geometry.from_voltage(20e3, 1, 1e-6),
            False,
            " (photons of 144.36 keV or electrons of 20 kV)",
        ),
        (Geometry.from_voltage(20e3, 1, 1e-6), True, " (electrons of 20 kV)"),
        (Geometry.from_energy(2e6, 1, 1e-6), False, ""),
    ],
)
def test_photons_and_electrons_are_named_where_they_may_be(
    geometry: Geometry, given: bool, says: str
) -> None:
    assert beam_words(geometry, given) == says


def test_a_detector_pixel_is_told_in_units_of_electron_microscopes() -> None:
    geometry = Geometry.from_voltage(300e3, 2.0, (6e-5, 1e-4))
    wavelength_a = geometry.wavelength_m * 1e10
    assert pixel_angle(geometry) == (
        f"0.03 x 0.05 mrad, {3e-5 / wavelength_a:.5g} x {5e-5 / wavelength_a:.5g} 1/Å"
    )


def test_far_field_pixel_is_of_each_axis() -> None:
    geometry = Geometry(1.4e-10, 2.0, (75e-6, 50e-6), focus_sample_m=1e-3)
    pixel = geometry.pixel_size_m((128, 64))
    assert pixel[0] == pytest.approx(1.4e-10 * 2 / (128 * 75e-6))
    assert pixel[1] == pytest.approx(1.4e-10 * 2 / (64 * 50e-6))
    assert geometry.magnification == 1


def test_near_field_cone_beam_of_p25() -> None:
    assert P25.magnification == pytest.approx(307.85, abs=5e-3)
    assert P25.pixel_size_m((100, 100))[0] == pytest.approx(178.66e-9, abs=5e-12)
    assert P25.effective_distance_m == pytest.approx(3.638e-3, abs=5e-7)
    parallel = P25.replace(focus_sample_m=None)
    assert parallel.effective_distance_m == 1.12
    assert parallel.pixel_size_m((100, 80)) == (55e-6, 55e-6)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("wavelength_m", 0),
        ("wavelength_m", -1e-10),
        ("wavelength_m", math.nan),
        ("wavelength_m", "red"),
        ("distance_m", -1),
        ("distance_m", math.inf),
        ("distance_m", None),
        ("detector_pixel_m", (50e-6, 0)),
        ("detector_pixel_m", (1e-6, 1e-6, 1e-6)),
        ("focus_sample_m", 0),
        ("focus_sample_m", math.nan),
        ("propagation", "fresnel"),
    ],
)
def test_bad_geometry_names_the_culprit(field: str, value: Any) -> None:
    good = {"wavelength_m": 1e-10, "distance_m": 1.0, "detector_pixel_m": 50e-6}
    with pytest.raises(InputError, match=field):
        Geometry(**good | {field: value})


def test_a_focus_on_the_detector_has_no_magnification() -> None:
    with pytest.raises(InputError, match="focus_sample_m"):
        Geometry(1e-10, 1.0, 5e-6, focus_sample_m=-1.0, propagation="near-field")


@pytest.mark.parametrize(
    ("make", "value", "culprit"),
    [
        (Geometry.from_energy, -1, "energy_ev"),
        (Geometry.from_energy, math.nan, "energy_ev"),
        (Geometry.from_voltage, 0, "voltage_v"),
        (Geometry.from_voltage, math.nan, "voltage_v"),
    ],
)
def test_bad_energy_names_itself(make: Any, value: float, culprit: str) -> None:
    with pytest.raises(InputError, match=culprit):
        make(value, 1.0, 50e-6)


# -- the scan at the door -------------------------------------------------------------
def with_value(value: float, pattern: int) -> np.ndarray:
    patterns = PATTERNS.astype(np.float32)
    patterns[pattern, 3, 4] = value
    return patterns


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"positions_m": POSITIONS[:8]}, r"8 positions for 9 patterns"),
        ({"positions_m": np.vstack([POSITIONS] * 2)}, r"18 positions for 9 patterns"),
        ({"positions_m": POSITIONS.T}, r"positions_m.*\(2, 9\)"),
        ({"positions_m": np.zeros((9, 3))}, r"positions_m.*\(9, 3\)"),
        ({"positions_m": [["a", "b"]] * 9}, r"positions_m.*numbers"),
        ({"positions_m": np.where(POSITIONS == 0, np.nan, POSITIONS)}, r"number 0"),
        ({"positions_m": POSITIONS * 1e6}, r"positions_m.*unit"),
        ({"positions_m": POSITIONS * 1e-3}, r"positions_m.*less than one pixel"),
        ({"positions_m": POSITIONS * 0}, r"positions_m.*less than one pixel"),
        ({"patterns": PATTERNS.astype(complex)}, r"patterns.*complex128"),
        ({"patterns": PATTERNS > 3}, r"patterns.*bool"),
        ({"patterns": np.full(PATTERNS.shape, "x")}, r"patterns.*dtype"),
        ({"patterns": PATTERNS[0]}, r"patterns.*\(16, 12\)"),
        ({"patterns": PATTERNS[:0]}, r"patterns.*\(0, 16, 12\)"),
        ({"patterns": PATTERNS[:, :4]}, r"patterns.*4 x 12"),
        ({"patterns": PATTERNS * 0}, r"patterns.*blank"),
        ({"patterns": with_value(np.nan, 5)}, r"pattern 5 .*not finite"),
        ({"patterns": with_value(np.inf, 7)}, r"pattern 7 .*not finite"),
        ({"mask": np.ones((12, 16))}, r"mask.*\(12, 16\)"),
        ({"mask": np.zeros((16, 12))}, r"mask.*no good pixel"),
        ({"excluded": range(9)}, r"excluded"),
        ({"excluded": [9]}, r"excluded.*9"),
        ({"excluded": [-1]}, r"excluded.*-1"),
    ],
)
def test_bad_scan_is_refused_with_a_sentence(
    changes: dict[str, Any], says: str
) -> None:
    good = {"patterns": PATTERNS, "positions_m": POSITIONS, "geometry": FAR}
    Scan(**good)
    with pytest.raises(InputError, match=says) as caught:
        Scan(**good | changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("geometry", "suspects"),
    [
        (
            Geometry.from_energy(12, 1.0, 50e-6),
            r"1.033e-07 \(photons of 12 eV\) times distance_m=1 over 16 x 12 pixels of "
            "detector_pixel_m=5e-05",
        ),
        (
            Geometry(1e-10, 2.0, (6e-6, 8e-6), 1e-8, "near-field"),
            r"detector_pixel_m=6e-06 x 8e-06 over the magnification of 2e\+08 by "
            "distance_m=2 and focus_sample_m=1e-08",
        ),
        (
            Geometry(1e-10, 2.0, 1e-2, propagation="near-field"),
            "that of detector_pixel_m, as no focus_sample_m magnifies it",
        ),
    ],
)
def test_a_wrong_pixel_is_told_with_what_it_follows_from(
    geometry: Geometry, suspects: str
) -> None:
    says = rf"position_unit when opening\), or a number is wrong .*{suspects}"
    with pytest.raises(InputError, match=says):
        Scan(PATTERNS, POSITIONS, geometry)


def test_what_is_masked_or_excluded_need_not_be_finite() -> None:
    mask = np.ones((16, 12), bool)
    mask[3, 4] = False
    assert Scan(with_value(np.nan, 5), POSITIONS, FAR, mask).pattern_sum.all()
    # The refusal of such a pattern says "or exclude the pattern".
    assert len(Scan(with_value(np.nan, 5), POSITIONS, FAR, excluded=(5,))) == 9


def test_negative_counts_and_blank_patterns_are_counted_and_said() -> None:
    patterns = PATTERNS.astype(np.int32)
    patterns[2] = patterns[5] = 0
    patterns[1, 4, 4:7] = -20
    scan = Scan(patterns, POSITIONS, FAR)
    told = " | ".join(scan.report)
    assert "2 blank pattern(s) left out: 2, 5" in told
    assert "3 negative value" in told
    assert scan.negative_counts == 3
    assert scan.excluded == (2, 5)
    assert scan.included.tolist() == [0, 1, 3, 4, 6, 7, 8]
    clipped = np.maximum(patterns, 0)
    assert np.allclose(scan.pattern_sum, clipped.sum((1, 2)))
    assert np.allclose(scan.mean_pattern, clipped[scan.included].mean(0))
    assert scan.largest_count == clipped.max()
    assert len(scan) == 9


def test_a_clean_scan_reports_nothing_of_its_own() -> None:
    assert Scan(PATTERNS, POSITIONS, FAR, report=("from a test",)).report == (
        "from a test",
    )


def test_a_scan_does_not_change_with_the_arrays_it_was_made_of() -> None:
    positions, mask = POSITIONS.copy(), np.ones((16, 12), bool)
    scan = Scan(PATTERNS, positions, FAR, mask)
    positions += 1
    mask[:] = False
    assert np.array_equal(scan.positions_m, POSITIONS)
    assert scan.good.all()
    with pytest.raises(ValueError, match="read-only"):
        scan.positions_m[0] = 0


def test_exclude_adds_and_replace_checks_again() -> None:
    scan = Scan(PATTERNS, POSITIONS, FAR).exclude(3).exclude([1, 3])
    assert scan.excluded == (1, 3)
    with pytest.raises(InputError, match="positions_m"):
        scan.replace(positions_m=POSITIONS * 1e6)
    with pytest.raises(InputError, match="positions_m"):
        scan.with_geometry(FAR.replace(distance_m=1e-9))
    other = scan.with_geometry(FAR.replace(distance_m=2.0))
    assert np.allclose(other.pixel_size_m, 2 * PIXEL)
    assert np.allclose(scan.pixel_size_m, PIXEL)


def test_other_positions_are_checked_and_nothing_else_is_looked_at() -> None:
    scan = Scan(PATTERNS, POSITIONS, FAR).exclude(3)
    other = scan.with_positions(POSITIONS[::-1])
    assert np.array_equal(other.positions_m, POSITIONS[::-1])
    assert np.array_equal(scan.positions_m, POSITIONS)
    assert other.excluded == (3,)
    assert np.shares_memory(other.patterns, scan.patterns)
    with pytest.raises(InputError, match="8 positions for 9 patterns"):
        scan.with_positions(POSITIONS[1:])
    with pytest.raises(InputError, match="another unit"):
        scan.with_positions(POSITIONS * 1e6)


# -- memory ---------------------------------------------------------------------------
def test_a_memory_map_is_not_copied(tmp_path: Path) -> None:
    file = tmp_path / "stack.raw"
    PATTERNS.tofile(file)
    stack = np.memmap(file, PATTERNS.dtype, "r", shape=PATTERNS.shape)
    scan = Scan(stack, POSITIONS, FAR)
    for one in (scan, scan.exclude(1), scan.with_geometry(FAR)):
        assert isinstance(one.patterns, np.memmap)
        assert np.shares_memory(one.patterns, stack)
    joined = np.concatenate([part for _, part in scan.chunks()])
    assert joined.dtype == np.float32
    assert np.array_equal(joined, PATTERNS)
