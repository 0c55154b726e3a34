"""What the probe's curvature says of the focus of a cone beam, and taking it over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_scicompty.analysis.focus import (
    probe_focus,
    probe_is_found,
    refined_focus,
)
from napari_scicompty.core.errors import InputError
from napari_scicompty.recipe import FileInput
from napari_scicompty.ui.widgets.sections import WrappedLabel
from napari_scicompty.workflow.refocusing import with_focus

if TYPE_CHECKING:
    from napari_scicompty.analysis.focus import ProbeFocus
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.ui.session.controller import RunController

WHAT = (
    "From the quadratic phase that is left in the probe. It settles with the run: take "
    "it over, continue, and look again."
)
WAIT = "what the probe's curvature says of the focus is seen once the run went on"
TAKE = (
    "Tell scan and result this focus: both come onto its grid, and Continue goes on "
    "from there"
)


class FocusLine(QWidget):
    """One sentence on the focus, and the button that takes it over."""

    taken = Signal(float)
    """Focus to sample that scan and result were told."""

    def __init__(self, prefix: str, controller: RunController) -> None:
        super().__init__()
        self.controller = controller
        self._found: ProbeFocus | None = None
        self._looked_at: Snapshot | None = None
        self.text = WrappedLabel()
        self.text.setObjectName(f"{prefix}.focus")
        self.text.setToolTip(WHAT)
        self.button = QPushButton("Take it over")
        self.button.setObjectName(f"{prefix}.take_focus")
        self.button.setToolTip(TAKE)
        self.button.clicked.connect(self.take)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.text)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignLeft)
        self.show_progress()

    def show_progress(self) -> None:
        """Look at the result of a cone beam, once nothing is under way."""
        controller = self.controller
        snapshot = controller.snapshot
        shown = snapshot is not None and _has_a_focus(snapshot)
        self.setVisible(shown)
        if not shown or controller.busy:
            self.button.setEnabled(False)
            return
        assert snapshot is not None
        if snapshot is not self._looked_at:
            self._looked_at = snapshot
            self._found = probe_focus(snapshot) if probe_is_found(snapshot) else None
            sentence = WAIT if self._found is None else self._found.sentence
            words = [text for text in (sentence, refined_focus(snapshot)) if text]
            self.text.setText(" ".join(f"{w[0].upper()}{w[1:]}." for w in words))
        self.button.setEnabled(
            self._found is not None
            and self._found.focus_sample_m is not None
            and controller.scan is not None
            and isinstance(controller.input, FileInput)
        )

    def take(self) -> None:
        """Tell scan, result and recipe the focus that was found."""
        controller, found = self.controller, self._found
        scan, snapshot, given = controller.scan, controller.snapshot, controller.input
        if (
            controller.busy
            or found is None
            or found.focus_sample_m is None
            or scan is None
            or snapshot is None
            or not isinstance(given, FileInput)
        ):
            return
        focus = float(f"{found.focus_sample_m:.6g}")  # as the field will show it
        try:
            told, taken = with_focus(scan, snapshot, focus)
        except InputError as error:
            controller.say("error", str(error))
            return
        self.taken.emit(focus)
        controller.tell(told, given.replace(focus_sample_m=focus), taken)
        for note in taken.history.notes[len(snapshot.history.notes) :]:
            controller.say("info", f"{note}; Continue goes on from there")


def _has_a_focus(snapshot: Snapshot) -> bool:
    """Whether it was told one, or one was refined."""
    told = snapshot.geometry.focus_sample_m
    return told is not None or bool(refined_focus(snapshot))
