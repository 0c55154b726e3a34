"""Finding the start: what a careful person would try, tried and ranked.

A ladder over both signs of defocus of the mean pattern's pupil, then discs of several
sizes, each for a few bold epochs with the modes of the run. The error is sharp along
the ladder and has several dips, so the rungs are close, and none climbs a hill; only
around the best of all the step is halved twice.

In near field there is one candidate, the mean pattern propagated back to the sample:
the beam's own shadow says where its focus is.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.algorithms.pie import RPIE
from napari_scicompty.core.errors import EngineError
from napari_scicompty.engine.run import Run
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.optics import grids
from napari_scicompty.optics.propagators import propagator_for
from napari_scicompty.workflow.start import (
    AutoStart,
    BackPropagatedProbe,
    DiscProbe,
    PupilProbe,
    begin,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.engine.controls import Controls

log = logging.getLogger(__name__)

DISCS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
"""Radii that are tried, as shares of the smaller side of the view."""

HALVINGS = 2
"""How often the step is halved around the best."""

BOLD = RPIE(alpha_object=1.0, alpha_probe=1.0, beta=1.0, gamma=0.5)
"""Tells starts apart in the fewest epochs."""


Tried = PupilProbe | DiscProbe | BackPropagatedProbe


@dataclass(frozen=True)
class Candidate:
    """A start that was tried."""

    start: Tried
    """How the probe began."""
    error: float
    """Error by a full pass after the epochs of the search; infinite if it diverged."""

    @property
    def is_disc(self) -> bool:
        """Whether the start is a disc, and not the mean pattern's pupil."""
        return isinstance(self.start, DiscProbe)

    @property
    def defocus_m(self) -> float | None:
        """Focus to sample, positive: diverging; None where it is no pupil."""
        return self.start.defocus_m if isinstance(self.start, PupilProbe) else None

    def __str__(self) -> str:
        if isinstance(self.start, PupilProbe):
            what = f"defocus {self.start.defocus_m * 1e3 + 0.0:+.4g} mm"  # no -0
        elif isinstance(self.start, DiscProbe):
            what = f"disc of {self.start.radius_m * 1e6:.4g} µm radius"
        else:
            what = "mean pattern propagated back"
        return f"{what}: error {self.error:.4f}"


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
    tried = []
    settings = RunSettings(modes=modes, device=device, seed=seed)
    for number, planned, candidate in search(scan, auto or AutoStart(), settings):
        tried.append(candidate)
        if progress is not None:
            progress(number, planned, candidate)
    return ranked(tried)


def search(
    scan: Scan,
    auto: AutoStart,
    settings: RunSettings,
    controls: Controls | None = None,
) -> Iterator[tuple[int, int, Candidate]]:
    """Yield (tried, planned, candidate) after each try.

    Ends early when `controls` are stopped.

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
    """
    propagator_for(scan.geometry, scan.frame_shape)
    scan = scan.exclude(settings.excluded)
    part = _compact_part(scan, auto.patterns)
    settings = settings.replace(epochs=auto.epochs, batch=None, excluded=())
    queue = _first_tries(scan, auto.step_px2)
    planned = len(queue) + 2 * HALVINGS if len(queue) > 1 else 1
    tried: list[Candidate] = []
    for halving in range(1, HALVINGS + 2):
        for start in queue:
            error = _short_run(part, start, settings, controls)
            if controls is not None and controls.stopped:
                return
            tried.append(Candidate(start, error))
            log.info("tried %d of %d: %s", len(tried), planned, tried[-1])
            yield len(tried), planned, tried[-1]
        queue = _beside(scan, ranked(tried)[0].start, auto, 0.5**halving)


def _first_tries(scan: Scan, step_px2: float) -> list[Tried]:
    if scan.geometry.propagation == "near-field":
        return [BackPropagatedProbe()]
    reach = largest_k(scan)
    rungs = math.ceil(reach / step_px2)
    ladder = np.linspace(-reach, reach, 2 * rungs + 1)
    discs = [DiscProbe(radius_m=share * _side_m(scan)) for share in DISCS]
    return [*(_pupil(scan, float(k)) for k in ladder), *discs]


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


def ranked(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Sort candidates, best first; a disc counts as 10 % worse than it is.

    The pupil was measured and a disc is a guess: it must be clearly better.

    Parameters
    ----------
    candidates : sequence of Candidate
        Starts with their errors.

    Returns
    -------
    list of Candidate
        Best first.

    Examples
    --------
    >>> disc, pupil = DiscProbe(1e-6), PupilProbe(1e-4)
    >>> best = ranked([Candidate(disc, 0.100), Candidate(pupil, 0.105)])[0]
    >>> best.start is pupil
    True
    """
    return sorted(candidates, key=lambda c: c.error * (1.1 if c.is_disc else 1.0))


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


class _ShortRun(Run):
    """One of many: its candidate is in the log, its epochs are for those who look."""

    log_level = logging.DEBUG


def _short_run(
    scan: Scan,
    start: Tried,
    settings: RunSettings,
    controls: Controls | None,
) -> float:
    """Return the error after a few bold epochs; infinite if they diverge."""
    first = begin(scan, start, modes=settings.modes, seed=settings.seed)
    run = _ShortRun(scan, BOLD, first, settings)
    try:
        while not run.done:
            if controls is not None:
                controls.wait_while_paused()
                if controls.stopped:
                    return math.inf
            run.advance(0.1)
    except EngineError as error:
        log.info("a start could not be tried: %s", error)
        return math.inf
    return run.full_error()[0]


def _compact_part(scan: Scan, most: int) -> Scan:
    """Keep the patterns next to the middle of the scan, with all their overlap."""
    if len(scan.included) <= most:
        return scan
    positions = scan.positions_m[scan.included]
    away = np.linalg.norm(positions - np.median(positions, axis=0), axis=1)
    chosen = np.sort(scan.included[np.argsort(away)[:most]])
    return scan.replace(
        patterns=np.asarray(scan.patterns[chosen]),
        positions_m=scan.positions_m[chosen],
        excluded=(),
    )
