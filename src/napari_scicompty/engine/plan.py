"""What of a run is kept where, so that it fits its device."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scicompty.core.device import free_bytes, is_out_of_memory, pick_device
from napari_scicompty.core.errors import EngineError
from napari_scicompty.core.host_memory import available_bytes
from napari_scicompty.engine.memory import copies_bytes, working_bytes
from napari_scicompty.model.measured import Measured
from napari_scicompty.model.pattern_store import Keeping, Packing

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from napari_scicompty.algorithms.base import Algorithm
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.engine.run_settings import RunSettings

log = logging.getLogger(__name__)

SHORT_OF_MEMORY = (
    "The device {} ran out of memory {}; use fewer modes, a smaller batch or crop the "
    "patterns"
)
"""Device, when."""

_GB = 1e9
_SHARE = 0.8
"""Of what is free: the rest is for what cannot be foreseen."""


@dataclass(frozen=True)
class Plan:
    """How the patterns of a run are kept, and what the run needs on its device."""

    keeping: Keeping
    """Where the patterns lie, and in how many bits."""
    needed: int
    """Bytes on the device."""
    source: str = ""
    """Name of the file that the patterns come from."""

    @property
    def is_plain(self) -> bool:
        """Whether everything is on the device as it is."""
        return self.keeping == Keeping()

    def __str__(self) -> str:
        """Say what it needs, and what is kept where if that is out of the ordinary."""
        need = f"needs {size(self.needed)}"
        kinds = {
            "float32": "",
            "counts": "patterns kept as 16-bit counts, exact",
            "float16": "patterns kept in half precision",
        }
        how = {
            "device": kinds[self.keeping.packing.kind],
            "host": "patterns kept in the host's memory and fetched ahead",
            "scan": f"patterns fetched from {self.source or 'the scan'} as needed",
        }[self.keeping.place]
        return f"{need}, {how}" if how else need


def plan(
    scan: Scan, algorithm: Algorithm, settings: RunSettings, modes: int = 1
) -> Plan:
    """Choose how to keep the patterns: as near to the device as they fit.

    Parameters
    ----------
    scan : Scan
        What was measured.
    algorithm : Algorithm
        The rule and its settings.
    settings : RunSettings
        Its device, batch and limit of memory.
    modes : int
        Probe modes.

    Returns
    -------
    Plan
        The first that fits; where none does, the one that needs least.

    Raises
    ------
    InputError
        Positions that do not fit the object pixel, or a device that is not there.
    """
    device = pick_device(settings.device)
    plans = _plans(scan, algorithm, settings, modes, device)
    room = settings.memory_gb * _GB or _SHARE * free_bytes(device)
    return next((p for p in plans if _fits(p, scan, room)), plans[-1])


def smaller(
    before: Plan, scan: Scan, algorithm: Algorithm, settings: RunSettings, modes: int
) -> Plan | None:
    """Return the next plan that needs less on the device; None when there is none.

    Parameters
    ----------
    before : Plan
        The one that did not fit.
    scan : Scan
        What was measured.
    algorithm : Algorithm
        The rule and its settings.
    settings : RunSettings
        Epochs, batch, device, seed and the like.
    modes : int
        Probe modes.
    """
    device = pick_device(settings.device)
    plans = _plans(scan, algorithm, settings, modes, device)
    ways = (after for way, after in pairwise(plans) if way.keeping == before.keeping)
    return next(ways, None)


@dataclass(frozen=True)
class LessMemory:
    """How a run goes on with less memory."""

    plan: Plan | None
    """How to keep the patterns; None where that stays as it is."""
    batch: int
    """Positions of a step."""
    how: str
    """In words."""

    def note(self, epoch: int, device: object, back_to: int) -> str:
        """Return a line for the history.

        Parameters
        ----------
        epoch, back_to : int
            Epoch under way, from 1, and the one the run went back to.
        device : torch.device
            What ran out of memory.
        """
        return (
            f"epoch {epoch}: {device} ran out of memory; went back to epoch {back_to} "
            f"and on with less: {self.how}"
        )


def less_memory(
    before: Plan,
    scan: Scan,
    algorithm: Algorithm,
    settings: RunSettings,
    modes: int,
    batch: int,
    epoch: int,
) -> LessMemory:
    """Decide how a run that did not fit goes on.

    Parameters
    ----------
    before : Plan
        The one that did not fit.
    scan : Scan
        What was measured.
    algorithm : Algorithm
        The rule and its settings.
    settings : RunSettings
        Epochs, batch, device, seed and the like.
    modes : int
        Probe modes.
    batch : int
        Patterns per step now.
    epoch : int
        Epochs that were completed.

    Returns
    -------
    LessMemory
        The next plan, or half of the batch.

    Raises
    ------
    EngineError
        Nothing needs less.
    """
    less, half = smaller(before, scan, algorithm, settings, modes), batch // 2
    if less is not None:
        return LessMemory(less, batch, str(less))
    if half:
        return LessMemory(None, half, f"batches of {half}")
    device = pick_device(settings.device)
    raise EngineError(SHORT_OF_MEMORY.format(device, f"at epoch {epoch}"))


def keep(
    planned: Plan,
    scan: Scan,
    algorithm: Algorithm,
    settings: RunSettings,
    modes: int,
    included: NDArray[np.bool_],
) -> tuple[Plan, Measured]:
    """Keep the patterns as planned, or as the next plan has it that fits.

    Parameters
    ----------
    planned : Plan
        To be tried first.
    scan : Scan
        What was measured.
    algorithm : Algorithm
        The rule and its settings.
    settings : RunSettings
        Epochs, batch, device, seed and the like.
    modes : int
        Probe modes.
    included : (n,)
        Patterns that take part.

    Returns
    -------
    Plan
        The one that fitted.
    Measured
        The amplitudes, kept that way.

    Raises
    ------
    EngineError
        Where no plan fits.
    """
    device = pick_device(settings.device)
    chosen: Plan | None = planned
    while chosen is not None:
        try:
            kept = Measured.of(
                scan,
                device,
                included,
                settings.held_out,
                settings.seed,
                chosen.keeping,
            )
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            log.warning("patterns do not fit as planned (%s): %s", chosen, str(error))
        else:
            return chosen, kept
        chosen = smaller(chosen, scan, algorithm, settings, modes)
    raise EngineError(SHORT_OF_MEMORY.format(device, "before its first step"))


def size(count: float) -> str:
    """Write 1.5e9 bytes as 1.4 GiB.

    Parameters
    ----------
    count : float
        Bytes.

    Returns
    -------
    str
        MiB below one GiB, else GiB.

    Examples
    --------
    >>> size(1.5e9)
    '1.4 GiB'
    """
    if count < 2**30:
        return f"{max(1, round(count / 2**20))} MiB"
    return f"{count / 2**30:.1f} GiB"


def _plans(
    scan: Scan,
    algorithm: Algorithm,
    settings: RunSettings,
    modes: int,
    device: torch.device,
) -> list[Plan]:
    """All ways, the fastest and largest first."""
    least = Packing.smallest(scan)
    ways = [Keeping(), Keeping("device", least)]
    if device.type == "cpu":
        ways.append(Keeping("scan"))
    else:
        ways += [Keeping("host", least), Keeping("scan", least)]
    working = working_bytes(scan, algorithm, modes, settings.batch)
    if device.type == "cpu":
        working += copies_bytes(scan)
    name = Path(scan.source.path).name
    return [
        Plan(way, working + _kept_bytes(way, scan, "device"), name)
        for way in dict.fromkeys(ways)
    ]


def _kept_bytes(way: Keeping, scan: Scan, place: str) -> int:
    h, w = scan.frame_shape
    return len(scan) * h * w * way.packing.dtype.itemsize * (way.place == place)


def _fits(plan: Plan, scan: Scan, room: float) -> bool:
    on_host = _kept_bytes(plan.keeping, scan, "host")
    return plan.needed <= room and on_host <= _SHARE * available_bytes()
