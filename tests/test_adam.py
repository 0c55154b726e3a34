"""The one Adam: the formulas that it took the place of, to the last bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from napari_scicompty.algorithms import _optimisers
from napari_scicompty.optics.adam import moments
from napari_scicompty.refine import gains


def old_gain(
    signal: np.ndarray, step: int, rate: float, state: dict[str, Any]
) -> np.ndarray:
    b1, b2 = 0.8, 0.9
    zero = np.zeros_like(signal)
    state["mean"] = b1 * state.get("mean", zero) + (1 - b1) * signal
    state["square"] = b2 * state.get("square", zero) + (1 - b2) * signal**2
    spread = np.sqrt(state["square"] / (1 - b2**step))
    return np.asarray(rate * state["mean"] / (1 - b1**step) / (spread + 1e-12))


def old_share(slope: float, step: int, rate: float, state: dict[str, Any]) -> float:
    b1, b2 = 0.5, 0.9
    state["mean"] = b1 * state.get("mean", 0.0) + (1 - b1) * slope
    state["square"] = b2 * state.get("square", 0.0) + (1 - b2) * slope**2
    spread = math.sqrt(state["square"] / (1 - b2**step))
    return -rate * state["mean"] / (1 - b1**step) / (spread + 1e-30)


def old_squared(field: torch.Tensor) -> torch.Tensor:
    if field.is_complex():
        return torch.view_as_real(field).square().sum(-1)
    return field.square()


def old_normalised(
    gradient: torch.Tensor, memory: dict[str, Any], damping: float
) -> torch.Tensor:
    b1, b2 = 0.9, 0.99
    if "mean" not in memory:
        memory["mean"] = torch.zeros_like(gradient)
        memory["square"] = old_squared(gradient).zero_()
    step = memory["step"] = memory.get("step", 0) + 1
    mean = memory["mean"].lerp_(gradient, 1 - b1)
    square = memory["square"].lerp_(old_squared(gradient), 1 - b2)
    spread = (square / (1 - b2**step)).sqrt_()
    spread += damping * spread.mean() + 1e-30
    return mean / spread.mul_(-(1 - b1**step))


def old_of_rows(
    gradient: torch.Tensor, rows: list[int], count: int, memory: dict[str, Any]
) -> torch.Tensor:
    b1, b2 = 0.8, 0.9
    if "mean" not in memory:
        shape = (count, *gradient.shape[1:])
        memory["mean"], memory["square"] = gradient.new_zeros(2, *shape)
        memory["step"] = gradient.new_zeros((count, *[1] * (gradient.ndim - 1)))
    memory["step"][rows] += 1
    memory["mean"][rows] = mean = memory["mean"][rows].lerp(gradient, 1 - b1)
    memory["square"][rows] = square = memory["square"][rows].lerp(
        gradient.square(), 1 - b2
    )
    step = memory["step"][rows]
    spread = (square / (1 - b2**step)).sqrt() + 1e-30
    return -mean / (1 - b1**step) / spread


def test_moves_of_positions_are_the_same() -> None:
    rng = np.random.default_rng(0)
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for step in range(1, 40):
        signal = rng.normal(size=(50, 2)) * (rng.random((50, 1)) > 0.1)
        expected = old_gain(signal, step, 1.5, old)
        assert np.array_equal(gains.adam(signal, step, 1.5, new), expected)
    assert all(np.array_equal(old[name], new[name]) for name in old)


def test_steps_of_the_distance_are_the_same() -> None:
    rng = np.random.default_rng(0)
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for step in range(1, 200):
        slope = float(rng.normal()) * 10.0 ** float(rng.integers(-3, 4))
        mean, unbiased, spread = moments(new, slope, step, (0.5, 0.9))
        share = -0.03 * mean / unbiased / (spread + 1e-30)
        assert share == old_share(slope, step, 0.03, old)
    assert old == new


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float32, torch.float64])
@pytest.mark.parametrize("damping", [0.0, 0.3])
def test_steps_of_object_and_probe_are_the_same(
    dtype: torch.dtype, damping: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for _ in range(20):
        gradient = torch.randn((2, 17, 19), dtype=dtype, generator=generator)
        expected = old_normalised(gradient.clone(), old, damping)
        found = _optimisers.normalised(gradient.clone(), new, damping)
        assert torch.equal(found, expected)
    assert torch.equal(old["mean"], new["mean"])
    assert torch.equal(old["square"], new["square"])


@pytest.mark.parametrize("shape", [(), (2,)])
def test_steps_of_rows_are_the_same(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for _ in range(20):
        rows = torch.randperm(30, generator=generator)[:7].tolist()
        gradient = torch.randn((7, *shape), generator=generator)
        expected = old_of_rows(gradient.clone(), rows, 30, old)
        found = _optimisers.adam_of_rows(gradient.clone(), rows, 30, new)
        assert torch.equal(found, expected)
    assert all(torch.equal(old[name], new[name]) for name in old)
