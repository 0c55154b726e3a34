"""The Orientation section: all ways in which the detector can lie, to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_scicompty.analysis.complex_colours import complex_colours
from napari_scicompty.ui.widgets.labels import plain_label
from napari_scicompty.ui.widgets.sections import WrappedLabel
from napari_scicompty.workflow.orientation import undecided_words, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_scicompty.recipe import Recipe
    from napari_scicompty.ui.session.controller import RunController
    from napari_scicompty.workflow.orientation import OrientationCandidate

WHAT = (
    "Each way in which the detector can lie against the scan is tried on some hundred "
    "patterns, and the angle of the scan is looked for. It takes some seconds."
)
SIDE = 84
"""Pixels of a thumbnail."""


class OrientationSection(QWidget):
    """Look for the orientation, see what each gives, take one with a click."""

    taken = Signal(object)
    """An `OrientationCandidate` that the scan should be opened with."""

    def __init__(
        self, prefix: str, controller: RunController, recipe: Callable[[], Recipe]
    ) -> None:
        super().__init__()
        self._prefix, self._controller, self._recipe = prefix, controller, recipe
        self._shown: Sequence[OrientationCandidate] = ()
        self._waiting = False
        self.find = QPushButton("Find orientation")
        self.find.setObjectName(f"{prefix}.find")
        self.find.setToolTip(WHAT)
        self.find.clicked.connect(lambda: self.search())
        self.text = WrappedLabel()
        self.text.setObjectName(f"{prefix}.text")
        self._rows = QVBoxLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.find)
        layout.addWidget(self.text)
        layout.addLayout(self._rows)
        self.show_state()

    def search(self) -> None:
        """Try all orientations of the scan on show."""
        controller = self._controller
        recipe = controller.speaker.attempt(self._recipe)
        if recipe is not None:
            controller.orienter.search(recipe)

    def search_when_ready(self) -> None:
        """Try all as soon as a run under way has ended; it is stopped for it."""
        self._waiting = self._controller.busy
        if self._waiting:
            self._controller.stop()
        else:
            self.search()

    def show_state(self) -> None:
        """Enable what can be done now, and show what was found."""
        controller, job = self._controller, self._controller.orienter.job
        if self._waiting and controller.state == "ready":
            self._waiting = False
            QTimer.singleShot(0, self.search)  # not amid what the others are told
        self.find.setEnabled(not controller.busy and controller.scan is not None)
        found = () if job is None else job.found or job.tried
        if found != self._shown or not self.text.text():
            self._shown = found
            self._fill()
        for button in self.findChildren(QPushButton, options=_DEEP):
            if button is not self.find:
                button.setEnabled(not controller.busy)

    def _fill(self) -> None:
        """Show a row for each candidate."""
        while (item := self._rows.takeAt(0)) is not None:
            row = item.widget()
            row.setParent(None)
            row.deleteLater()
        job, scan = self._controller.orienter.job, self._controller.scan
        ranked = job is not None and bool(job.found)
        for number, candidate in enumerate(self._shown):
            self._rows.addWidget(self._row(number, candidate, ranked=ranked))
        if job is None or scan is None:
            self.text.setText(WHAT)
        elif ranked:
            said = verdict([*job.found])
            self.text.setText(f"{said[0].upper()}{said[1:]}. {undecided_words(scan)}.")
        else:
            self.text.setText(f"{len(self._shown)} of {job.planned} tried")

    def _row(
        self, number: int, candidate: OrientationCandidate, *, ranked: bool
    ) -> QWidget:
        """Make the row of a candidate: picture, words, button."""
        row = QWidget()
        sure = f", {candidate.confidence:.0%} likely" if ranked else ""
        words = plain_label(
            f"{candidate.words.replace('_', ' ')}\nerror {candidate.error:.4f}{sure}",
            f"{self._prefix}.words.{number}",
            wrap=True,
        )
        use = QPushButton("Use")
        use.setObjectName(f"{self._prefix}.use.{number}")
        use.setToolTip("Open the scan with this orientation; the recipe keeps it")
        use.clicked.connect(lambda: self.taken.emit(candidate))
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        if candidate.picture is not None:
            line.addWidget(_thumbnail(candidate.picture))
        line.addWidget(words, 1)
        line.addWidget(use)
        use.setVisible(ranked and not candidate.is_as_opened)
        return row


_DEEP = Qt.FindChildOption.FindChildrenRecursively


def _thumbnail(picture: NDArray[np.complex64]) -> QLabel:
    """Return a small picture of an object (H, W): hue is the phase."""
    colours = np.ascontiguousarray(255 * complex_colours(picture), np.uint8)
    height, width, _ = colours.shape
    form = QImage.Format.Format_RGB888
    image = QImage(colours.tobytes(), width, height, 3 * width, form).copy()
    label = QLabel()
    pixels = QPixmap.fromImage(image)
    label.setPixmap(
        pixels.scaled(
            SIDE,
            SIDE,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
    )
    label.setFixedWidth(SIDE)
    return label
