"""A scan that is opened in a thread: what is shared with the window."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.log import log_fault
from napari_scicompty.simulation import VirtualExperiment, simulate
from napari_scicompty.workflow.checking import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.core.findings import Finding
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.recipe import Recipe
    from napari_scicompty.simulation import Truth

log = logging.getLogger(__name__)


@dataclass
class Opening:
    """A recipe whose scan is opened, and what came of it."""

    recipe: Recipe
    then: Callable[[], None] | None = None
    """What to do in the window when it is open."""
    keep_result: bool = False
    """Whether the result on show is the scan's, whatever its source says."""
    progress: tuple[int, int] = (0, 0)
    """Patterns (done, planned) of a scan that is simulated; zeros for a file."""
    stopped: bool = False
    scan: Scan | None = None
    truth: Truth | None = None
    findings: tuple[Finding, ...] = ()
    """What is well with the scan, and what is not."""
    error: Exception | None = None

    def carry_out(self) -> None:
        """Open the files, or simulate; a fault is kept, to be told in the window."""
        try:
            if isinstance(self.recipe.input, VirtualExperiment):
                self.scan, self.truth = simulate(self.recipe.input, self._went_on)
            else:
                self.scan = self.recipe.scan()
            self.findings = tuple(check(self.scan))
        except Exception as error:
            log_fault(log, error)
            self.error = error

    def _went_on(self, done: int, planned: int) -> None:
        self.progress = (done, planned)
        if self.stopped:
            raise InputError("stopped: the scan was not simulated to its end")


def open_scan_of(openings: list[Opening]) -> None:
    """Open the scan of the one in the list.

    The list is emptied, because napari keeps a worker's arguments for ever.
    """
    openings.pop().carry_out()
