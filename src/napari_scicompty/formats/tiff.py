"""TIFF: a multi-page file (plain, ImageJ, OME, big TIFF) or a folder of TIFFs."""

from __future__ import annotations

import logging
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import numpy as np
import tifffile

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.stacks import LazyStack
from napari_scicompty.files.reading import check_file, reading
from napari_scicompty.formats._plain import READ, plain
from napari_scicompty.formats._raw import Raw, as_stack, grid_of, summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.core.stacks import Stack
    from napari_scicompty.formats.choices import OpenChoices

    _Layout = tuple[int, tuple[tuple[int, int], np.dtype[np.generic]]]
    """Number of frames; their shape and dtype."""

_KIND = "TIFF stack"
_SUFFIXES = (".tif", ".tiff")
_DAMAGE = re.compile("page offset|series|corrupt", re.IGNORECASE)


def read(path: Path, choices: OpenChoices) -> Raw:
    """Read a stack at once if it fits, else as needed.

    Parameters
    ----------
    path : Path
        A TIFF file, or a folder whose TIFF files are taken in natural order
        (``frame_2.tif`` before ``frame_10.tif``).
    choices : OpenChoices
        None of them matters here.

    Returns
    -------
    Raw
        What the file holds, unchecked.

    Raises
    ------
    InputError
        A file that is missing, empty, damaged, truncated, no TIFF or in colour; a
        folder without TIFFs or with frames of different shape.
    """
    del choices
    with reading(path, _KIND):
        if path.is_dir():
            return _read_folder(path)
        return _read_file(path)


def holds_frames(folder: Path) -> bool:
    """Whether there are TIFF files in a folder that can be listed.

    Parameters
    ----------
    folder : Path
        Looked at without its subfolders.
    """
    try:
        return any(_is_frame(path) for path in folder.iterdir())
    except OSError:
        return False


def _read_file(path: Path) -> Raw:
    with _opened(path) as series:
        array: Stack
        if series.dataoffset is not None:
            dtype = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
            array, how = plain(path, series.dataoffset, dtype, series.shape, _KIND)
        else:
            array, how = _from_pages([path], [_layout_of(series)])
            array = array.reshape(*series.shape)
    patterns, notes = as_stack(array, path)
    report = (*notes, summary(path, patterns, how))
    return Raw(patterns, (path,), report=report, grid=grid_of(array.shape))


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
    array, how = _from_pages(files, list(zip(counts, layouts, strict=True)))
    stack, notes = as_stack(array, folder)
    order = f"{len(files)} files in natural order, {files[0].name} to {files[-1].name}"
    report = (*notes, order, summary(folder, stack, how))
    return Raw(stack, tuple(files), report=report)


def _layout(path: Path) -> _Layout:
    """Count the frames of a file, and tell what they must have in common."""
    with reading(path, _KIND), _opened(path) as series:
        return _layout_of(series)


def _layout_of(series: tifffile.TiffPageSeries) -> _Layout:
    h, w = (int(length) for length in series.shape[-2:])
    return series.size // (h * w), ((h, w), series.dtype)


def _from_pages(files: list[Path], layouts: list[_Layout]) -> tuple[Stack, str]:
    """Read the frames (n, h, w) of files if they fit, else when needed; say which."""
    counts, ((shape, dtype), *_) = zip(*layouts, strict=True)
    frames = _Frames(files, counts, shape, dtype)
    stack = LazyStack(frames.read, (sum(counts), *shape), dtype)
    is_large = stack.nbytes > room_for_a_stack()
    return stack if is_large else stack[:], READ[is_large]


class _Frames:
    """Frames of TIFF files, one after the other; the last file read stays open."""

    def __init__(
        self,
        files: list[Path],
        counts: Sequence[int],
        shape: tuple[int, int],
        dtype: np.dtype[np.generic],
    ) -> None:
        self._files, self._counts = files, counts
        self._shape, self._dtype = shape, dtype
        self._ends = np.cumsum(counts)
        self._at = -1
        self._file: tifffile.TiffFile | None = None
        self._reading = threading.Lock()

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def read(self, numbers: NDArray[np.int64]) -> NDArray[np.generic]:
        """Read frames (k, h, w)."""
        frames = np.empty((len(numbers), *self._shape), self._dtype)
        places = np.searchsorted(self._ends, numbers, "right")
        with self._reading:
            for at in np.unique(places):
                here = places == at
                within = numbers[here] - self._ends[at] + self._counts[at]
                with reading(self._files[at], _KIND):
                    one_by_one = self._of_file(int(at), within)
                    for row, frame in zip(
                        np.flatnonzero(here), one_by_one, strict=True
                    ):
                        frames[row] = frame
        return frames

    def _of_file(
        self, at: int, numbers: NDArray[np.int64]
    ) -> Iterable[NDArray[np.generic]]:
        """Read frames of one file, page by page where each page is one."""
        if at != self._at or self._file is None:
            if self._file is not None:
                self._file.close()
            self._at, self._file = at, tifffile.TiffFile(self._files[at])
        series = self._file.series[0]
        if len(series.pages) == self._counts[at]:
            pages = (series.pages[int(j)] for j in numbers)
            return (page.asarray() for page in pages if page is not None)
        whole: NDArray[np.generic] = series.asarray()
        return whole.reshape(-1, *self._shape)[numbers]


def check_chain(path: Path) -> None:
    """Refuse a TIFF whose directories lead back to one before: they have no end.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    InputError
        One that is damaged in this way; what else is wrong is left to tifffile.
    """
    with path.open("rb") as file:
        head = file.read(8)
        order: Literal["little", "big"] = "big" if head[:2] == b"MM" else "little"
        is_big = head[2:4] in (b"+\0", b"\0+")
        width, count, entry = (8, 8, 20) if is_big else (4, 2, 12)
        file.seek(8 if is_big else 4)
        seen: set[int] = set()
        while at := int.from_bytes(file.read(width), order):
            if at in seen:
                raise InputError(
                    f"{path}: its pages lead in a circle, it is damaged; copy or save "
                    "it again"
                )
            seen.add(at)
            file.seek(at)
            file.seek(at + count + entry * int.from_bytes(file.read(count), order))


@contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffPageSeries]:
    """Open the one image series of a file, after making sure that it is whole."""
    check_file(path, _KIND)
    check_chain(path)
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


def _named(layout: tuple[tuple[int, int], np.dtype[np.generic]]) -> str:
    return f"{layout[0][0]} x {layout[0][1]} pixels, {layout[1]}"
