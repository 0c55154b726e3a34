"""A run is followed in the window: which stage it is in, and what it has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_scicompty.ui.session.controller import RunController
    from napari_scicompty.ui.session.worker import Job


class Follower:
    """Shows what a job of a controller hands over."""

    def __init__(self, controller: RunController) -> None:
        self._controller = controller
        self._begun = False
        """Whether the layers show this run."""
        self._stage = 0

    def begin(self) -> None:
        """Follow another run."""
        self._begun, self._stage = False, 0
        self._controller.speaker.begin_notes(self._controller.snapshot)

    def follow(self, job: Job) -> None:
        """Say which stage has begun."""
        number = job.progress.stage
        if number == self._stage:
            return
        self._stage = number
        self._controller.stage_begun.emit(number)
        count, title = len(job.recipe.stages), job.stage.algorithm.title
        self._controller.say("info", f"stage {number + 1} of {count}: {title}")

    def show(self, job: Job) -> None:
        """Show the newest state, where there is another one."""
        controller = self._controller
        snapshot, viewer = job.take(), controller.viewer
        preview = job.take_preview()
        if snapshot is None:
            if preview is not None and viewer is not None:
                controller.layers.preview(viewer, preview)
            return
        busy = controller.busy
        controller.result.take(snapshot)
        if snapshot.epoch > job.first_epoch or not busy:
            controller.result.keep(now=not busy)
        if viewer is None:
            return
        if self._begun:
            whole = not busy or controller.state == "paused"
            controller.layers.update(viewer, snapshot, whole=whole)
        else:
            controller.layers.begin(viewer, snapshot)
            self._begun = True
        controller.speaker.say_notes(snapshot)
