"""Steps that are recorded and replayed: the same numbers, and nothing waits.

No GPU is needed: `Tape` does on the CPU what a CUDA graph does. It records the
operations, with the memory they read and write, and replays them without any Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import napari_scicompty as sc
from napari_scicompty.engine import cuda_graph as recorded
from napari_scicompty.engine.cuda_graph import GraphedSteps
from napari_scicompty.engine.plan import plan
from napari_scicompty.engine.run import Run
from small_scans import SmallScan, settings, small_scan

if TYPE_CHECKING:
    from collections.abc import Callable

WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "equal")


class Tape(TorchDispatchMode):
    """A recorder for the CPU."""

    recorded = 0

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[tuple[Any, ...]] = []

    def __call__(self, act: Callable[[], None]) -> Callable[[], None]:
        self._calls = calls = []
        with self:
            act()
        type(self).recorded += 1

        def replay() -> None:
            for function, args, kwargs, results in calls:
                again = function(*args, **kwargs)
                for old, new in zip(results, tree_leaves(again), strict=True):
                    if new.data_ptr() != old.data_ptr():
                        old.copy_(new)

        return replay

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function.overloadpacket.__name__
        assert name not in WAITS, f"{name} waits for the device"
        result = function(*args, **(kwargs or {}))
        leaves = [leaf for leaf in tree_leaves(result) if torch.is_tensor(leaf)]
        self._calls.append((function, args, kwargs or {}, leaves))
        return result


@pytest.fixture
def taped(monkeypatch: pytest.MonkeyPatch) -> type[Tape]:
    monkeypatch.setattr(recorded, "RECORDERS", {"cpu": Tape})
    monkeypatch.setattr(Tape, "recorded", 0)
    return Tape


def runs(small: SmallScan, algorithm: Any = None, **chosen: Any) -> tuple[Run, Run]:
    """The same run with plain and with recorded steps."""
    plain, replayed = (
        Run(
            small.scan,
            algorithm or sc.RPIE(),
            small.start(),
            settings(epochs=4, cuda_graphs=on, kernels="torch", **chosen),
        )
        for on in (False, True)
    )
    return plain, replayed


def assert_same(plain: Run, replayed: Run) -> None:
    one, other = plain.snapshot(), replayed.snapshot()
    for name in ("object", "probe", "pattern_error", "positions_m"):
        a, b = getattr(one, name), getattr(other, name)
        least = 2e-5 * np.nanmax(np.abs(a))
        assert np.allclose(a, b, rtol=2e-4, atol=least, equal_nan=True), name
    assert one.error == pytest.approx(other.error, rel=1e-4)


CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "whole pixels": ({"whole": True}, {}),
    "fractions": ({}, {}),
    "modes": ({"modes": 3}, {}),
    "near field": ({"near": True}, {}),
    "batches": ({"modes": 2}, {"batch": 4}),
    "batches apart": ({"step": 20}, {"batch": 4, "non_overlapping": True}),
    "held-out pixels": ({}, {"held_out": 0.1}),
    "patterns left out": ({}, {"excluded": (2, 11)}),
    "a frozen probe": ({}, {"freeze_probe": True}),
    "a held probe": ({}, {"hold_probe": 2}),
}


@pytest.mark.parametrize("name", CASES)
def test_recorded_steps_are_the_plain_ones(name: str, taped: type[Tape]) -> None:
    made, chosen = CASES[name]
    plain, replayed = runs(small_scan(**made), **chosen)
    for run in (plain, replayed):
        while not run.done:
            run.advance()
    assert taped.recorded > 0
    assert_same(plain, replayed)


@pytest.mark.parametrize(
    "algorithm", [sc.EPIE(), sc.RPIE(), sc.RPIE(momentum="nesterov")], ids=repr
)
def test_a_change_under_way_acts_at_the_next_batch(
    algorithm: Any, taped: type[Tape]
) -> None:
    plain, replayed = runs(small_scan(), algorithm)
    for run in (plain, replayed):
        for step in range(60):
            if step == 33:
                run.controls.set("algorithm.alpha_object", 0.1)
            if step == 47:
                run.controls.set("run.freeze_probe", True)
            run.step()
    assert [c.batch for c in plain.history.changes] == [
        c.batch for c in replayed.history.changes
    ]
    assert taped.recorded == 3
    assert_same(plain, replayed)


def test_looking_in_the_middle_of_an_epoch_changes_nothing(taped: type[Tape]) -> None:
    plain, replayed = runs(small_scan())
    for step in range(70):
        plain.step()
        replayed.step()
        if step % 7 == 0:
            replayed.snapshot(exact=step % 2 == 0)
    assert taped.recorded > 0
    assert_same(plain, replayed)


def test_a_recorded_run_continues_from_the_middle_of_an_epoch(
    taped: type[Tape],
) -> None:
    small = small_scan()
    plain, replayed = runs(small)
    for _ in range(40):
        plain.step()
        replayed.step()
    rest = Run(small.scan, sc.RPIE(), replayed.snapshot(), settings(epochs=3))
    for _ in range(40):
        plain.step()
        rest.step()
    assert_same(plain, rest)


@pytest.mark.parametrize(
    ("algorithm", "refine"),
    [(sc.AutoDiff(), []), (sc.RPIE(), [sc.LeastSquaresShift(start_epoch=0)])],
)
def test_what_looks_at_every_step_is_not_recorded(
    algorithm: Any, refine: list[Any], taped: type[Tape]
) -> None:
    small = small_scan()
    run = Run(small.scan, algorithm, small.start(), settings(epochs=1), refiners=refine)
    run.advance()
    assert taped.recorded == 0
    assert run.epoch == 1


def test_counts_are_unpacked_in_recorded_steps(taped: type[Tape]) -> None:
    small = small_scan()
    scan = small.scan.replace(patterns=small.scan.patterns.round().astype(np.uint16))
    whole = plan(scan, sc.RPIE(), settings()).needed
    room = {"memory_gb": (whole - 1) / 1e9, "epochs": 3, "kernels": "torch"}
    runs = [
        Run(scan, sc.RPIE(), small.start(), settings(cuda_graphs=on, **room))
        for on in (False, True)
    ]
    for run in runs:
        assert run.plan.keeping.packing.kind == "counts"
        while not run.done:
            run.advance()
    assert taped.recorded > 0
    assert_same(*runs)


def test_positions_that_moved_are_recorded_anew(taped: type[Tape]) -> None:
    """Refined for two epochs, plainly; recorded before and after."""
    small = small_scan()
    finished = []
    for on in (False, True):
        refiner = sc.LeastSquaresShift(start_epoch=2, search_every=0)
        run = Run(
            small.scan,
            sc.RPIE(),
            small.start(),
            settings(epochs=6, cuda_graphs=on, kernels="torch"),
            refiners=[refiner],
        )
        while not run.done:
            if run.epoch == 4:
                run.controls.set("positions.enabled", False)
            run.advance()
        finished.append(run)
    assert taped.recorded == 2
    moved = finished[0].estimate.positions_m - small.scan.positions_m
    assert np.abs(moved).max() > 1e-3 * small.scan.pixel_size_m[0]
    assert_same(*finished)


def test_a_device_that_cannot_record_goes_on_plainly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> Any:
        def record(act: Any) -> Any:
            raise RuntimeError("operation not permitted when stream is capturing")

        return record

    monkeypatch.setattr(recorded, "RECORDERS", {"cpu": refuse})
    plain, tried = runs(small_scan())
    for run in (plain, tried):
        while not run.done:
            run.advance()
    assert_same(plain, tried)
    (note,) = set(tried.history.notes) - set(plain.history.notes)
    assert "steps go on without" in note and "capturing" in note


def test_only_steps_that_would_be_the_same_are_replayed(taped: type[Tape]) -> None:
    steps = GraphedSteps(6, torch.device("cpu"))
    seen = torch.zeros(6)

    def act(batch: torch.Tensor) -> None:
        seen.index_add_(0, batch, torch.ones(len(batch)))

    for key in ("one", "one", "other"):
        steps.expect([3, 1, 5, 0, 4], key)
        for size in (1, 1, 1, 2):
            steps.step(size, act)
    assert seen.tolist() == [3, 3, 0, 3, 3, 3]
    assert taped.recorded == 2


def test_a_subclass_with_a_step_of_its_own_is_not_recorded() -> None:
    class Cooling(sc.RPIE):
        def step(self, *now: Any) -> Any:
            return super().step(*now)

    class Bold(sc.RPIE):
        alpha_object: float = 1.0

    assert Cooling().device_step is None
    assert Bold().device_step is not None
