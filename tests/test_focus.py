"""The focus of a cone beam: found in the probe's phase, and taken over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.analysis.focus import probe_focus, refined_focus
from napari_scicompty.core.errors import InputError
from napari_scicompty.engine.run import Run
from napari_scicompty.workflow.reconstruction import reconstruct
from napari_scicompty.workflow.refocusing import with_focus
from napari_scicompty.workflow.regridding import regridded
from napari_scicompty.workflow.start import begin
from small_scans import blurred, settings, small_scan

if TYPE_CHECKING:
    from pathlib import Path

FS = 3.65e-3
CONE = sc.Geometry(9.8e-11, 1.12, 55e-6, FS, "near-field")
BOLD = sc.RPIE(alpha_object=1, alpha_probe=1, beta=0.1, gamma=0.1)


def result(probe: np.ndarray, geometry: sc.Geometry = CONE) -> sc.Snapshot:
    """A result that is nothing but its probe."""
    pixel = geometry.pixel_size_m(probe.shape[-2:])
    return sc.Snapshot(
        epoch=1,
        error=0.0,
        object=np.ones((90, 90), np.complex64),
        probe=probe.astype(np.complex64),
        positions_m=np.zeros((1, 2)),
        origin_m=(0.0, 0.0),
        pixel_size_m=pixel,
        pattern_error=np.zeros(1, np.float32),
        geometry=geometry,
    )


def beam(
    focus_m: tuple[float, float],
    told: sc.Geometry = CONE,
    *,
    modes: int = 1,
    noise: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """A structured, tilted beam off the middle, as found on the grid of `told`."""
    rng = np.random.default_rng(seed)
    shape = (64, 72)
    pixel = told.pixel_size_m(shape)
    y, x = (
        (np.arange(n) - n / 2 - away) * step
        for n, away, step in zip(shape, (5, -3), pixel, strict=True)
    )
    removed = 1 / told.focus_sample_m if told.propagation == "near-field" else 0.0
    ky, kx = (1 / focus - removed for focus in focus_m)
    wave = np.exp(
        1j * np.pi / told.wavelength_m * (ky * y[:, None] ** 2 + kx * x**2)
        + 2e5j * (2 * x - y[:, None])
    )
    light = np.exp(-((y[:, None] / y.max()) ** 2) * 6 - (x / x.max()) ** 2 * 6)
    light = light * (1 + 0.4 * blurred(rng, shape, 2))
    rough = np.exp(0.3j * blurred(rng, shape, 3))
    several = [light * rough * wave]
    several += [
        0.5 * several[0] * (x / x.max()),
        0.4 * several[0] * blurred(rng, shape, 4),
    ]
    stray = rng.normal(size=(modes, *shape)) + 1j * rng.normal(size=(modes, *shape))
    return np.stack(several[:modes]) + noise * stray


@pytest.mark.parametrize("focus", [0.7 * FS, 0.85 * FS, FS, 1.2 * FS, 1.5 * FS])
@pytest.mark.parametrize("modes", [1, 3])
def test_the_focus_is_found_in_a_structured_beam(focus: float, modes: int) -> None:
    """Tilt, centre, roughness and modes do not matter, nor phases that wrap."""
    found = probe_focus(result(beam((focus, focus), modes=modes, noise=0.02)))
    assert found.focus_sample_m == pytest.approx(focus, rel=0.01)
    assert found.told_m == FS
    assert f"{1e3 * FS:.4g} mm" in found.sentence


def test_the_uncertainty_is_that_of_the_scatter() -> None:
    seeds = range(30)
    found = [probe_focus(result(beam((FS, FS), seed=seed))) for seed in seeds]
    off = np.array([(f.focus_sample_m - FS) / f.uncertainty_m for f in found])
    assert 0.5 < math.sqrt((off**2).mean()) < 2


def test_an_astigmatic_beam_has_two_foci() -> None:
    found = probe_focus(result(beam((1.05 * FS, 0.95 * FS))))
    y, x = (1 / curvature for curvature in found.curvatures_per_m)
    assert (y, x) == (
        pytest.approx(1.05 * FS, rel=0.01),
        pytest.approx(0.95 * FS, rel=0.01),
    )
    assert x < found.focus_sample_m < y


def test_modes_may_be_mixed_as_they_like() -> None:
    probe = beam((0.9 * FS, 0.9 * FS), modes=3)
    rng = np.random.default_rng(1)
    mixing = np.linalg.qr(rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)))[0]
    mixed = np.einsum("ab,byx->ayx", mixing, probe)
    ours, theirs = probe_focus(result(probe)), probe_focus(result(mixed))
    assert theirs.curvature_per_m == pytest.approx(ours.curvature_per_m, rel=1e-5)


def test_in_far_field_the_whole_curvature_is_the_probes() -> None:
    told = sc.Geometry(1.4e-10, 2.0, 75e-6, 5e-3)
    found = probe_focus(result(beam((2e-3, 2e-3), told), told))
    assert found.focus_sample_m == pytest.approx(2e-3, rel=0.01)
    flat = probe_focus(result(beam((np.inf, np.inf), told), told))
    assert flat.focus_sample_m is None
    assert "flat" in flat.sentence


def test_a_probe_without_light_has_no_focus() -> None:
    with pytest.raises(InputError, match="no light"):
        probe_focus(result(np.zeros((1, 64, 64))))


# -- the gauge ----------------------------------------------------------------------
@pytest.fixture(scope="module")
def scan() -> sc.Scan:
    return sc.simulate(
        sc.VirtualExperiment(
            object={"kind": "pictures"},
            probe={"radius": 0.3, "diffuser_rad": 1.5},
            path={"kind": "fermat", "points": 64, "step_px": 6},
            detector={"frame": 64, "pixel_m": 55e-6, "photons": None},
            wavelength_m=CONE.wavelength_m,
            distance_m=CONE.distance_m,
            focus_sample_m=FS,
            propagation="near-field",
        )
    )[0]


@pytest.fixture(scope="module")
def known(scan: sc.Scan) -> sc.Snapshot:
    return bold_then_usual(scan)


def told(scan: sc.Scan, focus_sample_m: float | None) -> sc.Scan:
    geometry = scan.geometry.replace(focus_sample_m=focus_sample_m)
    return scan.with_geometry(geometry)


def run_on(scan: sc.Scan, algorithm: sc.RPIE, epochs: int, **more: Any) -> sc.Snapshot:
    *_, last = reconstruct(scan, algorithm, epochs=epochs, device="cpu", **more)
    return last


def bold_then_usual(scan: sc.Scan) -> sc.Snapshot:
    """The curvature of the probe is found by large steps, the rest by small ones."""
    return run_on(scan, sc.RPIE(), 20, start=run_on(scan, BOLD, 30))


def full_error(scan: sc.Scan, snapshot: sc.Snapshot) -> float:
    return Run(scan, BOLD, snapshot, settings()).full_error()[0]


@pytest.mark.parametrize("factor", [0.92, 1.06])
def test_the_patterns_hardly_notice_another_focus(
    scan: sc.Scan, known: sc.Snapshot, factor: float
) -> None:
    """With a free probe the focus is a gauge; another grid alone is none."""
    other = told(scan, factor * FS)
    taken = regridded(known, factor * FS)
    assert taken.pixel_size_m == pytest.approx(other.pixel_size_m)
    assert (np.abs(taken.probe) ** 2).sum() == pytest.approx(
        (np.abs(known.probe) ** 2).sum(), rel=1e-4
    )
    along = full_error(other, taken)
    bare = full_error(other, taken.replace(probe=known.probe))
    assert along - known.error < 0.1 * bare
    back = regridded(taken, FS)
    assert full_error(scan, back) - known.error < 0.1 * bare


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_wrong_focus_is_found_and_the_run_goes_on(
    scan: sc.Scan, factor: float
) -> None:
    wrong = told(scan, factor * FS)
    first = bold_then_usual(wrong)
    found = probe_focus(first).focus_sample_m
    assert found is not None
    assert abs(found - FS) < 0.5 * abs(factor - 1) * FS
    there, taken = with_focus(wrong, first, found)
    assert there.geometry.focus_sample_m == found
    last = run_on(there, sc.RPIE(), 5, start=taken)
    assert last.epoch == 55
    assert last.error < 1.1 * first.error
    assert probe_focus(last).focus_sample_m == pytest.approx(found, rel=0.01)
    assert any("focus-sample" in note for note in last.history.notes)
    assert not any("diverged" in note for note in last.history.notes)


def test_a_probe_full_of_vortices_is_begun_anew(
    scan: sc.Scan, known: sc.Snapshot
) -> None:
    rng = np.random.default_rng(0)
    phase = np.exp(6j * blurred(rng, known.probe.shape[-2:], 2))
    broken = known.replace(probe=(known.probe * phase).astype(np.complex64))
    _, kept = with_focus(scan, known, 1.02 * FS)
    there, anew = with_focus(scan, broken, 1.02 * FS)
    assert len(anew.history.notes) == len(kept.history.notes) + 1
    assert full_error(there, anew) < full_error(there, regridded(broken, 1.02 * FS))
    frozen = broken.replace(settings={"run": {"freeze_probe": True}})
    _, same = with_focus(scan, frozen, 1.02 * FS)
    assert np.array_equal(same.probe, regridded(broken, 1.02 * FS).probe)


def test_in_far_field_only_the_geometry_changes() -> None:
    small = small_scan((24, 24), (3, 3))
    begun = small.start()
    there, taken = with_focus(small.scan, begun, 2e-3)
    assert there.geometry.focus_sample_m == taken.geometry.focus_sample_m == 2e-3
    assert taken.pixel_size_m == begun.pixel_size_m
    assert np.array_equal(taken.probe, begun.probe)


def test_the_result_of_another_scan_is_refused(known: sc.Snapshot) -> None:
    with pytest.raises(InputError, match="continue with the scan"):
        with_focus(small_scan((24, 24), (3, 3), near=True).scan, known, FS)


# -- a free parameter of a known probe ----------------------------------------------
def curved(
    probe: np.ndarray, geometry: sc.Geometry, curvature_per_m: float
) -> np.ndarray:
    """The probe with that curvature added to its wavefront."""
    shape = probe.shape[-2:]
    y, x = (
        (np.arange(n) - (n - 1) / 2) * step
        for n, step in zip(shape, geometry.pixel_size_m(shape), strict=True)
    )
    squared = y[:, None] ** 2 + x**2
    phase = np.pi * curvature_per_m / geometry.wavelength_m * squared
    return (probe * np.exp(1j * phase)).astype(np.complex64)


CONES = {
    "near field": {
        "path": {"kind": "fermat", "points": 64, "step_px": 6},
        "probe": {"radius": 0.3, "diffuser_rad": 1.5},
        "detector": {"frame": 64, "pixel_m": 55e-6, "photons": None},
        "wavelength_m": CONE.wavelength_m,
        "distance_m": CONE.distance_m,
        "focus_sample_m": FS,
        "propagation": "near-field",
    },
    "two modes": {"modes": 2},
    "photons": {"detector": {"frame": 64, "pixel_m": 55e-6, "photons": 1e5}},
    "far field": {
        "path": {"kind": "fermat", "points": 64, "step_px": 5},
        "probe": {"radius": 0.2, "diffuser_rad": 1.5},
        "detector": {"frame": 64, "photons": None},
        "distance_m": 2.0,
        "focus_sample_m": 0.8e-3,
    },
}


@pytest.mark.parametrize("cone", CONES)
@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_a_known_probe_finds_the_focus(cone: str, factor: float) -> None:
    """Known but for its curvature, which is that of a focus 20 % away."""
    base = {} if cone == "far field" else CONES["near field"]
    experiment = sc.VirtualExperiment(object={"kind": "pictures"}, **base | CONES[cone])
    scan, truth = sc.simulate(experiment)
    true = scan.geometry.focus_sample_m
    wrong = (1 / factor - 1) / true
    probe = curved(truth.probe, scan.geometry, wrong)
    radius = scan.frame_shape[0] / 4 * scan.pixel_size_m[0]
    start = begin(scan, sc.DiscProbe(radius), modes=len(probe)).replace(probe=probe)
    last = run_on(
        scan, sc.AutoDiff(free_focus=True), 40, start=start, freeze_probe=True
    )
    bends = [i.change for i in last.history.refined if i.quantity == "focus"]
    assert len(bends) == 40
    left = wrong + sum(bends)
    assert 1 / (1 / true + left) == pytest.approx(true, rel=0.01)
    # What the snapshot's probe carries is what the history tells.
    begun, found = (probe_focus(shot).curvature_per_m for shot in (start, last))
    assert found - begun == pytest.approx(sum(bends), rel=1e-3)
    assert np.abs(last.probe) == pytest.approx(np.abs(probe), rel=1e-4, abs=1e-6)
    assert "in 40 epochs" in refined_focus(last)


def test_a_focus_told_wrong_is_found_by_a_known_probe_and_taken_over() -> None:
    """A disc of known size, flat but for the cone, on the grid of a wrong focus."""
    flat, truth = sc.simulate(
        sc.VirtualExperiment(
            object={"kind": "pictures"},
            **CONES["near field"] | {"probe": {"radius": 0.3}},
        )
    )
    factor = 1.1
    wrong = told(flat, factor * FS)
    begun = begin(flat, sc.DiscProbe(3e-6)).replace(probe=truth.probe, epoch=1)
    there = regridded(begun, factor * FS)
    known = curved(there.probe, wrong.geometry, (1 / factor - 1) / FS)
    start = begin(wrong, sc.DiscProbe(3e-6)).replace(probe=known)
    assert probe_focus(start).focus_sample_m == pytest.approx(factor * FS, rel=0.005)
    frozen = {"freeze_probe": True}
    free = sc.AutoDiff(free_focus=True)
    last = run_on(wrong, free, 40, start=start, **frozen)
    found = probe_focus(last).focus_sample_m
    assert found == pytest.approx(FS, rel=0.01)
    right, taken = with_focus(wrong, last, found)
    after = run_on(right, free, 10, start=taken, **frozen)
    assert probe_focus(after).focus_sample_m == pytest.approx(FS, rel=0.01)
    assert after.error < 1.5 * last.error


# -- measured -----------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.8, 1.2])
def test_the_focus_of_a_measured_cone_beam(shared_data: Path, factor: float) -> None:
    """Told 20 % wrong: found within 3 %, and as good as told right in the end."""
    path = shared_data / "p25_nearfield" / "PETRAIII_P25_Near_Field_Ptycho.cxi"
    right = sc.open_scan(path, focus_sample_m=FS, propagation="near-field")
    wrong = told(right, factor * FS)
    first = run_on(wrong, sc.RPIE(), 40)
    found = probe_focus(first).focus_sample_m
    assert found == pytest.approx(FS, rel=0.03)
    there, taken = with_focus(wrong, first, found)

    def error(scan: sc.Scan, epochs: int, **more: Any) -> float:
        """Median over ten epochs: single ones scatter by several per cent."""
        shots = reconstruct(scan, sc.RPIE(), epochs=epochs, device="cpu", **more)
        return float(np.median([shot.error for shot in shots][-11:-1]))

    assert error(there, 40, start=taken) < 1.05 * error(right, 40)
