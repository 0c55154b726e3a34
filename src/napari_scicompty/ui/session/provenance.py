"""Which recipe leads to the result of a window, over runs and switches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.recipe import Recipe
    from napari_scicompty.refine import Refiner


class MadeBy:
    """The recipe of the run under way, with what went before it."""

    def __init__(self) -> None:
        self._recipe: Recipe | None = None
        self._earlier = 0
        """Stages of earlier runs."""
        self._told = 0
        """Changes of the history that these stages tell of."""
        self._runs = 0
        """Runs of the history that they stand for."""

    def begin(self, recipe: Recipe, result: Snapshot | None) -> None:
        """Note that a run begins.

        Parameters
        ----------
        result : Snapshot, optional
            What it goes on from.
        """
        before = self.until(result)
        self._earlier, stages = 0, recipe.stages
        if before is not None:
            self._earlier = len(before.stages)
            recipe = recipe.replace(start=before.start)
            stages = (*before.stages, *stages)
        elif result is not None:  # of a recipe that is not known: the first stage's
            epochs = result.epoch + stages[0].epochs
            stages = (stages[0].replace(epochs=epochs), *stages[1:])
        self._recipe = recipe.replace(stages=stages)
        self._told = _changes(result)
        self._runs = _runs(result)

    def show(self, recipe: Recipe | None, result: Snapshot) -> None:
        """Take over the recipe of a result that was opened, if it has one."""
        self._recipe, self._told = recipe, _changes(result)
        self._runs, self._earlier = _runs(result), 0

    def forget(self) -> None:
        """Forget the result."""
        self._recipe = None

    def until(self, result: Snapshot | None) -> Recipe | None:
        """Return the recipe that leads to a result, if it is known."""
        if result is None or self._recipe is None:
            return None
        return self._recipe.until(
            result.epoch,
            result.history.changes[self._told :],
            [run.epoch for run in result.history.runs[self._runs :]],
            self._earlier,
        )

    def name_refiner(
        self, number: int, refine: tuple[Refiner, ...], quantity: str
    ) -> None:
        """Name a refiner on standby, once a change makes it matter.

        Parameters
        ----------
        number : int
            The stage under way, from 0 where the run began.
        refine : tuple of Refiner
            All that take part in it.
        """
        if self._recipe is None:
            return
        stages = list(self._recipe.stages)
        stage = stages[self._earlier + number]
        named = {quantity, *(refiner.quantity for refiner in stage.refine)}
        stages[self._earlier + number] = stage.replace(
            refine=tuple(r for r in refine if r.quantity in named)
        )
        self._recipe = self._recipe.replace(stages=tuple(stages))


def _runs(result: Snapshot | None) -> int:
    return 0 if result is None else len(result.history.runs)


def _changes(result: Snapshot | None) -> int:
    return 0 if result is None else len(result.history.changes)
