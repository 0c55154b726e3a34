"""A snapshot judged against the truth of its virtual experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_scicompty.analysis.alignment import Alignment, Pair, align, shifted
from napari_scicompty.analysis.illumination import principal_cosines
from napari_scicompty.analysis.positions import PositionError, position_error
from napari_scicompty.analysis.ring_correlation import (
    FourierRingCorrelation,
    fourier_ring_correlation,
)
from napari_scicompty.analysis.similarity import Similarity, ssim
from napari_scicompty.core.errors import InputError
from napari_scicompty.data.canvas import same_pixel
from napari_scicompty.data.snapshot import Snapshot

if TYPE_CHECKING:
    from typing import TypeVar

    Scalar = TypeVar("Scalar", bound=np.generic)
    from numpy.typing import NDArray

SAME = 1e-3
"""Pixels: positions that agree to this are the same."""


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
    def positions_m(self) -> NDArray[np.float64]:
        """True positions (n, 2)."""
        ...

    @property
    def origin_m(self) -> Pair:
        """Position of object pixel (0, 0)."""
        ...


@dataclass(frozen=True, eq=False)
class Comparison:
    """A snapshot judged against the truth."""

    correlation: float
    """|C| of the object on the lit region; report ``1 - correlation``: it saturates."""
    ssim: Similarity
    """Structural similarity of magnitude and phase on the lit region."""
    cosines: NDArray[np.float64]
    """Principal cosines between the spaces of the probe modes, largest first."""
    positions: PositionError | None
    """After removing an affine map; None where the positions are the true ones."""
    alignment: Alignment
    """The object brought onto the true one, and what that took."""
    target: NDArray[np.complex64]
    """The true object on the snapshot's canvas, shape (H, W)."""
    pixel_size_m: Pair
    """Object pixel (y, x)."""

    def ring_correlation(self) -> FourierRingCorrelation:
        """Correlate the object with the truth ring by ring.

        The thresholds are those against a truth, for the whole data.

        Returns
        -------
        FourierRingCorrelation
            Frequencies in cycles per metre.
        """
        found = self.alignment
        return fourier_ring_correlation(
            self.target,
            found.aligned,
            self.pixel_size_m,
            found.lit,
            against_truth=True,
        )

    def to_dict(self) -> dict[str, object]:
        """Return the judgement as plain numbers, for JSON."""
        found = self.alignment
        judged: dict[str, object] = {
            "one_minus_C": 1 - self.correlation,
            "ssim_magnitude": self.ssim.magnitude,
            "ssim_phase": self.ssim.phase,
            "principal_cosines": self.cosines.tolist(),
            "shift_px": list(found.shift_px),
            "ramp": list(found.ramp),
            "scale": [found.scale.real, found.scale.imag],
            "magnification": found.magnification,
        }
        if self.positions is not None:
            error, by = self.positions, self.positions.map
            judged["positions"] = {
                "mean_m": error.mean_m,
                "median_m": error.median_m,
                "max_m": error.max_m,
                "shift_m": list(by.shift_m),
                "scale": list(by.scale),
                "rotation_rad": by.rotation_rad,
                "shear": by.shear,
            }
        return judged


def compare(snapshot: Snapshot, truth: KnownTruth) -> Comparison:
    """Judge a snapshot against the truth of its virtual experiment.

    In near field positions / m, distance / m and the object O(m x) give the same data:
    if the positions were refined, a magnification is fitted too, beginning with that
    of their map.

    Parameters
    ----------
    snapshot : Snapshot
        The result to be judged.
    truth : KnownTruth
        Of the same virtual scan.

    Returns
    -------
    Comparison
        What is left after the ambiguities are removed.

    Raises
    ------
    InputError
        Arguments that are no snapshot and no truth, or a truth of another scan.
    """
    _check_kinds(snapshot, truth)
    ours = (len(snapshot.positions_m), *snapshot.probe.shape[-2:])
    theirs = (len(truth.positions_m), *truth.probe.shape[-2:])
    if ours != theirs:
        raise InputError(
            f"compare: the result has {ours[0]} positions and views of {ours[1]} x "
            f"{ours[2]} pixels, the truth {theirs[0]} and {theirs[1]} x {theirs[2]}; "
            "give the truth of the scan that the result was made from"
        )
    offset = np.subtract(truth.origin_m, snapshot.origin_m) / snapshot.pixel_size_m
    target, known = placed(truth.object, offset, snapshot.object.shape)
    positions = _position_error(snapshot, truth)
    near = snapshot.geometry.propagation == "near-field"
    magnification = None
    if near and positions is not None and _refined(snapshot):
        magnification = 1 / positions.map.magnification
    found = align(
        snapshot.object,
        target,
        snapshot.lit & known,
        magnification=magnification,
    )
    # The probe moves with the object, and its ramp is the opposite one.
    opposite = np.negative(found.ramp)
    probe = np.stack([shifted(p, found.shift_px, opposite) for p in snapshot.probe])
    return Comparison(
        found.correlation,
        ssim(found.aligned, target, found.lit),
        principal_cosines(probe, truth.probe),
        positions,
        found,
        target,
        snapshot.pixel_size_m,
    )


