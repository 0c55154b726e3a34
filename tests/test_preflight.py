"""What is said of a run before it begins: the memory it needs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from torch.profiler import ProfilerActivity, profile

from napari_scicompty.algorithms import ALGORITHMS, RPIE
from napari_scicompty.engine.memory import memory_bytes
from napari_scicompty.engine.run import Run
from napari_scicompty.optics.propagators import wave_grid
from small_scans import SmallScan, settings, small_scan

if TYPE_CHECKING:
    from collections.abc import Callable

fields = pytest.mark.parametrize("near", [False, True], ids=["far", "near"])


def peak(act: Callable[[], Any]) -> int:
    """Most bytes of tensors that `act` held at a time, on the CPU."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        act()
    events = profiler.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    held = most = 0
    for _, change in sorted(changes, key=lambda item: item[0]):
        held += change
        most = max(most, held)
    return most


def begun(small: SmallScan, algorithm: Any, batch: int) -> Run:
    chosen = settings(2, batch=batch, kernels="torch")
    run = Run(small.scan, algorithm, small.start(), chosen)
    run.advance(0)
    run.advance(0)
    return run


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("modes", [1, 3])
@fields
def test_a_step_needs_the_memory_that_its_algorithm_says(
    name: str, modes: int, near: bool
) -> None:
    small = small_scan(view=(64, 64), modes=modes, near=near)
    algorithm = ALGORITHMS[name]()
    run = begun(small, algorithm, batch=8)
    grid = math.prod(wave_grid(small.scan.geometry, (64, 64)))
    assert (grid > 64 * 64) == near
    canvas = run.estimate.object.numel()
    told = algorithm.step_bytes(8, modes, 64 * 64, grid, canvas)
    measured = peak(lambda: run.advance(0))
    assert 0.65 * told < measured < 1.15 * told


@pytest.mark.parametrize("batch", [2, 10])
def test_what_autodiff_frees_needs_memory_too(batch: int) -> None:
    small = small_scan(view=(64, 64), grid=(6, 6), modes=2, near=True)
    free = {f"free_{name}": True for name in ("positions", "distance", "background")}
    starts = {f"start_{name}": 0 for name in ("positions", "distance", "others")}
    algorithm = ALGORITHMS["autodiff"](**free, **starts)
    run = begun(small, algorithm, batch)
    grid = math.prod(wave_grid(small.scan.geometry, (64, 64)))
    canvas = run.estimate.object.numel()
    told = algorithm.step_bytes(batch, 2, 64 * 64, grid, canvas)
    assert told / 1.5 < peak(lambda: run.advance(0)) < 1.5 * told


@pytest.mark.parametrize("modes", [1, 3])
@fields
def test_a_whole_run_needs_what_is_told(modes: int, near: bool) -> None:
    small = small_scan(view=(64, 64), grid=(12, 12), modes=modes, near=near)
    runs = []
    held = peak(lambda: runs.append(begun(small, RPIE(), batch=1)))
    amplitudes = 4 * small.scan.patterns.size
    measured = max(held, peak(runs[0].full_error) + amplitudes)
    told = memory_bytes(small.scan, RPIE(), modes, batch=1)
    assert 0.5 * told < measured < 1.25 * told


def test_a_larger_batch_more_modes_and_another_algorithm_need_more() -> None:
    scan = small_scan(view=(128, 128), grid=(8, 8)).scan
    needs = [
        memory_bytes(scan, RPIE(), 1, 16),
        memory_bytes(scan, RPIE(), 1, 64),
        memory_bytes(scan, RPIE(), 4, 64),
        memory_bytes(scan, ALGORITHMS["autodiff"](), 4, 64),
    ]
    assert needs == sorted(set(needs))
    assert memory_bytes(scan, RPIE(), 1, 1000) == needs[1]  # no more than there are
