"""Nobody loses a run: what is under way is kept on disk, and offered after a crash.

Two generations are kept, so that the one being written is never the only one. Nothing
here is removed but by the run that wrote it, once that very result is saved, or by a
person who says so. A place is claimed by the run that keeps itself there, so that two
runs with one name do not take each other's.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.processes import owner_of, this_process
from napari_scicompty.files.reading import expanded
from napari_scicompty.files.writing import beside, checked_target
from napari_scicompty.results import is_result, open_result, save_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.files.writing import StrPath
    from napari_scicompty.results import AsToml

log = logging.getLogger(__name__)

EVERY_S = 60.0
"""How often a run is kept; SCICOMPTY_AUTOSAVE_S in the environment changes it."""
OLDER = ".older"
"""Ends the name of the generation before."""


def folder() -> Path:
    """Where results lie that were never saved.

    Returns
    -------
    Path
        It need not exist yet.
    """
    return Path(platformdirs.user_data_dir("napari-scicompty")) / "unsaved"


def place_beside(result: Path) -> Path:
    """Where a run is kept that is to be saved as `result`.

    Parameters
    ----------
    result : Path
        Where the result is to go.

    Returns
    -------
    Path
        ``NAME.autosave.h5`` beside it.
    """
    return beside(expanded(result).absolute(), ".autosave")


def free_place(result: Path, inputs: Iterable[StrPath]) -> Path:
    """Where a run can be kept: no input, nobody else's file, and no other run's.

    Parameters
    ----------
    result : Path
        Where the result is to go.
    inputs : iterable of paths
        Files that the run reads.

    Returns
    -------
    Path
        Beside the result; in `folder` where all of those are taken.
    """
    inputs = tuple(inputs)
    for number in ("", *range(2, 1000)):
        path = beside(expanded(result).absolute(), f".autosave{number}")
        try:
            for generation in generations(path):
                checked_target(generation, inputs=inputs)
        except InputError:
            continue
        if claimed(path):
            return path
    return folder() / _new_name()


def generations(path: Path) -> tuple[Path, Path]:
    """Return the newest file of what is kept, and the one before it.

    Parameters
    ----------
    path : Path
        The newest file.
    """
    return path, beside(path, OLDER)


def _claim(path: Path) -> Path:
    digits = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
    return Path(platformdirs.user_state_dir("napari-scicompty")) / "keeping" / digits


def claimed(path: Path) -> bool:
    """Claim a place for this process; False where another one lives that has it.

    Parameters
    ----------
    path : Path
        Where a run is to be kept.

    Returns
    -------
    bool
        Whether it is this process's now.
    """
    if is_kept_by_another(path):
        return False
    with suppress(OSError):  # a folder without rights keeps nobody from running
        claim = _claim(path)
        claim.parent.mkdir(parents=True, exist_ok=True)
        claim.write_text(this_process().token, encoding="ascii")
    return True


def is_kept_by_another(path: Path) -> bool:
    """Whether another process, which lives, keeps its run here.

    Parameters
    ----------
    path : Path
        Where a run is kept.
    """
    try:
        owner = owner_of(_claim(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    if owner is None or owner.token == this_process().token:
        return False
    return not owner.is_gone


def _new_name() -> str:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{this_process().token}-{secrets.token_hex(4)}.h5"


class Autosave:
    """Keeps one run on disk, from a thread of its own.

    Parameters
    ----------
    path : Path, optional
        The file; one in `folder` when left out.
    failed : callable, optional
        Called with the error, from another thread, where the run could not be kept.
    taken_up : bool
        Whether what lies there is this very run, from before it was cut.
    """

    def __init__(
        self,
        path: Path | None = None,
        failed: Callable[[Exception], None] = lambda _: None,
        *,
        taken_up: bool = False,
    ) -> None:
        self.path = path or folder() / _new_name()
        self._written = 2 if taken_up else 0
        """Generations that are this run's own."""
        self._own_folder = path is None
        self._thread: threading.Thread | None = None
        self._last = -float("inf")
        self._failed = failed

    @property
    def due(self) -> bool:
        """Whether it is time; from the first epoch on, then once in a while."""
        return time.monotonic() - self._last >= every_s()

    def offer(
        self,
        snapshot: Snapshot,
        recipe: AsToml | None,
        plan: tuple[AsToml, AsToml] | None = None,
        *,
        now: bool = False,
    ) -> None:
        """Keep a snapshot if it is time, or at once with `now`.

        Parameters
        ----------
        snapshot : Snapshot
            State of a reconstruction, such as a result.
        recipe : AsToml, optional
            What was done so far.
        plan : (AsToml, AsToml), optional
            All that is to be done, and what is left.
        now : bool
            Whether to keep it at once.
        """
        if self._thread is not None and self._thread.is_alive():
            if not now:
                return
            self._thread.join()
        if not now and not self.due:
            return
        self._last = time.monotonic()
        self._thread = threading.Thread(
            target=self._save, args=(snapshot, recipe, plan), name="scicompty-autosave"
        )
        self._thread.start()

    def wait(self) -> None:
        """Wait until what was offered is on disk, or has failed."""
        if self._thread is not None:
            self._thread.join()

    def discard(self, but: StrPath = "") -> None:
        """Remove what this run kept: its result is saved, as the file `but`.

        Parameters
        ----------
        but : path
            A file that stays.
        """
        self.wait()
        for file in generations(self.path)[: self._written]:
            _remove(file, but)
        with suppress(OSError):
            _claim(self.path).unlink()

    def _save(
        self,
        snapshot: Snapshot,
        recipe: AsToml | None,
        plan: tuple[AsToml, AsToml] | None,
    ) -> None:
        older = beside(self.path, OLDER)
        try:
            if self._own_folder:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            save_result(self.path, snapshot, recipe, plan=plan, keep_as=older)
            self._written = min(self._written + 1, 2)
            log.debug("epoch %d is kept in %s", snapshot.epoch, self.path)
        except Exception as error:  # whatever it is, the run must go on and say so
            log.warning("the run is not kept on disk: %s", error, exc_info=True)
            self._failed(error)


