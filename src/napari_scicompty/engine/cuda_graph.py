"""Steps that are recorded once and replayed: no kernel of theirs is launched again.

On a GPU a step of one position takes a few microseconds for each of its forty kernels,
and the host as long again to launch each of them. A CUDA graph launches all of them at
once. What a recorded step does is fixed: which memory it reads and writes, and every
number that the host has put into it. So a record holds for one `key`, and which
patterns come next stands on the device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from torch import Tensor
    from torch.cuda import _POOL_HANDLE

    Act = Callable[[], None]

WARM_UP = 2
"""Steps that are done plainly before one is recorded: they make plans and memory."""


class Recorder(Protocol):
    """Records what happens on a device."""

    def __call__(self, act: Act) -> Act:
        """Carry `act` out once; return what carries it out again, as it was then."""
        ...


class CudaGraphs:
    """CUDA graphs, or their like on ROCm; those of one run share their memory."""

    def __init__(self) -> None:
        self._pool: _POOL_HANDLE | None = None

    def __call__(self, act: Act) -> Act:
        """Record a graph and replay it once."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            act()
        self._pool = graph.pool()
        graph.replay()
        return graph.replay


RECORDERS: dict[str, Callable[[], Recorder]] = {"cuda": CudaGraphs}
"""Type of a device -> what records there."""


class GraphedSteps:
    """The steps of a run, recorded by the size of their batch.

    Parameters
    ----------
    count : int
        Patterns of the run.
    device : torch.device
        One with a line in `RECORDERS`.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self._record = RECORDERS[device.type]()
        self._queue = torch.zeros(count, dtype=torch.int64, device=device)
        self._cursor = torch.zeros(1, dtype=torch.int64, device=device)
        self._ahead = torch.arange(count, device=device)
        self._key: Hashable = None
        self._done: dict[int, int] = {}
        self._replays: dict[int, Act] = {}
        self.trouble = ""
        """Why steps cannot be recorded here, once that was tried in vain."""

    def expect(self, order: Sequence[int], key: Hashable) -> None:
        """Tell which patterns come next, and what the steps depend on.

        Parameters
        ----------
        order : sequence of int
            Numbers of the patterns to come.
        key : hashable
            All that a step has from the host; where it is another one than before,
            steps are recorded anew.
        """
        self._queue[: len(order)] = torch.as_tensor(order, dtype=torch.int64)
        self._cursor.zero_()
        if key != self._key:
            self._key, self._done, self._replays = key, {}, {}

    def step(self, size: int, act: Callable[[Tensor], None]) -> None:
        """Do a step with the next `size` patterns.

        Parameters
        ----------
        size : int
            Patterns of the step.
        act : callable
            Does it with their numbers (size,) on the device; nothing in it may wait
            for the device.
        """
        replay = self._replays.get(size)
        if replay is not None:
            replay()
            return

        def once() -> None:
            ahead = self._cursor + self._ahead[:size]
            self._cursor.add_(size)
            act(self._queue.index_select(0, ahead))

        done = self._done[size] = self._done.get(size, 0) + 1
        if done <= WARM_UP or self.trouble:
            once()
            return
        try:
            self._replays[size] = self._record(once)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            # What is being recorded is not carried out: nothing has happened yet.
            self.trouble = str(error)
            once()


def recording(count: int, device: torch.device) -> GraphedSteps | None:
    """Return recorded steps for `count` patterns; None where nothing records.

    Parameters
    ----------
    count : int
        Patterns of the run.
    device : torch.device
        Where the run computes.
    """
    return GraphedSteps(count, device) if device.type in RECORDERS else None
