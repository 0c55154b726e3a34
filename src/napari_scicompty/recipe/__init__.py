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
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import tomli_w
from pydantic import PrivateAttr

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.renamed import migrated
from napari_scicompty.core.settings import Settings, setting
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.files.reading import as_text, check_file, expanded, reading
from napari_scicompty.files.writing import never, write_bytes
from napari_scicompty.recipe import _tables
from napari_scicompty.recipe._done import stages_done
from napari_scicompty.recipe._inputs import input_files
from napari_scicompty.recipe._recorded import recorded
from napari_scicompty.recipe._script import script
from napari_scicompty.recipe._virtual import known_start
from napari_scicompty.recipe.sections import (
    STAGE_FIELDS,
    FileInput,
    RunChoices,
    Stage,
)
from napari_scicompty.refine import refiners
from napari_scicompty.results import (
    folder_of,
    is_result,
    open_result,
    stored_recipe,
)
from napari_scicompty.simulation import (
    Preset,
    VirtualExperiment,
    preset,
    simulate,
)
from napari_scicompty.workflow.reconstruction import prepare
from napari_scicompty.workflow.repeating import repeated
from napari_scicompty.workflow.start import STARTS, AutoStart, ProbeFile, Start

if TYPE_CHECKING:
    import os
    from collections.abc import (
        Callable,
        Generator,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )
    from typing import Unpack

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Change, Snapshot
    from napari_scicompty.engine.controls import Controls
    from napari_scicompty.engine.run import Run
    from napari_scicompty.files.writing import Door
    from napari_scicompty.workflow.search import Candidate

log = logging.getLogger(__name__)

_MOST_BYTES = 2**22
"""Of a recipe: half a million excluded patterns."""

__all__ = ["FileInput", "Recipe", "RunChoices", "Stage"]


