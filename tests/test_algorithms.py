"""One step against a float64 formula, and what every algorithm of the table must do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_scicompty import metrics
from napari_scicompty.algorithms import ALGORITHMS, EPIE, RPIE
from napari_scicompty.algorithms.base import AlgorithmState, StepContext
from napari_scicompty.core.errors import InputError
from napari_scicompty.engine.run import Run
from napari_scicompty.optics.near_field import padded_grid
from napari_scicompty.workflow.reconstruction import reconstruct
from small_scans import (
    NEAR,
    SmallScan,
    from_detector,
    settings,
    shifted,
    small_scan,
    to_detector,
    view_at,
)

every_algorithm = pytest.mark.parametrize("name", ALGORITHMS)
every_pie = pytest.mark.parametrize("name", ["rpie", "epie"])


# -- one step against the equations ---------------------------------------------------
def reference_step(
    field: np.ndarray,
    probe: np.ndarray,
    small: SmallScan,
    batch: list[int],
    beta: float,
    gamma: float,
    alpha: tuple[float, float],
    clipped: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Eqs. 5 to 7 of Guzzi et al. (2022) in float64: new object and probe."""
    near = small.near
    spread = (NEAR.pixel_size_m((1, 1)), NEAR.wavelength_m, NEAR.distance_m)
    grid = padded_grid(probe.shape[-2:], *spread)
    order = np.array if near else np.fft.ifftshift
    good = order(small.scan.good)
    object_sum, light_sum = np.zeros_like(field), np.zeros(field.shape)
    probe_sums, seen_sum = [], np.zeros(probe.shape[-2:])
    for j in batch:
        where, fraction = view_at(field, small.corners[j], probe.shape[-2:])
        if near:  # the object moves, and the probe stays
            o, p = shifted(field[where], -fraction), probe
        else:
            o, p = field[where], shifted(probe, fraction)
        wave = to_detector(p * o, near, grid)
        counts = np.maximum(small.scan.patterns[j].astype(float), 0)
        measured = np.sqrt(np.where(good, order(counts), 0))
        wanted = measured * wave / np.sqrt((np.abs(wave) ** 2).sum(0))
        after = np.where(good, wanted, wave)
        change = from_detector(after - wave, near, grid)
        if clipped:
            change = from_detector(after, near, grid) - p * o
        moved_back = fraction if near else np.zeros(2)
        object_sum[where] += shifted((p.conj() * change).sum(0), moved_back)
        light_sum[where] += (np.abs(p) ** 2).sum(0)
        probe_sums.append((o.conj() * change, 0 * fraction if near else fraction))
        seen_sum += np.abs(o) ** 2
    probe_weight = beta * seen_sum.max() + (1 - beta) * seen_sum
    object_weight = gamma * light_sum.max() + (1 - gamma) * light_sum
    step = sum(shifted(top / probe_weight, -by) for top, by in probe_sums)
    return field + alpha[0] * object_sum / object_weight, probe + alpha[1] * step


@pytest.mark.parametrize("near", [False, True], ids=["far", "near"])
@pytest.mark.parametrize("batch", [[7], [3, 4, 8, 12]], ids=["single", "batch"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "sub-pixel"])
@pytest.mark.parametrize("masked", [False, True], ids=["all-good", "masked"])
@pytest.mark.parametrize("modes", [1, 3])
@pytest.mark.parametrize(
    ("algorithm", "beta", "gamma"),
    [
        (EPIE(), 1.0, 1.0),
        (RPIE(), 0.5, 0.5),
        (RPIE(alpha_object=0.9, alpha_probe=0.3, beta=0.8, gamma=0.2), 0.8, 0.2),
    ],
    ids=["epie", "rpie", "rpie-unequal"],
)
def test_one_step_is_the_formula(
    algorithm: Any,
    beta: float,
    gamma: float,
    modes: int,
    masked: bool,
    whole: bool,
    batch: list[int],
    near: bool,
) -> None:
    small = small_scan((32, 27), (4, 5), modes=modes, whole=whole, near=near)
    if masked:
        mask = np.random.default_rng(5).random((32, 27)) > 0.2
        small = SmallScan(
            small.scan.replace(mask=mask), small.object, small.probe, small.corners
        )
    rng = np.random.default_rng(9)
    begun = small.start()
    # An estimate half-way to the truth: nothing is flat, nothing is zero.
    field = (1 + small.object[: begun.object.shape[0], : begun.object.shape[1]]) / 2
    probe = small.probe * np.exp(0.3j * rng.normal(size=small.probe.shape))
    begun = begun.replace(object=field.astype("c8"), probe=probe.astype("c8"))
    run = Run(small.scan, algorithm, begun, settings())
    told = (StepContext(), algorithm.state_type())
    algorithm.step(run.estimate, run.measured, batch, *told)

    alpha = (algorithm.alpha_object, algorithm.alpha_probe)
    wanted = reference_step(
        begun.object.astype(complex),
        begun.probe.astype(complex),
        small,
        batch,
        beta,
        gamma,
        alpha,
    )
    before = (begun.object, begun.probe)
    found = (run.estimate.object.numpy(), run.estimate.probe.numpy())
    for ours, old, formula in zip(found, before, wanted, strict=True):
        assert np.linalg.norm(ours - formula) <= 1e-5 * np.linalg.norm(formula)
        moved = np.linalg.norm(formula - old)
        assert moved > 1e-3 * np.linalg.norm(formula)
        assert np.linalg.norm(ours - formula) <= 1e-4 * moved


