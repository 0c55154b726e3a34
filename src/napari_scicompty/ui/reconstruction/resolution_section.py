"""The Resolution section: half sets in one click, and their ring correlation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_scicompty.core.errors import InputError
from napari_scicompty.figures.ring_correlation import (
    save_ring_correlation,
    save_ring_table,
)
from napari_scicompty.ui.session.controller import inputs_of_all
from napari_scicompty.ui.widgets.plots import ACCENT, GREY, WARM, empty_plot
from napari_scicompty.ui.widgets.save_dialog import chosen_target
from napari_scicompty.ui.widgets.sections import WrappedLabel

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_scicompty.analysis.ring_correlation import FourierRingCorrelation
    from napari_scicompty.recipe import Recipe
    from napari_scicompty.ui.session.controller import RunController
    from napari_scicompty.workflow.half_sets import Resolution

CURVES = (
    "Save the ring correlation",
    "resolution.png",
    "Figure (*.png *.svg *.pdf);;Table (*.csv)",
)
WHAT = (
    "Odd and even positions are reconstructed separately, with the settings of the "
    "result and at its positions, refined ones too, and compared ring by ring. It "
    "takes about as long as the run did."
)


class ResolutionSection(QWidget):
    """Measure the resolution, see the curve, keep it."""

    def __init__(
        self, prefix: str, controller: RunController, recipe: Callable[[], Recipe]
    ) -> None:
        super().__init__()
        self.controller = controller
        self._recipe = recipe
        self._shown: Resolution | None = None
        self.measure = QPushButton("Measure by half sets")
        self.measure.setObjectName(f"{prefix}.measure")
        self.measure.setToolTip(WHAT)
        self.measure.clicked.connect(lambda: self._measure())
        self.save = QPushButton("Save curve …")
        self.save.setObjectName(f"{prefix}.save")
        self.save.setToolTip("Figure (PNG, SVG, PDF) or table (CSV)")
        self.save.clicked.connect(lambda: self.save_curve())
        self.plot = RingCorrelationPlot()
        self.text = WrappedLabel()
        self.text.setObjectName(f"{prefix}.text")
        buttons = QHBoxLayout()
        buttons.addWidget(self.measure, 1)
        buttons.addWidget(self.save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.plot)
        layout.addWidget(self.text)
        self.show_state()

    @property
    def resolution(self) -> Resolution | None:
        """What was measured last of the scan on show."""
        halves = self.controller.halves
        return None if halves is None else halves.resolution

    def show_state(self) -> None:
        """Enable what can be done now, and show what was measured."""
        controller = self.controller
        self.measure.setEnabled(not controller.busy and controller.scan is not None)
        found = self.resolution
        self.save.setEnabled(found is not None)
        if found is self._shown and self.text.text():
            return
        self._shown = found
        self.plot.setVisible(found is not None)
        self.text.setText(WHAT if found is None else found.sentence)
        if found is not None:
            self.plot.show_curve(found.frc)

    def _measure(self) -> None:
        try:
            self.controller.measure_resolution(self._recipe())
        except InputError as error:
            self.controller.say("error", str(error))

    def save_curve(self, path: str | None = None) -> None:
        """Save the curve as a figure, or as a table if the name ends in .csv."""
        if self.resolution is None:
            return
        inputs = inputs_of_all()
        try:
            target = chosen_target(self, path, CURVES, suffix=".png", inputs=inputs)
            if target is None:
                return
            is_table = target.path.lower().endswith(".csv")
            save = save_ring_table if is_table else save_ring_correlation
            save(target.path, self.resolution.frc, overwrite=target.overwrite)
        except InputError as error:
            self.controller.say("error", str(error))
            return
        self.controller.say("info", f"saved {target.path}")


class RingCorrelationPlot(QWidget):
    """Correlation over spatial frequency, with both thresholds."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = empty_plot()
        self.plot.setLabel("left", "Ring correlation")
        self.plot.setLabel("bottom", "Spatial frequency (1/µm)")
        self.plot.setYRange(-0.05, 1.05, padding=0)
        self.plot.setMouseEnabled(False, False)
        self.plot.addLegend(offset=(-5, 5), labelTextColor=GREY)
        dashed = Qt.PenStyle.DashLine
        self.curves = {
            "correlation": self._curve("halves", pg.mkPen(ACCENT, width=2)),
            "one_bit": self._curve("1 bit", pg.mkPen(WARM, style=dashed)),
            "half_bit": self._curve("half bit", pg.mkPen(GREY, style=dashed)),
        }
        self.setFixedHeight(210)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def _curve(self, name: str, pen: object) -> pg.PlotDataItem:
        return self.plot.plot([], [], pen=pen, name=name)

    def show_curve(self, frc: FourierRingCorrelation) -> None:
        """Show a ring correlation up to Nyquist."""
        for name, curve in self.curves.items():
            curve.setData(frc.frequency * 1e-6, getattr(frc, name))
        self.plot.setXRange(0, float(frc.frequency[-1]) * 1e-6, padding=0)
