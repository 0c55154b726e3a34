"""What a file of a known layout says of the geometry, and what of it is not used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np

from napari_scicompty.core import units
from napari_scicompty.core.geometry import Geometry
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.formats._hdf5 import unit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_scicompty.files.hdf5_reading import Tree

_CHOICES = {"wavelength_m": "energy_ev or wavelength_m"}


class FileValues:
    """Numbers of a file by the field of the geometry that they give.

    Parameters
    ----------
    file : Tree
        The open file.
    """

    def __init__(self, file: Tree) -> None:
        self._file = file
        self.geometry: dict[str, object] = {}
        self.report: list[str] = []
        self.unused: dict[str, str] = {}
        self.energy_ev: float | None = None

    def first(self, names: Sequence[str]) -> h5py.Dataset | None:
        """Return the first dataset that is there.

        Parameters
        ----------
        names : sequence of str
            Paths in the file.
        """
        found = (self._file.get(name) for name in names)
        return next((item for item in found if isinstance(item, h5py.Dataset)), None)

    def value(self, field: str, names: Sequence[str], unit: str) -> float | None:
        """Return a number above zero in SI; what cannot be one is told and left.

        Parameters
        ----------
        field : str
            Of the geometry.
        names : sequence of str
            Datasets that may hold it.
        unit : str
            Of datasets that say none; empty where it must be said.
        """
        dataset = self.first(names)
        if dataset is None:
            return None
        values = read_small(dataset, "uif").astype(float).ravel()
        if not values.size or not np.allclose(values, values[0], rtol=1e-6, atol=0):
            self._left(field, f"{dataset.name} holds not one number")
            return None
        number, said = float(values[0]), unit_of(dataset)
        shown = f"{dataset.name} = {number:.6g} {said}".strip()
        if not said and not unit:
            self._left(field, f"{shown} has no unit")
            return None
        kind = units.UNITS[unit or "eV"].kind
        known = units.UNITS.get(said or unit)
        if known is None or known.kind != kind:
            self._left(field, f"{shown} is in a unit that does not fit")
            return None
        if not 0 < abs(number) < np.inf:
            self._left(field, f"{shown} means nothing")
            return None
        self.report.append(
            f"{field.removesuffix('_m').replace('_', ' ')}: {abs(number):.6g} "
            f"{known.name}{'' if said else ' (unit of this format)'}, "
            f"from {dataset.name}"
        )
        return abs(number) * units.size(known.name)

    def take(self, field: str, names: Sequence[str], unit: str) -> None:
        """Take a length; parameters as of `value`.

        Parameters
        ----------
        field, names, unit : str
            As of `value`.
        """
        value = self.value(field, names, unit)
        if value is not None:
            self.geometry.setdefault(field, value)

    def take_energy(self, names: Sequence[str], unit: str) -> None:
        """Take the wavelength of photons from their energy.

        Parameters
        ----------
        names, unit : str
            As of `value`.
        """
        if "wavelength_m" in self.geometry:
            return
        value = self.value("wavelength_m", names, unit)
        if value is not None:
            self.energy_ev = value / units.size("eV")
            wavelength = Geometry.from_energy(self.energy_ev, 1, 1).wavelength_m
            self.geometry["wavelength_m"] = wavelength
            self.unused.pop("wavelength_m", None)
            name, _, rest = self.report.pop().partition(":")
            self.report.append(f"{name} from the energy of photons:{rest}")

    def take_pixel(
        self, rows: Sequence[str], columns: Sequence[str], unit: str = "m"
    ) -> None:
        """Take the detector pixel (y, x) in metres; one of both means a square.

        Parameters
        ----------
        rows, columns : sequence of str
            Datasets that may hold its sides along y and x.
        unit : str
            Of datasets that say none.
        """
        y = self.value("detector_pixel_m", rows, unit)
        x = y if rows == columns else self.value("detector_pixel_m", columns, unit)
        if (first := y or x) is not None:
            self.geometry["detector_pixel_m"] = (first, x or y)

    def take_pair(self, names: Sequence[str]) -> None:
        """Take the detector pixel in metres from one number, or two (y, x).

        Parameters
        ----------
        names : sequence of str
            Datasets that may hold it.
        """
        held = self.array(names)
        if held is not None and held.size == 2 and np.ptp(held):
            y, x = (float(side) for side in held.ravel())
            if min(y, x) > 0 and max(y, x) < np.inf:
                self.geometry["detector_pixel_m"] = (y, x)
                self.report.append(f"detector pixel: {y:.6g}, {x:.6g} m of the file")
            return
        self.take_pixel(names, names)

    def array(self, names: Sequence[str]) -> NDArray[np.generic] | None:
        """Return the numbers of the first dataset that is there.

        Parameters
        ----------
        names : sequence of str
            Paths in the file.
        """
        dataset = self.first(names)
        return None if dataset is None else read_small(dataset)

    def _left(self, field: str, why: str) -> None:
        name = _CHOICES.get(field, field)
        self.unused[field] = f"{why}, so that it is not used (choose {name})"
