"""How good the reconstructions are: ``python tests/benchmarks/quality.py [DATA]``.

Virtual experiments against their truth, and, where DATA (a folder with
``siemens_star/stack.tif`` and ``positions_m.txt``) is given, the measured star.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import napari_scicompty as sc

AT = (15, 60, 100, 200)
"""Epochs at which the virtual experiments are judged."""


def virtual(modes: int) -> dict[str, object]:
    """Reconstruct a noiseless virtual experiment from a disc."""
    experiment = sc.VirtualExperiment(modes=modes, detector={"photons": None})
    scan, truth = sc.simulate(experiment)
    start = sc.DiscProbe(experiment.probe_radius_m)
    rows = {}
    for snapshot in sc.reconstruct(
        scan, sc.RPIE(), epochs=AT[-1], modes=modes, start=start
    ):
        if snapshot.epoch in AT:
            found = sc.metrics.compare(snapshot, truth)
            rows[snapshot.epoch] = {
                "error": float(f"{snapshot.error:.3g}"),
                "one_minus_C": float(f"{1 - found.correlation:.2g}"),
                "smallest_principal_cosine": round(float(found.cosines[-1]), 5),
            }
    return {"modes": modes, "positions": len(scan), "epochs": rows}


def star(data: Path) -> dict[str, object]:
    """Reconstruct the measured star with nothing but its nominal geometry."""
    folder = data / "siemens_star"
    scan = sc.open_scan(
        folder / "stack.tif",
        folder / "positions_m.txt",
        geometry=sc.Geometry(1.4089113454545454e-10, 1.92, 75e-6),
    )
    *_, last = sc.reconstruct(scan, sc.RPIE(), epochs=40, modes=3, start="auto")
    return {"error": last.error, "notes": last.history.notes}


def main() -> None:
    """Measure and print."""
    results: dict[str, object] = {"virtual": [virtual(modes) for modes in (1, 3)]}
    if len(sys.argv) > 1:
        results["measured_star"] = star(Path(sys.argv[1]))
    print(json.dumps(results, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
