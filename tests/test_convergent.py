"""The probe of a convergent beam, and a scan of electrons that begins from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import napari_scicompty as sc
from electron_scans import SEMIANGLE, VOLTAGE_V, defocused_beam, electron_scan
from napari_scicompty.data.scan import Scan
from napari_scicompty.optics.probes import Aberrations, convergent_probe
from napari_scicompty.workflow.start import begin
from small_scans import small_scan

WAVELENGTH = sc.Geometry.from_voltage(VOLTAGE_V, 1, 1).wavelength_m
SIDE, PIXEL = 128, 2e-10
EDGE = WAVELENGTH / (SIDE * PIXEL)
"""Angle of a pixel of the far field."""


def field(shape: tuple[int, int] = (SIDE, SIDE), **aberrations: float) -> np.ndarray:
    return convergent_probe(
        shape, (PIXEL, PIXEL), WAVELENGTH, SEMIANGLE, Aberrations(**aberrations)
    ).astype(complex)


def spread(light: np.ndarray, axis: int) -> float:
    """Standard deviation along an axis, in metres."""
    profile = light.sum(1 - axis) / light.sum()
    place = (np.arange(len(profile)) - len(profile) // 2) * PIXEL
    return float(np.sqrt((profile * place**2).sum() - (profile * place).sum() ** 2))


def test_the_far_field_is_a_disc_of_the_semiangle() -> None:
    wave = field(defocus_m=5e-7, astigmatism_m=2e-7, spherical_m=0.1)
    light = np.abs(np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(wave)))) ** 2
    angle = (np.arange(SIDE) - SIDE // 2) * EDGE
    theta = np.hypot(angle[:, None], angle)
    assert light[theta < SEMIANGLE - EDGE] == pytest.approx(1, abs=1e-4)
    assert light[theta > SEMIANGLE + EDGE] == pytest.approx(0, abs=1e-8)
    assert np.sqrt(np.sqrt(light).sum() / np.pi) * EDGE == pytest.approx(
        SEMIANGLE, rel=0.01
    )


def test_aberrations_change_no_power_and_the_focus_is_an_airy_disc() -> None:
    power = (np.abs(field()) ** 2).sum()
    for name in Aberrations._fields:
        changed = field(**{name: 3e-7})
        assert (np.abs(changed) ** 2).sum() == pytest.approx(power, rel=1e-5)
    profile = np.abs(field())[SIDE // 2, SIDE // 2 :]
    first_zero = int(np.argmin(profile[: int(8e-10 / PIXEL)])) * PIXEL
    assert first_zero == pytest.approx(0.61 * WAVELENGTH / SEMIANGLE, abs=PIXEL)


@pytest.mark.parametrize("defocus_m", [2e-6, -3e-6])
def test_out_of_focus_the_spot_is_twice_defocus_times_semiangle(
    defocus_m: float,
) -> None:
    light = np.abs(field(defocus_m=defocus_m)) ** 2
    # A disc of the diameter d has the standard deviation d / 4 along any line.
    for axis in (0, 1):
        wide = 4 * spread(light, axis)
        assert wide == pytest.approx(2 * abs(defocus_m) * SEMIANGLE, rel=0.08)


@pytest.mark.parametrize("defocus_m", [8e-7, -8e-7])
def test_c10_is_the_defocus_of_the_pupil_start(defocus_m: float) -> None:
    pupil = np.abs(np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(field())))) ** 2
    geometry = sc.Geometry(WAVELENGTH, 1.0, EDGE)
    scan = Scan(
        np.repeat(pupil[None].astype(np.float32), 4, 0),
        np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * PIXEL,
        geometry,
    )
    convergent, measured = (
        begin(scan, start).probe[0].astype(complex)
        for start in (
            sc.ConvergentProbe(semiangle_rad=SEMIANGLE, defocus_m=defocus_m),
            sc.PupilProbe(defocus_m=defocus_m),
        )
    )
    assert np.abs(convergent - measured).max() < 1e-3 * np.abs(measured).max()
    # A diverging wave bends away from the axis: its phase grows outwards.
    alone = defocused_beam(SIDE, PIXEL, WAVELENGTH, defocus_m)
    phase = np.angle(alone * alone[SIDE // 2, SIDE // 2].conj())
    assert np.sign(phase[SIDE // 2, SIDE // 2 + 3]) == np.sign(defocus_m)
    overlap = np.vdot(alone, convergent)
    assert abs(overlap) == pytest.approx(
        np.linalg.norm(alone) * np.linalg.norm(convergent), rel=1e-5
    )


@pytest.mark.parametrize(("degrees", "line"), [(0.0, 0), (90.0, 1)])
def test_astigmatism_makes_two_line_foci(degrees: float, line: int) -> None:
    """At angle 0 the defocus is C10 + C12 along x and C10 - C12 along y."""
    for c10 in (2e-6, -2e-6):
        turned = np.radians(degrees)
        wave = field(defocus_m=c10, astigmatism_m=2e-6, astigmatism_rad=turned)
        light = np.abs(wave) ** 2
        # In focus along y where C10 = C12, along x where C10 = -C12.
        narrow = line if c10 > 0 else 1 - line
        assert spread(light, 1 - narrow) > 3 * spread(light, narrow)


def test_the_angle_of_the_astigmatism_runs_from_x_towards_y() -> None:
    turned = np.radians(45)
    wave = field(defocus_m=2e-6, astigmatism_m=2e-6, astigmatism_rad=turned)
    light = np.abs(wave) ** 2
    y, x = np.indices(light.shape) - SIDE // 2
    assert (light * x * y).sum() > 0.5 * (light * x * x).sum()


def test_spherical_aberration_is_that_of_its_formula() -> None:
    c30 = 1.0
    wave = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(field(spherical_m=c30))))
    middle = SIDE // 2
    pixels = 20
    wanted = -np.pi / (2 * WAVELENGTH) * c30 * (pixels * EDGE) ** 4
    found = np.angle(wave[middle, middle + pixels] * wave[middle, middle].conj())
    assert abs(wanted) > 0.3
    assert np.exp(1j * found) == pytest.approx(np.exp(1j * wanted), abs=1e-4)


def test_what_fits_no_detector_and_no_near_field_is_refused() -> None:
    scan = electron_scan(rows=3).scan
    with pytest.raises(sc.InputError, match=r"semiangle_rad.* mrad is more than"):
        begin(scan, sc.ConvergentProbe(semiangle_rad=5e-3))
    near = small_scan(near=True).scan
    with pytest.raises(sc.InputError, match="far-field"):
        begin(near, sc.ConvergentProbe(semiangle_rad=1e-3))
    with pytest.raises(sc.InputError, match="semiangle_rad"):
        sc.ConvergentProbe(semiangle_rad=0.0)


def test_a_scan_of_electrons_is_reconstructed_from_it() -> None:
    made = electron_scan(rows=12, counts=1e6)

    def run(start: Any) -> sc.Snapshot:
        return sc.run(made.scan, sc.RPIE(), epochs=40, start=start, device="cpu")

    told = sc.ConvergentProbe(semiangle_rad=SEMIANGLE, defocus_m=1.2e-6)
    wrong = told.replace(defocus_m=1.2 * 1.2e-6)
    right, off, auto = (run(start) for start in (told, wrong, "auto"))
    assert distance(right, made) <= 0.01
    assert off.error <= 1.02 * auto.error


def distance(snapshot: sc.Snapshot, made: Any) -> float:
    """1 - |C| of the object over the middle of what was scanned."""
    top = made.corner + made.scan.frame_shape[0] // 2
    bottom = top + int(np.ptp(made.scan.positions_m[:, 0]) / made.pixel_m)
    truth = made.object[top:bottom, top:bottom]
    # Position zero of the scan is at the corner of the truth's first view.
    first = np.rint(-np.array(snapshot.origin_m) / made.pixel_m).astype(int)
    y, x = first + made.scan.frame_shape[0] // 2
    found = snapshot.object[y : y + len(truth), x : x + len(truth)]
    return 1 - sc.metrics.align(found, truth).correlation
