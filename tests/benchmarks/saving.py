"""Results as files: bytes and seconds of saving and opening, beside plain arrays.

    python tests/benchmarks/saving.py 128 512 2048     objects of these sides

The plain file holds the same arrays, written by h5py without checksums, and is what a
result would be at the least. Times are medians of eleven turns, taken alternately.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

import napari_scicompty as sc

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.data.snapshot import Snapshot

TURNS = 11


def result(side: int) -> Snapshot:
    """A result whose object has this side, filled with noise."""
    experiment = sc.VirtualExperiment(
        path={"rows": 4, "columns": 4, "step_px": 5}, detector={"frame": 64}
    )
    scan, _ = sc.simulate(experiment)
    start = sc.DiscProbe(experiment.probe_radius_m)
    *_, small = sc.reconstruct(scan, sc.RPIE(), epochs=1, start=start)
    noise = np.random.default_rng(0).normal(size=(2, side, side)).astype(np.float32)
    return small.replace(object=noise[0] + 1j * noise[1])


def plain(path: Path, shot: Snapshot) -> None:
    """Write the arrays alone."""
    with h5py.File(path, "w") as file:
        for name in ("object", "probe", "positions_m", "pattern_error"):
            file[name] = getattr(shot, name)


def seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main(sides: list[int]) -> None:
    for side in sides:
        shot = result(side)
        with tempfile.TemporaryDirectory() as folder:
            ours, least = Path(folder, "r.h5"), Path(folder, "plain.h5")
            times: dict[str, list[float]] = {"save": [], "plain": [], "open": []}
            for _ in range(TURNS):
                times["save"].append(seconds(partial(sc.save_result, ours, shot)))
                times["plain"].append(seconds(partial(plain, least, shot)))
                times["open"].append(seconds(partial(sc.open_result, ours)))
            sizes = ours.stat().st_size, least.stat().st_size
        shown = ", ".join(
            f"{name} {statistics.median(t) * 1e3:.1f} ms ({min(t) * 1e3:.1f} to "
            f"{max(t) * 1e3:.1f})"
            for name, t in times.items()
        )
        extra = sizes[0] - sizes[1]
        print(
            f"{side} px: {sizes[0]} bytes, {extra} ({extra / sizes[1]:.2%}) more than "
            f"the arrays; {shown}",
            flush=True,
        )


if __name__ == "__main__":
    main([int(side) for side in sys.argv[1:]] or [128, 512, 2048])
