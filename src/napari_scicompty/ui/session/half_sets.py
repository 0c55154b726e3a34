"""The resolution of a window's scan, measured by half sets in a thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.ui.session.worker import HalvesJob, drive

if TYPE_CHECKING:
    from napari_scicompty.recipe import Recipe
    from napari_scicompty.ui.session.controller import RunController

LOOK_EVERY_MS = 200


class HalfSets:
    """Measures by two half sets.

    Attributes
    ----------
    job : HalvesJob or None
        The half sets under way, or the last ones of the scan.
    """

    def __init__(self, controller: RunController) -> None:
        self._controller = controller
        self.job: HalvesJob | None = None

    def measure(self, recipe: Recipe) -> None:
        """Reconstruct two half sets as the result was made, or by the recipe.

        They have the positions of the result, as they are: halves that each refine
        their own would not lie on each other.
        """
        controller = self._controller
        if controller.busy or controller.scan is None:
            return
        recipe = controller.made_by() or recipe
        self.job = HalvesJob.of(controller.scan, recipe, controller.snapshot)
        controller.enter("measuring")
        controller.work.begin(drive, self.job, self._measured, LOOK_EVERY_MS)

    def forget(self) -> None:
        """Forget what was measured: it is of another scan or result."""
        self.job = None

    def _measured(self) -> None:
        controller, job = self._controller, self.job
        controller.enter("ready")
        if job is None:
            return
        if job.failure is not None:
            controller.speaker.say_failure(job.failure)
        elif job.resolution is not None:
            controller.say("info", f"resolution: {job.resolution.sentence}")
        controller.progressed.emit()
