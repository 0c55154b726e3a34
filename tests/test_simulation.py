"""The virtual experiment, and how near a reconstruction comes to its truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_scicompty.algorithms import RPIE
from napari_scicompty.analysis import metrics
from napari_scicompty.errors import InputError
from napari_scicompty.reconstruction import reconstruct
from napari_scicompty.simulation import OBJECTS, VirtualExperiment, simulate
from napari_scicompty.start import DiscProbe
from small_scans import diffract

TINY: dict[str, Any] = {"frame": 32, "rows": 3, "columns": 5, "step_px": 6.0}


@pytest.mark.parametrize("target", OBJECTS)
@pytest.mark.parametrize("modes", [1, 3])
def test_the_truth_explains_the_patterns(target: Any, modes: int) -> None:
    experiment = VirtualExperiment(target=target, modes=modes, photons=None, **TINY)
    scan, truth = simulate(experiment)
    assert scan.patterns.shape == (15, 32, 32)
    assert truth.probe.shape == (modes, 32, 32)
    corners = (truth.positions_m - truth.origin_m) / truth.pixel_size_m
    assert (np.abs(corners - np.round(corners)) > 0.01).any()
    for j, corner in enumerate(corners):
        model = diffract(truth.probe.astype(complex), truth.object, corner)
        assert np.allclose(scan.patterns[j], model, rtol=1e-3, atol=1e-5 * model.max())


def test_positions_are_a_jittered_raster_row_by_row() -> None:
    experiment = VirtualExperiment(jitter=0.2, **TINY)
    scan, truth = simulate(experiment)
    pixels = scan.positions_m / scan.pixel_size_m / 6.0
    raster = np.mgrid[:3, :5].reshape(2, -1).T
    assert np.abs(pixels - raster).max() <= 0.2 + 1e-9
    assert np.abs(pixels - raster).std() > 0.02
    assert np.array_equal(scan.positions_m, truth.positions_m)
    still, _ = simulate(experiment.replace(jitter=0))
    assert np.allclose(still.positions_m / still.pixel_size_m / 6.0, raster)


def test_the_beam_is_orthogonal_modes_of_falling_power() -> None:
    experiment = VirtualExperiment(modes=3, second_mode=0.3, photons=None, **TINY)
    _, truth = simulate(experiment)
    flat = truth.probe.reshape(3, -1).astype(complex)
    gram = flat.conj() @ flat.T
    power = np.diag(gram).real
    assert np.allclose(power[1:] / power[:-1], 0.3, rtol=1e-3)
    assert np.abs(gram - np.diag(power)).max() < 1e-4 * power[0]


def test_noise_is_that_of_photons() -> None:
    clean, _ = simulate(VirtualExperiment(photons=None, **TINY))
    noisy, _ = simulate(VirtualExperiment(photons=5e4, **TINY))
    expected = clean.patterns * (5e4 / clean.pattern_sum.mean())
    assert noisy.patterns.dtype.kind == "u"
    assert noisy.pattern_sum.mean() == pytest.approx(5e4, rel=0.01)
    bright = expected > 20
    chi2 = (noisy.patterns - expected)[bright] ** 2 / expected[bright]
    assert chi2.mean() == pytest.approx(1, abs=5 * np.sqrt(2 / bright.sum()))


def test_a_seed_is_an_experiment() -> None:
    one, again, other = (
        simulate(VirtualExperiment(seed=s, **TINY))[0] for s in (1, 1, 2)
    )
    assert np.array_equal(one.patterns, again.patterns)
    assert not np.array_equal(one.positions_m, other.positions_m)
    assert not np.array_equal(one.patterns, other.patterns)


@pytest.mark.parametrize("defocus_m", [1e-3, -1e-3])
def test_defocus_is_the_phase_of_a_spherical_wave(defocus_m: float) -> None:
    experiment = VirtualExperiment(photons=None, **TINY)
    _, flat = simulate(experiment)
    scan, truth = simulate(experiment.replace(defocus_m=defocus_m))
    assert scan.geometry.focus_sample_m == defocus_m
    y, x = (np.mgrid[:32, :32] - 16) * truth.pixel_size_m[0]
    sphere = np.exp(1j * np.pi * (y**2 + x**2) / (1.5e-10 * defocus_m))
    turned = flat.probe[0] * sphere
    overlap = np.vdot(turned, truth.probe[0]) / np.linalg.norm(turned)
    assert abs(overlap) / np.linalg.norm(truth.probe[0]) > 0.9999


@pytest.mark.parametrize(
    "wrong",
    [
        {"frame": 8},
        {"rows": 0},
        {"jitter": 0.6},
        {"probe_radius": 0.7},
        {"photons": 0},
        {"modes": 17},
        {"target": "cat"},
        {"second_mode": 0},
        {"wavelength_m": -1e-10},
        {"colour": "red"},
    ],
)
def test_bad_experiments_name_the_culprit(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        VirtualExperiment(**wrong)


# -- accuracy -------------------------------------------------------------------------
def judged(experiment: VirtualExperiment, *epochs: int, seed: int = 0) -> list[Any]:
    """Compare the snapshots of these epochs with the truth."""
    scan, truth = simulate(experiment)
    steps = reconstruct(
        scan,
        RPIE(),
        epochs=max(epochs),
        modes=experiment.modes,
        start=DiscProbe(experiment.probe_radius_m),
        seed=seed,
        device="cpu",
    )
    return [metrics.compare(s, truth) for s in steps if s.epoch in epochs]


def test_a_small_experiment_comes_out_right() -> None:
    experiment = VirtualExperiment(frame=48, rows=8, columns=6, step_px=5, photons=None)
    (found,) = judged(experiment, 80)
    assert found.correlation > 0.995
    assert found.cosines[-1] > 0.99


# The bars were set for 200 epochs; they are met in half of that.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("modes", "epochs", "correlation", "cosine"),
    [(1, 60, 0.999, 0.99), (3, 100, 0.998, 0.98)],
)
def test_the_default_experiment_comes_out_right(
    modes: int, epochs: int, correlation: float, cosine: float
) -> None:
    (found,) = judged(VirtualExperiment(photons=None, modes=modes), epochs)
    assert found.correlation >= correlation
    assert found.cosines[-1] >= cosine


@pytest.mark.slow
def test_a_clean_scan_is_good_after_15_epochs_and_better_after_60() -> None:
    # A beam not too far from the disc it is started as: with the default diffuser
    # (1 rad) it is 0.95 at 15 epochs, and as good at 60.
    experiment = VirtualExperiment(
        photons=None, rows=10, columns=10, step_px=22, diffuser_rad=0.5
    )
    runs = [judged(experiment, 15, 60, seed=seed) for seed in range(3)]
    early, late = np.median([[c.correlation for c in run] for run in runs], axis=0)
    assert early >= 0.995
    assert late >= 0.9995
