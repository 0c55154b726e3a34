"""The run of a viewer: one controller each, whatever docks are open or closed."""

from __future__ import annotations

import logging
import math
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject, QTimer, Signal

from napari_scicompty.algorithms import Algorithm
from napari_scicompty.core.findings import level_of
from napari_scicompty.core.log import told
from napari_scicompty.ui.layers.result_layers import LiveLayers
from napari_scicompty.ui.session.ending import end_by_signals
from napari_scicompty.ui.session.keeping import Keeping
from napari_scicompty.ui.session.preferences import preference
from napari_scicompty.ui.session.provenance import MadeBy
from napari_scicompty.ui.session.scan_loader import Opening, open_scan_of
from napari_scicompty.ui.session.worker import HalvesJob, Job, drive
from napari_scicompty.ui.widgets.threads import start, worker_for
from napari_scicompty.workflow.continuing import belongs_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.viewer import Viewer

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.recipe import FileInput, Recipe
    from napari_scicompty.refine import Refiner
    from napari_scicompty.simulation import Truth, VirtualExperiment

State = Literal[
    "empty",
    "opening",
    "ready",
    "starting",
    "running",
    "paused",
    "measuring",
    "stopping",
]
RUNNING = ("starting", "running", "paused")
BUSY = ("opening", *RUNNING, "measuring", "stopping")

_LEVELS = {"note": "info", "warning": "warning"}
"""How loud the window says a finding."""

log = logging.getLogger(__name__)

_CONTROLLERS: weakref.WeakKeyDictionary[Viewer, RunController] = (
    weakref.WeakKeyDictionary()
)


