"""What a run writes into the log: once an epoch, and where something happens."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from napari_scicompty.core.errors import EngineError, InputError
from napari_scicompty.core.log import OFTEN, log_fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_scicompty.algorithms.base import Algorithm
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Change
    from napari_scicompty.engine.controls import Controls
    from napari_scicompty.engine.plan import Plan
    from napari_scicompty.engine.refiner_set import RefinerSet
    from napari_scicompty.engine.run_settings import RunSettings
    from napari_scicompty.model.estimate import Estimate

log = logging.getLogger("napari_scicompty.engine.run")


class Logged(Protocol):
    """What the log says of a run.

    Attributes
    ----------
    scan, algorithm, settings, controls, estimate, refining, plan
        As of `Run`.
    epoch, last_epoch, elapsed_s
        The same.
    """

    scan: Scan
    algorithm: Algorithm
    settings: RunSettings
    controls: Controls
    estimate: Estimate
    refining: RefinerSet
    plan: Plan
    epoch: int
    last_epoch: int
    elapsed_s: float


class RunLog:
    """Lines of the log of one run.

    Parameters
    ----------
    level : int
        Level of the lines that any run has; short tries are below INFO.
    """

    def __init__(self, level: int) -> None:
        self._level = level
        self._loud = logging.WARNING if level >= logging.INFO else level

    def begins(
        self, run: Logged, batch: int, included: NDArray[np.bool_], error: float
    ) -> None:
        """Say with what a run begins.

        Parameters
        ----------
        run : Run
            The run.
        batch : int
            Patterns per step.
        included : array (n,) bool
            Patterns that take part.
        error : float
            Normalised error at the start.
        """
        log.log(
            self._level,
            "run begins at epoch %d: %r on %s, to epoch %d, batch %d, %d mode(s), "
            "%d of %d patterns, error %.6g, seed %d, %s",
            *(run.epoch, run.algorithm, run.estimate.object.device),
            *(run.last_epoch, batch, run.estimate.probe_kept.modes),
            *(int(included.sum()), len(run.scan), error, run.settings.seed, run.plan),
        )
        for refiner in run.refining.refiners.values():
            told = (refiner.quantity, refiner)
            log.log(self._level, "the run refines %s: %r", *told)

    def epoch(self, epoch: int, error: float) -> None:
        """Say that an epoch has ended.

        Parameters
        ----------
        epoch : int
            Epochs that were completed.
        error : float
            Normalised error.
        """
        log.log(self._level, "epoch %d: error %.6g", epoch, error, extra=OFTEN)

    def ends(self, run: Logged, error: float) -> None:
        """Say that a run has ended, and how.

        Parameters
        ----------
        run : Run
            The run.
        error : float
            Normalised error.
        """
        how = "stopped" if run.controls.stopped else "ends"
        told = (how, run.epoch, error, run.elapsed_s)
        log.log(self._level, "run %s at epoch %d, error %.6g, %.1f s", *told)

    def changes(self, records: Sequence[Change]) -> None:
        """Say what was changed under way.

        Parameters
        ----------
        records : sequence of Change
            What the history keeps of them.
        """
        for change in records:
            told = (change.epoch, change.batch, change.path)
            values = (change.value, change.previous)
            log.info("epoch %d, pattern %d: %s = %r, before %r", *told, *values)

    def goes_back(self, why: str, epoch: int, algorithm: object) -> None:
        """Say that a run goes back, and with what it goes on.

        Parameters
        ----------
        why : str
            The reason.
        epoch : int
            Where it goes on.
        algorithm : object
            With gentler settings.
        """
        told = (why, epoch, algorithm)
        log.log(self._loud, "%s: back to epoch %d, on with %r", *told)

    def gives_up(self, why: str, epoch: int) -> None:
        """Say that a run ends because it diverged.

        Parameters
        ----------
        why : str
            The reason.
        epoch : int
            The last good one.
        """
        log.log(self._loud, "%s; the run ends with epoch %d", why, epoch)

    def info(self, what: object, epoch: int) -> None:
        """Say what was found in an epoch.

        Parameters
        ----------
        what : object
            Written as text.
        epoch : int
            Epochs that were completed.
        """
        log.log(self._level, "epoch %d: %s", epoch, what)

    def warning(self, what: object) -> None:
        """Say what has to be known; the text alone, which holds no frames.

        Parameters
        ----------
        what : object
            Written as text.
        """
        log.warning("%s", str(what))


def as_engine_error(error: Exception, epoch: int, algorithm: object) -> Exception:
    """Return what a run raises for a fault inside it, with the cause, and log it.

    Parameters
    ----------
    error : exception
        What was raised.
    epoch : int
        Epochs that were completed.
    algorithm : object
        What was at work; an algorithm or a refiner may raise anything.
    """
    if isinstance(error, InputError | EngineError):
        log_fault(log, error)
        return error
    fault = EngineError(
        f"The engine failed at epoch {epoch} with {type(algorithm).__name__}: "
        f"{type(error).__name__}: {error}"
    )
    fault.__cause__ = error
    log_fault(log, fault)
    return fault
