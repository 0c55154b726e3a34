"""Resolution: ring correlations of known signal and noise, and half sets."""

from __future__ import annotations

import json
import re
import types
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty import metrics
from napari_scicompty.algorithms import EPIE, RPIE
from napari_scicompty.analysis.ring_correlation import FourierRingCorrelation
from napari_scicompty.core.errors import InputError
from napari_scicompty.engine.controls import Controls
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.workflow.half_sets import (
    HalvesProgress,
    Resolution,
    run_halves,
    split_half_frc,
)
from napari_scicompty.workflow.start import AutoStart, DiscProbe
from small_scans import small_scan

if TYPE_CHECKING:
    from napari_scicompty.data.scan import Scan

PIXEL = 5e-9
SHAPE = (192, 176)


def noise(seed: int, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Complex white noise of unit power."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


def signal(seed: int, even_at: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Random object whose power falls as f^-4 and is that of `noise` at `even_at`."""
    f = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in shape), indexing="ij"))
    f[0, 0] = 1 / max(shape)
    return np.fft.ifft2(np.fft.fft2(noise(seed, shape)) * (even_at / f) ** 2)


def disc(shape: tuple[int, int] = SHAPE, radius: float = 70) -> np.ndarray:
    y, x = (np.arange(n) - n / 2 for n in shape)
    return np.hypot(y[:, None], x[None]) < radius


def moved(field: np.ndarray) -> np.ndarray:
    """Shifted by a fraction, with a ramp and another scale."""
    fy, fx = (np.fft.fftfreq(n) for n in field.shape)
    turn = np.exp(-2j * np.pi * (fy[:, None] * 1.3 - fx[None] * 2.6))
    y, x = (np.arange(n) for n in field.shape)
    ramp = np.exp(2j * np.pi * (0.004 * y[:, None] - 0.003 * x[None]))
    return 0.4j * np.fft.ifft2(np.fft.fft2(field) * turn) * ramp


# -- ring correlation -----------------------------------------------------------------
def test_the_same_is_resolved_to_the_pixel_and_nothing_is_claimed_beyond() -> None:
    field = signal(0, 0.1)
    frc = metrics.fourier_ring_correlation(field, field, PIXEL)
    assert frc.correlation[1:] == pytest.approx(1)
    assert frc.frequency[-1] <= 0.5 / PIXEL
    assert frc.one_bit_crossing.half_period_m is None
    assert str(frc.half_bit_crossing) == "below the pixel (5 nm)"
    json.dumps(frc.to_dict())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("bits", ["one_bit", "half_bit"])
def test_crosses_where_signal_and_noise_say(seed: int, bits: str) -> None:
    """Both halves, and the whole against the truth, ask for the same ratio S."""
    truth = signal(seed, 0.2)
    a, b = truth + noise(10 + seed), truth + noise(20 + seed)
    halves = metrics.fourier_ring_correlation(a, b, PIXEL, disc())
    whole = metrics.fourier_ring_correlation(
        truth, (a + b) / 2, PIXEL, disc(), against_truth=True
    )
    for frc in (halves, whole):
        crossing = getattr(frc, f"{bits}_crossing")
        few = 1 / np.sqrt(np.interp(crossing.frequency, frc.frequency, frc.pixels))
        s = {"one_bit": 0.5, "half_bit": 0.2071}[bits]
        threshold = (s + 2 * np.sqrt(s) * few + few) / (s + 2 * np.sqrt(s) * few + 1)
        ratio = threshold / (1 - threshold)  # FRC = S / (1 + S), S = (f / 0.2)^-4
        assert crossing.frequency * PIXEL == pytest.approx(0.2 * ratio**-0.25, rel=0.06)
        assert crossing.half_period_m == crossing.period_m / 2
        assert crossing.period_m == 1 / crossing.frequency


def test_shift_ramp_and_scale_of_the_second_make_no_difference() -> None:
    truth = signal(1, 0.2)
    a, b = truth + noise(11), truth + noise(21)
    plain = metrics.fourier_ring_correlation(a, b, PIXEL, disc())
    other = metrics.fourier_ring_correlation(a, moved(b), PIXEL, disc())
    ratio = other.one_bit_crossing.frequency / plain.one_bit_crossing.frequency
    assert ratio == pytest.approx(1, abs=0.05)
    assert np.abs(other.correlation - plain.correlation).mean() < 0.05


def test_the_shape_of_the_lit_region_is_no_detail() -> None:
    lit = disc(radius=60)
    a, b = 1 + noise(1), 1 + noise(2)
    a[~lit], b[~lit] = 40, 40
    frc = metrics.fourier_ring_correlation(a, b, PIXEL, lit)
    assert frc.one_bit_crossing.frequency == 0
    assert str(frc.one_bit_crossing) == "nothing resolved"
    assert np.abs(frc.correlation[5:]).max() < 0.3


def test_rings_count_their_independent_pixels() -> None:
    """Of complex noise the real part scatters by 1 / sqrt(2 n)."""
    lit = disc((96, 96), 40)
    curves, pixels = [], None
    for seed in range(30):
        a, b = noise(seed, (96, 96)), noise(100 + seed, (96, 96))
        frc = metrics.fourier_ring_correlation(a, b, PIXEL, lit)
        curves.append(frc.correlation)
        pixels = frc.pixels
    scatter = np.std(curves, axis=0)[5:] * np.sqrt(2 * pixels[5:])
    assert scatter.mean() == pytest.approx(1, abs=0.12)


def test_thresholds_are_those_of_van_heel_and_schatz() -> None:
    frc = metrics.fourier_ring_correlation(signal(0, 0.1), signal(0, 0.1), PIXEL)
    root = np.sqrt(frc.pixels[3:])
    half = (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)
    one = (0.5 + 2.4142 / root) / (1.5 + 1.4142 / root)
    assert frc.half_bit[3:] == pytest.approx(half, abs=1e-4)
    assert frc.one_bit[3:] == pytest.approx(one, abs=1e-4)


def test_pixels_that_are_not_square() -> None:
    field = signal(0, 0.1, (128, 128))
    frc = metrics.fourier_ring_correlation(field, field, (2 * PIXEL, PIXEL))
    assert frc.pixel_m == 2 * PIXEL
    assert frc.frequency[-1] <= 0.25 / PIXEL
    # A ring in 1/m is an ellipse in Fourier pixels, twice as long along y, and as the
    # finer side sets the width of the rings it holds twice the pixels of a circle.
    square = metrics.fourier_ring_correlation(field, field, PIXEL)
    assert len(frc.frequency) == pytest.approx(len(square.frequency) / 2, abs=1)
    assert frc.pixels[-2] == pytest.approx(
        2 * square.pixels[len(frc.pixels) - 2], rel=0.1
    )


def test_too_small_a_region_is_refused() -> None:
    with pytest.raises(InputError, match="16 pixels across"):
        metrics.fourier_ring_correlation(
            signal(0, 0.1), signal(0, 0.1), PIXEL, disc(radius=7)
        )


# -- half sets -----------------------------------------------------------------------
def noisy_scan(photons: float = 3e3, seed: int = 0) -> tuple[Scan, DiscProbe]:
    small = small_scan(view=(32, 32), grid=(9, 9), step=4.0, seed=seed)
    share = photons / small.scan.pattern_sum.mean()
    counts = np.random.default_rng(seed).poisson(small.scan.patterns * share)
    scan = small.scan.replace(patterns=counts.astype(np.uint16))
    return scan, DiscProbe(0.3 * 32 * scan.pixel_size_m[0])


def test_each_half_sees_its_own_positions_only() -> None:
    scan, start = noisy_scan()
    scan = scan.exclude([3])
    found = split_half_frc(
        scan, RPIE(), epochs=2, start=start, device="cpu", excluded=(8,)
    )
    used = [np.isfinite(s.pattern_error) for s in (found.first, found.second)]
    assert not (used[0] & used[1]).any()
    taking_part = np.setdiff1d(np.arange(81), [3, 8])
    assert np.flatnonzero(used[0]).tolist() == taking_part[::2].tolist()
    assert np.flatnonzero(used[1]).tolist() == taking_part[1::2].tolist()
    assert found.first.object.shape == found.second.object.shape
    assert found.first.origin_m == found.second.origin_m
    assert not np.allclose(found.first.probe, found.second.probe)


def test_more_photons_resolve_more_and_the_sentence_says_so() -> None:
    crossings = []
    for photons in (300, 3e3):
        scan, start = noisy_scan(photons)
        found = split_half_frc(scan, RPIE(), epochs=30, start=start, device="cpu")
        crossings.append(found.frc.one_bit_crossing.frequency)
        assert f"1-bit {found.frc.one_bit_crossing} " in found.sentence
    assert 0 < crossings[0] < 0.8 * crossings[1]


@pytest.mark.parametrize(
    ("correlation", "says"),
    [
        (
            (0, 0, 0, 0),
            "nothing resolved after 3 epochs: two half sets .* in no detail",
        ),
        (
            (0.3, 0.3, 0.3, 0),
            r"half-bit \S+ nm \(half period\), 1-bit nothing resolved after 3 epochs",
        ),
        (
            (1, 1, 1, 0),
            r"half-bit \S+ nm, 1-bit \S+ nm \(half period\) after 3 epochs: up",
        ),
    ],
)
def test_the_sentence_says_what_is_resolved_and_what_is_not(
    correlation: tuple[float, ...], says: str
) -> None:
    rings = np.arange(1, 5) * 1e6
    flat = np.ones(4)
    frc = FourierRingCorrelation(
        rings, np.array(correlation), 0.2 * flat, 0.4 * flat, 100 * flat, 1e-7
    )
    done: Any = types.SimpleNamespace(epoch=3)
    assert re.match(says, Resolution(done, done, frc).sentence)


def test_progress_runs_to_the_end_of_all_stages() -> None:
    scan, start = noisy_scan()
    seen: list[HalvesProgress] = []
    stages = [(EPIE(), RunSettings(epochs=2)), (RPIE(), RunSettings(epochs=1))]
    halves = run_halves(scan, stages, start)
    while True:
        try:
            seen.append(next(halves))
        except StopIteration as end:
            found = end.value
            break
    done = [step.done for step in seen]
    assert done == sorted(done)
    assert (done[-1], seen[-1].planned) == (6, 6)
    assert (found.first.epoch, found.second.epoch) == (3, 3)
    assert found.second.settings["algorithm"]["name"] == "rpie"


def test_a_start_is_searched_once_and_both_take_it() -> None:
    scan, _ = noisy_scan(1e5)
    said: list[str] = []
    found = split_half_frc(
        scan,
        RPIE(),
        epochs=1,
        start=AutoStart(epochs=1, step_px2=200),
        progress=lambda step: said.append(step.what),
    )
    assert sum(text.startswith("start:") for text in said) > 5
    assert found.first.settings["start"] == found.second.settings["start"]


def test_a_stop_judges_the_last_epoch_that_both_have_done() -> None:
    scan, start = noisy_scan()
    controls = Controls()

    def stop(step: HalvesProgress) -> None:
        if step.done > 4.2:
            controls.stop()

    found = split_half_frc(
        scan, RPIE(), epochs=50, start=start, progress=stop, controls=controls
    )
    assert found.first.epoch == found.second.epoch
    assert 2 <= found.first.epoch <= 4
    with pytest.raises(InputError, match="before their first epoch"):
        split_half_frc(scan, RPIE(), epochs=5, start=start, controls=controls)


def test_half_scans_refuse() -> None:
    scan, start = noisy_scan()
    result = split_half_frc(scan, RPIE(), epochs=1, start=start).first
    with pytest.raises(InputError, match="knows both half sets"):
        split_half_frc(scan, RPIE(), epochs=1, start=result)
    with pytest.raises(InputError, match="at least one epoch"):
        split_half_frc(scan, RPIE(), epochs=0, start=start)
    with pytest.raises(InputError, match="only 3"):
        split_half_frc(scan.exclude(range(3, 81)), RPIE(), epochs=1, start=start)


def test_results_on_canvases_of_their_own_are_compared_where_both_are() -> None:
    scan, start = noisy_scan()
    result = split_half_frc(scan, RPIE(), epochs=3, start=start).first
    origin = np.subtract(result.origin_m, np.multiply((4, 7), result.pixel_size_m))
    larger = result.replace(
        object=np.pad(result.object, ((4, 0), (7, 2)), constant_values=1),
        origin_m=(origin[0], origin[1]),
    )
    for pair in ((result, larger), (larger, result)):
        assert metrics.agreement(*pair).correlation[1:].min() > 0.999


def test_results_of_different_pixels_cannot_be_compared() -> None:
    scan, start = noisy_scan()
    result = split_half_frc(scan, RPIE(), epochs=1, start=start).first
    with pytest.raises(InputError, match="object pixels differ"):
        metrics.agreement(result, result.replace(pixel_size_m=(1e-9, 1e-9)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_half_scans_agree_with_the_whole_scan_against_the_truth(seed: int) -> None:
    """Within 15 %; see tests/benchmarks/resolution.py for more."""
    experiment = sc.VirtualExperiment(
        object={"kind": "pictures"},
        path={"step_px": 10},
        detector={"frame": 96, "photons": 1e4},
        seed=seed,
    )
    scan, truth = sc.simulate(experiment)
    start = DiscProbe(radius_m=experiment.probe_radius_m)
    halves = split_half_frc(scan, EPIE(), epochs=60, start=start, seed=seed)
    *_, whole = sc.reconstruct(scan, EPIE(), epochs=60, start=start, seed=seed)
    known = metrics.compare(whole, truth).ring_correlation()
    found = halves.frc.one_bit_crossing.half_period_m
    assert found > 2 * halves.frc.pixel_m
    assert found == pytest.approx(known.one_bit_crossing.half_period_m, rel=0.15)
