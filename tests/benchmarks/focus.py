"""The focus of a measured cone beam: ``python tests/benchmarks/focus.py CXI``.

CXI is ``PETRAIII_P25_Near_Field_Ptycho.cxi``. Its focus-sample distance is told wrong
by a factor; after EPOCHS (40) the one that the curvature says is taken over, and
the run goes on for twice as many. Errors are medians over the last ten epochs: single
ones scatter by several per cent.
"""

from __future__ import annotations

import json
import sys

import numpy as np

import napari_scicompty as sc

FOCUS_SAMPLE_M = 3.65e-3
FACTORS = (0.8, 0.9, 1.0, 1.1, 1.2)


def run(scan: sc.Scan, epochs: int, **start: sc.Snapshot) -> tuple[sc.Snapshot, float]:
    """Run on; return the last snapshot and the settled error."""
    shots = list(sc.reconstruct(scan, sc.RPIE(), epochs=epochs, device="cpu", **start))
    return shots[-1], float(np.median([shot.error for shot in shots[-11:-1]]))


def seen(snapshot: sc.Snapshot) -> dict[str, float]:
    """Focus and its standard error in mm, and how far off in per cent."""
    found = sc.metrics.probe_focus(snapshot)
    focus = found.focus_sample_m or np.nan
    return {
        "focus_mm": round(1e3 * focus, 3),
        "uncertainty_mm": round(1e3 * found.uncertainty_m, 3),
        "off_percent": round(100 * (focus / FOCUS_SAMPLE_M - 1), 2),
    }


def main() -> None:
    """Measure and print."""
    path, epochs = sys.argv[1], int((*sys.argv[2:], 40)[0])
    right = sc.open_scan(path, focus_sample_m=FOCUS_SAMPLE_M, propagation="near-field")
    for factor in FACTORS:
        geometry = right.geometry.replace(focus_sample_m=factor * FOCUS_SAMPLE_M)
        scan = right.with_geometry(geometry)
        last, error = run(scan, epochs)
        told = {"told": factor, "error": round(error, 5), **seen(last)}
        print(json.dumps(told), flush=True)
        scan, last = sc.with_focus(
            scan, last, sc.metrics.probe_focus(last).focus_sample_m
        )
        for more in (epochs, epochs):
            last, error = run(scan, more, start=last)
            after = {"epoch": last.epoch, "error": round(error, 5), **seen(last)}
            print(" ", json.dumps(after), flush=True)


if __name__ == "__main__":
    main()
