"""Names that changed: old ones work for one release, in scripts with a warning.

Files of an older version are migrated without one.
"""

from __future__ import annotations

import warnings
from typing import Any

UNTIL = "0.3"
"""Version from which on old names are refused."""

FACE = {"ValleyDistance": "DefocusCoupledDistance", "half_scans": "split_half_frc"}
"""Old -> new name of the public face."""

SETTINGS = {
    "apart": "non_overlapping",
    "recorded": "cuda_graphs",
    "literal_epochs": "clipped_epochs",
}
"""Old -> new name of a setting."""

FINDING = {"field": "where", "sentence": "what", "remedy": "mend"}
"""Old -> new name of an attribute of a `Finding`."""

KINDS = {
    "valleydistance": "defocuscoupleddistance",
    "valley-distance": "defocus-coupled-distance",
}
"""Old -> new name of a kind, as results and recipes write it."""


def warn(old: str, new: str, *, level: int = 3) -> None:
    """Warn of an old name in a script.

    Parameters
    ----------
    old, new : str
        The names.
    level : int
        Frames from here to the line that is at fault.
    """
    warnings.warn(
        f"{old} is now {new}; the old name goes with version {UNTIL}",
        DeprecationWarning,
        stacklevel=level,
    )


def migrated(data: object) -> Any:
    """Return settings that an older version wrote, with today's names.

    Parameters
    ----------
    data : dict, list or plain value
        Tables of settings, as JSON or TOML hold them.
    """
    if isinstance(data, dict):
        named = {SETTINGS.get(name, name): migrated(v) for name, v in data.items()}
        if isinstance(kind := named.get("name"), str):
            named["name"] = KINDS.get(kind, kind)
        return named
    if isinstance(data, list | tuple):
        return type(data)(migrated(item) for item in data)
    return KINDS.get(data, data) if isinstance(data, str) else data


def migrated_path(path: str) -> str:
    """Return the path of a setting with today's names.

    Parameters
    ----------
    path : str
        Group and name, such as ``"run.apart"``.
    """
    group, dot, name = path.partition(".")
    return f"{group}{dot}{SETTINGS.get(name, name)}"
