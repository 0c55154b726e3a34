"""How far positions were moved: a histogram, and the mean move epoch by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_scicompty.ui.widgets.plots import ACCENT, WARM, empty_plot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_BARS = 40
HEIGHT = 130


class DisplacementHistogram(QWidget):
    """How many positions were moved how far, outliers in another colour."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = empty_plot()
        self.plot.setMouseEnabled(False, False)
        self.plot.setLabel("bottom", "Displacement (px)")
        self.plot.setLabel("left", "Positions")
        self.bars = pg.BarGraphItem(x=[], height=[], width=1, brush=ACCENT, pen=None)
        self.odd = pg.BarGraphItem(x=[], height=[], width=1, brush=WARM, pen=None)
        self.plot.addItem(self.bars)
        self.plot.addItem(self.odd)
        self.setFixedHeight(HEIGHT)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def show_lengths(
        self, lengths_px: NDArray[np.float64], outliers: NDArray[np.int64]
    ) -> None:
        """Show lengths (n,), of which some are outliers, given by number."""
        bars = int(np.clip(2 * np.sqrt(len(lengths_px)), 5, MOST_BARS))
        edges = np.linspace(0, float(lengths_px.max()) or 1.0, bars + 1)
        counts = np.histogram(lengths_px, edges)[0]
        odd = np.histogram(lengths_px[outliers], edges)[0]
        middles, width = (edges[1:] + edges[:-1]) / 2, 0.9 * edges[1]
        self.bars.setOpts(x=middles, height=counts - odd, width=width)
        self.odd.setOpts(x=middles, y0=counts - odd, height=odd, width=width)
        self.plot.setXRange(0, edges[-1], padding=0.02)
        self.plot.setYRange(0, max(int(counts.max()), 1), padding=0.05)


class MovePlot(QWidget):
    """Mean move of the positions in each epoch, on a logarithmic scale."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = empty_plot(log=True)
        self.plot.getAxis("left").setStyle(maxTickLevel=1, maxTextLevel=0)
        self.plot.setMouseEnabled(False, False)
        self.plot.setLabel("bottom", "Epoch")
        self.plot.setLabel("left", "Mean move (px)")
        self.curve = self.plot.plot([], [], pen=pg.mkPen(ACCENT, width=2))
        self.setFixedHeight(HEIGHT)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def show_moves(self, epochs: Sequence[int], moves_px: Sequence[float]) -> None:
        """Show the moves; epochs without one leave a gap."""
        values = np.asarray(moves_px, float)
        shown = np.where(values > 0, values, np.nan)
        symbol = "o" if np.isfinite(shown).sum() < 3 else None
        self.curve.setData(
            np.asarray(epochs, float), shown, symbol=symbol, connect="finite"
        )
