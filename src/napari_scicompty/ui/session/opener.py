"""Scans are opened in a thread; the old one stays where that fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_scicompty.ui.session.scan_loader import Opening, open_scan_of
from napari_scicompty.workflow.continuing import belongs_to

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.recipe import Recipe
    from napari_scicompty.ui.session.controller import RunController

LOOK_EVERY_MS = 200


class Opener:
    """Opens the scans of a controller."""

    def __init__(self, controller: RunController) -> None:
        self._controller = controller
        self._opening: Opening | None = None

    @property
    def progress(self) -> tuple[int, int]:
        """Patterns (done, planned) of the scan that is simulated; zeros for a file."""
        return self._opening.progress if self._opening is not None else (0, 0)

    def begin(
        self, recipe: Recipe, then: Callable[[], None] | None, *, keep_result: bool
    ) -> None:
        """Open the recipe's scan, and do something then."""
        self._opening = Opening(recipe, then, keep_result)
        self._controller.enter("opening")
        self._controller.work.begin(
            open_scan_of, self._opening, self._opened, LOOK_EVERY_MS
        )

    def stop(self) -> None:
        """Simulate no further."""
        if self._opening is not None:
            self._opening.stopped = True

    def _opened(self) -> None:
        opening, self._opening = self._opening, None
        controller = self._controller
        assert opening is not None
        if opening.scan is not None:
            if not opening.keep_result:
                self._leave_result_of_another(opening.scan)
            controller.scan, controller.truth = opening.scan, opening.truth
            controller.input = opening.recipe.input
            controller.findings = opening.findings
            controller.half_sets.forget()
            controller.orienter.forget()
        controller.enter("empty" if controller.scan is None else "ready")
        if opening.scan is None:
            assert opening.error is not None
            controller.speaker.say_failure(opening.error)
            controller.refused.emit(opening.error)
            return
        controller.speaker.say_scan(opening.scan)
        controller.scan_changed.emit()
        if opening.then is not None:
            opening.then()

    def _leave_result_of_another(self, scan: Scan) -> None:
        """Begin anew with a scan that the result on show was not made of."""
        controller = self._controller
        snapshot, viewer = controller.snapshot, controller.viewer
        if snapshot is None or viewer is None or belongs_to(snapshot, scan):
            return
        name = Path(snapshot.source.path).name or "earlier scan"
        controller.layers.leave(viewer, name)
        saved = controller.result.saved
        kept = "" if saved else "; it was not saved, and is offered at the next start"
        controller.say(
            "info", f"another scan: the result of {name} stays in its layers{kept}"
        )
        controller.forget_result()
