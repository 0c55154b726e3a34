"""Momentum: the memory itself, and a run with it that is cut, changed and recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import napari_scicompty as sc
from napari_scicompty.algorithms.momentum import MomentumState
from napari_scicompty.engine.run import Run
from napari_scicompty.results import open_result
from small_scans import SmallScan, settings, small_scan

if TYPE_CHECKING:
    from pathlib import Path

NESTEROV = sc.RPIE(momentum="nesterov")
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "whole pixels": ({"whole": True}, {}),
    "fractions": ({}, {}),
    "modes": ({"modes": 3}, {}),
    "near field": ({"near": True}, {}),
    "one by one": ({}, {"batch": 1}),
    "patterns left out": ({}, {"excluded": (2, 11)}),
    "a frozen probe": ({}, {"freeze_probe": True}),
    "a held probe": ({}, {"hold_probe": 2}),
    "held-out pixels": ({}, {"held_out": 0.1}),
}


def made(small: SmallScan, algorithm: Any = NESTEROV, **chosen: Any) -> Run:
    chosen = {"epochs": 6} | chosen
    return Run(small.scan, algorithm, small.start(), settings(**chosen))


@dataclass
class Stepped:
    """As much of an estimate as a part of an epoch sees of it."""

    object: torch.Tensor
    distance_m: float = 1.0
    placement: Any = field(default_factory=lambda: SimpleNamespace(shifts_probe=False))


def to_the_end(run: Run) -> sc.Snapshot:
    while not run.done:
        run.advance()
    return run.snapshot(exact=True)


def assert_bitwise(one: sc.Snapshot, other: sc.Snapshot) -> None:
    for name in ("object", "probe", "pattern_error", "positions_m"):
        a, b = getattr(one, name), getattr(other, name)
        assert np.array_equal(a, b, equal_nan=True), name
    assert (one.error, one.epoch, one.batch) == (other.error, other.epoch, other.batch)


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_is_cut_anywhere_goes_on_exactly(name: str, tmp_path: Path) -> None:
    kind, chosen = CASES[name]
    small = small_scan(**kind)
    whole = to_the_end(made(small, **chosen))
    cut = made(small, **chosen)
    for _ in range(3):
        cut.advance()
    for _ in range(3):
        cut.step()
    sc.save_result(tmp_path / "cut.h5", cut.snapshot())
    half = open_result(tmp_path / "cut.h5")
    left = settings(**{"epochs": 6 - half.epoch} | chosen)
    rest = to_the_end(Run(small.scan, NESTEROV, half, left))
    assert_bitwise(whole, rest)


def test_looking_at_a_run_changes_nothing() -> None:
    small = small_scan()
    quiet, watched = made(small), made(small)
    while not quiet.done:
        quiet.step()
    while not watched.done:
        watched.step()
        watched.snapshot(exact=watched.batch % 2 == 0)
    assert_bitwise(quiet.snapshot(exact=True), watched.snapshot(exact=True))


def test_within_a_part_the_end_of_the_last_one_is_shown() -> None:
    run = made(small_scan())
    for _ in range(4):
        run.advance()
    shown = run.snapshot()
    assert not run.live.state.in_part
    run.step()
    assert run.live.state.in_part
    assert np.array_equal(run.snapshot().object, shown.object)
    assert not np.array_equal(run.estimate.object.numpy(), shown.object)


def test_nesterov_s_rule_is_the_published_one() -> None:
    state = MomentumState()
    found = []
    for _ in range(4):
        state.count += 1
        found.append(state.momentum(None))
    assert found == pytest.approx([0, 1 / 4, 2 / 5, 3 / 6])
    assert state.momentum(0.9) == 0.9
    state.count = 10**6
    assert state.momentum(None) == 0.98


def test_friction_is_the_momentum_of_mpie() -> None:
    """Against v <- eta v + (x - x_b), x <- x + eta v, x_b <- x, written out."""
    eta, target = 0.7, torch.randn(5, 5, dtype=torch.complex64)
    ours = Stepped(torch.zeros_like(target))
    state = MomentumState()
    x, x_b, v = (torch.zeros_like(target) for _ in range(3))
    for _ in range(6):
        state.begin_part(ours, eta, with_probe=False)
        ours.object += 0.3 * (target - ours.object)
        state.end_part(ours)
        x = x + 0.3 * (target - x)
        assert torch.allclose(ours.object, x, atol=1e-5)
        v = eta * v + (x - x_b)
        x = x + eta * v
        x_b = x


def test_errors_that_rise_twice_begin_anew_with_smaller_steps() -> None:
    state = MomentumState(object=torch.ones(2, 2), count=9)
    for error in (1.0, 1.1, 1.0, 1.2):
        state.judge(error)
    assert (state.count, state.step_size, state.restarts) == (9, 1, 0)
    state.judge(1.3)
    assert (state.count, state.object, state.restarts) == (0, None, 1)
    assert state.step_size == pytest.approx(0.7)


@pytest.mark.parametrize("change", [("algorithm.alpha_object", 0.7), ("run.batch", 3)])
def test_a_change_of_the_steps_begins_the_memory_anew(change: tuple[str, Any]) -> None:
    run = made(small_scan())
    run.advance()
    run.advance()
    run.step()
    assert run.live.state.count
    run.controls.set(*change)
    run.step()
    assert run.live.state.count <= 1  # the step may have ended a part
    assert to_the_end(run).error < 0.5


def test_more_epochs_leave_the_memory_alone() -> None:
    run = made(small_scan())
    run.advance()
    run.controls.set("run.epochs", 9)
    run.step()
    assert run.live.state.count == 3


def test_it_needs_fewer_epochs() -> None:
    small = small_scan()
    plain = to_the_end(made(small, sc.RPIE(), epochs=12))
    moved = to_the_end(made(small, epochs=12))
    assert moved.error < plain.error
