"""Results of other packages: the table of formats, and `open_foreign_result`."""

from __future__ import annotations

import dataclasses
import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_writing import refuse_damaged
from napari_scicompty.files.reading import expanded
from napari_scicompty.results.foreign._result import ForeignResult

if TYPE_CHECKING:
    import os

    StrPath = str | os.PathLike[str]

log = logging.getLogger(__name__)

_KIND = "result of another package"


class ForeignFormat(NamedTuple):
    """One line of the table."""

    title: str
    """The package."""
    module: str
    """Module with ``recognises(file) -> bool`` and ``read(file) -> ForeignResult``."""

    @property
    def reader(self) -> Any:
        """The module, imported when needed."""
        return import_module(f"{__name__}.{self.module}")


FOREIGN = {
    "ptypy": ForeignFormat("PtyPy (.ptyr)", "ptypy"),
    "ptychodus": ForeignFormat("Ptychodus product (.h5)", "ptychodus"),
    "ptyrad": ForeignFormat("PtyRAD (.hdf5)", "ptyrad"),
    "pynx": ForeignFormat("PyNX (.cxi)", "pynx"),
    "cdtools": ForeignFormat("cdtools (.h5)", "cdtools"),
    "ptylab": ForeignFormat("PtyLab (.hdf5)", "ptylab"),
    "fold_slice": ForeignFormat("fold_slice, PtychoShelves (.mat)", "fold_slice"),
}
"""Formats of results of other packages by name, in the order they are asked."""

__all__ = [
    "FOREIGN",
    "ForeignFormat",
    "ForeignResult",
    "foreign_format",
    "is_foreign_result",
    "open_foreign_result",
]


def foreign_format(path: StrPath) -> str | None:
    """Return the name of the format of a result of another package.

    Parameters
    ----------
    path : path
        An HDF5 file.

    Returns
    -------
    str or None
        Of `FOREIGN`; None for any other HDF5 file.

    Raises
    ------
    InputError
        A file that is missing, damaged, or no HDF5.
    """
    with opened(expanded(path), _KIND) as file:
        known = (n for n, form in FOREIGN.items() if form.reader.recognises(file))
        return next(known, None)


def is_foreign_result(path: StrPath) -> bool:
    """Whether a file is a result of another package that is known.

    Parameters
    ----------
    path : path
        The file.
    """
    try:
        return foreign_format(path) is not None
    except InputError:  # anything may be wrong with a file that is not ours
        return False


def open_foreign_result(path: StrPath) -> ForeignResult:
    """Open what another package has reconstructed.

    Parameters
    ----------
    path : path
        A file of one of `FOREIGN`; it is recognised by what it holds.

    Returns
    -------
    ForeignResult
        Its ``start_for(scan)`` is a start of `reconstruct`.

    Raises
    ------
    InputError
        A file that is missing or damaged, of no format that is known, or without
        an object and a probe that are finite.

    Examples
    --------
    Go on from a result of PtyPy::

        before = sc.open_foreign_result("other.ptyr")
        last = sc.run(scan, sc.RPIE(), epochs=50, start=before.start_for(scan))
    """
    where = expanded(path)
    name = foreign_format(where)
    if name is None:
        known = ", ".join(form.title for form in FOREIGN.values())
        raise InputError(
            f"{where}: is no result of another package that is known; give one of "
            f"{known}, and open our own by open_result"
        )
    refuse_damaged(where)
    with opened(where, _KIND) as file:
        found: ForeignResult = FOREIGN[name].reader.read(file)
        found = dataclasses.replace(found, report=(*found.report, *file.notes))
    _check(found)
    log.info("opened %s, a result of %s", where, found.program)
    return found


def _check(found: ForeignResult) -> None:
    """Refuse arrays that are no object and no probe."""
    for name, axes in (("object", 2), ("probe", 3)):
        array = getattr(found, name)
        if array.ndim != axes or 0 in array.shape:
            raise InputError(
                f"{found.path}: its {name} has shape {array.shape}; {axes} axes are "
                "needed: save the result anew"
            )
        if not np.isfinite(array).all() or not array.any():
            raise InputError(
                f"{found.path}: its {name} is empty or not finite everywhere; take an "
                "earlier result"
            )
    whole, view = found.object.shape, found.probe.shape[-2:]
    if whole[0] < view[0] or whole[1] < view[1]:
        raise InputError(
            f"{found.path}: its object of {whole[0]} x {whole[1]} pixels is smaller "
            f"than its probe of {view[0]} x {view[1]}; save the result anew"
        )
    positions = found.positions_m
    if positions is None:
        return
    if positions.ndim != 2 or positions.shape[1] != 2 or not len(positions):
        raise InputError(
            f"{found.path}: its positions have shape {positions.shape}; (n, 2) is "
            "needed: save the result anew"
        )
    if not np.isfinite(positions).all():
        raise InputError(
            f"{found.path}: its positions are not finite; take another result"
        )
