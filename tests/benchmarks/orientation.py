"""How often the orientation that is found is right, and how sure it says it is.

Simulated scans of many kinds, 1e3 to 1e6 photons a pattern, each with its patterns
turned or mirrored by chance:

    python tests/benchmarks/orientation.py --first 0 --count 60

With ``--measured FOLDER`` the measured star and p25, turned in 24 ways.

A line a scan, then how often answers of 95 % and more were right. Scans 0 to 59 were
used to choose the constants of the confidence, those from 100 on were not.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import napari_scicompty as sc
from napari_scicompty.core.quarter_turns import matrix_of
from napari_scicompty.workflow.orientation import SURE
from napari_scicompty.workflow.orientation_search import ALL, PATTERNS, Trials

OBJECTS: list[dict[str, Any]] = [
    {"kind": "siemens-star"},
    {"kind": "cells"},
    {"kind": "cells", "radius": 0.04, "phase_rad": 0.3, "absorption": 0.02},
    {"kind": "bars"},
    {"kind": "pictures", "magnitude": "camera", "phase": "coffee"},
    {"kind": "pictures", "magnitude": "tissue", "phase": "tissue"},
]
BEAMS: list[dict[str, Any]] = [
    {"kind": "disc", "radius": 0.22},
    {"kind": "disc", "radius": 0.3, "diffuser_rad": 0.0},
    {"kind": "spherical", "radius": 0.25},
    {"kind": "zernike", "radius": 0.3, "aberration_rad": 1.0},
]


def experiment(number: int) -> sc.VirtualExperiment:
    """Return a virtual experiment, the same for the same number."""
    draw = np.random.default_rng([number, 9])
    near = draw.random() < 0.25
    rows = int(draw.integers(7, 13))
    kinds = ("jittered-raster", "fermat")
    kind = kinds[int(draw.integers(2))]
    path: dict[str, Any] = {"kind": kind, "step_px": float(draw.uniform(5, 12))}
    if kind == "fermat":
        path["points"] = rows * rows
    else:
        path |= {"rows": rows, "columns": rows, "jitter": 0.15}
    beam = BEAMS[int(draw.integers(len(BEAMS)))]
    photons = float(10 ** draw.uniform(3, 6))
    common = {
        "object": OBJECTS[int(draw.integers(len(OBJECTS)))],
        "path": path,
        "modes": 1 if draw.random() < 0.7 else 2,
        "seed": number,
    }
    if near:
        return sc.VirtualExperiment(
            **common,
            probe={"kind": "disc", "radius": 0.42},
            propagation="near-field",
            wavelength_m=1e-10,
            distance_m=float(draw.uniform(0.5, 2)),
            focus_sample_m=None,
            detector={"frame": 64, "photons": 30 * photons, "pixel_m": 1e-6},
        )
    focus = float(draw.choice([2e-3, 5e-3, -5e-3, 1.0]))
    return sc.VirtualExperiment(
        **common,
        probe=beam,
        focus_sample_m=focus,
        detector={"frame": 64, "photons": photons},
    )


def judged(number: int) -> dict[str, Any]:
    """Turn a scan's patterns by chance, ask for the orientation, compare."""
    scan, _ = sc.simulate(experiment(number))
    turn = ALL[np.random.default_rng([number, 8]).integers(len(ALL))]
    began = time.perf_counter()
    trials = Trials(turn.apply(scan))
    found = trials.all_judged()
    whole = [
        matrix_of(c.transpose, c.flip_rows, c.flip_columns)
        @ matrix_of(turn.transpose, turn.flip_rows, turn.flip_columns)
        for c in found
    ]
    near = scan.geometry.propagation == "near-field"
    signs = (1,) if near else (1, -1)
    right = [
        any(np.allclose(m, s * np.eye(2)) for s in signs) and abs(c.rotation_deg) < 3
        for c, m in zip(found, whole, strict=True)
    ]
    return {
        "number": number,
        "near": near,
        "photons": round(scan.pattern_sum.mean()),
        "patterns": len(scan),
        "right": right.index(True) if True in right else None,
        "confidence": round(found[0].confidence, 4),
        "found": str(found[0]),
        "evidence": [[round(x, 3) for x in trials.evidence(c)] for c in found],
        "motion": trials.motion and round(trials.motion.strength, 1),
        "seconds": round(time.perf_counter() - began, 1),
    }


def measured(folder: Path, patterns: int) -> None:
    """Turn the measured star in 8 ways, x and y swapped or not, and p25 in 8 ways."""
    star = sc.open_scan(
        folder / "siemens_star" / "stack.tif",
        folder / "siemens_star" / "positions_m.txt",
        wavelength_m=1.4089113454545454e-10,
        distance_m=1.92,
        detector_pixel_m=75e-6,
    )
    p25 = sc.open_scan(
        folder / "p25_nearfield" / "PETRAIII_P25_Near_Field_Ptycho.cxi",
        propagation="near-field",
        focus_sample_m=3.65e-3,
    )
    cases = [(star, turn, swap) for turn in ALL for swap in (False, True)]
    cases += [(p25, turn, False) for turn in ALL]
    right, times = 0, []
    for scan, turn, swap in cases:
        done = replace(turn, swap_xy=swap)
        began = time.perf_counter()
        best = Trials(done.apply(scan), patterns=patterns).all_judged()[0]
        times.append(time.perf_counter() - began)
        swapped = matrix_of(swap, False, False)
        whole = swapped @ best.frames_matrix @ turn.frames_matrix
        signs = (1, -1) if best.has_twin else (1,)
        is_right = any(np.allclose(whole, s * np.eye(2)) for s in signs)
        right += is_right
        name = "star" if scan is star else "p25"
        print(
            f"{name} {done.words}: {best}, {'right' if is_right else 'WRONG'}, "
            f"{times[-1]:.1f} s",
            flush=True,
        )
    print(
        f"{patterns} patterns: {right} of {len(cases)} right; {np.median(times):.1f} s "
        f"each, at most {max(times):.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--measured", type=Path, help="Folder of the measured scans.")
    parser.add_argument("--patterns", type=int, default=PATTERNS)
    asked = parser.parse_args()
    if asked.measured is not None:
        measured(asked.measured, asked.patterns)
        return
    rows = []
    for number in range(asked.first, asked.first + asked.count):
        rows.append(judged(number))
        print(json.dumps(rows[-1]), flush=True)
    sure = [r for r in rows if r["confidence"] >= SURE]
    right = sum(r["right"] == 0 for r in sure)
    best = sum(r["right"] == 0 for r in rows)
    print(
        f"{len(rows)} scans, best right in {best}; {len(sure)} sure, of which {right} "
        f"right; {len(rows) - len(sure)} undecided"
    )


if __name__ == "__main__":
    main()
