"""The focus of a known probe as a free parameter: ``tests/benchmarks/known_focus.py``.

Simulated scans (pictures, 64 pixels, 64 positions) whose true probe is frozen but for
its curvature, which is that of a focus wrong by a factor; 40 epochs of
``AutoDiff(free_focus=True)``. Printed are how far off the focus is in the end, the
phase that this makes at the rim of the beam, and the error: the median of three seeds,
and the worst. Name cases to do only these.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

import numpy as np

import napari_scicompty as sc
from napari_scicompty.workflow.start import begin

NEAR: dict[str, Any] = {
    "object": {"kind": "pictures"},
    "probe": {"radius": 0.3, "diffuser_rad": 1.5},
    "path": {"kind": "fermat", "points": 64, "step_px": 6},
    "detector": {"frame": 64, "pixel_m": 55e-6, "photons": None},
    "wavelength_m": 9.8e-11,
    "distance_m": 1.12,
    "focus_sample_m": 3.65e-3,
    "propagation": "near-field",
}
PHOTONS = {"detector": {**NEAR["detector"], "photons": 1e5}}
FAR = {
    "probe": {"radius": 0.2, "diffuser_rad": 1.5},
    "detector": {"frame": 64, "photons": None},
    "wavelength_m": 1.5e-10,
    "distance_m": 2.0,
    "focus_sample_m": 0.8e-3,
    "propagation": "far-field",
}
WEAK = {
    "detector": {"frame": 64, "pixel_m": 0.2e-6, "photons": None},
    "wavelength_m": 1e-10,
    "distance_m": 1e-2,
    "focus_sample_m": 0.1,
}
SEVERAL = (0.8, 0.9, 1.1, 1.2)
CASES: dict[str, tuple[dict[str, Any], tuple[float, ...], dict[str, Any]]] = {
    "near field": ({}, (0.7, *SEVERAL, 1.3, 1.4), {}),
    "1e5 photons": (PHOTONS, SEVERAL, {}),
    "no diffuser": ({"probe": {"radius": 0.3}}, SEVERAL, {}),
    "axis 5 pixels away": ({}, SEVERAL, {"axis_px": 5.0}),
    "positions free, too": (
        {},
        SEVERAL,
        {"free_positions": True, "rate_positions_px": 0.2},
    ),
    "after 5 epochs": ({}, SEVERAL, {"start_focus": 5}),
    "far field": (FAR, (*SEVERAL, 2.0), {}),
    "weakly curved": (WEAK, (*SEVERAL, math.inf), {}),
}


def found(
    experiment: sc.VirtualExperiment,
    factor: float,
    axis_px: float = 0.0,
    **settings: Any,
) -> tuple[float, float, float]:
    """Error of the focus in per cent, phase at the rim in rad, error of the run."""
    scan, truth = sc.simulate(experiment)
    true, pixel = experiment.focus_sample_m, scan.pixel_size_m
    assert true is not None
    wrong = (1 / factor - 1) / true
    y, x = (
        ((np.arange(n) - (n - 1) / 2 - axis_px) * step) ** 2
        for n, step in zip(scan.frame_shape, pixel, strict=True)
    )
    turn = np.pi / scan.geometry.wavelength_m
    chirp = np.exp(1j * turn * wrong * (y[:, None] + x))
    radius = experiment.probe_radius_m
    start = begin(scan, sc.DiscProbe(radius), modes=len(truth.probe))
    *_, last = sc.reconstruct(
        scan,
        sc.AutoDiff(free_focus=True, **settings),
        epochs=40,
        start=start.replace(probe=(truth.probe * chirp).astype("c8")),
        freeze_probe=True,
        device="cpu",
    )
    bends = [i.change for i in last.history.refined if i.quantity == "focus"]
    left = wrong + sum(bends)
    return 100 * (1 / (1 + left * true) - 1), turn * left * radius**2, last.error


def main() -> None:
    """Measure and print."""
    for name in sys.argv[1:] or CASES:
        changes, factors, settings = CASES[name]
        for factor in factors:
            runs = np.array(
                [
                    found(
                        sc.VirtualExperiment(**NEAR | changes, seed=seed),
                        factor,
                        **settings,
                    )
                    for seed in range(3)
                ]
            )
            off, phase, error = np.median(runs, 0)
            told = {
                "case": name,
                "told": factor,
                "off_percent": round(off, 2),
                "worst": round(np.abs(runs[:, 0]).max(), 2),
                "rim_rad": round(phase, 2),
                "error": f"{error:.1e}",
            }
            print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
