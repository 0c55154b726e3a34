"""How a run is carried out, whatever the algorithm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.settings import Numbers, Settings, setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan


MOST_MODES = 64
"""Incoherent modes of a probe."""
AT_ONCE = 2**18
"""Wave pixels that a pass over all patterns takes at once."""


class RunSettings(Settings):
    """Epochs, modes, device, seed and the like."""

    epochs: int = setting(
        40, "Passes over all patterns (more of them when continuing)", ge=0
    )
    modes: int | None = setting(
        None,
        "Incoherent probe modes; empty keeps those of the start",
        ge=1,
        le=MOST_MODES,
        live=False,
    )
    batch: int | None = setting(
        None, "Positions per step; empty is the algorithm's own choice", ge=1
    )
    non_overlapping: bool = setting(
        False,
        "Batches of positions whose beams do not overlap: the object is stepped as by "
        "one after the other, the probe once a batch",
        title="Non-overlapping batches",
        advanced=True,
    )
    hold_probe: int = setting(
        0, "Epochs before the probe is updated for the first time", ge=0
    )
    freeze_probe: bool = setting(False, "Keep the probe as it is (a calibrated one)")
    excluded: Numbers = setting(
        (), "Patterns that take no part, by their number from 0", title="Exclude"
    )
    held_out: float = setting(
        0.0,
        "Share of the detector's pixels that take no part: their error rises when "
        "noise is fitted",
        ge=0,
        le=0.2,
        live=False,
        advanced=True,
    )
    patience: int = setting(
        0,
        "Stop when the held-out error has not fallen for so many epochs, and keep the "
        "best; 0 goes on to the end",
        ge=0,
        advanced=True,
    )
    positions_of: Literal["result", "scan"] = setting(
        "result",
        "Whose positions a continued result has, where the scan's are not those that "
        "it was made from",
        title="Positions of",
        live=False,
        advanced=True,
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = setting(
        "auto", "Where to compute; auto takes a GPU when there is one", live=False
    )
    cuda_graphs: bool = setting(
        True,
        "On a GPU, record a step once and replay it: no kernels to launch, the same "
        "numbers",
        title="CUDA graphs (GPU)",
        live=False,
        advanced=True,
    )
    kernels: Literal["auto", "torch", "numba"] = setting(
        "auto",
        "On a CPU, who does the passes over memory of ePIE and rPIE: torch, or faster "
        "kernels that numba compiles; auto takes numba where it is installed",
        title="Kernels (CPU)",
        live=False,
        advanced=True,
    )
    memory_gb: float = setting(
        0.0,
        "Most memory of the device that a run may take; 0 is what is free",
        title="Memory",
        unit="GB",
        ge=0,
        live=False,
        advanced=True,
    )
    seed: int = setting(
        0,
        "Of the random order and the weak modes: same seed, same numbers",
        ge=0,
        lt=10**18,
        live=False,
    )
    threads: int = setting(
        0, "CPU threads; 0 is automatic, which is fastest", ge=0, le=1024, live=False
    )

    def updates_probe(self, epoch: int) -> bool:
        """Whether the probe is updated after so many completed epochs.

        Parameters
        ----------
        epoch : int
            Epochs that were completed.
        """
        return not self.freeze_probe and epoch >= self.hold_probe


def included(scan: Scan, settings: RunSettings) -> NDArray[np.bool_]:
    """Return which patterns take part, shape (n,).

    Parameters
    ----------
    scan : Scan
        What was measured.
    settings : RunSettings
        Its `excluded` is added to that of the scan.

    Raises
    ------
    InputError
        A number without a pattern, or none that is left.
    """
    taking_part = np.ones(len(scan), bool)
    taking_part[list(scan.excluded)] = False
    wrong = [j for j in settings.excluded if not 0 <= j < len(scan)]
    if wrong:
        raise InputError(
            field="run.excluded",
            problem=f"there is no pattern {wrong[0]}",
            remedy=f"they are numbered 0 to {len(scan) - 1}",
        )
    taking_part[list(settings.excluded)] = False
    if not taking_part.any():
        raise InputError(
            field="run.excluded",
            problem="every pattern is excluded",
            remedy="include some",
        )
    return taking_part
