"""The datasets of a plain HDF5 file: which of them is what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.reading import expanded
from napari_scicompty.formats import (
    HDF5_CHOICES,
    DatasetRow,
    OpenChoices,
    has_known_layout,
    list_datasets,
)
from napari_scicompty.formats.choices import POSITION_KEYS
from napari_scicompty.results import is_result
from napari_scicompty.ui.widgets.dataset_box import DatasetBox, DatasetEdit
from napari_scicompty.ui.widgets.form_rows import label_of, row_of
from napari_scicompty.ui.widgets.labels import colour_by_level
from napari_scicompty.ui.widgets.sections import WrappedLabel

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = tuple(name for name in HDF5_CHOICES if name.endswith("_key"))
LABELS = {"data_key": "Patterns", "x_key": "Positions, x", "y_key": "Positions, y"}
NEEDED = (
    ("data_key",),
    ("positions_key", "x_key", "y_key"),
    ("wavelength_key", "energy_key"),
    ("distance_key",),
    ("detector_pixel_key",),
)
"""Choices of which a scan needs one of each line."""
AUTO = "auto"
"""The unit that the file says."""
_CHOICE = re.compile(rf"\b({'|'.join(HDF5_CHOICES)})\b")


class File(NamedTuple):
    """What a file holds, as far as its datasets can be named."""

    datasets: tuple[DatasetRow, ...] = ()
    is_plain: bool = False
    """Whether it is HDF5, but of no program that is known, and not our result."""
    is_known: bool = False
    """Whether it is CXI, or of another program that is known."""
    exists: bool = False

    @classmethod
    def at(cls, path: str) -> File:
        """Look into a file; what is damaged holds nothing, and is told at Open."""
        try:
            where = expanded(path)
        except InputError:
            return cls()
        if not path or not where.exists():
            return cls()
        try:
            is_known, datasets = has_known_layout(where), tuple(list_datasets(where))
            is_plain = not (is_known or is_result(where))
            return cls(datasets, is_plain, is_known, exists=True)
        except InputError:
            return cls(exists=True)

    @property
    def may_be_scan(self) -> bool:
        """Whether it is plain and some dataset of it can be diffraction patterns."""
        return self.is_plain and any("data_key" in row.fits for row in self.datasets)


class DatasetChooser(QWidget):
    """A drop-down of datasets for every choice of `HDF5_CHOICES`, units beside.

    Nothing is chosen for the user: what fits comes first and is named in grey. Only
    the patterns may be left out where one dataset alone can be them, as in `open_scan`.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._shown: Any = None
        self._patterns = self._positions = File()
        self.advice = WrappedLabel()
        self.advice.setObjectName(f"{prefix}.datasets")
        self._rows = {
            key: DatasetEdit(key, OpenChoices.model_fields[key]) for key in KEYS
        }
        self._boxes: dict[str, DatasetBox] = {
            k: r.native for k, r in self._rows.items()
        }
        self._units: dict[str, Any] = {}
        self._labels: dict[str, QLabel] = {}
        self._notes: dict[str, WrappedLabel] = {}
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(3)
        grid.setColumnStretch(1, 1)
        grid.addWidget(self.advice, 0, 0, 1, 3)
        for number, key in enumerate(KEYS):
            self._add_row(grid, 2 * number + 1, prefix, key)
        self._refresh()

    def _add_row(self, grid: QGridLayout, row: int, prefix: str, key: str) -> None:
        """Label, names and unit; below them a note on what was chosen."""
        quantity = key.removesuffix("_key")
        label = QLabel(LABELS.get(key, label_of(quantity)))
        label.setToolTip(OpenChoices.model_fields[key].description or "")
        box, note = self._boxes[key], WrappedLabel()
        box.setObjectName(f"{prefix}.{key}")
        box.chosen.connect(self._refresh)
        note.setObjectName(f"{prefix}.{key}.note")
        unit = f"{quantity}_unit"
        columns = 1 if unit in HDF5_CHOICES else 2
        grid.addWidget(label, row, 0)
        grid.addWidget(box, row, 1, 1, columns)
        grid.addWidget(note, row + 1, 1, 1, 2)
        if unit in HDF5_CHOICES:
            self._units[key] = _unit_row(prefix, unit)
            self._units[key].native.activated.connect(self._refresh)
            grid.addWidget(self._units[key].native, row, 2)
        self._labels[key], self._notes[key] = label, note

    # -- names and units --------------------------------------------------------------
    @property
    def values(self) -> dict[str, str | None]:
        """Names of datasets and units by choice; None where nothing is named."""
        units = {_unit(key): row.value for key, row in self._units.items()}
        return {key: row.value for key, row in self._rows.items()} | units

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Fill in names and units, whether or not the files hold such datasets."""
        for key, row in self._rows.items():
            row.value = values[key]
        for key, unit in self._units.items():
            unit.value = values[_unit(key)]
        self._refresh()

    def mark_named_in(self, sentence: str) -> QWidget | None:
        """Frame the rows that a refusal names, no others; return the first."""
        said = {_quantity(name) for name in _CHOICE.findall(sentence)}
        marked = [key for key in KEYS if _quantity(key) in said and self._is_shown(key)]
        for key, box in self._boxes.items():
            box.mark(key in marked)
        return self._boxes[marked[0]] if marked else None

    # -- files ------------------------------------------------------------------------
    @property
    def is_wanted(self) -> bool:
        """Whether there are datasets to be named, or names to be seen."""
        return any(self._is_shown(key) for key in KEYS)

    def show_files(self, patterns: str, positions: str) -> bool:
        """Offer the datasets of these files; return whether they are other ones."""
        files = [(path, _changed_at(path)) for path in (patterns, positions)]
        if files == self._shown:
            return False
        self._shown = files
        self._patterns = File.at(patterns)
        self._positions = File.at(positions) if positions else self._patterns
        for key, box in self._boxes.items():
            box.set_datasets(self._file(key).datasets)
        self._refresh()
        return True

    def forget_unknown(self) -> None:
        """Take out names that are not in the files: they were another file's."""
        for key, box in self._boxes.items():
            if box.dataset is None and self._file(key).exists:
                box.set_name(None)
        self._refresh()

    def _file(self, key: str) -> File:
        return self._positions if key in POSITION_KEYS else self._patterns

    def _is_shown(self, key: str) -> bool:
        return self._file(key).is_plain or self._boxes[key].name is not None

    # -- what is shown ----------------------------------------------------------------
    def _refresh(self) -> None:
        """Show rows that can be used, what was chosen, and what is still to choose."""
        for key, box in self._boxes.items():
            shown, named = self._is_shown(key), box.name is not None
            self._notes[key].setText(self._note(key))
            colour_by_level(self._notes[key], "info" if box.dataset else "error")
            self._notes[key].setVisible(shown and named)
            unit = [self._units[key].native] if key in self._units else []
            for widget in (self._labels[key], box, *unit):
                widget.setVisible(shown)
            box.set_hint(self._hint(key))
        missing = self._missing()
        self.advice.setText(f"Not chosen yet: {missing}")
        self.advice.setVisible(bool(missing))

    @property
    def next_step(self) -> str:
        """What a person has to do now, as a phrase."""
        missing = self._missing()
        choose = f"choose {missing} under Datasets (HDF5), then " if missing else ""
        return f"plain HDF5; {choose}click Open"

    def _missing(self) -> str:
        """List what no dataset was chosen for, though some fit."""
        lines = [line for line in NEEDED if self._is_missing(line)]
        return ", ".join(self._labels[line[0]].text().lower() for line in lines)

    def _note(self, key: str) -> str:
        """Say what the dataset of a name is, and the unit it is taken in."""
        dataset, unit = self._boxes[key].dataset, self._units.get(key)
        if dataset is None:
            return "not in the file"
        if unit is None or (unit.value == AUTO and dataset.units):
            return str(dataset)
        if unit.value != AUTO:
            return f"{dataset}, taken as {unit.value}"
        return f"{dataset}, {'eV' if key == 'energy_key' else 'm'} assumed"

    def _hint(self, key: str) -> str:
        names = self._fitting(key)
        if not names:
            return ""
        if key == "data_key" and len(names) == 1:
            return f"{names[0]}: only this fits"
        return f"fits: {names[0]}" if len(names) == 1 else f"{len(names)} fit"

    def _is_missing(self, keys: tuple[str, ...]) -> bool:
        """Whether none of these is chosen, though some dataset fits."""
        if any(self._boxes[key].name for key in keys):
            return False
        several = 2 if keys == ("data_key",) else 1
        return any(len(self._fitting(key)) >= several for key in keys)

    def _fitting(self, key: str) -> list[str]:
        others = [box.name for k, box in self._boxes.items() if k != key and box.name]
        return self._boxes[key].fitting([name.strip("/") for name in others])


def _unit_row(prefix: str, name: str) -> Any:
    """Make the row of a unit, from the choice of that name."""
    row = row_of(name, OpenChoices.model_fields[name])
    row.native.setObjectName(f"{prefix}.{name}")
    row.native.setToolTip(OpenChoices.model_fields[name].description or "")
    row.native.setFixedWidth(76)
    return row


def _quantity(choice: str) -> str:
    return choice.removesuffix("_unit").removesuffix("_key")


def _unit(key: str) -> str:
    return f"{_quantity(key)}_unit"


def _changed_at(path: str) -> int:
    """When a file was changed; a file that is not there never was."""
    try:
        return expanded(path).stat().st_mtime_ns
    except (OSError, InputError):
        return 0