def every_s() -> float:
    """How often a run is kept, in seconds.

    Returns
    -------
    float
        Seconds; the variable ``SCICOMPTY_AUTOSAVE_S`` of the environment sets it.
    """
    try:
        return float(os.environ.get("SCICOMPTY_AUTOSAVE_S", EVERY_S))
    except ValueError:
        return EVERY_S


def discard(path: Path, but: StrPath = "") -> None:
    """Remove both generations of what was kept, but not the file of this name.

    Parameters
    ----------
    path : Path
        The newest file.
    but : path
        A file that stays.
    """
    for file in generations(path):
        _remove(file, but)


def _remove(file: Path, but: StrPath) -> None:
    if not but or os.path.realpath(file) != os.path.realpath(expanded(but)):
        file.unlink(missing_ok=True)


def kept(path: Path) -> Path | None:
    """Return the newest generation of what was kept that can be opened.

    Parameters
    ----------
    path : Path
        The newest file.
    """
    for file in generations(path):
        if is_result(file):
            try:
                open_result(file)
            except InputError:
                continue
            return file
    return None


def damaged_generations(path: Path) -> list[Path]:
    """Name the generations that are there and cannot be opened.

    Parameters
    ----------
    path : Path
        The newest file.

    Returns
    -------
    list of Path
        The newest first.
    """
    found = []
    for file in generations(path):
        if os.path.lexists(file):
            try:
                open_result(file)
            except InputError:
                found.append(file)
    return found


def set_aside(path: Path) -> list[Path]:
    """Give what an earlier run left names of its own, which no run will take.

    Parameters
    ----------
    path : Path
        The newest file.

    Returns
    -------
    list of Path
        The new names of the files that were there.
    """
    places = []
    stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    for file, older in zip(generations(path), ("", "-older"), strict=True):
        if os.path.lexists(file):
            places.append(beside(path, f".{stamp}{older}"))
            os.replace(file, places[-1])
            log.info("%s of an earlier run is now %s", file, places[-1])
    return places


def rescue(snapshot: Snapshot, recipe: AsToml | None) -> Path | None:
    """Keep a result that could not be saved where it was meant to be.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    recipe : AsToml, optional
        What was done.

    Returns
    -------
    Path or None
        Where it is; None where no place took it.
    """
    name = f"rescued-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}.h5"
    places = [folder(), Path.cwd(), Path.home(), Path(tempfile.gettempdir())]
    for made_by in (recipe, None):
        for place in places:
            try:
                place.mkdir(parents=True, exist_ok=True)
                save_result(place / name, snapshot, made_by)
            except Exception:  # the next place may take it
                log.warning("%s did not take the result", place, exc_info=True)
                continue
            log.warning("the result is kept in %s", place / name)
            return place / name
    return None
