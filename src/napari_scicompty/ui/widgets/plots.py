"""Live plots with pyqtgraph: error curve, mean pattern, scan path, start ladder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QPalette
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_scicompty.core.units import fitting, size
from napari_scicompty.ui.widgets.labels import plain_label, plain_tip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pyqtgraph import SpotItem
    from pyqtgraph.GraphicsScene.mouseEvents import MouseClickEvent
    from qtpy.QtGui import QShowEvent

GREY = "#909090"
ACCENT = "#4aa3ff"
WARM = "#ffb454"
PALE = 170
"""Opacity of the text of axes, of 255."""
RED = "#ff6b6b"
MOST_MARKS = 10
"""Changes of settings that are drawn with a label."""


class _DecadeAxis(pg.AxisItem):
    """A logarithmic axis with decades written out, and no prefixes."""

    def logTickStrings(
        self, values: Sequence[float], scale: float, spacing: float
    ) -> list[str]:
        """Write 0.01 instead of 10⁻²; where it is crowded only 1, 2 and 5."""
        numbers = [f"{10**value:.1g}" for value in np.asarray(values, float)]
        crowded = len(numbers) > 4
        return [text if not crowded or _leads(text) else "" for text in numbers]


def _leads(number: str) -> bool:
    """Whether the first digit that counts is 1, 2 or 5."""
    return f"{float(number):e}"[0] in "125"


class _Plot(pg.PlotWidget):
    """A plot whose axes are written in the colour of the theme's text, a bit paler."""

    def showEvent(self, event: QShowEvent | None) -> None:
        """Take the colour of the theme, which is known by now."""
        super().showEvent(event)
        self._write_anew()

    def changeEvent(self, event: QEvent | None) -> None:
        """Take the colour of another theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange:
            self._write_anew()

    def _write_anew(self) -> None:
        colour = self.palette().color(QPalette.ColorRole.WindowText)
        colour.setAlpha(PALE)
        for side in ("left", "bottom"):
            self.getAxis(side).setTextPen(colour)
        self.resetCachedContent()  # the background of the theme before


def empty_plot(*, log: bool = False) -> pg.PlotWidget:
    """Return an empty plot that suits dark and light themes."""
    axes = {"left": _DecadeAxis("left")} if log else {}
    plot = _Plot(background=None, axisItems=axes)
    plot.setLogMode(y=log)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(GREY)
        axis.enableAutoSIPrefix(False)
    plot.getAxis("bottom").setHeight(34)  # else its label is cut off below
    plot.showGrid(x=True, y=True, alpha=0.15)
    return plot


class ErrorPlot(QWidget):
    """Error by epoch on a logarithmic scale, with marks where a setting changed."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = empty_plot(log=True)
        self.plot.getAxis("left").setStyle(maxTickLevel=1, maxTextLevel=0)
        self.plot.setLabel("bottom", "Epoch")
        self.plot.setLabel("left", "Error")
        self.curve = self.plot.plot([], [], pen=pg.mkPen(ACCENT, width=2))
        self.older = pg.VTickGroup(yrange=[0, 1], pen=pg.mkPen(WARM, width=0.5))
        self.plot.addItem(self.older)
        self._marks: dict[tuple[float, str], pg.InfiniteLine] = {}
        self._shown: tuple[int, int] = (-1, -1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def set_history(
        self,
        epochs: Sequence[int],
        errors: Sequence[float],
        changes: Sequence[tuple[float, str]],
    ) -> None:
        """Show errors (above zero), and a mark with a label at each change."""
        self.setVisible(len(errors) > 0)
        if self._shown == (len(errors), len(changes)):
            return
        self._shown = (len(errors), len(changes))
        values = np.asarray(errors, float)
        good = np.isfinite(values) & (values > 0)
        symbol = "o" if good.sum() < 3 else None
        self.curve.setData(np.asarray(epochs, float)[good], values[good], symbol=symbol)
        self._show_marks(changes)

    def _show_marks(self, changes: Sequence[tuple[float, str]]) -> None:
        """Draw the newest changes with labels, the older ones as plain ticks.

        What is on show is left alone: a line with its label takes 10 ms to draw.
        """
        by_epoch: dict[float, list[str]] = {}
        for epoch, text in changes:
            by_epoch.setdefault(epoch, []).append(text)
        newest = {
            epoch: texts[0] if len(texts) == 1 else f"{len(texts)} settings"
            for epoch, texts in list(by_epoch.items())[-MOST_MARKS:]
        }
        self.older.setXVals([epoch for epoch in by_epoch if epoch not in newest])
        for at in self._marks.keys() - newest.items():
            self.plot.removeItem(self._marks.pop(at))
        for epoch, text in newest.items():
            if (epoch, text) not in self._marks:
                told = "\n".join(by_epoch[epoch][-MOST_MARKS:])
                self._marks[epoch, text] = self._mark(epoch, text, told)

    def _mark(self, epoch: float, text: str, told: str) -> pg.InfiniteLine:
        line = pg.InfiniteLine(
            epoch,
            angle=90,
            pen=pg.mkPen(WARM, style=Qt.PenStyle.DashLine),
            label=text.replace("{", "{{").replace("}", "}}"),
            labelOpts={
                "color": WARM,
                "rotateAxis": (1, 0),
                "position": 0.98,
                "anchors": [(1, 1), (1, 1)],  # ends at the top, left of its line
            },
        )
        line.setToolTip(plain_tip(told))
        self.plot.addItem(line)
        return line

    @property
    def marks(self) -> list[pg.InfiniteLine]:
        """The lines with labels, oldest first."""
        return [self._marks[at] for at in sorted(self._marks)]


class PatternView(QWidget):
    """The mean pattern on a logarithmic scale, bad pixels red, the centre marked."""

    centre_picked = Signal(int, int)

    def __init__(self) -> None:
        super().__init__()
        self.plot = empty_plot()
        self.plot.setAspectLocked(True)
        self.plot.invertY(True)
        self.plot.showGrid(x=False, y=False)
        self.plot.hideAxis("left")
        self.plot.hideAxis("bottom")
        self.image = pg.ImageItem(axisOrder="row-major")
        self.bad = pg.ImageItem(axisOrder="row-major")
        self.plot.addItem(self.image)
        self.plot.addItem(self.bad)
        self.cross = pg.ScatterPlotItem(
            symbol="+", size=14, pen=pg.mkPen(ACCENT, width=1.5)
        )
        self.plot.addItem(self.cross)
        self.text = plain_label(wrap=True)
        self._mean: NDArray[np.float64] | None = None
        self.plot.scene().sigMouseMoved.connect(self._moved)
        self.plot.scene().sigMouseClicked.connect(self._clicked)
        self.setFixedHeight(206)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot, 1)
        layout.addWidget(self.text)

    def set_pattern(
        self,
        mean: NDArray[np.float64],
        good: NDArray[np.bool_],
        centre: tuple[float, float],
    ) -> None:
        """Show a mean pattern (h, w), its good pixels and the beam centre."""
        self._mean = mean
        values = np.log10(np.maximum(mean, 0) + max(mean.max() * 1e-5, 1e-12))
        colours = pg.colormap.get("viridis").getLookupTable()
        self.image.setImage(values, lut=colours)
        red = np.zeros((*good.shape, 4), np.ubyte)
        red[~good] = (255, 60, 60, 200)
        self.bad.setImage(red)
        self.cross.setData([centre[1] + 0.5], [centre[0] + 0.5])
        masked = int(np.count_nonzero(~good))
        self.text.setText(
            f"log scale · centre ({centre[0]}, {centre[1]})"
            + (f" · {masked} pixels masked" if masked else "")
        )
        self.plot.autoRange(padding=0.02)

    def _at(self, point: object) -> tuple[int, int] | None:
        if self._mean is None:
            return None
        where = self.plot.getViewBox().mapSceneToView(point)
        row, column = int(np.floor(where.y())), int(np.floor(where.x()))
        inside = 0 <= row < self._mean.shape[0] and 0 <= column < self._mean.shape[1]
        return (row, column) if inside else None

    def _moved(self, point: object) -> None:
        at = self._at(point)
        if at is not None and self._mean is not None:
            self.text.setText(f"({at[0]}, {at[1]}): {self._mean[at]:.4g} counts")

    def _clicked(self, event: MouseClickEvent) -> None:
        at = self._at(event.scenePos())
        if event.double() and at is not None:
            self.centre_picked.emit(*at)


