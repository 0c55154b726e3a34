"""Distance and positions refined together: ``python tests/benchmarks/distance.py``.

``distance.py [PRESET [SIGMA_PX [SIGN [SEED [EPOCHS]]]]]``: the AD paper's appendix
(presets ``autodiff-...``), told a distance 30 % too long (SIGN 1) or short (-1) and
positions with gaussian errors. The scaled distance is what is left after the common
scale of positions and distance, which the patterns cannot fix, is taken off.
"""

from __future__ import annotations

import json
import sys

import numpy as np

import napari_scicompty as sc
from napari_scicompty.simulation import PRESETS

AT = (30, 60, 75, 100, 150)


def main() -> None:
    """Measure and print."""
    given = sys.argv[1:]
    defaults = ("autodiff-100mm", "5", "1", "0", "100")
    name, sigma, sign, seed, epochs = (*given, *defaults[len(given) :])
    wrong = {"gaussian_px": float(sigma), "distance_error": 0.3 * float(sign)}
    experiment = PRESETS[name].experiment.replace(mistakes=wrong, seed=int(seed))
    scan, truth = sc.simulate(experiment)
    refine = ["positions", "distance"] if float(sigma) else ["distance"]
    for snapshot in sc.reconstruct(scan, sc.RPIE(), epochs=int(epochs), refine=refine):
        if snapshot.epoch not in (*AT, int(epochs)):
            continue
        found = sc.metrics.position_error(snapshot.positions_m, truth.positions_m)
        away = np.hypot(*(found.residuals_m / scan.pixel_size_m).T)
        ratio = snapshot.distance_m / truth.distance_m
        row = {
            "epoch": snapshot.epoch,
            "error": float(f"{snapshot.error:.3g}"),
            "distance_off_percent": round(100 * (ratio - 1), 2),
            "scaled_off_percent": round(100 * (ratio / found.map.magnification - 1), 2),
            "positions_mean_px": round(float(away.mean()), 3),
            "positions_median_px": round(float(np.median(away)), 3),
            "lost": round(float((away > 3).mean()), 3),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
