"""HDF5 files of any origin: links and virtual parts are looked at before they are read.

The library itself waits for a pipe that a link names, ends the process where a virtual
dataset draws on itself, fills in what is missing without a word, and hands out any file
of the machine as raw data.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import h5py

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_links import (
    MOST_LINKS,
    MOST_SOURCES,
    blocks,
    located,
    open_file,
)
from napari_scicompty.files.hdf5_values import check_chunks
from napari_scicompty.files.reading import check_file, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    Item: TypeAlias = h5py.Group | h5py.Dataset

MOST_LISTED = 10_000
"""Datasets of one file that are listed."""
_DEEPEST = 32
_MOST_HOPS = 16


class Missing(NamedTuple):
    """A part of a virtual dataset whose source is not there: first and last index."""

    first: tuple[int, ...]
    """Index of its first element, along each axis."""
    last: tuple[int, ...]
    """Index of its last element."""
    source: str
    """File and dataset that are not there."""


class Tree:
    """An HDF5 file that is open for reading; what it gives is safe to be read.

    Parameters
    ----------
    path : Path
        The file, looked at by `check_file`.
    allow_external : bool
        Whether raw data may lie in files outside the file's own folder.
    """

    def __init__(self, path: Path, allow_external: bool = False) -> None:
        self.path = path
        self.file, self._unlocked = open_file(path)
        self._allow_external = allow_external
        self.is_cut = False
        self._others: dict[Path, h5py.File] = {}
        self._followed: dict[str, None] = {}
        self._lost: dict[str, None] = {}
        self._visited = 0
        self._missing: dict[tuple[str, str], list[Missing]] = {}

    def close(self) -> None:
        """Close it, and the files that it links to."""
        for file in (*self._others.values(), self.file):
            file.close()

    @property
    def attrs(self) -> h5py.AttributeManager:
        """Attributes of the file."""
        return self.file.attrs

    def __contains__(self, name: str) -> bool:
        """Whether a name leads to something, through all links."""
        return self._follow(self.file, name) is not None

    def __getitem__(self, name: str) -> Item:
        """Look up what must be there; KeyError where it is not."""
        found = self.get(name)
        if found is None:
            raise KeyError(f"{name} is not in the file")
        return found

    def get(self, name: str) -> Item | None:
        """Look a group or dataset up, in the files that are linked to as well.

        Parameters
        ----------
        name : str
            Path in the file.

        Returns
        -------
        group, dataset or None
            None where nothing has this name.

        Raises
        ------
        InputError
            A link to what is no HDF5 file, or a dataset that must not be read: raw data
            outside the file's folder, a virtual one that draws on itself.
        """
        found = self._follow(self.file, name)
        if isinstance(found, h5py.Dataset):
            self.check(found)
        return found

    def check(self, data: h5py.Dataset) -> None:
        """Look at a dataset before it is read; raises InputError as `get`.

        Parameters
        ----------
        data : h5py.Dataset
            Of this file, or of one it links to.
        """
        self._visited = 0
        self._missing[data.file.filename, data.name] = self._inspect(data, ())
        check_chunks(data, self.path)

    def missing(self, data: h5py.Dataset) -> list[Missing]:
        """Return the parts of a dataset that HDF5 fills in.

        Parameters
        ----------
        data : h5py.Dataset
            One that was checked.
        """
        return self._missing.get((data.file.filename, data.name), [])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was out of the ordinary: other files, missing ones, no lock."""
        notes = []
        if self._followed:
            notes.append(f"{self.path.name} draws on {_some(list(self._followed))}")
        if self._lost:
            lost = _some(list(self._lost))
            notes.append(f"{self.path.name} names {lost}, which is not there")
        for (_, name), parts in self._missing.items():
            if parts:
                sources = list(dict.fromkeys(part.source for part in parts))
                notes.append(
                    f"virtual dataset {name}: {len(parts)} part(s) are missing "
                    f"({_some(sources)}) and take no part"
                )
        if self._unlocked:
            notes.append(
                f"{self.path.name}: opened without a lock, which its disk does not "
                "offer; make sure that no program writes to it"
            )
        return tuple(notes)

    def datasets(self) -> Iterator[tuple[str, h5py.Dataset]]:
        """Yield names and datasets in the file's order, `MOST_LISTED` at most.

        Those in other files that a link names come where the link stands. They have not
        been checked. `is_cut` tells afterwards whether there are more.
        """
        seen, links, found = {hash(self.file["/"].id)}, 0, 0
        levels = [iter(self.file)]
        groups, names = [self.file], [""]
        while levels:
            part = next(levels[-1], None)
            if part is None:
                for stack in (levels, groups, names):
                    stack.pop()
                continue
            name, links = f"{names[-1]}{part}", links + 1
            if links > MOST_LINKS or found >= MOST_LISTED:
                self.is_cut = True
                return
            item = self._listed(groups[-1], part, seen)
            if isinstance(item, h5py.Dataset) and not name.startswith("#"):
                found += 1
                yield name, item
            elif isinstance(item, h5py.Group) and len(levels) < _DEEPEST:
                levels.append(iter(item))
                groups.append(item)
                names.append(f"{name}/")

    # -- links ------------------------------------------------------------------------
    def _listed(self, group: h5py.Group, part: str, seen: set[int]) -> Item | None:
        """Open what a link names, once; of other files datasets only."""
        link = group.get(part, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            with suppress(InputError):
                there = self._follow(group, part)
                return there if isinstance(there, h5py.Dataset) else None
        if not isinstance(link, h5py.HardLink):
            return None
        item = group[part]
        if hash(item.id) in seen:  # the same for all names of one object
            return None
        seen.add(hash(item.id))
        return item

    def _follow(self, start: h5py.Group, name: str, hops: int = 0) -> Item | None:
        """Go from link to link, and into other files only after a look at them."""
        if hops > _MOST_HOPS:
            raise InputError(f"{self.path}: its links run in a circle at {name}")
        at: Item | None = start.file["/"] if name.startswith("/") else start
        for part in name.split("/"):
            if part in ("", "."):
                continue
            if not isinstance(at, h5py.Group):
                return None
            link = at.get(part, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                other = self._other(at, link.filename)
                at = None if other is None else self._follow(other, link.path, hops + 1)
            elif isinstance(link, h5py.SoftLink):
                at = self._follow(at, link.path, hops + 1)
            else:
                at = None if link is None else at[part]
        return at

    def _other(self, at: Item, name: str) -> h5py.File | None:
        """Open another file that a part of this one names; None where there is none."""
        where = located(name, Path(at.file.filename))
        if where is None:
            self._lost[name] = None
            return None
        if where == self.path.resolve():
            return self.file
        if where not in self._others:
            check_file(where, "HDF5 file")
            if not h5py.is_hdf5(where):
                raise InputError(f"{self.path}: draws on {where}, which is no HDF5")
            self._others[where], unlocked = open_file(where)
            self._unlocked |= unlocked
        self._followed[str(where)] = None
        return self._others[where]

    # -- datasets ---------------------------------------------------------------------
    def _inspect(
        self, data: h5py.Dataset, above: tuple[tuple[str, str], ...]
    ) -> list[Missing]:
        """Refuse what must not be read, and find what is missing."""
        key = (data.file.filename, data.name)
        if key in above or len(above) > _MOST_HOPS:
            raise InputError(
                f"{self.path}: the virtual dataset {data.name} draws on itself; make "
                "it anew"
            )
        plan = data.id.get_create_plist()
        for number in range(plan.get_external_count()):
            self._check_external(data, plan.get_external(number)[0])
        if plan.get_layout() != h5py.h5d.VIRTUAL:
            return []
        missing = []
        for source in range(plan.get_virtual_count()):
            for block, (file, name) in enumerate(blocks(plan, source)):
                self._visited += 1
                if self._visited > MOST_SOURCES:
                    raise InputError(
                        f"{self.path}: {data.name} is made of over {MOST_SOURCES} "
                        "parts; copy it into a dataset of its own (h5repack)"
                    )
                there = self._source(data, file, name)
                if there is None and block:
                    break
                if not self._is_whole(there, plan, source, (*above, key)):
                    space = plan.get_virtual_vspace(source)
                    ends = _bounds(space, data.shape)
                    missing.append(Missing(*ends, f"{file}, {name}"))
        return missing

    def _source(self, data: h5py.Dataset, file: str, name: str) -> Item | None:
        other = data.file if file == "." else self._other(data, file)
        return None if other is None else self._follow(other, name)

    def _is_whole(
        self,
        there: Item | None,
        plan: h5py.h5p.PropDCID,
        number: int,
        above: tuple[tuple[str, str], ...],
    ) -> bool:
        """Whether a source holds all that is taken from it."""
        if not isinstance(there, h5py.Dataset) or self._inspect(there, above):
            return False
        taken = plan.get_virtual_srcspace(number)
        if taken.get_select_type() != h5py.h5s.SEL_HYPERSLABS:
            return True
        if not taken.is_regular_hyperslab():
            _, last = taken.get_select_bounds()
        else:
            start, stride, count, block = taken.get_regular_hyperslab()
            if h5py.h5s.UNLIMITED in (*count, *block):
                return True
            last = tuple(
                s + (c - 1) * step + b - 1
                for s, step, c, b in zip(start, stride, count, block, strict=True)
            )
        return all(end < have for end, have in zip(last, there.shape, strict=False))

    def _check_external(self, data: h5py.Dataset, name: bytes | str) -> None:
        """Refuse raw data in a file that this one has no business with."""
        text = name.decode(errors="replace") if isinstance(name, bytes) else name
        where = Path(text).resolve()  # seen from the working folder, as HDF5 does
        if where.exists():
            check_file(where, "file of raw data")
        self._followed[str(where)] = None
        home = Path(data.file.filename).resolve().parent
        if not (self._allow_external or where.is_relative_to(home)):
            raise InputError(
                f"{self.path}: {data.name} takes its values from {text}, a file "
                f"outside the folder {home}; if you trust it, choose "
                "allow_external=True"
            )


@contextmanager
def opened(path: Path, kind: str, allow_external: bool = False) -> Iterator[Tree]:
    """Open a file for reading; whatever goes wrong with it becomes one sentence.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What the file is meant to be, in words, for the sentence of an error.
    allow_external : bool
        Whether raw data may lie in files outside the file's own folder.

    Yields
    ------
    Tree
        The open file; closed at the end of the block.

    Raises
    ------
    InputError
        A file that is missing, empty, damaged, or no HDF5; and see `Tree.get`.
    """
    with reading(path, kind):
        check_file(path, kind)
        if not h5py.is_hdf5(path):
            raise InputError(
                f"{path}: cannot be read as a {kind}, it is damaged or of another "
                "kind: copy it again, or save it as HDF5 (MATLAB: with -v7.3)"
            )
        tree = Tree(path, allow_external)
        try:
            yield tree
        finally:
            tree.close()


def handle_of_its_own(data: h5py.Dataset) -> h5py.Dataset:
    """Open a dataset that was checked once more, to outlive the file's first handle.

    Parameters
    ----------
    data : h5py.Dataset
        One that was checked.

    Returns
    -------
    h5py.Dataset
        Of a second handle, with a larger cache of chunks.
    """
    file, _ = open_file(Path(data.file.filename), rdcc_nbytes=64 * 2**20)
    return file[data.name]


def _bounds(
    space: h5py.h5s.SpaceID, shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First and last index of what is chosen; everything where it has no end."""
    try:
        first, last = space.get_select_bounds()
    except (ValueError, RuntimeError):
        return (0,) * len(shape), tuple(length - 1 for length in shape)
    return first, last


def _some(names: list[str], most: int = 3) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
