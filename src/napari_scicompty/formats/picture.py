"""PNG and the like: one picture in grey, as masks and dark frames often are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.reading import MOST_BYTES, check_file, check_size, reading
from napari_scicompty.formats._raw import Raw, as_stack

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.formats.choices import OpenChoices

_KIND = "picture"


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read one picture; three colours that are equal are one grey.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        None of them matters here.

    Returns
    -------
    Raw
        One frame (1, h, w).

    Raises
    ------
    InputError
        A file that is missing, empty or damaged, or a picture in colour.
    """
    del choices
    from PIL import Image

    check_file(path, _KIND, MOST_BYTES)
    with reading(path, _KIND), Image.open(path) as image:
        check_size(math.prod(image.size) * 4, MOST_BYTES, str(path), _KIND)
        array = np.asarray(image.convert("RGB") if image.mode == "P" else image)
        if array.ndim == 3:
            colours = array[..., :3] if array.shape[-1] > 2 else array[..., :1]
            if (colours != colours[..., :1]).any():
                raise InputError(
                    f"{path}: is a picture in colour; save it in grey, one value a "
                    "pixel"
                )
            array = colours[..., 0]
        patterns, notes = as_stack(array, path)
    h, w = patterns.shape[1:]
    note = f"{path.name}: one picture of {h} x {w} pixels, {array.dtype}"
    return Raw(patterns, (path,), report=(*notes, note))
