"""Finding the start: what a careful person would try, tried and ranked.

A ladder over both signs of defocus of the mean pattern's pupil, then discs of several
sizes, each for a few bold epochs with the modes of the run. The error is sharp along
the ladder and has several dips, so the rungs are close, and none climbs a hill; only
around the best of all the step is halved twice. Where the patterns clearly move with
the scan, the defocus that this tells is tried first, with both signs.

All of them run for three epochs only; the best of each sign of defocus and the best
discs go on. Patterns next to each other are enough, and of them the middle, on larger
pixels, see `coarse_level`.

In near field there is one candidate, the mean pattern propagated back to the sample:
the beam's own shadow says where its focus is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.analysis.bright_field import refined_motion
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.optics import grids
from napari_scicompty.optics.propagators import propagator_for
from napari_scicompty.workflow.start import (
    AutoStart,
    BackPropagatedProbe,
    DiscProbe,
    PupilProbe,
)
from napari_scicompty.workflow.trials import (
    BEST_OF_A_KIND,
    BOLD,
    Candidate,
    Trials,
    Tried,
    best_of_each_kind,
    ranked,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.engine.controls import Controls

__all__ = ["BOLD", "Candidate", "explain", "find_start", "ranked", "search"]

DISCS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
"""Radii that are tried, as shares of the smaller side of the view."""

HALVINGS = 2
"""How often the step is halved around the best."""

FIRST_EPOCHS = 3
"""Of every try; the best ones run for as many as `AutoStart` says."""


def find_start(
    scan: Scan,
    auto: AutoStart | None = None,
    *,
    modes: int = 1,
    device: str = "auto",
    seed: int = 0,
    progress: Callable[[int, int, Candidate], None] | None = None,
) -> list[Candidate]:
    """Try starts; return them with their errors, best first.

    Parameters
    ----------
    scan : Scan
        The measured patterns.
    auto : AutoStart, optional
        Epochs, rungs, patterns.
    modes : int
        Probe modes of the run that is to follow.
    device : str
        As in `reconstruct`.
    seed : int
        Of the order of the patterns.
    progress : callable, optional
        Called with (tried, planned, candidate) after each.

    Returns
    -------
    list of Candidate
        Start and error of each.

    Raises
    ------
    InputError
        A geometry that cannot be reconstructed.
    """
    tried: dict[Tried, Candidate] = {}
    settings = RunSettings(modes=modes, device=device, seed=seed)
    for number, planned, candidate in search(scan, auto or AutoStart(), settings):
        tried[candidate.start] = candidate
        if progress is not None:
            progress(number, planned, candidate)
    return ranked([*tried.values()])


def search(
    scan: Scan,
    auto: AutoStart,
    settings: RunSettings,
    controls: Controls | None = None,
    show: Callable[[Snapshot], None] | None = None,
) -> Iterator[tuple[int, int, Candidate]]:
    """Yield (tried, planned, candidate) after each try.

    A start that goes on after its first epochs comes again, with its new error. Ends
    early when `controls` are stopped.

    Parameters
    ----------
    scan : Scan
        What was measured.
    auto : AutoStart
        Epochs, rungs, patterns.
    settings : RunSettings
        Epochs, batch, device, seed and the like.
    controls : Controls, optional
        To stop from another thread.
    show : callable, optional
        Is given the picture of each start that is the best so far.
    """
    propagator_for(scan.geometry, scan.frame_shape)
    scan = scan.exclude(settings.excluded)
    trials = Trials(scan, auto, settings, controls, show)
    first, whole = _first_tries(scan, auto.step_px2), auto.epochs
    later = 2 * HALVINGS if len(first) > 1 else 0
    if not auto.coarse:
        yield from trials.each(first, whole, later)
    else:
        going_on = sum(BEST_OF_A_KIND.values()) if later and whole > FIRST_EPOCHS else 0
        yield from trials.each(first, min(FIRST_EPOCHS, whole), going_on + later)
        if going_on:
            best = best_of_each_kind(trials.tried)
            yield from trials.each([c.start for c in best], whole, later)
    for halving in range(1, HALVINGS + 1):
        if trials.stopped or not trials.tried:
            return
        best_start = ranked(trials.tried)[0].start
        beside = _beside(scan, best_start, auto, 0.5**halving)
        yield from trials.each(beside, whole)


def _first_tries(scan: Scan, step_px2: float) -> list[Tried]:
    if scan.geometry.propagation == "near-field":
        return [BackPropagatedProbe()]
    reach = largest_k(scan)
    rungs = math.ceil(reach / step_px2)
    ladder = np.linspace(-reach, reach, 2 * rungs + 1)
    discs = [DiscProbe(radius_m=share * _side_m(scan)) for share in DISCS]
    return [*_by_motion(scan), *(_pupil(scan, float(k)) for k in ladder), *discs]


def _by_motion(scan: Scan) -> list[PupilProbe]:
    """Return both signs of the defocus that the motion of the patterns tells."""
    motion = refined_motion(scan)
    if motion is None:
        return []
    defocus = motion.defocus_m(scan)
    return [PupilProbe(defocus_m=sign * defocus) for sign in (1, -1)]


def _beside(scan: Scan, best: Tried, auto: AutoStart, share: float) -> list[Tried]:
    """Return the starts on either side of the best one, a share of a step away."""
    if isinstance(best, PupilProbe):
        step = share * auto.step_px2 * _metres_per_k(scan)
        return [PupilProbe(defocus_m=best.defocus_m + s) for s in (-step, step)]
    if isinstance(best, DiscProbe):
        step = share * 0.05 * _side_m(scan)
        return [DiscProbe(radius_m=best.radius_m + s) for s in (-step, step)]
    return []


def _side_m(scan: Scan) -> float:
    return float(min(np.multiply(scan.frame_shape, scan.pixel_size_m)))


def largest_k(scan: Scan) -> float:
    """|k| in square pixels at which the pupil's rim is smeared over half the view.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    float
        Square pixels.
    """
    h, w = scan.frame_shape
    fy, fx = grids.coordinates((h, w))
    radius = np.hypot(fy / h, fx / w).ravel()
    order = np.argsort(radius)
    light = np.cumsum(scan.mean_pattern.ravel()[order])
    rim = radius[order][np.searchsorted(light, 0.8 * light[-1])]
    # A phase pi k f^2 moves what has the frequency f by k f pixels.
    return float(min(h, w) / 2 / max(rim, 1 / min(h, w)))


def explain(candidates: list[Candidate]) -> str:
    """Say which start was taken, which of the twins it is, and why.

    Parameters
    ----------
    candidates : list of Candidate
        At least one.

    Returns
    -------
    str
        For the history.
    """
    best = ranked(candidates)[0]
    if isinstance(best.start, BackPropagatedProbe):
        return f"start: {best}"
    found = f"start found among {len(candidates)}: {best}"
    twin = (
        "Positions are taken as given; the twin (positions negated, defocus of the "
        "other sign) fits the patterns equally well and shows the object turned by 180 "
        "degrees with the phase negated"
    )
    if best.defocus_m is None:
        return f"{found}. {twin}"
    side = "upstream (diverging)" if best.defocus_m > 0 else "downstream (converging)"
    others = [c for c in candidates if (c.defocus_m or 0) * best.defocus_m < 0]
    against = f"; the best of the other sign: {ranked(others)[0]}" if others else ""
    return f"{found}, focus {side}{against}. {twin}"


def _metres_per_k(scan: Scan) -> float:
    """Defocus per square pixel of |k|."""
    return scan.pixel_size_m[0] * scan.pixel_size_m[1] / scan.geometry.wavelength_m


def _pupil(scan: Scan, k: float) -> PupilProbe:
    """Return the start of one rung; k < 0 diverges."""
    return PupilProbe(defocus_m=-k * _metres_per_k(scan))
