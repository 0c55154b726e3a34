"""Which scan is opened: as the fields say, as it was before, or another file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.formats import GEOMETRY_CHOICES
from napari_scicompty.recipe import FileInput
from napari_scicompty.ui.session import window_state as memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.core.findings import Change
    from napari_scicompty.recipe import Recipe
    from napari_scicompty.simulation import VirtualExperiment
    from napari_scicompty.ui.reconstruction.data_section import DataSection
    from napari_scicompty.ui.reconstruction.geometry_section import GeometrySection
    from napari_scicompty.ui.reconstruction.start_section import StartSection
    from napari_scicompty.ui.session.controller import RunController
    from napari_scicompty.workflow.orientation import OrientationCandidate


class ScanInput:
    """Opens scans for the sections Data, Geometry and Start, and fills these.

    Parameters
    ----------
    recipe : callable
        Returns what the fields say; InputError where one is not valid.
    """

    def __init__(
        self,
        sections: tuple[DataSection, GeometrySection, StartSection],
        controller: RunController,
        recipe: Callable[[], Recipe],
    ) -> None:
        self._data, self._geometry, self._start = sections
        self._controller, self._recipe = controller, recipe
        self._data.open_wanted.connect(lambda: self.open())
        self._data.other_file.connect(self._other_file)
        self._data.recent_wanted.connect(self._open_recent)
        self._data.pattern_view.centre_picked.connect(self._centre_picked)
        self._geometry.file_wanted.connect(lambda: self.open())
        self._geometry.changed.connect(
            lambda: self._geometry.show_derived(controller.scan)
        )

    def open(self, then: Callable[[], None] | None = None) -> None:
        """Open the scan that the fields name, and do something then."""
        recipe = self._controller.speaker.attempt(self._recipe)
        if recipe is None:
            return
        memory.remember(recipe=recipe.to_toml())
        if isinstance(recipe.input, FileInput):
            memory.add_recent(recipe.input)
        self._controller.open(recipe, then)

    def open_path(self, path: str) -> None:
        """Open a file that was dropped; its positions and geometry are in it."""
        self._data.set_input(FileInput(path=path))
        self._geometry.clear()
        self.open()

    def take_orientation(self, candidate: OrientationCandidate) -> None:
        """Open the scan on show with an orientation that was found for it."""
        controller, opened = self._controller, self._controller.input
        if controller.busy or candidate.is_as_opened:
            return
        if not isinstance(opened, FileInput):
            controller.say(
                "warning",
                "the virtual experiment has no file whose orientation could be "
                "changed; change its mistakes instead",
            )
            return
        choices = controller.speaker.attempt(lambda: candidate.choices(opened))
        if choices is None:
            return
        self._data.set_input(opened.replace(**choices))
        controller.forget()
        controller.say("info", f"orientation taken: {candidate.words}")
        self.open()

    def open_virtual(self, experiment: VirtualExperiment) -> None:
        """Open a virtual experiment, with a start that suits it."""
        from napari_scicompty.workflow.start import DiscProbe

        self._data.set_input(experiment)
        self._start.set_value(DiscProbe(radius_m=experiment.probe_radius_m))
        self.open()

    def _open_recent(self, chosen: FileInput) -> None:
        """Open an input again, with all that was said of it then."""
        self._data.set_input(chosen)
        self._geometry.set_values(
            {name: getattr(chosen, name) for name in GEOMETRY_CHOICES}
        )
        self.open()

    def apply(self, change: Change) -> None:
        """Set choices of the file, and open it anew.

        Parameters
        ----------
        change : tuple of (str, value)
            As of `Finding.change`.
        """
        if self._controller.busy:
            return
        values = dict(change)
        geometry = {n: v for n, v in values.items() if n in GEOMETRY_CHOICES}
        self._geometry.set_values(geometry)
        self._data.set_choices(
            {n: v for n, v in values.items() if n not in GEOMETRY_CHOICES}
        )
        self.open()

    def _other_file(self, before: str, now: str) -> None:
        """Put away what was typed for the last file; it would be wrong in silence."""
        is_known = self._geometry.change_file(before, now)
        how = "as they were set for it" if is_known else "cleared"
        self._controller.say(
            "info", f"another file: geometry, positions and conventions are {how}"
        )

    def _centre_picked(self, row: int, column: int) -> None:
        """Take the beam centre that was double-clicked, and open the scan anew."""
        scan = self._controller.scan
        if scan is None or self._controller.busy:
            return
        refused = self._data.pick_centre(row, column, scan.frame_shape)
        if refused:
            self._controller.say("warning", refused)
        else:
            self.open()
