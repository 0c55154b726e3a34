"""Tilt-corrected bright field: defocus and orientation in seconds, and an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import ndimage

import napari_scicompty as sc
from electron_scans import ElectronScan, electron_scan
from napari_scicompty.analysis.bright_field import refined_motion
from napari_scicompty.analysis.pattern_motion import lit_pixels, pattern_motion
from small_scans import small_scan

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("defocus_m", "turned_deg", "mirrored"),
    [(1.2e-6, 0, False), (-1.2e-6, 30, True), (8e-7, -70, False), (1.5e-6, 12, True)],
)
def test_defocus_and_orientation_are_found(
    defocus_m: float, turned_deg: float, mirrored: bool
) -> None:
    made = electron_scan(defocus_m, turned_deg=turned_deg, mirrored=mirrored)
    found = sc.bright_field(made.scan)
    assert found is not None
    assert found.defocus_m == pytest.approx(abs(defocus_m), rel=0.05)
    assert found.rotation_deg == pytest.approx(turned_deg, abs=1)
    assert found.mirrored == mirrored
    assert found.image.dtype == np.float32
    # The motion of the patterns alone is right in the second digit only.
    motion = pattern_motion(made.scan)
    assert motion is not None
    before = abs(motion.defocus_m(made.scan) - abs(defocus_m))
    assert abs(found.defocus_m - abs(defocus_m)) < before


def test_the_sign_of_the_motion_is_that_of_the_focus() -> None:
    """Behind a focus the shadow moves against the scan."""
    for defocus_m, along in ((1.2e-6, -1), (-1.2e-6, 1)):
        motion = refined_motion(electron_scan(defocus_m).scan)
        assert motion is not None
        assert motion.along == along
        assert abs(motion.rotation_deg) < 1


@pytest.mark.parametrize("defocus_m", [1.2e-6, -1.2e-6])
def test_the_image_shows_the_object_where_plain_bright_field_does_not(
    defocus_m: float,
) -> None:
    made = electron_scan(defocus_m)
    found = sc.bright_field(made.scan)
    assert found is not None
    rows, columns = (np.arange(n) * found.pixel_size_m for n in found.image.shape)
    y, x = found.origin_m[0] + rows, found.origin_m[1] + columns
    edge = made.scan.positions_m.max(0)
    image = found.image[np.ix_((y > 0) & (y < edge[0]), (x > 0) & (x < edge[1]))]
    y, x = y[(y > 0) & (y < edge[0])], x[(x > 0) & (x < edge[1])]
    places = np.stack(np.meshgrid(y, x, indexing="ij"), -1)
    frames = np.asarray(made.scan.patterns)
    plain = frames[:, lit_pixels(made.scan)].sum(1)
    phase, curvature = views_of(made, places)
    corrected = correlation(image, curvature), correlation(image, phase)
    usual = [correlation(plain, view) for view in views_of(made, made.scan.positions_m)]
    assert np.abs(corrected[0]) > 0.9
    assert np.abs(corrected[1]) > 0.7
    assert max(np.abs(usual)) < 0.6
    assert np.sign(corrected[1]) == np.sign(defocus_m)


def views_of(made: ElectronScan, places_m: np.ndarray) -> list[np.ndarray]:
    """Phase of the object at the middle of views, and its blurred Laplacian."""
    phase = np.angle(made.object)
    at = made.corner + made.scan.frame_shape[0] // 2 + places_m / made.pixel_m
    return [
        ndimage.map_coordinates(picture, np.moveaxis(at, -1, 0), order=1)
        for picture in (phase, ndimage.gaussian_laplace(phase, 2, mode="wrap"))
    ]


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_the_image_lies_where_its_origin_says_and_excluded_frames_take_no_part() -> (
    None
):
    made = electron_scan()
    moved = made.scan.with_positions(np.add(made.scan.positions_m, [3e-6, -5e-6]))
    frames = np.asarray(made.scan.patterns).copy()
    frames[7] = 1e6
    spoiled = made.scan.replace(patterns=frames, excluded=(7,))
    first, second, third = (
        sc.bright_field(scan) for scan in (made.scan, moved, spoiled)
    )
    assert first is not None
    assert second is not None
    assert third is not None
    away = np.subtract(second.origin_m, first.origin_m)
    assert away == pytest.approx([3e-6, -5e-6], abs=2 * first.pixel_size_m)
    assert third.image.max() < 1.2 * first.image.max()
    assert third.defocus_m == pytest.approx(1.2e-6, rel=0.05)


def near_field() -> Any:
    return small_scan(near=True).scan


@pytest.mark.parametrize(
    "scan",
    [
        near_field,
        lambda: electron_scan(0.0).scan,
        lambda: electron_scan(rows=3).scan,
    ],
    ids=["near field", "in focus", "nine patterns"],
)
def test_there_is_none_where_no_motion_is_clear(scan: Any) -> None:
    assert sc.bright_field(scan()) is None


def test_a_measured_scan_tells_its_mirror_angle_and_defocus(shared_data: Path) -> None:
    scan = sc.open_scan(
        shared_data / "rotavirus" / "cryo_rotavirus_small.h5",
        data_key="diffraction",
        positions_key="positions_xy_m",
        wavelength_key="wavelength_m",
        distance_key="distance_m",
        detector_pixel_key="detector_pixel_m",
    )
    found = sc.bright_field(scan)
    assert found is not None
    assert found.mirrored
    assert found.rotation_deg == pytest.approx(23.5, abs=1)
    assert found.defocus_m == pytest.approx(12.75e-6, rel=0.06)
