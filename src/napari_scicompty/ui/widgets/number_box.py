"""Spin boxes that keep small numbers: plain, and with a unit."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QAbstractSpinBox, QComboBox, QHBoxLayout, QWidget

from napari_scicompty.core import units

if TYPE_CHECKING:
    from qtpy.QtGui import QWheelEvent

_EDITED_IN = {
    "m": ("pm", "angstrom", "nm", "um", "mm", "m"),
    "V": ("V", "kV"),
    "eV": ("eV", "keV", "MeV"),
    "rad": ("mrad", "rad", "deg"),
}
UNITS: dict[str, dict[str, float]] = {
    stored: {units.UNITS[name].symbol: units.size(name, stored) for name in names}
    for stored, names in _EDITED_IN.items()
}
"""Unit of the stored value -> units it can be edited in, as shown, and their sizes."""

_NUMBER = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*$")


class NumberBox(QAbstractSpinBox):
    """A number as it was typed, shown with six digits; empty is None where allowed."""

    edited = Signal(object)
    """The value, when a person has changed it."""
    unit_typed = Signal(str)

    def __init__(
        self,
        *,
        whole: bool = False,
        optional: bool = False,
        minimum: float = -math.inf,
        maximum: float = math.inf,
    ) -> None:
        super().__init__()
        self._whole, self._optional = whole, optional
        self._range = (minimum, maximum)
        self._value: float | int | None = None
        self.factor = 1.0
        """Size of the unit on show."""
        self.names: tuple[str, ...] = ()
        """Units that may be typed after the number."""
        self.editingFinished.connect(self._commit)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # else the wheel takes it
        self.setMinimumWidth(70)

    @property
    def value(self) -> float | int | None:
        """The value, exactly as it was given."""
        return self._value

    def set_value(self, value: float | int | None) -> None:
        """Show a value; nothing is emitted."""
        self._value = value
        self._show()

    def set_factor(self, factor: float) -> None:
        """Show the same value in another unit."""
        self.factor = factor
        self._show()

    def set_hint(self, value: float | None) -> None:
        """Show, greyed, what holds while the box is empty."""
        text = "" if value is None else self._text(value)
        self.lineEdit().setPlaceholderText(text)

    # -- Qt ---------------------------------------------------------------------------
    def stepBy(self, steps: int) -> None:
        """Step by one, or by a tenth of the leading digit."""
        self._commit()
        value = self._value or 0
        if self._whole:
            value += steps
        else:
            for _ in range(abs(steps)):
                value = _stepped(value, math.copysign(1, steps), self.factor)
        self._take(min(max(value, self._range[0]), self._range[1]))

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:
        """Both directions."""
        flags = QAbstractSpinBox.StepEnabledFlag
        return flags.StepUpEnabled | flags.StepDownEnabled

    def validate(self, text: str, position: int) -> tuple[Any, str, int]:
        """Let people type; what they typed is looked at when they are done."""
        return QValidator.State.Acceptable, text, position

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll the panel, unless the box has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()

    # -- text and value ---------------------------------------------------------------
    def _commit(self) -> None:
        text = self.lineEdit().text()
        if text == (self._text(self._value) if self._value is not None else ""):
            return
        if not text.strip() and self._optional:
            self._take(None)
            return
        match = _NUMBER.match(text.replace(",", "."))
        known = units.named(match[2]) if match and match[2] else None
        unit = known.symbol if known else ""
        if match is None or (match[2] and unit not in self.names):
            self._show()  # a unit of something else must not pass for this one
            return
        if unit:
            self.unit_typed.emit(unit)
        self._take(_times(float(match[1]), self.factor))

    def _take(self, value: float | None) -> None:
        if value is not None and self._whole:
            value = round(value)
        changed = value != self._value
        self.set_value(value)
        if changed:
            self.edited.emit(value)

    def _show(self) -> None:
        self.lineEdit().setText("" if self._value is None else self._text(self._value))

    def _text(self, value: float) -> str:
        return str(int(value)) if self._whole else f"{value / self.factor:.6g}"


class UnitSpinBox(QWidget):
    """A number box and the unit it is shown in; the value is always in SI."""

    edited = Signal(object)

    def __init__(self, unit: str = "", **options: Any) -> None:
        super().__init__()
        self.box = NumberBox(**options)
        self.box.edited.connect(self.edited.emit)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.box, 1)
        self.units: QComboBox | None = None
        self._factors = UNITS.get(unit, {})
        if self._factors:
            self.units = _UnitChoice()
            self.box.names = tuple(self._factors)
            self.units.addItems(list(self._factors))
            self.units.setCurrentText(unit)
            self.units.setFixedWidth(72)  # "mrad" and the arrow
            self.units.currentTextChanged.connect(self._unit_chosen)
            self.box.unit_typed.connect(self.units.setCurrentText)
            layout.addWidget(self.units)

    @property
    def value(self) -> Any:
        """The value in SI."""
        return self.box.value

    def set_value(self, value: Any) -> None:
        """Show a value in a unit that suits it."""
        self._suit(value)
        self.box.set_value(value)

    def set_hint(self, value: float | None) -> None:
        """Show, greyed, what holds while the box is empty."""
        if self.box.value is None:
            self._suit(value)
        self.box.set_hint(value)

    def _suit(self, value: float | None) -> None:
        """Choose the largest unit in which the value is at least one."""
        if self.units is None or not value:
            return
        fitting = [u for u, f in self._factors.items() if abs(value) >= 0.0999 * f]
        fitting = [u for u in fitting if u not in ("Å", "°")]
        self.units.setCurrentText(fitting[-1] if fitting else next(iter(self._factors)))

    def _unit_chosen(self, unit: str) -> None:
        self.box.set_factor(self._factors[unit])


class _UnitChoice(QComboBox):
    """The units of a quantity; the wheel scrolls the panel unless it has the focus."""

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll the panel, unless the box has the focus."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


def _times(number: float, factor: float) -> float:
    """Multiply as decimals: 0.14 nm is 1.4e-10 and not one of its neighbours."""
    if not math.isfinite(number):
        return number
    return float(Decimal(repr(number)) * Decimal(repr(factor)))


def _stepped(value: float, sign: float, factor: float) -> float:
    """Go one step of the second significant digit, finer towards zero."""
    if value == 0:
        return sign * _times(0.1, factor)
    # towards zero, a power of ten belongs to the decade below
    size = abs(value) * (1 + math.copysign(1e-9, value * sign))
    step = 10.0 ** (math.floor(math.log10(size)) - 1)
    return _times(round(value / step) + sign, float(f"{step:.0e}"))
