"""Whether half scans tell the truth: ``python tests/benchmarks/resolution.py``.

Simulated scans with few photons are reconstructed in two halves and as a whole; the
crossings of the halves stand beside those of the whole against the truth, in object
pixels of half period.
"""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

import napari_scicompty as sc
from napari_scicompty.halves import half_scans

OBJECTS = ("pictures", "siemens-star")
PHOTONS = (1e3, 3e3, 1e4, 3e4)
SEEDS = (0, 1, 2)
EPOCHS = 60


def measure(target: str, photons: float, seed: int, epochs: int) -> dict[str, Any]:
    """Half scans and the whole of one experiment, ePIE from a disc."""
    experiment = sc.VirtualExperiment(
        object={"kind": target},
        path={"step_px": 10},
        detector={"frame": 96, "photons": photons},
        seed=seed,
    )
    scan, truth = sc.simulate(experiment)
    start = sc.DiscProbe(experiment.probe_radius_m)
    run = {"epochs": epochs, "start": start, "seed": seed}
    halves = half_scans(scan, sc.EPIE(), **run).frc
    *_, whole = sc.reconstruct(scan, sc.EPIE(), **run)
    judged = sc.metrics.compare(whole, truth)
    known = judged.ring_correlation()
    row: dict[str, Any] = {"object": target, "photons": photons, "seed": seed}
    for name in ("one_bit_crossing", "half_bit_crossing"):
        pair = [getattr(frc, name).half_period_m for frc in (halves, known)]
        row[name] = [p and round(p / halves.pixel_m, 2) for p in pair]
        if all(pair):
            row[name].append(round(pair[0] / pair[1], 3))
    row["one_minus_C"] = float(f"{1 - judged.correlation:.2g}")
    return row


def main() -> None:
    """Measure and print one line an experiment: [halves, whole, ratio]."""
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else EPOCHS
    for target, photons, seed in itertools.product(OBJECTS, PHOTONS, SEEDS):
        print(json.dumps(measure(target, photons, seed, epochs)), flush=True)


if __name__ == "__main__":
    main()
