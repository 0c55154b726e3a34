"""Metrics against differences that are known because they were put in."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy import ndimage, special

from napari_scicompty.analysis import metrics
from napari_scicompty.core.errors import InputError
from napari_scicompty.simulation import VirtualExperiment, simulate
from napari_scicompty.workflow.start import DiscProbe, begin
from small_scans import small_scan


def texture(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """A band-limited random transmission function, periodic."""
    rng = np.random.default_rng(seed)
    a, b = (
        ndimage.gaussian_filter(rng.normal(size=shape), 2, mode="wrap") * 5
        for _ in range(2)
    )
    return (1 + 0.2 * a) * np.exp(1j * b)


def moved(field: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    fy, fx = (np.fft.fftfreq(n) for n in field.shape)
    turn = np.exp(-2j * np.pi * (fy[:, None] * shift[0] + fx[None] * shift[1]))
    return np.fft.ifft2(np.fft.fft2(field) * turn)


def ramp_of(shape: tuple[int, int], ramp: tuple[float, float]) -> np.ndarray:
    y, x = (np.arange(n) - n // 2 for n in shape)
    return np.exp(2j * np.pi * (ramp[0] * y[:, None] + ramp[1] * x[None]))


# -- correlation ----------------------------------------------------------------------
def test_correlation_of_the_same_is_one_whatever_the_complex_scale() -> None:
    field = texture((40, 50))
    assert metrics.complex_correlation(field, field) == pytest.approx(1, abs=1e-12)
    assert metrics.complex_correlation((2 - 3j) * field, field) == pytest.approx(1)


def test_correlation_is_the_formula_on_the_lit_region() -> None:
    one, other = texture((40, 50)), texture((40, 50), seed=1)
    lit = np.zeros((40, 50), bool)
    lit[5:30, 10:40] = True
    o, t = one[lit], other[lit]
    by_hand = abs((o.conj() * t).sum()) / np.sqrt(
        (abs(o) ** 2).sum() * (abs(t) ** 2).sum()
    )
    assert metrics.complex_correlation(one, other, lit) == pytest.approx(by_hand)
    spoilt = np.where(lit, one, 1e6)
    assert metrics.complex_correlation(spoilt, one, lit) == pytest.approx(1)
    assert by_hand < 0.9


# -- align ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shift", "ramp", "scale"),
    [
        ((0.0, 0.0), (0.0, 0.0), 1.0),
        ((0.35, -0.6), (0.0, 0.0), 1.0),
        ((1.4, -2.75), (0.003, -0.0017), 0.4 - 1.1j),
        ((-6.2, 9.3), (-0.008, 0.011), 3j),
        ((0.5, 12.0), (0.02, 0.0), -2.0),
    ],
)
@pytest.mark.parametrize("shape", [(96, 96), (81, 120)])
def test_align_finds_shift_ramp_and_scale(
    shape: tuple[int, int],
    shift: tuple[float, float],
    ramp: tuple[float, float],
    scale: complex,
) -> None:
    truth = texture(shape)
    # align moves the estimate first, then multiplies ramp and scale: undo in reverse.
    estimate = moved(truth / scale * ramp_of(shape, ramp).conj(), np.negative(shift))
    found = metrics.align(estimate, truth)
    assert np.allclose(found.shift_px, shift, atol=0.03)
    assert np.allclose(found.ramp, ramp, atol=1e-4)
    assert abs(found.scale - scale) < 0.02 * abs(scale)
    assert found.correlation > 0.9997
    left = np.linalg.norm((found.aligned - truth)[found.lit])
    assert left < 0.03 * np.linalg.norm(truth[found.lit])
    # What was moved in from beyond the rim is not called lit.
    assert found.lit.sum() < (shape[0] - abs(shift[0])) * (shape[1] - abs(shift[1]))


def test_noise_outside_the_lit_region_does_not_leak_in() -> None:
    shape = (128, 120)
    truth = texture(shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    lit = np.hypot(y - 60, x - 64) < 45
    rng = np.random.default_rng(3)
    noise = 30 * (rng.normal(size=shape) + 1j * rng.normal(size=shape))
    estimate = np.where(lit, moved(truth, (-1.3, 2.6)), noise)
    found = metrics.align(estimate, truth, lit)
    assert np.allclose(found.shift_px, (1.3, -2.6), atol=0.01)
    assert 1 - found.correlation < 1e-4
    assert (found.lit <= lit).all()
    assert found.lit.sum() > 0.7 * lit.sum()


def test_align_finds_a_magnification_where_asked() -> None:
    truth, middle = texture((128, 128)), 64
    lit = np.hypot(*(np.mgrid[:128, :128] - middle)) < 48
    smaller = ndimage.affine_transform(
        truth, np.full(2, 1.013), middle * (1 - 1.013), order=5, mode="nearest"
    )
    found = metrics.align(smaller, truth, lit, magnification=1.0)
    assert found.magnification == pytest.approx(1.013, abs=2e-4)
    assert 1 - found.correlation < 1e-4
    plain = metrics.align(smaller, truth, lit)
    assert plain.magnification == 1
    assert 1 - plain.correlation > 3e-3


@pytest.mark.parametrize(
    ("lit", "says"),
    [
        (np.zeros((32, 32), bool), "nothing is lit"),
        (np.ones((32, 31), bool), "same grid"),
    ],
)
def test_align_refuses(lit: np.ndarray, says: str) -> None:
    field = texture((32, 32))
    with pytest.raises(InputError, match=says):
        metrics.align(field, field, lit)


def test_without_ramp_a_ramp_stays() -> None:
    truth = texture((64, 64))
    estimate = truth * ramp_of((64, 64), (0.01, 0))
    assert metrics.align(estimate, truth).correlation > 0.999
    kept = metrics.align(estimate, truth, ramp=False)
    assert kept.ramp == (0, 0)
    assert kept.correlation < 0.95


# -- structural similarity ------------------------------------------------------------
def test_ssim_is_one_for_the_same_and_falls_with_noise_in_each_part_alone() -> None:
    truth, rng = texture((64, 72)), np.random.default_rng(0)
    assert metrics.ssim(truth, truth) == metrics.Similarity(1, 1)
    noise = rng.uniform(-0.5, 0.5, truth.shape)
    louder = metrics.ssim(truth * (1 + noise), truth)
    assert louder.magnitude < 0.8 < 0.999 < louder.phase
    turned = metrics.ssim(truth * np.exp(1j * noise), truth)
    assert turned.phase < 0.9 < 0.999 < turned.magnitude


def test_ssim_does_not_see_where_the_phase_wraps() -> None:
    y, x = np.mgrid[-40:40, -36:36] / 40
    phase = 5 * np.pi * (x + y**2) + np.angle(texture((80, 72)))
    noisy = phase + 0.2 * np.random.default_rng(0).normal(size=phase.shape)
    found = metrics.ssim(np.exp(1j * noisy), np.exp(1j * phase))
    turned = metrics.ssim(np.exp(1j * (noisy + 2)), np.exp(1j * (phase + 2)))
    assert found.phase > 0.9
    assert turned.phase == pytest.approx(found.phase, abs=1e-6)


def test_ssim_looks_at_whole_windows_of_the_lit_region_only() -> None:
    truth, lit = texture((64, 64)), np.zeros((64, 64), bool)
    lit[10:50, 12:52] = True
    spoilt = np.where(lit, truth, 100 * np.exp(1j * np.arange(64)))
    assert metrics.ssim(spoilt, truth, lit).phase == pytest.approx(1)
    assert metrics.ssim(spoilt, truth, lit).magnitude == pytest.approx(1)
    lit[:] = False
    lit[10:20, 10:60] = True
    with pytest.raises(InputError, match="11 x 11"):
        metrics.ssim(truth, truth, lit)


# -- positions ------------------------------------------------------------------------
def scattered(count: int = 100, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-5e-6, 8e-6, (count, 2))


def test_position_error_names_the_map_and_leaves_the_rest() -> None:
    true = scattered()
    c, s = np.cos(0.02), np.sin(0.02)
    stretch = np.array([[1.03, 1.03 * 0.015], [0, 0.98]])
    found = (true - true.mean(0)) @ (np.array([[c, -s], [s, c]]) @ stretch).T
    found += true.mean(0) + np.array([3e-7, -2e-7])
    error = metrics.position_error(found, true)
    assert error.max_m < 1e-15
    assert error.map.shift_m == pytest.approx((3e-7, -2e-7))
    assert error.map.scale == pytest.approx((1.03, 0.98))
    assert error.map.rotation_rad == pytest.approx(0.02)
    assert error.map.shear == pytest.approx(0.015)
    assert error.map.magnification == pytest.approx(np.sqrt(1.03 * 0.98))
    assert metrics.position_error(found, true, affine=False).mean_m > 5e-8


def test_a_tenth_of_lost_views_does_not_tilt_the_map() -> None:
    true = scattered()
    found = 1.02 * true
    found[:10] += [4e-6, 1e-6]
    error = metrics.position_error(found, true)
    assert error.map.scale == pytest.approx((1.02, 1.02), abs=1e-9)
    assert error.median_m < 1e-15
    lost = np.hypot(4e-6, 1e-6) / 1.02
    assert error.max_m == pytest.approx(lost)
    assert error.mean_m == pytest.approx(lost / 10)
    assert np.hypot(*error.residuals_m[10:].T).max() < 1e-15


@pytest.mark.parametrize(
    ("found", "says"),
    [(np.zeros((5, 2)), "same order"), (np.zeros((3, 2)), "at least 4")],
)
def test_position_error_refuses(found: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=says):
        metrics.position_error(found, np.zeros((3, 2)))


# -- profiles -------------------------------------------------------------------------
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("centre", [30.0, 30.37])
def test_width_of_a_peak_on_a_slope(sign: int, centre: float) -> None:
    x = np.mgrid[:40, :64][1].astype(float)
    image = sign * np.exp(-((x - centre) ** 2) / (2 * 1.7**2)) + 0.01 * x + 3
    profile = metrics.line_profile(image, (20, 5), (20, 60), width=5)
    expected = 2 * np.sqrt(2 * np.log(2)) * 1.7
    assert profile.fwhm == pytest.approx(expected, rel=0.01)
    slanted = metrics.line_profile(image, (8, 10), (32, 52), pixel_size_m=(2e-9, 2e-9))
    stretch = np.hypot(24, 42) / 42
    assert slanted.fwhm == pytest.approx(2e-9 * expected * stretch, rel=0.02)


def test_width_of_an_edge() -> None:
    x = np.arange(80.0)
    edge = special.ndtr((x - 41.3) / 2.0)  # 10 to 90 %: 2.563 sigma
    image = np.tile(5 - 3 * edge, (20, 1))
    profile = metrics.line_profile(image, (10, 0), (10, 79))
    assert profile.edge_width == pytest.approx(2.563 * 2.0, rel=0.01)
    flat = metrics.line_profile(np.ones((20, 20)), (10, 0), (10, 19))
    assert np.isnan(flat.edge_width)


@pytest.mark.parametrize(
    ("image", "end", "says"),
    [
        (np.ones((20, 20), complex), (10, 19), "magnitude or the phase"),
        (np.ones((20, 20)), (10, 20), "leaves the picture"),
        (np.ones((20, 20)), (10, 5), "shorter than 8"),
    ],
)
def test_line_profile_refuses(
    image: np.ndarray, end: tuple[int, int], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        metrics.line_profile(image, (10, 0), end)


# -- modes ----------------------------------------------------------------------------
def test_principal_cosines_do_not_see_how_modes_are_mixed() -> None:
    rng = np.random.default_rng(0)
    modes = rng.normal(size=(3, 8, 9)) + 1j * rng.normal(size=(3, 8, 9))
    other = modes + 0.3 * rng.normal(size=(3, 8, 9))
    unitary = np.linalg.qr(rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)))[0]
    mixed = np.tensordot(unitary, modes, 1)
    assert np.allclose(metrics.principal_cosines(mixed, modes), 1)
    plain = metrics.principal_cosines(modes, other)
    assert np.allclose(metrics.principal_cosines(mixed, other), plain)
    assert (np.diff(plain) <= 0).all()
    assert plain[-1] < 0.99


def test_principal_cosines_of_known_angles() -> None:
    basis = np.eye(4, dtype=complex).reshape(4, 2, 2)
    turned = np.cos(0.7) * basis[1] + np.sin(0.7) * basis[2]
    found = metrics.principal_cosines(basis[:2], np.stack([basis[0], turned]))
    assert np.allclose(found, [1, np.cos(0.7)])


# -- compare --------------------------------------------------------------------------
@pytest.mark.parametrize(
    "geometry",
    [
        {"wavelength_m": 1.5e-10, "distance_m": 2.0},
        {"wavelength_m": 1e-9, "distance_m": 20.0, "propagation": "near-field"},
    ],
)
def test_compare_undoes_what_ptychography_cannot_see(geometry: dict[str, Any]) -> None:
    experiment = VirtualExperiment(
        modes=2,
        path={"rows": 6, "columns": 7, "step_px": 6},
        detector={"frame": 48, "photons": None},
        **geometry,
    )
    scan, truth = simulate(experiment)
    begun = begin(scan, DiscProbe(experiment.probe_radius_m), modes=2)
    shift, ramp = (2.0, -3.0), (0.004, -0.006)
    field = np.roll(truth.object, (2, -3), (0, 1)) / 1.7j
    field = field * ramp_of(field.shape, ramp)
    mixed = np.tensordot(np.array([[0.6, 0.8], [-0.8, 0.6]]), truth.probe, 1)
    probe = np.stack([np.roll(p, (2, -3), (0, 1)) for p in mixed])
    probe = probe * ramp_of((48, 48), np.negative(ramp)) * 1.7
    same = metrics.compare(
        begun.replace(
            object=field.astype("c8"),
            probe=probe.astype("c8"),
            origin_m=truth.origin_m,
        ),
        truth,
    )
    assert same.correlation > 0.9999
    assert np.allclose(same.alignment.shift_px, np.negative(shift), atol=0.02)
    assert np.allclose(same.alignment.ramp, np.negative(ramp), atol=1e-4)
    assert same.cosines[-1] > 0.999
    assert same.ssim.phase > 0.999
    assert same.positions is None
    # A start that knows nothing must not pass for a result.
    assert metrics.compare(begun, truth).cosines[-1] < 0.95


def test_compare_judges_positions_that_differ_and_can_be_written_as_json() -> None:
    experiment = VirtualExperiment(path={"rows": 5, "columns": 5, "step_px": 6})
    scan, truth = simulate(experiment)
    begun = begin(scan, DiscProbe(experiment.probe_radius_m))
    pixel = scan.pixel_size_m[0]
    off = np.random.default_rng(0).normal(0, pixel, scan.positions_m.shape)
    judged = metrics.compare(
        begun.replace(positions_m=scan.positions_m + off + 3 * pixel), truth
    )
    # Three pixels of common shift are removed, and 6 of 50 unknowns fitted.
    assert 1.0 < judged.positions.mean_m / pixel < 1.35
    told = json.loads(json.dumps(judged.to_dict()))
    assert told["positions"]["median_m"] == judged.positions.median_m
    assert told["one_minus_C"] == 1 - judged.correlation


def test_refined_positions_in_near_field_bring_their_magnification() -> None:
    """Positions / m and O(m x) give the same data, and are judged as the same."""
    experiment = VirtualExperiment(
        propagation="near-field",
        wavelength_m=1e-9,
        distance_m=0.01,
        detector={"frame": 64, "pixel_m": 0.4e-6},
        path={"rows": 5, "columns": 5, "step_px": 10},
    )
    scan, truth = simulate(experiment)
    m, middle = 1.02, truth.positions_m.mean(0)
    centre = (middle - truth.origin_m) / truth.pixel_size_m
    field = ndimage.affine_transform(
        truth.object, np.full(2, m), centre * (1 - m), order=5, mode="nearest"
    )
    snapshot = begin(scan, DiscProbe(radius_m=experiment.probe_radius_m)).replace(
        object=field.astype("c8"),
        origin_m=truth.origin_m,
        positions_m=middle + (truth.positions_m - middle) / m,
    )
    judged = metrics.compare(snapshot, truth)
    assert judged.alignment.magnification == pytest.approx(m, abs=1e-3)
    assert judged.positions.map.magnification == pytest.approx(1 / m)
    assert judged.positions.max_m < 1e-3 * truth.pixel_size_m[0]
    assert judged.ssim.phase > 0.99


def test_gain_is_the_beam_over_what_is_resolved() -> None:
    # [S1], supplement, eq. 2
    assert metrics.ptychographic_resolution_gain(9e-6, 50e-9) == pytest.approx(180)
    experiment = VirtualExperiment(path={"rows": 3, "columns": 3})
    begun = begin(simulate(experiment)[0], DiscProbe(1e-6))
    assert metrics.beam_diameter_m(begun) == pytest.approx(2e-6, rel=0.1)


def test_positions_that_were_moved_too_far_are_named() -> None:
    small = small_scan((24, 24), (5, 5), step=5)
    first = small.start()
    rng = np.random.default_rng(3)
    moved = rng.normal(0, 0.4, (25, 2)) + 3  # and a common shift
    moved[[4, 11]] += [[7, 0], [-5, 5]]
    pixel = np.array(first.pixel_size_m)
    snapshot = first.replace(positions_m=first.positions_m + moved * pixel)
    assert set(metrics.outliers(snapshot)) == {4, 11}
    away = metrics.displacements(snapshot) / pixel
    assert np.abs(np.median(away, 0)).max() < 1e-9
    assert np.hypot(*away[4]) > 6
    assert not len(metrics.outliers(first))


def test_the_truth_of_another_experiment_is_refused() -> None:
    one, other = (
        VirtualExperiment(
            path={"rows": 3, "columns": columns, "step_px": 5},
            detector={"frame": 32, "photons": None},
        )
        for columns in (3, 4)
    )
    scan, _ = simulate(one)
    result = begin(scan, DiscProbe(one.probe_radius_m))
    with pytest.raises(InputError, match=r"9 positions.* 12 "):
        metrics.compare(result, simulate(other)[1])
