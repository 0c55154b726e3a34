"""Propagators, shifts, patches, modes and first probes against analytic results."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.geometry import Geometry
from napari_scicompty.optics import patches, probes
from napari_scicompty.optics.modes import orthogonal_modes, with_weak_modes
from napari_scicompty.optics.near_field import (
    AngularSpectrum,
    angular_spectrum_kernel,
    padded_grid,
)
from napari_scicompty.optics.places import (
    DevicePlaces,
    HostPlaces,
    OnePlace,
    Places,
    numbers_within,
)
from napari_scicompty.optics.propagators import (
    PROPAGATORS,
    Propagator,
    carried_share,
    kind_of,
    propagator_for,
    scan_order,
)
from napari_scicompty.optics.scratch import Scratch

CPU = torch.device("cpu")
FAR = Geometry(1e-10, 1.0, 50e-6)
SHAPES = [(8, 8), (7, 9), (9, 8), (16, 11)]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def shift(field: np.ndarray, y: float, x: float) -> np.ndarray:
    view = (field.shape[-2], field.shape[-1])
    ramps = patches.Ramps(torch.tensor([[y, x]]), view, CPU)
    ramp = ramps.of([0], Scratch(CPU))[0, 0]
    return patches.fourier_shift(torch.from_numpy(field.astype("c8")), ramp).numpy()


# -- propagators ----------------------------------------------------------------------
WAVELENGTH = 1e-10
NEAR = Geometry(WAVELENGTH, 4e-3, 0.2e-6, propagation="near-field")
GEOMETRIES = {
    "far-field": FAR,
    "far-field-cone": FAR.replace(focus_sample_m=1e-3),
    "near-field": NEAR,
    "near-field-cone": Geometry(WAVELENGTH, 1.0, 55e-6, 4e-3, "near-field"),
}
INVERTED = Geometry(WAVELENGTH, 1.0, 55e-6, -4e-3, "near-field")


def pair(propagator: Propagator, shape: tuple[int, int]) -> tuple[complex, complex]:
    x, y = (torch.from_numpy(noise(2, *shape, seed=s)) for s in (0, 1))
    forward, backward = propagator.forward(x), propagator.backward(y)
    assert forward.shape == x.shape
    return (
        complex(torch.vdot(forward.flatten(), y.flatten())),
        complex(torch.vdot(x.flatten(), backward.flatten())),
    )


def test_every_line_of_the_table_has_its_geometry_here() -> None:
    assert {kind_of(geometry) for geometry in GEOMETRIES.values()} == set(PROPAGATORS)
    assert all(kind_of(geometry) == name for name, geometry in GEOMETRIES.items())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", [*PROPAGATORS, "inverted"])
def test_backward_is_the_adjoint(name: str, shape: tuple[int, int]) -> None:
    geometry = GEOMETRIES.get(name, INVERTED)
    one, other = pair(propagator_for(geometry, shape), shape)
    assert one == pytest.approx(other, rel=1e-5)


@pytest.mark.parametrize("shape", [(48, 48), (47, 64)])
@pytest.mark.parametrize("name", [*PROPAGATORS, "inverted"])
def test_unitary_where_no_light_leaves_the_grid(
    name: str, shape: tuple[int, int]
) -> None:
    propagator = propagator_for(GEOMETRIES.get(name, INVERTED), shape)
    x = torch.from_numpy(bell(shape, 4) * np.exp(0.3j * bell(shape, 3)))
    wave = propagator.forward(x)
    assert float(wave.norm()) == pytest.approx(float(x.norm()), rel=1e-5)
    assert torch.allclose(propagator.backward(wave), x, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_far_field_is_the_fourier_sum_zero_frequency_first(
    shape: tuple[int, int],
) -> None:
    h, w = shape
    x = noise(h, w)
    y_turn, x_turn = (
        np.exp(-2j * np.pi * np.outer(*[np.arange(n)] * 2) / n) for n in shape
    )
    by_hand = y_turn @ x @ x_turn / np.sqrt(h * w)
    found = propagator_for(FAR, shape).forward(torch.from_numpy(x)).numpy()
    assert np.allclose(found, by_hand)


def bell(shape: tuple[int, int], width: float) -> np.ndarray:
    """Gaussian in the middle between the first and the last pixel."""
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    return np.exp(-(y[:, None] ** 2 + x[None] ** 2) / (2 * width**2))


@pytest.mark.parametrize("distance", [4e-3, -4e-3])
def test_near_field_of_a_gaussian_is_the_analytic_beam(distance: float) -> None:
    shape, pixel, width = (80, 71), (0.2e-6, 0.22e-6), 6.0
    waist2 = 2 * (width * np.array(pixel)) ** 2
    propagator = AngularSpectrum(shape, pixel, WAVELENGTH, distance)
    found = propagator.forward(torch.from_numpy(bell(shape, width))).numpy()
    # exp(-r^2 / w^2) spreads as 1 / (1 + i z / z_R), one factor for each axis.
    spread = 1 + 1j * WAVELENGTH * distance / (np.pi * waist2)
    y, x = ((np.arange(n) - (n - 1) / 2) * p for n, p in zip(shape, pixel, strict=True))
    rows = np.exp(-(y**2) / (waist2[0] * spread[0])) / np.sqrt(spread[0])
    columns = np.exp(-(x**2) / (waist2[1] * spread[1])) / np.sqrt(spread[1])
    assert np.abs(found - np.outer(rows, columns)).max() < 1e-5


def test_near_field_is_the_literal_kernel_on_a_large_grid() -> None:
    shape, pixel, distance = (48, 40), (0.2e-6, 0.2e-6), 4e-3
    field = bell(shape, 3) * np.exp(0.5j * bell(shape, 2))
    big = 8 * np.array(shape)
    fy, fx = (np.fft.fftfreq(n, pixel[0]) for n in big)
    # The kernel with its carrier, 2.5e8 rad of it: float64 leaves 1e-7.
    root = np.sqrt(1 / WAVELENGTH**2 - fy[:, None] ** 2 - fx[None] ** 2)
    turn = 2 * np.pi * distance
    wave = np.fft.ifft2(np.fft.fft2(field, tuple(big)) * np.exp(1j * turn * root))
    by_hand = wave[:48, :40] * np.exp(-1j * turn / WAVELENGTH)
    found = AngularSpectrum(shape, pixel, WAVELENGTH, distance).forward(
        torch.from_numpy(field)
    )
    assert np.abs(found.numpy() - by_hand).max() < 2e-5


@pytest.mark.parametrize(
    ("geometry", "length"),
    [
        (GEOMETRIES["near-field-cone"], 96),
        (INVERTED, 96),
        (GEOMETRIES["near-field"], 96),
        (Geometry(WAVELENGTH, 500.0, 2e-3, 0.2), 64),
        (Geometry(WAVELENGTH, 500.0, 2e-3, -0.2), 64),
    ],
    ids=["near-cone", "near-inverted", "near", "far-diverging", "far-converging"],
)
def test_intensity_is_that_of_the_fresnel_integral(
    geometry: Geometry, length: int
) -> None:
    """A line of a separable object, lit from the focus, summed up on a fine grid."""
    shape = (length, length)
    pixel = geometry.pixel_size_m(shape)[0]
    is_far = geometry.propagation == "far-field"
    middle = length // 2 if is_far else (length - 1) / 2

    def transmitted(x: np.ndarray) -> np.ndarray:
        wide = 6 * pixel
        return np.exp(-((x / wide) ** 2)) * np.exp(0.7j * np.tanh(x / wide + 0.3))

    fine = (np.arange(40 * length) / 40 - middle) * pixel
    detector = (np.arange(length) - middle) * geometry.detector_pixel_m[0]
    turn = np.pi / (geometry.wavelength_m * geometry.distance_m)
    lit = transmitted(fine)
    if geometry.focus_sample_m is not None:
        reach = geometry.wavelength_m * geometry.focus_sample_m
        lit = lit * np.exp(1j * np.pi * fine**2 / reach)
    kernel = np.exp(1j * turn * (detector[:, None] - fine[None]) ** 2)
    wanted = np.abs(kernel @ lit) ** 2

    x = (np.arange(length) - middle) * pixel
    exit_line = transmitted(x)
    if is_far:
        exit_line = exit_line * np.exp(
            1j * np.pi * x**2 / (geometry.wavelength_m * (geometry.focus_sample_m or 1))
        )
    wave = propagator_for(geometry, shape).forward(
        torch.from_numpy(np.outer(exit_line, exit_line))
    )
    found = scan_order(wave.abs().numpy() ** 2, geometry)
    wanted = np.outer(wanted, wanted)
    wanted *= found.sum() / wanted.sum()
    assert np.abs(found - wanted).max() < 2e-3 * wanted.max()


def test_padding_is_enough_and_at_most_twice_the_view() -> None:
    pixel = (0.2e-6, 0.2e-6)
    h, w = padded_grid((100, 60), pixel, WAVELENGTH, 4e-3)
    assert 110 <= h <= 120
    assert 70 <= w <= 80
    assert padded_grid((100, 60), pixel, WAVELENGTH, 1.0) == (200, 120)


@pytest.mark.parametrize("distance", [0.065, 0.1, 0.2])
def test_a_short_grid_is_as_good_as_a_large_one(distance: float) -> None:
    """The geometry of the AD paper's appendix: the light leaves the padded grid."""
    pixel, n = (0.39e-6, 0.39e-6), 128
    smooth = np.fft.ifft2(np.fft.fft2(noise(n, n)) * np.fft.ifftshift(bell((n, n), 6)))
    field = smooth * bell((n, n), 20)
    big = 16 * n
    kernel = angular_spectrum_kernel((big, big), pixel, 1e-9, distance)
    wide = np.fft.ifft2(np.fft.fft2(field, (big, big)) * kernel)[:n, :n]
    near = AngularSpectrum((n, n), pixel, 1e-9, distance)
    assert near.grid == (256, 256)
    found = near.forward(torch.from_numpy(field)).numpy()
    assert np.linalg.norm(found - wide) < 1e-5 * np.linalg.norm(wide)


