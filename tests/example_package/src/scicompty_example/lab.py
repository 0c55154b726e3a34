"""An archive of a laboratory: NPZ with ``patterns`` and ``positions_m`` as (y, x)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.formats import Format, Positions, Raw

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.formats import OpenChoices

FORMAT = Format("Archive of the laboratory", (".lab",), __name__)


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read patterns and positions; pickled objects are never loaded."""
    del choices
    with np.load(path, allow_pickle=False) as file:
        for name in ("patterns", "positions_m"):
            if name not in file:
                raise InputError(f"{path}: no array {name!r} in this archive; add it")
        positions = Positions(np.asarray(file["positions_m"], float), "yx", "m")
        return Raw(file["patterns"], (path,), positions)
