"""What refinement did to the positions: in words, in plots, and as arrows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_scicompty.analysis.positions import (
    displacements,
    outliers,
    position_error,
)
from napari_scicompty.core.affine import FEWEST
from napari_scicompty.core.units import fitting, number_in_si
from napari_scicompty.ui.layers.position_layers import (
    fitting_exaggeration,
    nominal_positions,
    positions_moved,
)
from napari_scicompty.ui.reconstruction.position_plots import (
    DisplacementHistogram,
    MovePlot,
)
from napari_scicompty.ui.widgets.labels import plain_label
from napari_scicompty.ui.widgets.number_box import NumberBox
from napari_scicompty.ui.widgets.sections import WrappedLabel

if TYPE_CHECKING:
    from qtpy.QtGui import QShowEvent

    from napari_scicompty.data.snapshot import History, Snapshot
    from napari_scicompty.ui.session.controller import RunController

SHOWN_EVERY_S = 0.8
"""New text lays out the dock again, which holds the interpreter: not at every beat."""

WHAT = (
    "No position has been moved. Refine them when they are not known to a fraction of "
    "a pixel; the box can be ticked while a run is under way, too. Half sets (see "
    "Resolution) have the positions of the result."
)
MOST_NUMBERS = 12


class PositionsReport(QWidget):
    """Words, histogram, curve, and how long the arrows are."""

    def __init__(self, prefix: str, controller: RunController) -> None:
        super().__init__()
        self.controller = controller
        self.text = WrappedLabel()
        self.text.setObjectName(f"{prefix}.text")
        self.histogram = DisplacementHistogram()
        self.moves = MovePlot()
        self.exaggeration = NumberBox(optional=True, minimum=0.01)
        self.exaggeration.setObjectName(f"{prefix}.exaggeration")
        self.exaggeration.setToolTip(
            "How many times longer than the displacements the arrows of the layer "
            "Displacements are; empty is automatic, 1 is true"
        )
        self.exaggeration.set_value(controller.layers.exaggeration)
        self.exaggeration.edited.connect(self._exaggerate)
        self.factor = plain_label(name=f"{prefix}.factor")
        self.show_arrows = QPushButton("Show")
        self.show_arrows.setObjectName(f"{prefix}.show")
        self.show_arrows.setToolTip("Choose the view Positions: points and arrows")
        self._shown: Snapshot | None = None
        self._shown_at = -SHOWN_EVERY_S
        self._lay_out()
        self.refresh()

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(QLabel("Exaggeration"))
        line.addWidget(self.exaggeration)
        line.addWidget(self.factor, 1)
        line.addWidget(self.show_arrows)
        self.arrows = QWidget()
        self.arrows.setLayout(line)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.text, self.histogram, self.moves, self.arrows):
            layout.addWidget(widget)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Catch up with what happened while the section was folded."""
        super().showEvent(event)
        self.refresh()

    def follow(self) -> None:
        """Follow a run at the eye's pace; what is folded away costs nothing."""
        due = time.monotonic() - self._shown_at > SHOWN_EVERY_S
        if self.isVisible() and (due or not self.controller.busy):
            self.refresh()

    def refresh(self) -> None:
        """Show the present positions."""
        controller = self.controller
        snapshot = controller.snapshot
        self._show_factor(snapshot)
        if snapshot is self._shown and self.text.text():
            return
        self._shown, self._shown_at = snapshot, time.monotonic()
        moved = snapshot is not None and positions_moved(snapshot)
        for widget in (self.histogram, self.moves, self.arrows):
            widget.setVisible(moved)
        if snapshot is None or not moved:
            self.text.setText(WHAT)
            return
        self.text.setText(described(snapshot))
        lengths = np.hypot(*(displacements(snapshot) / snapshot.pixel_size_m).T)
        self.histogram.show_lengths(lengths, outliers(snapshot))
        epochs, moves = _moves(snapshot.history)
        self.moves.setVisible(any(moves))
        self.moves.show_moves(epochs, moves)

    def _show_factor(self, snapshot: Snapshot | None) -> None:
        viewer = self.controller.viewer
        if snapshot is None or viewer is None:
            return
        self.exaggeration.set_hint(fitting_exaggeration(snapshot))
        layer = self.controller.layers.displacements_in(viewer)
        self.factor.setText("" if layer is None else _ratio(layer.length))
        if layer is not None:
            layer.events.length.connect(self._length_changed)

    def _length_changed(self, event: Any) -> None:
        """Follow the layer: it takes its length when it is shown, or from a person."""
        self.factor.setText(_ratio(event.source.length))

    def _exaggerate(self, factor: float | None) -> None:
        viewer = self.controller.viewer
        if viewer is not None:
            self.controller.layers.exaggerate(viewer, factor)
            self._show_factor(self.controller.snapshot)


def described(snapshot: Snapshot) -> str:
    """Say how far positions were moved: together, each by itself, which stand out."""
    away = displacements(snapshot)
    metres = np.hypot(*away.T)
    pixels = np.hypot(*(away / snapshot.pixel_size_m).T)
    sizes = {
        "mean": (pixels.mean(), metres.mean()),
        "median": (np.median(pixels), np.median(metres)),
        "largest": (pixels.max(), metres.max()),
    }
    words = ", ".join(
        f"{name} {pixel:.2f} px ({_metres(metre)})"
        for name, (pixel, metre) in sizes.items()
    )
    lines = [f"Moved, without the common shift: {words}."]
    nominal = nominal_positions(snapshot)
    if len(nominal) >= FEWEST:
        rest = position_error(snapshot.positions_m, nominal)
        left = np.hypot(*(rest.residuals_m / snapshot.pixel_size_m).T).mean()
        lines.append(f"Systematic: {rest.map.words}.")
        lines.append(f"Random, what the map leaves: mean {left:.2f} px.")
    odd = outliers(snapshot)
    if len(odd):
        numbers = ", ".join(str(j) for j in odd[:MOST_NUMBERS])
        more = ", …" if len(odd) > MOST_NUMBERS else ""
        lines.append(f"{len(odd)} outlier(s): {numbers}{more}.")
    else:
        lines.append("No outliers.")
    return "\n".join(lines)


def _metres(length: float) -> str:
    unit = fitting(length, ("um", "nm"), least=1)
    digits = ".1f" if unit.name == "nm" else ".3g"
    return f"{length * number_in_si(unit.name):{digits}} {unit.symbol}"


def _ratio(length: float) -> str:
    return f"{length:g} : 1"


def _moves(history: History) -> tuple[list[int], list[float]]:
    """Epochs, and the mean move in each."""
    moves = [item for item in history.refined if item.quantity == "positions"]
    return [item.epoch for item in moves], [item.change for item in moves]
