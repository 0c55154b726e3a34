"""What of a run travels with a snapshot beside object, probe and positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import torch

from napari_scicompty.data.snapshot import RunRecord, frozen
from napari_scicompty.engine.refiner_set import RefinerSet
from napari_scicompty.model.estimate import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import TypedDict

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.algorithms.base import Algorithm, AlgorithmState
    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.engine.run_settings import RunSettings
    from napari_scicompty.model.measured import Measured
    from napari_scicompty.refine.base import Refiner

    class _Fields(TypedDict):
        """Fields of a snapshot that show the estimate."""

        object: NDArray[np.complex64]
        probe: NDArray[np.complex64]
        positions_m: NDArray[np.float64]
        origin_m: tuple[float, float]
        pixel_size_m: tuple[float, float]
        geometry: Geometry


EXTRA = ("brightness", "background", "probe_spectrum")
"""Arrays of the model that are there in some runs only."""


@dataclass
class Live:
    """The parts of a run that a checkpoint takes, and brings back.

    Attributes
    ----------
    state : AlgorithmState
        What the algorithm remembers.
    """

    estimate: Estimate
    """Object, probe and positions."""
    measured: Measured
    """Amplitudes of the patterns."""
    refining: RefinerSet
    """What is refined beside object and probe."""
    state: AlgorithmState

    @classmethod
    def begin(
        cls,
        scan: Scan,
        algorithm: Algorithm,
        start: Snapshot,
        refiners: Sequence[Refiner],
        measured: Measured,
        included: NDArray[np.bool_],
        device: torch.device,
    ) -> Self:
        """Begin where a snapshot is.

        Parameters
        ----------
        scan : Scan
            What was measured.
        algorithm : Algorithm
            The rule and its settings.
        start : Snapshot
            Where the run begins.
        refiners : sequence of Refiner
            One a quantity.
        measured : Measured
            Amplitudes of the patterns.
        included : (n,)
            Patterns that take part.
        device : torch.device
            Where the run computes.

        Returns
        -------
        Live
            On the device.
        """
        refining = RefinerSet(refiners, scan.geometry, device)
        refining.take_up(start.state.get("refine", {}))
        estimate = Estimate(
            start.canvas,
            scan.geometry.replace(distance_m=start.distance_m),
            torch.from_numpy(start.object.copy()).to(device),
            torch.from_numpy(start.probe.copy()).to(device),
        )
        estimate.taking_part = included
        estimate.place(start.positions_m)
        measured.smallest = start.state.get("smallest", measured.smallest)
        live = cls(estimate, measured, refining, remembered(start, algorithm, device))
        live.take_up_extra(start)
        live.state.take_up(estimate)
        return live

    def restore(self, good: Snapshot, algorithm: Algorithm) -> None:
        """Go back to a snapshot of this run.

        Parameters
        ----------
        good : Snapshot
            Of this run.
        algorithm : Algorithm
            The one that goes on.
        """
        self.estimate.restore(good)
        self.state = remembered(good, algorithm, self.estimate.object.device)
        self.take_up_extra(good)
        self.state.take_up(self.estimate)
        self.refining.take_up(good.state["refine"])

    def shown(self) -> AbstractContextManager[None]:
        """Let the estimate be what is to be shown and saved, for a while.

        Returns
        -------
        context manager
            No step may be done while it is open.
        """
        return self.state.shown(self.estimate)

    @property
    def fields(self) -> _Fields:
        """Fields of a snapshot that show the estimate as it is; arrays are copied."""
        canvas = self.estimate.canvas
        return {
            "object": copied(self.estimate.object),
            "probe": copied(self.estimate.probe_kept.copied()),
            "positions_m": self.estimate.positions_m,
            "origin_m": canvas.origin_m,
            "pixel_size_m": canvas.pixel_size_m,
            "geometry": self.estimate.geometry,
        }

    def described(
        self, start: Snapshot, algorithm: Algorithm, settings: RunSettings
    ) -> dict[str, object]:
        """Return the settings of a snapshot: what is needed to set up the same run.

        Parameters
        ----------
        start : Snapshot
            Where the run begins.
        algorithm : Algorithm
            The rule and its settings.
        settings : RunSettings
            Epochs, batch, device, seed and the like.
        """
        run = settings.model_dump(mode="json") | {"modes": len(start.probe)}
        own = {"algorithm": algorithm.described, "run": run}
        return {**start.settings, **self.refining.described, **own}

    def arrays(self) -> dict[str, object]:
        """Return copies of all that is needed to go on exactly, on the CPU."""
        extra = {
            "brightness": self.estimate.brightness,
            "background": self.measured.background,
            "probe_spectrum": self.estimate.probe_kept.stepped,
        }
        return {
            "algorithm": self.state.to_arrays(),
            **{name: copied(v) for name, v in extra.items() if v is not None},
            "refine": self.refining.state,
            "smallest": self.measured.smallest,
        }

    def take_up_extra(self, start: Snapshot) -> None:
        """Go on with the arrays that the run of a snapshot had in its model.

        Parameters
        ----------
        start : Snapshot
            Where the run begins.
        """
        device = self.estimate.object.device
        kept = {
            name: torch.tensor(start.state[name], device=device)
            for name in EXTRA
            if name in start.state
        }
        self.estimate.brightness = kept.get("brightness")
        self.measured.background = kept.get("background")
        if "probe_spectrum" in kept:
            self.estimate.probe_kept.take_up(kept["probe_spectrum"])


def remembered(
    start: Snapshot, algorithm: Algorithm, device: torch.device
) -> AlgorithmState:
    """Take up what the algorithm of a snapshot kept, if it is of the same kind.

    Parameters
    ----------
    start : Snapshot
        Where the run begins.
    algorithm : Algorithm
        The rule and its settings.
    device : torch.device
        Where the tensors lie.

    Returns
    -------
    AlgorithmState
        A fresh one where the snapshot is of another algorithm.
    """
    then = start.settings.get("algorithm", {}).get("name")
    same = then == algorithm.described["name"]
    kept = start.state.get("algorithm", {}) if same else {}
    return algorithm.state_type.from_arrays(kept, device)


def record_of(
    start: Snapshot,
    scan: Scan,
    algorithm: Algorithm,
    settings: RunSettings,
    refiners: Mapping[str, Refiner],
) -> RunRecord:
    """Write down how a run begins, so that it can be repeated.

    Parameters
    ----------
    start : Snapshot
        Where the run begins.
    scan : Scan
        What was measured.
    algorithm : Algorithm
        The rule and its settings.
    settings : RunSettings
        Epochs, batch, device, seed and the like.
    refiners : mapping
        Quantity to its refiner.

    Returns
    -------
    RunRecord
        What the history keeps of the run.
    """
    return RunRecord(
        epoch=start.epoch,
        batch=start.batch,
        algorithm=algorithm.described,
        run=settings.model_dump(mode="json"),
        refine=tuple(refiner.described for refiner in refiners.values()),
        geometry=scan.geometry.described,
        excluded=scan.excluded,
        changes=len(start.history.changes),
        exact=start.exact,
    )


def copied(tensor: Tensor) -> NDArray[Any]:
    """Return a read-only numpy copy that no later step can change.

    Parameters
    ----------
    tensor : Tensor
        On any device.
    """
    return frozen(tensor.detach().to("cpu", copy=True).numpy())
