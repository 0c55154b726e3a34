"""The Run section: buttons, epochs, progress and the error curve, always in sight."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.ui.layers.result_layers import VIEWS
from napari_scicompty.ui.reconstruction.verdict_line import VerdictLine
from napari_scicompty.ui.session.controller import RUNNING
from napari_scicompty.ui.widgets.forms import settings_form
from napari_scicompty.ui.widgets.labels import BAR, colour_by_level, plain_label
from napari_scicompty.ui.widgets.plots import ErrorPlot

if TYPE_CHECKING:
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.engine.plan import Plan
    from napari_scicompty.engine.progress import Progress
    from napari_scicompty.ui.session.controller import RunController
    from napari_scicompty.ui.session.orienter import OrientationJob
    from napari_scicompty.ui.session.worker import HalvesJob, Job

BASIC = ("epochs", "modes")
PLOT_EVERY_S = 0.8

STARTING = "starting …"
"""Said until the engine runs."""


class RunBar(QWidget):
    """Run, Pause, Stop, Reset; how far the run is and what it says."""

    run_clicked = Signal()
    pause_clicked = Signal()
    stop_clicked = Signal()
    reset_clicked = Signal()

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.run = self._button(prefix, "run", "Run", self.run_clicked)
        self.pause = self._button(prefix, "pause", "Pause", self.pause_clicked)
        self.stop = self._button(prefix, "stop", "Stop", self.stop_clicked)
        self.reset = self._button(prefix, "reset", "Reset", self.reset_clicked)
        self.stop.setToolTip("Stop after this batch; the result is kept (Ctrl+Alt+X)")
        self.pause.setToolTip("Hold the run, and go on (Ctrl+Alt+H)")
        self.reset.setToolTip("Forget the result, to begin from the start again")
        self.form = settings_form(RunSettings, None, prefix, only=BASIC, flat=True)
        self.form.set_hints({"modes": 1})
        self._view_row = ComboBox(choices=list(VIEWS))
        self.view: QComboBox = self._view_row.native
        self.view.setObjectName(f"{prefix}.view")
        self.view.setToolTip("Which live layers are shown")
        self.plot = ErrorPlot()
        self.plot.setFixedHeight(150)
        self.progress = QProgressBar()
        self.progress.setObjectName(f"{prefix}.progress")
        self.progress.setFormat("")
        self.progress.setStyleSheet(BAR)
        # Not a label: a label's new text lays out the dock again, and each repaint of
        # the window holds the interpreter that the engine needs.
        self.numbers = QLineEdit()
        self.numbers.setReadOnly(True)
        self.numbers.setFrame(False)
        self.numbers.setObjectName(f"{prefix}.numbers")
        self.numbers.setToolTip(
            "How far the run is; before it, the memory of the device that it needs, as "
            "algorithm, modes and batch are set"
        )
        self.message = plain_label(name=f"{prefix}.message", wrap=True)
        self.message.setMinimumHeight(36)
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.message.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
        )
        self.verdict = VerdictLine(f"{prefix}.verdict")
        self._plotted = -PLOT_EVERY_S
        self._memory = ""
        self._lay_out()

    def _lay_out(self) -> None:
        buttons = QGridLayout()
        for column, button in enumerate((self.run, self.pause, self.stop, self.reset)):
            buttons.addWidget(button, 0, column)
        line = QHBoxLayout()
        line.addWidget(QLabel("Show"))
        line.addWidget(self.view, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(4)
        layout.addWidget(self.form.native)
        layout.addLayout(buttons)
        layout.addWidget(self.progress)
        layout.addWidget(self.numbers)
        layout.addWidget(self.plot)
        layout.addLayout(line)
        layout.addWidget(self.verdict)
        layout.addWidget(self.message)

    def _button(self, prefix: str, name: str, text: str, signal: Signal) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(f"{prefix}.{name}")
        button.clicked.connect(lambda: signal.emit())
        return button

    def show_state(self, controller: RunController) -> None:
        """Enable what can be done now, and name it."""
        state, busy = controller.state, controller.busy
        running = state in (*RUNNING, "measuring", "orienting")
        self.run.setEnabled(not busy)
        self.run.setText("Run" if controller.snapshot is None else "Continue")
        self.run.setToolTip(
            "Run the chosen epochs, stage by stage (Ctrl+Alt+R)"
            if controller.snapshot is None
            else "Add the chosen epochs to the result, from the chosen stage on "
            "(Ctrl+Alt+R)"
        )
        self.pause.setEnabled(state in ("running", "paused"))
        self.pause.setText("Resume" if state == "paused" else "Pause")
        self.stop.setEnabled(running)
        self.reset.setEnabled(not busy and controller.snapshot is not None)
        if state == "opening":
            self.show_message("info", "opening …")
        if state == "starting":
            self.show_message("info", STARTING)
        elif self.message.text() == STARTING:
            self.show_message("info", "")
        if not busy and controller.snapshot is None:
            self.progress.reset()

    def show_progress(self, controller: RunController) -> None:
        """Show how far the run is, and how it goes."""
        job, snapshot = controller.job, controller.snapshot
        progress = job.progress if job is not None else None
        run = progress.run if progress is not None else None
        self.verdict.show_finding(None if run is None else run.verdict)
        if controller.state == "measuring":
            self._show_halves(controller.half_sets.job)
            return
        if controller.state == "orienting":
            self._show_orienting(controller.orienter.job)
            return
        if progress is not None and run is None and controller.state == "starting":
            if progress.coarse is not None:
                done, epochs = progress.coarse
                self.progress.setRange(0, epochs)
                self.progress.setValue(done)
                self._show_numbers(
                    f"a first picture on larger pixels: epoch {done} of {epochs}"
                )
                return
            tried, planned = progress.count, progress.planned
            self.progress.setRange(0, max(planned, 1))
            self.progress.setValue(tried)
            self._show_numbers(
                f"looking for the start: {tried} of {planned} tried"
                if planned
                else "loading the engine"
            )
            return
        if snapshot is None:
            self._show_numbers(self._memory)
            self.plot.set_history((), (), ())
            return
        busy = controller.busy
        history = run.history if run is not None and busy else snapshot.history
        if not busy or time.monotonic() - self._plotted > PLOT_EVERY_S:
            self._plotted = time.monotonic()
            self.plot.set_history(
                history.epochs,
                history.errors,
                [
                    (c.epoch, f"{c.path.removeprefix('algorithm.')} {c.shown}")
                    for c in history.changes
                ],
            )
        if job is not None and run is not None:
            planned = (job.last_epoch - job.first_epoch) * run.patterns
            done = (run.epoch - job.first_epoch) * run.patterns + run.patterns_visited
            self.progress.setRange(0, max(1, planned))
            self.progress.setValue(0 if busy and _ends_itself(job) else done)
        if job is None or progress is None or run is None or not busy:
            line = [_result_line(snapshot), *([self._memory] if self._memory else [])]
            self._show_numbers(" · ".join(line))
            return
        self._show_numbers(_running_line(job, progress.stage, run))

    def _show_numbers(self, line: str) -> None:
        """Show a line, from its beginning where it is too long."""
        self.numbers.setText(line)
        self.numbers.setCursorPosition(0)

    def show_memory(self, plan: Plan | None, controller: RunController) -> None:
        """Show what memory the next run needs, where that is known."""
        self._memory = "" if plan is None else str(plan)
        if not controller.busy:
            self.show_progress(controller)

    def _show_halves(self, halves: HalvesJob | None) -> None:
        if halves is None or halves.progress is None:
            self._show_numbers("preparing the half sets")
            return
        progress = halves.progress
        self.progress.setRange(0, 1000)
        self.progress.setValue(round(1000 * progress.done / max(progress.planned, 1)))
        self._show_numbers(progress.what)

    def _show_orienting(self, job: OrientationJob | None) -> None:
        if job is None or not job.planned:
            self._show_numbers("looking at how the patterns move with the scan")
            return
        done = len(job.tried)
        self.progress.setRange(0, job.planned)
        self.progress.setValue(done)
        self._show_numbers(
            f"looking for the orientation: {done} of {job.planned} tried"
        )

    def show_message(self, level: str, sentence: str) -> None:
        """Show the last thing that was said."""
        self.message.setText(sentence)
        colour_by_level(self.message, level)


def _running_line(job: Job, number: int, run: Progress) -> str:
    """Say how far a run is; the time left takes later stages to be as fast."""
    several = len(job.recipe.stages) > 1
    stage = f"stage {number + 1}/{len(job.recipe.stages)}, " if several else ""
    limit = "at most" if _ends_itself(job) else "of"
    parts = [f"{stage}epoch {run.epoch} {limit} {job.last_epoch}"]
    if run.history.errors:
        parts.append(f"error {run.history.errors[-1]:.3g}")
    done = run.epochs_done
    if done > 0 and run.elapsed_s > 0:
        each = run.elapsed_s / done
        left = each * (job.last_epoch - run.first_epoch - done)
        parts += [] if several else [f"{each:.2g} s each"]
        parts += [] if _ends_itself(job) else [f"{_clock(left)} left"]
    return " · ".join(parts)


def _ends_itself(job: Job) -> bool:
    """Whether the stage under way finds its own end, so that nobody knows when."""
    return job.stage.algorithm.ends_itself


def _result_line(snapshot: Snapshot) -> str:
    shown = f" · error {snapshot.error:.4g}" if math.isfinite(snapshot.error) else ""
    return f"epoch {snapshot.epoch}{shown} · {_clock(snapshot.elapsed_s)} of computing"


def _clock(seconds: float) -> str:
    """Write 95 s as 1:35 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d} h" if hours else f"{minutes}:{rest:02d} min"
