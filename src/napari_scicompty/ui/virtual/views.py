"""Pictures of a virtual experiment: probe, scan path, one pattern, object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget
from scipy.spatial import KDTree

from napari_scicompty.ui.widgets.labels import plain_label
from napari_scicompty.ui.widgets.plots import (
    ACCENT,
    GREY,
    RED,
    PatternView,
    ScanPathView,
    empty_plot,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.ui.virtual.preview import Preview

HEIGHT = 244
COLOURS_SAY = "hue: phase, brightness: magnitude"


class PreviewViews(QTabWidget):
    """Probe, scan path, one pattern and the object, a tab each."""

    def __init__(self) -> None:
        super().__init__()
        self.probe, self.object = ColourView(), ColourView()
        self.path, self.pattern = LitPathView(), PatternView()
        self._tabs = {
            "probe": (self.probe, "Probe"),
            "path": (self.path, "Scan path"),
            "detector": (self.pattern, "Pattern"),
            "object": (self.object, "Object"),
        }
        for view, title in self._tabs.values():
            self.addTab(view, title)
        self.setFixedHeight(HEIGHT)

    def turn_to(self, part: str) -> None:
        """Show the picture that a part of the experiment changes most."""
        if part in self._tabs:
            self.setCurrentWidget(self._tabs[part][0])

    def show_preview(self, preview: Preview) -> None:
        """Show all pictures anew."""
        modes = preview.experiment.modes
        powers = preview.experiment.mode_powers
        shares = ", ".join(f"{power:.0%}" for power in powers)
        self.probe.set_colours(
            preview.probe_colours,
            COLOURS_SAY if modes == 1 else f"{modes} modes: {shares}",
        )
        self.object.set_colours(preview.object_colours, COLOURS_SAY)
        self.path.show_preview(preview)
        h, w = preview.pattern.shape
        self.pattern.set_pattern(preview.pattern, preview.good, (h // 2, w // 2))


class ColourView(QWidget):
    """A picture in colours, its pixels square, y down."""

    def __init__(self) -> None:
        super().__init__()
        self.plot = empty_plot()
        self.plot.setAspectLocked(True)
        self.plot.invertY(True)
        self.plot.showGrid(x=False, y=False)
        self.plot.hideAxis("left")
        self.plot.hideAxis("bottom")
        self.image = pg.ImageItem(axisOrder="row-major")
        self.plot.addItem(self.image)
        self.text = plain_label()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot, 1)
        layout.addWidget(self.text)

    def set_colours(self, colours: NDArray[np.ubyte], text: str) -> None:
        """Show a picture (h, w, 3) with a line below it."""
        self.image.setImage(colours, levels=(0, 255))
        self.plot.autoRange(padding=0.02)
        self.text.setText(text)


class LitPathView(ScanPathView):
    """The scan path, with the lit spot and the view of two neighbours to scale."""

    def __init__(self) -> None:
        super().__init__()
        self.told = pg.ScatterPlotItem(size=6, symbol="x", pen=pg.mkPen(RED))
        self.plot.addItem(self.told)
        self.lit = [self.plot.plot([], [], pen=pg.mkPen(ACCENT, width=2)) for _ in "ab"]
        dashed = pg.mkPen(GREY, style=Qt.PenStyle.DashLine)
        self.view = self.plot.plot([], [], pen=dashed)

    def show_preview(self, preview: Preview) -> None:
        """Show positions, and circles and a square to scale."""
        experiment, positions = preview.experiment, preview.positions_m
        self.set_positions(positions)
        moved = not np.array_equal(preview.told_m, positions)
        y, x = preview.told_m.T * 1e6
        self.told.setData(x if moved else [], y if moved else [])
        middle = positions[preview.number]
        _, nearest = KDTree(positions).query(middle, min(2, len(positions)))
        pair = positions[np.atleast_1d(nearest)]
        angle = np.linspace(0, 2 * np.pi, 73)
        ring = experiment.probe_radius_m * np.stack([np.sin(angle), np.cos(angle)], 1)
        for curve, centre in zip(self.lit, (pair[0], pair[-1]), strict=True):
            _draw(curve, centre + ring)
        half = experiment.grid.side_m / 2
        corners = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1)])
        _draw(self.view, middle + half * corners)
        self.text.setText(
            "circles: lit by two neighbours · dashed: a view"
            + (" · red: as the file says" if moved else "")
        )
        self.plot.autoRange()


def _draw(curve: pg.PlotDataItem, points_m: NDArray[np.float64]) -> None:
    """Draw a line through points (n, 2), given as (y, x)."""
    y, x = points_m.T * 1e6
    curve.setData(x, y)