def test_a_near_field_that_carries_nothing_is_refused_with_a_way_out() -> None:
    geometry = Geometry(1e-10, 10.0, 5e-7, propagation="near-field")
    with pytest.raises(InputError, match=r"near-field.*far-field") as caught:
        propagator_for(geometry, (64, 64))
    works = float(re.search(r"distance of (\S+) m, or", str(caught.value))[1])
    nearer = geometry.replace(distance_m=works * 0.99)
    assert carried_share(nearer, (64, 64)) == pytest.approx(0.1, rel=0.02)
    propagator_for(nearer, (64, 64))


# -- shifts ---------------------------------------------------------------------------
@pytest.mark.parametrize("shape", SHAPES)
def test_shift_of_a_plane_wave_is_exact(shape: tuple[int, int]) -> None:
    h, w = shape
    y, x = np.arange(h)[:, None], np.arange(w)[None]

    def wave(dy: float, dx: float) -> np.ndarray:
        return np.exp(2j * np.pi * (2 * (y - dy) / h - 3 * (x - dx) / w))

    assert np.allclose(shift(wave(0, 0), 0.37, -1.6), wave(0.37, -1.6), atol=2e-6)


@pytest.mark.parametrize("shape", [(64, 48), (63, 49)])
def test_shift_of_a_gaussian_moves_it_to_larger_indices(
    shape: tuple[int, int],
) -> None:
    y, x = (np.arange(n)[:, None] for n in shape)

    def bell(dy: float, dx: float) -> np.ndarray:
        return np.exp(-((y - 30 - dy) ** 2) / 18) @ np.exp(-((x - 22 - dx) ** 2) / 18).T

    assert np.allclose(shift(bell(0, 0), 2.25, -0.8), bell(2.25, -0.8), atol=2e-6)


