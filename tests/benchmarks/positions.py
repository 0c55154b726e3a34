"""How well positions are refined: ``python tests/benchmarks/positions.py WHAT [...]``.

``accuracy``             the default refiner on the papers' settings, three seeds
``auto``                 the same under Auto, which may end before
``compare [FIGURE]``     all signals and gains, with curves as in Figs. S9 to S14
``star DATA``            the measured star with known errors added to its positions
``cost``                 time of an epoch with and without refinement, in one run

Settings: 128 px views, 10 x 10 positions 22 px apart, object and probe from two
pictures each, unknown, started flat; "low" has 1e8 counts at the peak of the mean
pattern, "noisy" 1e5, both a readout noise of 2 counts.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import napari_scicompty as sc
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.workflow.reconstruction import prepare

INJECTED: dict[str, dict[str, float]] = {
    "true": {},
    "uniform 7": {"uniform_px": 7},
    "uniform 14": {"uniform_px": 14},
    "gaussian 5 %": {"gaussian_px": 0.05 * 128},
}
PEAKS = {"low": 1e8, "noisy": 1e5}
ACCURACY = (
    ("uniform 7", "low", (60, 150)),
    ("uniform 14", "low", (150,)),
    ("gaussian 5 %", "low", (300,)),
    ("gaussian 5 %", "noisy", (300,)),
    ("true", "low", (150,)),
)
SEEDS = (0, 1, 2)
KEEP = {"search_every": 0}
REFINERS = {
    "none": None,
    "A, gain 1": sc.CrossCorrelationShift(gain="constant", rate_px=1, **KEEP),
    "A, gain 10": sc.CrossCorrelationShift(gain="constant", rate_px=10, **KEEP),
    "A, feedback": sc.CrossCorrelationShift(gain="feedback", rate_px=10, **KEEP),
    "A, Adam": sc.CrossCorrelationShift(rate_px=1, **KEEP),
    "B, gain 1": sc.CrossCorrelationShift(
        plane="detector", gain="constant", rate_px=1, **KEEP
    ),
    "B, Adam": sc.CrossCorrelationShift(plane="detector", rate_px=1, **KEEP),
    "least squares, gain 10": sc.LeastSquaresShift(gain="constant", rate_px=10, **KEEP),
    "least squares, Adam": sc.LeastSquaresShift(**KEEP),
    "least squares, Adam, lost views searched": sc.LeastSquaresShift(),
}
"""A and B: cross-correlation at the object and at the detector."""


@cache
def simulated(injected: str, noise: str, seed: int) -> tuple[sc.Scan, Any]:
    """Simulate a setting; the peak of the mean pattern fixes the photons."""
    experiment = sc.VirtualExperiment(
        object={"kind": "pictures", "magnitude": "coffee", "phase": "tissue"},
        probe={"kind": "pictures", "magnitude": "cat", "phase": "astronaut"},
        path={"kind": "jittered-raster", "rows": 10, "columns": 10, "step_px": 22},
        detector={"photons": None},
        mistakes=INJECTED[injected],
        seed=seed,
    )
    bright, _ = sc.simulate(experiment)
    photons = PEAKS[noise] * bright.pattern_sum.mean() / bright.mean_pattern.max()
    noisy = {"photons": float(photons), "readout_sigma": 2, "dark_level": 100}
    return sc.simulate(experiment.replace(detector=noisy))


def judged(snapshot: sc.Snapshot, truth: Any) -> dict[str, float]:
    """Position error in pixels after removing the common shift, and 1 - |C|."""
    found = sc.metrics.position_error(
        snapshot.positions_m, truth.positions_m, affine=False
    )
    away = np.hypot(*(found.residuals_m / snapshot.pixel_size_m).T)
    return {
        "mean_px": float(away.mean()),
        "median_px": float(np.median(away)),
        "lost": float((away > 3).mean()),
        "error": snapshot.error,
    }


def run(
    injected: str,
    noise: str,
    seed: int,
    refiner: Any,
    marks: tuple[int, ...],
    algorithm: Any = None,
) -> dict[str, Any]:
    """Reconstruct once; return what is seen at some epochs, and the curves.

    A run that ends before a mark is looked at there as it has ended.
    """
    scan, truth = simulated(injected, noise, seed)
    start = sc.DiscProbe(0.35 * 128 * scan.pixel_size_m[0])
    refine = [] if refiner is None else [refiner]
    rows, curve = {}, []
    try:
        for snapshot in sc.reconstruct(
            scan,
            algorithm or sc.RPIE(),
            epochs=marks[-1],
            start=start,
            refine=refine,
        ):
            seen = judged(snapshot, truth)
            moves = [item.change for item in snapshot.history.refined[-1:]]
            curve.append((seen["error"], seen["mean_px"], *(moves or [0.0])))
            if snapshot.epoch in marks:
                against = sc.metrics.compare(snapshot, truth)
                seen["one_minus_C"] = 1 - against.correlation
                rows[snapshot.epoch] = seen
        for mark in marks:
            ended = judged(snapshot, truth) | {"epochs": snapshot.epoch}
            against = sc.metrics.compare(snapshot, truth)
            rows.setdefault(mark, ended | {"one_minus_C": 1 - against.correlation})
    except sc.DivergedError as failure:
        rows[marks[-1]] = judged(failure.snapshot, truth) | {"diverged": True}
    return {"epochs": rows, "curve": curve}


def accuracy(algorithm: Any = None) -> list[dict[str, Any]]:
    """The default refiner; medians over the seeds, and every seed."""
    table = []
    for injected, noise, marks in ACCURACY:
        runs = [
            run(injected, noise, seed, sc.LeastSquaresShift(), marks, algorithm)
            for seed in SEEDS
        ]
        for epoch in marks:
            seen = [r["epochs"][epoch] for r in runs]
            median = {
                k: statistics.median(s[k] for s in seen)
                for k in ("mean_px", "median_px", "lost", "error", "one_minus_C")
            }
            table.append(
                {"injected": injected, "noise": noise, "epoch": epoch}
                | {"median": median, "seeds": seen}
            )
            print(json.dumps(rounded(table[-1])), flush=True)
    injected, noise, marks = ACCURACY[3]
    for seed in SEEDS:
        exact = run("true", noise, seed, None, marks)["epochs"][marks[-1]]
        print(json.dumps({"true positions, noisy, seed": seed} | rounded(exact)))
    return table


def compare(figure: Path | None) -> dict[str, Any]:
    """All refiners, one seed, 100 epochs."""
    curves: dict[str, Any] = {}
    for injected, noise in (("uniform 7", "low"), ("gaussian 5 %", "noisy")):
        for name, refiner in REFINERS.items():
            began = time.perf_counter()
            found = run(injected, noise, 0, refiner, (100,))
            curves[f"{injected}, {noise}: {name}"] = found["curve"]
            row = found["epochs"][100] | {"seconds": time.perf_counter() - began}
            print(
                json.dumps(
                    {"injected": injected, "noise": noise, "refiner": name}
                    | rounded(row)
                ),
                flush=True,
            )
    if figure is not None:
        draw(curves, figure)
    return curves


def draw(curves: dict[str, Any], path: Path) -> None:
    """Draw error, true position error and mean move over the epochs."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    settings = list(dict.fromkeys(name.split(": ")[0] for name in curves))
    shape = (len(settings), 3)
    page, axes = plt.subplots(*shape, figsize=(11, 6.5), layout="constrained")
    labels = ("Error", "True position error (px)", "Mean move (px)")
    colours = mpl.colormaps["tab10"].colors
    for row, setting in zip(axes, settings, strict=True):
        chosen = {k: v for k, v in curves.items() if k.startswith(setting)}
        for colour, (name, curve) in zip(colours, chosen.items(), strict=True):
            for axis, values in zip(row, np.array(curve).T, strict=True):
                values = np.where(values > 0, values, np.nan)
                axis.semilogy(values, label=name.split(": ")[1], color=colour)
        for axis, label in zip(row, labels, strict=True):
            axis.set(xlabel="Epoch", ylabel=label, title=setting)
            axis.grid(alpha=0.2)
    handles, names = axes[0, 0].get_legend_handles_labels()
    page.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8)
    page.savefig(path, dpi=130)


