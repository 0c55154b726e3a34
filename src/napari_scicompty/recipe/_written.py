"""What a recipe consists of, and how it is written as TOML."""

from __future__ import annotations

import logging
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import tomli_w
from pydantic import PrivateAttr

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.former import with_former
from napari_scicompty.core.renamed import migrated
from napari_scicompty.core.settings import Settings, setting
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.files.reading import as_text, expanded
from napari_scicompty.files.writing import never, write_bytes
from napari_scicompty.recipe import _tables
from napari_scicompty.recipe._inputs import input_files, read_text
from napari_scicompty.recipe._recorded import recorded
from napari_scicompty.recipe.sections import STAGE_FIELDS, FileInput, RunChoices, Stage
from napari_scicompty.results import (
    folder_of,
    is_result,
    open_result,
    stored_recipe,
)
from napari_scicompty.simulation import (
    VirtualExperiment,
)
from napari_scicompty.workflow.start import STARTS, AutoStart, ProbeFile, Start

if TYPE_CHECKING:
    import os
    from collections.abc import (
        Mapping,
    )
    from typing import Unpack

    from napari_scicompty.files.writing import Door


log = logging.getLogger(__name__)


class WrittenRecipe(Settings):
    """Input, start, stages and run, as a TOML file or a saved result holds them."""

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

        Parameters
        ----------
        path : path
            A TOML file or a result.

        Returns
        -------
        Recipe
            Relative paths in a TOML file belong to its folder.

        Raises
        ------
        InputError
            A file that is missing, not TOML, or holds keys or values that do not fit;
            a result without a recipe.
        """
        where = expanded(path)
        of_result = is_result(where)
        text = stored_recipe(where) if of_result else read_text(where)
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
        """Read TOML text; relative paths belong to `folder` where one is given.

        Parameters
        ----------
        text : str
            TOML, with the documented keys.
        folder : Path, optional
            Of relative paths.

        Returns
        -------
        Recipe
            What the text does not name has its default.

        Raises
        ------
        InputError
            Text that is not TOML, or as for `from_dict`.
        """
        try:
            data = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(f"not TOML: {error}; see the documented layout") from error
        return cls.from_dict(data, folder)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], folder: Path | None = None) -> Self:
        """Make a recipe of what a TOML file holds.

        Parameters
        ----------
        data : mapping
            Tables by name: ``input`` or ``virtual_experiment``, ``start``, ``run``
            and a list ``stage``.
        folder : Path, optional
            Of relative paths.

        Returns
        -------
        Recipe
            What `data` does not name has its default.

        Raises
        ------
        InputError
            Naming the key in the file.
        """
        _tables.check_parts(data)
        version = data.get("format_version", 0)
        if not version:
            data = migrated(dict(data))
        source: type[Settings] = FileInput if "input" in data else VirtualExperiment
        key = "input" if "input" in data else "virtual_experiment"
        stages = data.get("stage", [{}])
        start = dict(_tables.table(data, "start"))
        name = start.pop("name", "auto")
        kind = _tables.named(STARTS, name, "start.name")
        start = with_former(f"start {name}", start, version)
        return cls(
            input=_tables.parsed(source, _tables.table(data, key), key, folder),
            start=_tables.parsed(kind, start, "start", folder),
            stages=tuple(
                _tables.stage(stage, i, version) for i, stage in enumerate(stages, 1)
            ),
            shared=_tables.parsed(RunChoices, _tables.table(data, "run"), "run"),
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
        name = _tables.start_name(self.start)
        key = "input" if is_file else "virtual_experiment"
        return {
            "format_version": _tables.FORMAT_VERSION,
            key: _tables.plain(self.input, folder),
            "start": {"name": name} | _tables.plain(self.start, folder),
            "run": _tables.plain(self.shared),
            "stage": [_tables.stage_dict(stage) for stage in self.stages],
        }

    def to_toml(self, folder: Path | None = None) -> str:
        """Return the recipe as TOML text; `folder` as in `to_dict`.

        Parameters
        ----------
        folder : Path, optional
            Paths below it are written relative to it.
        """
        return tomli_w.dumps(self.to_dict(folder))

    def to_toml_without_folders(self) -> str:
        """Return TOML text with the bare names of files, for others to read."""
        input_, start = map(_tables.without_folders, (self.input, self.start))
        return self.replace(input=input_, start=start).to_toml()

    def save(self, path: str | os.PathLike[str], **door: Unpack[Door]) -> None:
        """Save as TOML; input below the file's folder is named relative to it.

        Parameters
        ----------
        path : path
            Where to write.
        **door
            As in `files.writing.replacing`: ``overwrite=True``.

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

    @property
    def input_files(self) -> list[Path]:
        """Every file that the run reads; none of them is ever written over."""
        return list(input_files(self.input, self.start))

    def settings_of(self, stage: Stage) -> RunSettings:
        """Join what belongs to a stage with what all stages share.

        Parameters
        ----------
        stage : Stage
            Of this recipe.

        Returns
        -------
        RunSettings
            For a `Run`.
        """
        shared = {name: getattr(self.shared, name) for name in RunChoices.model_fields}
        own = {n: getattr(stage, n) for n in STAGE_FIELDS if n != "refine"}
        if isinstance(self.start, ProbeFile) and self.start.frozen:
            own["freeze_probe"] = True
        return RunSettings(**shared, **own)
