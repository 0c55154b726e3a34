"""The loop: `reconstruct` yields a frozen snapshot an epoch."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Protocol

from napari_scicompty.algorithms.auto import Auto
from napari_scicompty.algorithms.base import as_algorithm
from napari_scicompty.core.errors import InputError
from napari_scicompty.data.scan import Scan
from napari_scicompty.data.snapshot import Snapshot
from napari_scicompty.engine.refiner_set import too_few_epochs
from napari_scicompty.engine.run import Run
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.files.hdf5_links import linked_files
from napari_scicompty.files.reading import expanded
from napari_scicompty.refine import refiners
from napari_scicompty.workflow.coarse_level import coarse_start
from napari_scicompty.workflow.continuing import as_chosen, differences, misfit, resume
from napari_scicompty.workflow.search import Candidate, explain, ranked, search
from napari_scicompty.workflow.start import AutoStart, ProbeFile, Start, begin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_scicompty.algorithms.base import Algorithm
    from napari_scicompty.engine.controls import Controls
    from napari_scicompty.refine import Refiner

log = logging.getLogger(__name__)


class Show(Protocol):
    """Is given pictures before a run has begun."""

    def __call__(self, snapshot: Snapshot, epochs: int) -> None:
        """Take a picture of the coarse level of so many epochs; 0: of the search."""


def reconstruct(
    scan: Scan,
    algorithm: Algorithm | None = None,
    *,
    epochs: int | None = None,
    modes: int | None = None,
    batch: int | None = None,
    refine: str | Refiner | Sequence[str | Refiner] | None = (),
    device: str = "auto",
    seed: int = 0,
    start: str | Start | Snapshot = "auto",
    controls: Controls | None = None,
    **settings: object,
) -> Iterator[Snapshot]:
    """Reconstruct a scan, one snapshot an epoch; the first is the start.

    Parameters
    ----------
    scan : Scan
        What was measured.
    algorithm : Algorithm, optional
        ``RPIE()``, ``EPIE()``; `Auto` when left out, which ends by itself.
    epochs : int, optional
        Passes over all patterns; additional ones when `start` is a snapshot. With
        `Auto` they are a limit and may be left out.
    modes : int, optional
        Incoherent probe modes; 1, or those of the start, when left out.
    batch : int, optional
        Positions per step; the algorithm's own choice when left out.
    refine : str, Refiner or sequence of them
        What is refined beside object and probe: ``"positions"``, or a refiner with its
        settings such as ``LeastSquaresShift(rate_px=1)``; None is nothing.
    device : {"auto", "cpu", "cuda", "mps"}
        Where to compute.
    seed : int
        Same seed, same numbers.
    start : str, start settings or Snapshot
        ``"auto"`` searches the defocus (see `find_start`); a snapshot is continued.
    controls : Controls, optional
        To pause, stop or change settings from another thread.
    **settings
        Other fields of `RunSettings`: ``hold_probe``, ``freeze_probe``, ``excluded``,
        ``positions_of``, ``threads``.

    Returns
    -------
    iterator of Snapshot
        The error of the first and the last is by a full pass, the others' is taken as
        the patterns were visited. Only one that is kept takes memory; see `run` for
        the last one alone.

    Raises
    ------
    InputError
        Settings or a start that do not fit the scan.
    DivergedError
        With the last good snapshot.
    EngineError
        Out of memory, or another fault of the device.
    """
    chosen, most = _chosen(algorithm, epochs)
    started = _begun(
        scan,
        chosen,
        refine=refine,
        start=start,
        controls=controls,
        settings=RunSettings(
            epochs=most,
            modes=modes,
            batch=batch,
            device=device,
            seed=seed,
            **settings,
        ),
    )
    return _snapshots(started)


def run(
    scan: Scan,
    algorithm: Algorithm | None = None,
    *,
    epochs: int | None = None,
    progress: Callable[[Snapshot], None] | None = None,
    **options: Any,
) -> Snapshot:
    """Reconstruct a scan to the end; only the last snapshot is kept.

    Parameters
    ----------
    scan : Scan
        What was measured.
    algorithm : Algorithm, optional
        ``RPIE()``, ``EPIE()``, ``AutoDiff()``; `Auto` when left out, which ends by
        itself.
    epochs : int, optional
        Passes over all patterns; additional ones when the start is a snapshot. With
        `Auto` they are a limit and may be left out.
    progress : callable, optional
        Is given each epoch's snapshot.
    **options
        As of `reconstruct`.

    Returns
    -------
    Snapshot
        With its error by a full pass.

    Raises
    ------
    InputError
        Settings or a start that do not fit the scan.
    DivergedError
        With the last good snapshot.
    EngineError
        Out of memory, or another fault of the device or the algorithm.
    """
    last: Snapshot | None = None
    for last in reconstruct(scan, algorithm, epochs=epochs, **options):
        if progress is not None:
            progress(last)
    assert last is not None
    return last


def _chosen(algorithm: object, epochs: int | None) -> tuple[Algorithm, int]:
    """Return the algorithm and its epochs; Auto and its limit where none are given."""
    chosen = Auto() if algorithm is None else as_algorithm(algorithm)
    if epochs is not None:
        return chosen, epochs
    if not chosen.ends_itself:
        raise InputError(
            field="epochs",
            problem=f"{type(chosen).__name__} does not end by itself",
            remedy="say how many, such as epochs=40, or leave the algorithm out for "
            "the automatic choice",
        )
    return chosen, chosen.default_epochs


def _begun(
    scan: Scan,
    algorithm: Algorithm,
    *,
    refine: str | Refiner | Sequence[str | Refiner] | None,
    start: str | Start | Snapshot,
    controls: Controls | None,
    settings: RunSettings,
) -> Callable[[], Run]:
    """Check what can be checked at once; return what makes the run."""
    _check_kinds(scan, algorithm)
    start = _start(start)
    chosen = refiners(refine)
    if controls is not None and controls.stopped:
        raise InputError("controls: these are stopped already; give new Controls()")
    return lambda: prepare(scan, algorithm, settings, start, controls, refine=chosen)


def _snapshots(begun: Callable[[], Run]) -> Iterator[Snapshot]:
    under_way = begun()
    yield under_way.snapshot(exact=under_way.epoch == 0)
    while not under_way.done:
        under_way.advance()
        yield under_way.snapshot(exact=under_way.done)


def _start(start: str | Start | Snapshot) -> Start | Snapshot:
    """Return a start; InputError for a text or a thing that is none."""
    if start == "auto":
        return AutoStart()
    if isinstance(start, AutoStart | Snapshot):
        return start
    if not isinstance(start, str | type) and hasattr(start, "first_mode"):
        return start
    what = start.__name__ if isinstance(start, type) else repr(start)
    raise InputError(
        field="start",
        problem=f"{what} is not known",
        remedy="give 'auto', a start such as DiscProbe(radius_m) or "
        "PupilProbe(defocus_m), or a Snapshot",
    )


def prepare(
    scan: Scan,
    algorithm: Algorithm,
    settings: RunSettings,
    start: str | Start | Snapshot,
    controls: Controls | None = None,
    progress: Callable[[int, int, Candidate], None] | None = None,
    refine: Sequence[Refiner] = (),
    make: Callable[..., Run] = Run,
    show: Show | None = None,
) -> Run:
    """Turn a start into a run that is ready to advance (searching if it must).

    Parameters
    ----------
    scan : Scan
        What was measured.
    algorithm : Algorithm
        The rule and its settings.
    settings : RunSettings
        Epochs, batch, device and the like.
    start : str, start settings or Snapshot
        ``"auto"`` and `AutoStart` are searched here.
    controls : Controls, optional
        To pause, stop or change settings from another thread.
    progress : callable, optional
        Is given number, count and `Candidate` of each start that the search has tried.
    refine : sequence of Refiner
        One a quantity.
    make : callable
        Makes the run.
    show : callable, optional
        Is given pictures on larger pixels, and epochs=: those of the coarse level with
        how many epochs it has, and of the search's best starts with 0.

    Returns
    -------
    Run
        At its first epoch.

    Raises
    ------
    InputError
        Settings or a start that do not fit the scan.
    """
    _check_kinds(scan, algorithm)
    start = _start(start)
    if isinstance(start, Snapshot):
        first = resume(scan, start, settings.modes, settings.seed)
        log.info("goes on from epoch %d of %s", start.epoch, start.source.path)
        scan = scan.reading_also(start.source.files)
        odd = [finding.as_note for finding in differences(scan, first, settings)]
        told = [*_other_source(scan, first), *odd, *_waiting(refine, first, settings)]
        first = as_chosen(scan, _noted(first, told), settings)
        made = make(scan, algorithm, first, settings, controls, refine)
        made.note(misfit(made, first))
        return made
    notes: list[str] = []
    if isinstance(start, AutoStart):
        tried: dict[object, Candidate] = {}
        best = None if show is None else functools.partial(show, epochs=0)
        for number, planned, candidate in search(scan, start, settings, controls, best):
            tried[candidate.start] = candidate
            if progress is not None:
                progress(number, planned, candidate)
        if not tried:
            raise InputError(
                field="start",
                problem="the search was stopped before anything was tried",
            )
        candidates = [*tried.values()]
        notes.append(explain(candidates))
        log.info("%s", notes[-1])
        start = ranked(candidates)[0].start
    if isinstance(start, ProbeFile):
        probe = expanded(start.path).absolute()
        scan = scan.reading_also([str(probe), *linked_files(probe)])
        if start.frozen:
            settings = settings.replace(freeze_probe=True)
    seen = scan.exclude(settings.excluded)
    first = begin(seen, start, modes=settings.modes, seed=settings.seed)
    if algorithm.begins_coarse and not any(refiner.enabled for refiner in refine):
        coarse = coarse_start(seen, first, settings, controls, show)
        if coarse is not None:
            first = coarse.snapshot
            notes.append(coarse.note)
            log.info("%s", coarse.note)
    notes += _waiting(refine, first, settings)
    notes += [finding.as_note for finding in seen.findings]
    first = first.replace(history=first.history.add(notes=notes))
    return make(scan, algorithm, first, settings, controls, refine)


def _check_kinds(scan: object, algorithm: object) -> None:
    """Refuse what is likely to be mistaken for a scan or an algorithm."""
    if not isinstance(scan, Scan):
        raise InputError(
            f"scan is a {type(scan).__name__}; give a Scan, such as open_scan returns"
        )
    as_algorithm(algorithm)


def _noted(first: Snapshot, notes: list[str]) -> Snapshot:
    """Add what the history does not say yet."""
    new = [note for note in notes if note not in first.history.notes]
    return first.replace(history=first.history.add(notes=new))


def _waiting(
    refine: Sequence[Refiner], first: Snapshot, settings: RunSettings
) -> list[str]:
    """Note refiners that would do nothing in these epochs."""
    return too_few_epochs(refine, first.state.get("refine", {}), settings.epochs)


def _other_source(scan: Scan, first: Snapshot) -> list[str]:
    """Note that a result is continued with other patterns than it was made of."""
    before, now = first.source, scan.source
    if not before.sha256 or not now.sha256 or before.sha256 == now.sha256:
        return []
    return [
        f"continued with {now.path}, whose content is not that of {before.path} which "
        "the result was made from"
    ]
