"""Where the focus of a cone beam lies, as the phase of the reconstructed probe says.

Behind a point source at the distance fs the reconstruction works with an equivalent
parallel beam (Fresnel scaling), and takes the wave's curvature out of the probe. When
the geometry was told fs', what is left is a quadratic phase ::

    P(r) = A(r) exp(i pi r^2 / lambda (1/fs - 1/fs')),

and with a free probe the patterns fit as well: fs is a gauge. In far field the probe
carries the whole phase, 1/fs' is zero.

The curvature is found from the slope of the phase's gradient: neighbouring pixels of
the mutual intensity J(r + d, r) = sum_p P_p(r + d) P_p*(r), which does not depend on
how the modes are mixed, turn by 2 pi kappa r d / lambda. It is the curvature of
ISO 11146, the one whose removal leaves the narrowest spectrum: of a beam with
astigmatism the mean of both foci, not one of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.data.snapshot import Snapshot

SIGNIFICANT = 3.0
"""Standard errors by which a wavefront must differ from a flat one to have a focus."""

_BLOCKS = 8
"""Blocks along each side of the view whose scatter gives the uncertainty."""
_PADDING = 16
"""Zero padding of the coarse search for a slope: a sixteenth of a fringe."""
_MOST_STEPS = 50


@dataclass(frozen=True)
class ProbeFocus:
    """Curvature of the probe's wavefront, and the focus that it comes from."""

    told_m: float | None
    """Focus to sample of the geometry; None for a flat wave."""
    curvature_per_m: float
    """1/fs of the wave on the sample, both axes together; > 0 diverges."""
    uncertainty_per_m: float
    """Standard error of the curvature, from the scatter over the beam."""
    curvatures_per_m: tuple[float, float]
    """1/fs along (y, x) alone; they differ in an astigmatic beam."""
    residual_per_m: tuple[float, float]
    """1/fs - 1/fs' along (y, x): what the reconstructed probe carries itself."""

    @property
    def focus_sample_m(self) -> float | None:
        """Focus to sample, > 0 upstream; None where the wave is as good as flat."""
        if abs(self.curvature_per_m) <= SIGNIFICANT * self.uncertainty_per_m:
            return None
        return 1 / self.curvature_per_m

    @property
    def uncertainty_m(self) -> float:
        """Standard error of the distance to first order; infinite without a focus."""
        focus = self.focus_sample_m
        return math.inf if focus is None else self.uncertainty_per_m * focus**2

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        focus = self.focus_sample_m
        if focus is None:
            nearest = 1e3 / (
                abs(self.curvature_per_m) + SIGNIFICANT * self.uncertainty_per_m
            )
            return (
                f"the probe's wavefront is flat: no focus within {nearest:.3g} mm of "
                "the sample"
            )
        y, x = (1e3 / curvature for curvature in self.curvatures_per_m)
        text = (
            "the probe's curvature says focus-sample "
            f"{_rounded(focus * 1e3, self.uncertainty_m * 1e3)} mm ({y:.4g} along y, "
            f"{x:.4g} along x)"
        )
        if self.told_m is None:
            return text
        off = 100 * (focus / self.told_m - 1)
        return f"{text}; given were {self.told_m * 1e3:.4g} mm, {off:+.1f} %"


def probe_is_found(snapshot: Snapshot) -> bool:
    """Whether patterns have formed the probe since it was begun or brought elsewhere.

    Before, its phase is what it was told.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.
    """
    return snapshot.epoch > 0 and math.isfinite(snapshot.error)


