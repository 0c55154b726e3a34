"""Forms generated from settings: one magicgui row a field, with its range and help."""

from __future__ import annotations

import math
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from magicgui.backends._qtpy.widgets import QBaseValueWidget
from magicgui.widgets import CheckBox, ComboBox, Container, Label, LineEdit
from magicgui.widgets.bases import ValueWidget
from pydantic_core import PydanticUndefined, ValidationError
from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_scicompty.errors import InputError
from napari_scicompty.ui.number_box import UNITS, UnitSpinBox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic.fields import FieldInfo

    from napari_scicompty.settings import Settings

SUFFIXES = ("_m", "_ev", "_px2", "_px", "_rad", "_v", "_mm", "_pt")
NOTHING = "as in the file"
NO_SETTINGS = "This needs no settings."
WRONG = "border: 1px solid #ff6b6b;"


class _WheelScrolls(QObject):
    """Lets the wheel scroll the panel over boxes that have not the focus."""

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Pass the wheel on."""
        if event is None or event.type() != QEvent.Type.Wheel:
            return False
        if isinstance(watched, QWidget) and watched.hasFocus():
            return False
        event.ignore()
        return True


_WHEEL = _WheelScrolls()


def let_wheel_scroll(widget: QWidget) -> None:
    """Let the wheel scroll the panel over a box that has not the focus."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(_WHEEL)


class _QtUnitEdit(QBaseValueWidget):
    """What magicgui needs to know of a unit spin box."""

    def __init__(self, options: dict[str, Any], **kwargs: Any) -> None:
        def make_spin_box(parent: QWidget | None = None) -> UnitSpinBox:
            box = UnitSpinBox(**options)
            box.setParent(parent)
            return box

        super().__init__(make_spin_box, "value", "set_value", "edited", **kwargs)

    def _mgui_get_value(self) -> Any:
        return self._qwidget.value


class UnitEdit(ValueWidget):
    """A magicgui widget around `UnitSpinBox`; its value is a number in SI, or None."""

    def __init__(self, options: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(
            widget_type=_QtUnitEdit,
            backend_kwargs={"options": options},
            nullable=True,
            **kwargs,
        )


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

    A field that can have one value only, the kind of an alternative, has no row.

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
        if name not in leave_out and not _is_fixed(model.model_fields[name])
    ]
    form = SettingsForm(model, names, prefix, flat=flat)
    if values is not None:
        form.set_values(values)
    return form


