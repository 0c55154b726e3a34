"""Our lazy stack beside dask.array: opening, a pass in random order, memory.

``python tests/benchmarks/stacks.py`` writes a stack of 1 GB (8192 patterns of 256 x 256
counts) as HDF5, compressed frame by frame and plain, and reads it once by batches of 32
in random order, in a process each; a pass of over 20 s is worked out from what was read
until then. What is read was just written: it comes from the system's cache, so that the
times are those of the processor. Opening has the import of dask.array in it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np

COUNT, SIDE, BATCH = 8192, 256, 32
KINDS = ("ours", "dask-1", "dask-32", "dask-1-threads")


def write(path: Path, compressed: bool) -> None:
    rng = np.random.default_rng(0)
    block = rng.poisson(0.5, (64, SIDE, SIDE)).astype(np.uint16)
    with h5py.File(path, "w") as file:
        shape = (COUNT, SIDE, SIDE)
        how: dict[str, Any] = {}
        if compressed:
            how = {"chunks": (1, SIDE, SIDE), "compression": "gzip"}
            how["compression_opts"] = 1
        data = file.create_dataset("patterns", shape, np.uint16, **how)
        for begin in range(0, COUNT, len(block)):
            data[begin : begin + len(block)] = block


def rss_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(kind: str, path: Path) -> dict[str, float]:
    from napari_scicompty.formats import _hdf5

    loaded = rss_mb()
    begun = time.perf_counter()
    file = h5py.File(path)
    data = file["patterns"]
    if kind == "ours":
        _hdf5.room_for_a_stack = lambda: 0
        stack, _ = _hdf5.load(data, path)
        take = stack.__getitem__
    else:
        import dask.array as da

        _, length, *threads = kind.split("-")
        scheduler = "threads" if threads else "synchronous"
        lazy = da.from_array(data, chunks=(int(length), SIDE, SIDE))

        def take(numbers: Any) -> Any:
            return lazy[numbers].compute(scheduler=scheduler)

    opened = time.perf_counter() - begun
    order = np.random.default_rng(1).permutation(COUNT).reshape(-1, BATCH)
    limit = 20.0
    begun = time.perf_counter()
    done = 0
    for numbers in order:
        take(numbers)
        done += 1
        if time.perf_counter() - begun > limit:
            break
    seconds = (time.perf_counter() - begun) * len(order) / done
    return {"open_ms": 1e3 * opened, "pass_s": seconds, "more_mb": rss_mb() - loaded}


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        for compressed in (True, False):
            path = Path(folder) / f"{'gzip' if compressed else 'plain'}.h5"
            write(path, compressed)
            for kind in KINDS:
                for _ in range(2):
                    done = subprocess.run(
                        [sys.executable, __file__, kind, str(path)],
                        capture_output=True, text=True, check=True,
                    )  # fmt: skip
                    found = json.loads(done.stdout)
                    numbers = ", ".join(f"{k} {v:.4g}" for k, v in found.items())
                    print(f"{path.stem:6} {kind:15} {numbers}", flush=True)


if __name__ == "__main__":
    main()
