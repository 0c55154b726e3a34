"""Registration against scikit-image and against shifts that are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.registration import phase_cross_correlation

from napari_scicompty.optics.registration import peak_shift, shift_between

SHAPES = [(128, 128), (64, 97), (33, 40), (45, 31)]
UPSAMPLINGS = [1, 7, 20, 100]


def pair(
    shape: tuple[int, int],
    shift: tuple[float, float],
    seed: int = 0,
    *,
    band: float = 0.25,
    noise: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A band-limited complex field, and one that `shift` registers onto it."""
    rng = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])
    white = rng.normal(size=(2, 2, *shape))
    spectrum, *_ = (white[0] + 1j * white[1]) * (np.hypot(fy, fx) < band)
    moved = spectrum * np.exp(2j * np.pi * (fy * shift[0] + fx * shift[1]))
    fields = [np.fft.ifft2(f) for f in (spectrum, moved)]
    for field in fields:
        disturbance = rng.normal(size=(2, *shape)) * noise * np.abs(field).std()
        field += disturbance[0] + 1j * disturbance[1]
    return torch.from_numpy(fields[0]), torch.from_numpy(fields[1])


def random_shift(seed: int, largest: float) -> tuple[float, float]:
    y, x = np.random.default_rng([seed, 1]).uniform(-largest, largest, 2)
    return y, x


def by_skimage(reference: torch.Tensor, moving: torch.Tensor, upsampling: int):
    return phase_cross_correlation(
        reference.numpy(),
        moving.numpy(),
        normalization=None,
        upsample_factor=upsampling,
    )[0]


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_agrees_with_skimage(
    shape: tuple[int, int], upsampling: int, noise: float
) -> None:
    for seed in range(4):
        shift = random_shift(seed, 0.45 * min(shape))
        images = pair(shape, shift, seed, noise=noise)
        known = by_skimage(*images, upsampling)
        for refined, tolerance in ((False, 1.01), (True, 1.51)):
            found = shift_between(*images, upsampling, refine_peak=refined)[0].numpy()
            off = (found - known + np.array(shape) / 2) % shape - np.array(shape) / 2
            assert np.abs(off).max() * upsampling < tolerance


@pytest.mark.parametrize("largest", [None, 10.0, 1.5, 0.5])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_finds_a_known_shift(
    shape: tuple[int, int], dtype: torch.dtype, largest: float | None
) -> None:
    for seed, band in enumerate((0.1, 0.25, 0.5)):
        shift = random_shift(seed, min(largest or 14.0, 14.0))
        images = [image.to(dtype) for image in pair(shape, shift, seed, band=band)]
        found = shift_between(*images, largest=largest)
        assert found.dtype == dtype.to_real()
        np.testing.assert_allclose(found[0].numpy(), shift, atol=1e-3)


def test_small_shifts_of_a_weak_phase_are_seen_in_single_precision() -> None:
    shift = (3e-3, -1e-3)
    images = [
        (1 + 0.02 * f / f.abs().std()).to(torch.complex64)
        for f in pair((128, 128), shift, band=0.1)
    ]
    for upsampling in (20, 100):
        found = shift_between(*images, upsampling, largest=1.0)[0]
        np.testing.assert_allclose(found, shift, atol=1e-4)


def test_sign_is_that_of_a_moved_view() -> None:
    image = torch.randn(40, 50, generator=torch.Generator().manual_seed(0))
    moved = image.roll((3, -5), (0, 1))
    np.testing.assert_allclose(shift_between(image, moved)[0], (-3, 5), atol=1e-4)


def test_batched_is_looped_across_chunks() -> None:
    pairs = [pair((96, 80), random_shift(s, 5), s, noise=0.3) for s in range(50)]
    reference, moving = (torch.stack(images) for images in zip(*pairs, strict=True))
    together = shift_between(reference, moving)
    alone = torch.cat([shift_between(r, m) for r, m in pairs])
    torch.testing.assert_close(together, alone, atol=1e-9, rtol=0)
    one = shift_between(reference[0], moving)
    torch.testing.assert_close(one[0], together[0], atol=1e-9, rtol=0)
    assert one.shape == (50, 2)


