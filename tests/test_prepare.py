"""Preparation: each step against plain numpy, and what it must not copy."""

from __future__ import annotations

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty import prepare
from napari_scicompty.core import stacks

GEOMETRY = sc.Geometry(1e-10, 1.0, (50e-6, 60e-6))


def make_scan(shape=(6, 16, 20), geometry=GEOMETRY, mask=None, dtype=np.uint16):
    rng = np.random.default_rng(0)
    patterns = rng.poisson(30, shape).astype(dtype)
    positions = rng.uniform(0, 1e-5, (shape[0], 2))
    return sc.Scan(patterns, positions, geometry, mask)


def one_bad(shape, row, column):
    mask = np.ones(shape, bool)
    mask[row, column] = False
    return mask


def test_orient_turns_mask_and_pixel_too():
    scan = make_scan(mask=one_bad((16, 20), 2, 3))
    turned = prepare.orient(scan, transpose=True, flip_columns=True)
    assert np.array_equal(turned.patterns, scan.patterns.swapaxes(1, 2)[:, :, ::-1])
    assert np.argwhere(~turned.mask).tolist() == [[3, 13]]
    assert turned.geometry.detector_pixel_m == (60e-6, 50e-6)
    assert np.shares_memory(turned.patterns, scan.patterns)
    assert prepare.orient(scan) is scan


@pytest.mark.parametrize("size", [8, 9, (10, 13), None])
@pytest.mark.parametrize("center", [None, (7, 17), (11.6, 13.2)])
def test_crop_puts_the_centre_in_the_middle(size, center):
    scan = make_scan((6, 24, 30), mask=one_bad((24, 30), 12, 16))
    cut = prepare.crop(scan, size, center)
    row, column = (12, 15) if center is None else np.round(center).astype(int)
    h, w = cut.frame_shape
    if size is not None:
        assert (h, w) == tuple(np.broadcast_to(size, 2))
    assert np.array_equal(
        cut.patterns[:, h // 2, w // 2], scan.patterns[:, row, column]
    )
    assert np.array_equal(cut.mask[h // 2, w // 2 :][:2], scan.mask[row, column:][:2])
    assert np.shares_memory(cut.patterns, scan.patterns)
    assert cut.pixel_size_m == pytest.approx(GEOMETRY.pixel_size_m((h, w)))


@pytest.mark.parametrize("shape", [(64, 64), (37, 39), (42, 45), (128, 127)])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_rebin_sums_and_keeps_the_zero_frequency(shape, factor):
    mask = one_bad(shape, shape[0] // 2, shape[1] // 2)
    patterns = np.full((2, *shape), 60_000, np.uint16)
    patterns[:, shape[0] // 2, shape[1] // 2] += 5_000
    frame = sc.Scan(patterns, [[0, 0], [1e-5, 0]], GEOMETRY)
    small = prepare.rebin(frame, factor)
    h, w = small.frame_shape
    assert (h, w) == (shape[0] // factor, shape[1] // factor)
    expected = np.full((h, w), 60_000 * factor**2)
    expected[h // 2, w // 2] += 5_000
    assert np.array_equal(small.patterns[0], expected)
    assert small.geometry.detector_pixel_m == pytest.approx(
        (50e-6 * factor, 60e-6 * factor)
    )
    masked = prepare.rebin(frame.replace(mask=mask), factor)
    assert np.argwhere(~masked.mask).tolist() == [[h // 2, w // 2]]


def test_rebin_does_not_change_the_object_pixel():
    scan = make_scan()
    assert prepare.rebin(scan, 2).pixel_size_m == pytest.approx(scan.pixel_size_m)
    parallel = GEOMETRY.replace(propagation="near-field")
    near = scan.replace(geometry=parallel, positions_m=scan.positions_m * 100)
    assert prepare.rebin(near, 2).pixel_size_m == pytest.approx((1e-4, 1.2e-4))


def test_dark_field_is_the_mean_of_a_stack_and_clips_at_zero(monkeypatch):
    monkeypatch.setattr(stacks, "_CHUNK_BYTES", 4 * 16 * 20 * 4)  # several chunks
    scan = make_scan()
    dark = np.random.default_rng(1).poisson(25, (3, 16, 20))
    done = prepare.dark_field(scan, dark)
    expected = np.maximum(scan.patterns - dark.mean(0), 0)
    assert np.allclose(done.patterns, expected, atol=1e-4)
    assert done.patterns.dtype == np.float32 and done.negative_counts == 0


def test_saturated_and_hot_pixels_are_masked_and_counted():
    scan = make_scan(mask=one_bad((16, 20), 0, 0))
    patterns = scan.patterns.copy()
    patterns[2, 4, 5] = 4000  # once only
    patterns[:, 9, 9] += 400  # always
    scan = scan.replace(patterns=patterns)
    saturated = prepare.mask_saturated(scan, 4000)
    assert np.argwhere(~saturated.mask).tolist() == [[0, 0], [4, 5]]
    hot = prepare.mask_hot_pixels(saturated, 8)
    assert np.argwhere(~hot.mask).tolist() == [[0, 0], [4, 5], [9, 9]]
    assert any(line.startswith("1 pixel(s) hot") for line in hot.report)


def test_hot_pixels_spare_a_measured_pattern(shared_data):
    star = shared_data / "siemens_star"
    geometry = sc.Geometry(1.4089113454545454e-10, 1.92, 75e-6)
    scan = sc.open_scan(
        star / "stack.tif", star / "positions_m.txt", geometry, hot_pixel_sigma=8
    )
    assert np.count_nonzero(~scan.good) < 0.001 * scan.good.size


def test_steps_leave_the_first_scan_alone():
    scan = make_scan(mask=one_bad((16, 20), 1, 1))
    before = scan.patterns.copy(), scan.mask.copy(), scan.report
    steps = (
        lambda s: prepare.orient(s, flip_rows=True),
        lambda s: prepare.crop(s, 12),
        lambda s: prepare.dark_field(s, np.ones((12, 12))),
        lambda s: prepare.mask_saturated(s, 45),
        lambda s: prepare.mask_hot_pixels(s, 8),
        lambda s: prepare.rebin(s, 1),
    )
    done = scan
    for step in steps:
        done = step(done)
        assert isinstance(done, sc.Scan)
    assert np.array_equal(before[0], scan.patterns)
    assert np.array_equal(before[1], scan.mask) and before[2] == scan.report
    assert len(done.report) == 5


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (lambda s: prepare.crop(s, 17), "crop 17 x 17 around"),
        (lambda s: prepare.crop(s, (0, 4)), "crop 0 x 4"),
        (lambda s: prepare.crop(s, 8, (-1, 3)), "outside"),
        (lambda s: prepare.rebin(s, 0), "rebin is 0"),
        (lambda s: prepare.dark_field(s, np.ones((3, 3))), "dark has shape"),
        (lambda s: prepare.dark_field(s, np.full((16, 20), np.nan)), "not finite"),
        (lambda s: prepare.mask_pixels(s, np.ones((3, 3))), "mask has shape"),
        (lambda s: prepare.mask_hot_pixels(s, 0), "hot_pixel_sigma"),
        (lambda s: prepare.mask_saturated(s, 0), "no good pixel"),
    ],
)
def test_bad_preparation_is_refused(step, expected):
    with pytest.raises(sc.InputError, match=expected):
        step(make_scan())
