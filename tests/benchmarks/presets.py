"""The presets against their truth: ``python tests/benchmarks/presets.py [NAME ...]``.

Each is simulated and reconstructed with its own recipe, as the paper has it and, where
it holds mistakes, without them too.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time

import napari_scicompty as sc
from napari_scicompty.simulation import PRESETS, Preset


def judged(preset: Preset) -> dict[str, object]:
    """Simulate, reconstruct and compare with the truth."""
    recipe = sc.Recipe.of_preset(preset)
    begun = time.perf_counter()
    scan, truth = sc.simulate(preset.experiment)
    simulated = time.perf_counter()
    *_, last = recipe.run(scan)
    done = time.perf_counter()
    found = sc.metrics.compare(last, truth)
    return {
        "patterns": list(scan.patterns.shape),
        "epochs": last.epoch,
        "error": float(f"{last.error:.3g}"),
        "one_minus_C": float(f"{1 - found.correlation:.2g}"),
        "ssim_magnitude": round(found.ssim.magnitude, 4),
        "ssim_phase": round(found.ssim.phase, 4),
        "smallest_principal_cosine": round(float(found.cosines[-1]), 4),
        "seconds_to_simulate": round(simulated - begun, 1),
        "seconds_to_reconstruct": round(done - simulated, 1),
    }


def main() -> None:
    """Measure and print, preset by preset."""
    results = {}
    for name in sys.argv[1:] or PRESETS:
        preset = PRESETS[name]
        results[name] = judged(preset)
        if preset.experiment.mistakes.made:
            right = dataclasses.replace(preset, experiment=preset.without_mistakes)
            results[f"{name}, no mistakes"] = judged(right)
        print(name, results[name], file=sys.stderr, flush=True)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
