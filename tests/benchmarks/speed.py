"""Time of one step over the bare Fourier transforms.

``python tests/benchmarks/speed.py``: one thread, one position at a time; both are timed
in turns in one process, and the smallest of several rounds counts.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch

import napari_scicompty as sc
from napari_scicompty.run import Run
from napari_scicompty.run_settings import RunSettings
from napari_scicompty.start import begin

if TYPE_CHECKING:
    from collections.abc import Callable

CASES = [(128, 1), (128, 3), (256, 1), (256, 3)]
POSITIONS = 60
ROUNDS = 6


def run_of(side: int, modes: int, *, whole: bool) -> Run:
    """Return a run on random patterns, with whole or with fractional positions."""
    rng = np.random.default_rng(0)
    geometry = sc.Geometry(1e-10, 1.0, 75e-6)
    pixel = geometry.pixel_size_m((side, side))
    positions = rng.uniform(0, 80, (POSITIONS, 2))
    scan = sc.Scan(
        rng.poisson(5, (POSITIONS, side, side)).astype(np.uint16),
        (positions.round() if whole else positions) * pixel,
        geometry,
    )
    start = begin(scan, sc.DiscProbe(side * pixel[0] / 4), modes=modes)
    return Run(scan, sc.RPIE(), start, RunSettings(epochs=10_000, device="cpu"))


def transforms(side: int, modes: int) -> Callable[[], None]:
    """Return one forward and one inverse transform per position and mode."""
    wave = torch.randn(modes, side, side, dtype=torch.complex64)

    def act() -> None:
        for _ in range(POSITIONS):
            torch.fft.ifft2(torch.fft.fft2(wave, norm="ortho"), norm="ortho")

    return act


def milliseconds(act: Callable[[], None]) -> float:
    """Time one round, per position."""
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) / POSITIONS * 1e3


def main() -> None:
    """Measure and print a table."""
    torch.set_num_threads(1)
    print("| side, modes | floor, ms | whole pixels | sub-pixel |")
    print("|---|---|---|---|")
    for side, modes in CASES:
        acts = [
            transforms(side, modes),
            run_of(side, modes, whole=True).advance,
            run_of(side, modes, whole=False).advance,
        ]
        times = np.array([[milliseconds(act) for act in acts] for _ in range(ROUNDS)])
        floor, whole, fraction = times[1:].min(0)
        print(
            f"| {side}, {modes} | {floor:.3f} | {whole:.3f} ms, {whole / floor:.1f} x "
            f"| {fraction:.3f} ms, {fraction / floor:.1f} x |"
        )


if __name__ == "__main__":
    main()
