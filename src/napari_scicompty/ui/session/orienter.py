"""The orientation of a window's scan, searched in a thread."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_scicompty.engine.controls import Controls
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.ui.session.worker import drive
from napari_scicompty.workflow.orientation import verdict
from napari_scicompty.workflow.orientation_search import Trials

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.recipe import Recipe
    from napari_scicompty.ui.session.controller import RunController
    from napari_scicompty.workflow.orientation import OrientationCandidate

LOOK_EVERY_MS = 200


@dataclass
class OrientationJob:
    """Tries of orientations, shared between the window and the thread."""

    scan: Scan
    settings: RunSettings
    controls: Controls = field(default_factory=Controls)
    tried: tuple[OrientationCandidate, ...] = ()
    """So far, with their errors; none is ranked yet."""
    planned: int = 0
    """How many are going to be tried."""
    found: tuple[OrientationCandidate, ...] = ()
    """Best first, when all are tried or the search was stopped."""
    failure: Exception | None = None
    abandoned: bool = False
    """Whether the window is gone."""

    def release(self) -> None:
        """Let go of what is large."""
        del self.scan

    def fail(self, error: Exception) -> None:
        """Note what ended the search."""
        self.failure = error

    def carry_out(self) -> Iterator[None]:
        """Try all, then rank them."""
        trials = Trials(self.scan, self.settings, controls=self.controls)
        for _, self.planned, candidate in trials.first():
            self.tried = (*self.tried, candidate)
            yield
        self.found = tuple(trials.judged())


class Orienter:
    """Searches the orientation of a controller's scan.

    Attributes
    ----------
    job : OrientationJob or None
        The search under way, or the last one of the scan.
    """

    def __init__(self, controller: RunController) -> None:
        self._controller = controller
        self.job: OrientationJob | None = None

    def search(self, recipe: Recipe) -> None:
        """Try the orientations of the scan, with the modes of a recipe."""
        controller = self._controller
        if controller.busy or controller.scan is None:
            return
        shared = recipe.shared
        settings = RunSettings(
            modes=shared.modes or 1, device=shared.device, seed=shared.seed
        )
        self.job = OrientationJob(controller.scan.exclude(shared.excluded), settings)
        controller.enter("orienting")
        controller.work.begin(drive, self.job, self._searched, LOOK_EVERY_MS)

    def forget(self) -> None:
        """Forget what was found: it is of another scan."""
        self.job = None

    def _searched(self) -> None:
        controller, job = self._controller, self.job
        controller.enter("ready")
        if job is None:
            return
        if job.failure is not None:
            controller.speaker.say_failure(job.failure)
        elif job.found:
            best = job.found[0]
            fine = best.is_sure and best.is_as_opened
            controller.say("info" if fine else "warning", verdict([*job.found]))
        controller.progressed.emit()
