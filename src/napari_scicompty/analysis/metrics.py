"""Comparing reconstructions with a truth, or with each other.

Before comparing, what ptychography cannot see is removed: the complex scale between
object and probe, the common shift, and in far field a linear phase ramp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import optimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.snapshot import Snapshot

Pair = tuple[float, float]


class KnownTruth(Protocol):
    """What `compare` needs of a truth."""

    @property
    def object(self) -> NDArray[np.complex64]:
        """Transmission function (H, W)."""
        ...

    @property
    def probe(self) -> NDArray[np.complex64]:
        """Probe modes (modes, h, w)."""
        ...

    @property
    def origin_m(self) -> Pair:
        """Position of object pixel (0, 0)."""
        ...


@dataclass(frozen=True, eq=False)
class Alignment:
    """An estimate brought onto a reference, and what it took."""

    aligned: NDArray[np.complex64]
    """The estimate, shifted, ramped and scaled, shape (H, W)."""
    shift_px: Pair
    """Pixels (y, x) by which the estimate was moved."""
    ramp: Pair
    """Phase ramp (y, x) that was multiplied on, in cycles per pixel."""
    scale: complex
    """Factor that was multiplied on."""
    correlation: float
    """|C| on the lit region after alignment."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A snapshot judged against the truth."""

    correlation: float
    """|C| of the object on the lit region; report ``1 - correlation``: it saturates."""
    cosines: NDArray[np.float64]
    """Principal cosines between the spaces of the probe modes, largest first."""
    alignment: Alignment


def complex_correlation(
    estimate: NDArray[np.complexfloating],
    truth: NDArray[np.complexfloating],
    lit: NDArray[np.bool_] | None = None,
) -> float:
    """|sum conj(o) t| / sqrt(sum |o|^2 sum |t|^2) over the lit region.

    Parameters
    ----------
    estimate, truth : (H, W)
        Align them first.
    lit : (H, W), optional
        Where to look; everywhere when left out.
    """
    where = np.ones(truth.shape, bool) if lit is None else lit
    o, t = estimate[where].astype(complex), truth[where].astype(complex)
    norm = np.linalg.norm(o) * np.linalg.norm(t)
    return float(abs(np.vdot(o, t)) / norm) if norm > 0 else 0.0


def align(
    estimate: NDArray[np.complexfloating],
    truth: NDArray[np.complexfloating],
    lit: NDArray[np.bool_] | None = None,
    *,
    ramp: bool = True,
) -> Alignment:
    """Remove common shift (sub-pixel), linear phase ramp and complex scale.

    Parameters
    ----------
    estimate, truth : (H, W)
        On the same grid.
    lit : (H, W), optional
        Where to look; everywhere when left out.
    ramp : bool
        Whether a linear phase ramp is an ambiguity (it is in far field).
    """
    where = np.ones(truth.shape, bool) if lit is None else lit
    target = np.where(where, truth, 0).astype(complex)
    field = estimate.astype(complex)
    shift = _coarse_shift(np.where(where, field, 0), target)
    slope = _coarse_ramp(_moved(field, shift), target) if ramp else np.zeros(2)

    def loss(values: NDArray[np.float64]) -> float:
        moved = _moved(field, values[:2], values[2:] / 1e3 if ramp else None)
        return 1 - complex_correlation(moved, target, where)

    first = np.concatenate([shift, slope * 1e3])[: 4 if ramp else 2]
    best = optimize.minimize(
        loss,
        first,
        method="Nelder-Mead",
        options={
            "initial_simplex": first + 0.3 * np.vstack([0 * first, np.eye(len(first))]),
            "xatol": 2e-3,
            "fatol": 1e-8,
            "maxiter": 300,
        },
    )
    shift = best.x[:2]
    slope = best.x[2:] / 1e3 if ramp else np.zeros(2)
    moved = _moved(field, shift, slope)
    scale = np.vdot(moved[where], target[where]) / np.vdot(moved[where], moved[where])
    return Alignment(
        (moved * scale).astype(np.complex64),
        (float(shift[0]), float(shift[1])),
        (float(slope[0]), float(slope[1])),
        complex(scale),
        complex_correlation(moved, target, where),
    )


