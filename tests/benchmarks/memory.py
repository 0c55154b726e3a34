"""Memory of a run: ``python tests/benchmarks/memory.py [peak] [large] [FOLDER]``.

``peak``: what a run takes at most above the imports, over (amplitudes as stored +
object + probes x batch). One process a case; patterns of 16 bits on disk. Counted is
resident memory (``VmHWM``), and of it what is no mapped file (``RssAnon``, every 2 ms).

``large``: a stack of 4 GB is reconstructed by a process that may allocate 2 GB
(``RLIMIT_DATA``: heap and private anonymous memory). Pages of a mapped file do not
count, as the system drops them when it likes; address space would say nothing, as torch
maps much that it never touches. Beside it what happens when the stack is loaded whole.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile

LIMIT = 2 * 10**9
CASES = [
    (side, positions, modes, algorithm)
    for side, positions in ((128, 3600), (256, 1800))
    for modes in (1, 3)
    for algorithm in ("rpie", "autodiff")
]
LARGE = {
    "large.tif": "TIFF, plain",
    "large_pages.tif": "TIFF, compressed",
    "large.cxi": "CXI, compressed",
}
STEP_PX = 10


def write_stack(path: Path, positions: int, side: int) -> None:
    """Write random counts, a few frames again and again."""
    rng = np.random.default_rng(0)
    falloff = np.hypot(*np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j])
    mean = 200 * np.exp(-((falloff / 0.2) ** 2))
    few = rng.poisson(mean, (64, side, side)).astype(np.uint16)
    frames = (few[j % 64] for j in range(positions))
    shape = (positions, side, side)
    if path.suffix == ".npy":
        stack = np.lib.format.open_memmap(path, "w+", np.uint16, shape)
        for j, frame in enumerate(frames):
            stack[j] = frame
    elif path.suffix == ".tif":
        packing = {"compression": "zlib", "compressionargs": {"level": 1}}
        options: dict[str, Any] = packing if "pages" in path.stem else {}
        tifffile.imwrite(
            path, frames, shape=shape, dtype=np.uint16, photometric="minisblack",
            **options,
        )  # fmt: skip
    else:
        with h5py.File(path, "w") as file:
            data = file.create_dataset(
                "entry_1/data_1/data", shape, np.uint16, chunks=(1, side, side),
                compression="gzip", compression_opts=1, shuffle=True,
            )  # fmt: skip
            for j, frame in enumerate(frames):
                data[j] = frame


def scan_of(path: Path, positions: int, side: int) -> Any:
    """Open the stack on a grid of positions."""
    import napari_scicompty as sc

    geometry = sc.Geometry(1e-10, 1.0, 75e-6)
    pixel = geometry.pixel_size_m((side, side))
    columns = int(np.ceil(np.sqrt(positions)))
    grid = np.mgrid[:columns, :columns].reshape(2, -1).T[:positions]
    np.save(path.parent / "p.npy", (grid * STEP_PX * pixel)[:, ::-1])
    return sc.open_scan(path, path.parent / "p.npy", geometry)


def status(name: str) -> int:
    """Bytes that /proc says this process has."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(name + ":"))
    return 1024 * int(line.split()[1])


def reconstruct(path: str, side: int, positions: int, modes: int, name: str) -> None:
    """Run an epoch and print what it took (the part of a process of its own)."""
    import torch

    import napari_scicompty as sc
    from napari_scicompty.algorithms import ALGORITHMS

    # Imported for the memory that they take: what is measured is above this.
    from napari_scicompty.formats import cxi, npy, tiff  # noqa: F401
    from napari_scicompty.workflow.reconstruction import prepare  # noqa: F401

    torch.fft.fft2(torch.ones(8, 8))
    algorithm = ALGORITHMS[name]()
    before, most, over = status("VmRSS"), [0], threading.Event()
    anonymous = status("RssAnon")
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM begins anew

    def look() -> None:
        while not over.wait(0.002):
            most[0] = max(most[0], status("RssAnon"))

    threading.Thread(target=look, daemon=True).start()
    scan = scan_of(Path(path), positions, side)
    start = sc.DiscProbe(0.2 * side * scan.pixel_size_m[0])
    began = time.perf_counter()
    *_, last = sc.reconstruct(
        scan, algorithm, epochs=1, start=start, modes=modes, device="cpu"
    )
    over.set()
    stored = 4 * positions * side**2
    estimate = last.object.nbytes + last.probe.nbytes * algorithm.default_batch
    print(
        json.dumps(
            {
                "resident": status("VmHWM") - before,
                "anonymous": most[0] - anonymous,
                "needed": stored + estimate,
                "seconds": time.perf_counter() - began,
                "error": last.error,
                "notes": last.history.notes,
            }
        )
    )


def limited(limit: int | None, *words: object) -> dict[str, Any] | str:
    """Run a case in a process of its own; its figures, or the last thing it said."""

    def restrict() -> None:
        if limit:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    done = subprocess.run(
        [sys.executable, __file__, "case", *map(str, words)],
        preexec_fn=restrict, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    return json.loads(done.stdout)


def peak(folder: Path) -> None:
    """Peak memory by algorithm, modes and size."""
    print("| view, positions | modes | algorithm | needed, MB | resident | anonymous |")
    print("|---|---|---|---|---|---|")
    for side, positions, modes, name in CASES:
        path = folder / f"{side}.npy"
        if not path.exists():
            write_stack(path, positions, side)
        case = limited(None, path, side, positions, modes, name)
        assert isinstance(case, dict), case
        shares = (
            f"{case[k] / case['needed']:.2f} x" for k in ("resident", "anonymous")
        )
        print(
            f"| {side}, {positions} | {modes} | {name} | {case['needed'] / 1e6:.0f} | "
            f"{' | '.join(shares)} |",
            flush=True,
        )


def large(folder: Path) -> None:
    """Reconstruct a stack of 4 GB within 2 GB, by kind of file."""
    side, positions = 256, 30_518
    for name, kind in LARGE.items():
        write_stack(folder / name, positions, side)
        whole = limited(LIMIT, folder / name, "whole")
        case = limited(LIMIT, folder / name, side, positions, 1, "rpie")
        print(f"{kind}: loaded whole: {whole}\n  reconstructed: {case}", flush=True)
        (folder / name).unlink()


def main(words: list[str]) -> None:
    """Measure what was asked for."""
    if words[:1] == ["case"]:
        path, *numbers = words[1:]
        if numbers == ["whole"]:
            from napari_scicompty.formats import read_patterns

            np.array(read_patterns(Path(path)).patterns)
            print("{}")
            return
        side, positions, modes = map(int, numbers[:3])
        reconstruct(path, side, positions, modes, numbers[3])
        return
    named = [word for word in words if word in ("peak", "large")]
    (root,) = [word for word in words if word not in named] or [None]
    with tempfile.TemporaryDirectory(dir=root) as folder:
        for name in named or ("peak", "large"):
            {"peak": peak, "large": large}[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
