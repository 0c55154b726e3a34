"""The virtual experiment: a scan with a known truth.

Simulated in float64 with numpy, apart from the engine's code, so that a reconstruction
is not checked against itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_scicompty.canvas import MARGIN, Canvas
from napari_scicompty.geometry import Geometry
from napari_scicompty.scan import Scan
from napari_scicompty.settings import Settings, setting
from napari_scicompty.simulation.objects import OBJECTS, clouds

if TYPE_CHECKING:
    from numpy.typing import NDArray


class VirtualExperiment(Settings):
    """A far-field scan of a test object with a disc-shaped, partly coherent beam."""

    target: Literal["siemens-star", "pictures"] = setting("siemens-star", "Test object")
    frame: int = setting(128, "Pixels of the square detector", ge=16, le=1024)
    rows: int = setting(11, "Rows of the raster", ge=1, le=200)
    columns: int = setting(11, "Columns of the raster", ge=1, le=200)
    step_px: float = setting(20.0, "Step of the raster, in object pixels", gt=0)
    jitter: float = setting(
        0.15,
        "Random part of each step, against the raster's periodic ambiguity",
        ge=0,
        le=0.5,
    )
    probe_radius: float = setting(
        0.3, "Radius of the beam on the sample, as a share of the view", gt=0.02, le=0.5
    )
    defocus_m: float | None = setting(
        None, "Focus to sample: a spherical wave; empty is a flat one", unit="m"
    )
    diffuser_rad: float = setting(
        1.0,
        "Phase that a diffuser puts on the beam (rms); structured beams converge "
        "faster",
        unit="rad",
        ge=0,
        le=5,
    )
    modes: int = setting(1, "Incoherent modes of the beam", ge=1, le=16)
    second_mode: float = setting(
        0.4, "Power of each mode relative to the one before", gt=0, le=1
    )
    photons: float | None = setting(
        1e6, "Mean photons per pattern (Poisson noise); empty is noiseless", gt=0
    )
    wavelength_m: float = setting(1.5e-10, "Wavelength", unit="m", gt=0)
    distance_m: float = setting(2.0, "Sample to detector", unit="m", gt=0)
    detector_pixel_m: float = setting(75e-6, "Detector pixel", unit="m", gt=0)
    seed: int = setting(0, "Of jitter, texture and noise", ge=0)

    @property
    def geometry(self) -> Geometry:
        """The geometry that the reconstruction is told."""
        return Geometry(
            self.wavelength_m,
            self.distance_m,
            self.detector_pixel_m,
            focus_sample_m=self.defocus_m,
        )

    @property
    def probe_radius_m(self) -> float:
        """Radius of the lit spot on the sample."""
        pixel = self.geometry.pixel_size_m((self.frame, self.frame))
        return self.probe_radius * self.frame * pixel[0]


@dataclass(frozen=True, eq=False)
class Truth:
    """What a virtual experiment was made of."""

    object: NDArray[np.complex64]
    """Transmission function (H, W) on the canvas of the true positions."""
    probe: NDArray[np.complex64]
    """Probe modes (modes, h, w)."""
    positions_m: NDArray[np.float64]
    """True positions (n, 2) as (y, x)."""
    distance_m: float
    """True distance from sample to detector."""
    origin_m: tuple[float, float]
    """Position of object pixel (0, 0)."""
    pixel_size_m: tuple[float, float]
    """Object pixel (y, x)."""


def simulate(experiment: VirtualExperiment) -> tuple[Scan, Truth]:
    """Measure a virtual scan; return it with its truth."""
    rng = np.random.default_rng(experiment.seed)
    geometry = experiment.geometry
    shape = (experiment.frame, experiment.frame)
    pixel = np.array(geometry.pixel_size_m(shape))
    positions = jittered_raster(experiment, rng) * pixel
    probe = _probe_modes(experiment, pixel[0])
    canvas = _canvas(positions, pixel, shape)
    transmission = OBJECTS[experiment.target](canvas.shape, experiment.seed)
    patterns = _patterns(transmission, probe, canvas.to_pixels(positions))
    if experiment.photons is not None:
        scale = experiment.photons / patterns.sum((1, 2)).mean()
        counts = rng.poisson(patterns * scale)
        measured = counts.astype(np.uint16 if counts.max() < 2**16 else np.uint32)
    else:
        scale = 1e6 / patterns.sum((1, 2)).mean()
        measured = (patterns * scale).astype(np.float32)
    scan = Scan(
        measured,
        positions,
        geometry,
        report=(
            f"{len(measured)} patterns of {shape[0]} x {shape[1]} pixels",
            "virtual experiment: positions, geometry and orientation are exact",
        ),
    )
    truth = Truth(
        transmission,
        (probe * math.sqrt(scale)).astype(np.complex64),
        scan.positions_m,
        experiment.distance_m,
        canvas.origin_m,
        canvas.pixel_size_m,
    )
    return scan, truth


def jittered_raster(
    experiment: VirtualExperiment, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Scan positions (n, 2) in object pixels, row by row."""
    grid = np.mgrid[: experiment.rows, : experiment.columns].reshape(2, -1).T
    noise = rng.uniform(-experiment.jitter, experiment.jitter, grid.shape)
    return np.asarray((grid + noise) * experiment.step_px)


