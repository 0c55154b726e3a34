"""The Distance section: refine sample to detector, and watch it settle."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_scicompty.analysis.positions import measured_scale
from napari_scicompty.ui.reconstruction.refiner_section import RefinerSection
from napari_scicompty.ui.widgets.plots import ACCENT, GREY, WARM, empty_plot
from napari_scicompty.ui.widgets.sections import WrappedLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_scicompty.data.snapshot import Snapshot

WHAT = (
    "For near-field scans with a parallel beam: the distance is moved along with the "
    "focus of object and beam. In other geometries no pattern can tell the distance."
)


class DistanceSection(RefinerSection):
    """Whether and how the distance is refined, and its curve."""

    tip: ClassVar[str] = WHAT

    def add_parts(self) -> None:
        """Put words and the distance by epoch below the form."""
        self.text = WrappedLabel()
        self.text.setObjectName(f"{self.prefix}.text")
        self.distances = DistancePlot()
        self.column.addWidget(self.text)
        self.column.addWidget(self.distances)
        self.show_progress()

    def show_progress(self) -> None:
        """Show the distance of the result, and how it came there."""
        snapshot = self.controller.snapshot
        curve = [] if snapshot is None else _curve(snapshot)
        self.distances.setVisible(bool(curve))
        if snapshot is None or not curve:
            self.text.setText(WHAT)
            return
        start, truth = snapshot.nominal_geometry.distance_m, self.controller.truth
        true = None if truth is None else truth.distance_m
        self.distances.show_curve(curve, start, true)
        words = _words(snapshot.distance_m, start, true)
        self.text.setText(f"{words} {_scale_words(snapshot)}".rstrip())


class DistancePlot(QWidget):
    """Distance by epoch, with the one the scan was told and, if known, the true one."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = empty_plot()
        self.plot.setMouseEnabled(False, False)
        self.plot.setLabel("bottom", "Epoch")
        self.plot.setLabel("left", "Distance (mm)")
        self.curve = self.plot.plot([], [], pen=pg.mkPen(ACCENT, width=2))
        dashed = Qt.PenStyle.DashLine
        self.told = pg.InfiniteLine(angle=0, pen=pg.mkPen(GREY, style=dashed))
        self.true = pg.InfiniteLine(angle=0, pen=pg.mkPen(WARM, style=dashed))
        for line in (self.told, self.true):
            self.plot.addItem(line)
        self.setFixedHeight(150)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def show_curve(
        self, curve: Sequence[tuple[int, float]], start: float, true: float | None
    ) -> None:
        """Show (epoch, metres) pairs."""
        epochs, distances = np.array(curve).T
        self.curve.setData(epochs, distances * 1e3)
        self.told.setPos(start * 1e3)
        self.true.setVisible(true is not None)
        if true is not None:
            self.true.setPos(true * 1e3)
        shown = [*distances, start, *([] if true is None else [true])]
        self.plot.setYRange(min(shown) * 1e3, max(shown) * 1e3, padding=0.08)
        self.plot.setXRange(0, float(epochs[-1]), padding=0.02)


def _curve(snapshot: Snapshot) -> list[tuple[int, float]]:
    refined = snapshot.history.refined
    return [(i.epoch, i.distance_m) for i in refined if i.quantity == "distance"]


def _scale_words(snapshot: Snapshot) -> str:
    """Say how well the distance is known where positions are free, too."""
    known = measured_scale(snapshot)
    if known is None:
        return ""
    scale, error = known
    distance = snapshot.distance_m / scale
    return (
        "Free positions leave a common scale with the distance open; by the measured "
        f"ones it is {distance * 1e3:.5g} ± {distance * error * 1e3:.2g} mm."
    )


def _words(found: float, start: float, true: float | None) -> str:
    text = (
        f"Distance {found * 1e3:.5g} mm, {100 * (found / start - 1):+.2f} % from the "
        f"{start * 1e3:.5g} mm nominal (grey)."
    )
    if true is None:
        return text
    off = 100 * (found / true - 1)
    return f"{text} The truth is {true * 1e3:.5g} mm (orange): {off:+.2f} % off."
