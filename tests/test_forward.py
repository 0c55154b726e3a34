"""One forward model: the fast path of a PIE step says what AutoDiff's says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_scicompty.algorithms import RPIE
from napari_scicompty.algorithms.free_parameters import PARAMETERS, FreeSettings
from napari_scicompty.engine.run import Run
from napari_scicompty.model.forward import Parameters, model_of
from small_scans import settings, small_scan

BATCHES = ([3], [1, 2, 7], [0, 5, 9, 4])


@pytest.mark.parametrize("lit", ["plain", "brightness and background"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "sub-pixel"])
@pytest.mark.parametrize("near", [False, True], ids=["far", "near"])
def test_both_paths_give_the_same_intensities(
    near: bool, whole: bool, lit: str
) -> None:
    small = small_scan((32, 27), (4, 5), modes=2, near=near)
    begun = small.start()
    rng = np.random.default_rng(3)
    h, w = begun.object.shape
    probe = small.probe * np.exp(0.3j * rng.normal(size=small.probe.shape))
    field = (1 + small.object[:h, :w]) / 2
    begun = begun.replace(object=field.astype("c8"), probe=probe.astype("c8"))
    if whole:
        pixel = np.array(begun.pixel_size_m)
        places = np.rint(begun.positions_px) * pixel + begun.origin_m
        begun = begun.replace(positions_m=places)
    run = Run(small.scan, RPIE(), begun, settings())
    estimate, measured = run.estimate, run.measured
    if lit != "plain":
        estimate.brightness = torch.linspace(0.5, 1.5, len(small.scan))
        measured.background = torch.rand(small.scan.frame_shape)
    for batch in BATCHES:
        given = Parameters.of(estimate, measured, batch, ())
        differentiable = model_of(estimate, batch, given, bilinear=False).intensity
        waves = estimate.waves(batch)
        fast = waves.abs().square().sum(1)
        if measured.background is not None:
            fast = fast + measured.background
        assert torch.linalg.norm(fast - differentiable) < 1e-5 * torch.linalg.norm(fast)


def test_what_can_be_free_has_its_settings_and_its_place_in_the_model() -> None:
    fields = FreeSettings.model_fields
    places = Parameters.__dataclass_fields__
    for parameter in PARAMETERS:
        assert f"free_{parameter.name}" in fields
        assert parameter.name in places
        assert not parameter.since or parameter.since in fields
    assert len({parameter.name for parameter in PARAMETERS}) == len(PARAMETERS)
    free = {name for name in fields if name.startswith("free_")}
    assert free == {f"free_{parameter.name}" for parameter in PARAMETERS}
