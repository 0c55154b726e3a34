"""What a run takes on a GPU: ``python tests/benchmarks/gpu.py [WHAT ...]``.

``same``      the GPU against the CPU; recorded against plain steps, bit for bit
``steps``     microseconds per position, plain and recorded, over the bare transforms
``reach``     time to |C| 0.99 and 0.999 on the default virtual experiment; beside
              pty-chi where that is installed
``memory``    peak of the device's memory over the plan's, and what is left after a run
``register``  sub-pixel registration, beside scikit-image where that is installed

It runs from the source tree, without a window, and prints which modules it needs. All
parts together keep within ``--budget`` seconds: what does not fit is left out and told.
A fault of one case is told, and the others go on: time on a GPU is dear.
``--device cpu --toy`` tries it all in a few seconds without a GPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).parent
# Nothing needs to be installed: the source tree comes first, and the imports after it.
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "src")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from gpu_cases import (  # noqa: E402
    ALIKE,
    EPOCHS_ALIKE,
    FAR,
    LOOKED_AT_ALL,
    LOOKED_AT_EVERY,
    NEAR,
    REACHING,
    SHARES,
    TARGETS,
    TIMED,
    Budget,
    Size,
    guarded,
    run_of,
    timed,
)
from registration import images, loop  # noqa: E402

import napari_scicompty as sc  # noqa: E402
from napari_scicompty.analysis.alignment import align  # noqa: E402
from napari_scicompty.analysis.comparison import placed  # noqa: E402
from napari_scicompty.optics.registration import shift_between  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Row = dict[str, Any]


# -- the same numbers -----------------------------------------------------------------
def same(size: Size, budget: Budget) -> Iterator[Row]:
    """Compare objects after a few epochs, and the errors of their last."""
    far, near = (
        sc.simulate(sc.VirtualExperiment(**kind, **size.path))[0]
        for kind in (FAR, NEAR)
    )
    print("| case | GPU over CPU | recorded over plain | again | errors | trouble |")
    print("|---|---|---|---|---|---|")
    for name in budget.of(size.alike):
        scan = near if name.startswith("near") else far
        yield from guarded(_alike(size.device, scan, name, *ALIKE[name]), name)


def _alike(
    on: torch.device, scan: sc.Scan, name: str, algorithm: Any, chosen: Row
) -> Iterator[Row]:
    chosen = {"epochs": EPOCHS_ALIKE, "refine": []} | chosen
    start = sc.DiscProbe(30 * scan.geometry.pixel_size_m(scan.frame_shape)[0] / 2)

    def done(device: str, recorded: bool) -> sc.Snapshot:
        *_, last = sc.reconstruct(
            scan, algorithm, start=start, device=device, cuda_graphs=recorded, **chosen
        )
        return last

    cpu, plain = done("cpu", False), done(on.type, False)
    recorded, again = done(on.type, True), done(on.type, True)
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
        "bit for bit": bool(np.array_equal(recorded.object, plain.object)),
        "trouble": trouble,
    }


def _difference(found: sc.Snapshot, expected: sc.Snapshot) -> float:
    """Return the relative difference of two objects."""
    off = np.linalg.norm(found.object - expected.object)
    return float(off / np.linalg.norm(expected.object))


# -- the time of a position -----------------------------------------------------------
def steps(size: Size, budget: Budget) -> Iterator[Row]:
    """Time epochs, plain and recorded, over the bare transforms of each batch."""
    print("| side, modes, batch | algorithm | transforms | plain | recorded | over |")
    print("|---|---|---|---|---|---|")
    cases = [
        (side, modes, batch, name)
        for side in size.sides
        for modes in size.modes
        for batch in size.batches
        for name in TIMED
    ]
    for case in budget.of(cases):
        yield from guarded(_steps(size, *case), str(case))


def _steps(size: Size, side: int, modes: int, batch: int, name: str) -> Iterator[Row]:
    per, device = 1e6 / size.positions, size.device
    shape = (batch, modes, side, side)
    wave = torch.randn(shape, dtype=torch.complex64, device=device)

    def transforms() -> None:
        for _ in range(-(-size.positions // batch)):
            torch.fft.ifft2(torch.fft.fft2(wave, norm="ortho"), norm="ortho")

    transforms()
    row: Row = {"side": side, "modes": modes, "batch": batch, "algorithm": name}
    row["transforms_us"] = timed(transforms, size.seconds / 4, device) * per
    for way, recorded in (("plain", False), ("recorded", True)):
        told = {"device": device.type, "cuda_graphs": recorded, "batch": batch}
        run = run_of(side, size.positions, modes, TIMED[name], **told)
        for _ in range(2):
            run.advance()
        row[f"{way}_us"] = timed(run.advance, size.seconds, device) * per
        row[f"{way}_notes"] = [n for n in run.history.notes if "record" in n]
    over = min(row["plain_us"], row["recorded_us"]) / row["transforms_us"]
    print(
        f"| {side}, {modes}, {batch} | {name} | {row['transforms_us']:.1f} | "
        f"{row['plain_us']:.1f} | {row['recorded_us']:.1f} | {over:.1f} | "
        f"{row['recorded_notes'] or ''}",
        flush=True,
    )
    yield row


# -- time to a good picture -----------------------------------------------------------
def reach(size: Size, budget: Budget) -> Iterator[Row]:
    """Time the default virtual experiment, noiseless, to each |C| from a disc."""
    experiment = sc.VirtualExperiment(detector=size.detector, **size.path)
    scan, truth = sc.simulate(experiment)
    start = sc.DiscProbe(experiment.probe_radius_m)
    runs: dict[str, Callable[[], Iterator[sc.Snapshot]]] = {}
    for name in size.reaching:
        algorithm = REACHING[name]
        for batch in size.batches_reaching:
            runs[f"{name}, batch {batch or algorithm.default_batch}"] = (
                lambda algorithm=algorithm, batch=batch: sc.reconstruct(
                    scan,
                    algorithm,
                    epochs=size.epochs,
                    start=start,
                    device=size.device.type,
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
                scan, start, name, size.device.type
            )
            for name in PEERS
        }
    print("| algorithm | |C| at the end | epochs, seconds to " + str(TARGETS) + " |")
    print("|---|---|---|")
    for name in budget.of(runs):
        yield from guarded(_reached(name, runs[name], truth, budget), name)


def correlation(snapshot: sc.Snapshot, truth: Any) -> float:
    """|C| with the truth, without what else `metrics.compare` looks at."""
    away = np.subtract(truth.origin_m, snapshot.origin_m) / snapshot.pixel_size_m
    target, known = placed(truth.object, away, snapshot.object.shape)
    return align(snapshot.object, target, snapshot.lit & known).correlation


def _reached(
    name: str, begun: Callable[[], Iterator[sc.Snapshot]], truth: Any, budget: Budget
) -> Iterator[Row]:
    warming = begun()  # makes plans and memory
    next(warming), next(warming)
    at: dict[float, tuple[int, float]] = {}
    for snapshot in begun():
        if snapshot.epoch > LOOKED_AT_ALL and snapshot.epoch % LOOKED_AT_EVERY:
            continue  # to compare with the truth takes longer than an epoch
        found = correlation(snapshot, truth)
        for target in TARGETS:
            if found >= target and target not in at:
                at[target] = (snapshot.epoch, snapshot.elapsed_s)
        if len(at) == len(TARGETS) or budget.left < 0:
            break
    yield {"algorithm": name, "C": found, "at": {str(t): at.get(t) for t in TARGETS}}
    told = (f"{at[t][0]}, {at[t][1]:.3f} s" if t in at else "-" for t in TARGETS)
    print(f"| {name} | {found:.4f} | {'; '.join(told)} |", flush=True)


# -- memory ---------------------------------------------------------------------------
def memory(size: Size, budget: Budget) -> Iterator[Row]:
    """Measure the peak of the device's memory over the plan's, and what is left."""
    print("| side, positions, modes | algorithm | amplitudes | planned | peak | left |")
    print("|---|---|---|---|---|---|")
    cases = [(*stack, name) for stack in size.stacks for name in TIMED]
    for case in budget.of(cases):
        yield from guarded(_memory(size.device, *case), str(case))


def _memory(
    device: torch.device, side: int, positions: int, modes: int, name: str
) -> Iterator[Row]:
    on_gpu = device.type == "cuda"
    gc.collect()
    before = torch.cuda.memory_allocated() if on_gpu else 0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    run = run_of(side, positions, modes, TIMED[name], device=device.type)
    for _ in range(4):
        run.advance()
    planned = run.plan.needed
    peak = torch.cuda.max_memory_allocated() - before if on_gpu else None
    del run
    gc.collect()
    left = torch.cuda.memory_allocated() - before if on_gpu else None
    row: Row = {"side": side, "positions": positions, "modes": modes, "algorithm": name}
    row |= {"amplitudes": positions * side**2 * 4, "planned": planned}
    row |= {"peak": peak, "left": left}
    told = (row[n] for n in ("amplitudes", "planned", "peak", "left"))
    shown = " | ".join("-" if n is None else f"{n / 1e6:.1f} MB" for n in told)
    print(f"| {side}, {positions}, {modes} | {name} | {shown} |", flush=True)
    yield row


# -- registration ---------------------------------------------------------------------
def register(size: Size, budget: Budget) -> Iterator[Row]:
    """Time the registration of pairs of images, on the device and by scikit-image."""
    print("| images, upsampling | ms a pair | scikit-image | largest error px, both |")
    print("|---|---|---|---|")
    cases = [(count, up) for count in (1, size.images) for up in (20, 100)]
    for case in budget.of(cases):
        yield from guarded(_register(size, *case), str(case))


def _register(size: Size, count: int, upsampling: int) -> Iterator[Row]:
    reference, moving, shifts = images(count)
    there = [image.to(size.device) for image in (reference, moving)]
    row: Row = {"images": count, "upsampling": upsampling}
    ways: dict[str, Callable[[], Any]] = {
        "ours": lambda: shift_between(*there, upsampling, largest=1.0).numpy(
            force=True
        ),
        "skimage": lambda: loop(reference, moving, upsampling),
    }
    for name, way in ways.items():
        try:
            row[f"{name}_error_px"] = float(np.abs(way() - shifts).max())
        except ImportError:
            continue
        row[f"{name}_ms"] = timed(way, size.seconds, size.device) * 1e3 / count
    told = [f"{row.get(f'{name}_ms', np.nan):.4f}" for name in ways]
    errors = [f"{row.get(f'{name}_error_px', np.nan):.1g}" for name in ways]
    line = " | ".join([*told, ", ".join(errors)])
    print(f"| {count}, {upsampling} | {line} |", flush=True)
    yield row


PARTS = {
    "same": same,
    "steps": steps,
    "reach": reach,
    "memory": memory,
    "register": register,
}


def needed() -> list[str]:
    """Return the modules of others that were loaded, without those of Python."""
    loaded = {name.partition(".")[0] for name in sys.modules}
    with_file = {n for n in loaded if getattr(sys.modules.get(n), "__file__", None)}
    ours = {"napari_scicompty", "registration", "peer", "gpu", "gpu_cases"}
    return sorted(
        name
        for name in with_file - sys.stdlib_module_names - ours
        if not name.startswith("_")
    )


def main() -> None:
    """Measure what was asked for, within the budget."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="*", default=list(PARTS), metavar="WHAT")
    parser.add_argument("--json", type=Path, help="where the rows go, too")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--toy", action="store_true", help="all of it, tiny")
    parser.add_argument("--budget", type=float, default=280, help="seconds of it all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    size, whole = Size(options.device, options.toy), Budget(options.budget)
    on_gpu = options.device == "cuda"
    card = torch.cuda.get_device_name() if on_gpu else "CPU"
    found: Row = {"device": card, "torch": torch.__version__}
    print(card, torch.__version__)
    for at, what in enumerate(options.what):
        began = time.perf_counter()
        share = SHARES[what] / sum(SHARES[name] for name in options.what[at:])
        found[what] = list(PARTS[what](size, Budget(max(whole.left, 0) * share)))
        print(f"{what}: {time.perf_counter() - began:.0f} s\n", flush=True)
        if options.json:
            options.json.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print("modules needed:", *needed())
    if any("fault" in row for what in options.what for row in found[what]):
        sys.exit("some cases failed, see above")


if __name__ == "__main__":
    main()