def test_whole_shifts_roll_and_shifts_keep_the_power() -> None:
    field = noise(9, 12)
    assert np.allclose(shift(field, 2, -3), np.roll(field, (2, -3), (0, 1)), atol=5e-6)
    odd = noise(9, 11)
    assert np.allclose(np.linalg.norm(shift(odd, 0.4, 0.3)), np.linalg.norm(odd))


# -- patches --------------------------------------------------------------------------
@pytest.mark.parametrize("corners", [[(3, 1)], [(0, 0), (2, 3), (1, 1)]])
def test_patches_are_taken_and_summed_where_they_lie(
    corners: list[tuple[int, int]],
) -> None:
    canvas = torch.from_numpy(noise(12, 14))
    views = patches.take(canvas, corners, (5, 6))
    by_hand = np.zeros((12, 14), complex)
    for view, (y, x) in zip(views, corners, strict=True):
        assert torch.equal(view, canvas[y : y + 5, x : x + 6])
        by_hand[y : y + 5, x : x + 6] += view.numpy()
    (top, left), total = patches.gather_sum(views, corners)
    placed = np.zeros((12, 14), complex)
    placed[top : top + total.shape[0], left : left + total.shape[1]] = total
    assert np.allclose(placed, by_hand)


@pytest.mark.parametrize("corners", [[(3, 1)], [(0, 0), (2, 3), (1, 1)]])
def test_places_of_the_host_and_of_the_device_are_the_same(
    corners: list[tuple[int, int]],
) -> None:
    view, shape = (5, 6), (12, 14)
    canvas = torch.from_numpy(noise(*shape).astype("c8"))
    first = torch.tensor([y * shape[1] + x for y, x in corners])
    known = (
        OnePlace(corners[0], view, shape)
        if len(corners) == 1
        else HostPlaces(corners, view)
    )
    within = numbers_within(view, shape, CPU)
    places: list[Places] = [known, DevicePlaces(first, within, shape)]
    fields = torch.from_numpy(noise(len(corners), 1, *view, seed=1).astype("c8"))
    taken, added = [], []
    for each in places:
        copy = canvas.clone()
        taken.append(each.take(copy).clone())
        each.add(copy, each.total(fields.clone()), alpha=0.5)
        added.append(copy)
    by_hand = canvas.numpy().copy()
    for field, (y, x) in zip(fields, corners, strict=True):
        by_hand[y : y + 5, x : x + 6] += 0.5 * field[0].numpy()
    assert taken[0].shape == (len(corners), 1, *view)
    assert torch.equal(*taken)
    assert all(np.allclose(one, by_hand, atol=1e-6) for one in added)