def agreement(first: Snapshot, second: Snapshot) -> FourierRingCorrelation:
    """Correlate the objects of two results ring by ring, where both are lit.

    The thresholds are those of two halves of the data.

    Parameters
    ----------
    first, second : Snapshot
        Results with the same object pixel, such as those of two half scans.

    Returns
    -------
    FourierRingCorrelation
        Frequencies in cycles per metre.

    Raises
    ------
    InputError
        No snapshots, object pixels of different size, or no common region.
    """
    for name, given in (("first", first), ("second", second)):
        if not isinstance(given, Snapshot):
            raise InputError(
                f"agreement: {name} is a {type(given).__name__}; give two Snapshots, "
                "such as open_result returns"
            )
        if not np.isfinite(given.object).all():
            raise InputError(
                f"agreement: the object of the {name} result is not finite everywhere; "
                "take an earlier state of it"
            )
    if not same_pixel(first.pixel_size_m, second.pixel_size_m):
        raise InputError(
            f"the object pixels differ ({first.pixel_size_m[0]:.4g} m and "
            f"{second.pixel_size_m[0]:.4g} m); compare results of one geometry"
        )
    offset = np.subtract(second.origin_m, first.origin_m) / first.pixel_size_m
    other, _ = placed(second.object, offset, first.object.shape)
    lit, known = placed(second.lit, offset, first.object.shape)
    return fourier_ring_correlation(
        first.object,
        other,
        first.pixel_size_m,
        first.lit & lit & known,
    )


def _check_kinds(snapshot: object, truth: object) -> None:
    """Refuse what is likely to be mistaken for a result and its truth."""
    if not isinstance(snapshot, Snapshot):
        swapped = "the result first, then its truth: compare(snapshot, truth)"
        usual = "a Snapshot, such as reconstruct yields or open_result returns"
        raise InputError(
            f"compare: snapshot is a {type(snapshot).__name__}; give "
            f"{swapped if isinstance(truth, Snapshot) else usual}"
        )
    if isinstance(truth, Snapshot):
        raise InputError(
            "compare: truth is a Snapshot; give the Truth that simulate or open_truth "
            "returns, or compare two results by metrics.agreement"
        )
    parts = ("object", "probe", "positions_m", "origin_m")
    if not all(hasattr(truth, name) for name in parts):
        raise InputError(
            f"compare: truth is a {type(truth).__name__}; give the Truth that simulate "
            "returns beside the scan, or open_truth"
        )


def placed(
    field: NDArray[Scalar], offset: NDArray[np.float64], shape: tuple[int, ...]
) -> tuple[NDArray[Scalar], NDArray[np.bool_]]:
    """Put a field on a canvas of ones, to the whole pixel; say where it is known.

    Parameters
    ----------
    field : array (h, w)
        What to put there.
    offset : array (2,)
        Its top-left corner on the canvas, (y, x) in pixels; rounded.
    shape : (H, W)
        Pixels of the canvas.

    Returns
    -------
    array (H, W)
        The canvas, 1 outside the field.
    array (H, W) bool
        Where the field lies.
    """
    out, known = np.ones(shape, field.dtype), np.zeros(shape, bool)
    start = np.round(offset).astype(int)
    to = [
        slice(max(0, s), max(0, min(n, s + m)))
        for s, n, m in zip(start, shape, field.shape, strict=True)
    ]
    of = [slice(t.start - s, t.stop - s) for t, s in zip(to, start, strict=True)]
    out[to[0], to[1]] = field[of[0], of[1]]
    known[to[0], to[1]] = True
    return out, known


def _position_error(snapshot: Snapshot, truth: KnownTruth) -> PositionError | None:
    found, true = snapshot.positions_m, truth.positions_m
    if len(found) == len(true) and np.allclose(
        found / snapshot.pixel_size_m, true / snapshot.pixel_size_m, rtol=0, atol=SAME
    ):
        return None
    return position_error(found, true)


def _refined(snapshot: Snapshot) -> bool:
    nominal = snapshot.nominal_positions_m
    if nominal is None:
        return False
    moved = (snapshot.positions_m - nominal) / snapshot.pixel_size_m
    return bool(np.abs(moved).max() > SAME)
