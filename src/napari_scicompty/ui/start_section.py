"""The Start section: which first probe, and the starts that were tried."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_scicompty.search import ranked
from napari_scicompty.start import STARTS
from napari_scicompty.ui.forms import SettingsForm, settings_form
from napari_scicompty.ui.plots import StartLadderView
from napari_scicompty.ui.sections import OneOf, WrappedLabel

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.search import Candidate
    from napari_scicompty.settings import Settings
    from napari_scicompty.start import Start
    from napari_scicompty.ui.folded_form import FoldedForm

TITLES = {
    "auto": "Automatic (search the defocus)",
    "pupil": "Mean pattern with a defocus",
    "disc": "Disc or spherical wave",
    "zone-plate": "Zone plate with central stop",
    "back-propagated": "Mean pattern propagated back (near field)",
    "file": "From a file",
}


class KindForm(QWidget):
    """Choose one kind of a table of settings, and edit its fields.

    Parameters
    ----------
    form : callable, optional
        Makes the form of a kind; all its fields in sight when left out.
    """

    changed = Signal(str, object)
    """(field, value) of the kind on show."""
    kind_changed = Signal(str)

    def __init__(
        self,
        table: dict[str, type[Settings]],
        titles: dict[str, str],
        combo_name: str,
        prefix: str,
        form: Callable[[type[Settings]], FoldedForm] | None = None,
    ) -> None:
        super().__init__()
        self._names = list(table)
        self.combo = QComboBox()
        self.combo.setObjectName(combo_name)
        self.combo.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )  # else the longest title makes the dock wide
        self.forms: dict[str, SettingsForm | FoldedForm] = {}
        for name, model in table.items():
            self.combo.addItem(titles.get(name, name), name)
            made = form(model) if form else settings_form(model, None, prefix)
            made.changed.connect(self.changed.emit)
            self.forms[name] = made
        self._choices = OneOf([form.native for form in self.forms.values()])
        self.combo.currentIndexChanged.connect(self._show)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.combo)
        layout.addWidget(self._choices)

    @property
    def name(self) -> str:
        """Name of the kind in its table."""
        return self._names[self.combo.currentIndex()]

    @property
    def form(self) -> SettingsForm | FoldedForm:
        """The form on show."""
        return self.forms[self.name]

    def set_value(self, value: Settings) -> None:
        """Show these settings."""
        for name, form in self.forms.items():
            if form.model is type(value):
                self.combo.setCurrentIndex(self._names.index(name))
                form.set_values(value)

    def _show(self, index: int) -> None:
        self._choices.show_only(index)
        self.kind_changed.emit(self.name)


class StartSection(QWidget):
    """The first probe: given, or found by a search whose tries are shown."""

    said = Signal(str, str)

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.kinds = KindForm(dict(STARTS), TITLES, f"{prefix}.kind", prefix)
        self.ladder = StartLadderView()
        self.ladder.setVisible(False)
        self.ladder.candidate_chosen.connect(self._choose)
        self.text = WrappedLabel()
        self.text.setObjectName(f"{prefix}.found")
        self.text.setVisible(False)
        self._tried: list[Candidate] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.kinds)
        layout.addWidget(self.ladder)
        layout.addWidget(self.text)

    @property
    def value(self) -> Start:
        """The chosen start; InputError when a field is not valid."""
        return self.kinds.form.value

    def set_value(self, start: Start) -> None:
        """Show a start."""
        self.kinds.set_value(start)

    def show_tried(self, tried: list[Candidate], planned: int) -> None:
        """Show the candidates of a search, done or under way."""
        if len(tried) == len(self._tried):
            return
        self._tried = list(tried)
        self.ladder.setVisible(bool(tried))
        self.text.setVisible(bool(tried))
        if not tried:
            return
        best = tried.index(ranked(tried)[0])
        self.ladder.set_candidates(
            [nan if c.defocus_m is None else c.defocus_m for c in tried],
            [c.error for c in tried],
            best,
        )
        progress = (
            "" if len(tried) >= planned else f" ({len(tried)} of {planned} tried)"
        )
        self.text.setText(f"Best: {tried[best]}{progress}")

    def _choose(self, index: int) -> None:
        """Take another candidate than the best: it becomes a given start."""
        chosen = self._tried[index].start
        self.kinds.set_value(chosen)
        self.said.emit(
            "info", f"start set to {self._tried[index]}; Reset and Run to begin from it"
        )
