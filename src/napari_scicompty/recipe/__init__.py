"""A whole run as a TOML file: input, start, stages, run.

A recipe as a person writes it (``[virtual_experiment]`` may stand for ``[input]``)::

    [input]
    path = "stack.tif"            # relative to the recipe's own folder
    positions = "positions_m.txt"
    wavelength_m = 1.409e-10
    distance_m = 1.92
    detector_pixel_m = 75e-6

    [start]
    name = "auto"

    [run]
    modes = 3
    seed = 0

    [[stage]]                     # as many as you like, one after the other
    algorithm = "rpie"
    epochs = 40
    alpha_object = 0.5

What is left out keeps its default; ``"none"`` switches off what has a default.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.core.errors import InputError
from napari_scicompty.recipe._done import stages_done
from napari_scicompty.recipe._script import script
from napari_scicompty.recipe._virtual import known_start
from napari_scicompty.recipe._written import WrittenRecipe
from napari_scicompty.recipe.sections import (
    FileInput,
    RunChoices,
    Stage,
)
from napari_scicompty.refine import refiners
from napari_scicompty.results import (
    open_result,
)
from napari_scicompty.simulation import (
    Preset,
    VirtualExperiment,
    preset,
    simulate,
)
from napari_scicompty.workflow.reconstruction import prepare
from napari_scicompty.workflow.repeating import repeated

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Generator,
        Iterable,
        Iterator,
        Sequence,
    )

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Change, Snapshot
    from napari_scicompty.engine.controls import Controls
    from napari_scicompty.engine.run import Run
    from napari_scicompty.workflow.reconstruction import Show
    from napari_scicompty.workflow.search import Candidate
    from napari_scicompty.workflow.start import Start

log = logging.getLogger(__name__)

__all__ = ["FileInput", "Recipe", "RunChoices", "Stage"]


class Recipe(WrittenRecipe):
    """A whole run; the window, the command line and saved results use this type."""

    # -- made of others ---------------------------------------------------------------
    @classmethod
    def preset(cls, name: str) -> Self:
        """Return the run of a preset of the virtual experiment.

        Parameters
        ----------
        name : str
            One of `PRESETS`.

        Raises
        ------
        InputError
            There is no preset of this name.
        """
        return cls.of_preset(preset(name))

    @classmethod
    def of_preset(cls, chosen: Preset) -> Self:
        """Return the run of a preset, as it is or changed.

        Parameters
        ----------
        chosen : Preset
            One of `PRESETS`, or one made of it.
        """
        algorithm = ALGORITHMS[chosen.algorithm](**chosen.settings)
        refine = refiners(chosen.refine)
        stage = Stage(algorithm=algorithm, epochs=chosen.epochs, refine=refine)
        return cls.of_experiment(chosen.experiment, stage, modes=chosen.modes)

    @classmethod
    def of_experiment(
        cls,
        experiment: VirtualExperiment,
        *stages: Stage,
        modes: int | None = None,
    ) -> Self:
        """Return a run of a virtual experiment that starts from what is known of it.

        Its optics are taken to be known, as at a beamline: the zone plate, or the
        width of the beam. In near field the patterns themselves tell enough.

        Parameters
        ----------
        experiment : VirtualExperiment
            To be simulated and reconstructed.
        modes : int, optional
            Probe modes; those of the experiment when left out.
        *stages : Stage
            One after the other; Auto when left out.
        """
        return cls(
            input=experiment,
            start=known_start(experiment),
            stages=stages or (Stage(),),
            shared=RunChoices(modes=modes or experiment.modes),
        )

    def to_python(self) -> str:
        """Return the same run as a script (Copy as Python)."""
        return script(self)

    def until(
        self,
        epoch: int,
        changes: Iterable[Change] = (),
        begun: Sequence[int] = (),
        earlier: int = 0,
    ) -> Self:
        """Return the stages as they were carried out up to an epoch.

        Parameters
        ----------
        epoch : int
            Epochs that were completed.
        changes : iterable of Change
            What a history says was changed under way: a switch of the algorithm
            begins a stage.
        begun : sequence of int
            Epochs at which the stages began, which patience may have cut short.
        earlier : int
            Stages before the first of those in `begun`.
        """
        stages = [*self.stages]
        for number, (first, next_) in enumerate(pairwise(begun), earlier):
            stages[number] = stages[number].replace(epochs=next_ - first)
        return self.replace(stages=stages_done(stages, epoch, changes))

    # -- the run ----------------------------------------------------------------------
    def scan(self) -> Scan:
        """Open the files, or simulate the virtual experiment.

        Returns
        -------
        Scan
            Files are read, or the experiment is measured, anew at each call.

        Raises
        ------
        InputError
            As for `open_scan`, or for `simulate`.
        """
        if isinstance(self.input, FileInput):
            return self.input.open()
        return simulate(self.input)[0]

    def runs(
        self,
        scan: Scan | None = None,
        *,
        start: Snapshot | None = None,
        controls: Controls | None = None,
        progress: Callable[[int, int, Candidate], None] | None = None,
        show: Show | None = None,
    ) -> Generator[Run, None, None]:
        """Prepare one `Run` after the other; each must be done before the next.

        Parameters
        ----------
        scan : Scan, optional
            What `scan` gave, if it is at hand.
        start : Snapshot, optional
            Continue from it instead of the recipe's start.
        controls : Controls, optional
            Knobs for other threads; a stop ends the stages that are left, too.
        progress : callable, optional
            Called with (tried, planned, candidate) while a start is searched.
        show : callable, optional
            Called with pictures before a run has begun, as of `prepare`.

        Yields
        ------
        Run
            Ready to advance.

        Raises
        ------
        InputError
            A start or settings that do not fit the scan.
        """
        scan = scan or self.scan()
        current: Snapshot | Start = start or self.start
        run: Run | None = None
        for stage in self.stages:
            if run is not None:
                if run.controls.stopped:
                    return
                current = run.snapshot(exact=True)
            run = prepare(
                scan,
                stage.algorithm,
                self.settings_of(stage),
                current,
                controls,
                progress,
                stage.refine,
                show=show,
            )
            yield run

    def replay(
        self, scan: Scan | None = None, *, controls: Controls | None = None
    ) -> Iterator[Snapshot]:
        """Repeat the saved result that the recipe was loaded from, bit for bit.

        Unlike `run` it makes every change that was made under way, at its (epoch,
        batch), and ends where the run was stopped. One snapshot an epoch; the last one
        is the result.

        Parameters
        ----------
        scan : Scan, optional
            What `scan` gave, if it is at hand.
        controls : Controls, optional
            To pause or stop from another thread.

        Yields
        ------
        Snapshot
            After each epoch.

        Raises
        ------
        InputError
            A recipe that is not of a saved result, or a result whose way is not
            recorded.
        """
        if self._result is None:
            raise InputError(
                "only what a saved result records can be replayed; load the recipe "
                "from the result: Recipe.load('result.h5')"
            )
        yield from repeated(scan or self.scan(), open_result(self._result), controls)

    def run(self, scan: Scan | None = None, **options: Any) -> Iterator[Snapshot]:
        """Run all stages, one snapshot an epoch, as `reconstruct` does.

        Parameters and errors are those of `runs`; a run may also raise DivergedError
        or EngineError.

        Parameters
        ----------
        scan : Scan, optional
            What `scan` gave, if it is at hand.
        **options : any
            `start`, `controls`, `progress` and `show` of `runs`.

        Yields
        ------
        Snapshot
            The start, then one after each epoch.
        """
        for number, run in enumerate(self.runs(scan, **options)):
            if number == 0:
                yield run.snapshot(exact=run.epoch == 0)
            while not run.done:
                run.advance()
                yield run.snapshot(exact=run.done)
