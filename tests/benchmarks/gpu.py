"""What a run takes on a GPU: ``python tests/benchmarks/gpu.py [WHAT ...]``.

``same``     the GPU against the CPU, and recorded steps against plain ones
``steps``    microseconds per position, plain and recorded, over the bare transforms
``reach``    time to |C| >= 0.99 on the default virtual experiment; beside pty-chi where
             that is installed
``memory``   peak of the device's memory, and what is left of it after a run

A fault of one case is told, and the others go on: time on a GPU is dear.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from speed import REACHING, TARGET, Case

import napari_scicompty as sc
from napari_scicompty.algorithms import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Row = dict[str, Any]

SIZES = ((128, 400), (256, 400), (512, 100))
"""Side of a view, positions."""
MODES = (1, 3)
BATCHES = (None, 16)
EPOCHS_ALIKE = 3
REACHING_EPOCHS = 60
FAR = {"detector": {"frame": 64}}
NEAR = {
    "wavelength_m": 1e-9,
    "distance_m": 0.065,
    "propagation": "near-field",
    "detector": {"frame": 64, "pixel_m": 3.9e-7, "photons": None},
}
ALIKE: dict[str, tuple[sc.RPIE | sc.EPIE | sc.AutoDiff, dict[str, Any]]] = {
    "rpie": (sc.RPIE(), {}),
    "rpie, 3 modes": (sc.RPIE(), {"modes": 3}),
    "rpie, batches of 8": (sc.RPIE(), {"batch": 8}),
    "rpie, batches apart": (sc.RPIE(), {"batch": 8, "non_overlapping": True}),
    "rpie, held-out pixels": (sc.RPIE(), {"held_out": 0.02}),
    "epie": (sc.EPIE(), {}),
    "epie, frozen probe": (sc.EPIE(), {"freeze_probe": True}),
    "autodiff": (sc.AutoDiff(), {}),
    "autodiff, Adam": (sc.AutoDiff(optimiser="adam"), {}),
    "autodiff, Poisson": (sc.AutoDiff(loss="poisson"), {}),
    "near: rpie": (sc.RPIE(), {}),
    "near: all free": (
        sc.AutoDiff(
            free_positions=True,
            free_distance=True,
            free_brightness=True,
            free_background=True,
            start_positions=1,
            start_distance=1,
            start_others=1,
        ),
        {},
    ),
    "least squares shift": (
        sc.RPIE(),
        {"refine": [sc.LeastSquaresShift(start_epoch=1)]},
    ),
    "cross-correlation shift": (
        sc.RPIE(),
        {"refine": [sc.CrossCorrelationShift(start_epoch=1)]},
    ),
    "near: distance": (
        sc.RPIE(),
        {"refine": [sc.DefocusCoupledDistance(start_epoch=1)]},
    ),
}


def guarded(rows: Iterator[Row], what: str) -> Iterator[Row]:
    """Pass rows on; a fault ends them and is told."""
    try:
        yield from rows
    except Exception:
        print(f"FAULT in {what}:\n{traceback.format_exc(limit=-6)}", flush=True)
        yield {"what": what, "fault": traceback.format_exc()}


# -- the same numbers -----------------------------------------------------------------
def same() -> Iterator[Row]:
    """Compare objects after a few epochs, and the errors of their last."""
    far, near = (sc.simulate(sc.VirtualExperiment(**kind))[0] for kind in (FAR, NEAR))
    print("| case | GPU over CPU | recorded over plain | again | errors | trouble |")
    print("|---|---|---|---|---|---|")
    for name, case in ALIKE.items():
        scan = near if name.startswith("near") else far
        yield from guarded(_alike(scan, name, *case), name)


def _alike(scan: sc.Scan, name: str, algorithm: Any, chosen: Row) -> Iterator[Row]:
    chosen = {"epochs": EPOCHS_ALIKE, "refine": []} | chosen
    start = sc.DiscProbe(30 * scan.geometry.pixel_size_m(scan.frame_shape)[0] / 2)

    def done(device: str, recorded: bool) -> sc.Snapshot:
        *_, last = sc.reconstruct(
            scan, algorithm, start=start, device=device, cuda_graphs=recorded, **chosen
        )
        return last

    cpu, plain = done("cpu", False), done("cuda", False)
    recorded, again = done("cuda", True), done("cuda", True)
    objects = [_difference(plain, cpu), _difference(recorded, plain)]
    objects.append(_difference(again, recorded))
    moved = [
        float(np.abs(x.positions_px - cpu.positions_px).max())
        for x in (plain, recorded)
    ]
    trouble = [note for note in recorded.history.notes if "not recorded" in note]
    errors = [x.error for x in (cpu, plain, recorded)]
    print(
        f"| {name} | {objects[0]:.1e} | {objects[1]:.1e} | {objects[2]:.1e} | "
        + " ".join(f"{error:.6f}" for error in errors)
        + f" | {trouble or ''} |",
        flush=True,
    )
    yield {
        "case": name,
        "objects": objects,
        "errors": errors,
        "positions_px": moved,
        "distances_m": [x.distance_m for x in (cpu, plain, recorded)],
        "trouble": trouble,
    }


def _difference(found: sc.Snapshot, expected: sc.Snapshot) -> float:
    """Return the relative difference of two objects."""
    off = np.linalg.norm(found.object - expected.object)
    return float(off / np.linalg.norm(expected.object))


# -- the time of a position -----------------------------------------------------------
def timed(act: Callable[[], None], seconds: float) -> float:
    """Return the median of what `act` takes, the device's work included."""
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - began < seconds:
        torch.cuda.synchronize()
        at = time.perf_counter()
        act()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - at)
    return float(np.median(times))


