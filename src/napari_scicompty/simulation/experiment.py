"""The virtual experiment: what is simulated, and what it was made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import field_validator

from napari_scicompty.core.geometry import Geometry
from napari_scicompty.core.settings import Settings, setting
from napari_scicompty.simulation._grid import Grid
from napari_scicompty.simulation.beams import AnyBeam, DiscBeam
from napari_scicompty.simulation.detector import Detector
from napari_scicompty.simulation.mistakes import Mistakes
from napari_scicompty.simulation.objects import AnyObject, SiemensStar
from napari_scicompty.simulation.paths import AnyPath, JitteredRasterPath

if TYPE_CHECKING:
    from numpy.typing import NDArray


class VirtualExperiment(Settings):
    """A scan of a known object with a known beam.

    Parts may be given as settings, or as dictionaries with their ``kind``:
    ``VirtualExperiment(probe={"kind": "zernike"}, detector={"photons": 1e5})``.
    """

    object: AnyObject = setting(SiemensStar(), "What is scanned")
    probe: AnyBeam = setting(DiscBeam(), "The beam on the sample")
    path: AnyPath = setting(JitteredRasterPath(), "Where the beam goes")
    detector: Detector = setting(Detector(), "Frames, photons, noise and faults")
    mistakes: Mistakes = setting(Mistakes(), "What is wrong in the scan's file")
    wavelength_m: float = setting(
        1.5e-10,
        "Wavelength",
        unit="m",
        ge=1e-13,
        le=0.01,
        reason="from fast electrons (0.1 pm) to millimetre waves (1 cm)",
    )
    distance_m: float = setting(
        2.0,
        "Sample to detector",
        unit="m",
        ge=1e-6,
        le=1000,
        reason="from a micrometre to a kilometre",
    )
    focus_sample_m: float | None = setting(
        None,
        "Focus to sample, positive upstream: a spherical wave; empty is a flat one",
        unit="m",
        ge=-1000,
        le=1000,
        reason="at most a kilometre to either side",
    )
    propagation: Literal["far-field", "near-field"] = setting(
        "far-field", "How the wave reaches the detector"
    )
    modes: int = setting(1, "Incoherent modes of the beam", ge=1, le=16)
    mode_ratio: float = setting(
        0.4, "Power of each mode relative to the one before", gt=0, le=1
    )
    mode_weights: tuple[float, ...] = setting(
        (), "Relative power of each mode, instead of the ratio"
    )
    seed: int = setting(0, "Of everything that is random", ge=0)

    @field_validator("object", "probe", "path", mode="before")
    @classmethod
    def _of_the_usual_kind(cls, value: Any, info: Any) -> Any:
        """Let a dictionary without a kind mean the default one."""
        usual = cls.model_fields[info.field_name].default.kind
        return {"kind": usual} | value if isinstance(value, dict) else value

    @property
    def geometry(self) -> Geometry:
        """The geometry as it is, whatever the scan is told."""
        return Geometry(
            self.wavelength_m,
            self.distance_m,
            self.detector.pixel_m,
            focus_sample_m=self.focus_sample_m,
            propagation=self.propagation,
        )

    @property
    def grid(self) -> Grid:
        """The view; in near field the effective beam of a point source is flat."""
        shape, far = self.detector.shape, self.propagation == "far-field"
        return Grid(
            shape,
            self.geometry.pixel_size_m(shape)[0],
            self.wavelength_m,
            self.focus_sample_m if far else None,
        )

    @property
    def probe_radius_m(self) -> float:
        """Radius of the lit spot on the sample."""
        return self.probe.radius_m(self.grid)

    @property
    def mode_powers(self) -> NDArray[np.float64]:
        """Share of each mode in the beam's power, shape (modes,)."""
        ratios = self.mode_ratio ** np.arange(self.modes)
        powers = np.array(self.mode_weights or ratios, float)
        return powers / powers.sum()


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
    geometry: Geometry
    """True geometry."""