@pytest.mark.parametrize("modes", [1, 3, 10])
def test_sums_in_scratch_memory_are_plain_sums(modes: int) -> None:
    waves = torch.from_numpy(noise(2, modes, 7, 6).astype("c8"))
    power = patches.intensity(waves).sum(1, keepdim=True)
    scratch = Scratch(CPU)
    assert torch.allclose(patches.total_intensity(waves, scratch), power)
    halved = waves.clone()
    patches.scale(halved, torch.full((2, 1, 7, 6), 0.5), scratch)
    assert torch.allclose(halved, waves / 2)
    assert torch.allclose(patches.total(waves.clone(), 1)[:, 0], waves.sum(1))


# -- modes ----------------------------------------------------------------------------
@pytest.mark.parametrize("modes", [1, 2, 4])
def test_orthogonal_modes_are_the_same_beam_strongest_first(modes: int) -> None:
    mixed = noise(modes, 9, 8).astype("c8")
    sorted_modes = orthogonal_modes(mixed)
    flat, ours = mixed.reshape(modes, -1), sorted_modes.reshape(modes, -1)
    # The mutual intensity says all that any detector in any plane can see.
    assert np.allclose(ours.T @ ours.conj(), flat.T @ flat.conj(), atol=1e-4)
    gram = ours @ ours.conj().T
    power = np.diag(gram).real
    assert np.abs(gram - np.diag(power)).max() < 1e-5 * power[0]
    assert (np.diff(power) < 0).all()


