"""Memory of a run: what is kept where, and what happens when it is short."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
import torch

import napari_scicompty as sc
from napari_scicompty.algorithms import RPIE
from napari_scicompty.engine import plan as planning
from napari_scicompty.engine.plan import plan, smaller
from napari_scicompty.engine.run import Run
from napari_scicompty.model.measured import Measured
from napari_scicompty.model.pattern_store import Fetched, Keeping, Packing, stored
from small_scans import SmallScan, settings, small_scan

CPU = torch.device("cpu")
COUNTS = Packing("counts")


def counted(small: SmallScan) -> sc.Scan:
    """The scan as whole counts."""
    return small.scan.replace(patterns=small.scan.patterns.round().astype(np.uint16))


def amplitudes(scan: sc.Scan, keeping: Keeping) -> torch.Tensor:
    return stored(scan, scan.good, keeping, CPU)[range(len(scan))]


# -- how amplitudes are written down --------------------------------------------------
@pytest.mark.parametrize("near", [False, True], ids=["far", "near"])
def test_counts_are_kept_exactly_in_half_the_bits(near: bool) -> None:
    scan = counted(small_scan(near=near))
    patterns = scan.patterns.copy()
    patterns[0, 3, 4] = 65535
    mask = np.ones(scan.frame_shape, bool)
    mask[5:9, 2] = False
    scan = scan.replace(patterns=patterns, mask=mask)
    packing = Packing.smallest(scan)
    assert packing == COUNTS and packing.dtype.itemsize == 2
    whole = amplitudes(scan, Keeping())
    for place in ("device", "host", "scan"):
        torch.testing.assert_close(
            amplitudes(scan, Keeping(place, packing)), whole, rtol=2e-7, atol=0
        )


def test_half_precision_rounds_far_below_the_counting_noise() -> None:
    scan = small_scan().scan
    scan = scan.replace(patterns=scan.patterns * (65535 / scan.largest_count))
    packing = Packing.smallest(scan)
    assert packing.kind == "float16"
    whole = amplitudes(scan, Keeping())
    away = amplitudes(scan, Keeping("device", packing)) - whole
    bright = whole > 1e-3 * whole.max()
    assert 1e-4 < (away / whole)[bright].square().mean().sqrt() < 3e-4
    assert away.abs().max() < 0.5 / 4  # counting noise of an amplitude: 1/2


@pytest.mark.parametrize("dtype", [np.float32, np.uint32])
def test_more_counts_than_that_are_kept_in_full(dtype: Any) -> None:
    scan = small_scan().scan
    large = (scan.patterns * (65540 / scan.largest_count)).round().astype(dtype)
    assert Packing.smallest(scan.replace(patterns=large)) == Packing()


# -- fetched ahead --------------------------------------------------------------------
def test_patterns_are_fetched_ahead_in_the_order_of_the_run() -> None:
    by_thread: list[int] = []
    main = threading.get_ident()

    def fetch(numbers: Any) -> Any:
        if threading.get_ident() != main:
            by_thread.extend(numbers)
        return np.repeat(numbers.astype("f4"), 64).reshape(-1, 8, 8)

    storage = Fetched(fetch, Packing(), CPU, frame_bytes=2**19)  # two at a time
    order = np.random.default_rng(0).permutation(20).tolist()
    storage.expect(order, 1)
    for place in range(0, 20, 4):
        batch = order[place : place + 4]
        for _ in range(2):  # refiners ask twice
            assert storage[batch][:, 0, 0, 0].tolist() == batch
    assert by_thread == order  # each once, none out of turn
    assert storage[[3, 1, 3]][:, 0, 0, 0].tolist() == [3, 1, 3]
    assert by_thread == order


def test_a_disk_that_is_gone_is_said() -> None:
    def fetch(_: Any) -> Any:
        raise OSError("No such device")

    storage = Fetched(fetch, Packing(), CPU, 2**20)
    storage.expect([0, 1], 1)
    for batch in ([0], [5]):
        with pytest.raises(sc.EngineError, match=r"No such device.*disk still there"):
            storage[batch]


# -- the plan -------------------------------------------------------------------------
def rooms(monkeypatch: pytest.MonkeyPatch, device: int, host: int) -> None:
    """A GPU with so many bytes free, and a host."""
    monkeypatch.setattr(planning, "pick_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(planning, "free_bytes", lambda _: device / 0.8)
    monkeypatch.setattr(planning, "available_bytes", lambda: host / 0.8)


def test_patterns_stay_as_near_to_the_device_as_they_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scan = counted(small_scan())
    rooms(monkeypatch, 10**12, 10**12)
    whole = plan(scan, RPIE(), settings(), 2)
    assert whole.is_plain
    pixels = scan.patterns.size
    for device, host, expected in [
        (whole.needed, 0, Keeping()),
        (whole.needed - 1, 0, Keeping("device", COUNTS)),
        (whole.needed - 2 * pixels, 0, Keeping("device", COUNTS)),
        (whole.needed - 2 * pixels - 1, 2 * pixels, Keeping("host", COUNTS)),
        (whole.needed - 2 * pixels - 1, 2 * pixels - 1, Keeping("scan", COUNTS)),
        (0, 0, Keeping("scan", COUNTS)),  # there is nothing smaller
    ]:
        rooms(monkeypatch, device, host)
        assert plan(scan, RPIE(), settings(), 2).keeping == expected
    assert "fetched from the scan as needed" in str(plan(scan, RPIE(), settings(), 2))


def test_plans_grow_smaller_until_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rooms(monkeypatch, 10**12, 10**12)
    scan = counted(small_scan())
    now, needs = plan(scan, RPIE(), settings()), []
    while now is not None:
        needs.append(now.needed)
        now = smaller(now, scan, RPIE(), settings(), 1)
    assert len(needs) == 4 and needs == sorted(needs, reverse=True)


def test_a_limit_that_the_user_sets_is_kept_to() -> None:
    """Bright float patterns: the whole, half precision, and from the scan."""
    small = small_scan()
    start = small.start()
    whole = plan(small.scan, RPIE(), settings()).needed
    less = 2 * small.scan.patterns.size
    results = []
    for limit in (0, whole - 1, whole - less - 1):
        run = Run(small.scan, RPIE(), start, settings(8, memory_gb=limit / 1e9))
        while not run.done:
            run.advance()
        results.append(run.snapshot(exact=True))
    notes = [result.history.notes for result in results]
    assert notes[0] == ()
    assert "half precision" in notes[1][0] and "fetched from" in notes[2][0]
    assert np.array_equal(results[2].object, results[0].object)
    assert results[1].error == pytest.approx(results[0].error, rel=1e-2)


def test_held_out_pixels_are_the_same_wherever_patterns_are_kept() -> None:
    scan = counted(small_scan())
    included = np.ones(len(scan), bool)
    ways = [Keeping(), Keeping("scan"), Keeping("device", COUNTS)]
    for measured in [Measured.of(scan, CPU, included, 0.1, 0, way) for way in ways]:
        pixels = measured.held_out.pixels
        frames = measured.pattern(range(len(scan))).flatten(1)
        assert len(pixels) > 50 and not frames[:, pixels].any()
        measured.keep(scan, Keeping("scan"), CPU)
        again = measured.pattern(range(len(scan))).flatten(1)
        torch.testing.assert_close(again, frames, rtol=2e-7, atol=0)


# -- when memory is short -------------------------------------------------------------
class Greedy(RPIE):
    """rPIE that finds no memory for a few steps of epoch 1."""

    failures: int = 1
    default_batch = 2

    def step(self, *now: Any) -> Any:
        errors = super().step(*now)
        if now[3].epoch == 1 and len(FAILED) < self.failures:
            FAILED.append(now[2])
            raise FAULT[0]
        return errors


FAILED: list[Any] = []
FAULT: list[Exception] = [RuntimeError()]


def greedy(failures: int, fault: Exception) -> tuple[sc.Snapshot, sc.Snapshot]:
    """A run that is short of memory, and one that is not."""
    FAILED.clear()
    FAULT[0] = fault
    small = small_scan()
    scan = counted(small)
    ends = []
    for count in (failures, 0):
        run = Run(scan, Greedy(failures=count), small.start(), settings(3))
        while not run.done:
            run.advance()
        ends.append(run.snapshot())
    return ends[0], ends[1]


@pytest.mark.parametrize(
    "fault",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["device", "numpy", "torch"],
)
def test_a_run_that_is_short_of_memory_goes_on_with_less(fault: Exception) -> None:
    short, plenty = greedy(1, fault)
    (note,) = short.history.notes
    assert "epoch 2: cpu ran out of memory; went back to epoch 1" in note
    assert "16-bit counts, exact" in note
    assert short.epoch == 3 and short.history.epochs == (0, 1, 2, 3)
    np.testing.assert_allclose(short.object, plenty.object, rtol=1e-4)


def test_when_nothing_else_is_left_batches_become_smaller() -> None:
    short, plenty = greedy(3, torch.OutOfMemoryError())
    assert [note.rpartition(", ")[2] for note in short.history.notes[:2]] == [
        "exact",
        "patterns fetched from the scan as needed",
    ]
    assert short.history.notes[2].endswith("on with less: batches of 1")
    (change,) = short.history.changes
    assert (change.path, change.value, change.epoch) == ("run.batch", 1, 1)
    assert short.epoch == 3 and short.error < plenty.history.errors[0]


def test_a_run_that_cannot_do_with_less_gives_up_with_a_sentence() -> None:
    with pytest.raises(sc.EngineError, match="ran out of memory at epoch 1"):
        greedy(4, torch.OutOfMemoryError())


def test_another_fault_is_not_taken_for_one_of_memory() -> None:
    with pytest.raises(sc.EngineError, match=r"failed at epoch 1 with .*: odd shapes"):
        greedy(1, RuntimeError("odd shapes"))