class ScanPathView(QWidget):
    """Positions in micrometres, y down; coloured by order or by error."""

    pattern_clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.plot = empty_plot()
        self.plot.setAspectLocked(True)
        self.plot.invertY(True)
        self.plot.setLabel("bottom", "x (µm)")
        self.plot.setLabel("left", "y (µm)")
        self.path = self.plot.plot([], [], pen=pg.mkPen(GREY, width=1))
        self.points = pg.ScatterPlotItem(size=7, pen=None)
        self.points.sigClicked.connect(self._clicked)
        self.plot.addItem(self.points)
        self.text = plain_label(wrap=True)
        self.setFixedHeight(206)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot, 1)
        layout.addWidget(self.text)

    def set_positions(
        self,
        positions_m: NDArray[np.float64],
        pattern_error: NDArray[np.float32] | None = None,
        excluded: Sequence[int] = (),
    ) -> None:
        """Show positions (n, 2) as (y, x), excluded ones as red crosses."""
        y, x = positions_m.T * 1e6
        self.path.setData(x, y)
        values = np.arange(len(x), dtype=float)
        self.text.setText("colour: order of the scan")
        if pattern_error is not None and np.isfinite(pattern_error).any():
            values = np.nan_to_num(pattern_error.astype(float))
            worst = int(np.nanargmax(pattern_error))
            self.text.setText(
                f"colour: error of each pattern · worst: {worst} "
                f"({pattern_error[worst]:.3g})"
            )
        span = np.ptp(values) or 1.0
        colours = pg.colormap.get("viridis").map((values - values.min()) / span)
        brushes = [pg.mkBrush(*c) for c in colours]
        symbols = ["o"] * len(x)
        for j in excluded:
            brushes[j], symbols[j] = pg.mkBrush(RED), "x"
        self.points.setData(
            x=x, y=y, brush=brushes, symbol=symbols, data=np.arange(len(x))
        )
        self.plot.autoRange()

    def _clicked(self, _: object, points: Sequence[SpotItem]) -> None:
        if len(points):
            number = int(points[0].data())
            self.text.setText(f"pattern {number}")
            self.pattern_clicked.emit(number)


