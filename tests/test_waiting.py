"""Nothing in a step waits for the device.

PyTorch's "meta" device has shapes and no numbers: whoever asks for a number, or mixes
it with the host's tensors, fails at once. It stands in for a GPU.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import napari_scicompty as sc
from napari_scicompty.algorithms.base import StepContext
from napari_scicompty.model.estimate import Estimate
from napari_scicompty.model.measured import Measured
from small_scans import small_scan

DEVICE = torch.device("meta")
CONTEXT = StepContext(epoch=6)
STEPS = {
    "ePIE": sc.EPIE(),
    "rPIE": sc.RPIE(),
    "AutoDiff": sc.AutoDiff(),
    "AutoDiff, Poisson, Adam": sc.AutoDiff(loss="poisson", optimiser="adam"),
    "AutoDiff, total variation": sc.AutoDiff(total_variation=1e-3),
    "AutoDiff, brightness and background": sc.AutoDiff(
        free_brightness=True, free_background=True
    ),
}


def on_device(near: bool) -> tuple[Estimate, Measured]:
    small = small_scan(near=near, modes=2)
    first = small.start()
    object, probe = (
        torch.from_numpy(field.copy()).to(DEVICE)
        for field in (first.object, first.probe)
    )
    estimate = Estimate(first.canvas, small.scan.geometry, object, probe)
    estimate.place(first.positions_m)
    return estimate, Measured.of(small.scan, DEVICE, np.ones(len(small.scan), bool))


@pytest.mark.parametrize("near", [False, True], ids=["far", "near"])
@pytest.mark.parametrize("batch", [[3], [1, 2, 7]], ids=["one", "three"])
@pytest.mark.parametrize("name", STEPS)
def test_steps_do_not_wait(name: str, batch: list[int], near: bool) -> None:
    algorithm = STEPS[name]
    estimate, measured = on_device(near)
    with torch.no_grad():
        told = (CONTEXT, algorithm.state_type.from_arrays({"epochs": 6}, DEVICE))
        errors = algorithm.step(estimate, measured, batch, *told)
        assert errors.shape == (len(batch),) and errors.device == DEVICE
        if (step := algorithm.device_step) is not None:
            there = torch.zeros(len(batch), dtype=torch.int64, device=DEVICE)
            assert step(estimate, measured, there, *told).device == DEVICE


@pytest.mark.parametrize("near", [False, True], ids=["far", "near"])
@pytest.mark.parametrize("batch", [[3], [1, 2, 7]], ids=["one", "three"])
@pytest.mark.parametrize(
    "refiner",
    [
        sc.LeastSquaresShift(),
        sc.CrossCorrelationShift(),
        sc.CrossCorrelationShift(plane="detector"),
    ],
    ids=["least squares", "object", "detector"],
)
def test_signals_do_not_wait(refiner: Any, batch: list[int], near: bool) -> None:
    estimate, measured = on_device(near)
    state: dict[str, Any] = {}
    before = refiner.before_step(estimate, measured, batch)
    refiner.after_step(estimate, measured, batch, before, state)
    assert state["seen"].device == DEVICE