def _canvas(
    positions: NDArray[np.float64], pixel: NDArray[np.float64], view: tuple[int, int]
) -> Canvas:
    low, span = positions.min(0), np.ptp(positions, axis=0) / pixel
    size = [math.ceil(s) + n + 2 * MARGIN for s, n in zip(span, view, strict=True)]
    origin = low - MARGIN * pixel
    return Canvas(
        (size[0], size[1]), view, (pixel[0], pixel[1]), (origin[0], origin[1])
    )


def _probe_modes(experiment: VirtualExperiment, pixel: float) -> NDArray[np.complex128]:
    """Disc times polynomials: orthogonal modes of a partly coherent beam."""
    n = experiment.frame
    axis = (np.arange(n) - n // 2) / (experiment.probe_radius * n)
    y, x = axis[:, None], axis[None, :]
    r = np.hypot(y, x)
    disc = 1 / (1 + np.exp((r - 1) * experiment.probe_radius * n / 0.8))
    beam = disc * np.exp(-0.5 * r**2).astype(complex)
    if experiment.defocus_m is not None:
        r2 = (r * experiment.probe_radius * n * pixel) ** 2
        beam = beam * np.exp(
            1j * np.pi * r2 / (experiment.wavelength_m * experiment.defocus_m)
        )
    texture = clouds((n, n), experiment.seed + 1, exponent=1.0)
    texture = (texture - texture.mean()) / texture.std()
    beam = beam * np.exp(1j * experiment.diffuser_rad * texture)
    orders = [(total - i, i) for total in range(6) for i in range(total + 1)]
    fields = np.stack([beam * y**a * x**b for a, b in orders[: experiment.modes]])
    q, _ = np.linalg.qr(fields.reshape(len(fields), -1).T)
    weights = np.sqrt(experiment.second_mode ** np.arange(experiment.modes))
    return np.asarray((q.T * weights[:, None]).reshape(fields.shape))


def _patterns(
    transmission: NDArray[np.complex64],
    probe: NDArray[np.complex128],
    corners: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Intensities (n, h, w), zero frequency in the middle."""
    h, w = probe.shape[-2:]
    fy, fx = np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None, :]
    spectrum = np.fft.fft2(probe)
    patterns = np.empty((len(corners), h, w))
    for j, corner in enumerate(corners):
        whole = np.round(corner).astype(int)
        fraction = corner - whole
        shifted = np.fft.ifft2(
            spectrum * np.exp(-2j * np.pi * (fy * fraction[0] + fx * fraction[1]))
        )
        view = transmission[whole[0] : whole[0] + h, whole[1] : whole[1] + w]
        wave = np.fft.fft2(shifted * view, norm="ortho")
        patterns[j] = np.fft.fftshift((np.abs(wave) ** 2).sum(0))
    return patterns
