"""What the button of a verdict does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.algorithms import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.core.findings import Finding
    from napari_scicompty.ui.reconstruction.orientation_section import (
        OrientationSection,
    )
    from napari_scicompty.ui.reconstruction.run_bar import RunBar
    from napari_scicompty.ui.session.controller import RunController
    from napari_scicompty.ui.widgets.kind_form import KindForm


class Mender:
    """Does what verdicts propose.

    Parameters
    ----------
    parts : (RunBar, KindForm, OrientationSection)
        Whose fields are set: modes, algorithm, orientation.
    exclude : callable
        Leaves out patterns, given their numbers.
    lead : callable
        Brings the section of the orientation in sight.
    """

    def __init__(
        self,
        controller: RunController,
        parts: tuple[RunBar, KindForm, OrientationSection],
        exclude: Callable[[tuple[int, ...]], None],
        lead: Callable[[], None],
    ) -> None:
        self._controller = controller
        self._bar, self._algorithm, self._orientation = parts
        self._exclude, self._lead = exclude, lead

    def act_on(self, finding: Finding) -> None:
        """Do what a verdict proposes; the run goes on from its result."""
        change = dict(finding.change)
        if finding.code == "error-stays":
            self._lead()
            self._orientation.search_when_ready()
        elif "run.excluded" in change:
            self._exclude(change["run.excluded"])
        elif "modes" in change:
            self._bar.form.set_values({"modes": change["modes"]})
            self._say_continue(f"{change['modes']} probe modes")
        elif "algorithm" in change:
            self._algorithm.set_kind(change["algorithm"])
            self._say_continue(ALGORITHMS[change["algorithm"]].title)

    def _say_continue(self, what: str) -> None:
        """Say how a change that was made comes to act."""
        how = "Stop, then Continue" if self._controller.busy else "Continue"
        self._controller.say("info", f"{what} from the next run on: {how}")
