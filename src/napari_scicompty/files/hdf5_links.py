"""HDF5 files and the other files they draw on: opened, and found by their names."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_heaps import check_heaps
from napari_scicompty.files.reading import check_file

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_LINKS = 100_000
"""Links of one file that are looked at."""
MOST_SOURCES = 100_000
"""Parts of one dataset, and files that one draws on."""
_BUSY = (errno.EAGAIN, errno.EACCES)


def open_file(path: Path, **options: Any) -> tuple[h5py.File, bool]:
    """Open a file for reading, without a lock where its disk has none.

    Parameters
    ----------
    path : Path
        The file; its heaps are checked first.
    **options
        As of `h5py.File`.

    Returns
    -------
    h5py.File
        The open file.
    bool
        Whether it is read without a lock.

    Raises
    ------
    InputError
        A file that a program writes to, or one with a damaged heap.
    """
    check_heaps(path)
    # It registers the compression filters of detectors. Files without them open without
    # it; of others HDF5 says which filter is missing.
    with suppress(ImportError):
        import hdf5plugin  # noqa: F401 - to import it is what registers them
    try:
        return h5py.File(path, "r", locking="best-effort", **options), False
    except OSError as error:
        if "lock" not in str(error):
            raise
        if error.errno in _BUSY:
            raise InputError(
                f"{path}: is locked by a program that writes to it; wait until that is "
                "done, or set HDF5_USE_FILE_LOCKING=FALSE to read it all the same"
            ) from error
    return h5py.File(path, "r", locking=False, **options), True


def linked_files(path: Path) -> list[str]:
    """Name every other file that an HDF5 file may draw on; nothing of them is read.

    Through external links, virtual and external datasets, and on from there. Empty for
    what is no HDF5 file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of str
        Absolute paths; the file itself is not among them.
    """
    found: dict[Path, None] = {}
    queue = [path]
    while queue and len(found) < MOST_SOURCES:
        here = queue.pop()
        with suppress(Exception):  # what cannot be opened draws on nothing
            check_file(here, "HDF5 file")
            if not h5py.is_hdf5(here):
                continue
            file, _ = open_file(here)
            with file:
                for name in _drawn_on(file):
                    where = located(name, here)
                    if where is not None and where not in found:
                        found[where] = None
                        queue.append(where)
    return [str(where) for where in found if where != path.resolve()]


def _drawn_on(file: h5py.File) -> Iterator[str]:
    """Yield the names of other files, as the links and datasets of one give them."""
    groups, links, seen = [file["/"]], 0, {hash(file["/"].id)}
    while groups:
        group = groups.pop()
        for name in group:
            links += 1
            if links > MOST_LINKS:
                return
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield link.filename
            if not isinstance(link, h5py.HardLink):
                continue
            item = group[name]
            if isinstance(item, h5py.Group) and hash(item.id) not in seen:
                seen.add(hash(item.id))
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                yield from _sources(item.id.get_create_plist())


def _sources(plan: Any) -> Iterator[str]:
    """Yield the files that a dataset is made of."""
    for number in range(plan.get_external_count()):
        yield os.fsdecode(plan.get_external(number)[0])
    if plan.get_layout() == h5py.h5d.VIRTUAL:
        for number in range(min(plan.get_virtual_count(), MOST_SOURCES)):
            yield next(iter(blocks(plan, number)))[0]


def blocks(plan: Any, number: int) -> Iterator[tuple[str, str]]:
    """Yield the names of file and dataset of a source of a virtual dataset.

    Parameters
    ----------
    plan : h5py.h5p.PropDCID
        Of the virtual dataset.
    number : int
        Of the source; where its names are numbered, each block is given.
    """
    names = (plan.get_virtual_filename(number), plan.get_virtual_dsetname(number))
    is_numbered = any("%b" in name for name in names)
    for block in range(MOST_SOURCES if is_numbered else 1):
        file, name = (
            text.replace("%b", str(block)).replace("%%", "%") for text in names
        )
        yield file, name


def located(name: str, beside: Path) -> Path | None:
    """Return the file that HDF5 would take for a name; None where there is none.

    Parameters
    ----------
    name : str
        As it stands in the file.
    beside : Path
        The file in which it stands.
    """
    folder = beside.resolve().parent
    for place in (folder / name, Path(name), folder / Path(name).name):
        if place.exists():
            return place.resolve()
    return None
