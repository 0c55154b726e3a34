"""What can be said of a scan before a run: what is well, and what is not."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.algorithms import Auto
from napari_scicompty.analysis.view_checks import VIEW_CHECKS, Views, centre_of_light
from napari_scicompty.core.device import free_bytes, pick_device
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.findings import Change, Finding
from napari_scicompty.data.canvas import Canvas
from napari_scicompty.engine.memory import copies_bytes, working_bytes
from napari_scicompty.engine.plan import plan, size
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.formats.choices import OpenChoices
from napari_scicompty.workflow.orientation_search import apart, by_motion, is_alike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan

_ANGLE, _STRONG = 5.0, 20.0
"""Degrees from which a scan is said to be turned, where the motion is this strong; so
strong it is certain."""
_ORDER = {"error": 0, "warning": 1, "ok": 2}


def check(
    scan: Scan,
    *,
    memory_gb: float = 0.0,
    modes: int = 1,
    device: str = "auto",
    probe: NDArray[np.complex64] | None = None,
) -> list[Finding]:
    """Look at a scan before it is reconstructed.

    Parameters
    ----------
    scan : Scan
        What was measured.
    memory_gb : float
        Most that a run may take on its device, in GB; 0: what is free.
    modes : int
        Probe modes of the run.
    device : str
        On which it is to run, such as ``"cpu"``.
    probe : array (modes, h, w) complex64, optional
        Of a reconstruction: then the overlap is that of its lit part.

    Returns
    -------
    list of Finding
        The worst first; of level "ok" what was looked at and is well.

    Raises
    ------
    InputError
        A device that is not there.

    Examples
    --------
    >>> import napari_scicompty as sc
    >>> scan, _ = sc.simulate(sc.VirtualExperiment())
    >>> {finding.level for finding in sc.check(scan)}
    {'ok'}
    """
    views = Views.of(scan, probe)
    asked = (*VIEW_CHECKS.values(), orientation)
    found = [f for ask in asked if (f := ask(views)) is not None]
    settings = RunSettings(memory_gb=memory_gb, device=device)
    found = [*scan.findings, *found, _memory(scan, settings, modes)]
    codes = {finding.code for finding in found}
    well = [
        Finding(topic.code, topic.where, topic.what(views), level="ok")
        for topic in _TOPICS
        if not codes & topic.spoiled_by
    ]
    return sorted([*found, *well], key=lambda finding: _ORDER[finding.level])


def orientation(views: Views) -> Finding | None:
    """Ask whether patterns move along the axes of the positions.

    Parameters
    ----------
    views : Views
        With the motion of the patterns, where that is clear.

    Returns
    -------
    Finding or None
        With the choices that turn the scan the right way; None where all is well.
    """
    scan, motion = views.scan, views.motion
    if motion is None:
        return None
    degrees, frames = by_motion(motion)
    like = next(c for c in apart(scan) if is_alike(c, frames))
    is_turned = abs(degrees) > _ANGLE and motion.strength > _STRONG
    if is_turned:
        like = dataclasses.replace(like, rotation_deg=degrees)
    if like.is_as_opened:
        return None
    names = OpenChoices.model_fields.keys() & scan.source.opened.keys()
    told = OpenChoices(**{name: scan.source.opened[name] for name in names})
    change: Change = ()
    with suppress(InputError):  # a centre on a sheared scan is for the person to turn
        wanted = like.choices(told)
        change = tuple((k, v) for k, v in wanted.items() if getattr(told, k) != v)
    angle = abs(motion.rotation_deg)
    how = ["mirrored"] if motion.mirrored else []
    how += [f"turned by {angle:.0f} degrees"] if angle > _ANGLE else []
    return Finding(
        "orientation",
        change[0][0] if change else "transpose",
        f"patterns and positions are {' and '.join(how)} against each other",
        f"take the orientation {like.words}, or find it by trying all",
        "error" if motion.strength > _STRONG else "warning",
        why=f"so the shadow of the sample moves, {motion.strength / 5:.0f} times as "
        "clearly as by chance",
        change=change,
    )


def _memory(scan: Scan, settings: RunSettings, modes: int) -> Finding:
    """Say whether canvas and patterns fit the memory that is free."""
    device = pick_device(settings.device)
    free = settings.memory_gb * 1e9 or free_bytes(device)
    planned = plan(scan, Auto(), settings, modes)
    canvas = Canvas.of(scan).shape
    of_canvas = working_bytes(scan, Auto(), modes) + copies_bytes(scan)
    what = f"a run {planned} of {size(free)} on {device}"
    if planned.needed <= free:
        return Finding("memory", "memory_gb", what, level="ok")
    return Finding(
        "memory",
        "memory_gb",
        f"{what}: it does not fit",
        "crop or rebin the patterns, or leave out positions that lie far away",
        "error",
        why=f"the object of {canvas[0]} x {canvas[1]} pixels alone takes "
        f"{size(of_canvas)}",
    )


@dataclass(frozen=True)
class _Topic:
    """Something that is looked at, and what to say where nothing is odd about it."""

    code: str
    where: str
    spoiled_by: frozenset[str]
    what: Callable[[Views], str]


def _topics() -> Iterator[_Topic]:
    def topic(code: str, where: str, what: Callable[[Views], str], *by: str) -> _Topic:
        return _Topic(code, where, frozenset(by), what)

    yield topic("counts", "patterns", _counts, "few-patterns", "few-views")
    yield topic(
        *("geometry", "distance_m", _geometry, "near-field", "magnification"),
        *("step-small", "electrons", "overrides-file"),
    )
    yield topic(
        *("positions", "positions", _positions, "position-alone", "axis-still"),
        *("positions-repeated", "canvas-empty", "raster", "orientation"),
    )
    yield topic("overlap", "positions", _overlap, "overlap", "step-small")
    yield topic(
        *("frames", "excluded", _frames, "sums-apart", "frames-apart"),
        "frames-doubled",
    )
    yield topic("centre", "center", _centre, "centre", "corner")
    yield topic(
        *("values", "amplitudes", _values, "amplitudes", "logarithms", "saturated"),
        *("markers-left", "not-finite", "hot-pixels"),
    )
    yield topic("mask", "mask", _mask, "mask-polarity")


def _counts(views: Views) -> str:
    scan = views.scan
    h, w = scan.frame_shape
    return f"{len(scan.included)} of {len(scan)} patterns of {h} x {w} take part"


def _geometry(views: Views) -> str:
    pixels = dict.fromkeys(f"{p * 1e9:.4g}" for p in views.scan.pixel_size_m)
    kind = "far field" if views.is_far else "near field"
    seen = "the lit part fits the view" if views.is_far else "shadows move as it says"
    more = "" if views.motion is None else f"; {seen}"
    return f"{kind}, object pixel {' x '.join(pixels)} nm{more}"


def _positions(views: Views) -> str:
    H, W = Canvas.of(views.scan).shape
    return f"median step {views.step:.3g} object pixels, object {H} x {W} pixels"


def _overlap(views: Views) -> str:
    known = "neighbouring views" if views.lit_px is None else "neighbouring lit parts"
    more = "; how much of them is lit is not known yet" if views.lit_px is None else ""
    return f"{known} overlap by {views.overlap:.0%}{more}"


def _frames(views: Views) -> str:
    sums = views.scan.pattern_sum[views.scan.included]
    share = sums / np.median(sums)
    return (
        f"no pattern stands out: {share.min():.2g} to {share.max():.2g} times the "
        "light of the median"
    )


def _centre(views: Views) -> str:
    y, x = centre_of_light(views.scan)
    return f"the centre of the light is {np.hypot(y, x):.2g} pixels off the middle"


def _values(views: Views) -> str:
    scan = views.scan
    return f"values are used as counts, up to {scan.largest_count:g}"


def _mask(views: Views) -> str:
    return f"{views.scan.good.mean():.2%} of the pixels are good"


_TOPICS = tuple(_topics())