class RunController(QObject):
    """Scan, run and result of one viewer; docks listen to it and tell it what to do.

    Closing a dock, deleting a layer or opening a second dock harms nothing: nothing of
    a run lives in a widget.
    """

    state_changed = Signal(str)
    scan_changed = Signal()
    progressed = Signal()
    """The run went on: read `snapshot`, `job`."""
    stage_begun = Signal(int)
    """A stage after the first has begun; its number counts from 0."""
    said = Signal(str, str)
    """(level, sentence); level is "info", "warning" or "error"."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self.layers = LiveLayers()
        self.state: State = "empty"
        self.scan: Scan | None = None
        self.input: FileInput | VirtualExperiment | None = None
        """What `scan` was opened from."""
        self.truth: Truth | None = None
        """What `scan` was made of, where it was simulated."""
        self._made_by = MadeBy()
        self.snapshot: Snapshot | None = None
        self.job: Job | None = None
        self.halves: HalvesJob | None = None
        """The half sets under way, or the last ones."""
        self.failure: Exception | None = None
        self.saved = True
        """Whether the present result is in a file of the user's."""
        self._begun = False
        self._stage = 0
        self._notes_said = 0
        self.keeping = Keeping(self)
        self.keeping.failed.connect(self._say_not_kept)
        self._worker: Any = None
        self._opening: Opening | None = None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._poll)
        window = viewer.window._qt_window
        window.destroyed.connect(self._stop_silently)

    @classmethod
    def for_viewer(cls, viewer: Viewer) -> RunController:
        """Return the viewer's controller, made on first use."""
        viewer = getattr(viewer, "__wrapped__", viewer)
        if viewer not in _CONTROLLERS:
            _CONTROLLERS[viewer] = cls(viewer)
            end_by_signals(lambda: list(_CONTROLLERS.values()))
        return _CONTROLLERS[viewer]

    @property
    def viewer(self) -> Viewer | None:
        """The viewer, while it lives."""
        return self._viewer()

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self.state in BUSY

    @property
    def running(self) -> bool:
        """Whether a run is under way whose settings can be changed."""
        return self.job is not None and self.state in RUNNING

    # -- opening ----------------------------------------------------------------------
    def open(
        self,
        recipe: Recipe,
        then: Callable[[], None] | None = None,
        *,
        keep_result: bool = False,
    ) -> None:
        """Open the recipe's scan in a thread; the old one stays if that fails.

        A result of another scan is left in its layers then, unless it is to be kept.
        """
        if self.busy:
            return
        self._opening = Opening(recipe, then, keep_result)
        self._enter("opening")
        self._start_worker(open_scan_of, self._opened, [self._opening])
        self._timer.start(200)

    @property
    def opened(self) -> tuple[int, int]:
        """Patterns (done, planned) of the scan that is simulated; zeros for a file."""
        return self._opening.progress if self._opening is not None else (0, 0)

    def _opened(self) -> None:
        opening, self._opening = self._opening, None
        self._timer.stop()
        self._worker = None
        assert opening is not None
        if opening.scan is not None:
            if not opening.keep_result:
                self._leave_result_of_another(opening.scan)
            self.scan, self.truth = opening.scan, opening.truth
            self.input = opening.recipe.input
            self.halves = None
        self._enter("empty" if self.scan is None else "ready")
        if opening.scan is None:
            assert opening.error is not None
            self.say("error", told(opening.error))
            return
        for line in opening.scan.notes:
            self.say("info", line)
        for finding in opening.scan.findings:
            self.say(_LEVELS[finding.level], str(finding))
        self.scan_changed.emit()
        if opening.then is not None:
            opening.then()

    def _leave_result_of_another(self, scan: Scan) -> None:
        """Begin anew with a scan that the result on show was not made of."""
        snapshot, viewer = self.snapshot, self.viewer
        if snapshot is None or viewer is None or belongs_to(snapshot, scan):
            return
        name = Path(snapshot.source.path).name or "earlier scan"
        self.layers.leave(viewer, name)
        kept = (
            "" if self.saved else "; it was not saved, and is offered at the next start"
        )
        self.say(
            "info", f"another scan: the result of {name} stays in its layers{kept}"
        )
        self.forget_result()

    def show_result(self, snapshot: Snapshot, recipe: Recipe | None) -> None:
        """Show a result that was opened; a run can continue from it.

        Parameters
        ----------
        recipe : Recipe, optional
            What made it.
        """
        self.snapshot = snapshot
        self._made_by.show(recipe, snapshot)
        self.saved = True
        self.keeping.forget()
        viewer = self.viewer
        if viewer is not None:
            self.layers.begin(viewer, snapshot)
        self.progressed.emit()

    # -- the run ----------------------------------------------------------------------
    def start(self, recipe: Recipe, standby: Sequence[Refiner] = ()) -> None:
        """Run the recipe's stages in a thread, from its start or from the result.

        Parameters
        ----------
        standby : sequence of Refiner
            They take part, switched off, where a stage does not refine their
            quantity, so that they can be switched on on the way.
        """
        if self.busy or self.scan is None:
            return
        self._made_by.begin(recipe, self.snapshot)
        self.failure = None
        self._begun, self._stage = False, 0
        self._notes_said = len(self.snapshot.history.notes) if self.snapshot else 0
        if self.snapshot is None:
            self.keeping.forget()
        self.job = Job.of(self.scan, recipe, self.snapshot, standby)
        self._enter("starting")
        self._start_worker(drive, self._finished, [self.job])
        self._timer.start(round(1000 / min(preference("live_rate_hz", 5.0), 10)))

    def made_by(self) -> Recipe | None:
        """Return the recipe that leads to the present result, if it is known."""
        return self._made_by.until(self.snapshot)

    def pause(self) -> None:
        """Hold the run."""
        if self.job is not None and self.state == "running":
            self.job.controls.pause()
            self.job.wanted.set()
            self._enter("paused")

    def resume(self) -> None:
        """Let the run go on."""
        if self.job is not None and self.state == "paused":
            self.job.controls.resume()
            self._enter("running")

    def stop(self) -> None:
        """End the run, the half sets or a simulation; the result is kept."""
        if self._opening is not None:
            self._opening.stopped = True
        job = self.halves if self.state == "measuring" else self.job
        stoppable = ("starting", "running", "paused", "measuring")
        if job is not None and self.state in stoppable:
            job.controls.stop()
            self._enter("stopping")

    # -- the resolution ---------------------------------------------------------------
    def measure_resolution(self, recipe: Recipe) -> None:
        """Reconstruct two half sets as the result was made, or by the recipe.

        They have the positions of the result, as they are: halves that each refine
        their own would not lie on each other.
        """
        if self.busy or self.scan is None:
            return
        recipe = self.made_by() or recipe
        self.halves = HalvesJob.of(self.scan, recipe, self.snapshot)
        self._enter("measuring")
        self._start_worker(drive, self._measured, [self.halves])
        self._timer.start(200)

    def _measured(self) -> None:
        self._timer.stop()
        self._worker = None
        job = self.halves
        self._enter("ready")
        if job is None:
            return
        if job.failure is not None:
            self.say("error", told(job.failure))
        elif job.resolution is not None:
            self.say("info", f"resolution: {job.resolution.sentence}")
        self.progressed.emit()

    def change(self, path: str, value: Any) -> None:
        """Change a setting of the run under way; InputError if it cannot be."""
        if self.job is None or not self.running:
            return
        self.job.controls.set(path, value)
        quantity = path.split(".")[0]
        stage = self.job.progress.stage
        self._made_by.name_refiner(stage, self.job.stage.refine, quantity)
        what = value.title if isinstance(value, Algorithm) else f"{path} = {value}"
        self.say("info", f"{what} from the next batch on")

    def replace_result(self, snapshot: Snapshot) -> None:
        """Take a result that was changed by hand; Continue goes on from it."""
        self.snapshot, self.saved = snapshot, False
        self.keeping.offer(snapshot, self.made_by(), now=True)
        viewer = self.viewer
        if viewer is not None:
            self.layers.update(viewer, snapshot)
        self.progressed.emit()

    def tell(self, scan: Scan, given: FileInput, snapshot: Snapshot) -> None:
        """Take scan and result that were told another geometry; Continue goes on.

        Parameters
        ----------
        given : FileInput
            What a recipe says of that scan.
        """
        made = self.made_by()
        self.scan, self.input, self.halves = scan, given, None
        self._made_by.show(made and made.replace(input=given), snapshot)
        self.replace_result(snapshot)
        self.scan_changed.emit()

    def mark_saved(self, path: str) -> None:
        """Note that the user has the result in a file."""
        self.saved = True
        self.keeping.discard(path)

    def mark_recovered(self, path: Path) -> None:
        """Note that the result on show lies in a file that goes when it is saved."""
        self.saved = False
        self.keeping.recover(path)

    def keep_now(self) -> None:
        """Keep on disk what is not saved yet, and wait for it."""
        snapshot = self.job.take() if self.job is not None else None
        snapshot = snapshot or self.snapshot
        if snapshot is not None and not self.saved:
            self.keeping.offer(snapshot, self.made_by(), now=True)
        self.keeping.wait()

    def forget(self) -> None:
        """Reset: forget the result, keep the scan."""
        if not self.busy:
            self.forget_result()
            self.progressed.emit()

    def forget_result(self) -> None:
        """Forget the result; what is kept of it on disk stays."""
        self.snapshot = self.job = self.halves = None
        self.saved = True
        self.keeping.forget()
        self._made_by.forget()

    # -- the window's thread ----------------------------------------------------------
    def _start_worker(self, work: Any, finish: Callable[[], None], *args: Any) -> None:
        self._worker = worker_for(work, *args)
        self._worker.finished.connect(finish)
        start(self._worker)

    def _poll(self) -> None:
        """Show what the engine has; ask for more if anybody can see it."""
        job, viewer = self.job, self.viewer
        if self.state in ("opening", "measuring"):
            self.progressed.emit()
            return
        if job is None or viewer is None:
            return
        if job.progress.run is not None and self.state == "starting":
            self._enter("running")
        self._follow_stages(job)
        self._show(job)
        if self.state == "running" and (self.keeping.due or self.layers.wanted(viewer)):
            job.wanted.set()
        self.progressed.emit()

    def _follow_stages(self, job: Job) -> None:
        """Say which stage has begun."""
        number = job.progress.stage
        if number == self._stage:
            return
        self._stage = number
        self.stage_begun.emit(number)
        count, title = len(job.recipe.stages), job.stage.algorithm.title
        self.say("info", f"stage {number + 1} of {count}: {title}")

    def _show(self, job: Job) -> None:
        snapshot, viewer = job.take(), self.viewer
        if snapshot is None:
            return
        self.snapshot, self.saved = snapshot, False
        if snapshot.epoch > job.first_epoch or not self.busy:
            self.keeping.offer(snapshot, self.made_by(), now=not self.busy)
        if viewer is None:
            return
        if self._begun:
            self.layers.update(viewer, snapshot, thumbnails=not self.busy)
        else:
            self.layers.begin(viewer, snapshot)
            self._begun = True
        self._say_notes(snapshot)

    def _finished(self) -> None:
        self._timer.stop()
        self._worker = None
        job = self.job
        if job is None:
            return
        self.failure = job.failure
        self._follow_stages(job)
        self.state = "ready"
        self._show(job)
        self.progressed.emit()  # how far it came, which a quick run has not told yet
        job.release()
        self._enter("ready")
        if job.failure is not None:
            self.say("error", told(job.failure))
        elif self.snapshot is not None:
            done = "stopped" if job.controls.stopped else "finished"
            error = self.snapshot.error
            shown = f", error {error:.4g}" if math.isfinite(error) else ""
            self.say("info", f"{done} at epoch {self.snapshot.epoch}{shown}")
        self.progressed.emit()

    def _say_not_kept(self, why: str) -> None:
        self.say("warning", why)

    def _say_notes(self, snapshot: Snapshot) -> None:
        """Say what the engine did by itself since the last time."""
        notes = snapshot.history.notes
        for note in notes[self._notes_said :]:
            level, text = level_of(note)
            self.say("warning" if "diverged" in note else _LEVELS[level], text)
        self._notes_said = len(notes)

    def _stop_silently(self) -> None:
        """End the run because the window goes; nothing may be shown any more."""
        self._timer.stop()
        if self._opening is not None:
            self._opening.stopped = True
        for job in (self.job, self.halves):
            if job is not None:
                job.abandoned = True
                job.controls.stop()

    def _enter(self, state: State) -> None:
        self.state = state
        self.state_changed.emit(state)

    def say(self, level: str, sentence: str) -> None:
        """Tell the user, and the log."""
        number = {"error": logging.ERROR, "warning": logging.WARNING}
        log.log(number.get(level, logging.INFO), "%s", sentence)
        self.said.emit(level, sentence)


def inputs_of_all() -> list[str]:
    """Files that the scans of all viewers were read from."""
    known = [
        part.source.files
        for controller in _CONTROLLERS.values()
        for part in (controller.scan, controller.snapshot)
        if part is not None
    ]
    return [name for files in known for name in files]
