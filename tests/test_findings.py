"""What is odd is masked, told with a remedy, or both; an honest scan hears nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty import prepare
from napari_scicompty.core.stacks import LazyStack
from napari_scicompty.formats._raw import RawFrames

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENT = sc.VirtualExperiment(
    probe={"kind": "disc", "radius": 0.22},
    path={"kind": "jittered-raster", "rows": 10, "columns": 10, "step_px": 8},
    detector={"frame": 64, "photons": 1e6},
    focus_sample_m=5e-3,
)
SCAN, TRUTH = sc.simulate(EXPERIMENT)
PLAIN = sc.Scan(SCAN.patterns, SCAN.positions_m, SCAN.geometry)
FRAMES = np.asarray(SCAN.patterns)
START = sc.DiscProbe(radius_m=EXPERIMENT.probe_radius_m)
GEOMETRY = {
    "wavelength_m": SCAN.geometry.wavelength_m,
    "distance_m": SCAN.geometry.distance_m,
    "detector_pixel_m": SCAN.geometry.detector_pixel_m[0],
    "focus_sample_m": SCAN.geometry.focus_sample_m,
}
GAP = np.zeros((64, 64), bool)
GAP[:, 40:43] = GAP[10, 11] = True


def found(scan: sc.Scan) -> dict[str, sc.Finding]:
    """Findings by code; the report says each once."""
    for finding in scan.findings:
        assert scan.report.count(str(finding)) == 1
        assert "\n" not in str(finding)
    return {finding.code: finding for finding in scan.findings}


def opened(folder: Path, frames: np.ndarray, **choices: Any) -> sc.Scan:
    np.save(folder / "d.npy", frames)
    np.save(folder / "p.npy", SCAN.positions_m[:, ::-1])
    return sc.open_scan(folder / "d.npy", folder / "p.npy", **GEOMETRY | choices)


def away(scan: sc.Scan, epochs: int = 15, **options: Any) -> float:
    """1 - |C| after some epochs."""
    *_, last = sc.reconstruct(
        scan, sc.RPIE(), epochs=epochs, start=START, device="cpu", **options
    )
    return 1 - sc.metrics.compare(last, TRUTH).correlation


def test_an_honest_scan_has_no_findings(tmp_path: Path) -> None:
    for scan in (SCAN, PLAIN, opened(tmp_path, FRAMES)):
        assert scan.findings == ()
    assert PLAIN.report == ()


# -- marks of gaps and broken pixels --------------------------------------------------
MARKS = {
    "uint32": (np.uint32, 2**32 - 1),
    "uint16": (np.uint16, 2**16 - 1),
    "16 bit in 32": (np.uint32, 2**16 - 1),
    "32 bit as float": (np.float32, 2**32 - 1),
    "int32": (np.int32, 2**31 - 1),
    "Pilatus gap": (np.int32, -1),
    "Pilatus dead": (np.int32, -2),
    "dummy of float": (np.float32, -1),
    "NaN": (np.float32, np.nan),
    "infinity": (np.float64, np.inf),
}


@pytest.mark.parametrize("case", MARKS)
def test_marks_that_stand_in_most_patterns_are_masked_and_told(
    case: str, tmp_path: Path
) -> None:
    dtype, mark = MARKS[case]
    frames = FRAMES.astype(dtype)
    frames[:, GAP] = mark
    frames[::3, 10, 11] = 5  # in most patterns, not in all
    scan = opened(tmp_path, frames)
    assert np.array_equal(scan.good, ~GAP)
    told = found(scan)["marker-values"]
    assert told.where == "mask" and "193 pixel(s)" in told.what
    assert scan.negative_counts == 0
    if case in ("uint32", "NaN"):
        assert away(scan) < 0.0018  # 0.0015; 0.065 with 2^32 - 1 left in


def test_marks_are_found_in_stacks_that_are_not_in_memory(tmp_path: Path) -> None:
    frames = FRAMES.astype(np.uint32)
    frames[:, GAP] = 2**32 - 1
    scan = opened(tmp_path, frames)
    assert np.array_equal(scan.good, ~GAP)
    asked: list[int] = []

    def read(numbers: np.ndarray) -> np.ndarray:
        asked.extend(numbers.tolist())
        return np.repeat(frames, 10, 0)[numbers]

    lazy = LazyStack(read, (1000, 64, 64), frames.dtype)
    positions = np.repeat(SCAN.positions_m, 10, 0)
    raw = RawFrames(patterns=lazy, geometry=SCAN.geometry)
    assert np.array_equal(prepare.mask_markers(raw).mask, ~GAP)
    assert len(set(asked)) < 100 and max(asked) == len(positions) - 1


def test_a_subtracted_dark_field_makes_no_marks(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noisy = (FRAMES + rng.normal(-1, 0.8, FRAMES.shape)).round().astype(np.int32)
    scan = opened(tmp_path, noisy)
    assert scan.good.mean() > 0.99
    assert scan.negative_counts > 0


def test_saturation_in_a_few_patterns_is_told_and_not_masked(tmp_path: Path) -> None:
    frames = FRAMES.astype(np.uint16)
    frames[3:7, 30, 30] = 65535
    scan = opened(tmp_path, frames)
    assert scan.good.all()
    told = found(scan)["saturated"]
    assert "in up to 4 pattern(s)" in told.what
    assert "saturation=65535" in told.mend
    mended = opened(tmp_path, frames, saturation=65535)
    assert not mended.findings and np.count_nonzero(~mended.good) == 1


def test_a_script_hears_of_marks_that_it_left_in() -> None:
    frames = FRAMES.astype(np.uint32)
    frames[:, GAP] = 2**32 - 1
    scan = PLAIN.replace(patterns=frames)
    assert "193 pixel(s)" in found(scan)["markers-left"].what
    mended = prepare.mask_markers(scan)
    assert set(found(mended)) == {"marker-values"}
    assert np.array_equal(mended.good, ~GAP)


def test_what_is_not_finite_in_some_patterns_is_masked_or_left_out(
    tmp_path: Path,
) -> None:
    frames = FRAMES.astype(np.float32)
    frames[4, 20, 21] = np.nan
    frames[9] = np.inf
    scan = opened(tmp_path, frames)
    assert scan.excluded == (9,) and np.argwhere(~scan.good).tolist() == [[20, 21]]
    told = found(scan)["not-finite"].what
    assert "1 pixel(s)" in told and "pattern(s) 9 " in told
    frames[::4, :, 30:40] = np.nan
    with pytest.raises(sc.InputError, match=r"15.6%.*leave_out"):
        opened(tmp_path, frames)


# -- masks ----------------------------------------------------------------------------
NAMES = {
    "pixel_mask": "bad",
    "bad_pixels": "bad",
    "entry_1/instrument_1/detector_1/mask": "bad",
    "detectorSpecific/pixel_mask": "bad",
    "hot": "bad",
    "mask": "good",
    "good": "good",
    "valid_pixels": "good",
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("own_file", [False, True], ids=["key", "file"])
def test_names_tell_which_way_round_a_mask_is(
    name: str, own_file: bool, tmp_path: Path
) -> None:
    bad = NAMES[name] == "bad"
    values = (GAP if bad else ~GAP).astype(np.uint32)
    if name.startswith("entry_1"):
        values[~GAP] = 0x1000  # "has signal" is no fault
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["frames"] = FRAMES
        file["xy"] = SCAN.positions_m[:, ::-1]
        file[name] = values
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file[name] = values
    choice = {"mask": tmp_path / "m.h5"} if own_file else {"mask_key": name}
    scan = sc.open_scan(
        tmp_path / "s.h5", data_key="frames", positions_key="xy", **GEOMETRY, **choice
    )
    assert np.array_equal(scan.good, ~GAP)
    turned = "good" if bad else "bad"
    other = sc.open_scan(
        tmp_path / "s.h5",
        data_key="frames",
        positions_key="xy",
        mask_means=turned,
        **GEOMETRY,
        **choice,
    ) if not name.startswith("entry_1") else None  # fmt: skip
    if other is not None:
        assert np.array_equal(other.good, GAP)
        told = found(other)["mask-polarity"]
        assert "4.71%" in told.what and "95.29%" in told.what
        assert "mask_means" in told.mend


def test_the_name_of_an_image_tells_too(tmp_path: Path) -> None:
    np.save(tmp_path / "bad_pixels.npy", GAP)
    scan = opened(tmp_path, FRAMES, mask=tmp_path / "bad_pixels.npy")
    assert np.array_equal(scan.good, ~GAP)
    assert any("not zero = bad (by its name)" in line for line in scan.report)


def test_an_empty_mask_names_the_choice_that_turns_it(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.zeros((64, 64), np.uint8))
    with pytest.raises(sc.InputError, match="mask_means='bad'"):
        opened(tmp_path, FRAMES, mask=tmp_path / "m.npy")
    scan = opened(tmp_path, FRAMES, mask=tmp_path / "m.npy", mask_means="bad")
    assert scan.good.all()


def test_a_mask_of_a_script_that_leaves_little_is_questioned() -> None:
    assert "4.71%" in found(PLAIN.replace(mask=GAP))["mask-polarity"].what
    assert not PLAIN.replace(mask=~GAP).findings


# -- positions ------------------------------------------------------------------------
def moved(change: Any) -> np.ndarray:
    """Positions in metres after a change of those in pixels."""
    return change(SCAN.positions_m / SCAN.pixel_size_m) * SCAN.pixel_size_m


def lost(*numbers: int, by: float) -> np.ndarray:
    def change(points: np.ndarray) -> np.ndarray:
        points = points.copy()
        points[list(numbers)] += by
        return points

    return moved(change)


def test_a_position_that_stands_alone_is_named_with_what_it_costs() -> None:
    scan = PLAIN.with_positions(lost(50, by=9000))
    told = found(scan)["position-alone"]
    assert "position(s) 50 stand alone" in told.what
    assert "run.excluded=[50]" in told.mend
    assert "154 x 154 without" in told.what
    empty = found(scan)["canvas-empty"]
    assert "position(s) 50 stand alone" in empty.what
    assert not scan.exclude(50).findings


def test_positions_lost_together_are_named_together() -> None:
    points = SCAN.positions_m.copy() + 2e-3
    points[[3, 40, 41, 42]] = 0
    with pytest.raises(sc.InputError, match=r"3,40,41,42 stand alone.*leave_out"):
        PLAIN.with_positions(points)
    near = SCAN.positions_m.copy() + 6e-5
    near[[3, 40, 41, 42]] = 0
    assert "3, 40, 41, 42 stand" in found(PLAIN.with_positions(near))[
        "position-alone"
    ].what  # fmt: skip


def test_what_is_left_out_needs_no_canvas(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", FRAMES)
    np.save(tmp_path / "p.npy", lost(50, by=30000)[:, ::-1])
    files = (tmp_path / "d.npy", tmp_path / "p.npy")
    with pytest.raises(sc.InputError, match=r"50 stand alone.*leave_out=\[50\]"):
        sc.open_scan(*files, **GEOMETRY)
    scan = sc.open_scan(*files, leave_out=50, **GEOMETRY)
    assert scan.excluded == (50,) and not scan.findings
    *_, last = sc.reconstruct(scan, sc.RPIE(), epochs=2, start=START, device="cpu")
    assert max(last.object.shape) < 160
    far = PLAIN.with_positions(lost(50, by=3000))
    run = sc.reconstruct(
        far, sc.RPIE(), epochs=1, start=START, device="cpu", excluded=50
    )
    assert max([*run][-1].object.shape) < 160


def test_a_pattern_taken_in_on_the_way_gets_its_room() -> None:
    scan = PLAIN.with_positions(lost(50, by=300))
    controls = sc.Controls()
    run = sc.reconstruct(
        scan,
        sc.RPIE(),
        epochs=2,
        start=START,
        device="cpu",
        excluded=(50,),
        controls=controls,
    )
    first = next(run)
    controls.set("run.excluded", ())
    *_, last = run
    assert max(first.object.shape) < 160 < 370 < min(last.object.shape)
    assert np.isfinite(last.pattern_error).all()


REPEATED = np.repeat(SCAN.positions_m[::2], 2, 0)
SHAPES = {
    "repeated": (REPEATED, "positions-repeated", "100 positions lie at 50 different"),
    "x still": (moved(lambda p: p * (1, 1e-3)), "axis-still", "x does not move"),
    "y still": (moved(lambda p: p * (0, 1)), "axis-still", "y does not move"),
    "two far areas": (
        moved(lambda p: p + 3000 * (np.arange(100)[:, None] > 49)),
        "canvas-empty",
        "pixels; each copy of it takes",
    ),
}


@pytest.mark.parametrize("case", SHAPES)
def test_positions_that_cannot_be_meant_are_questioned(case: str) -> None:
    positions, code, says = SHAPES[case]
    told = found(PLAIN.with_positions(positions))
    assert set(told) == {code}
    assert says in told[code].what and told[code].mend


def test_few_patterns_are_questioned() -> None:
    one = sc.Scan(FRAMES[:1], SCAN.positions_m[:1], SCAN.geometry)
    assert "only 1 pattern" in found(one)["few-patterns"].what


@pytest.mark.parametrize("unit", ["um", "nm", "mm", "px"])
def test_a_wrong_unit_names_the_one_that_would_do(unit: str, tmp_path: Path) -> None:
    metres = {"um": 1e-6, "nm": 1e-9, "mm": 1e-3, "px": SCAN.pixel_size_m[0]}[unit]
    np.save(tmp_path / "d.npy", FRAMES)
    np.save(tmp_path / "p.npy", SCAN.positions_m[:, ::-1] / metres)
    files = (tmp_path / "d.npy", tmp_path / "p.npy")
    with pytest.raises(sc.InputError) as caught:
        sc.open_scan(*files, **GEOMETRY)
    assert f"position_unit when opening: {unit!r} gives " in str(caught.value)
    scan = sc.open_scan(*files, position_unit=unit, **GEOMETRY)
    assert np.allclose(scan.positions_m, SCAN.positions_m, rtol=1e-9, atol=0)


def test_the_unit_is_told_from_the_one_that_was_chosen(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", FRAMES)
    np.save(tmp_path / "p.npy", SCAN.positions_m[:, ::-1] * 1e6)
    with pytest.raises(sc.InputError, match="'um' gives"):
        sc.open_scan(
            tmp_path / "d.npy", tmp_path / "p.npy", position_unit="nm", **GEOMETRY
        )


# -- as many patterns as positions ----------------------------------------------------
def unequal(folder: Path, part: slice, frames: np.ndarray = FRAMES) -> tuple[Path, ...]:
    np.save(folder / "d.npy", frames)
    np.save(folder / "p.npy", SCAN.positions_m[part, ::-1])
    return folder / "d.npy", folder / "p.npy"


@pytest.mark.parametrize(
    ("frames", "part"), [("first", slice(0, 97)), ("last", slice(3, None))]
)
def test_the_first_or_the_last_patterns_are_taken(
    frames: Any, part: slice, tmp_path: Path
) -> None:
    files = unequal(tmp_path, part)
    with pytest.raises(sc.InputError, match=r"97 positions.*100 patterns.*'first'"):
        sc.open_scan(*files, **GEOMETRY)
    scan = sc.open_scan(*files, frames=frames, **GEOMETRY)
    assert np.array_equal(scan.patterns, FRAMES[part])
    assert np.allclose(scan.positions_m, SCAN.positions_m[part])
    files = unequal(tmp_path, slice(None), FRAMES[part])  # the scan was broken off
    scan = sc.open_scan(*files, frames=frames, **GEOMETRY)
    assert np.allclose(scan.positions_m, SCAN.positions_m[part])


def test_positions_may_number_their_patterns(tmp_path: Path) -> None:
    kept = np.setdiff1d(np.arange(100), [5, 17, 60])
    np.save(tmp_path / "d.npy", FRAMES)
    with h5py.File(tmp_path / "product.h5", "w") as file:
        file["x"], file["y"] = SCAN.positions_m[kept].T[::-1]
        file["position_indexes"] = kept
        file["wrong"] = kept + 3
    choices = GEOMETRY | {"x_key": "x", "y_key": "y"}
    files = (tmp_path / "d.npy", tmp_path / "product.h5")
    scan = sc.open_scan(*files, frame_index_key="position_indexes", **choices)
    assert np.array_equal(scan.patterns[:], FRAMES[kept])
    assert np.array_equal(scan.positions_m, SCAN.positions_m[kept])
    with pytest.raises(sc.InputError, match=r"no pattern 100 .*frame_index_key"):
        sc.open_scan(*files, frame_index_key="wrong", **choices)
    with pytest.raises(sc.InputError, match="also give positions_key"):
        sc.open_scan(*files, frame_index_key="position_indexes", **GEOMETRY)


# -- frames ---------------------------------------------------------------------------
def test_frames_with_far_less_light_are_named() -> None:
    frames = FRAMES.astype(np.int32)
    rng = np.random.default_rng(0)
    frames[[5, 17, 60]] = rng.poisson(80 / 4096, (3, 64, 64))
    scan = PLAIN.replace(patterns=frames)
    told = found(scan)["sums-apart"]
    assert told.where == "excluded" and "run.excluded=[5,17,60]" in told.mend
    assert not scan.exclude([5, 17, 60]).findings


def test_copies_of_frames_are_named() -> None:
    frames = FRAMES.copy()
    frames[77], frames[8] = frames[3], frames[9]
    told = found(PLAIN.replace(patterns=frames))["frames-doubled"]
    assert "77 is pattern 3" in told.what and "9 is pattern 8" in told.what
    assert "run.excluded=[9,77]" in told.mend


def test_frames_of_equal_sum_are_no_copies() -> None:
    frames = FRAMES.copy()
    frames[77] = np.roll(frames[3], 5, 0)
    assert set(found(PLAIN.replace(patterns=frames))) == {"frames-apart"}


def test_zero_frequency_in_the_corner_is_seen_and_mended(tmp_path: Path) -> None:
    cornered = np.fft.ifftshift(FRAMES, axes=(1, 2))
    told = found(opened(tmp_path, cornered))["corner"]
    assert "corner=true" in told.mend
    np.save(tmp_path / "m.npy", np.fft.ifftshift(~GAP))
    scan = opened(tmp_path, cornered, corner=True, mask=tmp_path / "m.npy")
    assert np.array_equal(scan.patterns, FRAMES) and not scan.findings
    assert np.array_equal(scan.good, ~GAP)


def test_amplitudes_are_seen_and_squared(tmp_path: Path) -> None:
    roots = np.sqrt(FRAMES.astype(np.float32))
    told = found(opened(tmp_path, roots))["amplitudes"]
    assert "amplitudes=true" in told.mend
    scan = opened(tmp_path, roots, amplitudes=True)
    assert not scan.findings and np.allclose(scan.patterns, FRAMES, rtol=1e-5)
    assert not opened(tmp_path, FRAMES.astype(np.float32) * 1.7).findings


# -- electrons ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("energy_ev", "asked"),
    [(300e3, True), (80.5e3, True), (150e3, True), (8.8e3, False), (65e3, False)],
)
def test_photons_of_a_microscopes_voltage_are_questioned(
    energy_ev: float, asked: bool, tmp_path: Path
) -> None:
    geometry = GEOMETRY | {"wavelength_m": None, "distance_m": 2.0}
    choices = geometry | {"position_unit": "px", "energy_ev": energy_ev}
    np.save(tmp_path / "d.npy", FRAMES)
    points = SCAN.positions_m / SCAN.pixel_size_m
    np.save(tmp_path / "p.npy", points[:, ::-1])
    scan = sc.open_scan(tmp_path / "d.npy", tmp_path / "p.npy", **choices)
    told = found(scan)
    assert ("electrons" in told) == asked
    if asked:
        assert f"voltage_v={energy_ev:.6g}" in told["electrons"].mend
        voltage = choices | {"energy_ev": None, "voltage_v": energy_ev}
        right = sc.open_scan(tmp_path / "d.npy", tmp_path / "p.npy", **voltage)
        assert not right.findings
        wanted = sc.Geometry.from_voltage(energy_ev, 1, 1).wavelength_m
        assert right.geometry.wavelength_m == wanted


def test_an_energy_in_a_cxi_file_is_questioned(tmp_path: Path) -> None:
    points = SCAN.positions_m / SCAN.pixel_size_m
    for energy_ev, asked in ((300e3, {"electrons"}), (8.8e3, set())):
        geometry = sc.Geometry.from_energy(energy_ev, 2.0, 75e-6)
        pixel = np.array(geometry.pixel_size_m((64, 64)))
        scan = sc.Scan(SCAN.patterns, points * pixel, geometry)
        sc.save_scan(tmp_path / "s.cxi", scan, overwrite=True)
        assert not sc.open_scan(tmp_path / "s.cxi").findings  # says a wavelength
        with (
            h5py.File(tmp_path / "s.cxi") as ours,
            h5py.File(tmp_path / "of_another.cxi", "w") as file,
        ):
            ours.copy("entry_1", file)
            del file["entry_1/instrument_1/source_1/wavelength"]
        assert set(found(sc.open_scan(tmp_path / "of_another.cxi"))) == asked


def test_one_of_wavelength_energy_and_voltage_is_enough(tmp_path: Path) -> None:
    with pytest.raises(sc.InputError, match="wavelength_m and voltage_v are both"):
        opened(tmp_path, FRAMES, voltage_v=3e5)


# -- kept and found anew --------------------------------------------------------------
def test_findings_follow_the_scan(tmp_path: Path) -> None:
    frames = FRAMES.astype(np.uint16)
    frames[:, GAP] = 65535
    scan = opened(tmp_path, frames).with_positions(lost(50, by=3000))
    codes = {"marker-values", "position-alone", "canvas-empty"}
    assert set(found(scan)) == codes
    assert set(found(scan.with_geometry(scan.geometry))) == codes
    mended = scan.with_positions(SCAN.positions_m)
    assert set(found(mended)) == {"marker-values"}
    assert not any("stand alone" in line for line in mended.report)
    sc.save_scan(tmp_path / "s.cxi", scan.exclude(50))
    again = sc.open_scan(tmp_path / "s.cxi")
    assert not any("stand alone" in line for line in again.report)
    assert any("193 pixel(s)" in line for line in again.report)


def test_a_result_keeps_what_was_found_of_its_scan(tmp_path: Path) -> None:
    scan = PLAIN.with_positions(lost(50, by=300))
    (alone,) = (f for f in scan.findings if f.code == "position-alone")
    result = sc.run(scan, sc.RPIE(), epochs=1, start=START, device="cpu")
    sc.save_result(tmp_path / "r.h5", result)
    assert alone.as_note in sc.open_result(tmp_path / "r.h5").history.notes
    left_out = sc.run(
        scan, sc.RPIE(), epochs=1, start=START, device="cpu", excluded=(50,)
    )
    assert alone.as_note not in left_out.history.notes
