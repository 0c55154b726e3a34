"""Lights: what was found of a scan before a run, with buttons that mend it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_scicompty.core.errors import changes_of
from napari_scicompty.core.findings import Finding, numbered
from napari_scicompty.core.units import shown_length
from napari_scicompty.ui.widgets.labels import colour_by_level, plain_tip
from napari_scicompty.ui.widgets.sections import CollapsibleSection, WrappedLabel

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from qtpy.QtCore import QEvent

    from napari_scicompty.core.findings import Change

MARKS = {"error": "✖ Wrong", "warning": "▲ Look", "ok": "✔ Fine"}
"""Sign and word of a light: its colour alone is not enough."""


def _flipped(words: str, on: bool) -> str:
    return words if on else f"Do not {words[0].lower()}{words[1:]}"


_WORDS: dict[str, Callable[[Any], str]] = {
    "run.excluded": lambda numbers: f"Leave out {numbered(numbers)[1:-1]}",
    "leave_out": lambda numbers: f"Leave out {numbered(numbers)[1:-1]}",
    "position_unit": lambda unit: f"Read as {unit}",
    "amplitudes": lambda _: "Square the patterns",
    "corner": lambda _: "Bring the zero frequency to the middle",
    "transpose": lambda on: _flipped("Swap rows and columns", on),
    "flip_rows": lambda on: _flipped("Turn patterns upside down", on),
    "flip_columns": lambda on: _flipped("Mirror patterns left to right", on),
    "flip_x": lambda _: "Change the sign of x",
    "flip_y": lambda _: "Change the sign of y",
    "swap_xy": lambda _: "Swap x and y",
    "rotation_deg": lambda degrees: f"Turn the scan to {degrees:.3g}°",
    "center": lambda at: f"Use centre {at[0]}, {at[1]}",
    "saturation": lambda counts: f"Mask from {counts:g} counts",
    "hot_pixel_sigma": lambda _: "Mask hot pixels",
    "mask_means": lambda what: f"Take pixels that are not zero as {what}",
    "propagation": lambda kind: f"Use {kind}",
    "focus_sample_m": lambda metres: f"Focus to sample {shown_length(metres)}",
    "voltage_v": lambda volts: f"Use electrons of {volts / 1e3:.5g} kV",
}
"""What a button says that sets a choice."""


class Lights(QWidget):
    """A line a finding, the worst first; what is well is folded."""

    change_wanted = Signal(object)
    """Pairs of a choice of files and its value, to be set with one click."""
    exclude_wanted = Signal(object)
    """Patterns that runs are to leave out."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.setObjectName(prefix)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(3)
        self._findings: tuple[Finding, ...] = ()
        self._excluded: frozenset[int] = frozenset()
        self._file_is_open = False
        self._coloured: list[tuple[WrappedLabel, str]] = []
        self.setVisible(False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is on show."""
        return self._findings

    def show_findings(
        self,
        findings: Sequence[Finding],
        excluded: Collection[int] = (),
        *,
        of_file: bool = True,
    ) -> None:
        """Show findings.

        Parameters
        ----------
        findings : sequence of Finding
            The worst first.
        excluded : collection of int
            Patterns that the next run leaves out: what is about them alone is mended.
        of_file : bool
            Whether the scan is of a file: no choice opens another one anew.
        """
        now = (tuple(findings), frozenset(excluded), of_file)
        if now == (self._findings, self._excluded, self._file_is_open):
            return
        self._findings, self._excluded, self._file_is_open = now
        self._clear()
        well: list[str] = []
        for finding in self._findings:
            if finding.level == "ok":
                well.append(f"{MARKS['ok']}: {finding}")
            elif finding.patterns and self._excluded.issuperset(finding.patterns):
                listed = numbered(finding.patterns)[1:-1]
                well.append(f"{MARKS['ok']}: {listed} left out: {finding.what}")
            else:
                self._add(finding)
        if well:
            lines = self._line("\n".join(well), "ok", f"{self.objectName()}.fine")
            count = f"{MARKS['ok']}: {len(well)} of {len(self._findings)} checks"
            section = CollapsibleSection(count, lines)
            section.setObjectName(f"{self.objectName()}.well")
            self._column.addWidget(section)
        self._colour()
        self.setVisible(bool(self._findings))

    def show_refusal(self, error: Exception) -> None:
        """Show buttons for what would mend an error; the old lights go."""
        changes = changes_of(error)
        first, *more = changes or ((),)
        told = Finding("refused", "", str(error), level="error", change=first)
        self.show_findings((told,) if changes else ())
        for change in more:
            self._add_button("refused", change)

    def changeEvent(self, event: QEvent | None) -> None:
        """Colour anew in another theme."""
        super().changeEvent(event)
        if event is not None and event.type() == event.Type.PaletteChange:
            self._colour()

    def _add(self, finding: Finding) -> None:
        name = f"{self.objectName()}.{finding.code}"
        is_of_run = all(path.startswith("run.") for path, _ in finding.change)
        has_button = bool(finding.change) and (self._file_is_open or is_of_run)
        told: object = finding
        if has_button and finding.level != "error":  # the button says the rest
            told = replace(finding, mend="")
        text = f"{MARKS[finding.level]}: {told}"
        line = self._line(text, finding.level, f"{name}.text")
        line.setToolTip(plain_tip(finding.mend))
        self._column.addWidget(line)
        if has_button:
            self._add_button(finding.code, finding.change)

    def _add_button(self, code: str, change: Change) -> None:
        button = QPushButton(button_text(change))
        button.setObjectName(f"{self.objectName()}.{code}")
        names = ", ".join(name for name, _ in change)
        button.setToolTip(f"Sets {names}, and opens the scan again where that needs it")
        if names == "run.excluded":
            button.clicked.connect(lambda: self.exclude_wanted.emit(change[0][1]))
        else:
            button.clicked.connect(lambda: self.change_wanted.emit(change))
        self._column.addWidget(button)

    def _line(self, text: str, level: str, name: str) -> WrappedLabel:
        line = WrappedLabel()
        line.setObjectName(name)
        line.setText(text)
        self._coloured.append((line, level))
        return line

    def _colour(self) -> None:
        for line, level in self._coloured:
            colour_by_level(line, level)

    def _clear(self) -> None:
        self._coloured.clear()
        while (item := self._column.takeAt(0)) is not None:
            widget = item.widget()
            widget.setParent(None)
            widget.deleteLater()


def button_text(change: Change) -> str:
    """Say what a change does, for its button.

    Parameters
    ----------
    change : tuple of (str, value)
        As of `Finding.change`.
    """
    told = []
    for name, value in change:
        if value is None:
            continue
        words = _WORDS.get(name)
        told.append(f"{name} = {value}" if words is None else words(value))
    if not told:
        return f"Use the file's {', '.join(name for name, _ in change)}"
    first, *rest = told
    return ", ".join([first, *(text[0].lower() + text[1:] for text in rest)])