class Recipe(Settings):
    """A whole run; the window, the command line and saved results use this type."""

    input: FileInput | VirtualExperiment = setting(..., "Where the scan comes from.")
    start: Start = setting(AutoStart(), "The first probe.")
    stages: tuple[Stage, ...] = setting(
        (Stage(),), "Algorithms, one after the other.", min_length=1
    )
    shared: RunChoices = setting(RunChoices(), "What all stages share: [run].")
    _result: Path | None = PrivateAttr(None)
    """The result that the recipe was loaded from."""

    def __eq__(self, other: object) -> bool:
        """Whether the settings are the same, wherever they were loaded from."""
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = Settings.__hash__

    # -- text and files ---------------------------------------------------------------
    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a TOML file, or the recipe that a saved result carries.

        Raises
        ------
        InputError
            A file that is missing, not TOML, or holds keys or values that do not fit;
            a result without a recipe.
        """
        where = expanded(path)
        of_result = is_result(where)
        text = stored_recipe(where) if of_result else _read_text(where)
        try:
            if text is None:
                return cls._of_record(where)
            loaded = cls.from_toml(text, where.absolute().parent)
            log.debug("loaded the recipe of %s", where)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        if of_result:
            loaded._result = where
        return loaded

    @classmethod
    def _of_record(cls, path: Path) -> Self:
        """Make a recipe of what a result without one records of its scan and runs."""
        made = cls(**recorded(open_result(path)))
        made._result = path
        return made

    @classmethod
    def from_toml(cls, text: str, folder: Path | None = None) -> Self:
        """Read TOML text; relative paths belong to `folder` where one is given."""
        try:
            data = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"not TOML: {error}; see the documented layout") from error
        return cls.from_dict(data, folder)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], folder: Path | None = None) -> Self:
        """Make a recipe of what a TOML file holds.

        Raises
        ------
        InputError
            Naming the key in the file.
        """
        _tables.check_parts(data)
        if "format_version" not in data:
            data = migrated(dict(data))
        source: type[Settings] = FileInput if "input" in data else VirtualExperiment
        key = "input" if "input" in data else "virtual_experiment"
        stages = data.get("stage", [{}])
        start = dict(_tables.table(data, "start"))
        kind = _tables.named(STARTS, start.pop("name", "auto"), "start.name")
        return cls(
            input=_tables.parsed(source, _tables.table(data, key), key, folder),
            start=_tables.parsed(kind, start, "start", folder),
            stages=tuple(_tables.stage(stage, i) for i, stage in enumerate(stages, 1)),
            shared=_tables.parsed(RunChoices, _tables.table(data, "run"), "run"),
        )

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return the run of a preset of the virtual experiment.

        Raises
        ------
        InputError
            There is no preset of this name.
        """
        return cls.of_preset(preset(name))

    @classmethod
    def of_preset(cls, chosen: Preset) -> Self:
        """Return the run of a preset, as it is or changed."""
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
        """
        return cls(
            input=experiment,
            start=known_start(experiment),
            stages=stages or (Stage(epochs=60),),
            shared=RunChoices(modes=modes or experiment.modes),
        )

    def to_dict(self, folder: Path | None = None) -> dict[str, Any]:
        """Return what a TOML file of this recipe holds.

        Parameters
        ----------
        folder : Path, optional
            Paths below it become relative to it, all others absolute; without it paths
            stay as they are.
        """
        is_file = isinstance(self.input, FileInput)
        name = next(k for k, kind in STARTS.items() if type(self.start) is kind)
        key = "input" if is_file else "virtual_experiment"
        return {
            "format_version": _tables.FORMAT_VERSION,
            key: _tables.plain(self.input, folder),
            "start": {"name": name} | _tables.plain(self.start, folder),
            "run": _tables.plain(self.shared),
            "stage": [_tables.stage_dict(stage) for stage in self.stages],
        }

    def to_toml(self, folder: Path | None = None) -> str:
        """Return the recipe as TOML text; `folder` as in `to_dict`."""
        return tomli_w.dumps(self.to_dict(folder))

    def to_toml_without_folders(self) -> str:
        """Return TOML text with the bare names of files, for others to read."""
        input_, start = map(_tables.without_folders, (self.input, self.start))
        return self.replace(input=input_, start=start).to_toml()

    def save(self, path: str | os.PathLike[str], **door: Unpack[Door]) -> None:
        """Save as TOML; input below the file's folder is named relative to it.

        Parameters
        ----------
        **door
            As in `files.replacing`: ``overwrite=True``.

        Raises
        ------
        InputError
            A file that this program did not write, one of the recipe's own inputs, a
            folder that is missing or cannot be written, or a full disk.
        """
        text = self.to_toml(folder_of(path))
        door = {"ours": never, **door}  # people edit recipes
        door["inputs"] = (*door.get("inputs", ()), *self.input_files)
        write_bytes(path, as_text(text).encode(), **door)

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

    @property
    def input_files(self) -> list[Path]:
        """Every file that the run reads; none of them is ever written over."""
        return list(input_files(self.input, self.start))

    # -- the run ----------------------------------------------------------------------
    def scan(self) -> Scan:
        """Open the files, or simulate the virtual experiment."""
        if isinstance(self.input, FileInput):
            return self.input.open()
        return simulate(self.input)[0]

    def settings_of(self, stage: Stage) -> RunSettings:
        """Join what belongs to a stage with what all stages share."""
        shared = {name: getattr(self.shared, name) for name in RunChoices.model_fields}
        own = {n: getattr(stage, n) for n in STAGE_FIELDS if n != "refine"}
        if isinstance(self.start, ProbeFile) and self.start.frozen:
            own["freeze_probe"] = True
        return RunSettings(**shared, **own)

    def runs(
        self,
        scan: Scan | None = None,
        *,
        start: Snapshot | None = None,
        controls: Controls | None = None,
        progress: Callable[[int, int, Candidate], None] | None = None,
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
        """
        for number, run in enumerate(self.runs(scan, **options)):
            if number == 0:
                yield run.snapshot(exact=run.epoch == 0)
            while not run.done:
                run.advance()
                yield run.snapshot(exact=run.done)


def _read_text(path: Path) -> str:
    kind = "recipe (TOML, or a saved result)"
    check_file(path, kind, _MOST_BYTES)
    with reading(path, kind):
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}: is no recipe; give a TOML file or a saved result"
            ) from error
