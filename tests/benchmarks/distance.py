"""Distance and positions refined together: ``python tests/benchmarks/distance.py``.

``distance.py run [PRESET [SIGMA_PX [SIGN [SEED [EPOCHS]]]]]``: the AD paper's appendix
(presets ``autodiff-...``), told a distance 30 % too long (SIGN 1) or short (-1) and
positions with gaussian errors, followed epoch by epoch.

``distance.py table SIGMA_PX EPOCHS``: all distances, both signs and three seeds, by
every way of ``--columns`` (``recipe,auto,published,valley,after``). Each run adds a
line to ``--rows``; what is there is not run again, so that a table can be made in
parts. Medians over the seeds come last.

The scaled distance is what is left after the common scale of positions and distance,
which the patterns cannot fix, is taken off.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import napari_scicompty as sc
from napari_scicompty.simulation import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT = (10, 20, 30, 60, 75, 100, 150)
DISTANCES_MM = (65, 80, 100, 150, 200)
SIGNS = (1, -1)
SEEDS = (0, 1, 2)
FAR_OFF_PX = 3
BOTH = ("positions", "distance")


class Stage(NamedTuple):
    """An algorithm, what is refined beside it, and for how long."""

    algorithm: Any
    refine: tuple[str, ...]
    epochs: int


def recipe(epochs: int) -> list[Stage]:
    """M-rPIE with the default refiners: "refine everything"."""
    return [Stage(sc.RPIE(), BOTH, epochs)]


def auto(epochs: int) -> list[Stage]:
    """Auto with the default refiners, which may end before."""
    return [Stage(sc.Auto(), BOTH, epochs)]


def published(epochs: int) -> list[Stage]:
    """Plain joint Adam on the intensities, as the AD paper has it (eqs. 6 and 11)."""
    algorithm = sc.AutoDiff(
        free_positions=True,
        free_distance=True,
        loss="intensity",
        view="bilinear",
        optimiser="adam",
        rate_object=0.08,  # 0.02 of the amplitude a step
        rate_probe=0.04,
        rate_distance=0.001,
        position_pull=1e-4,
        start_positions=0,
        start_distance=0,
        half_life=1000,
    )
    return [Stage(algorithm, (), epochs)]


def valley(epochs: int) -> list[Stage]:
    """AD by momentum, positions free, the distance along its valley."""
    return [Stage(sc.AutoDiff(free_positions=True), ("distance",), epochs)]


def after(epochs: int) -> list[Stage]:
    """The recipe, and 30 more epochs of AD with free positions and small moves."""
    gentle = sc.AutoDiff(free_positions=True, rate_positions_px=0.05, damping=1)
    return [*recipe(epochs), Stage(gentle, (), 30)]


COLUMNS: dict[str, Callable[[int], list[Stage]]] = {
    "recipe": recipe,
    "auto": auto,
    "published": published,
    "valley": valley,
    "after": after,
}
"""Name -> stages of a run of so many epochs."""


def simulated(
    preset: str, sigma_px: float, sign: int, seed: int
) -> tuple[sc.Scan, Any]:
    """Simulate a preset, told a wrong distance and wrong positions."""
    wrong = {"gaussian_px": sigma_px, "distance_error": 0.3 * sign}
    experiment = PRESETS[preset].experiment
    return sc.simulate(experiment.replace(mistakes=wrong, seed=seed))


def snapshots(scan: sc.Scan, stages: list[Stage]) -> Iterator[sc.Snapshot]:
    """Carry out the stages, each from where the last one ended."""
    begin: Any = "auto"
    for algorithm, refine, epochs in stages:
        for snapshot in sc.reconstruct(
            scan, algorithm, epochs=epochs, refine=refine, start=begin
        ):
            yield snapshot
        begin = snapshot


def judged(snapshot: sc.Snapshot, truth: Any) -> dict[str, float]:
    """Judge distance and positions, once the affine map is removed."""
    found = sc.metrics.position_error(snapshot.positions_m, truth.positions_m)
    away = np.hypot(*(found.residuals_m / snapshot.pixel_size_m).T)
    ratio = snapshot.distance_m / truth.distance_m
    return {
        "distance_off_percent": 100 * (ratio - 1),
        "scaled_off_percent": 100 * (ratio / found.map.magnification - 1),
        "positions_median_px": float(np.median(away)),
        "positions_mean_px": float(away.mean()),
        "lost_percent": 100 * float((away > FAR_OFF_PX).mean()),
        "error": snapshot.error,
        "epochs": snapshot.epoch,
    }


def rounded(row: dict[str, float]) -> dict[str, float]:
    """Three digits of each number."""
    return {name: float(f"{value:.3g}") for name, value in row.items()}


def follow(preset: str, sigma_px: float, sign: int, seed: int, epochs: int) -> None:
    """Print one run of the recipe at some epochs."""
    scan, truth = simulated(preset, sigma_px, sign, seed)
    refine = BOTH if sigma_px else ("distance",)
    for snapshot in snapshots(scan, [Stage(sc.RPIE(), refine, epochs)]):
        if snapshot.epoch in (*AT, epochs):
            row = {"epoch": snapshot.epoch} | rounded(judged(snapshot, truth))
            print(json.dumps(row), flush=True)


def table(
    sigma_px: float,
    epochs: int,
    columns: list[str],
    distances_mm: list[int],
    rows: Path,
) -> None:
    """Run what is not there yet, and print the medians over the seeds."""
    done = read(rows)
    for column, seed, mm, sign in itertools.product(
        columns, SEEDS, distances_mm, SIGNS
    ):
        key = (column, sigma_px, epochs, mm, sign, seed)
        if key in done:
            continue
        scan, truth = simulated(f"autodiff-{mm}mm", sigma_px, sign, seed)
        began = time.perf_counter()
        try:
            *_, last = snapshots(scan, COLUMNS[column](epochs))
        except sc.DivergedError as diverged:
            print(diverged, flush=True)
            last = diverged.snapshot
        seen = judged(last, truth) | {"seconds": time.perf_counter() - began}
        done[key] = seen
        with rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, seen]) + "\n")
        print(*key, json.dumps(rounded(seen)), flush=True)
    for column in columns:
        show(column, sigma_px, epochs, distances_mm, done)


def read(rows: Path) -> dict[tuple[Any, ...], dict[str, float]]:
    """What earlier runs found."""
    if not rows.exists():
        return {}
    lines = rows.read_text(encoding="utf-8").splitlines()
    return {tuple(key): seen for key, seen in map(json.loads, lines)}


def show(
    column: str,
    sigma_px: float,
    epochs: int,
    distances_mm: list[int],
    done: dict[tuple[Any, ...], dict[str, float]],
) -> None:
    """Print a way's medians over the seeds; of distances, the sizes are taken."""
    print(
        f"\n{column}, sigma {sigma_px:g} px, {epochs} epochs: medians over the seeds\n"
    )
    names = "z (mm)", "told", "z (%)", "scaled (%)", "median (px)", "mean (px)"
    names = *names, "lost (%)", "error", "epochs", "seconds", "seeds"
    print("|", " | ".join(names), "|")
    print("|---" * len(names) + "|")
    for mm, sign in itertools.product(distances_mm, SIGNS):
        keys = [(column, sigma_px, epochs, mm, sign, seed) for seed in SEEDS]
        seen = [done[key] for key in keys if key in done]
        if not seen:
            continue
        middle = {k: statistics.median(abs(s[k]) for s in seen) for k in seen[0]}
        *numbers, error, ended, seconds = middle.values()
        cells = " | ".join(f"{value:.2f}" for value in numbers)
        print(
            f"| {mm} | {30 * sign:+d} % | {cells} | {error:.2g} | {ended:.0f} "
            f"| {seconds:.0f} | {len(seen)} |"
        )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ways = parser.add_subparsers(dest="way", required=True)
    run = ways.add_parser("run")
    run.add_argument("preset", nargs="?", default="autodiff-100mm")
    run.add_argument("sigma_px", nargs="?", type=float, default=5)
    run.add_argument("sign", nargs="?", type=int, default=1)
    run.add_argument("seed", nargs="?", type=int, default=0)
    run.add_argument("epochs", nargs="?", type=int, default=100)
    every = ways.add_parser("table")
    every.add_argument("sigma_px", type=float)
    every.add_argument("epochs", type=int)
    every.add_argument("--columns", default=",".join(COLUMNS))
    every.add_argument("--distances", default=",".join(map(str, DISTANCES_MM)))
    every.add_argument("--rows", type=Path, default=Path("build/distance.jsonl"))
    given = vars(parser.parse_args())
    if given.pop("way") == "run":
        follow(**given)
        return
    given["rows"].parent.mkdir(parents=True, exist_ok=True)
    distances = [int(mm) for mm in given.pop("distances").split(",")]
    columns = given.pop("columns").split(",")
    table(**given, columns=columns, distances_mm=distances)


if __name__ == "__main__":
    main()
