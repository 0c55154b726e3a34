"""The run of a viewer: one controller each, whatever docks are open or closed."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject, Signal

from napari_scicompty.algorithms import Algorithm
from napari_scicompty.ui.layers.result_layers import LiveLayers
from napari_scicompty.ui.session.ending import end_by_signals
from napari_scicompty.ui.session.follower import Follower
from napari_scicompty.ui.session.half_sets import HalfSets
from napari_scicompty.ui.session.opener import Opener
from napari_scicompty.ui.session.orienter import Orienter
from napari_scicompty.ui.session.preferences import preference
from napari_scicompty.ui.session.shown_result import ShownResult
from napari_scicompty.ui.session.speaker import Speaker
from napari_scicompty.ui.session.thread_work import ThreadWork
from napari_scicompty.ui.session.worker import Job, drive
from napari_scicompty.workflow.checking import check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.viewer import Viewer

    from napari_scicompty.core.findings import Finding
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
    "orienting",
    "stopping",
]
RUNNING = ("starting", "running", "paused")
BUSY = ("opening", *RUNNING, "measuring", "orienting", "stopping")

_CONTROLLERS: weakref.WeakKeyDictionary[Viewer, RunController] = (
    weakref.WeakKeyDictionary()
)


class RunController(QObject):
    """Scan, run and result of one viewer; docks listen to it and tell it what to do.

    Closing a dock, deleting a layer or opening a second dock harms nothing: nothing of
    a run lives in a widget. What is said, opened, measured and kept is the affair of
    its parts: `speaker`, `opener`, `half_sets`, `result`.
    """

    state_changed = Signal(str)
    scan_changed = Signal()
    refused = Signal(object)
    """A scan could not be opened: the exception."""
    progressed = Signal()
    """The run went on: read `snapshot`, `job`."""
    stage_begun = Signal(int)
    """A stage after the first has begun; its number counts from 0."""

    def __init__(self, viewer: Viewer) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self.layers = LiveLayers()
        self.state: State = "empty"
        self.scan: Scan | None = None
        self.input: FileInput | VirtualExperiment | None = None
        """What `scan` was opened from."""
        self.findings: tuple[Finding, ...] = ()
        """What is well with `scan`, and what is not; see `check`."""
        self.truth: Truth | None = None
        """What `scan` was made of, where it was simulated."""
        self.job: Job | None = None
        self.failure: Exception | None = None
        self.speaker = Speaker(self)
        self.said = self.speaker.said
        self.result = ShownResult(self)
        self.result.keeping.failed.connect(self.speaker.warn)
        self.work = ThreadWork(self)
        self.work.ticked.connect(self._poll)
        self.opener = Opener(self)
        self.half_sets = HalfSets(self)
        self.orienter = Orienter(self)
        self._follower = Follower(self)
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

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest state of the run, or the result that was opened."""
        return self.result.snapshot

    @property
    def saved(self) -> bool:
        """Whether the present result is in a file of the user's."""
        return self.result.saved

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
        if not self.busy:
            self.opener.begin(recipe, then, keep_result=keep_result)

    def show_result(self, snapshot: Snapshot, recipe: Recipe | None) -> None:
        """Show a result that was opened; a run can continue from it.

        Parameters
        ----------
        recipe : Recipe, optional
            What made it.
        """
        self.result.take_opened(snapshot, recipe)
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
        self.result.begin(recipe)
        self.failure = None
        self._follower.begin()
        self.job = Job.of(self.scan, recipe, self.snapshot, standby)
        self.enter("starting")
        beat = min(preference("live_rate_hz", 5.0), 10)
        self.work.begin(drive, self.job, self._finished, round(1000 / beat))

    def made_by(self) -> Recipe | None:
        """Return the recipe that leads to the present result, if it is known."""
        return self.result.recipe

    def pause(self) -> None:
        """Hold the run."""
        if self.job is not None and self.state == "running":
            self.job.controls.pause()
            self.job.wanted.set()
            self.enter("paused")

    def resume(self) -> None:
        """Let the run go on."""
        if self.job is not None and self.state == "paused":
            self.job.controls.resume()
            self.enter("running")

    def stop(self) -> None:
        """End the run, or another work under way; the result is kept."""
        self.opener.stop()
        beside = {"measuring": self.half_sets.job, "orienting": self.orienter.job}
        job = beside.get(self.state, self.job)
        if job is not None and self.state in (*RUNNING, *beside):
            job.controls.stop()
            self.enter("stopping")

    def change(self, path: str, value: Any) -> None:
        """Change a setting of the run under way; InputError if it cannot be."""
        if self.job is None or not self.running:
            return
        self.job.controls.set(path, value)
        quantity = path.split(".")[0]
        stage = self.job.progress.stage
        self.result.made_by.name_refiner(stage, self.job.stage.refine, quantity)
        what = value.title if isinstance(value, Algorithm) else f"{path} = {value}"
        self.say("info", f"{what} from the next batch on")

    def replace_result(self, snapshot: Snapshot) -> None:
        """Take a result that was changed by hand; Continue goes on from it."""
        self.result.take(snapshot)
        self.result.keep(now=True)
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
        self.scan, self.input = scan, given
        self.findings = tuple(check(scan))
        self.half_sets.forget()
        self.result.made_by.show(made and made.replace(input=given), snapshot)
        self.replace_result(snapshot)
        self.scan_changed.emit()

    def keep_now(self) -> None:
        """Keep on disk what is not saved yet, and wait for it."""
        self.result.keep_now(self.job.take() if self.job is not None else None)

    def forget(self) -> None:
        """Reset: forget the result, keep the scan."""
        if not self.busy:
            self.forget_result()
            self.progressed.emit()

    def forget_result(self) -> None:
        """Forget the result; what is kept of it on disk stays."""
        self.job = None
        self.half_sets.forget()
        self.result.forget()

    # -- the window's thread ----------------------------------------------------------
    def _poll(self) -> None:
        """Show what the engine has; ask for more if anybody can see it."""
        job, viewer = self.job, self.viewer
        if self.state in ("opening", "measuring", "orienting"):
            self.progressed.emit()
            return
        if job is None or viewer is None:
            return
        if job.progress.run is not None and self.state == "starting":
            self.enter("running")
        self._follower.follow(job)
        self._follower.show(job)
        wanted = self.result.keeping.due or self.layers.wanted(viewer)
        if self.state == "running" and wanted:
            job.wanted.set()
        self.progressed.emit()

    def _finished(self) -> None:
        job = self.job
        if job is None:
            return
        self.failure = job.failure
        self._follower.follow(job)
        self.state = "ready"
        self._follower.show(job)
        self.progressed.emit()  # how far it came, which a quick run has not told yet
        job.release()
        self.enter("ready")
        if job.failure is not None:
            self.speaker.say_failure(job.failure)
        elif self.snapshot is not None:
            run = job.progress.run
            verdict = None if run is None else run.verdict
            self.speaker.say_end(self.snapshot, verdict, stopped=job.controls.stopped)
        self.progressed.emit()

    def _stop_silently(self) -> None:
        """End the run because the window goes; nothing may be shown any more."""
        self.work.look_no_more()
        self.opener.stop()
        for job in (self.job, self.half_sets.job, self.orienter.job):
            if job is not None:
                job.abandoned = True
                job.controls.stop()

    def enter(self, state: State) -> None:
        """Be in another state, and tell so."""
        self.state = state
        self.state_changed.emit(state)

    def say(self, level: str, sentence: str) -> None:
        """Tell the user, and the log."""
        self.speaker.say(level, sentence)


def inputs_of_all() -> list[str]:
    """Files that the scans of all viewers were read from."""
    known = [
        part.source.files
        for controller in _CONTROLLERS.values()
        for part in (controller.scan, controller.snapshot)
        if part is not None
    ]
    return [name for files in known for name in files]