def test_weight_chooses_what_is_compared() -> None:
    shift = (0.3, -0.2)
    reference, moving = pair((64, 64), shift, band=0.1)
    spoilt = moving.clone()
    spoilt[:, 48:] = 20 * reference[:, 48:]
    weight = torch.zeros(64, 64, dtype=torch.float64)
    weight[16:48, 12:44] = torch.outer(
        *[torch.hann_window(32, dtype=torch.float64)] * 2
    )
    blind = shift_between(reference, spoilt)[0]
    seeing = shift_between(reference, spoilt, weight=weight)[0]
    assert torch.equal(seeing, shift_between(reference * weight, spoilt * weight)[0])
    assert (
        abs(seeing - torch.tensor(shift)).max()
        < 0.5 * abs(blind - torch.tensor(shift)).max()
    )


def test_real_images_and_single_precision() -> None:
    reference, moving = (i.real.float() for i in pair((48, 64), (2.37, -4.61)))
    found = shift_between(reference, moving)[0]
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, (2.37, -4.61), atol=1e-3)


def test_whitened_is_skimage_phase_correlation() -> None:
    reference, moving = pair((64, 48), (3.3, -2.8), band=1.0, noise=0.5)
    known = phase_cross_correlation(
        reference.numpy(), moving.numpy(), normalization="phase", upsample_factor=20
    )[0]
    found = shift_between(reference, moving, whitened=True, refine_peak=False)[0]
    np.testing.assert_allclose(found, known, atol=1e-6)


def test_largest_keeps_to_near_peaks() -> None:
    reference, near = pair((64, 64), (1.25, -0.75))
    two = near + 3 * reference.roll((20, 7), (0, 1))
    np.testing.assert_allclose(shift_between(reference, two)[0], (-20, -7), atol=0.1)
    for largest in (2.0, 5.0):
        found = shift_between(reference, two, largest=largest)[0]
        np.testing.assert_allclose(found, (1.25, -0.75), atol=0.2)
    far = shift_between(reference, near, largest=1.0)[0]
    assert abs(far).max() <= 1.0


def test_shifts_wrap_at_half_an_image() -> None:
    reference, moving = pair((32, 33), (15.6, -16.9))
    found = shift_between(reference, moving)[0]
    np.testing.assert_allclose(found, (15.6, 16.1), atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.complex128])
@pytest.mark.parametrize("largest", [None, 1.0])
def test_nothing_to_see_is_no_shift(dtype: torch.dtype, largest: float | None) -> None:
    images = torch.stack([torch.zeros(64, 64), torch.full((64, 64), 3.3)]).to(dtype)
    for upsampling in (20, 100):
        found = shift_between(images, images, upsampling, largest=largest)
        assert torch.equal(found, torch.zeros_like(found))
    stripes = torch.linspace(-3, 3, 64).square().neg().exp().expand(48, 64).to(dtype)
    found = shift_between(stripes, stripes.roll(1, 1), largest=largest)[0]
    np.testing.assert_allclose(found, (0, -1), atol=1e-3)


def test_spectra_of_modes_are_summed() -> None:
    shift = (0.31, -0.17)
    modes = [pair((64, 64), shift, seed) for seed in (0, 1)]
    spectra = [[torch.fft.fft2(field) for field in mode] for mode in modes]
    cross = torch.stack([r * m.conj() for r, m in spectra]).sum(0, keepdim=True)
    np.testing.assert_allclose(peak_shift(cross, largest=1.0)[0], shift, atol=1e-4)
    alone = peak_shift(spectra[0][0][None] * spectra[0][1].conj())
    torch.testing.assert_close(alone, shift_between(*modes[0]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("largest", [None, 1.0])
def test_on_a_gpu_nothing_waits(largest: float | None) -> None:
    images = [i.to(torch.complex64) for i in pair((128, 128), (0.42, -0.73))]
    known = shift_between(*images, largest=largest)
    there = [image.cuda() for image in images]
    shift_between(*there, largest=largest)  # the tables go to the device once
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = shift_between(*there, largest=largest)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(found.cpu(), known, atol=1e-4, rtol=0)
