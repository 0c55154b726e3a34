"""What the window remembers from one day to the next."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.writing import write_bytes

if TYPE_CHECKING:
    from napari_scicompty.recipe import FileInput

MOST_RECENT = 8


def _file() -> Path:
    return Path(platformdirs.user_config_dir("napari-scicompty")) / "window.json"


def recall() -> dict[str, Any]:
    """Return what was remembered; nothing if the file is not there or damaged."""
    try:
        values = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def remember(**values: Any) -> None:
    """Remember values under their names; a folder without rights is no fault."""
    everything = recall() | values
    path = _file()
    with suppress(OSError, InputError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, json.dumps(everything, indent=1).encode(), overwrite=True)


def recent_files() -> list[dict[str, Any]]:
    """Return inputs that were opened, by the names of their fields, newest first."""
    files = recall().get("recent", [])
    return [f for f in files if isinstance(f, dict) and "path" in f]


def add_recent(chosen: FileInput) -> None:
    """Put an input, with all that was said of it, at the head of the recent ones."""
    new = chosen.model_dump(mode="json", exclude_defaults=True)
    same = ("path", "positions")
    others = [f for f in recent_files() if any(f.get(n) != new.get(n) for n in same)]
    remember(recent=[new, *others][:MOST_RECENT])
