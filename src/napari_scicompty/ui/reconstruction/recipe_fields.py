"""The sections of the dock as one recipe: read from them, and filled into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.core.errors import InputError
from napari_scicompty.formats import GEOMETRY_CHOICES
from napari_scicompty.recipe import FileInput, Recipe, RunChoices, Stage

if TYPE_CHECKING:
    from napari_scicompty.ui.reconstruction.data_section import DataSection
    from napari_scicompty.ui.reconstruction.geometry_section import GeometrySection
    from napari_scicompty.ui.reconstruction.refiner_sections import RefinerSections
    from napari_scicompty.ui.reconstruction.start_section import StartSection
    from napari_scicompty.ui.widgets.forms import SettingsForm
    from napari_scicompty.ui.widgets.kind_form import KindForm


@dataclass
class RecipeFields:
    """What is set in the sections; of several stages they show one."""

    data: DataSection
    geometry: GeometrySection
    start: StartSection
    algorithm: KindForm
    refiners: RefinerSections
    run: tuple[SettingsForm, ...]
    """Forms that hold the fields of `RunSettings` together."""

    @property
    def live(self) -> list[tuple[str, Any]]:
        """What tells of a changed setting, with the name of its group in a run."""
        refiners = ((section.quantity, section) for section in self.refiners)
        forms = (("run", form) for form in self.run)
        return [("algorithm", self.algorithm), *refiners, *forms]

    @property
    def run_values(self) -> dict[str, Any]:
        """Values of the run settings by name."""
        return {n: v for form in self.run for n, v in form.values.items()}

    @property
    def stage(self) -> Stage:
        """The stage on show; InputError when a field is not valid."""
        own = {n: v for n, v in self.run_values.items() if n in Stage.model_fields}
        refine = self.refiners.chosen
        return Stage(algorithm=self.algorithm.form.value, refine=refine, **own)

    def follow_kind(self, before: str | None = None) -> None:
        """Show the epochs that the algorithm has where it does not say.

        Parameters
        ----------
        before : str, optional
            The algorithm until now: a number of epochs that is not its own stays.
        """
        own = None if before is None else ALGORITHMS[before].default_epochs
        if own not in (None, self.run_values["epochs"]):
            return
        for form in self.run:
            if "epochs" in form.values:
                epochs = ALGORITHMS[self.algorithm.name].default_epochs
                form.set_values({"epochs": epochs})

    def check(self, recipe: Recipe) -> None:
        """Refuse a recipe of which these fields could show a part only.

        Raises
        ------
        InputError
            A start, an algorithm or a refiner that is in no table.
        """
        if not self.start.kinds.holds(recipe.start):
            raise InputError(self.start.kinds.refusal(recipe.start))
        for stage in recipe.stages:
            if not self.algorithm.holds(stage.algorithm):
                raise InputError(self.algorithm.refusal(stage.algorithm))
            self.refiners.check(stage.refine)

    def show_stage(self, stage: Stage) -> None:
        """Fill the fields of a stage; InputError where one is not known here."""
        self.refiners.check(stage.refine)
        self.algorithm.set_value(stage.algorithm)
        self.refiners.set_chosen(stage.refine)
        for form in self.run:
            form.set_values(stage)

    def recipe(self, stages: tuple[Stage, ...]) -> Recipe:
        """Return the recipe of these stages; InputError as for `stage`."""
        values = self.run_values
        return Recipe(
            input=self.data.input(self.geometry.values),
            start=self.start.value,
            stages=stages,
            shared=RunChoices(**{n: values[n] for n in RunChoices.model_fields}),
        )

    def show_recipe(self, recipe: Recipe) -> None:
        """Fill the fields of everything but the stages."""
        self.data.set_input(recipe.input)
        if isinstance(recipe.input, FileInput):
            self.geometry.set_values(
                {name: getattr(recipe.input, name) for name in GEOMETRY_CHOICES}
            )
        self.start.set_value(recipe.start)
        for form in self.run:
            form.set_values(recipe.shared)
