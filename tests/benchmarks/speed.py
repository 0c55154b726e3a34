"""How fast a run is: ``python tests/benchmarks/speed.py [WHAT ...] [--json FILE]``.

``steps``    an epoch over the bare Fourier transforms, all algorithms, sizes and modes
``growth``   how an epoch grows with positions, modes, pixels and object, log-log
``reach``    time to |C| >= 0.99 on the default virtual experiment; beside pty-chi
             where that is installed
``quick``    what a change of the step is judged by: M-rPIE by torch alone and by
             kernels of numba, one position at a time and in batches of five

One thread, whole epochs with their bookkeeping. The transforms ("floor": one forward
and one inverse for each position and mode) are timed in turns with the runs, in one
process. "median" is of whole epochs. "least" is an epoch that nothing disturbed: the
smallest time of each of its steps over all rounds, added up.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import napari_scicompty as sc
from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.engine.kernels import is_installed
from napari_scicompty.engine.run import Run
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.optics.propagators import wave_grid
from napari_scicompty.workflow.start import begin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Step = Callable[[], None]

SIZES = ((128, 121), (256, 400), (512, 100))
"""Side of a view, positions."""
MODES = (1, 3, 5)
QUICK = ((128, 121, 1), (128, 121, 3), (256, 121, 1), (256, 121, 3))
NEAR = sc.Geometry(1e-10, 1e-2, 0.2e-6, propagation="near-field")
"""Spreads by 25 pixels."""
TARGET = 0.99
REACHING = {name: kind() for name, kind in ALGORITHMS.items()} | {
    "rpie, bold": sc.RPIE(alpha_object=1, alpha_probe=1, beta=1, gamma=0.2)
}
"""With their defaults, and what gets there first of some twenty settings."""


@dataclass(frozen=True)
class Case:
    """What is run."""

    side: int = 128
    positions: int = 121
    modes: int = 1
    algorithm: str = "rpie"
    whole: bool = True
    spread_px: float = 80.0
    """Range of the positions: with the side, the size of the object."""
    near: bool = False

    def run(self, **changes: Any) -> Run:
        """Return a run on random patterns, with other settings where told."""
        rng = np.random.default_rng(0)
        geometry = NEAR if self.near else sc.Geometry(1e-10, 1.0, 75e-6)
        pixel = geometry.pixel_size_m((self.side, self.side))
        positions = rng.uniform(0, self.spread_px, (self.positions, 2))
        shape = (self.positions, self.side, self.side)
        scan = sc.Scan(
            rng.poisson(5, shape).astype(np.uint16),
            (positions.round() if self.whole else positions) * pixel,
            geometry,
        )
        start = begin(scan, sc.DiscProbe(self.side * pixel[0] / 4), modes=self.modes)
        chosen = {"epochs": 10**6, "device": "cpu", "threads": 1} | changes
        settings = RunSettings(**chosen)
        return Run(scan, ALGORITHMS[self.algorithm](), start, settings)


@dataclass
class Clock:
    """Times of the steps of an epoch, round after round."""

    act: Step
    steps: int
    rounds: list[list[float]] = field(default_factory=list)

    def go_round(self) -> None:
        """Time an epoch, step by step."""
        times = []
        for _ in range(self.steps):
            began = time.perf_counter()
            self.act()
            times.append(time.perf_counter() - began)
        self.rounds.append(times)

    @property
    def least(self) -> float:
        """Seconds of an epoch that nothing disturbed."""
        return float(np.min(self.rounds[1:], axis=0).sum())

    @property
    def median(self) -> float:
        """Seconds of an epoch."""
        return float(np.median(np.sum(self.rounds[1:], axis=1)))


def clock_of(case: Case, **changes: Any) -> Clock:
    """Return the clock of a run."""
    run = case.run(**changes)
    size = run.settings.batch or run.algorithm.default_batch
    return Clock(run.step, -(-case.positions // size))


def floor_of(case: Case) -> Clock:
    """Return the clock of its bare transforms, one position at a time."""
    grid = (case.side, case.side)
    if case.near:
        grid = wave_grid(NEAR, grid)
    wave = torch.randn(case.modes, *grid, dtype=torch.complex64)

    def act() -> None:
        torch.fft.ifft2(torch.fft.fft2(wave, norm="ortho"), norm="ortho")

    return Clock(act, case.positions)


def timed(clocks: list[Clock], seconds: float) -> None:
    """Let clocks go round in turns, at least three times after one to warm up."""
    began = time.perf_counter()
    with torch.no_grad():
        while len(clocks[0].rounds) < 4 or time.perf_counter() - began < seconds:
            for clock in clocks:
                clock.go_round()


# -- an epoch over its transforms -----------------------------------------------------
def steps(
    sizes: Sequence[tuple[int, int, int]], algorithms: Sequence[str], seconds: float
) -> Iterator[dict[str, Any]]:
    """Time epochs at whole and at fractional positions, and print them as a table."""
    print("| side, positions, modes | algorithm | floor | whole pixels | sub-pixel |")
    print("|---|---|---|---|---|")
    for side, positions, modes in sizes:
        for name in algorithms:
            cases = [
                Case(side, positions, modes, name, whole) for whole in (True, False)
            ]
            clocks = [floor_of(cases[0]), *map(clock_of, cases)]
            timed(clocks, seconds)
            row: dict[str, Any] = {
                "side": side,
                "positions": positions,
                "modes": modes,
                "algorithm": name,
                "rounds": len(clocks[0].rounds) - 1,
            }
            for what, clock in zip(
                ("floor", "whole", "sub_pixel"), clocks, strict=True
            ):
                row |= {
                    f"{what}_median_s": clock.median,
                    f"{what}_least_s": clock.least,
                }
            least = [clock.least for clock in clocks]
            shown = [f"{t:.3f} s, {t / least[0]:.2f} x" for t in least[1:]]
            print(
                f"| {side}, {positions}, {modes} | {name} | {least[0]:.4f} s | "
                + f"{shown[0]} | {shown[1]}, {least[2] / least[1]:.2f} of whole |",
                flush=True,
            )
            yield row


def quick(seconds: float) -> Iterator[dict[str, Any]]:
    """Time M-rPIE by torch alone and by kernels of numba, and print a table."""
    names = ("torch", "numba") if is_installed() else ("torch",)
    print(f"| side, modes | positions | batch | floor | {' | '.join(names)} |")
    print("|---|---|---|---|" + "---|" * len(names))
    kinds = {"whole": (True, False), "sub-pixel": (False, False), "near": (True, True)}
    for side, positions, modes in QUICK:
        for kind, (whole, near) in kinds.items():
            case = Case(side, positions, modes, whole=whole, near=near)
            runs = [(batch, name) for batch in (1, 5) for name in names]
            clocks = [clock_of(case, batch=b, kernels=name) for b, name in runs]
            floor = floor_of(case)
            timed([floor, *clocks], seconds)
            least = [clock.least / floor.least for clock in clocks]
            for batch in (1, 5):
                shown = {
                    n: x for (b, n), x in zip(runs, least, strict=True) if b == batch
                }
                per_position = floor.least / positions * 1e6
                ratios = " | ".join(f"{x:.2f} x" for x in shown.values())
                row = f"{side}, {modes} | {kind} | {batch} | {per_position:.0f} us"
                print(f"| {row} | {ratios} |", flush=True)
                yield {"side": side, "modes": modes, "kind": kind, "batch": batch} | {
                    "floor_us": per_position,
                    **shown,
                }


# -- growth ---------------------------------------------------------------------------
GROWTH: dict[str, tuple[Case, ...]] = {
    "positions": tuple(Case(positions=n) for n in (60, 121, 242, 484)),
    "modes": tuple(Case(modes=n) for n in (1, 2, 3, 5, 8)),
    "side": tuple(Case(side=n, positions=30) for n in (64, 128, 256, 512)),
    "spread_px": tuple(Case(spread_px=n) for n in (100, 400, 1600)),
}


def growth(seconds: float) -> Iterator[dict[str, Any]]:
    """Fit the slope of log time over log size; pixels are counted as side squared."""
    for name, cases in GROWTH.items():
        clocks = [clock_of(case) for case in cases]
        timed(clocks, seconds)
        sizes = [float(getattr(case, name)) for case in cases]
        if name == "side":
            name, sizes = "pixels", [side**2 for side in sizes]
        if name == "spread_px":
            name, sizes = "object", [(128 + spread) ** 2 for spread in sizes]
        least = [clock.least for clock in clocks]
        slope = float(np.polyfit(np.log(sizes), np.log(least), 1)[0])
        print(f"growth with {name}: {slope:.2f}", flush=True)
        yield {"of": name, "sizes": sizes, "least_s": least, "slope": slope}


# -- time to a good picture -----------------------------------------------------------
def reach() -> Iterator[dict[str, Any]]:
    """Time the default virtual experiment, noiseless, to |C| >= 0.99 from a disc."""
    experiment = sc.VirtualExperiment(detector={"photons": None})
    scan, truth = sc.simulate(experiment)
    start = sc.DiscProbe(experiment.probe_radius_m)
    runs: dict[str, Callable[[], Iterator[sc.Snapshot]]] = {
        name: lambda algorithm=algorithm: sc.reconstruct(
            scan, algorithm, epochs=100, start=start, device="cpu"
        )
        for name, algorithm in REACHING.items()
    }
    try:
        from peer import PEERS, reconstructed
    except ImportError:
        print("pty-chi is not installed: ours alone")
    else:
        runs |= {
            f"pty-chi {name}": lambda name=name: reconstructed(scan, start, name)
            for name in PEERS
        }
    rows: list[dict[str, Any]] = []
    for turn in range(3):
        for name, begun in runs.items():
            row = _reached(begun(), truth) | {"algorithm": name, "turn": turn}
            rows.append(row)
            yield row
    print("| algorithm | |C| | epochs | seconds |\n|---|---|---|---|")
    for name in runs:
        mine = [row for row in rows if row["algorithm"] == name]
        C, epoch, seconds = (
            float(np.median([row[key] for row in mine]))
            for key in ("C", "epoch", "seconds")
        )
        print(f"| {name} | {C:.4f} | {epoch:.0f} | {seconds:.2f} |", flush=True)


def _reached(snapshots: Iterator[sc.Snapshot], truth: sc.Truth) -> dict[str, Any]:
    """Go on until |C| is reached; what the judging takes does not count.

    Where it is not, the last epoch is what is returned.
    """
    for snapshot in snapshots:
        found = sc.metrics.compare(snapshot, truth).correlation
        if found >= TARGET:
            break
    return {"C": found, "epoch": snapshot.epoch, "seconds": snapshot.elapsed_s}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    every = ("steps", "growth", "reach")
    parser.add_argument("what", nargs="*", default=every, choices=(*every, "quick"))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=4.0, help="of every case")
    parser.add_argument("--sides", default="128,256,512", help="of views, for steps")
    parser.add_argument("--modes", default="1,3,5", help="for steps")
    options = parser.parse_args()
    sides, modes = (
        {int(n) for n in given.split(",")} for given in (options.sides, options.modes)
    )
    torch.set_num_threads(1)
    found: dict[str, Any] = {"machine": machine(), "torch": torch.__version__}
    print(found["machine"])
    measure = {
        "steps": lambda: steps(
            [(*s, n) for s in SIZES for n in MODES if s[0] in sides and n in modes],
            list(ALGORITHMS),
            options.seconds,
        ),
        "quick": lambda: quick(options.seconds),
        "growth": lambda: growth(options.seconds),
        "reach": reach,
    }
    for what in options.what:
        found[what] = list(measure[what]())
        if options.json:
            options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


def machine() -> str:
    """Name the processor."""
    cpu = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (cpu.read_text("utf-8").splitlines() if cpu.exists() else [])
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.processor()}, {len(names)} cores"


if __name__ == "__main__":
    main()
