"""How a batch is carried out: kernel by kernel, or as a recorded graph."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from napari_scicompty.engine.cuda_graph import recording

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_scicompty.algorithms.base import Algorithm, StepContext
    from napari_scicompty.engine.checkpoint import Live
    from napari_scicompty.engine.cuda_graph import GraphedSteps
    from napari_scicompty.engine.pattern_errors import PatternErrors


class Stepper:
    """Carries out the batches of a run.

    Parameters
    ----------
    count : int
        Patterns of the scan.
    device : torch.device
    graphs : bool
        Whether steps may be recorded and replayed.
    """

    def __init__(self, count: int, device: torch.device, *, graphs: bool) -> None:
        self._graphs = recording(count, device) if graphs else None
        self._replayed: GraphedSteps | None = None
        self._algorithm: Algorithm
        self._context: StepContext

    def expect(
        self, order: list[int], algorithm: Algorithm, context: StepContext, live: Live
    ) -> str:
        """Tell which patterns come next, and what holds for their steps.

        Returns
        -------
        str
            Why nothing can be recorded here, where that was tried in vain.
        """
        self._algorithm, self._context = algorithm, context
        self._replayed = None
        steps, read = self._graphs, live.measured.addresses
        if steps is None or read is None:
            return ""
        if steps.trouble:
            self._graphs = None
            return steps.trouble
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

    def step(self, batch: list[int], live: Live, errors: PatternErrors) -> None:
        """Improve the estimate with the patterns of a batch, and note their errors."""
        found: Tensor | None = None
        if self._replayed is None:
            now = (live.estimate, live.measured, batch)
            told = (self._context, live.state)
            found = live.refining.step(lambda: self._algorithm.step(*now, *told), *now)
        else:
            with live.estimate.replaying():
                self._replayed.step(
                    len(batch), lambda numbers: self._on_device(numbers, live, errors)
                )
        errors.visit(batch[0] if len(batch) == 1 else batch, found)

    def _on_device(self, numbers: Tensor, live: Live, errors: PatternErrors) -> None:
        """Do a step whose patterns (B,) only the device knows."""
        step = self._algorithm.device_step
        assert step is not None
        now = (live.estimate, live.measured, numbers)
        found = step(*now, self._context, live.state)
        errors.squared.index_copy_(0, numbers, found)