def probe_focus(snapshot: Snapshot) -> ProbeFocus:
    """Find the focus of the beam from the phase of the reconstructed probe.

    Aberrations that are no curvature leave it as it is on average; their scatter over
    64 blocks of the view is its uncertainty. What the reconstruction itself does wrong,
    far from convergence or far from the true focus, is not in that.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.

    Returns
    -------
    ProbeFocus
        Curvature of the probe with its uncertainty, in 1/m, and what was told.

    Raises
    ------
    InputError
        A probe without light.
    """
    slopes = [_slope(snapshot.probe, axis) for axis in (0, 1)]
    geometry = snapshot.geometry
    near = geometry.propagation == "near-field"
    told = geometry.focus_sample_m
    removed = 1 / told if near and told is not None else 0.0
    # A slope is in radian per pixel and pixel: 2 pi kappa pixel^2 / lambda.
    units = [
        geometry.wavelength_m / (2 * math.pi * pixel**2)
        for pixel in snapshot.pixel_size_m
    ]
    y, x = (unit * slope.value for unit, slope in zip(units, slopes, strict=True))
    # Least squares over both axes: each by its second moment in square metres.
    moments = [
        slope.moment * pixel**2
        for slope, pixel in zip(slopes, snapshot.pixel_size_m, strict=True)
    ]
    total = sum(moments)
    weights = [moment / total for moment in moments]
    scatter = sum(
        weight * unit * slope.blocks
        for weight, unit, slope in zip(weights, units, slopes, strict=True)
    )
    return ProbeFocus(
        told_m=told,
        curvature_per_m=removed + weights[0] * y + weights[1] * x,
        uncertainty_per_m=float(np.sqrt(np.square(scatter).sum())),
        curvatures_per_m=(removed + y, removed + x),
        residual_per_m=(y, x),
    )


def refined_focus(snapshot: Snapshot) -> str:
    """Say how far refining the focus has bent the probe; empty where it was not.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.

    Returns
    -------
    str
        One sentence, or nothing.
    """
    refined = snapshot.history.refined
    bends = [item.change for item in refined if item.quantity == "focus"]
    if not bends:
        return ""
    return (
        f"refining has bent the probe by {sum(bends):+.4g} / m in {len(bends)} epochs, "
        f"by {bends[-1]:+.2g} / m in the last"
    )


class _Slope(NamedTuple):
    """Slope of the phase's gradient along one axis."""

    value: float
    """Radian per pixel and pixel."""
    moment: float
    """Sum of weight times square pixels from the centre: how well it is known."""
    blocks: NDArray[np.float64]
    """What the residuals of each block add to the slope, shape (blocks,)."""


def _slope(probe: NDArray[np.complex64], axis: int) -> _Slope:
    """Fit a line to the phase of J(r + 1 pixel, r) along an axis, weighted by |J|.

    The start is the highest peak of its spectrum, which no wrapped phase can fool; then
    the residuals, which wrap no more, are fitted by least squares.
    """
    modes = np.moveaxis(probe.astype(np.complex128), axis + 1, 1)
    turn = (modes[:, 1:] * modes[:, :-1].conj()).sum(0)
    weight = np.abs(turn)
    if not weight.any():
        raise InputError("the probe holds no light, and its focus cannot be found")
    place = np.arange(len(turn))[:, None] - (
        (weight.sum(1) * np.arange(len(turn))).sum() / weight.sum()
    )
    length = _PADDING * len(turn)
    peak = np.abs(np.fft.fft(turn.sum(1), length)).argmax()
    value = 2 * math.pi * float(np.fft.fftfreq(length)[peak])
    moment = float((weight * place**2).sum())
    for _ in range(_MOST_STEPS):
        left = turn * np.exp(-1j * value * place)
        left *= np.exp(-1j * np.angle(left.sum()))
        pull = weight * np.angle(left) * place
        step = float(pull.sum()) / moment
        value += step
        if abs(step) < 1e-9:
            break
    rows, columns = (np.arange(n) * _BLOCKS // n for n in turn.shape)
    block = rows[:, None] * _BLOCKS + columns
    if axis == 1:  # the same block of the view, whichever axis came first
        block = columns * _BLOCKS + rows[:, None]
    blocks = np.bincount(block.ravel(), pull.ravel(), _BLOCKS**2) / moment
    return _Slope(value, moment, blocks)


def _rounded(value: float, error: float) -> str:
    """Write value and error with two digits of the error."""
    digits = max(0, 1 - math.floor(math.log10(error))) if error > 0 else 6
    return f"{value:.{digits}f} ± {error:.{digits}f}"