def test_weak_modes_are_new_directions_from_a_seed() -> None:
    first = noise(16, 12).astype("c8")
    beam = with_weak_modes(first, 3, seed=1)
    flat = beam.reshape(3, -1)
    power = (np.abs(flat) ** 2).sum(1)
    assert beam.shape == (3, 16, 12)
    assert np.array_equal(beam[0], first)
    assert (power[1:] < 0.1 * power[0]).all()
    assert np.linalg.matrix_rank(flat / np.sqrt(power)[:, None], tol=0.1) == 3
    assert np.array_equal(with_weak_modes(first, 3, seed=1), beam)
    assert not np.array_equal(with_weak_modes(first, 3, seed=2)[1], beam[1])
    assert np.array_equal(with_weak_modes(beam, 2, seed=1), beam[:2])


# -- first probes ---------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(64, 64), (63, 80)])
def test_disc_is_centred_has_its_radius_and_diverges(shape: tuple[int, int]) -> None:
    pixel, radius, wavelength, focus = (2e-8, 3e-8), 5e-7, 1e-10, 2e-3
    disc = probes.disc_probe(shape, pixel, radius, wavelength, focus)
    light = np.abs(disc) ** 2
    centre = [
        (light.sum(1 - axis) @ np.arange(n)) / light.sum()
        for axis, n in enumerate(shape)
    ]
    assert np.allclose(centre, [n // 2 for n in shape], atol=1e-3)
    area = light.sum() * pixel[0] * pixel[1]
    assert area == pytest.approx(np.pi * radius**2, rel=0.05)
    # A wave that left a point `focus` upstream: phase +pi r^2 / (wavelength focus).
    row, column = shape[0] // 2 + 9, shape[1] // 2 + 5
    r2 = (9 * pixel[0]) ** 2 + (5 * pixel[1]) ** 2
    turn = disc[row, column] / disc[shape[0] // 2, shape[1] // 2]
    assert np.allclose(turn, np.exp(1j * np.pi * r2 / (wavelength * focus)), atol=1e-5)


@pytest.mark.parametrize("defocus", [-2e-5, 0.0, 3e-5])
def test_pupil_out_of_focus_is_the_analytic_gaussian_beam(defocus: float) -> None:
    shape, pixel, wavelength, waist = (96, 81), (1e-8, 1.1e-8), 1e-10, 4.5e-8
    fy, fx = (
        ((np.arange(n) - n // 2) / n / p) for n, p in zip(shape, pixel, strict=True)
    )
    pupil = np.exp(-((np.pi * waist) ** 2) * (fy[:, None] ** 2 + fx[None] ** 2))
    found = probes.defocused_pupil(pupil, pixel, wavelength, defocus)
    y, x = ((np.arange(n) - n // 2) * p for n, p in zip(shape, pixel, strict=True))
    rayleigh = np.pi * waist**2 / wavelength
    r2 = y[:, None] ** 2 + x[None] ** 2
    beam = np.exp(1j * np.pi * r2 / (wavelength * (defocus - 1j * rayleigh)))
    overlap = np.vdot(beam, found) / np.linalg.norm(beam) / np.linalg.norm(found)
    assert abs(overlap) > 0.99999


def test_zone_plate_lights_the_detector_between_stop_and_rim() -> None:
    shape, pixel, wavelength = (64, 64), (2e-8, 2e-8), 1e-10
    aperture = (0.3e-3, 1.0e-3)
    field = probes.zone_plate_probe(shape, pixel, wavelength, aperture, 1e-4)
    light = np.abs(np.fft.fftshift(np.fft.fft2(field)))
    axis = (np.arange(64) - 32) / 64 * wavelength / pixel[0]
    sine = np.hypot(axis[:, None], axis[None])
    annulus = (sine > aperture[0]) & (sine < aperture[1])
    assert light[annulus].min() > 0.99 * light.max()
    assert light[~annulus].max() < 1e-3 * light.max()
