"""Knobs of a run that is under way; safe to turn from any thread."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_scicompty.algorithms.base import as_algorithm
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.renamed import migrated_path
from napari_scicompty.data.snapshot import Change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from napari_scicompty.core.settings import Settings

PathValue = tuple[str, object]
Check = Callable[[list[PathValue]], object]

WHOLE = {"algorithm": as_algorithm}
"""Groups that can be exchanged as a whole, and what makes sure of the new one."""


class Controls:
    """Pause, resume, stop, and change settings of a run from any thread.

    A change is validated when it is made and takes effect at the next batch; the run
    records it with its (epoch, batch), so that a saved result replays.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[PathValue] = []
        self._check: weakref.WeakMethod[Check] | None = None
        self._running = threading.Event()
        self._running.set()
        self._stopped = False

    def set(self, path: str, value: object) -> None:
        """Change a setting at the next batch, e.g. ``("algorithm.alpha_object", 1)``.

        ``("algorithm", EPIE())`` goes on with another algorithm.

        Parameters
        ----------
        path : str
            Group and name with a dot between, or a group alone.
        value : any
            The new value.

        Raises
        ------
        InputError
            No such setting, a value out of range, or a setting that is not live.
        """
        with self._lock:
            # Of a setting that waits already only the new value counts: a knob that is
            # turned a thousand times while the run is paused makes one change.
            pending = [change for change in self._pending if change[0] != path]
            pending.append((path, value))
            check = self._check() if self._check is not None else None
            if check is not None:
                check(pending)
            self._pending = pending

    def pause(self) -> None:
        """Hold the run after the batch under way."""
        self._running.clear()

    def resume(self) -> None:
        """Let a paused run go on."""
        self._running.set()

    def stop(self) -> None:
        """End the run after the batch under way; its result is kept."""
        self._stopped = True
        self._running.set()

    @property
    def paused(self) -> bool:
        """Whether the run is held, or will be after the batch under way."""
        return not self._running.is_set()

    @property
    def waiting(self) -> bool:
        """Whether changes wait for the next batch."""
        return bool(self._pending)

    @property
    def stopped(self) -> bool:
        """Whether the run was told to end."""
        return self._stopped

    def wait_while_paused(self) -> float:
        """Block until the run may go on; return the seconds that took.

        Returns
        -------
        float
            Seconds.
        """
        began = time.perf_counter()
        self._running.wait()
        return time.perf_counter() - began

    def bind(self, check: Check) -> None:
        """Let a run validate changes as they are made (those made earlier at once).

        Only a weak reference is kept: knobs that a script holds keep no run alive.

        Parameters
        ----------
        check : bound method
            Takes the changes that wait, and raises InputError if they do not hold.
        """
        with self._lock:
            check(self._pending)
            self._check = weakref.WeakMethod(check)

    def apply(self, act: Callable[[list[PathValue]], None]) -> bool:
        """Hand the changes made since the last call to `act`, if there are any.

        Nothing can be set before `act` has returned: a change is always checked against
        settings that hold.

        Parameters
        ----------
        act : callable
            Takes the changes, (path, value) each.

        Returns
        -------
        bool
            Whether there were some.
        """
        if not self._pending:
            return False
        with self._lock:
            changes, self._pending = self._pending, []
            act(changes)
        return True

    def exclusively(self) -> AbstractContextManager[object]:
        """Let nobody set anything for a while: the settings change from within.

        Returns
        -------
        context manager
            Holds the lock.
        """
        return self._lock


def changed(
    groups: Mapping[str, Settings], changes: Sequence[PathValue]
) -> dict[str, Settings]:
    """Return the groups of settings after `changes`; the given ones stay as they are.

    Parameters
    ----------
    groups : mapping
        Group name to its settings.
    changes : sequence of (str, value)
        Path of a setting and its new value.

    Raises
    ------
    InputError
        No such setting, a value out of range, or a setting that is not live.
    """
    after = dict(groups)
    for given, value in changes:
        path = migrated_path(given)
        if path in WHOLE:
            after[path] = WHOLE[path](value)
            continue
        group, _, name = path.partition(".")
        owner = after.get(group)
        field = type(owner).model_fields.get(name) if owner is not None else None
        if owner is None or field is None:
            known = [f"{g}.{n}" for g, s in after.items() for n in type(s).model_fields]
            raise InputError(
                f"there is no setting {path!r}; settings are "
                f"{', '.join([*WHOLE, *known])}"
            )
        extra = field.json_schema_extra
        if isinstance(extra, dict) and not extra.get("live", True):
            raise InputError(
                f"{path} cannot be changed while a run is under way; stop, change it "
                "and continue from the result"
            )
        after[group] = owner.replace(**{name: value})
    return after


def value_of(groups: Mapping[str, Settings], path: str) -> Any:
    """Return what a path names: a setting's value, or all of a group as JSON has it.

    Parameters
    ----------
    groups : mapping
        Group name to its settings.
    path : str
        Group and name with a dot between, or a group alone.
    """
    group, _, name = migrated_path(path).partition(".")
    return getattr(groups[group], name) if name else groups[group].described


def recorded(
    groups: Mapping[str, Settings],
    changes: Sequence[PathValue],
    epoch: int,
    patterns_visited: int,
) -> list[Change]:
    """Write down changes, each with the value before it.

    Parameters
    ----------
    groups : mapping
        Group name to its settings, before the changes.
    changes : sequence of (str, value)
        Path of a setting and its new value.
    epoch : int
        Epochs that were completed.
    patterns_visited : int
        Patterns of the present epoch that had their turn.

    Returns
    -------
    list of Change
        One a change, in the same order.
    """
    records, now = [], dict(groups)
    for change in changes:
        path, previous = change[0], value_of(now, change[0])
        now = changed(now, [change])
        value = value_of(now, path)
        records.append(Change(epoch, patterns_visited, path, value, previous))
    return records
