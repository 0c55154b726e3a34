"""What a command is to do: begin, go on, take up what was cut, or repeat."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from napari_scicompty.cli._options import assemble
from napari_scicompty.cli._terminal import say
from napari_scicompty.cli._words import load_recipe
from napari_scicompty.core.errors import InputError
from napari_scicompty.engine.controls import Controls
from napari_scicompty.recipe import Recipe
from napari_scicompty.results import open_result, stored_recipe
from napari_scicompty.workflow.autosave import (
    Autosave,
    claimed,
    damaged_generations,
    free_place,
    is_kept_by_another,
    kept,
    place_beside,
    set_aside,
)
from napari_scicompty.workflow.coarse_level import STOPPED
from napari_scicompty.workflow.repeating import repeated_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.engine.run import Run
    from napari_scicompty.workflow.reconstruction import Show


@dataclass
class Job:
    """A recipe that is carried out, and kept on disk while it is."""

    recipe: Recipe
    """What is to be done now."""
    start: Snapshot | None = None
    """What it goes on from."""
    earlier: Recipe | None = None
    """What led to that."""
    plan: Recipe | None = None
    """All that was to be done, where this is the rest of it."""
    repeats: Snapshot | None = None
    """A result that is made once more."""
    controls: Controls = field(default_factory=Controls)
    autosave: Autosave | None = None
    _taken_up: Path | None = None
    """Where this run was kept before it was cut."""
    _has_complained: bool = False

    def begin(self, result: Path | None, inputs: Sequence[str]) -> None:
        """Choose where the run is kept; leave what an earlier run left in peace."""
        path = self._taken_up
        if result is not None and path is None:
            path = free_place(result, inputs)
            if places := set_aside(path):
                named = " and ".join(str(place) for place in places)
                say(
                    f"{path} held an earlier run that was never saved; it is now "
                    f"{named} (go on from it with --from)"
                )
        is_own = self._taken_up is not None
        self.autosave = Autosave(path, self._say_not_kept, taken_up=is_own)

    def runs(
        self,
        scan: Scan,
        progress: Callable[..., None],
        show: Show,
    ) -> Iterator[Run]:
        """Prepare one run after the other; each must be done before the next."""
        if self.repeats is not None:
            return repeated_runs(scan, self.repeats, self.controls)
        return self.recipe.runs(
            scan,
            start=self.start,
            controls=self.controls,
            progress=progress,
            show=show,
        )

    def has_moved(self, last: Snapshot) -> bool:
        """Whether anything was computed since the start."""
        first = self.start
        before = (0, 0) if first is None else (first.epoch, first.batch)
        return (last.epoch, last.batch) > before or STOPPED in last.settings

    # -- what was done, and what is left ----------------------------------------------
    def done(self, last: Snapshot) -> Recipe:
        """Return the recipe that leads to a state of the run."""
        if self.repeats is not None:
            return self.recipe
        before = 0 if self.start is None else self.start.epoch
        known = 0 if self.start is None else len(self.start.history.runs)
        begun = [run.epoch - before for run in last.history.runs[known:]]
        done = self.recipe.until(last.epoch - before, begun=begun)
        if self.earlier is None:
            return done
        return done.replace(
            start=self.earlier.start, stages=(*self.earlier.stages, *done.stages)
        )

    def rest(self, last: Snapshot, run: Run) -> Recipe:
        """Return what is left to do after a state of the run under way."""
        known = 0 if self.start is None else len(self.start.history.runs)
        number = len(last.history.runs) - known - 1
        stage, *later = self.recipe.stages[number:]
        left = max(0, run.last_epoch - last.epoch)
        if run.done:
            left = 0
        stages = (stage.replace(epochs=left), *later)
        return self.recipe.replace(stages=stages)

    # -- what is kept on disk ---------------------------------------------------------
    def due(self) -> bool:
        """Whether it is time to keep the run."""
        return self.autosave is not None and self.autosave.due

    def keep(self, snapshot: Snapshot, run: Run, end_of_stage: bool) -> None:
        """Keep a state of the run, if it is time; say so once where that fails."""
        autosave = self.autosave
        if autosave is None or not (end_of_stage or autosave.due):
            return
        plan = None
        if self.repeats is None:
            plan = (self.plan or self.recipe, self.rest(snapshot, run))
        autosave.offer(snapshot, self.done(snapshot), plan, now=end_of_stage)

    def _say_not_kept(self, error: Exception) -> None:
        """Say once that the run cannot be kept on disk."""
        if not self._has_complained:
            self._has_complained = True
            say(f"warning: the run is not kept on disk: {error}", err=True)

    def discard(self, but: Path | None = None) -> None:
        """Remove what was kept: the result is saved, as the file `but`."""
        if self.autosave is not None:
            self.autosave.discard(but or "")


@dataclass
class TakenUp:
    """A run that was cut, as it was kept."""

    path: Path
    job: Job

    def checked(self, given: Recipe | None) -> Job:
        """Return the job, after making sure that what is given is what was begun.

        Raises
        ------
        InputError
            Other settings than those that the run was begun with.
        """
        plan = self.job.plan
        if given is not None and plan is not None:
            folder = Path("/")
            ours, theirs = given.to_dict(folder), plan.to_dict(folder)
            other = [key for key in theirs if ours.get(key) != theirs[key]]
            other += [key for key in ours if key not in theirs]
            if other:
                raise InputError(
                    f"--resume: the run in {self.path} was begun with other settings "
                    f"of {', '.join(other)}; give the same ones, or none, or begin "
                    "anew without --resume"
                )
        start = self.job.start
        assert start is not None
        say(f"taken up from {self.path} at epoch {start.epoch}")
        return self.job


def begun_anew(recipe: Recipe) -> Job:
    """Return the job of a recipe from its own start."""
    return Job(recipe)


def continued_from(
    result: Path,
    base: Recipe | None,
    file: Path | None,
    positions: Path | None,
    given: dict[str, object],
) -> Job:
    """Return the job that goes on from a result, by its last stage or by `base`.

    Raises
    ------
    InputError
        A result that cannot be opened, or carries no recipe where none is given.
    """
    first = open_result(result, damaged=bool(given.get("input.damaged")))
    earlier = load_recipe(result) if stored_recipe(result) is not None else None
    if base is None and earlier is not None:
        base = earlier.replace(stages=earlier.stages[-1:])
    if base is None and file is None:
        raise InputError(
            f"{result} carries no recipe; also give FILE, --positions and the "
            "geometry, or a recipe"
        )
    return Job(assemble(base, file, positions, given), first, earlier)


def repeated(result: Path, file: Path | None, positions: Path | None) -> Job:
    """Return the job that makes a result once more.

    Raises
    ------
    InputError
        A result that cannot be opened, or whose scan is not known.
    """
    recipe = load_recipe(result)
    if file is not None or positions is not None:
        recipe = assemble(recipe, file, positions, {})
    return Job(recipe, repeats=open_result(result))


def resumed(result: Path | None) -> TakenUp | None:
    """Find the run that was cut before it was saved; None, said, where there is none.

    Raises
    ------
    InputError
        No name of a result to look beside, or a run that was not kept to be resumed.
    """
    if result is None:
        raise InputError("--resume: give --save, beside which the run was kept")
    place = place_beside(result)
    if is_kept_by_another(place):
        raise InputError(f"--resume: the run in {place} is still under way")
    for broken in damaged_generations(place):
        say(f"warning: {broken} is damaged and is not used", err=True)
    path = kept(place)
    if path is None:
        say(f"nothing to take up beside {result}: the run begins anew")
        return None
    claimed(place)
    plan, rest = stored_recipe(path, "plan"), stored_recipe(path, "rest")
    if plan is None or rest is None:
        raise InputError(f"--resume: {path} does not say what is left to do; --from it")
    folder = path.absolute().parent
    job = Job(
        Recipe.from_toml(rest, folder),
        open_result(path),
        load_recipe(path),
        Recipe.from_toml(plan, folder),
        _taken_up=place,
    )
    return TakenUp(path, job)