def test_clipped_to_the_detector_there_is_no_light_outside() -> None:
    small = small_scan((32, 27), (4, 5), modes=2, near=True)
    begun = small.start()
    h, w = begun.object.shape
    field = ((1 + small.object[:h, :w]) / 2).astype("c8")
    probe = (small.probe * np.exp(0.3j)).astype("c8")
    begun = begun.replace(object=field, probe=probe)
    found = {}
    for clipped in (False, True):
        run = Run(small.scan, EPIE(), begun, settings())
        context = StepContext(clip_to_detector=clipped)
        now = (run.estimate, run.measured, [7], context, AlgorithmState())
        run.algorithm.step(*now)
        found[clipped] = run.estimate.object.numpy()
        wanted, _ = reference_step(
            *(f.astype(complex) for f in (field, probe)),
            small,
            [7],
            1.0,
            1.0,
            (0.5, 0.5),
            clipped,
        )
        moved = np.linalg.norm(wanted - field)
        assert np.linalg.norm(found[clipped] - wanted) < 1e-3 * moved
    assert np.abs(found[True] - found[False]).max() > 1e-3


@every_algorithm
def test_step_returns_the_squared_error_before_it(name: str) -> None:
    small = small_scan(modes=2)
    begun = small.start()
    run = Run(small.scan, ALGORITHMS[name](), begun, settings())
    algorithm = run.algorithm
    told = (StepContext(), algorithm.state_type())
    found = algorithm.step(run.estimate, run.measured, [2, 9], *told)
    for j, error in zip([2, 9], found, strict=True):
        wave = np.fft.fft2(
            shifted(begun.probe, small.corners[j] - np.rint(small.corners[j])),
            norm="ortho",
        )  # the object is flat
        model = np.fft.fftshift(np.sqrt((np.abs(wave) ** 2).sum(0)))
        wanted = ((model - np.sqrt(small.scan.patterns[j])) ** 2).sum()
        assert float(error) == pytest.approx(wanted, rel=1e-4)


# -- the contract ---------------------------------------------------------------------
@every_algorithm
@pytest.mark.parametrize("modes", [1, 2])
def test_error_falls_and_the_object_appears(name: str, modes: int) -> None:
    small = small_scan(view=(32, 32), grid=(6, 6), step=4, modes=modes)
    snapshots = list(
        reconstruct(
            small.scan,
            ALGORITHMS[name](),
            epochs=40,
            modes=modes,
            start=small.start(),
            device="cpu",
        )
    )
    errors = [s.error for s in snapshots]
    assert [s.epoch for s in snapshots] == list(range(41))
    assert errors[-1] < 0.05 * errors[0]
    assert errors[10] < errors[1]
    last = snapshots[-1]
    h, w = last.object.shape
    found = metrics.align(last.object, small.object[:h, :w], last.lit)
    assert found.correlation > 0.99


