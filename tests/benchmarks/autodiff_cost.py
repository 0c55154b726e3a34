"""What gradients cost: ``python tests/benchmarks/autodiff_cost.py gradients | memory``.

``gradients``    seconds of an epoch's gradients by object, probe, positions and, where
                 named, the distance, in batches of 5: written by hand, by autograd of
                 the same model in plain operations, and the bare Fourier transforms
``memory``       peak memory of a batch's gradients, of a whole step, and what
                 `AutoDiff.step_bytes` says, by batch size

128 px views, one thread; views by a shift in Fourier space, and by four taps against
an affine `grid_sample`. Where the distance is free both make a new kernel for every
batch.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

import napari_scicompty as sc
from napari_scicompty.algorithms._losses import Noise, amplitude
from napari_scicompty.engine.run import Run
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.model.forward import Parameters, model_of
from napari_scicompty.optics.near_field import AngularSpectrum, angular_spectrum_kernel
from napari_scicompty.optics.propagators import wave_grid
from napari_scicompty.workflow.start import begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray
    from torch import Tensor

SIDE, POSITIONS, BATCH, ROUNDS = 128, 100, 5, 7
KINDS = ("far", "near", "near, distance")
BATCHES = (1, 5, 10, 25, 50)


def run_of(kind: str, modes: int, batch: int = BATCH) -> Run:
    """Return a run on random patterns, from a noisy start: every gradient is large."""
    rng = np.random.default_rng(0)
    geometry = sc.Geometry(1e-10, 1.0, 75e-6)
    if kind != "far":  # so near that its light fits on the doubled grid
        geometry = sc.Geometry(1e-9, 0.019, 0.39e-6, propagation="near-field")
    pixel = geometry.pixel_size_m((SIDE, SIDE))
    scan = sc.Scan(
        rng.poisson(50, (POSITIONS, SIDE, SIDE)).astype(np.uint16),
        rng.uniform(0, 120, (POSITIONS, 2)) * pixel,
        geometry,
    )
    start = begin(scan, sc.DiscProbe(SIDE * pixel[0] / 4), modes=modes)
    start = start.replace(
        object=_noisy(start.object, rng), probe=_noisy(start.probe, rng)
    )
    algorithm = sc.AutoDiff(
        free_positions=True,
        free_distance="distance" in kind,
        start_positions=0,
        start_distance=0,
    )
    settings = RunSettings(epochs=10_000, batch=batch, device="cpu", threads=1)
    return Run(scan, algorithm, start, settings)


def _noisy(field: NDArray[np.complex64], rng: Generator) -> NDArray[np.complex64]:
    noise = rng.normal(0, 0.1 * np.abs(field).max(), field.shape)
    return (field + noise).astype(np.complex64)


class Gradients:
    """The gradients of one batch after the other, by hand and by autograd."""

    def __init__(self, run: Run) -> None:
        self.estimate, self.measured = run.estimate, run.measured
        self.near = isinstance(self.estimate.propagator, AngularSpectrum)
        self.seeks = run.algorithm.refines[-1] == "distance"
        self.free = ["object", "probe", "positions"] + ["distance"] * self.seeks
        if self.near:
            geometry, pixel = self.estimate.geometry, self.estimate.canvas.pixel_size_m
            self.grid = wave_grid(geometry, (SIDE, SIDE))
            z = geometry.effective_distance_m
            space = (self.grid, pixel, geometry.wavelength_m, z)
            kernel = angular_spectrum_kernel(*space)
            slope = angular_spectrum_kernel(*space, derivative=True)
            self.kernel = torch.from_numpy(kernel)
            self.carried = self.kernel != 0
            self.g = torch.from_numpy((slope / (1j * kernel + (kernel == 0))).real)

    def by_hand(self, batch: list[int], *, bilinear: bool) -> tuple[Tensor, ...]:
        """Return the gradients as `AutoDiff` takes them."""
        if self.seeks:
            self.estimate.set_distance(self.estimate.distance_m)
        given = Parameters.of(self.estimate, self.measured, batch, self.free)
        model = model_of(self.estimate, batch, given, bilinear=bilinear)
        pattern, smallest = self.measured.pattern(batch), self.measured.smallest
        _, slope, _ = amplitude(model.intensity.detach(), pattern, Noise(smallest))
        leaves = [getattr(given, name) for name in self.free]
        return torch.autograd.grad(model.intensity, leaves, slope)

    def by_autograd(self, batch: list[int], *, bilinear: bool) -> tuple[Tensor, ...]:
        """Return the gradients of the model as one would write it down."""
        given = Parameters.of(self.estimate, self.measured, batch, self.free)
        fraction = self.estimate.placement.fraction(batch) + given.positions
        corners, probes = self.estimate.placement.corners(batch), given.probe[None]
        if bilinear:
            views = _sampled(given.object, torch.tensor(corners) + fraction)
        else:
            views = torch.stack(
                [given.object[y : y + SIDE, x : x + SIDE] for y, x in corners]
            )
            if self.near:
                views = _shifted(views[:, None], -fraction)[:, 0]
            else:
                probes = _shifted(probes, fraction)
        waves = probes * views[:, None]
        if self.near:
            kernel = self.kernel
            if self.seeks:
                kernel = torch.exp(1j * self.g * given.distance) * self.carried
            spectrum = torch.fft.fft2(waves, s=self.grid) * kernel.to(waves.dtype)
            waves = torch.fft.ifft2(spectrum)[..., :SIDE, :SIDE]
        else:
            waves = torch.fft.fft2(waves, norm="ortho")
        model = (waves.abs() ** 2).sum(1) + self.measured.smallest**2
        loss = ((model.sqrt() - self.measured.pattern(batch)) ** 2).sum()
        return torch.autograd.grad(loss, [getattr(given, name) for name in self.free])

    def transforms(self, batch: list[int]) -> None:
        """Do the bare transforms of the propagator and its adjoint."""
        grid = self.grid if self.near else (SIDE, SIDE)
        shape = (len(batch), len(self.estimate.probe), *grid)
        wave = torch.zeros(shape, dtype=torch.complex64)
        for _ in range(2 if self.near else 1):
            torch.fft.ifft2(torch.fft.fft2(wave))


def _shifted(fields: Tensor, shifts: Tensor) -> Tensor:
    frequency = torch.fft.fftfreq(SIDE)
    y, x = shifts.float()[:, None, :, None, None].unbind(2)
    phase = -2 * math.pi * (y * frequency[:, None] + x * frequency)
    return torch.fft.ifft2(torch.fft.fft2(fields) * torch.exp(1j * phase))


def _sampled(object: Tensor, at: Tensor) -> Tensor:
    """Views by an affine grid, as a spatial transformer takes them."""
    H, W = object.shape
    count, size = len(at), [len(at), 2, SIDE, SIDE]
    scale = torch.tensor([(SIDE - 1) / (W - 1), (SIDE - 1) / (H - 1)])
    last = torch.tensor([W - 1, H - 1])
    centre = 2 * at.float().flip(1) / last + scale - 1
    maps = torch.cat([torch.diag(scale).expand(count, 2, 2), centre[:, :, None]], 2)
    grid = torch.nn.functional.affine_grid(maps, size, align_corners=True)
    planes = torch.view_as_real(object).permute(2, 0, 1).expand(count, 2, H, W)
    out = torch.nn.functional.grid_sample(planes, grid, align_corners=True)
    return torch.view_as_complex(out.permute(0, 2, 3, 1).contiguous())


def ways(of: Gradients) -> dict[str, Callable[[list[int]], object]]:
    """Return what is compared, by name."""
    return {
        "transforms": of.transforms,
        "hand_fourier": lambda batch: of.by_hand(batch, bilinear=False),
        "autograd_fourier": lambda batch: of.by_autograd(batch, bilinear=False),
        "hand_four_taps": lambda batch: of.by_hand(batch, bilinear=True),
        "autograd_grid_sample": lambda batch: of.by_autograd(batch, bilinear=True),
    }


def gradients() -> None:
    """Seconds of an epoch, interleaved; medians, and ratios to the transforms."""
    batches = np.arange(POSITIONS).reshape(-1, BATCH).tolist()
    for kind, modes in itertools.product(KINDS, (1, 3)):
        of = Gradients(run_of(kind, modes))
        spent: dict[str, list[float]] = {name: [] for name in ways(of)}
        for _ in range(ROUNDS):
            for name, way in ways(of).items():
                began = time.perf_counter()
                for batch in batches:
                    way(batch)
                spent[name].append(time.perf_counter() - began)
        floor = np.array(spent["transforms"])
        row: dict[str, object] = {"case": kind, "modes": modes}
        for name, times in spent.items():
            over = float(np.median(np.array(times) / floor))
            row[name] = [round(statistics.median(times), 3), round(over, 1)]
        print(json.dumps(row | {"differ_by": disagreement(of)}), flush=True)


def disagreement(of: Gradients) -> float:
    """Largest relative difference between the gradients by hand and by autograd."""
    batch, largest = [3, 1, 4], 0.0
    for bilinear in (False, True):
        ours = of.by_hand(batch, bilinear=bilinear)
        theirs = of.by_autograd(batch, bilinear=bilinear)
        for a, b in zip(ours, theirs, strict=True):
            largest = max(largest, float((a - b).norm() / b.norm()))
    return float(f"{largest:.1g}")


def memory() -> None:
    """Peak MiB of tensors, by batch size."""
    for kind, size in itertools.product(KINDS, BATCHES):
        run = run_of(kind, 3, size)
        run.advance(0)  # whatever is made once
        of, batch = Gradients(run), list(range(size))
        row: dict[str, object] = {"case": kind, "modes": 3, "batch": size}
        for name, way in list(ways(of).items())[1:]:
            row[name] = peak(partial(way, batch))
        row["whole_step"] = peak(partial(run.advance, 0))
        grid = math.prod(wave_grid(run.scan.geometry, (SIDE, SIDE)))
        canvas = run.estimate.object.numel()
        told = run.algorithm.step_bytes(size, 3, SIDE**2, grid, canvas)
        print(json.dumps(row | {"told": round(told / 2**20, 1)}), flush=True)


def peak(act: Callable[[], object]) -> float:
    """Most MiB of tensors that `act` held at a time."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        act()
    events = profiler.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    held = np.cumsum([change for _, change in sorted(changes, key=lambda i: i[0])])
    return round(float(held.max()) / 2**20, 1)


def main() -> None:
    """Measure what was asked for, and print it line by line."""
    torch.set_num_threads(1)
    {"gradients": gradients, "memory": memory}[sys.argv[1]]()


if __name__ == "__main__":
    main()
