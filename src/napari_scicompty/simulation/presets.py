"""Virtual experiments of the papers, each with the run that reconstructs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.settings import nearest
from napari_scicompty.simulation.experiment import VirtualExperiment
from napari_scicompty.simulation.mistakes import Mistakes

if TYPE_CHECKING:
    from collections.abc import Mapping


_FRAMEWORK = "Guzzi et al., PeerJ Computer Science (2022)"
_AUTODIFF = "Guzzi et al., Condensed Matter 6, 36 (2021)"
_SEIFERT = "Seifert et al., OSA Continuum 4, 121 (2021)"


@dataclass(frozen=True)
class Preset:
    """A virtual experiment with its source, and a run of it."""

    title: str
    """One line, for lists."""
    source: str
    """Paper, and place in it."""
    chosen: str
    """What the paper leaves open or what was changed, and what was taken."""
    claim: str
    """What the paper reports of its reconstruction."""
    experiment: VirtualExperiment
    """To be simulated, with its mistakes."""
    epochs: int
    """Of the reconstruction."""
    modes: int | None = None
    """Modes of the reconstruction; as many as the beam has when left out."""
    algorithm: str = "rpie"
    """Name of its line in `ALGORITHMS`."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Settings of the algorithm that differ from its defaults."""
    refine: tuple[str, ...] = ()
    """What is refined beside object and probe."""

    @property
    def without_mistakes(self) -> VirtualExperiment:
        """The same experiment, told as it was done."""
        return self.experiment.replace(mistakes=Mistakes())


def preset(name: str) -> Preset:
    """Look a preset up.

    Parameters
    ----------
    name : str
        One of `PRESETS`.

    Returns
    -------
    Preset
        Experiment, algorithm, refiners and epochs.

    Raises
    ------
    InputError
        There is none of this name.
    """
    if name not in PRESETS:
        raise InputError(
            f"preset {name!r}: choose one of {', '.join(PRESETS)}"
            + nearest(name, PRESETS)
        )
    return PRESETS[name]


def _diatom() -> Preset:
    # The listing counts distances from the focus: sample to detector is fd - fs.
    focus_detector, focus_sample = 0.8932, 2.5e-3
    return Preset(
        title="Diatom-like, three Zernike modes on a spherical wave",
        source=f"{_FRAMEWORK}, supplement, Listing 1, Figs. S1 to S3",
        chosen="256 pixels of 54 um instead of 1024 of 13.5 um (same object pixel); "
        "a histological section instead of the diatoms; mode powers 1 : 0.4 : 0.16, "
        "1e7 photons and a jitter of 5 % of the step, which the paper does not give",
        claim="object and modes recovered, by seven modes only (200 epochs of AP)",
        experiment=VirtualExperiment(
            object={"kind": "pictures", "magnitude": "tissue", "phase": "tissue"},
            probe={"kind": "zernike", "radius": 1 / 3},
            path={
                "kind": "jittered-raster",
                "rows": 10,
                "columns": 10,
                "step_px": 0.15 * 256,  # overlap factor 0.85 of the view
                "jitter": 0.05,
            },
            detector={"frame": 256, "pixel_m": 4 * 13.5e-6, "photons": 1e7},
            wavelength_m=4.892e-10,
            distance_m=focus_detector - focus_sample,
            focus_sample_m=focus_sample,
            modes=3,
        ),
        epochs=200,
    )


def _positions(title: str, mistakes: dict[str, float], claim: str) -> Preset:
    return Preset(
        title=title,
        source=f"{_FRAMEWORK}, supplement, Figs. S9 to S14",
        chosen="geometry of the default experiment, 10 x 10 positions 22 pixels apart, "
        "coffee and tissue for the object (the paper: Perseverance and Bacteria), 1e7 "
        "photons, readout noise 2 on an offset of 100",
        claim=claim,
        experiment=VirtualExperiment(
            object={"kind": "pictures", "magnitude": "coffee", "phase": "tissue"},
            probe={"kind": "pictures", "magnitude": "cat", "phase": "astronaut"},
            path={
                "kind": "jittered-raster",
                "rows": 10,
                "columns": 10,
                "step_px": 22,
            },
            detector={"photons": 1e7, "readout_sigma": 2, "dark_level": 100},
            mistakes=mistakes,
        ),
        epochs=150,
        refine=("positions",),
    )


