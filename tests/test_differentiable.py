"""Hand-written gradients against finite differences, autograd and `grid_sample`."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from napari_scicompty.optics import differentiable as ad
from napari_scicompty.optics.near_field import AngularSpectrum
from napari_scicompty.optics.propagators import FarField

VIEW = (6, 7)
DISTANCE = 0.0731


def _complex(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.complex128, generator=generator)


def _near(distance: float = DISTANCE, *, inverted: bool = False) -> AngularSpectrum:
    return AngularSpectrum(
        VIEW,
        (4e-6, 5e-6),
        1e-9,
        distance,
        inverted=inverted,
        dtype=torch.complex128,
    )


@pytest.mark.parametrize("propagator", [FarField(), _near(), _near(inverted=True)])
def test_gradients_of_views_and_probes(propagator: FarField | AngularSpectrum) -> None:
    views = _complex(3, *VIEW).requires_grad_()
    for count in (1, 3):
        probes = _complex(count, 2, *VIEW, seed=1).requires_grad_()
        assert gradcheck(
            lambda v, p: ad.model_intensity(v, p, None, propagator), (views, probes)
        )


@pytest.mark.parametrize("distance", [DISTANCE, 0.5])
@pytest.mark.parametrize("inverted", [False, True])
def test_gradient_of_the_distance(distance: float, inverted: bool) -> None:
    """On a grid that holds all that spreads, and with a kernel cut to the detector."""
    views, probes = _complex(3, *VIEW), _complex(1, 2, *VIEW, seed=1)

    def model(share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        z = distance * (1 + share)
        propagator = _near(float(z.detach()), inverted=inverted)
        return ad.model_intensity(views, probes, z, propagator)

    share = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    assert gradcheck(model, (share,))


@pytest.mark.parametrize("curvature", [0.0, -0.7])
def test_gradients_of_a_bent_wavefront(curvature: float) -> None:
    """By itself, and through a shift to the detector."""
    phase = torch.rand(VIEW, dtype=torch.float64) * 3
    probes, views = _complex(1, 2, *VIEW).requires_grad_(), _complex(2, *VIEW, seed=1)
    kappa = torch.tensor(curvature, dtype=torch.float64, requires_grad=True)
    shifts = torch.tensor([[0.3, -0.4], [1.2, 0.0]], dtype=torch.float64)
    assert gradcheck(lambda p, k: ad.bent(p, k, phase), (probes, kappa))

    def model(k: torch.Tensor) -> torch.Tensor:
        moved = ad.shifted(ad.bent(probes.detach(), k, phase), shifts)
        return ad.model_intensity(views, moved, None, _near())[0]

    assert gradcheck(model, (kappa,))


def test_gradients_of_a_fourier_shift() -> None:
    shifts = torch.tensor([[0.3, -0.4], [1.2, 0.0]], dtype=torch.float64)
    shifts.requires_grad_()
    for count in (1, 2):
        fields = _complex(count, 2, *VIEW).requires_grad_()
        assert gradcheck(ad.shifted, (fields, shifts))


def test_gradients_of_views() -> None:
    canvas = _complex(11, 12).requires_grad_()
    assert gradcheck(lambda o: ad.views(o, [(0, 0), (2, 3), (5, 5)], VIEW), (canvas,))
    positions = torch.tensor([[0.3, 1.6], [2.9, 3.2]], dtype=torch.float64)
    positions.requires_grad_()
    assert gradcheck(lambda o, p: ad.bilinear_views(o, p, VIEW), (canvas, positions))


def test_bilinear_views_equal_the_spatial_transformer() -> None:
    """Value and gradients of an affine grid and `grid_sample`, to 1e-5, in float32."""
    H, W = 40, 50
    h, w = 16, 18
    canvas = _complex(H, W).to(torch.complex64)
    positions = torch.tensor([[3.3, 4.6], [20.9, 11.2], [7.4, 30.5]])
    weights = _complex(3, h, w, seed=2).to(torch.complex64)

    def sampled(object: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        scale = torch.tensor([(w - 1) / (W - 1), (h - 1) / (H - 1)])
        y, x = at.unbind(1)
        centre = torch.stack([2 * x / (W - 1), 2 * y / (H - 1)], 1) + scale - 1
        maps = torch.zeros(3, 2, 3)
        maps[:, 0, 0], maps[:, 1, 1] = scale
        maps = maps + torch.cat([torch.zeros(3, 2, 2), centre[:, :, None]], 2)
        grid = torch.nn.functional.affine_grid(maps, [3, 2, h, w], align_corners=True)
        planes = torch.view_as_real(object).permute(2, 0, 1).expand(3, 2, H, W)
        out = torch.nn.functional.grid_sample(planes, grid, align_corners=True)
        return torch.view_as_complex(out.permute(0, 2, 3, 1).contiguous())

    found = []
    for take in (lambda o, p: ad.bilinear_views(o, p, (h, w)), sampled):
        o, p = canvas.clone().requires_grad_(), positions.clone().requires_grad_()
        views = take(o, p)
        (views * weights.conj()).real.sum().backward()
        found.append((views.detach(), o.grad, p.grad))
    for ours, theirs in zip(*found, strict=True):
        assert ours is not None and theirs is not None
        assert float((ours - theirs).abs().max() / theirs.abs().max()) < 1e-5


def test_light_that_misses_the_detector() -> None:
    """In far field none does; in near field it is what the exit wave has lost."""
    views, probes = _complex(2, *VIEW), _complex(1, 1, *VIEW, seed=1)
    _, none = ad.model_intensity(views, probes, None, FarField())
    assert float(none.abs().max()) < 1e-9
    model, missing = ad.model_intensity(views, probes, None, _near())
    sent = (probes * views[:, None]).abs().square().sum((1, 2, 3))
    assert torch.allclose(missing, sent - model.sum((1, 2)))
    assert float(missing.min()) > 0
