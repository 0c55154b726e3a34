"""Passes over memory of a PIE step, each one loop, for numba to compile.

Plain Python as it stands; `compiled.kernels` makes machine code of it. Between these
loops torch does the Fourier transforms. Fields lie in memory row by row. Indices are
unsigned, and the innermost loops run along rows, so that the compiler makes vector
instructions of them. Comparisons are written so that NaN stays NaN in waves and errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[np.complex64]
    Row = NDArray[np.complex64]
    Real = NDArray[np.float32]
    Index = NDArray[np.int64]

f4 = np.float32
u8 = np.uint64


def exit_one(
    probes: Field, canvas: Field, y: int, x: int, out: Field, most: Real
) -> None:
    """psi_p = P_p o of a single view, with max |o|^2 and max sum_p |P_p|^2.

    Parameters
    ----------
    probes : array (modes, h, w) complex64
        P_p.
    canvas : array (H, W) complex64
        The view is its part whose first pixel is (y, x).
    y, x : int
        Pixels.
    out : array (modes, h, w) complex64
        Overwritten by psi_p.
    most : array (2,) float32
        Overwritten by the maxima, that of the view first.
    """
    m = u8(probes.shape[0])
    h = u8(probes.shape[1])
    w = u8(probes.shape[2])
    top = u8(y)
    left = u8(x)
    seen = np.zeros(w, f4)
    lit = np.zeros(w, f4)
    power = np.empty(w, f4)
    for i in range(h):
        r = top + i
        for k in range(w):
            o = canvas[r, left + k]
            v = o.real * o.real + o.imag * o.imag
            seen[k] = v if v > seen[k] else seen[k]
            power[k] = f4(0)
        for p in range(m):
            for k in range(w):
                a = probes[p, i, k]
                o = canvas[r, left + k]
                out[p, i, k] = complex(
                    a.real * o.real - a.imag * o.imag,
                    a.real * o.imag + a.imag * o.real,
                )
                power[k] += a.real * a.real + a.imag * a.imag
        for k in range(w):
            lit[k] = power[k] if power[k] > lit[k] else lit[k]
    most[0] = seen.max()
    most[1] = lit.max()


def modulus(
    waves: Field,
    measured: Real,
    good: Real,
    background: Real,
    smallest: float,
    norm: float,
    keep: float,
) -> float:
    """Replace waves by (Psi' - Psi) of the modulus step; return the squared error.

    Parameters
    ----------
    waves : array (modes, H, W) complex64
        Psi_p / norm in its first h rows and w columns, which are overwritten by
        (Psi'_p - Psi_p) norm + keep Psi_p / norm.
    measured : array (h, w) float32
        sqrt(I), 0 on bad pixels.
    good : array (h, w) float32
        1 on good pixels, 0 elsewhere; of no length where all are good.
    background : array (h, w) float32
        Counts that no wave explains; of no length where there are none.
    smallest : float
        Amplitude below which a model's amplitude counts as this.
    norm : float
        What the transform was not scaled by.
    keep : float
        Share of Psi that stays.

    Returns
    -------
    float
        Sum over good pixels of (sqrt(I_model) - sqrt(I))^2, counts.
    """
    m = u8(waves.shape[0])
    h = u8(measured.shape[0])
    w = u8(measured.shape[1])
    square = f4(norm * norm)
    per_square = f4(1 / (norm * norm))
    least = f4(smallest * smallest)
    kept = f4(keep)
    one = f4(1)
    some_bad = good.shape[0] > 0
    has_background = background.shape[0] > 0
    t = np.empty(w, f4)
    error = 0.0
    for i in range(h):
        if has_background:
            for k in range(w):
                t[k] = background[i, k] * per_square
        else:
            for k in range(w):
                t[k] = f4(0)
        for p in range(m):
            for k in range(w):
                u = waves[p, i, k]
                t[k] += u.real * u.real + u.imag * u.imag
        of_row = f4(0)
        if some_bad:
            for k in range(w):
                q = t[k] * square
                q = least if q < least else q
                per_model = one / np.sqrt(q)
                d = measured[i, k] - q * per_model * good[i, k]
                of_row += d * d
                t[k] = d * per_model * square + kept
        else:
            for k in range(w):
                q = t[k] * square
                q = least if q < least else q
                per_model = one / np.sqrt(q)
                d = measured[i, k] - q * per_model
                of_row += d * d
                t[k] = d * per_model * square + kept
        error += float(of_row)
        for p in range(m):
            for k in range(w):
                u = waves[p, i, k]
                waves[p, i, k] = complex(u.real * t[k], u.imag * t[k])
    return error


def held_out(
    waves: Field,
    pixels: Index,
    measured: Real,
    background: Real,
    width: int,
    norm: float,
) -> float:
    """Squared error of some pixels: sum of (sqrt(I_model) - sqrt(I))^2, counts.

    Parameters
    ----------
    waves : array (modes, H, W) complex64
        Psi_p / norm.
    pixels : array (k,) int64
        Their numbers in a flattened frame of `width` columns.
    measured : array (k,) float32
        sqrt(I) there.
    background : array (h, w) float32
        Counts that no wave explains; of no length where there are none.
    width : int
        Columns of a frame.
    norm : float
        What the transform was not scaled by.

    Returns
    -------
    float
        Counts.
    """
    has_background = background.shape[0] > 0
    error = 0.0
    for n in range(pixels.shape[0]):
        i = u8(pixels[n] // width)
        k = u8(pixels[n] % width)
        total = 0.0
        for p in range(waves.shape[0]):
            u = waves[p, i, k]
            total += u.real * u.real + u.imag * u.imag
        total *= norm * norm
        if has_background:
            total += background[i, k]
        off = np.sqrt(total) - measured[n]
        error += off * off
    return error


def update_one(
    probes: Field,
    canvas: Field,
    y: int,
    x: int,
    change: Field,
    most: Real,
    alphas: tuple[float, float],
    shares: tuple[float, float],
    in_place: bool,
) -> None:
    """Step object and probe with one view, both from their old values.

    Parameters
    ----------
    probes : array (modes, h, w) complex64
        P_p; stepped where `in_place`.
    canvas : array (H, W) complex64
        The object, stepped where the view lies.
    y, x : int
        First pixel of the view.
    change : array (modes, H', W') complex64
        psi'_p - psi_p in its first h rows and w columns; overwritten by the steps of
        the probes where these are not made in place.
    most : array (2,) float32
        max |o|^2 and max sum_p |P_p|^2, from `exit_one`.
    alphas : (float, float)
        Sizes of the object's and the probe's step.
    shares : (float, float)
        Shares of the maxima in their weights: gamma, beta.
    in_place : bool
        Whether the probes are stepped here.
    """
    m = u8(probes.shape[0])
    h = u8(probes.shape[1])
    w = u8(probes.shape[2])
    y0 = u8(y)
    x0 = u8(x)
    g0 = f4(shares[0] * max(most[1], 1e-30))
    g1 = f4(1 - shares[0])
    b0 = f4(shares[1] * max(most[0], 1e-30))
    b1 = f4(1 - shares[1])
    a_o = f4(alphas[0])
    a_p = f4(alphas[1])
    weight = np.empty(w, f4)
    power = np.empty(w, f4)
    real = np.empty(w, f4)
    imag = np.empty(w, f4)
    for i in range(h):
        r = y0 + i
        for k in range(w):
            o = canvas[r, x0 + k]
            weight[k] = a_p / (b0 + b1 * (o.real * o.real + o.imag * o.imag))
            power[k] = f4(0)
            real[k] = f4(0)
            imag[k] = f4(0)
        for p in range(m):
            if in_place:
                for k in range(w):
                    a = probes[p, i, k]
                    c = change[p, i, k]
                    o = canvas[r, x0 + k]
                    power[k] += a.real * a.real + a.imag * a.imag
                    real[k] += a.real * c.real + a.imag * c.imag
                    imag[k] += a.real * c.imag - a.imag * c.real
                    probes[p, i, k] = complex(
                        a.real + weight[k] * (o.real * c.real + o.imag * c.imag),
                        a.imag + weight[k] * (o.real * c.imag - o.imag * c.real),
                    )
            else:
                for k in range(w):
                    a = probes[p, i, k]
                    c = change[p, i, k]
                    o = canvas[r, x0 + k]
                    power[k] += a.real * a.real + a.imag * a.imag
                    real[k] += a.real * c.real + a.imag * c.imag
                    imag[k] += a.real * c.imag - a.imag * c.real
                    change[p, i, k] = complex(
                        weight[k] * (o.real * c.real + o.imag * c.imag),
                        weight[k] * (o.real * c.imag - o.imag * c.real),
                    )
        for k in range(w):
            o = canvas[r, x0 + k]
            g = a_o / (g0 + g1 * power[k])
            canvas[r, x0 + k] = complex(o.real + g * real[k], o.imag + g * imag[k])
