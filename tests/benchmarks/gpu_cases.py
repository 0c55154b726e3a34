"""What `gpu.py` measures, how large and how long."""

from __future__ import annotations

import time
import traceback
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import napari_scicompty as sc
from napari_scicompty.engine.run import Run
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.workflow.start import begin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Row = dict[str, Any]

TIMED: dict[str, Any] = {
    "rpie": sc.RPIE(),
    "autodiff": sc.AutoDiff(),
    "rpie, momentum": sc.RPIE(momentum="nesterov"),
}
"""What `steps` and `memory` measure."""

REACHING: dict[str, Any] = {
    "auto": sc.Auto(),
    "rpie": sc.RPIE(),
    "rpie, bold": sc.RPIE(alpha_object=1, alpha_probe=1, beta=1, gamma=0.2),
    "epie": sc.EPIE(),
    "autodiff": sc.AutoDiff(),
    "rpie, momentum": sc.RPIE(momentum="nesterov"),
}
"""What `reach` measures; the bold one is the best of some twenty settings of rPIE."""

TARGETS = (0.99, 0.999)
"""|C| that `reach` waits for."""
LOOKED_AT_ALL, LOOKED_AT_EVERY = 12, 4
"""Epochs at which it looks: all of the first, then every fourth."""
EPOCHS_ALIKE = 3
SHARES = {"same": 0.2, "steps": 0.35, "reach": 0.25, "memory": 0.1, "register": 0.1}
"""Of the budget that is left when a part begins, relative to those after it."""
FAR = {"detector": {"frame": 64}}
NEAR = {
    "wavelength_m": 1e-9,
    "distance_m": 0.065,
    "propagation": "near-field",
    "detector": {"frame": 64, "pixel_m": 3.9e-7, "photons": None},
}
ALIKE: dict[str, tuple[sc.RPIE | sc.EPIE | sc.AutoDiff, dict[str, Any]]] = {
    "rpie": (sc.RPIE(), {}),
    "rpie, momentum": (sc.RPIE(momentum="nesterov"), {}),
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


class Size:
    """How large everything is: as on a GPU, or a toy."""

    def __init__(self, device: str, toy: bool) -> None:
        self.device = torch.device(device)
        self.sides = (32,) if toy else (128, 256)
        self.positions = 12 if toy else 200
        self.modes = (1,) if toy else (1, 3)
        self.batches = (1, 5) if toy else (1, 5, 20, 100)
        self.seconds = 0.0 if toy else 0.4
        self.alike = ("rpie", "autodiff", "near: rpie") if toy else tuple(ALIKE)
        self.detector = {"photons": None} | ({"frame": 64} if toy else {})
        self.path = {"path": {"rows": 4, "columns": 4}} if toy else {}
        self.epochs = 2 if toy else 80
        self.reaching = ("rpie", "autodiff") if toy else tuple(REACHING)
        self.batches_reaching = (None,) if toy else (None, 8)
        self.stacks = ((32, 12, 1),) if toy else ((256, 1000, 3), (512, 400, 3))
        self.images = 3 if toy else 100


class Budget:
    """Seconds that a part may take."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        """Seconds until it is used up."""
        return self._ends - time.perf_counter()

    def of(self, names: Iterable[Any]) -> Iterator[Any]:
        """Yield names while there is time; tell those that are left out."""
        for name in names:
            if self.left > 0:
                yield name
            else:
                print(f"no time for {name}", flush=True)


def guarded(rows: Iterator[Row], what: str) -> Iterator[Row]:
    """Pass rows on; a fault ends them and is told."""
    try:
        yield from rows
    except Exception:
        print(f"FAULT in {what}:\n{traceback.format_exc(limit=-6)}", flush=True)
        yield {"what": what, "fault": traceback.format_exc()}


def wait(device: torch.device) -> None:
    """Wait until the device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(act: Callable[[], object], seconds: float, device: torch.device) -> float:
    """Return the median of what `act` takes, the device's work included."""
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 3 or time.perf_counter() - began < seconds:
        wait(device)
        at = time.perf_counter()
        act()
        wait(device)
        times.append(time.perf_counter() - at)
    return float(np.median(times))


@cache
def random_scan(side: int, positions: int) -> sc.Scan:
    """Return a scan of random patterns, with fractions of pixels."""
    rng = np.random.default_rng(0)
    geometry = sc.Geometry(1e-10, 1.0, 75e-6)
    pixel = geometry.pixel_size_m((side, side))
    counts = rng.poisson(5, (positions, side, side)).astype(np.uint16)
    return sc.Scan(counts, rng.uniform(0, 80, (positions, 2)) * pixel, geometry)


def run_of(side: int, positions: int, modes: int, algorithm: Any, **chosen: Any) -> Run:
    """Return a run that does not end."""
    scan = random_scan(side, positions)
    start = begin(scan, sc.DiscProbe(side * scan.pixel_size_m[0] / 4), modes=modes)
    settings = RunSettings(**({"epochs": 10**6, "threads": 1} | chosen))
    return Run(scan, algorithm, start, settings)
