"""Forms generated from settings: one magicgui row a field, with its range and help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import CheckBox, ComboBox, Container, Label, LineEdit
from pydantic_core import ValidationError
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_scicompty.core.errors import InputError
from napari_scicompty.ui.widgets.form_rows import (
    WRONG,
    UnitEdit,
    default_of,
    is_advanced,
    is_fixed,
    is_live,
    read,
    row_of,
    show_in,
    typed_into,
)
from napari_scicompty.ui.widgets.sections import CollapsibleSection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtpy.QtGui import QShowEvent

    from napari_scicompty.core.settings import Settings

NO_SETTINGS = "This needs no settings."


def settings_form(
    model: type[Settings],
    values: Settings | None,
    prefix: str,
    *,
    only: Sequence[str] | None = None,
    leave_out: Sequence[str] = (),
    flat: bool = False,
) -> SettingsForm:
    """Make a form of a settings model, or of some of its fields.

    A field that can have one value only, the kind of an alternative, has no row; one
    that is advanced is folded away under "More settings".

    Parameters
    ----------
    values : Settings, optional
        What the fields show; the defaults when left out.
    prefix : str
        Qt object names are ``prefix.field``.
    only, leave_out : sequence of str
        Fields that are shown; fields that are not.
    flat : bool
        One row with everything, instead of a row a field.
    """
    names = [
        name
        for name in only or model.model_fields
        if name not in leave_out and not is_fixed(model.model_fields[name])
    ]
    form = SettingsForm(model, names, prefix, flat=flat)
    if values is not None:
        form.set_values(values)
    return form


class SettingsForm(QObject):
    """The rows of some fields of a settings model, in magicgui containers.

    `changed` tells (field, value) when a person has changed a field to a value that is
    valid; a value that is not gets a red frame and a tooltip that says why.
    """

    changed = Signal(str, object)
    touched = Signal()
    """A person has changed a field, to a value that is valid or to one that is not."""

    def __init__(
        self,
        model: type[Settings],
        names: Sequence[str],
        prefix: str,
        *,
        flat: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self._rows: dict[str, Any] = {}
        self._containers: list[Container[Any]] = []
        self._wrong: dict[str, str] = {}
        for name in names:
            field = model.model_fields[name]
            row = row_of(name, field)
            row.native.setToolTip(field.description or "")
            typed_into(row).setObjectName(f"{prefix}.{name}")
            self._rows[name] = row
            self._listen(name, row)
        self.native = self._laid_out(flat)
        """The Qt widget, to be put into a layout."""
        for row in self._rows.values():
            show_in(row, default_of(model.model_fields[row.name]))

    def _laid_out(self, flat: bool) -> QWidget:
        fields = self.model.model_fields
        more = [r for n, r in self._rows.items() if is_advanced(fields[n])]
        first = [r for n, r in self._rows.items() if not is_advanced(fields[n])]
        native = _Rows([] if flat else self._containers)
        layout = QVBoxLayout(native)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._container(first, flat))
        if more:
            folded = CollapsibleSection("More settings", self._container(more, flat))
            layout.addWidget(folded)
        return native

    def _container(self, rows: Sequence[Any], flat: bool) -> QWidget:
        container = Container(
            layout="horizontal" if flat else "vertical", labels=bool(rows)
        )
        container.extend(rows or [Label(value=NO_SETTINGS)])  # so the labels line up
        container.margins = (0, 0, 0, 0)
        self._containers.append(container)
        native: QWidget = container.native
        return native

    @property
    def values(self) -> dict[str, Any]:
        """Values of the fields by name; None where a field is empty."""
        return {name: read(row) for name, row in self._rows.items()}

    @property
    def value(self) -> Any:
        """The settings of the form's model; fields not in the form have defaults.

        Raises
        ------
        InputError
            A field that is empty but needed, or not valid.
        """
        return self.model(**self.given)

    @property
    def given(self) -> dict[str, Any]:
        """What the model is made of: the values, without those that are missing."""
        fields = self.model.model_fields
        return {
            name: value
            for name, value in self.values.items()
            if value is not None or not fields[name].is_required()
        }

    def set_values(self, values: Settings | Mapping[str, Any]) -> None:
        """Fill fields; those that are not named stay as they are."""
        for name, value in dict(values).items():
            if name in self._rows:
                show_in(self._rows[name], value)
                self._mark(name, "")

    def set_hints(self, hints: Mapping[str, Any]) -> None:
        """Show, greyed, what holds where a field is empty."""
        for name, row in self._rows.items():
            if isinstance(row, UnitEdit):
                row.native.set_hint(hints.get(name))

    def set_running(self, running: bool) -> None:
        """Lock what cannot be changed while a run is under way."""
        for name, row in self._rows.items():
            row.enabled = not running or is_live(self.model.model_fields[name])

    def _listen(self, name: str, row: Any) -> None:
        if isinstance(row, UnitEdit):
            row.native.edited.connect(lambda _: self._edited(name))
        elif isinstance(row, LineEdit):
            row.native.editingFinished.connect(lambda: self._text_left(name))
        elif isinstance(row, ComboBox):
            row.native.activated.connect(lambda _: self._edited(name))
        else:
            row.native.clicked.connect(lambda _: self._edited(name))

    def _text_left(self, name: str) -> None:
        """Take a text that was typed into, not one that was only visited."""
        line = self._rows[name].native
        if line.isModified():
            line.setModified(False)
            self._edited(name)

    def _edited(self, name: str) -> None:
        value = read(self._rows[name])
        try:
            self._try(name, value)
        except InputError as error:
            self._mark(name, str(error))
        else:
            self._mark(name, "")
            self.changed.emit(name, value)
        self.touched.emit()

    def _try(self, name: str, value: Any) -> None:
        """Validate one field, whatever the others hold."""
        fields = self.model.model_fields
        given = {n: v for n, v in self.values.items() if v is not None}
        valid = {n: f.default for n, f in fields.items() if not f.is_required()}
        try:
            self.model(**valid | given | {name: value})
        except InputError as error:
            if _is_about(error, name):
                raise

    def _mark(self, name: str, why: str) -> None:
        if why == self._wrong.get(name, ""):
            return
        self._wrong[name] = why
        widget = self._rows[name].native
        widget.setStyleSheet(WRONG if why else "")
        widget.setToolTip(why or self.model.model_fields[name].description or "")


class _Rows(QWidget):
    """The rows of a form; their labels are equally wide.

    magicgui measures labels before the theme gives them their font.
    """

    def __init__(self, containers: list[Container[Any]]) -> None:
        super().__init__()
        self._containers = containers

    def showEvent(self, event: QShowEvent | None) -> None:
        """Let the fields begin in one line."""
        super().showEvent(event)
        for container in self._containers:
            labels = [
                row.parentWidget().findChild(QLabel) for row in _fields(container)
            ]
            widest = max((label.sizeHint().width() for label in labels), default=0)
            for label in labels:
                label.setMinimumWidth(widest)


def _fields(container: Container[Any]) -> list[QWidget]:
    """Widgets of a container that have a label beside them."""
    return [row.native for row in container if row.label and not _is_alone(row)]


def _is_alone(row: Any) -> bool:
    """Whether a widget tells by itself what it is: a box with its text, a label."""
    return isinstance(row, CheckBox | Label)


def _is_about(error: InputError, name: str) -> bool:
    """Whether a field has a part in what is wrong; a rule of several has no place."""
    cause = error.__context__
    if not isinstance(cause, ValidationError):
        return True
    return any(fault["loc"][:1] in ((), (name,)) for fault in cause.errors())
