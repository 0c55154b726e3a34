"""The Data section: which files, which conventions, and a look at them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import ComboBox, LineEdit
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QTabWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_scicompty.core.errors import InputError
from napari_scicompty.formats import (
    FORMATS,
    GEOMETRY_CHOICES,
    HDF5_CHOICES,
    OpenChoices,
)
from napari_scicompty.recipe import FileInput
from napari_scicompty.simulation import VirtualExperiment
from napari_scicompty.ui.reconstruction.lights import Lights
from napari_scicompty.ui.session import window_state as memory
from napari_scicompty.ui.virtual.experiment_form import ExperimentForm
from napari_scicompty.ui.widgets.dataset_chooser import DatasetChooser
from napari_scicompty.ui.widgets.forms import settings_form
from napari_scicompty.ui.widgets.labels import plain_tip
from napari_scicompty.ui.widgets.plots import PatternView, ScanPathView
from napari_scicompty.ui.widgets.sections import CollapsibleSection, OneOf, WrappedLabel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot

HDF5_SUFFIXES = FORMATS["hdf5"].suffixes
PATTERN_SUFFIXES = dict.fromkeys(s for f in FORMATS.values() for s in f.suffixes)
POSITION_SUFFIXES = (".txt", ".csv", ".dat", ".npy")


def _filter(kind: str, suffixes: Iterable[str]) -> str:
    """Filter of a file dialog."""
    return f"{kind} ({' '.join(f'*{suffix}' for suffix in suffixes)});;All (*)"


PATTERN_FILES = _filter("Diffraction patterns", PATTERN_SUFFIXES)
POSITION_FILES = _filter("Positions", (*POSITION_SUFFIXES, *HDF5_SUFFIXES))


class DataSection(QWidget):
    """Choose a scan: files with their conventions, or the virtual experiment."""

    open_wanted = Signal()
    other_file = Signal(str, str)
    """Another file was chosen, (before, now): its own fields are shown, or none."""
    recent_wanted = Signal(object)
    """An input that was opened before should be opened again."""
    pattern_chosen = Signal(int)

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix
        self._source_row = ComboBox(choices=["Files", "Virtual experiment"])
        self.source: QComboBox = self._source_row.native
        self.source.setObjectName(f"{prefix}.source")
        self.path = _PathRow(
            "Patterns", f"{prefix}.path", PATTERN_FILES, "TIFF, folder, CXI or HDF5"
        )
        self.positions = _PathRow(
            "Positions", f"{prefix}.positions", POSITION_FILES, "text, CSV, NPY or HDF5"
        )
        self.mask = _PathRow(
            "Mask", f"{prefix}.mask", PATTERN_FILES, "image, if there is one"
        )
        self._of = ""
        """The file that the other fields are about."""
        self._left: dict[str, dict[str, Any]] = {}
        """What was set for files that were left, by their paths."""
        self.path.chosen.connect(self._leave_other_file)
        self.path.chosen.connect(self._suggest_positions)
        for row in (self.path, self.positions):
            row.chosen.connect(self._files_chosen)
        self.datasets = DatasetChooser(prefix)
        self.conventions = settings_form(
            OpenChoices,
            None,
            prefix,
            leave_out=(*GEOMETRY_CHOICES, *HDF5_CHOICES, "mask"),
        )
        self.experiment = ExperimentForm(f"{prefix}.virtual_experiment")
        self.open_button = QPushButton("Open")
        self.open_button.setObjectName("reconstruction.open")
        self.open_button.setToolTip("Open the scan and show it")
        self.open_button.clicked.connect(self._open_clicked)
        self.recent = QToolButton()
        self.recent.setText("Recent")
        self.recent.setStyleSheet("QToolButton { padding-right: 14px; }")  # the arrow
        self.recent.setObjectName(f"{prefix}.recent")
        self.recent.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.recent.setMenu(QMenu(self))
        self.recent.menu().aboutToShow.connect(self._fill_recent)
        self.pattern_view, self.path_view = PatternView(), ScanPathView()
        self.path_view.pattern_clicked.connect(self.pattern_chosen)
        self.lights = Lights(f"{prefix}.lights")
        self.report = WrappedLabel()
        self.report.setObjectName(f"{prefix}.report")
        self.report.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._lay_out()

    def _lay_out(self) -> None:
        files = QWidget()
        column = QVBoxLayout(files)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.path)
        column.addWidget(self.positions)
        column.addWidget(self.mask)
        self._dataset_section = CollapsibleSection("Datasets (HDF5)", self.datasets)
        self._dataset_section.setVisible(False)
        column.addWidget(self._dataset_section)
        column.addWidget(
            CollapsibleSection("Conventions and preparation", self.conventions.native)
        )
        virtual = CollapsibleSection("Virtual experiment", self.experiment)
        self.choices = OneOf([files, virtual])
        self.source.currentIndexChanged.connect(self.choices.show_only)
        self._views = QTabWidget()
        self._views.addTab(self.pattern_view, "Mean pattern")
        self._views.addTab(self.path_view, "Scan path")
        self._views.setFixedHeight(256)
        self._views.setVisible(False)
        buttons = QHBoxLayout()
        buttons.addWidget(self.open_button, 1)
        buttons.addWidget(self.recent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.source)
        layout.addWidget(self.choices)
        layout.addLayout(buttons)
        layout.addWidget(self._views)
        layout.addWidget(self.lights)
        layout.addWidget(self.report)

    # -- what was chosen --------------------------------------------------------------
    def input(self, geometry: dict[str, Any]) -> FileInput | VirtualExperiment:
        """Return the input of a recipe; InputError when a field is not valid."""
        if self.source.currentIndex() == 1:
            return self.experiment.value
        choices = self.conventions.value.model_dump(exclude={"mask"})
        return FileInput(
            **choices | self.datasets.values | geometry,
            path=self.path.text(),
            positions=self.positions.text() or None,
            mask=self.mask.text() or None,
        )

    def set_input(self, chosen: FileInput | VirtualExperiment) -> None:
        """Fill the fields."""
        if isinstance(chosen, VirtualExperiment):
            self.source.setCurrentIndex(1)
            self.experiment.set_value(chosen)
            return
        self.source.setCurrentIndex(0)
        self.path.set_text(chosen.path)
        self.positions.set_text(chosen.positions or "")
        self.mask.set_text(chosen.mask or "")
        self._of = chosen.path
        choices = {name: getattr(chosen, name) for name in OpenChoices.model_fields}
        self.conventions.set_values(choices)
        self.datasets.set_values(choices)
        self._show_datasets()

    def choose(self, path: str) -> None:
        """Fill in a file that was dropped, and unfold its datasets."""
        self.source.setCurrentIndex(0)
        self.path.set_text(path)
        self.path.chosen.emit(path)
        self._dataset_section.expand()

    def lead_to(self, refusal: str) -> QWidget | None:
        """Unfold the datasets where a refusal names one; return where to look."""
        if self.is_virtual or (row := self.datasets.mark_named_in(refusal)) is None:
            return None
        self._dataset_section.expand()
        return row

    @property
    def is_virtual(self) -> bool:
        """Whether the virtual experiment is chosen."""
        return self.source.currentIndex() == 1

    def set_choices(self, values: dict[str, Any]) -> None:
        """Fill in some of the choices of files, those of datasets among them."""
        known = self.conventions.values
        self.conventions.set_values({n: v for n, v in values.items() if n in known})
        datasets = self.datasets.values
        of_datasets = {n: v for n, v in values.items() if n in HDF5_CHOICES}
        if of_datasets:
            defaults = OpenChoices().model_dump(include=set(HDF5_CHOICES))
            self.datasets.set_values(defaults | datasets | of_datasets)

    def pick_centre(self, row: int, column: int, shape: tuple[int, int]) -> str:
        """Fill in the beam centre; return why it cannot be done, or nothing.

        Parameters
        ----------
        row, column : int
            Pixel of the mean pattern on show.
        shape : (h, w)
            Its shape; its own centre is (h // 2, w // 2).
        """
        values = self.conventions.values
        if self.is_virtual:
            return "the virtual experiment is centred"
        if values["crop"] is not None or values["rebin"] != 1:
            return "type the beam centre in: the patterns on show are cropped or binned"
        old = values["center"] or (shape[0] // 2, shape[1] // 2)
        centre = (old[0] + row - shape[0] // 2, old[1] + column - shape[1] // 2)
        self.conventions.set_values({"center": centre})
        return ""

    def set_busy(self, busy: bool) -> None:
        """Lock the choices, not the views, while something is under way."""
        for widget in (self.source, self.choices, self.open_button, self.recent):
            widget.setEnabled(not busy)

    # -- a look at the scan -----------------------------------------------------------
    def show_scan(self, scan: Scan | None) -> None:
        """Show the mean pattern, the scan path and what was assumed."""
        self._views.setVisible(scan is not None)
        self.datasets.mark_named_in("")
        if scan is None:
            self.report.clear()
            return
        h, w = scan.frame_shape
        self.pattern_view.set_pattern(scan.mean_pattern, scan.good, (h // 2, w // 2))
        self.path_view.set_positions(scan.positions_m, None, scan.excluded)
        self.report.setText("\n".join(f"• {line}" for line in scan.notes))

    def show_errors(self, snapshot: Snapshot) -> None:
        """Colour the scan path by the error of each pattern."""
        left_out = np.flatnonzero(~np.isfinite(snapshot.pattern_error))
        self.path_view.set_positions(
            snapshot.positions_m, snapshot.pattern_error, tuple(left_out.tolist())
        )

    # -- datasets of plain HDF5 -------------------------------------------------------
    def _show_datasets(self) -> bool:
        """Offer the datasets of the files; return whether the files are other ones."""
        changed = self.datasets.show_files(self.path.text(), self.positions.text())
        self._dataset_section.setVisible(self.datasets.is_wanted)
        return changed

    def _files_chosen(self) -> None:
        if self._show_datasets():
            self.datasets.forget_unknown()
            self._dataset_section.setVisible(self.datasets.is_wanted)
            self._dataset_section.expand()

    # -- clicks -----------------------------------------------------------------------
    def _open_clicked(self) -> None:
        if not self.is_virtual and not self.path.text():
            self.path.browse()
            if not self.path.text():
                return
        self.open_wanted.emit()

    def _leave_other_file(self, path: str) -> None:
        """Put away what was set for another file; show what was set for this one."""
        before, self._of = self._of, path
        if not before or not path or before == path:
            return
        values = self.conventions.values
        rows = {"positions": self.positions, "mask": self.mask}
        self._left[before] = values | {name: row.text() for name, row in rows.items()}
        defaults = OpenChoices()
        known = self._left.get(path, {})
        for name, row in rows.items():
            row.set_text(known.get(name, ""))
        self.conventions.set_values(
            {name: known.get(name, getattr(defaults, name)) for name in values}
        )
        self.other_file.emit(before, path)

    def _suggest_positions(self, path: str) -> None:
        """Take the only positions file beside the patterns, if there is just one."""
        if self.positions.text() or path.lower().endswith(HDF5_SUFFIXES):
            return
        beside = [
            p
            for p in sorted(Path(path).parent.glob("*"))
            if p.suffix.lower() in POSITION_SUFFIXES
            and "pos" in p.name.lower()
            and p != Path(path)
        ]
        if len(beside) == 1:
            self.positions.set_text(str(beside[0]))

    def _fill_recent(self) -> None:
        menu = self.recent.menu()
        menu.clear()
        for files in memory.recent_files():
            name = Path(files["path"]).name
            action = menu.addAction(f"{name}  ({Path(files['path']).parent})")
            action.triggered.connect(lambda _=False, f=files: self._open_recent(f))
        if menu.isEmpty():
            menu.addAction("Nothing opened yet").setEnabled(False)

    def _open_recent(self, files: dict[str, Any]) -> None:
        try:
            chosen = FileInput(**files)
        except InputError:  # of another version: the files alone are still good
            names = ("path", "positions")
            chosen = FileInput(**{n: files[n] for n in names if n in files})
        self.recent_wanted.emit(chosen)


class _PathRow(QWidget):
    """A label, a line for a path, and a button that browses."""

    chosen = Signal(str)

    def __init__(self, label: str, name: str, kinds: str, hint: str) -> None:
        super().__init__()
        self._label, self._kinds = label, kinds
        self._row = LineEdit(nullable=True)
        self._edit: QLineEdit = self._row.native
        self._edit.setObjectName(name)
        self._edit.setPlaceholderText(hint)
        self._edit.editingFinished.connect(lambda: self.chosen.emit(self.text()))
        button = QToolButton()
        button.setText("…")
        button.setObjectName(f"{name}.browse")
        button.setToolTip(f"Choose the {label.lower()}")
        button.clicked.connect(self.browse)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        text = QLabel(label)
        text.setMinimumWidth(76)
        layout.addWidget(text)
        layout.addWidget(self._edit, 1)
        layout.addWidget(button)

    def text(self) -> str:
        """Return the path as typed."""
        return self._edit.text().strip()

    def set_text(self, path: str) -> None:
        """Fill in a path."""
        self._edit.setText(path)
        self._edit.setToolTip(plain_tip(path))

    def browse(self) -> None:
        """Ask for a file."""
        path, _ = QFileDialog.getOpenFileName(
            self,
            self._label,
            self.text() or memory.recall().get("folder", ""),
            self._kinds,
        )
        if path:
            self.set_text(path)
            memory.remember(folder=str(Path(path).parent))
            self.chosen.emit(path)
