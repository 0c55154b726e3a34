"""The short help: the options that most people need, a line each, and examples."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Short:
    """What the short help of a command shows."""

    lines: dict[str, str]
    """What is said of each option, in at most 51 letters."""
    examples: tuple[str, ...]


_SCAN = {
    "FILE": "Diffraction patterns: CXI, HDF5, TIFF or NPY.",
    "--positions": "File of the positions, one a pattern.",
}
_GEOMETRY = {
    "--energy-ev": "Photon energy [eV]; or --wavelength-m.",
    "--distance-m": "Distance from sample to detector [m].",
    "--detector-pixel-m": "Size of a detector pixel [m].",
}
_RUN = {
    "--algorithm": "auto, rpie, epie, mpie, autodiff (default auto).",
    "--refine": "Refine too: positions, distance, or both.",
    "--epochs": "Passes over all patterns; a limit with auto.",
    "--modes": "Incoherent modes of the probe.",
    "--set": "Any setting, such as positions.rate_px=1.",
}

_OPENED = (
    _SCAN
    | {"--position-unit": "One of: auto, m, mm, um, nm, angstrom, px."}
    | _GEOMETRY
    | {
        "--data-key": "Plain HDF5: dataset with the patterns.",
        "--positions-key": "Plain HDF5: dataset with the positions.",
        "--mask": "Image of the good or bad pixels.",
    }
)

USUAL = {
    "info": Short(
        _OPENED,
        (
            "scicompty info scan.cxi",
            "scicompty info stack.tif --positions positions.txt --energy-ev 8800",
            "scicompty info result.h5",
        ),
    ),
    "check": Short(
        _OPENED | {"--json": "Print a list for other programs."},
        (
            "scicompty check scan.cxi",
            "scicompty check stack.tif --positions positions.txt --energy-ev 8800",
        ),
    ),
    "reconstruct": Short(
        _SCAN
        | {
            "--recipe": "Take all settings from a recipe, or from a result.",
            "--from": "Go on from this result.",
        }
        | _GEOMETRY
        | _RUN
        | {
            "--resume": "Take up the run that was cut, beside --save.",
            "--save": "Result, .h5.",
            "--figure": "Picture: .png, .svg or .pdf.",
        },
        (
            "scicompty reconstruct scan.cxi --modes 3 --save result.h5",
            "scicompty reconstruct --recipe star.toml --save result.h5",
            "scicompty reconstruct --from result.h5 --epochs 20 --save more.h5",
            "scicompty reconstruct scan.cxi --refine positions --save result.h5",
        ),
    ),
    "resolution": Short(
        _SCAN
        | {
            "--recipe": "Take all settings from a recipe.",
            "--from": "Take all settings from a result.",
        }
        | _GEOMETRY
        | _RUN
        | {"--save": "Curve, .csv.", "--figure": "Picture: .png, .svg or .pdf."},
        (
            "scicompty resolution --from result.h5 --figure curve.png",
            "scicompty resolution scan.cxi --epochs 60 --save curve.csv",
        ),
    ),
}
"""By the name of the command; the help of all others is short as it is."""
