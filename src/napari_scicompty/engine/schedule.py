"""Which patterns come when, and how their steps are done: plainly or as a graph."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from napari_scicompty.engine.cuda_graph import recording
from napari_scicompty.engine.ordering import ScanOrder, non_overlapping

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.algorithms.base import Algorithm, StepContext
    from napari_scicompty.engine.checkpoint import Live
    from napari_scicompty.engine.cuda_graph import GraphedSteps
    from napari_scicompty.engine.pattern_errors import PatternErrors
    from napari_scicompty.engine.run_settings import RunSettings


class Schedule:
    """The batches of a run, epoch by epoch, and how they are carried out.

    Parameters
    ----------
    live : Live
        What is improved.
    settings : RunSettings
        Seed of the order, and whether steps may be recorded and replayed.
    visited : int
        Patterns of the first epoch that had their turn before.
    """

    def __init__(self, live: Live, settings: RunSettings, visited: int) -> None:
        count, device = len(live.estimate.positions_m), live.estimate.object.device
        self._live = live
        self._graphs = recording(count, device) if settings.cuda_graphs else None
        self._replayed: GraphedSteps | None = None
        self._algorithm: Algorithm
        self._context: StepContext
        self.order = ScanOrder(count, settings.seed)
        self._first = visited

    def begin(self, epoch: int, batch: int, settings: RunSettings) -> None:
        """Begin an epoch.

        Parameters
        ----------
        epoch : int
            Its number, from 0; with the seed it fixes the order.
        batch : int
            Patterns of a step, at most.
        settings : RunSettings
            Tell whether those of a step must not overlap.
        """
        groups = None
        if batch > 1 and settings.non_overlapping:
            count = len(self._live.estimate.positions_m)
            groups = non_overlapping(self._live.estimate, count, batch)
        self.order.begin(epoch, groups)
        self.order.at, self._first = self._first, 0

    def expect(
        self,
        algorithm: Algorithm,
        context: StepContext,
        batch: int,
        included: NDArray[np.bool_],
    ) -> str:
        """Tell what holds for the steps of this epoch that are still to come.

        Parameters
        ----------
        algorithm : Algorithm
            The rule and its settings.
        context : StepContext
            What holds for every step of the epoch.
        batch : int
            Patterns of a step, at most.
        included : (n,)
            Patterns that take part.

        Returns
        -------
        str
            A note, where recording was tried in vain.
        """
        live, order = self._live, self.order.to_come(included)
        live.measured.storage.expect(order, batch)
        self._algorithm, self._context = algorithm, context
        self._replayed = None
        steps, read = self._graphs, live.measured.addresses
        if steps is None or read is None:
            return ""
        if steps.trouble:
            self._graphs = None
            why = steps.trouble
            return f"no CUDA graph can be made here, steps go on without: {why}"
        if algorithm.device_step is None or live.refining.watches:
            return ""
        depends_on = (
            repr(algorithm),
            dataclasses.replace(context, epoch=0),
            live.estimate.addresses,
            read,
        )
        steps.expect(order, depends_on)
        self._replayed = steps
        return ""

    def step(
        self, size: int, included: NDArray[np.bool_], errors: PatternErrors
    ) -> None:
        """Improve the estimate with the next patterns, and note their errors.

        Parameters
        ----------
        size : int
            Patterns at most.
        included : array (n,) bool
            Patterns that take part.
        errors : PatternErrors
            Take note of the squared errors.
        """
        batch, live = self.order.take(size, included), self._live
        if batch:
            self._step(batch, errors)
        self._algorithm.after_step(live.estimate, live.state, self.order.share_done)

    def _step(self, batch: list[int], errors: PatternErrors) -> None:
        live = self._live
        self._algorithm.before_step(live.estimate, self._context, live.state)
        found: Tensor | None = None
        if self._replayed is None:
            now = (live.estimate, live.measured, batch)
            told = (self._context, live.state)
            found = live.refining.step(lambda: self._algorithm.step(*now, *told), *now)
        else:
            with live.estimate.replaying():
                self._replayed.step(
                    len(batch), lambda numbers: self._on_device(numbers, errors)
                )
        errors.visit(batch[0] if len(batch) == 1 else batch, found)

    def _on_device(self, numbers: Tensor, errors: PatternErrors) -> None:
        """Do a step whose patterns (B,) only the device knows."""
        step = self._algorithm.device_step
        assert step is not None
        live = self._live
        now = (live.estimate, live.measured, numbers)
        found = step(*now, self._context, live.state)
        errors.squared.index_copy_(0, numbers, found)