@every_algorithm
def test_near_field_of_an_unknown_beam(name: str) -> None:
    small = small_scan((40, 36), (7, 6), step=4, near=True, modes=1)
    *_, last = reconstruct(
        small.scan, ALGORITHMS[name](), epochs=60, start="auto", device="cpu"
    )
    h, w = last.object.shape
    middle = np.zeros((h, w), bool)
    middle[h // 4 : -h // 4, w // 4 : -w // 4] = True
    found = metrics.align(last.object, small.object[:h, :w], last.lit & middle)
    assert last.error < 5e-4
    assert 1 - found.correlation < 5e-3
    assert np.abs(found.shift_px).max() < 0.5
    assert "propagated back" in last.history.notes[0]


def test_a_shifted_probe_does_not_do_in_near_field() -> None:
    """Sub-pixel positions belong on the object's side there: the pattern stays."""
    small = small_scan((40, 36), (5, 5), step=4.37, near=True)
    begun = small.start()
    h, w = begun.object.shape
    truth = {"object": small.object[:h, :w], "probe": small.probe}
    begun = begun.replace(**{k: v.astype("c8") for k, v in truth.items()})
    run = Run(small.scan, EPIE(), begun, settings())
    assert run.full_error()[0] < 3e-4
    run.estimate.propagator.sees_shifts = False
    run.estimate.place(begun.positions_m)
    assert run.full_error()[0] > 1e-3


@every_algorithm
@pytest.mark.parametrize(("view", "grid"), [((24, 33), (4, 6)), ((40, 24), (6, 3))])
def test_frames_and_scans_that_are_not_square(
    name: str, view: tuple[int, int], grid: tuple[int, int]
) -> None:
    small = small_scan(view=view, grid=grid, step=3.5)
    *_, last = reconstruct(
        small.scan, ALGORITHMS[name](), epochs=40, start=small.start(), device="cpu"
    )
    h, w = last.object.shape
    found = metrics.align(last.object, small.object[:h, :w], last.lit)
    assert last.error < 5e-3
    assert found.correlation > 0.98


@every_algorithm
def test_snapshot_shapes_and_dtypes(name: str) -> None:
    small = small_scan(view=(24, 32), grid=(3, 4), modes=2)
    *_, last = reconstruct(
        small.scan,
        ALGORITHMS[name](),
        epochs=2,
        modes=2,
        start=small.start(),
        device="cpu",
    )
    assert last.object.shape == small.start().object.shape
    assert last.object.dtype == last.probe.dtype == np.complex64
    assert last.probe.shape == (2, 24, 32)
    assert last.positions_m.shape == last.positions_px.shape == (12, 2)
    assert np.allclose(last.positions_m, small.scan.positions_m, rtol=0, atol=1e-12)
    assert np.allclose(last.positions_px, small.corners, atol=2e-3)
    assert last.canvas_map.shape == last.lit.shape == last.object.shape
    assert last.pattern_error.shape == (12,)
    assert last.pixel_size_m == small.scan.pixel_size_m
    assert last.settings["algorithm"]["name"] == name
    assert last.history.epochs == (0, 1, 2)
    assert last.mode_power.sum() == pytest.approx(1)


@every_algorithm
def test_same_seed_same_numbers_other_seed_others(name: str) -> None:
    small = small_scan()

    def final(seed: int) -> Any:
        *_, last = reconstruct(
            small.scan,
            ALGORITHMS[name](),
            epochs=2,
            start=small.start(),
            seed=seed,
            device="cpu",
        )
        return last

    first, again, other = final(1), final(1), final(2)
    assert np.array_equal(first.object, again.object)
    assert first.error == again.error
    assert not np.array_equal(first.object, other.object)


@every_algorithm
def test_recentring_brings_a_rolled_probe_back(name: str) -> None:
    small = small_scan(view=(48, 48), grid=(6, 6), step=5)
    begun = small.start()
    begun = begun.replace(probe=np.roll(begun.probe, (10, -10), (1, 2)))
    *_, last = reconstruct(
        small.scan, ALGORITHMS[name](), epochs=40, start=begun, device="cpu"
    )
    light = (np.abs(last.probe) ** 2).sum(0)
    for axis in (0, 1):
        profile = light.sum(1 - axis)
        centre = profile @ np.arange(48) / profile.sum()
        assert abs(centre - 24) < 1.5
    h, w = last.object.shape
    found = metrics.align(last.object, small.object[:h, :w], last.lit)
    assert found.correlation > 0.99


# -- settings at the door -------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (RPIE, {"alpha_object": 0}),
        (RPIE, {"alpha_probe": 2.1}),
        (RPIE, {"beta": -0.1}),
        (RPIE, {"gamma": 1.1}),
        (RPIE, {"gamma": "much"}),
        (EPIE, {"gamma": 0.5}),
    ],
)
def test_bad_settings_name_themselves(kind: Any, values: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(values))):
        kind(**values)


@every_pie
def test_gentler_takes_no_larger_steps(name: str) -> None:
    bold = ALGORITHMS[name](alpha_object=2, alpha_probe=2)
    mild = bold.gentler()
    assert mild.alpha_object < bold.alpha_object
    assert mild.alpha_probe < bold.alpha_probe
    small = ALGORITHMS[name](alpha_object=0.1, alpha_probe=0.05).gentler()
    assert (small.alpha_object, small.alpha_probe) == (0.1, 0.05)
