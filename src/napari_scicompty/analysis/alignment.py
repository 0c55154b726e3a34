"""Bringing an estimate onto a reference: what ptychography cannot see is removed.

That is the complex scale between object and probe, the common shift, a linear phase
ramp (the probe takes the opposite one, and each exit wave is the same but for a
constant phase), and, where positions were refined in near field, a magnification.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from napari_scicompty.analysis._pose import MARGIN, RIM, Mover, Pose, phase_turn
from napari_scicompty.core.errors import InputError
from napari_scicompty.optics.grids import from_zero

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.complexfloating]
    Mask = NDArray[np.bool_]
    Complex = NDArray[np.complex128]
    Real = NDArray[np.float64]

Pair = tuple[float, float]

LONGEST = 2.0
"""Pixels that one step may go; whole pixels were found before."""

STEPS = 40
"""At most this many Gauss-Newton steps; five are usual."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """An estimate brought onto a reference, and what it took."""

    aligned: NDArray[np.complex64]
    """The estimate, shifted, ramped and scaled, shape (H, W); outside its lit region
    it is a smooth continuation and no data."""
    lit: NDArray[np.bool_]
    """Where both are trusted after the shift, shape (H, W)."""
    shift_px: Pair
    """Pixels (y, x) by which the estimate was moved."""
    ramp: Pair
    """Phase ramp (y, x) that was multiplied on, in cycles per pixel."""
    scale: complex
    """Factor that was multiplied on."""
    correlation: float
    """|C| over `lit` after alignment."""
    magnification: float = 1.0
    """Factor by which the estimate was enlarged about its middle, before the shift."""


def complex_correlation(
    estimate: Field, truth: Field, lit: Mask | None = None
) -> float:
    """|sum conj(o) t| / sqrt(sum |o|^2 sum |t|^2) over the lit region.

    Parameters
    ----------
    estimate, truth : (H, W)
        Align them first.
    lit : (H, W), optional
        Where to look; everywhere when left out.

    Returns
    -------
    float
        0 to 1; 1 where the two differ by a complex factor alone.
    """
    where = np.ones(truth.shape, bool) if lit is None else lit
    o, t = estimate[where].astype(complex), truth[where].astype(complex)
    norm = np.linalg.norm(o) * np.linalg.norm(t)
    return float(abs(np.vdot(o, t)) / norm) if norm > 0 else 0.0


def align(
    estimate: Field,
    truth: Field,
    lit: Mask | None = None,
    *,
    ramp: bool = True,
    magnification: float | None = None,
) -> Alignment:
    """Remove common shift (sub-pixel), linear phase ramp and complex scale.

    Whole pixels come from cross-correlation, the rest from Gauss-Newton steps on
    ``sum_lit |t - c exp(2 pi i r.x) o(x - s)|^2``. What lies outside the lit region is
    replaced by a continuation of it first, so that no noise from there is carried in
    by the Fourier shift.

    Parameters
    ----------
    estimate, truth : (H, W)
        On the same grid.
    lit : (H, W), optional
        Where both are trusted before the shift; everywhere when left out.
    ramp : bool
        Whether a linear phase ramp is an ambiguity (it is where the probe is free).
    magnification : float, optional
        Also fit a magnification of the estimate about the middle of the grid, beginning
        with this one; 1, or one over the scale of refined positions.

    Returns
    -------
    Alignment
        The aligned estimate, and what was removed.

    Raises
    ------
    InputError
        Shapes that differ, or nothing lit in both.
    """
    where = np.ones(truth.shape, bool) if lit is None else np.asarray(lit, bool)
    if not estimate.shape == truth.shape == where.shape:
        raise InputError(
            f"align: the estimate has shape {estimate.shape}, the truth {truth.shape} "
            f"and lit {where.shape}; put them on the same grid"
        )
    if not ndimage.binary_erosion(where, iterations=RIM + 1).any():
        raise InputError(
            "align: next to nothing is lit in both; check that they show the same "
            "region"
        )
    mover = Mover(estimate, where)
    target = np.pad(np.where(where, truth, 0).astype(complex), MARGIN)
    first = Pose(np.zeros(2), np.zeros(2), magnification or 1.0)
    first = _coarse(mover, target, first, ramp=ramp)
    pose = _refined(mover, target, first, ramp=ramp, magnify=magnification is not None)
    both = mover.trusted(pose)
    if not both.any():
        raise InputError(
            f"align: nothing overlaps after a shift of {pose.shift.round(1)} pixels; "
            "check that both show the same region"
        )
    moved = mover.moved(pose)[0]
    scale = np.vdot(moved[both], target[both]) / np.vdot(moved[both], moved[both])
    inner = (slice(MARGIN, -MARGIN),) * 2
    return Alignment(
        (moved * scale)[inner].astype(np.complex64),
        both[inner],
        (float(pose.shift[0]), float(pose.shift[1])),
        (float(pose.ramp[0]), float(pose.ramp[1])),
        complex(scale),
        complex_correlation(moved, target, both),
        pose.magnification,
    )


def shifted(field: Field, shift: Pair | Real, ramp: Pair | Real = (0, 0)) -> Complex:
    """Shift by Fourier interpolation, then multiply a phase ramp (cycles per pixel).

    The ramp is zero at pixel (H // 2, W // 2); the field counts as periodic.

    Parameters
    ----------
    field : array (H, W) complex
        The field.
    shift : (float, float)
        Pixels (y, x); positive moves content to larger indices.
    ramp : (float, float)
        Cycles per pixel (y, x).

    Returns
    -------
    array (H, W) complex128
        The moved field times the ramp.
    """
    fy, fx = (fft.fftfreq(n) for n in field.shape)
    turn = phase_turn(fy, fx, np.negative(shift))
    y, x = map(from_zero, field.shape)
    return np.asarray(fft.ifft2(fft.fft2(field) * turn) * phase_turn(y, x, ramp))


# -- whole pixels ---------------------------------------------------------------------
def _coarse(mover: Mover, target: Complex, first: Pose, *, ramp: bool) -> Pose:
    """Best of several whole-pixel shifts, each with its own best ramp."""
    field = np.where(mover.lit, mover.moved(first)[0], 0)
    candidates = {
        (0, 0),
        _peak(_correlated(field, target, mover.lit)),
        _peak(_correlated_steps(field, target, mover.lit)),
    }
    poses = []
    for shift in candidates:
        quotient = np.roll(field, shift, (0, 1)).conj() * target
        slope, score = _coarse_ramp(quotient) if ramp else (np.zeros(2), None)
        # Of what overlaps, or a shift that leaves little over would win by chance.
        both = quotient != 0
        power = (np.abs(np.roll(field, shift, (0, 1))[both]) ** 2).sum()
        power *= (np.abs(target[both]) ** 2).sum()
        score = abs(quotient.sum()) if score is None else score
        share = both.sum() / mover.lit.sum()
        quality = score / np.sqrt(power) if share > 0.25 else 0.0
        poses.append(
            (quality, replace(first, shift=np.array(shift, float), ramp=slope))
        )
    return max(poses, key=lambda pair: pair[0])[1]


def _correlated(field: Complex, target: Complex, lit: Mask) -> Real:
    """Cross-correlation of what differs from the mean over the lit region."""
    a, b = (np.where(lit, f - f[lit].mean(), 0) for f in (field, target))
    return np.abs(fft.ifft2(fft.fft2(b) * fft.fft2(a).conj()))


def _correlated_steps(field: Complex, target: Complex, lit: Mask) -> Real:
    """Cross-correlation of o(r + 1) conj(o(r)), to which a ramp is a constant."""
    score = np.zeros(field.shape)
    for axis in (0, 1):
        inside = lit & np.roll(lit, -1, axis)
        steps = [np.roll(f, -1, axis) * f.conj() for f in (field, target)]
        score += _correlated(steps[0], steps[1], inside) if inside.any() else 0
    return score


def _peak(score: Real) -> tuple[int, int]:
    """Where the largest value lies, negative beyond the middle."""
    size = np.array(score.shape)
    peak = np.array(np.unravel_index(np.argmax(score), score.shape))
    y, x = np.where(peak > size // 2, peak - size, peak)
    return int(y), int(x)


def _coarse_ramp(quotient: Complex) -> tuple[Real, float]:
    """Phase ramp in cycles per pixel: the peak of the quotient's spectrum."""
    size = [fft.next_fast_len(2 * n) for n in quotient.shape]
    spectrum = np.abs(fft.fft2(quotient, size))
    return np.array(_peak(spectrum)) / size, float(spectrum.max())


# -- fractions ------------------------------------------------------------------------
def _refined(
    mover: Mover, target: Complex, pose: Pose, *, ramp: bool, magnify: bool
) -> Pose:
    """Gauss-Newton steps on all that is free; halved where they go too far."""
    where = mover.trusted(pose)
    free = np.array([True, True, ramp, ramp, magnify])
    fields = mover.moved(pose, slopes=True)
    loss = 1 - complex_correlation(fields[0], target, where)
    for _ in range(STEPS):
        step = np.zeros(5)
        step[free] = _step(mover, target, where, fields, pose, free)
        step /= max(1.0, np.abs(step[:2]).max() / LONGEST)
        for _halving in range(6):
            tried = Pose(
                pose.shift + step[:2],
                pose.ramp + step[2:4],
                pose.magnification * float(np.exp(step[4])),
            )
            fields_tried = mover.moved(tried, slopes=True)
            loss_tried = 1 - complex_correlation(fields_tried[0], target, where)
            if loss_tried <= loss:
                break
            step /= 2
        else:
            return pose
        gained, pose, fields, loss = loss - loss_tried, tried, fields_tried, loss_tried
        if np.abs(step[:2]).max() < 1e-4 and gained < 1e-9:
            break
    return pose


def _step(
    mover: Mover,
    target: Complex,
    where: Mask,
    fields: list[Complex],
    pose: Pose,
    free: Mask,
) -> Real:
    """Solve the normal equations of the linearised difference from the target."""
    o, slope_y, slope_x = (f[where] for f in fields)
    y, x = (np.broadcast_to(a, where.shape)[where] for a in (mover.y, mover.x))
    goal = target[where]
    scale = np.vdot(o, goal) / np.vdot(o, o)
    enlarged = -(y - pose.shift[0]) * slope_y - (x - pose.shift[1]) * slope_x
    columns = [-slope_y, -slope_x, 2j * np.pi * y * o, 2j * np.pi * x * o, enlarged]
    chosen = [c for c, wanted in zip(columns, free, strict=True) if wanted]
    basis = scale * np.stack([*chosen, o, 1j * o])
    size = np.sqrt((np.abs(basis) ** 2).sum(1))
    # An even object does not say where it is: nothing is made of its slopes of 1e-15.
    size = np.maximum(size, 1e-6 * size[-1] + 1e-30)
    basis /= size[:, None]
    normal = (basis.conj() @ basis.T).real
    found = np.linalg.lstsq(
        normal, (basis.conj() @ (goal - scale * o)).real, rcond=1e-10
    )[0]
    return np.asarray((found / size)[: len(chosen)])
