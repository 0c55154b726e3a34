"""Who does the passes over memory of a run: torch, or kernels that numba compiles."""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING

from napari_scicompty.core.errors import InputError
from napari_scicompty.optics import compiled

if TYPE_CHECKING:
    import torch

    from napari_scicompty.algorithms.base import Algorithm, Kind
    from napari_scicompty.engine.run_settings import RunSettings

log = logging.getLogger(__name__)

MOST_THREADS = 4
"""Of torch, up to which kernels on one thread are taken to be faster."""


def is_installed() -> bool:
    """Whether numba is there; it is not imported."""
    return importlib.util.find_spec("numba") is not None


def kernels_for(
    settings: RunSettings, algorithm: Algorithm, device: torch.device, threads: int
) -> Kind:
    """Choose for a run, and make the kernels ready where it uses them.

    An algorithm that has no use for them runs by torch, whatever is asked for.

    Parameters
    ----------
    settings : RunSettings
        Its `kernels` is what is asked for.
    algorithm : Algorithm
        With which the run begins.
    device : torch.device
        Where the run computes.
    threads : int
        Of torch.

    Returns
    -------
    str
        ``"torch"`` or ``"numba"``.

    Raises
    ------
    InputError
        Those of numba are asked for and cannot be had: it is not installed, does not
        work here, or the run is not on the CPU.
    """
    asked = settings.kernels
    if asked == "torch" or not algorithm.has_kernels:
        return "torch"
    if asked == "auto" and (
        device.type != "cpu" or threads > MOST_THREADS or not is_installed()
    ):
        return "torch"
    if device.type != "cpu":
        raise _refused(
            f"numba's kernels run on the CPU, and this run is on {device.type}",
            "choose kernels 'auto' or device 'cpu'",
        )
    if not is_installed():
        raise _refused("numba is not installed", f"{compiled.INSTALL}, or choose torch")
    try:
        compiled.load()
    except Exception as error:
        if asked == "auto":
            log.warning("numba does not work here, torch goes on alone: %s", error)
            return "torch"
        raise _refused(
            f"numba does not work here ({error})",
            "choose torch, or install a version of numba that fits this Python",
        ) from error
    return "numba"


def _refused(problem: str, remedy: str) -> InputError:
    return InputError(field="run.kernels", problem=problem, remedy=remedy)
