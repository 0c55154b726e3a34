"""Whether half sets tell the truth: ``python tests/benchmarks/resolution.py [PLAN]``.

Simulated scans with few photons are reconstructed in two halves and as a whole; the
crossings of the halves stand beside those of the whole against the truth, in object
pixels of half period: [halves, whole, ratio].
"""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

import napari_scicompty as sc
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.workflow.half_sets import run_halves

OBJECTS = ("pictures", "siemens-star")
PHOTONS = (1e3, 3e3, 1e4, 3e4)
SEEDS = (0, 1, 2)
PLANS = {
    "epie": [(sc.EPIE(), 60)],
    "rpie": [(sc.RPIE(), 60)],
    "averaged": [(sc.EPIE(), 60), (sc.EPIE(alpha_object=0.1, alpha_probe=0.1), 20)],
}


def measure(target: str, photons: float, seed: int, plan: str) -> dict[str, Any]:
    """Half sets and the whole of one experiment, from a disc."""
    experiment = sc.VirtualExperiment(
        object={"kind": target},
        path={"step_px": 10},
        detector={"frame": 96, "photons": photons},
        seed=seed,
    )
    scan, truth = sc.simulate(experiment)
    row: dict[str, Any] = {"object": target, "photons": photons, "seed": seed}
    try:
        halves = _halves(scan, experiment.probe_radius_m, plan, seed)
        whole = _whole(scan, experiment.probe_radius_m, plan, seed)
    except sc.DivergedError as error:
        return row | {"diverged": str(error).partition(";")[0]}
    judged = sc.metrics.compare(whole, truth)
    known = judged.ring_correlation()
    for name in ("one_bit_crossing", "half_bit_crossing"):
        pair = [getattr(frc, name).half_period_m for frc in (halves, known)]
        row[name] = [p and round(p / halves.pixel_m, 2) for p in pair]
        if all(pair):
            row[name].append(round(pair[0] / pair[1], 3))
    row["one_minus_C"] = float(f"{1 - judged.correlation:.2g}")
    return row


def _halves(
    scan: sc.Scan, radius_m: float, plan: str, seed: int
) -> sc.metrics.FourierRingCorrelation:
    stages = [(rule, RunSettings(epochs=n, seed=seed)) for rule, n in PLANS[plan]]
    halves = run_halves(scan, stages, sc.DiscProbe(radius_m=radius_m))
    while True:
        try:
            next(halves)
        except StopIteration as end:
            return end.value.frc


def _whole(scan: sc.Scan, radius_m: float, plan: str, seed: int) -> sc.Snapshot:
    last: Any = sc.DiscProbe(radius_m=radius_m)
    for rule, epochs in PLANS[plan]:
        *_, last = sc.reconstruct(scan, rule, epochs=epochs, start=last, seed=seed)
    return last


def main() -> None:
    """Measure and print one line an experiment."""
    for plan in sys.argv[1:] or PLANS:
        for target, photons, seed in itertools.product(OBJECTS, PHOTONS, SEEDS):
            row = measure(target, photons, seed, plan)
            print(json.dumps({"plan": plan} | row), flush=True)


if __name__ == "__main__":
    main()