class SettingsForm(QObject):
    """The rows of some fields of a settings model, in a magicgui container.

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
        self._wrong: dict[str, str] = {}
        for name in names:
            field = model.model_fields[name]
            row = _row(name, field)
            row.native.setToolTip(field.description or "")
            _typed_into(row).setObjectName(f"{prefix}.{name}")
            self._rows[name] = row
            self._listen(name, row)
        self.container = Container(
            layout="horizontal" if flat else "vertical", labels=bool(names)
        )
        self.container.extend(  # this way the labels line up
            self._rows.values() or [Label(value=NO_SETTINGS)]
        )
        self.container.margins = (0, 0, 0, 0)
        for row in self._rows.values():
            _show_in(row, _default(model.model_fields[row.name]))

    @property
    def native(self) -> QWidget:
        """The Qt widget, to be put into a layout."""
        return self.container.native

    @property
    def values(self) -> dict[str, Any]:
        """Values of the fields by name; None where a field is empty."""
        return {name: _read(row) for name, row in self._rows.items()}

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
                _show_in(self._rows[name], value)
                self._mark(name, "")

    def set_hints(self, hints: Mapping[str, Any]) -> None:
        """Show, greyed, what holds where a field is empty."""
        for name, row in self._rows.items():
            if isinstance(row, UnitEdit):
                row.native.set_hint(hints.get(name))

    def set_running(self, running: bool) -> None:
        """Lock what cannot be changed while a run is under way."""
        for name, row in self._rows.items():
            row.enabled = not running or _is_live(self.model.model_fields[name])

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
        value = _read(self._rows[name])
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


def _row(name: str, field: FieldInfo) -> Any:
    """Choose the widget of a field."""
    kinds, optional = _kinds(field.annotation)
    label = field.title or label_of(name)
    if _unit(field) not in UNITS and _unit(field):
        label += f" ({_unit(field)})"
    if any(get_origin(kind) is Literal for kind in kinds):
        options = [c for k in kinds if get_origin(k) is Literal for c in get_args(k)]
        choices = [(str(c), c) for c in options]
        if optional:
            choices.insert(0, (NOTHING, None))
        combo = ComboBox(name=name, label=label, choices=choices)
        let_wheel_scroll(combo.native)
        return combo
    if bool in kinds:
        return CheckBox(name=name, label="", text=label)
    if kinds[0] in (int, float) and not _is_pair_only(kinds):
        low, high = _bounds(field)
        return UnitEdit(
            {
                "unit": _unit(field),
                "whole": kinds[0] is int,
                "optional": optional or field.is_required(),
                "minimum": low,
                "maximum": high,
            },
            name=name,
            label=label,
        )
    row = LineEdit(name=name, label=label, nullable=True)
    row.many = not optional and all(get_origin(kind) is tuple for kind in kinds)
    return row


def _is_about(error: InputError, name: str) -> bool:
    """Whether a field has a part in what is wrong; a rule of several has no place."""
    cause = error.__context__
    if not isinstance(cause, ValidationError):
        return True
    return any(fault["loc"][:1] in ((), (name,)) for fault in cause.errors())


def _kinds(annotation: Any) -> tuple[list[Any], bool]:
    """Alternatives of a type, and whether None is one of them."""
    if get_origin(annotation) in (Union, types.UnionType):
        parts = list(get_args(annotation))
        return [p for p in parts if p is not type(None)], type(None) in parts
    return [annotation], False


def _is_pair_only(kinds: list[Any]) -> bool:
    """Whether a number may also be a pair in pixels: such a field is typed as text."""
    return kinds[0] is int and len(kinds) > 1


def _is_fixed(field: FieldInfo) -> bool:
    """Whether a field can have one value only."""
    kind = field.annotation
    return get_origin(kind) is Literal and len(get_args(kind)) == 1


def _bounds(field: FieldInfo) -> tuple[float, float]:
    low, high = -math.inf, math.inf
    for rule in field.metadata:
        low = max(low, getattr(rule, "ge", None) or getattr(rule, "gt", None) or low)
        high = min(high, getattr(rule, "le", None) or getattr(rule, "lt", None) or high)
        if getattr(rule, "ge", None) == 0 or getattr(rule, "gt", None) == 0:
            low = max(low, 0.0)
    return low, high


def _unit(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def _is_live(field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    return bool(extra.get("live", True)) if isinstance(extra, dict) else True


def _default(field: FieldInfo) -> Any:
    return None if field.default is PydanticUndefined else field.default


def label_of(name: str) -> str:
    """Return the words for a field: its name without the unit."""
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            name = name.removesuffix(suffix)
            break
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _typed_into(row: Any) -> QWidget:
    """Return the widget that a person types into."""
    if isinstance(row, UnitEdit):
        box: QWidget = row.native.box
        return box
    native: QWidget = row.native
    return native


def _read(row: Any) -> Any:
    if not isinstance(row, LineEdit):
        return row.value
    text = (row.value or "").strip()
    if not text:
        return () if row.many else None
    parts = [_number(part.strip()) for part in text.split(",") if part.strip()]
    if row.many or (len(parts) > 1 and not any(isinstance(p, str) for p in parts)):
        return tuple(parts)
    return parts[0] if len(parts) == 1 else text


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _show_in(row: Any, value: Any) -> None:
    if isinstance(row, LineEdit):
        if isinstance(value, tuple | list):
            value = ", ".join(str(v) for v in value)
        row.value = "" if value is None else str(value)
        row.native.setCursorPosition(0)  # of a long text its beginning is seen
        return
    if isinstance(row, UnitEdit) and isinstance(value, tuple):
        value = value[0]
    row.value = value
