"""What is set in the fields goes to the run under way, and the fields follow it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_scicompty.core.errors import InputError
from napari_scicompty.engine.plan import Plan, plan
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.ui.reconstruction.stage_list import StageList
from napari_scicompty.ui.widgets.sections import CollapsibleSection

if TYPE_CHECKING:
    from napari_scicompty.recipe import Recipe
    from napari_scicompty.ui.reconstruction.recipe_fields import RecipeFields
    from napari_scicompty.ui.session.controller import RunController


class LiveSettings(QObject):
    """Stages and fields of a dock, and the run of its viewer.

    Attributes
    ----------
    stages : StageList
        Of which the fields show one.
    section : CollapsibleSection
        The list, folded away while there is one stage.
    """

    changed = Signal()
    """Something was set anew; it need not be valid."""

    def __init__(
        self, prefix: str, fields: RecipeFields, controller: RunController
    ) -> None:
        super().__init__()
        self._fields, self._controller = fields, controller
        self._first_row: int | None = None
        """Stage of the list with which a run of this dock has begun."""
        self.stages = StageList(prefix, lambda: fields.stage, fields.show_stage)
        self.section = CollapsibleSection("Stages", self.stages)
        for group, form in fields.live:
            form.changed.connect(
                lambda name, value, group=group: self._turn(f"{group}.{name}", value)
            )
        fields.algorithm.kind_chosen.connect(self._switch)
        self.stages.refused.connect(lambda why: controller.say("error", why))
        self.stages.counted.connect(self._count)
        controller.stage_begun.connect(self._follow)

    # -- recipes ----------------------------------------------------------------------
    @property
    def recipe(self) -> Recipe:
        """What the fields and the list say; InputError when a field is not valid."""
        return self._fields.recipe(self.stages.with_fields(self._fields.stage))

    def set_recipe(self, recipe: Recipe) -> None:
        """Fill every field, and the list; nothing where `check` refuses."""
        self._fields.check(recipe)
        self._fields.show_recipe(recipe)
        self.stages.set_stages(recipe.stages)

    def begin(self, recipe: Recipe) -> Recipe:
        """Return what is to be run: all stages, or those from the chosen one on."""
        if self._controller.snapshot is None:
            self.stages.choose(0)
        self._first_row = self.stages.row
        return recipe.replace(stages=recipe.stages[self._first_row :])

    @property
    def memory(self) -> Plan | None:
        """Memory that the stages need; None without a scan or valid fields."""
        scan, result = self._controller.scan, self._controller.snapshot
        if scan is None:
            return None
        values = self._fields.run_values
        modes = values["modes"] or (1 if result is None else len(result.probe))
        with contextlib.suppress(InputError):
            plans = [
                plan(
                    scan,
                    stage.algorithm,
                    RunSettings(**values | {"batch": stage.batch}),
                    modes,
                )
                for stage in self.stages.with_fields(self._fields.stage)
            ]
            return max(plans, key=lambda each: each.needed)
        return None

    # -- the run under way ------------------------------------------------------------
    def _turn(self, path: str, value: Any) -> None:
        """Hand a change of a field to the run."""
        self.stages.refresh()
        try:
            self._controller.change(path, value)
        except InputError as error:
            self._controller.say("error", str(error))

    def _switch(self, before: str) -> None:
        """Go on with the algorithm that was chosen, or go back to the one before."""
        algorithm = self._fields.algorithm
        try:
            if self._controller.running:
                self._controller.change("algorithm", algorithm.form.value)
            else:
                self._fields.follow_kind(before)
        except InputError as error:
            algorithm.set_kind(before)
            self._controller.say("error", str(error))
        self.stages.refresh()

    def _follow(self, number: int) -> None:
        """Show the settings of the stage that has begun, if the run is of this dock."""
        if self._first_row is not None:
            self.stages.choose(self._first_row + number)

    def _count(self, count: int) -> None:
        """Tell by the title how many stages there are; several are in sight."""
        self.section.setText(f"Stages ({count})" if count > 1 else "Stages")
        if count > 1:
            self.section.expand()
        self.changed.emit()