def _autodiff(distance_m: float, magnitude: str, phase: str) -> Preset:
    return Preset(
        title=f"Near field, {distance_m * 1e3:g} mm, {magnitude} and {phase}",
        source=f"{_AUTODIFF}, appendix, Figs. 9 to 13",
        chosen="this distance of the range of 65 to 200 mm and these pictures (the "
        "paper names Pepperoni and Peaches), magnitude 0.5 to 1, phase of -pi/2 to "
        "pi/2, beam 115 pixels wide, jitter of 15 % of the step, noiseless",
        claim="from a distance 30 % wrong and positions with sigma 10 px, 90 % of "
        "both errors recovered in about 500 epochs",
        experiment=VirtualExperiment(
            object={"kind": "pictures", "magnitude": magnitude, "phase": phase},
            probe={
                "kind": "pictures",
                "magnitude": "cat",
                "phase": "astronaut",
                "radius": 0.45,
            },
            path={"kind": "jittered-raster", "step_px": 0.3 * 128},
            detector={"frame": 128, "pixel_m": 0.39e-6, "photons": None},
            mistakes={"distance_error": 0.3, "gaussian_px": 10},
            wavelength_m=1e-9,
            distance_m=distance_m,
            propagation="near-field",
        ),
        epochs=150,
    )


def _mpie() -> Preset:
    return Preset(
        title="Comparison with mPIE: visible light behind an aperture",
        source=f"{_SEIFERT}, Simulated data, Figs. 2 and 3, S2 and S3",
        chosen="sample to detector 34.95 mm (that of its measurement), 128 pixels, an "
        "aperture of 90 pixels, 2e6 photons for its few hundred counts a pixel, an "
        "offset of 100 counts, camera (0.3 to 1) and coffee (0 to 1 rad)",
        claim="AD comes near to mPIE in |C| (Fig. 3); all fall again with overfit",
        experiment=VirtualExperiment(
            object={
                "kind": "pictures",
                "magnitude": "camera",
                "phase": "coffee",
                "magnitude_range": (0.3, 1.0),
                "phase_range_rad": (0.0, 1.0),
            },
            probe={"kind": "disc", "radius": 45 / 128, "diffuser_rad": 0},
            path={"kind": "poisson", "points": 80, "overlap": 0.6},
            detector={
                "frame": 128,
                "pixel_m": 6.45e-6,
                "photons": 2e6,
                "readout_sigma": 10,
                "dark_level": 100,
                "bit_depth": 12,
            },
            wavelength_m=561e-9,
            distance_m=34.95e-3,
            propagation="near-field",
        ),
        epochs=20,
        algorithm="epie",
    )


def _twinmic() -> Preset:
    return Preset(
        title="TwinMic-like: soft X-rays behind a zone plate",
        source=f"{_FRAMEWORK}, Synchrotron soft-X-ray experiments, Fig. 3; Listing 3",
        chosen="320 pixels of 80 um (the camera of 1300 x 1340 pixels of 20 um, binned "
        "by 4), a stop of 200 um, overlap 0.8 of the beam, jitter of 5 %, tissue, 1e7 "
        "photons and powers 1 : 0.4 : 0.16; the focal length follows from the zone "
        "plate (24.7 mm; the paper has that of its two energies the wrong way round)",
        claim="cells and an asbestos fibre resolved with three modes, 50 nm pixels",
        experiment=VirtualExperiment(
            object={
                "kind": "pictures",
                "magnitude": "tissue",
                "phase": "tissue",
                "magnitude_range": (0.7, 1.0),
                "phase_range_rad": (-1.0, 0.0),
            },
            probe={
                "kind": "zone-plate",
                "diameter_m": 600e-6,
                "outer_zone_m": 50e-9,
                "stop_m": 200e-6,
            },
            path={
                "kind": "jittered-raster",
                "rows": 10,
                "columns": 10,
                "overlap": 0.8,
                "jitter": 0.05,
            },
            detector={"frame": 320, "pixel_m": 80e-6, "photons": 1e7},
            wavelength_m=1.21553e-9,  # 1020 eV
            distance_m=0.75,
            focus_sample_m=370e-6,
            modes=3,
        ),
        epochs=100,
    )


_HALF = "the method of Zhang et al. (2013) ends at half of its accuracy"
_PAIRS = {
    65e-3: ("gravel", "brick"),
    80e-3: ("brick", "grass"),
    100e-3: ("tissue", "gravel"),
    150e-3: ("grass", "tissue"),
    200e-3: ("coffee", "gravel"),
}

PRESETS: dict[str, Preset] = {
    "diatom": _diatom(),
    "positions-gaussian": _positions(
        "Position refinement: gaussian errors of 5 % of the view",
        {"gaussian_px": 0.05 * 128},
        "with XCORR_A and Adam object and beam are recovered in 300 epochs (Fig. S11), "
        "without a gain they are not (Fig. S9)",
    ),
    "positions-7px": _positions(
        "Position refinement: errors over a range of 7 pixels",
        {"uniform_px": 7},
        f"corrected evenly (Fig. S13); {_HALF}",
    ),
    "positions-14px": _positions(
        "Position refinement: errors over a range of 14 pixels",
        {"uniform_px": 14},
        "partially corrected, a usable reconstruction (Fig. S14); others give up",
    ),
    **{f"autodiff-{z * 1e3:.0f}mm": _autodiff(z, *pair) for z, pair in _PAIRS.items()},
    "mpie": _mpie(),
    "twinmic": _twinmic(),
}
"""Name -> virtual experiment of a paper, and its run."""
