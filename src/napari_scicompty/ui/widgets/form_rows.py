"""Rows of a form: the widget that fits a setting, and its value."""

from __future__ import annotations

import math
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from magicgui.backends._qtpy.widgets import QBaseValueWidget
from magicgui.widgets import CheckBox, ComboBox, LineEdit
from magicgui.widgets.bases import ValueWidget
from pydantic_core import PydanticUndefined
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QWidget

from napari_scicompty.ui.widgets.number_box import UNITS, UnitSpinBox

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

SUFFIXES = ("_m", "_ev", "_px2", "_px", "_rad", "_v", "_mm", "_pt")
NOTHING = "as in the file"
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

    def __init__(self, options: dict[str, Any], **kwargs: object) -> None:
        def make_spin_box(parent: QWidget | None = None) -> UnitSpinBox:
            box = UnitSpinBox(**options)
            box.setParent(parent)
            return box

        super().__init__(make_spin_box, "value", "set_value", "edited", **kwargs)

    def _mgui_get_value(self) -> object:
        return self._qwidget.value


class UnitEdit(ValueWidget):
    """A magicgui widget around `UnitSpinBox`; its value is a number in SI, or None."""

    def __init__(self, options: dict[str, object], **kwargs: object) -> None:
        super().__init__(
            widget_type=_QtUnitEdit,
            backend_kwargs={"options": options},
            nullable=True,
            **kwargs,
        )


def row_of(name: str, field: FieldInfo) -> ValueWidget:
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


def _kinds(annotation: object) -> tuple[list[object], bool]:
    """Alternatives of a type, and whether None is one of them."""
    if get_origin(annotation) in (Union, types.UnionType):
        parts = list(get_args(annotation))
        return [p for p in parts if p is not type(None)], type(None) in parts
    return [annotation], False


def _is_pair_only(kinds: list[object]) -> bool:
    """Whether a number may also be a pair in pixels: such a field is typed as text."""
    return kinds[0] is int and len(kinds) > 1


def is_fixed(field: FieldInfo) -> bool:
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
    return str(_said(field, "unit", ""))


def is_live(field: FieldInfo) -> bool:
    """Whether a change takes effect in a run that is under way."""
    return bool(_said(field, "live", True))


def is_advanced(field: FieldInfo) -> bool:
    """Whether a field is folded away."""
    return bool(_said(field, "advanced", False))


def _said(field: FieldInfo, name: str, default: object) -> object:
    """Look up what `setting` says of a field."""
    extra = field.json_schema_extra
    return extra.get(name, default) if isinstance(extra, dict) else default


def default_of(field: FieldInfo) -> Any:
    """Return what a field holds when nothing is given; None where it must be."""
    return None if field.default is PydanticUndefined else field.default


def label_of(name: str) -> str:
    """Return the words for a field: its name without the unit."""
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            name = name.removesuffix(suffix)
            break
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def typed_into(row: ValueWidget) -> QWidget:
    """Return the widget that a person types into."""
    if isinstance(row, UnitEdit):
        box: QWidget = row.native.box
        return box
    native: QWidget = row.native
    return native


def read(row: ValueWidget) -> Any:
    """Return the value of a row; None where it is empty."""
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


def show_in(row: ValueWidget, value: object) -> None:
    """Show a value in a row."""
    if isinstance(row, LineEdit):
        if isinstance(value, tuple | list):
            value = ", ".join(str(v) for v in value)
        row.value = "" if value is None else str(value)
        row.native.setCursorPosition(0)  # of a long text its beginning is seen
        return
    if isinstance(row, UnitEdit) and isinstance(value, tuple):
        value = value[0]
    row.value = value
