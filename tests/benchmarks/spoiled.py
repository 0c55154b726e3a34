"""Spoiled frames: which are named, when, and what is left without them.

Five of 100 patterns are spoiled in six ways; the rows tell how many of them the check
before the run named, how many the verdict at epoch 5 named besides, whether others were
named, and 1 - |C| after 30 epochs with all patterns, without those that were named, and
of the clean scan:

    python tests/benchmarks/spoiled.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import napari_scicompty as sc

if TYPE_CHECKING:
    from collections.abc import Callable

BAD = (12, 33, 47, 58, 81)
EXPERIMENT = sc.VirtualExperiment(
    probe={"kind": "disc", "radius": 0.22},
    path={"kind": "jittered-raster", "rows": 10, "columns": 10, "step_px": 8},
    detector={"frame": 64, "photons": 1e6},
    focus_sample_m=5e-3,
)
RNG = np.random.default_rng(5)


def noise(frames: np.ndarray, j: int) -> np.ndarray:
    return RNG.poisson(frames[j].mean(), frames[j].shape)


WAYS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "near-empty": lambda f, j: RNG.poisson(80 / f[j].size, f[j].shape),
    "far too bright": lambda f, j: 20 * f[j],
    "noise": noise,
    "doubled": lambda f, j: f[j - 1],
    "shifted by (6, -4)": lambda f, j: np.roll(f[j], (6, -4), (0, 1)),
    "shifted by (2, 1)": lambda f, j: np.roll(f[j], (2, 1), (0, 1)),
    "of another place": lambda f, j: f[(j + 37) % 100],
}


def away(scan: sc.Scan, truth: sc.Truth, algorithm: object, epochs: int) -> float:
    start = sc.DiscProbe(radius_m=EXPERIMENT.probe_radius_m)
    *_, last = sc.reconstruct(scan, algorithm, epochs=epochs, start=start, device="cpu")
    return 1 - sc.metrics.compare(last, truth).correlation


def named_by_epoch(scan: sc.Scan) -> set[int]:
    start = sc.DiscProbe(radius_m=EXPERIMENT.probe_radius_m)
    named: set[int] = set()
    recipe_run = sc.reconstruct(scan, sc.RPIE(), epochs=5, start=start, device="cpu")
    for snapshot in recipe_run:
        for note in snapshot.history.notes:
            if "times worse" in note:
                numbers = note.split("pattern(s) ")[1].split(" fit")[0]
                named |= {int(n) for n in numbers.split(",")}
    return named


def main() -> None:
    scan, truth = sc.simulate(EXPERIMENT)
    frames = np.asarray(scan.patterns)
    clean = away(scan, truth, sc.RPIE(), 30)
    print(f"clean: {clean:.5f}")
    for name, spoil in WAYS.items():
        changed = frames.astype(np.int64)
        for j in BAD:
            changed[j] = spoil(frames.astype(np.int64), j)
        spoiled = scan.replace(patterns=changed.astype(np.int32))
        before = {
            j
            for finding in sc.check(spoiled, device="cpu")
            if finding.level != "ok"
            for j in finding.patterns
        }
        later = named_by_epoch(spoiled.exclude(sorted(before)) if before else spoiled)
        named = before | later
        rest = spoiled.exclude(sorted(named)) if named else spoiled
        print(
            f"{name}: {len(before & set(BAD))} before, "
            f"{len(named & set(BAD)) - len(before & set(BAD))} more by epoch 5, "
            f"others named: {sorted(named - set(BAD))}; 1 - |C| "
            f"{away(spoiled, truth, sc.RPIE(), 30):.5f} with all, "
            f"{away(rest, truth, sc.RPIE(), 30):.5f} without",
            flush=True,
        )
    without = scan.exclude(BAD)
    print(f"clean without the five: {away(without, truth, sc.RPIE(), 30):.5f}")


if __name__ == "__main__":
    main()
