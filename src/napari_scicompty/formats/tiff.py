"""TIFF: a multi-page file (plain, ImageJ, OME, big TIFF) or a folder of TIFFs."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_scicompty.errors import InputError
from napari_scicompty.formats._raw import Raw, as_stack, check_file, reading

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_KIND = "TIFF stack"
_SUFFIXES = (".tif", ".tiff")
_DAMAGE = re.compile("page offset|series|corrupt", re.IGNORECASE)


def read(path: Path) -> Raw:
    """Read a stack: memory-mapped where the file allows, else once into memory.

    Parameters
    ----------
    path : Path
        A TIFF file, or a folder whose TIFF files are taken in natural order
        (``frame_2.tif`` before ``frame_10.tif``).

    Raises
    ------
    InputError
        A file that is missing, empty, damaged, truncated, no TIFF or in colour; a
        folder without TIFFs or with frames of different shape.
    """
    with reading(path, _KIND):
        if path.is_dir():
            return _read_folder(path)
        return _read_file(path)


def _read_file(path: Path) -> Raw:
    with _opened(path) as series:
        mapped = series.dataoffset is not None
        array = tifffile.memmap(path, mode="r") if mapped else series.asarray()
    patterns, notes = as_stack(array, path)
    return Raw(patterns, (path,), report=(*notes, _summary(path, patterns, mapped)))


def _read_folder(folder: Path) -> Raw:
    """Look at every file before the first is loaded, then fill one array."""
    files = sorted((p for p in folder.iterdir() if _is_frame(p)), key=_natural)
    if not files:
        raise InputError(
            f"{folder}: the folder holds no TIFF files; choose the folder that holds "
            "the patterns, or a TIFF stack"
        )
    counts, layouts = zip(*(_layout(path) for path in files), strict=True)
    for path, layout in zip(files, layouts, strict=True):
        if layout != layouts[0]:
            raise InputError(
                f"{path}: holds frames of {_named(layout)}, {files[0].name} of "
                f"{_named(layouts[0])}; keep only patterns of one kind in the folder"
            )
    shape, dtype = layouts[0]
    patterns = np.empty((sum(counts), *shape), dtype)
    ends = np.cumsum(counts)
    for path, count, end in zip(files, counts, ends, strict=True):
        with reading(path, _KIND), _opened(path) as series:
            patterns[end - count : end] = series.asarray().reshape(-1, *shape)
    stack, notes = as_stack(patterns, folder)
    order = f"{len(files)} files in natural order, {files[0].name} to {files[-1].name}"
    return Raw(
        stack, tuple(files), report=(*notes, order, _summary(folder, stack, False))
    )


def _layout(path: Path) -> tuple[int, tuple[tuple[int, int], np.dtype[Any]]]:
    """Count the frames, and tell what they must have in common."""
    with reading(path, _KIND), _opened(path) as series:
        h, w = (int(length) for length in series.shape[-2:])
        return series.size // (h * w), ((h, w), series.dtype)


@contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffPageSeries]:
    """Open the one image series of a file, after making sure that it is whole."""
    check_file(path, _KIND)
    with _listening() as complaints, tifffile.TiffFile(path) as file:
        found = file.series
        damage = [text for text in complaints if _DAMAGE.search(text)]
        if damage or not found or not all(_is_whole(series) for series in found):
            raise InputError(f"{path}: is truncated or damaged; copy or save it again")
        if len(found) > 1:
            shapes = ", ".join(str(series.shape) for series in found[:3])
            raise InputError(
                f"{path}: holds {len(found)} image series ({shapes}, ...), so its "
                "pages differ in shape or kind; save the patterns as one stack"
            )
        if found[0].keyframe.samplesperpixel > 1:
            raise InputError(
                f"{path}: is a colour image; save the patterns as counts, one value a "
                "pixel"
            )
        yield found[0]


def _is_whole(series: tifffile.TiffPageSeries) -> bool:
    """Whether all data that the pages point to lie within their file."""
    if series.dataoffset is not None:
        size = series.keyframe.parent.filehandle.size
        return bool(series.dataoffset + series.nbytes <= size)
    for page in series.pages:
        if page is None:
            return False
        size = page.parent.filehandle.size
        spans = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(start + length > size for start, length in spans):
            return False
    return True


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Collect what tifffile would log: our own sentence says it once."""
    complaints: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        complaints.append(record.getMessage())
        return False

    logger = logging.getLogger("tifffile")
    logger.addFilter(keep)
    try:
        yield complaints
    finally:
        logger.removeFilter(keep)


def _is_frame(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(p), "") if p.isdigit() else (-1, p) for p in parts]


def _named(layout: tuple[tuple[int, int], np.dtype[Any]]) -> str:
    return f"{layout[0][0]} x {layout[0][1]} pixels, {layout[1]}"


def _summary(path: Path, stack: NDArray[Any], mapped: bool) -> str:
    n, h, w = stack.shape
    how = "memory-mapped" if mapped else "read into memory"
    return f"{path.name}: {n} patterns of {h} x {w} pixels, {stack.dtype}, {how}"
