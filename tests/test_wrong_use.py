"""Slips in scripts get a sentence, and what is printed is one line."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.data.scan import Source
from napari_scicompty.workflow.start import begin
from small_scans import small_scan


@pytest.fixture(scope="module")
def small():
    return small_scan(grid=(3, 3))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"algorithm": sc.RPIE}, r"algorithm is RPIE; give an instance, such as RPIE"),
        ({"algorithm": "epie"}, "algorithm is 'epie'; give an instance"),
        ({"scan": "stack.tif"}, "scan is a str; give a Scan, such as open_scan"),
        ({"epochs": "3"}, "epochs: must be a number"),
        ({"epochs": 1.5}, "epochs: must be a whole number"),
        ({"refine": "shift"}, "refine: 'shift' is not known; give 'positions'"),
        ({"refine": sc.LeastSquaresShift}, "is a class; give an object of it"),
    ],
)
def test_wrong_arguments_of_reconstruct(small, change, says):
    given = {"scan": small.scan, "algorithm": sc.RPIE(), "epochs": 1} | change
    with pytest.raises(sc.InputError, match=says):
        next(sc.reconstruct(**given, start=small.start(), device="cpu"))


@pytest.mark.parametrize(
    ("judge", "swapped", "says"),
    [
        ("compare", ("truth", "result"), r"snapshot is a Truth; .*\(snapshot, truth\)"),
        ("compare", ("scan", "truth"), "snapshot is a Scan; give a Snapshot, such"),
        ("compare", ("result", "result"), "truth is a Snapshot; .*metrics.agreement"),
        ("compare", ("result", "scan"), "truth is a Scan; give the Truth that"),
        ("agreement", ("result", "truth"), "second is a Truth; give two Snapshots"),
    ],
)
def test_results_and_truths_that_are_mistaken(judge, swapped, says):
    experiment = sc.VirtualExperiment(
        path={"rows": 2, "columns": 2, "step_px": 5}, detector={"frame": 32}
    )
    scan, truth = sc.simulate(experiment)
    result = begin(scan, sc.DiscProbe(experiment.probe_radius_m))
    given = {"scan": scan, "truth": truth, "result": result}
    with pytest.raises(sc.InputError, match=f"^{judge}: {says}"):
        getattr(sc.metrics, judge)(*(given[name] for name in swapped))


def test_only_a_snapshot_is_a_result(tmp_path):
    with pytest.raises(sc.InputError, match="snapshot is a NoneType; give a Snapshot"):
        sc.save_result(tmp_path / "r.h5", None)
    assert not list(tmp_path.iterdir())


def test_going_on_with_other_patterns_is_noted_once(small):
    def last(scan, start):
        return list(
            sc.reconstruct(scan, sc.RPIE(), epochs=1, start=start, device="cpu")
        )[-1]

    first, second = (
        small.scan.replace(source=Source(f"{name}.tif", name * 64)) for name in "ab"
    )
    same = last(first, last(first, small.start(source=first.source)))
    assert same.history.notes == ()
    other = last(second, last(second, same))
    assert len(other.history.notes) == 1
    assert "continued with b.tif, whose content is not" in other.history.notes[0]


def test_scan_and_snapshot_are_printed_as_one_line(small):
    assert repr(small.scan) == (
        "Scan(9 patterns of 32 x 32, float32, far-field, object pixel 62.5 nm)"
    )
    shown = repr(dataclasses.replace(small.start(), error=0.01234567))
    H, W = small.start().object.shape
    assert shown == (
        f"Snapshot(epoch 0, error 0.012346, object {H} x {W}, 1 probe mode(s) of "
        "32 x 32, 9 positions)"
    )
    assert np.array(small.scan.pixel_size_m) == pytest.approx(62.5e-9)
