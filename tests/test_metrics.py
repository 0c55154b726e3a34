"""Metrics against differences that are known because they were put in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_scicompty.analysis import metrics
from napari_scicompty.simulation import VirtualExperiment, simulate
from napari_scicompty.start import DiscProbe, begin


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
    assert np.allclose(found.shift_px, shift, atol=0.02)
    assert np.allclose(found.ramp, ramp, atol=1e-4)
    assert abs(found.scale - scale) < 0.02 * abs(scale)
    assert found.correlation > 0.9999
    assert np.linalg.norm(found.aligned - truth) < 0.02 * np.linalg.norm(truth)


def test_align_looks_at_the_lit_region_only() -> None:
    shape = (96, 100)
    truth, lit = texture(shape), np.zeros((96, 100), bool)
    lit[20:75, 25:80] = True
    noise = np.random.default_rng(3).normal(size=shape)
    estimate = moved(truth, (-1.3, 2.6))
    near = ndimage.binary_dilation(lit, iterations=6)
    estimate = np.where(near, estimate, 1 + 0.2 * noise)
    found = metrics.align(estimate, truth, lit)
    assert np.allclose(found.shift_px, (1.3, -2.6), atol=0.02)
    assert found.correlation > 0.999


def test_without_ramp_a_ramp_stays() -> None:
    truth = texture((64, 64))
    estimate = truth * ramp_of((64, 64), (0.01, 0))
    assert metrics.align(estimate, truth).correlation > 0.999
    kept = metrics.align(estimate, truth, ramp=False)
    assert kept.ramp == (0, 0)
    assert kept.correlation < 0.95


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
def test_compare_undoes_what_ptychography_cannot_see() -> None:
    experiment = VirtualExperiment(
        frame=48, rows=6, columns=7, step_px=6, modes=2, photons=None
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
        begun.replace(object=field.astype("c8"), probe=probe.astype("c8")), truth
    )
    assert same.correlation > 0.9999
    assert np.allclose(same.alignment.shift_px, np.negative(shift), atol=0.02)
    assert np.allclose(same.alignment.ramp, np.negative(ramp), atol=1e-4)
    assert same.cosines[-1] > 0.999
    # A start that knows nothing must not pass for a result.
    assert metrics.compare(begun, truth).cosines[-1] < 0.95