def star(data: Path) -> None:
    """The measured star: errors of 3 px added, and recovered."""
    folder = data / "siemens_star"
    geometry = sc.Geometry(1.4089113454545454e-10, 1.92, 75e-6)
    scan = sc.open_scan(
        folder / "stack.tif", folder / "positions_m.txt", geometry=geometry
    )
    start = sc.PupilProbe(1.012e-3)  # what the search finds
    options: dict[str, Any] = {"epochs": 100, "modes": 3, "start": start}
    *_, base = sc.reconstruct(scan, sc.RPIE(), refine=["positions"], **options)
    print(json.dumps({"refined, nothing added": base.error}), flush=True)
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        added = rng.normal(0, 3, scan.positions_m.shape) * scan.pixel_size_m
        wrong = scan.replace(positions_m=scan.positions_m + added)
        *_, last = sc.reconstruct(wrong, sc.RPIE(), refine=["positions"], **options)
        found = sc.metrics.position_error(last.positions_m, base.positions_m)
        away = np.hypot(*(found.residuals_m / scan.pixel_size_m).T)
        row = {
            "seed": seed,
            "error": last.error,
            "over_unperturbed": last.error / base.error,
            "mean_px": float(away.mean()),
            "median_px": float(np.median(away)),
        }
        print(json.dumps(rounded(row)), flush=True)


def cost() -> None:
    """Seconds of an epoch, one thread, interleaved."""
    scan, _ = simulated("uniform 7", "low", 0)
    start = sc.DiscProbe(0.35 * 128 * scan.pixel_size_m[0])
    chosen = RunSettings(epochs=10_000, device="cpu", threads=1)
    runs = {
        name: prepare(scan, sc.RPIE(), chosen, start, refine=refine)
        for name, refine in (
            ("without", []),
            ("least squares", [sc.LeastSquaresShift()]),
            ("cross-correlation", [sc.CrossCorrelationShift()]),
        )
    }
    for each in runs.values():
        for _ in range(12):
            each.advance()
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(30):
        for name, each in runs.items():
            began = time.perf_counter()
            each.advance()
            spent[name].append(time.perf_counter() - began)
    means = {name: statistics.fmean(times) for name, times in spent.items()}
    ratios = {name: mean / means["without"] for name, mean in means.items()}
    print(json.dumps({"seconds_an_epoch": rounded(means), "over": rounded(ratios)}))


def rounded(value: Any) -> Any:
    """Round every number of a table to four digits."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    """Measure what was asked for, and print it."""
    what, *rest = sys.argv[1:] or ["accuracy"]
    path = Path(rest[0]) if rest else None
    if what == "compare":
        compare(path)
    elif what == "star":
        star(path or Path("../shared/data"))
    else:
        own = {"accuracy": accuracy, "auto": lambda: accuracy(sc.Auto()), "cost": cost}
        own[what]()


if __name__ == "__main__":
    main()
