"""Time to register two images, over scikit-image's function in a loop.

``python tests/benchmarks/registration.py``: as Fig. 6 of the SciComPty paper (Guzzi et
al., 2022), for complex64 images of 128 pixels. Both are timed in turns in one process,
with one CPU thread whose own time is taken (that of others on its core is not), and the
medians count; on a GPU wall time is taken. The shifts are below half a pixel, as in
position refinement: "near" tells the function so (``largest=1``), "any" does not.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_scicompty.optics.registration import shift_between

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 128
BATCHES = (1, 10, 100)
UPSAMPLINGS = (20, 100)
SEARCHES = {"any": None, "near": 1.0}
ROUNDS = 15
SECONDS = 0.1
"""Each act is repeated for so long in a round: what is in the cache stays there."""


def images(count: int) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Return smooth noise, the same moved by up to half a pixel, and the shifts."""
    rng = np.random.default_rng(0)
    fy, fx = np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)
    white = rng.normal(size=(count, SIDE, SIDE)) * np.exp(-((fy**2 + fx**2) / 0.02))
    y, x = rng.uniform(-0.5, 0.5, (2, count, 1, 1))
    pair = np.fft.ifft2([white, white * np.exp(2j * np.pi * (fy * y + fx * x))])
    reference, moving = torch.from_numpy(pair.astype(np.complex64))
    return reference, moving, np.stack([y, x], -1).reshape(count, 2)


def loop(reference: torch.Tensor, moving: torch.Tensor, upsampling: int) -> np.ndarray:
    """Register with scikit-image, one by one."""
    from skimage.registration import phase_cross_correlation

    return np.stack(
        [
            phase_cross_correlation(
                r, m, normalization=None, upsample_factor=upsampling
            )[0]
            for r, m in zip(reference.numpy(), moving.numpy(), strict=True)
        ]
    )


def milliseconds(
    act: Callable[[], object], count: int, clock: Callable[[], float]
) -> float:
    """Time an act per image, over and over for a while; the median."""
    times = []
    ends = clock() + SECONDS
    while not times or clock() < ends:
        began = clock()
        act()
        times.append((clock() - began) / count * 1e3)
    return statistics.median(times)


def row(device: str, count: int, upsampling: int) -> dict[str, object]:
    """Measure one batch on one device against the loop on a CPU."""
    reference, moving, shifts = images(count)
    there = [image.to(device) for image in (reference, moving)]
    acts: dict[str, Callable[[], np.ndarray]] = {
        "skimage": lambda: loop(reference, moving, upsampling)
    }
    for name, largest in SEARCHES.items():
        acts[name] = lambda largest=largest: (
            shift_between(*there, upsampling, largest=largest).cpu().numpy()
        )
    found: dict[str, object] = {"device": device, "images": count}
    found["upsampling"] = upsampling
    for name, act in acts.items():
        found[f"{name}_error_px"] = float(f"{np.abs(act() - shifts).max():.1g}")
    clock = time.thread_time if device == "cpu" else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in acts}
    for _ in range(ROUNDS):
        for name, act in acts.items():
            times[name].append(milliseconds(act, count, clock))
    for name, values in times.items():
        found[f"{name}_ms"] = round(statistics.median(values), 4)
    for name in SEARCHES:
        pairs = zip(times["skimage"], times[name], strict=True)
        found[f"{name}_times_faster"] = round(
            statistics.median(s / o for s, o in pairs), 1
        )
    return found


def main() -> None:
    """Measure and print one line a case."""
    torch.set_num_threads(1)
    for device in ["cpu"] + ["cuda"] * torch.cuda.is_available():
        for count in BATCHES:
            for upsampling in UPSAMPLINGS:
                print(json.dumps(row(device, count, upsampling)), flush=True)


if __name__ == "__main__":
    main()
