"""Settings that change under way: what they lead to, checked as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_scicompty.engine.controls import changed
from napari_scicompty.engine.run_settings import included

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_scicompty.core.settings import Settings
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.engine.controls import PathValue
    from napari_scicompty.engine.refiner_set import RefinerSet


def after(
    own: Mapping[str, Settings],
    changes: Sequence[PathValue],
    refining: RefinerSet,
    scan: Scan,
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """Return all groups of settings after `changes`, and the patterns (n,) included.

    Parameters
    ----------
    own : mapping
        The groups "algorithm" and "run" as they are; they stay so.
    changes : sequence of (str, value)
        Path of a setting and its new value.
    refining : RefinerSet
        Its groups are looked at too; they stay as they are.
    scan : Scan
        What was measured.

    Raises
    ------
    InputError
        A change that is not valid, or settings that do not go together.
    """
    to: dict[str, Any] = changed({**own, **refining.refiners}, changes)
    to["algorithm"].check(scan.geometry, probe_is_known=to["run"].freeze_probe)
    refiners = {name: to[name] for name in refining.refiners}
    refining.check(refiners, to["algorithm"].refines)
    return to, included(scan, to["run"])


def steps_differ(before: Mapping[str, Settings], after: Mapping[str, Settings]) -> bool:
    """Whether a step does something else after a change of settings.

    Parameters
    ----------
    before, after : mapping
        The groups "algorithm" and "run" among others.
    """
    own, run, length = before["algorithm"], before["run"], {"epochs", "patience"}
    other = any(
        getattr(run, name) != getattr(after["run"], name)
        for name in type(run).model_fields.keys() - length
    )
    return other or own != after["algorithm"]
