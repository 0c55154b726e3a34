"""A form whose settings are one of several kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_scicompty.core.errors import InputError
from napari_scicompty.ui.widgets.form_rows import let_wheel_scroll
from napari_scicompty.ui.widgets.forms import SettingsForm, settings_form
from napari_scicompty.ui.widgets.sections import OneOf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from napari_scicompty.core.settings import Settings


class KindForm(QWidget):
    """Choose one kind of a table of settings, and edit its fields.

    Parameters
    ----------
    leave_out : sequence of str
        Fields that have no row.
    """

    changed = Signal(str, object)
    """(field, value) of the kind on show."""
    kind_chosen = Signal(str)
    """A person has chosen another kind than the one of this name."""

    def __init__(
        self,
        table: dict[str, type[Settings]],
        titles: dict[str, str],
        combo_name: str,
        prefix: str,
        leave_out: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._names = list(table)
        self._row = ComboBox(choices=_choices(table, titles))
        self.combo: QComboBox = self._row.native
        let_wheel_scroll(self.combo)
        self.combo.setObjectName(combo_name)
        self.combo.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )  # else the longest title makes the dock wide
        self.forms: dict[str, SettingsForm] = {}
        for name, model in table.items():
            made = settings_form(model, None, prefix, leave_out=leave_out)
            made.changed.connect(self.changed.emit)
            self.forms[name] = made
        self._choices = OneOf([form.native for form in self.forms.values()])
        self._settled = 0
        self.combo.currentIndexChanged.connect(self._choices.show_only)
        self.combo.activated.connect(self._choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.combo)
        layout.addWidget(self._choices)

    @property
    def name(self) -> str:
        """Name of the kind in its table."""
        return self._names[self.combo.currentIndex()]

    @property
    def form(self) -> SettingsForm:
        """The form on show."""
        return self.forms[self.name]

    def holds(self, value: Settings) -> bool:
        """Whether these settings are of a kind of the table."""
        return any(form.model is type(value) for form in self.forms.values())

    def set_value(self, value: Settings) -> None:
        """Show these settings.

        Raises
        ------
        InputError
            Settings of a kind that is not in the table.
        """
        for name, form in self.forms.items():
            if form.model is type(value):
                self.set_kind(name)
                form.set_values(value)
                return
        raise InputError(self.refusal(value))

    def refusal(self, value: Settings) -> str:
        """Say that settings cannot be shown."""
        return (
            f"{self.combo.objectName()}: this window does not know "
            f"{type(value).__name__}; it has {', '.join(self._names)}"
        )

    def set_kind(self, name: str) -> None:
        """Show a kind as it was left."""
        self._settled = self._names.index(name)
        self.combo.setCurrentIndex(self._settled)

    def set_running(self, running: bool) -> None:
        """Lock what cannot be changed while a run is under way."""
        for form in self.forms.values():
            form.set_running(running)

    def _choose(self, index: int) -> None:
        if index != self._settled:
            before, self._settled = self._names[self._settled], index
            self.kind_chosen.emit(before)


def _choices(table: Iterable[str], titles: Mapping[str, str]) -> list[tuple[str, str]]:
    """Titles and names; a title that several kinds have is told apart by the name."""
    shown = {name: titles.get(name, name) for name in table}
    several = {title for title in shown.values() if [*shown.values()].count(title) > 1}
    return [
        (f"{title} ({name})" if title in several else title, name)
        for name, title in shown.items()
    ]
