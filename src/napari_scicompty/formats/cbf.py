"""CBF and EDF frames, read with the package fabio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.reading import check_file, reading
from napari_scicompty.formats._raw import Raw, as_stack, summary

if TYPE_CHECKING:
    from pathlib import Path

    from napari_scicompty.formats.choices import OpenChoices

_KIND = "CBF or EDF file"


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read the frames of one file.

    Parameters
    ----------
    path : Path
        The file.
    choices : OpenChoices
        None of them matters here.

    Returns
    -------
    Raw
        One frame, or those of an EDF with several.

    Raises
    ------
    InputError
        A package that is not installed, or a file that is damaged.
    """
    del choices
    check_file(path, _KIND)
    try:
        import fabio
    except ImportError as error:
        raise InputError(
            f"{path}: is read with the package fabio, which is not installed; install "
            "napari-scicompty[formats]"
        ) from error
    with reading(path, _KIND), fabio.open(str(path)) as image:
        frames = [np.asarray(image.get_frame(j).data) for j in range(image.nframes)]
        patterns, notes = as_stack(np.stack(frames), path)
    note = summary(path, patterns)
    return Raw(patterns, (path,), report=(note, *notes))
