"""Which patterns of a file are used: a range, numbers, or a file of numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.reading import check_file, expanded, read_npy, reading

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.formats.choices import OpenChoices

_KIND = "list of pattern numbers"
_MOST_BYTES = 2**26
_RANGE = re.compile(r"(-?\d+)?:(-?\d+)?(?::(-?\d+)?)?")
_HOW = "write a range first:end:step, or numbers with commas between"


def used_frames(choices: OpenChoices, count: int) -> NDArray[np.int64] | None:
    """Return the numbers of the patterns that are used, or None for all.

    Parameters
    ----------
    choices : OpenChoices
        What was told about the file when it was opened.
    count : int
        Patterns in the file.

    Returns
    -------
    (k,) int64 or None
        In the order in which they were named.

    Raises
    ------
    InputError
        What is no list of numbers, a number that no pattern has, or one given twice.
    """
    text, file = choices.use_frames, choices.use_frames_file
    if text is not None and file is not None:
        raise InputError("use_frames and use_frames_file are both given; give one")
    if text is not None:
        name, parts = f"use_frames={text!r}", _parts(text, count)
    elif file is not None:
        name, parts = file, _of_file(expanded(file))
    else:
        return None
    numbers = np.concatenate([np.empty(0, np.int64), *parts])
    wrong = numbers[(numbers < 0) | (numbers >= count)]
    if len(wrong) or not len(numbers):
        what = f"there is no pattern {wrong[0]}" if len(wrong) else "names no pattern"
        raise InputError(f"{name}: {what}; they are numbered 0 to {count - 1}")
    values, times = np.unique(numbers, return_counts=True)
    if (times > 1).any():
        raise InputError(
            f"{name}: names pattern {values[times > 1][0]} twice; name each once"
        )
    return numbers


def _parts(text: str, count: int) -> list[NDArray[np.int64]]:
    parts = []
    for part in filter(None, re.split(r"[,\s]+", text.strip())):
        if found := _RANGE.fullmatch(part):
            bounds = [None if b is None else int(b) for b in found.groups()]
            if bounds[2] == 0:
                raise InputError(f"use_frames={text!r}: a step of 0; {_HOW}")
            parts.append(np.arange(*slice(*bounds).indices(count)))
        elif part.isdigit() and len(part) < 16:
            parts.append(np.array([int(part)]))
        else:
            raise InputError(f"use_frames={text!r}: {part[:60]!r} is no number; {_HOW}")
    return parts


def _of_file(path: Path) -> list[NDArray[np.int64]]:
    with reading(path, _KIND):
        check_file(path, _KIND, _MOST_BYTES)
        if path.suffix.lower() == ".npy":
            numbers = read_npy(path, _KIND).ravel()
        else:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            words = " ".join(line.split("#")[0] for line in lines)
            numbers = np.array([float(w) for w in re.split(r"[,;\s]+", words) if w])
        whole = numbers.astype(np.int64)
        if not np.array_equal(whole, numbers):
            raise InputError(f"{path}: holds numbers that are not whole; mend it")
        return [whole]