def floor(side: int, positions: int, modes: int, batch: int, seconds: float) -> float:
    """Seconds of the bare transforms of an epoch: what no step can be below."""
    shape = (batch, modes, side, side)
    wave = torch.randn(shape, dtype=torch.complex64, device="cuda")

    def act() -> None:
        for _ in range(-(-positions // batch)):
            torch.fft.ifft2(torch.fft.fft2(wave, norm="ortho"), norm="ortho")

    act()
    return timed(act, seconds)


def steps(seconds: float, sides: set[int]) -> Iterator[Row]:
    """Time epochs, plain and recorded, in turns."""
    print(
        "| side, positions, modes | algorithm | batch | transforms | plain | recorded |"
    )
    print("|---|---|---|---|---|---|")
    for side, positions in (size for size in SIZES if size[0] in sides):
        for modes in MODES:
            for name in ALGORITHMS:
                for batch in BATCHES:
                    case = Case(side, positions, modes, name, whole=False)
                    what = f"{case}, batch {batch}"
                    yield from guarded(_steps(case, batch, seconds), what)


def _steps(case: Case, batch: int | None, seconds: float) -> Iterator[Row]:
    size = batch or ALGORITHMS[case.algorithm]().default_batch
    per = 1e6 / case.positions
    bare = floor(case.side, case.positions, case.modes, size, seconds / 4) * per
    row: Row = {"case": vars(case), "batch": size, "transforms_us": bare}
    for name, recorded in (("plain", False), ("recorded", True)):
        run = case.run(device="cuda", cuda_graphs=recorded, batch=batch)
        for _ in range(2):
            run.advance()
        row[f"{name}_us"] = timed(run.advance, seconds) * per
        row[f"{name}_notes"] = [n for n in run.history.notes if "record" in n]
    print(
        f"| {case.side}, {case.positions}, {case.modes} | {case.algorithm} | {size} | "
        f"{bare:.1f} | {row['plain_us']:.1f} | {row['recorded_us']:.1f} | "
        f"{row['recorded_notes'] or ''}",
        flush=True,
    )
    yield row


# -- time to a good picture -----------------------------------------------------------
def reach() -> Iterator[Row]:
    """Time the default virtual experiment, noiseless, to |C| >= 0.99 from a disc."""
    experiment = sc.VirtualExperiment(detector={"photons": None})
    scan, truth = sc.simulate(experiment)
    start = sc.DiscProbe(experiment.probe_radius_m)
    runs: dict[str, Callable[[], Iterator[sc.Snapshot]]] = {}
    for name, algorithm in REACHING.items():
        for batch in (None, 8):
            runs[f"{name}, batch {batch or algorithm.default_batch}"] = (
                lambda algorithm=algorithm, batch=batch: sc.reconstruct(
                    scan,
                    algorithm,
                    epochs=REACHING_EPOCHS,
                    start=start,
                    device="cuda",
                    batch=batch,
                )
            )
    try:
        from peer import PEERS, reconstructed
    except ImportError as error:
        print(f"pty-chi is not installed: ours alone ({error})")
    else:
        runs |= {
            f"pty-chi {name}": lambda name=name: reconstructed(
                scan, start, name, "cuda"
            )
            for name in PEERS
        }
    print("| algorithm | |C| | epochs | seconds |\n|---|---|---|---|")
    for name, begun in runs.items():
        yield from guarded(_reached(name, begun, truth), name)


def _reached(
    name: str, begun: Callable[[], Iterator[sc.Snapshot]], truth: sc.Truth
) -> Iterator[Row]:
    warming = begun()  # makes plans and memory
    next(warming), next(warming)
    for snapshot in begun():
        found = sc.metrics.compare(snapshot, truth).correlation
        if found >= TARGET:
            break
    row = {"C": found, "epoch": snapshot.epoch, "seconds": snapshot.elapsed_s}
    yield row | {"algorithm": name}
    print(
        f"| {name} | {found:.4f} | {snapshot.epoch} | {snapshot.elapsed_s:.3f} |",
        flush=True,
    )


# -- memory ---------------------------------------------------------------------------
def memory() -> Iterator[Row]:
    """Measure the peak of the device's memory, and what a run leaves there."""
    print("| side, positions, modes | algorithm | amplitudes MB | peak MB | left MB |")
    print("|---|---|---|---|---|")
    for side, positions, modes in ((256, 1000, 3), (512, 400, 3)):
        for name in ALGORITHMS:
            case = Case(side, positions, modes, name, whole=False)
            yield from guarded(_memory(case), str(case))


def _memory(case: Case) -> Iterator[Row]:
    gc.collect()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run = case.run(device="cuda")
    for _ in range(4):
        run.advance()
    peak = torch.cuda.max_memory_allocated() - before
    del run
    gc.collect()
    left = torch.cuda.memory_allocated() - before
    stack = case.positions * case.side**2 * 4
    print(
        f"| {case.side}, {case.positions}, {case.modes} | {case.algorithm} | "
        f"{stack / 1e6:.0f} | {peak / 1e6:.0f} | {left / 1e6:.2f} |",
        flush=True,
    )
    yield {"case": vars(case), "peak": peak, "left": left, "stack": stack}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    every = ("same", "steps", "reach", "memory")
    parser.add_argument("what", nargs="*", default=every, choices=every)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=float, default=0.5, help="of every case")
    parser.add_argument("--sides", default="128,256,512", help="of views, for steps")
    options = parser.parse_args()
    sides = {int(side) for side in options.sides.split(",")}
    torch.set_num_threads(1)
    card = torch.cuda.get_device_name()
    found: Row = {"device": card, "torch": torch.__version__}
    print(card, torch.__version__)
    measure = {
        "same": same,
        "steps": lambda: steps(options.seconds, sides),
        "reach": reach,
        "memory": memory,
    }
    for what in options.what:
        began = time.perf_counter()
        found[what] = list(measure[what]())
        print(f"{what}: {time.perf_counter() - began:.0f} s\n", flush=True)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