class StartLadderView(QWidget):
    """Error against defocus of the starts that were tried; a click takes one."""

    candidate_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.plot = empty_plot(log=True)
        self.plot.getAxis("left").setStyle(maxTickLevel=1, maxTextLevel=0)
        self.plot.setLabel("bottom", "Focus to sample")
        self.plot.setLabel("left", "Error")
        self.line = self.plot.plot([], [], pen=pg.mkPen(GREY, width=1))
        self.points = pg.ScatterPlotItem(size=9, pen=None, hoverable=True)
        self.points.sigClicked.connect(self._clicked)
        self.plot.addItem(self.points)
        self.setFixedHeight(160)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def set_candidates(
        self, defocus_m: Sequence[float], errors: Sequence[float], chosen: int
    ) -> None:
        """Show the candidates; discs and those that diverged are left out."""
        x = np.asarray(defocus_m, float)
        unit = fitting(float(np.abs(x[np.isfinite(x)]).max(initial=0)))
        self.plot.setLabel("bottom", f"Focus to sample ({unit.symbol})")
        x /= size(unit.name)
        error = np.asarray(errors, float)
        good = np.flatnonzero(np.isfinite(error) & (error > 0) & np.isfinite(x))
        order = good[np.argsort(x[good])]
        self.line.setData(x[order], error[order])
        good = np.array(sorted(good, key=lambda j: j == chosen), int)  # it lies on top
        brushes = [pg.mkBrush(WARM if j == chosen else ACCENT) for j in good]
        self.points.setData(
            x=x[good], y=np.log10(error[good]), brush=brushes, data=good
        )

    def _clicked(self, _: object, points: Sequence[SpotItem]) -> None:
        if len(points):
            self.candidate_chosen.emit(int(points[0].data()))