def principal_cosines(
    modes: NDArray[np.complexfloating], truth: NDArray[np.complexfloating]
) -> NDArray[np.float64]:
    """Cosines of the principal angles between two sets of modes, largest first.

    Incoherent modes are known only as a space: any unitary mixture fits as well.

    Parameters
    ----------
    modes, truth : (m, h, w)
    """
    ours = np.linalg.qr(modes.reshape(len(modes), -1).T.astype(complex))[0]
    theirs = np.linalg.qr(truth.reshape(len(truth), -1).T.astype(complex))[0]
    return np.asarray(np.linalg.svd(ours.conj().T @ theirs, compute_uv=False))


def compare(snapshot: Snapshot, truth: KnownTruth) -> Comparison:
    """Judge a snapshot against the truth of its virtual experiment."""
    offset = np.subtract(truth.origin_m, snapshot.origin_m) / snapshot.pixel_size_m
    target, known = _placed(truth.object, offset, snapshot.object.shape)
    ramp = snapshot.geometry.propagation == "far-field"
    found = align(snapshot.object, target, snapshot.lit & known, ramp=ramp)
    # The probe moves with the object, and its ramp is the opposite one.
    opposite = np.negative(found.ramp)
    probe = np.stack([_moved(p, found.shift_px, opposite) for p in snapshot.probe])
    return Comparison(found.correlation, principal_cosines(probe, truth.probe), found)


def _moved(
    field: NDArray[np.complexfloating],
    shift: NDArray[np.float64] | Pair,
    ramp: NDArray[np.float64] | Pair | None = None,
) -> NDArray[np.complex128]:
    """Shift by Fourier interpolation, then multiply a phase ramp (cycles per pixel)."""
    fy, fx = (np.fft.fftfreq(n) for n in field.shape)
    turn = fy[:, None] * shift[0] + fx[None, :] * shift[1]
    moved = np.fft.ifft2(np.fft.fft2(field) * np.exp(-2j * np.pi * turn))
    if ramp is None:
        return np.asarray(moved)
    y, x = (np.arange(n) - n // 2 for n in field.shape)
    return np.asarray(
        moved * np.exp(2j * np.pi * (y[:, None] * ramp[0] + x[None, :] * ramp[1]))
    )


def _coarse_shift(
    field: NDArray[np.complex128], target: NDArray[np.complex128]
) -> NDArray[np.float64]:
    """Whole-pixel shift from o(r + 1) conj(o(r)), to which a ramp is a constant."""
    score = np.zeros(field.shape)
    for axis in (0, 1):
        steps = [np.roll(f, -1, axis) * f.conj() for f in (field, target)]
        steps = [s - s[s != 0].mean() * (s != 0) for s in steps]
        cross = np.fft.ifft2(np.fft.fft2(steps[1]) * np.fft.fft2(steps[0]).conj())
        score += np.abs(cross)
    peak = np.array(np.unravel_index(np.argmax(score), score.shape), float)
    size = np.array(field.shape)
    return np.where(peak > size / 2, peak - size, peak)


def _coarse_ramp(
    field: NDArray[np.complex128], target: NDArray[np.complex128]
) -> NDArray[np.float64]:
    """Phase ramp in cycles per pixel: the peak of the quotient's spectrum."""
    size = tuple(4 * n for n in field.shape)
    spectrum = np.abs(np.fft.fft2(field.conj() * target, size))
    peak = np.array(np.unravel_index(np.argmax(spectrum), size), float)
    return np.where(peak > np.array(size) / 2, peak - size, peak) / size


def _placed(
    field: NDArray[np.complex64], offset: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[np.complex64], NDArray[np.bool_]]:
    """Put a field on a canvas at a whole-pixel offset; also say where it is known."""
    out, known = np.ones(shape, np.complex64), np.zeros(shape, bool)
    start = np.round(offset).astype(int)
    to = [
        slice(max(0, s), min(n, s + m))
        for s, n, m in zip(start, shape, field.shape, strict=True)
    ]
    of = [slice(t.start - s, t.stop - s) for t, s in zip(to, start, strict=True)]
    out[to[0], to[1]] = field[of[0], of[1]]
    known[to[0], to[1]] = True
    return out, known
