"""pty-chi on our data, to run beside ours: ``pip install ptychi``.

https://github.com/AdvancedPhotonSource/pty-chi. Its first object and probe are those of
our start; positions are pixels of the middle of each view, from the middle of the
object; its Fourier transforms are not normalised.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any

import ptychi.api as api
import torch
from ptychi.api.task import PtychographyTask

from napari_scicompty.workflow.start import begin

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari_scicompty as sc
    from napari_scicompty.workflow.start import Start

PEERS: dict[str, tuple[type[Any], int]] = {
    "rPIE, batch 1": (api.RPIEOptions, 1),
    "rPIE, batch 2": (api.RPIEOptions, 2),
    "rPIE, batch 4": (api.RPIEOptions, 4),
    "rPIE, batch 8": (api.RPIEOptions, 8),
    "LSQML, batch 4": (api.LSQMLOptions, 4),
    "LSQML, batch 30": (api.LSQMLOptions, 30),
}
DEVICES = {"cpu": api.Devices.CPU, "cuda": api.Devices.GPU}
EPOCHS = 60


def reconstructed(
    scan: sc.Scan, start: Start, name: str, device: str = "cpu"
) -> Iterator[sc.Snapshot]:
    """Run it, epoch by epoch; only its epochs count as time."""
    first = begin(scan, start)
    options = _options(scan, first, name)
    options.reconstructor_options.default_device = DEVICES[device]
    task = PtychographyTask(options)
    spent = 0.0
    for epoch in range(1, EPOCHS + 1):
        began = time.perf_counter()
        task.run(1)
        if device == "cuda":
            torch.cuda.synchronize()
        spent += time.perf_counter() - began
        yield first.replace(
            epoch=epoch,
            elapsed_s=spent,
            object=task.get_data_to_cpu("object", as_numpy=True)[0],
            probe=task.get_data_to_cpu("probe", as_numpy=True)[0],
        )


def _options(scan: sc.Scan, first: sc.Snapshot, name: str) -> Any:
    kind, batch = PEERS[name]
    options = kind()
    logging.disable(logging.WARNING)
    options.data_options.data = scan.patterns
    options.data_options.wavelength_m = scan.geometry.wavelength_m
    options.object_options.initial_guess = torch.from_numpy(first.object[None].copy())
    options.object_options.pixel_size_m = first.pixel_size_m[0]
    (H, W), (h, w) = first.object.shape, scan.frame_shape
    unnormalised = first.probe[None] / math.sqrt(h * w)
    options.probe_options.initial_guess = torch.from_numpy(unnormalised)
    middles = first.positions_px - ((H - h) / 2, (W - w) / 2)
    options.probe_position_options.position_y_px = middles[:, 0]
    options.probe_position_options.position_x_px = middles[:, 1]
    options.reconstructor_options.num_epochs = EPOCHS
    options.reconstructor_options.batch_size = batch
    options.reconstructor_options.random_seed = 0
    return options
