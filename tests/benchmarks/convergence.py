"""Work and time to the truth: ``python tests/benchmarks/convergence.py SET ...``.

``hard``      dense texture, from a disc and from the start that the search finds
``hard3``     the same with three modes, from the start that the search finds
``default``   the default virtual experiment, one mode, from a disc
``default3``  the same with three modes
``low``       the hard set with 1e3 photons a pattern
``star``      the measured star of DATA, three modes, everything automatic
``near``      the measured near field of DATA, one mode

Three seeds each: Auto, and M-rPIE with its defaults, by numba's kernels where they are
installed and by torch alone. Work is counted in bare pairs of Fourier transforms
(forward and inverse, one mode) for each position, and every one that is carried out
counts, those of the coarse level by their pixels; the search for the start is not
counted. Seconds are of computing (process time), without the judging.

|C| is taken where the light is above half of its median.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from hard_set import disc_start, hard_set

import napari_scicompty as sc
from napari_scicompty.analysis.alignment import align
from napari_scicompty.analysis.comparison import placed
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.workflow.reconstruction import prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEDS = (0, 1, 2)
TARGETS = (0.99, 0.999, 0.9995)
WAYS: dict[str, tuple[Any, str]] = {
    "auto": (sc.Auto(), "auto"),
    "M-rPIE": (sc.RPIE(), "auto"),
    "M-rPIE, torch": (sc.RPIE(), "torch"),
}
"""Algorithm, and its kernels."""


@dataclass
class Pairs:
    """Counts the transforms that torch carries out, in pairs of a view's pixels."""

    view: int
    """Pixels of a view."""
    count: float = 0.0
    _own: dict[str, Any] = field(default_factory=dict)

    def __enter__(self) -> Pairs:
        for name in ("fft2", "ifft2"):
            self._own[name] = getattr(torch.fft, name)
            setattr(torch.fft, name, self._counting(self._own[name]))
        return self

    def __exit__(self, *_: object) -> None:
        for name, function in self._own.items():
            setattr(torch.fft, name, function)

    def _counting(self, function: Any) -> Any:
        def counted(wave: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            self.count += wave.numel() / self.view / 2
            return function(wave, *args, **kwargs)

        return counted


@dataclass
class Case:
    """A scan, its truth if it is known, and how it is reconstructed."""

    scan: sc.Scan
    truth: Any
    start: Any
    modes: int = 1
    epochs: int = 60
    """Of M-rPIE."""
    targets: tuple[float, ...] = TARGETS
    """|C|; where the truth is not known errors."""


def correlation(snapshot: sc.Snapshot, truth: Any) -> float:
    """Return |C| with the truth where the light is above half of its median."""
    offset = np.subtract(truth.origin_m, snapshot.origin_m) / snapshot.pixel_size_m
    target, known = placed(truth.object, offset, snapshot.object.shape)
    light = snapshot.canvas_map
    lit = light > 0.5 * np.median(light[light > 0])
    return float(align(snapshot.object, target, lit & known).correlation)


def cases(name: str, seed: int, data: Path) -> Iterator[tuple[str, Case]]:
    """Make the scans of a set."""
    if name == "hard":
        scan, truth = hard_set(seed=seed + 7)
        yield "hard, disc", Case(scan, truth, disc_start(), epochs=300)
        yield "hard, found", Case(scan, truth, found(scan, 1), epochs=300)
    elif name == "hard3":
        scan, truth = hard_set(3, seed=seed + 7)
        yield "hard, 3 modes", Case(scan, truth, found(scan, 3), 3, epochs=120)
    elif name in ("default", "default3"):
        modes = 3 if name == "default3" else 1
        experiment = sc.VirtualExperiment(modes=modes, seed=seed)
        scan, truth = sc.simulate(experiment)
        start = sc.DiscProbe(experiment.probe_radius_m)
        yield f"default, {modes} mode(s)", Case(scan, truth, start, modes)
    elif name == "low":
        yield "1e3 photons", Case(*few_photons(seed), disc_start(), epochs=40)
    elif name == "star":
        folder = data / "siemens_star"
        geometry = sc.Geometry(1.4089113454545454e-10, 1.92, 75e-6)
        files = (folder / "stack.tif", folder / "positions_m.txt")
        scan = sc.open_scan(*files, geometry=geometry)
        yield "star", Case(scan, None, found(scan, 3), 3, 40, (0.0105, 0.01, 0.0095))
    else:
        path = data / "p25_nearfield" / "PETRAIII_P25_Near_Field_Ptycho.cxi"
        scan = sc.open_scan(path)
        near = {"propagation": "near-field", "focus_sample_m": 3.65e-3}
        scan = scan.with_geometry(scan.geometry.replace(**near))
        start = sc.BackPropagatedProbe()
        yield "near field", Case(scan, None, start, 1, 150, (0.005, 0.0045, 0.004))


def found(scan: sc.Scan, modes: int) -> Any:
    """Return the start that the search finds."""
    return sc.find_start(scan, modes=modes, device="cpu")[0].start


def few_photons(seed: int) -> tuple[sc.Scan, Any]:
    """Thin the hard set out to 1e3 photons a pattern."""
    scan, truth = hard_set(seed=seed + 7)
    clean = np.asarray(scan.patterns, float)
    rng = np.random.default_rng(seed)
    thin = rng.poisson(clean / clean.sum((1, 2)).mean() * 1e3).astype(np.uint16)
    return sc.Scan(thin, scan.positions_m, scan.geometry), truth


def measured(case: Case, way: str, seed: int) -> dict[str, Any]:
    """Reconstruct once; return what was reached with how much."""
    algorithm, kernels = WAYS[way]
    own = isinstance(algorithm, sc.Auto)
    epochs = algorithm.default_epochs if own else case.epochs
    settings = RunSettings(
        epochs=epochs, modes=case.modes, seed=seed, device="cpu", threads=1,
        kernels=kernels,
    )  # fmt: skip
    reached: dict[float, Any] = {}
    spent = time.process_time()
    with Pairs(case.scan.frame_shape[0] * case.scan.frame_shape[1]) as pairs:
        run = prepare(case.scan, algorithm, settings, case.start)
        spent = time.process_time() - spent
        every = 1 if own else max(1, case.epochs // 60)
        while not run.done:
            before = time.process_time()
            run.advance()
            spent += time.process_time() - before
            if run.epoch % every and not run.done:
                continue
            count = pairs.count
            seen, last = judged(run, case)
            pairs.count = count
            for target in case.targets:
                better = seen >= target if case.truth else seen <= target
                if better and target not in reached:
                    reached[target] = (run.epoch, count / len(case.scan), spent)
            if len(reached) == len(case.targets) and not own:
                break
    row = {"reached": reached, "epoch": run.epoch, "end": seen, "error": last}
    row["pairs"], row["seconds"] = count / len(case.scan), spent
    return row | {"notes": run.history.notes[-1:] if own else ()}


def judged(run: Any, case: Case) -> tuple[float, float]:
    """Return |C|, or the error by a full pass; and the error as visited."""
    if case.truth is None:
        error = run.full_error()[0]
        return error, error
    snapshot = run.snapshot()
    return correlation(snapshot, case.truth), snapshot.error


def table(rows: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    """Print medians over the seeds."""
    print("\n| set | way | reached: epochs, pairs, seconds | end | epochs | seconds |")
    print("|---|---|---|---|---|---|")
    for (name, way), seen in rows.items():
        cells = []
        for target in sorted({t for row in seen for t in row["reached"]}):
            got = [row["reached"][target] for row in seen if target in row["reached"]]
            middle = [statistics.median(column) for column in zip(*got, strict=True)]
            some = "" if len(got) == len(seen) else f" ({len(got)} of {len(seen)})"
            cells.append(
                f"{target}: {middle[0]:.0f}, {middle[1]:.0f}, {middle[2]:.2f}{some}"
            )
        end, epoch, seconds = (
            statistics.median(row[key] for row in seen)
            for key in ("end", "epoch", "seconds")
        )
        print(
            f"| {name} | {way} | {'; '.join(cells)} | {end:.5f} | {epoch:.0f} "
            f"| {seconds:.2f} |",
            flush=True,
        )


def main() -> None:
    """Measure what was asked for."""
    sets = ("hard", "hard3", "default", "default3", "low", "star", "near")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=sets, choices=sets)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--ways", default=",".join(WAYS).replace(", ", " "))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    ways = [way for way in WAYS if way.replace(", ", " ") in options.ways.split(",")]
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for name in options.sets:
        for seed in SEEDS:
            for label, case in cases(name, seed, options.data):
                for way in ways:
                    row = measured(case, way, seed)
                    rows.setdefault((label, way), []).append(row)
                    print(label, way, seed, json.dumps(row), flush=True)
    table(rows)
    if options.json:
        named = {", ".join(key): seen for key, seen in rows.items()}
        options.json.write_text(json.dumps(named, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
