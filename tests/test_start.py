"""Starts: given ones have the measured power, and the search finds the defocus."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from electron_scans import electron_scan
from napari_scicompty.algorithms import RPIE
from napari_scicompty.analysis.bright_field import refined_motion
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.geometry import Geometry
from napari_scicompty.data.scan import Scan
from napari_scicompty.engine.controls import Controls
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.formats import open_scan
from napari_scicompty.simulation import VirtualExperiment, simulate
from napari_scicompty.workflow.reconstruction import prepare, reconstruct
from napari_scicompty.workflow.search import (
    Candidate,
    explain,
    find_start,
    largest_k,
    ranked,
    search,
)
from napari_scicompty.workflow.start import (
    AutoStart,
    BackPropagatedProbe,
    DiscProbe,
    ProbeFile,
    PupilProbe,
    ZonePlateProbe,
    begin,
)
from small_scans import settings, small_scan

if TYPE_CHECKING:
    from pathlib import Path

SMALL = small_scan(view=(32, 27), grid=(3, 4), modes=2)
MASK = np.random.default_rng(2).random((32, 27)) > 0.15
SCAN = SMALL.scan.replace(mask=MASK, excluded=(1,))


@pytest.fixture
def probe_file(tmp_path: Path) -> Path:
    path = tmp_path / "probe.npy"
    np.save(path, 37 * SMALL.probe)
    return path


# -- given starts ---------------------------------------------------------------------
@pytest.mark.parametrize("modes", [1, 3])
@pytest.mark.parametrize(
    "kind",
    [
        DiscProbe(4e-7),
        PupilProbe(1e-5),
        PupilProbe(-2e-5),
        ZonePlateProbe(
            diameter_m=1e-4, outer_zone_m=1.2e-7, stop_m=3e-5, focus_sample_m=1e-5
        ),
        "file",
    ],
    ids=lambda kind: type(kind).__name__,
)
def test_starts_have_the_measured_power_on_good_pixels(
    kind: Any, modes: int, probe_file: Path
) -> None:
    start = ProbeFile(path=probe_file) if kind == "file" else kind
    first = begin(SCAN, start, modes=modes)
    assert first.probe.shape == (modes, 32, 27)
    assert first.probe.dtype == np.complex64
    light = np.abs(np.fft.fft2(first.probe.astype(complex), norm="ortho")) ** 2
    model = np.fft.fftshift(light.sum(0))[MASK].sum()
    part = [j for j in range(12) if j != 1]
    measured = np.maximum(SCAN.patterns[part], 0)[:, MASK].sum(1, dtype=float).mean()
    assert model == pytest.approx(measured, rel=1e-4)
    assert (first.object == 1).all()
    assert (first.epoch, first.history.epochs) == (0, ())


def test_a_probe_file_keeps_its_field_and_its_modes(probe_file: Path) -> None:
    first = begin(SCAN, ProbeFile(path=probe_file))
    assert len(first.probe) == 2
    overlap = np.vdot(first.probe, SMALL.probe) / np.linalg.norm(first.probe)
    assert abs(overlap) / np.linalg.norm(SMALL.probe) == pytest.approx(1, abs=1e-5)


def test_a_result_file_serves_as_a_probe_file(tmp_path: Path) -> None:
    path = tmp_path / "probe.h5"
    with h5py.File(path, "w") as file:
        file["probe"] = SMALL.probe[0]
    assert begin(SCAN, ProbeFile(path=path)).probe.shape == (1, 32, 27)


def test_a_frozen_probe_file_is_never_updated(probe_file: Path) -> None:
    first, *_, last = reconstruct(
        SCAN,
        RPIE(),
        epochs=3,
        start=ProbeFile(path=probe_file, frozen=True),
        device="cpu",
    )
    assert np.array_equal(first.probe, last.probe)
    assert not np.array_equal(first.object, last.object)


def saved(kind: str, folder: Path) -> Path:
    """Make one kind of bad probe file."""
    path = folder / ("probe.h5" if kind.startswith("h5") else "probe.npy")
    bad = np.ones((32, 27), complex)
    bad[3, 3] = np.nan
    arrays = {
        "other shape": np.ones((27, 32), complex),
        "four axes": np.ones((1, 1, 32, 27), complex),
        "not finite": bad,
        "all zero": np.zeros((32, 27), complex),
        "strings": np.full((32, 27), "x"),
        "no modes": np.ones((0, 32, 27), complex),
    }
    if kind in arrays:
        np.save(path, arrays[kind])
    elif kind in ("text", "h5 text"):
        path.write_text("no probe")
    elif kind == "h5 other name":
        with h5py.File(path, "w") as file:
            file["illumination"] = SMALL.probe
    elif kind == "h5 group":
        with h5py.File(path, "w") as file:
            file.create_group("probe")
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "missing",
        "h5 missing",
        "text",
        "h5 text",
        "h5 other name",
        "h5 group",
        "other shape",
        "four axes",
        "not finite",
        "all zero",
        "strings",
        "no modes",
    ],
)
def test_bad_probe_files_give_a_sentence(kind: str, tmp_path: Path) -> None:
    path = saved(kind, tmp_path)
    with pytest.raises(InputError, match=path.name) as caught:
        begin(SCAN, ProbeFile(path=path))
    assert "\n" not in str(caught.value)


def test_a_zone_plate_that_sends_no_light_is_refused() -> None:
    with pytest.raises(InputError, match="ZonePlateProbe"):
        begin(SCAN, ZonePlateProbe(1e-4, outer_zone_m=1.2e-7, stop_m=1e-4))


# -- refusals -------------------------------------------------------------------------
def test_a_near_field_that_cannot_work_is_refused_before_anything_is_tried() -> None:
    geometry = Geometry(1e-10, 1.0, 5e-8, propagation="near-field")
    near = Scan(SCAN.patterns, np.mgrid[:3, :4].reshape(2, -1).T * 1e-6, geometry)
    with pytest.raises(InputError, match="near-field"):
        find_start(near, device="cpu")
    for start in ("auto", DiscProbe(1e-8)):
        with pytest.raises(InputError, match="near-field"):
            next(reconstruct(near, RPIE(), epochs=1, start=start, device="cpu"))


def test_starts_of_the_other_geometry_are_refused() -> None:
    near = small_scan((24, 24), (3, 3), near=True).scan
    for scan, start in (
        (near, PupilProbe(1e-3)),
        (near, ZonePlateProbe(1e-4, outer_zone_m=1e-7)),
        (SCAN, BackPropagatedProbe()),
    ):
        with pytest.raises(InputError, match=r"-field scans.*automatic"):
            begin(scan, start)


@pytest.mark.parametrize("near", [False, True])
def test_a_disc_wider_than_the_view_is_refused_with_the_widest_that_fits(
    near: bool,
) -> None:
    scan = small_scan((24, 32), (3, 3), near=near).scan
    with pytest.raises(InputError, match="does not fit") as caught:
        begin(scan, DiscProbe(1.2))
    widest = float(re.search(r"at most (\S+),", str(caught.value))[1])
    assert begin(scan, DiscProbe(widest * 0.999)).probe.shape == (1, 24, 32)


def test_near_field_starts_from_the_mean_pattern_propagated_back() -> None:
    small = small_scan((40, 36), (6, 6), step=4, near=True)
    (only,) = find_start(small.scan, device="cpu")
    assert only.start == BackPropagatedProbe()
    assert only.error < 0.02
    first = begin(small.scan, only.start)
    light, truth = np.abs(first.probe[0]), np.abs(small.probe[0])
    assert np.corrcoef(light.ravel(), truth.ravel())[0, 1] > 0.95
    counted = small.scan.pattern_sum.mean()
    assert (light**2).sum() == pytest.approx(counted, rel=0.02)
    assert "propagated back" in explain([only])


@pytest.mark.parametrize(
    ("scan", "says"),
    [
        (small_scan(view=(32, 27), grid=(3, 3)).scan, r"12 positions.* 9 "),
        (small_scan(view=(27, 32), grid=(3, 4)).scan, r"32 x 27.*27 x 32"),
        (SCAN.with_geometry(SCAN.geometry.replace(distance_m=2.0)), "pixel"),
    ],
)
def test_a_result_of_another_scan_is_not_continued(scan: Scan, says: str) -> None:
    snapshot = SMALL.start()
    with pytest.raises(InputError, match=says):
        next(reconstruct(scan, RPIE(), epochs=1, start=snapshot, device="cpu"))


@pytest.mark.parametrize("start", ["disc", "", "Auto"])
def test_an_unknown_start_is_refused(start: str) -> None:
    with pytest.raises(InputError, match="start"):
        next(reconstruct(SCAN, RPIE(), epochs=1, start=start, device="cpu"))


def test_modes_can_be_added_and_taken_away_when_continuing() -> None:
    *_, two = reconstruct(
        SMALL.scan, RPIE(), epochs=15, modes=2, start=SMALL.start(), device="cpu"
    )
    kept, more, fewer = (
        next(
            reconstruct(
                SMALL.scan, RPIE(), epochs=1, modes=modes, start=two, device="cpu"
            )
        )
        for modes in (None, 3, 1)
    )
    assert np.array_equal(kept.probe, two.probe)
    assert more.probe.shape[0] == 3
    assert more.mode_power[2] < 0.05
    assert more.error == pytest.approx(two.error, rel=0.5)
    assert fewer.probe.shape[0] == 1
    # The one that stays is the strongest direction of the beam there is.
    flat = two.probe.reshape(2, -1).astype(complex)
    strongest = np.linalg.svd(flat, compute_uv=False)[0] ** 2
    power = (np.abs(fewer.probe) ** 2).sum()
    assert power == pytest.approx(strongest, rel=1e-4)


# -- the search -----------------------------------------------------------------------
@pytest.mark.parametrize("defocus_m", [2e-3, -2e-3])
def test_the_search_finds_the_defocus_and_its_sign(defocus_m: float) -> None:
    experiment = VirtualExperiment(
        probe={"diffuser_rad": 0.5},
        path={"rows": 7, "columns": 7, "step_px": 6},
        detector={"frame": 64},
        focus_sample_m=defocus_m,
    )
    scan, _ = simulate(experiment)
    # The search is told the patterns and positions, not the focus.
    blind = scan.with_geometry(scan.geometry.replace(focus_sample_m=None))
    heard: list[tuple[int, int]] = []
    found = find_start(
        blind, device="cpu", progress=lambda tried, of, _: heard.append((tried, of))
    )
    best = found[0]
    assert best.defocus_m == pytest.approx(defocus_m, rel=0.2)
    assert best.start == PupilProbe(best.defocus_m)
    wrong = [c for c in found if (c.defocus_m or 0) * defocus_m < 0]
    assert wrong
    assert min(c.error for c in wrong) > 5 * best.error
    pupils = [c.error for c in found if not c.is_disc]
    assert pupils == sorted(pupils)
    tries = len(found) + 6  # the best of each sign and the best discs went on
    assert heard == [(i + 1, tries) for i in range(tries)]
    told = explain(found)
    assert ("diverging" if defocus_m > 0 else "converging") in told
    assert "twin" in told
    assert f"{best.error:.4f}" in told


def test_the_defocus_that_the_motion_of_the_patterns_tells_is_tried_first() -> None:
    scan = electron_scan(-1.2e-6, rows=8).scan
    motion = refined_motion(scan)
    assert motion is not None
    tried: list[Candidate] = []
    found = find_start(scan, device="cpu", progress=lambda *told: tried.append(told[2]))
    told = motion.defocus_m(scan)
    assert [c.defocus_m for c in tried[:2]] == [told, -told]
    assert told == pytest.approx(1.2e-6, rel=0.05)
    assert found[0].defocus_m == pytest.approx(-1.2e-6, rel=0.3)
    # In focus nothing moves clearly: the ladder alone is tried.
    blind = electron_scan(0.0, rows=8).scan
    assert refined_motion(blind) is None
    first = next(search(blind, AutoStart(epochs=1), RunSettings(device="cpu")))[2]
    assert first.defocus_m == pytest.approx(-largest_k_m(blind))


def largest_k_m(scan: Scan) -> float:
    """Defocus at the end of the ladder."""
    return -largest_k(scan) * scan.pixel_size_m[0] ** 2 / scan.geometry.wavelength_m


def test_the_quick_search_finds_what_the_long_one_finds() -> None:
    experiment = VirtualExperiment(
        path={"rows": 8, "columns": 8, "step_px": 6}, detector={"frame": 96}
    )
    scan, _ = simulate(experiment)
    long = AutoStart(coarse=False, patterns=400)
    quick, whole = (
        find_start(scan, auto, device="cpu")[0].start for auto in (AutoStart(), long)
    )
    assert type(quick) is type(whole)
    assert quick.radius_m == pytest.approx(whole.radius_m, rel=0.1)


def test_the_best_start_so_far_is_shown() -> None:
    shown: list[float] = []
    auto, settings = AutoStart(step_px2=200), RunSettings(device="cpu")
    scan = SMALL.scan
    tried = [
        candidate
        for *_, candidate in search(
            scan, auto, settings, show=lambda s: shown.append(s.error)
        )
    ]
    assert 0 < len(shown) <= len(tried)


def test_a_disc_is_taken_only_when_it_is_clearly_better() -> None:
    pupil, disc = PupilProbe(defocus_m=1e-3), DiscProbe(radius_m=1e-6)
    for error, first in ((0.019, pupil), (0.017, disc)):
        found = ranked([Candidate(disc, error), Candidate(pupil, 0.02)])
        assert found[0].start == first
    assert "disc of 1 µm radius" in explain(found)
    assert str(Candidate(pupil, 0.02)) == "defocus +1 mm: error 0.0200"
    electrons = Candidate(PupilProbe(defocus_m=-1.2e-5), 0.1)
    assert str(electrons) == "defocus -12 µm: error 0.1000"


def test_auto_takes_the_best_candidate_and_says_so() -> None:
    auto = AutoStart(epochs=2, step_px2=120)
    found = find_start(SCAN, auto, device="cpu", seed=3)
    first = next(reconstruct(SCAN, RPIE(), epochs=1, start=auto, seed=3, device="cpu"))
    best = found[0].start.model_dump()
    assert best.items() <= first.settings["start"].items()
    assert any("start found among" in note for note in first.history.notes)


def test_patterns_excluded_by_the_run_take_no_part_in_the_search() -> None:
    bad = SCAN.patterns.copy()
    bad[5] = 1e8
    auto = AutoStart(epochs=2, step_px2=120)
    runs = [
        prepare(SCAN.replace(patterns=p), RPIE(), settings(1, excluded=(5,)), auto)
        for p in (SCAN.patterns, bad)
    ]
    one, other = (run.snapshot() for run in runs)
    assert one.settings["start"] == other.settings["start"]
    assert one.history.notes == other.history.notes


def test_a_search_that_is_stopped_at_once_says_so() -> None:
    controls = Controls()
    controls.stop()
    with pytest.raises(InputError, match="stopped"):
        prepare(SCAN, RPIE(), settings(1), AutoStart(), controls)


# -- the measured star ----------------------------------------------------------------
@pytest.mark.slow
def test_the_measured_star_from_its_files_alone(shared_data: Path) -> None:
    folder = shared_data / "siemens_star"
    scan = open_scan(
        folder / "stack.tif",
        positions=folder / "positions_m.txt",
        geometry=Geometry.from_energy(8800, 1.92, 75e-6),
    )

    def steps(epochs: int) -> list[Any]:
        run = reconstruct(scan, RPIE(), epochs=epochs, modes=3, device="cpu")
        return [s for s in run if s.epoch in (1, epochs)]

    first, last = steps(40)
    assert last.epoch == 40
    assert last.error <= 0.0120
    # The same seed gives the same numbers, search and all.
    (again,) = steps(1)
    assert again.settings["start"] == last.settings["start"]
    assert np.array_equal(again.object, first.object)
    assert np.array_equal(again.probe, first.probe)
