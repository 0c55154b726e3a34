"""Fourier ring correlation: up to which detail two pictures say the same.

``FRC(f) = Re sum A conj(B) / sqrt(sum |A|^2 sum |B|^2)``, the sums running over the
Fourier pixels of the ring at f (Saxton & Baumeister, J. Microsc. 127, 127 (1982)).

Thresholds are those of van Heel & Schatz, J. Struct. Biol. 151, 250 (2005). With S the
ratio of signal to noise power in each half and n the Fourier pixels of a ring,

    T = (S + 2 sqrt(S) / sqrt(n) + 1 / sqrt(n)) / (S + 2 sqrt(S) / sqrt(n) + 1).

A pixel of the whole data carries log2(1 + 2 S) bits, since both halves together have
twice the S of one: S = 1/2 for one bit, S = (sqrt(2) - 1) / 2 = 0.2071 for half a bit.

Between the whole data and a truth without noise the correlation is another one, because
only one of the two has noise, and half as much: sqrt(2 S / (1 + 2 S)) where two halves
have S / (1 + S). A threshold T of the halves thus asks for the same S as

    T_truth = sqrt(2 T / (1 + T))

does against a truth: in a large ring 0.707 instead of 0.333 for one bit, 0.541 instead
of 0.172 for half a bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_scicompty.analysis._rings import (
    averaged,
    independent_share,
    rings,
    soft_window,
    windowed_spectrum,
)
from napari_scicompty.analysis.alignment import align

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]
    Mask = NDArray[np.bool_]

BITS = {"half_bit": (np.sqrt(2) - 1) / 2, "one_bit": 0.5}
"""Name of a threshold -> ratio S of signal to noise power in each half."""

FEWEST = 8.0
"""Independent Fourier pixels without which a ring says nothing."""


@dataclass(frozen=True)
class Crossing:
    """Where a ring correlation falls below a threshold."""

    frequency: float | None
    """In 1/m; None where it stays above up to Nyquist, 0 where it never is."""
    pixel_m: float
    """Object pixel: nothing is claimed beyond it."""

    @property
    def half_period_m(self) -> float | None:
        """Half period in metres: width of the finest line that is resolved."""
        period = self.period_m
        return None if period is None else period / 2

    @property
    def period_m(self) -> float | None:
        """Full period in metres; None where it is below two pixels."""
        if self.frequency is None:
            return None
        return 1 / self.frequency if self.frequency > 0 else float("inf")

    def __str__(self) -> str:
        """Return the half period as text."""
        half = self.half_period_m
        if half is None:
            return f"below the pixel ({self.pixel_m * 1e9:.3g} nm)"
        return f"{half * 1e9:.3g} nm" if np.isfinite(half) else "nothing resolved"


@dataclass(frozen=True, eq=False)
class FourierRingCorrelation:
    """A ring correlation with its thresholds; all arrays (rings,)."""

    frequency: Real
    """Of each ring, in 1/m, up to Nyquist."""
    correlation: Real
    """Of the two objects in each ring, -1 to 1."""
    half_bit: Real
    """Threshold at half a bit of information a pixel."""
    one_bit: Real
    """Threshold at one bit."""
    pixels: Real
    """Independent Fourier pixels of each ring."""
    pixel_m: float
    """Object pixel, the coarser side."""
    against_truth: bool = False
    """Whether one of the two was a truth without noise."""

    @property
    def half_bit_crossing(self) -> Crossing:
        """Where the correlation falls below half a bit."""
        return self._crossing(self.half_bit)

    @property
    def one_bit_crossing(self) -> Crossing:
        """Where the correlation falls below one bit: the stricter one."""
        return self._crossing(self.one_bit)

    @property
    def resolved(self) -> str:
        """The crossings in words: ``half-bit 52 nm, 1-bit 57 nm (half period)``."""
        half, one = self.half_bit_crossing, self.one_bit_crossing
        if half.frequency == 0:
            return str(half)
        if one.frequency == 0:
            return f"half-bit {half} (half period), 1-bit {one}"
        return f"half-bit {half}, 1-bit {one} (half period)"

    @property
    def whole_data(self) -> Real:
        """2 FRC / (1 + FRC): estimate for two scans of the whole data, from halves.

        Rosenthal & Henderson, J. Mol. Biol. 333, 721 (2003). It holds where the noise
        of the halves is independent and averages out; nothing was measured twice.
        """
        above = np.maximum(self.correlation, 0)
        return np.asarray(2 * above / (1 + above))

    def to_dict(self) -> dict[str, object]:
        """Return plain numbers, for JSON."""
        rows = ("frequency", "correlation", "half_bit", "one_bit", "pixels")
        crossings = {
            f"{name}_half_period_m": _finite(crossing.half_period_m)
            for name, crossing in (
                ("half_bit", self.half_bit_crossing),
                ("one_bit", self.one_bit_crossing),
            )
        }
        curves = {name: getattr(self, name).tolist() for name in rows}
        return {
            **crossings,
            "pixel_m": self.pixel_m,
            "against_truth": self.against_truth,
            **curves,
        }

    def _crossing(self, threshold: Real) -> Crossing:
        """Interpolate where the mean over neighbouring rings first falls below.

        Of many rings that scatter, the first one to be below would come too early.
        """
        excess = averaged(self.correlation - threshold, self.pixels)
        usable = np.flatnonzero(self.pixels >= FEWEST)
        below = usable[excess[usable] < 0]
        if not len(usable) or not len(below):
            return Crossing(None, self.pixel_m)
        last = int(below[0])
        if last == usable[0]:
            return Crossing(0.0, self.pixel_m)
        share = excess[last - 1] / (excess[last - 1] - excess[last])
        f = self.frequency
        at = f[last - 1] + share * (f[last] - f[last - 1])
        return Crossing(float(at), self.pixel_m)


def fourier_ring_correlation(
    a: NDArray[np.complexfloating],
    b: NDArray[np.complexfloating],
    pixel_size_m: float | tuple[float, float],
    lit: Mask | None = None,
    *,
    ramp: bool = True,
    against_truth: bool = False,
) -> FourierRingCorrelation:
    """Correlate two objects ring by ring, after bringing `b` onto `a`.

    Shift, phase ramp and complex scale are removed by `align`; the mean is taken off,
    and a window that rises from zero at the rim of the lit region keeps its shape from
    being taken for common detail. The window makes neighbouring Fourier pixels depend
    on each other, and n counts those that do not.

    Parameters
    ----------
    a, b : (H, W)
        Objects on the same grid; `a` may be the truth.
    pixel_size_m : float or (y, x)
        Object pixel.
    lit : (H, W), optional
        Where both are trusted; everywhere when left out.
    ramp : bool
        Whether a phase ramp is an ambiguity (where the probe is free).
    against_truth : bool
        One of the two is free of noise, and the thresholds are those of the whole data.

    Returns
    -------
    FourierRingCorrelation
        Correlation and thresholds by ring, frequencies in cycles per metre.

    Raises
    ------
    InputError
        Shapes that differ, or a region lit in both that is too small.
    """
    pixel = np.broadcast_to(np.asarray(pixel_size_m, float), 2)
    found = align(b, a, lit, ramp=ramp)
    window = soft_window(found.lit)
    where = np.ones(a.shape, int) if lit is None else lit.astype(int)
    box = ndimage.find_objects(where)[0]
    weight = window[box]
    spectra = [windowed_spectrum(f[box], weight) for f in (a, found.aligned)]
    ring, frequency = rings(weight.shape, pixel)
    cross, power_a, power_b, count = (
        np.bincount(ring.ravel(), values.ravel(), len(frequency) + 1)[:-1]
        for values in (
            (spectra[0] * spectra[1].conj()).real,
            np.abs(spectra[0]) ** 2,
            np.abs(spectra[1]) ** 2,
            np.ones(weight.shape),
        )
    )
    pixels: Real = count.astype(float) * independent_share(weight)
    norm = np.sqrt(power_a * power_b)
    return FourierRingCorrelation(
        frequency,
        np.divide(cross, norm, out=np.zeros_like(cross), where=norm > 0),
        _threshold("half_bit", pixels, against_truth),
        _threshold("one_bit", pixels, against_truth),
        pixels,
        float(pixel.max()),
        against_truth,
    )


def _threshold(name: str, pixels: Real, against_truth: bool) -> Real:
    """Return the threshold of each ring, see the top of this file."""
    few = 1 / np.sqrt(np.maximum(pixels, 1))
    s = BITS[name]
    common = s + 2 * np.sqrt(s) * few
    threshold = (common + few) / (common + 1)
    if against_truth:
        threshold = np.sqrt(2 * threshold / (1 + threshold))
    return np.asarray(threshold)


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
