"""Passes over memory of a step with several views, or with shifted probes.

As `kernels`, which has those of a single view: plain Python for numba to compile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_scicompty.optics.kernels import Field, Index, Real, Row

f4 = np.float32
u8 = np.uint64


def exit_sum(
    probes: Field,
    canvas: Field,
    y: int,
    x: int,
    out: Field,
    power: Real,
    top: int,
    left: int,
) -> None:
    """psi_p = P_p o of one view of a batch; adds sum_p |P_p|^2 where the view lies.

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
    power : array (h', w') float32
        Of the bounds of the batch; added to.
    top, left : int
        First pixel of the view within these bounds.
    """
    m = u8(probes.shape[0])
    h = u8(probes.shape[1])
    w = u8(probes.shape[2])
    y0 = u8(y)
    x0 = u8(x)
    t0 = u8(top)
    l0 = u8(left)
    for i in range(h):
        r = y0 + i
        s = t0 + i
        for p in range(m):
            for k in range(w):
                a = probes[p, i, k]
                o = canvas[r, x0 + k]
                out[p, i, k] = complex(
                    a.real * o.real - a.imag * o.imag,
                    a.real * o.imag + a.imag * o.real,
                )
                power[s, l0 + k] += a.real * a.real + a.imag * a.imag


def probe_weight(
    canvas: Field, ys: Index, xs: Index, alpha: float, beta: float, weight: Real
) -> None:
    """Make alpha / (beta max Q + (1 - beta) Q), where Q = sum_j |o_j|^2.

    Parameters
    ----------
    canvas : array (H, W) complex64
        View j is its part whose first pixel is (ys[j], xs[j]).
    ys, xs : array (B,) int64
        Pixels.
    alpha, beta : float
        Size of the step, and share of the maximum.
    weight : array (h, w) float32
        Overwritten.
    """
    h = u8(weight.shape[0])
    w = u8(weight.shape[1])
    most = np.zeros(w, f4)
    for i in range(h):
        for k in range(w):
            weight[i, k] = f4(0)
        for j in range(ys.shape[0]):
            r = u8(ys[j]) + i
            left = u8(xs[j])
            for k in range(w):
                o = canvas[r, left + k]
                weight[i, k] += o.real * o.real + o.imag * o.imag
        for k in range(w):
            most[k] = weight[i, k] if weight[i, k] > most[k] else most[k]
    b0 = f4(beta * max(most.max(), 1e-30))
    b1 = f4(1 - beta)
    a = f4(alpha)
    for i in range(h):
        for k in range(w):
            weight[i, k] = a / (b0 + b1 * weight[i, k])


def gather_object(
    probes: Field, change: Field, numerator: Field, top: int, left: int
) -> None:
    """Add sum_p conj(P_p) (psi'_p - psi_p) where a view lies.

    Parameters
    ----------
    probes : array (modes, h, w) complex64
        P_p.
    change : array (modes, H', W') complex64
        psi'_p - psi_p in its first h rows and w columns.
    numerator : array (h', w') complex64
        Of the bounds of the batch; added to.
    top, left : int
        First pixel of the view within these bounds.
    """
    m = u8(probes.shape[0])
    h = u8(probes.shape[1])
    w = u8(probes.shape[2])
    t0 = u8(top)
    l0 = u8(left)
    for i in range(h):
        s = t0 + i
        for p in range(m):
            for k in range(w):
                a = probes[p, i, k]
                c = change[p, i, k]
                n = numerator[s, l0 + k]
                numerator[s, l0 + k] = complex(
                    n.real + a.real * c.real + a.imag * c.imag,
                    n.imag + a.real * c.imag - a.imag * c.real,
                )


def gather_probes(
    canvas: Field, y: int, x: int, change: Field, numerators: Field
) -> None:
    """Add conj(o) (psi'_p - psi_p) of a view to numerators of the probes.

    Parameters
    ----------
    canvas : array (H, W) complex64
        The view is its part whose first pixel is (y, x).
    y, x : int
        Pixels.
    change : array (modes, H', W') complex64
        psi'_p - psi_p in its first h rows and w columns.
    numerators : array (modes, h, w) complex64
        Added to.
    """
    m = u8(numerators.shape[0])
    h = u8(numerators.shape[1])
    w = u8(numerators.shape[2])
    y0 = u8(y)
    x0 = u8(x)
    for i in range(h):
        r = y0 + i
        for p in range(m):
            for k in range(w):
                o = canvas[r, x0 + k]
                c = change[p, i, k]
                n = numerators[p, i, k]
                numerators[p, i, k] = complex(
                    n.real + o.real * c.real + o.imag * c.imag,
                    n.imag + o.real * c.imag - o.imag * c.real,
                )


def weigh_probes(canvas: Field, y: int, x: int, change: Field, weight: Real) -> None:
    """Make steps of shifted probes, weight conj(o) (psi'_p - psi_p), in place.

    Parameters
    ----------
    canvas : array (H, W) complex64
        The view is its part whose first pixel is (y, x).
    y, x : int
        Pixels.
    change : array (modes, h, w) complex64
        psi'_p - psi_p; overwritten.
    weight : array (h, w) float32
        From `probe_weight`.
    """
    m = u8(change.shape[0])
    h = u8(weight.shape[0])
    w = u8(weight.shape[1])
    y0 = u8(y)
    x0 = u8(x)
    for i in range(h):
        r = y0 + i
        for p in range(m):
            for k in range(w):
                o = canvas[r, x0 + k]
                c = change[p, i, k]
                change[p, i, k] = complex(
                    weight[i, k] * (o.real * c.real + o.imag * c.imag),
                    weight[i, k] * (o.real * c.imag - o.imag * c.real),
                )


def add_weighted(probes: Field, numerators: Field, weight: Real) -> None:
    """Add weight times numerators to the probes.

    Parameters
    ----------
    probes : array (modes, h, w) complex64
        Added to.
    numerators : array (modes, h, w) complex64
        From `gather_probes`.
    weight : array (h, w) float32
        From `probe_weight`.
    """
    m = u8(probes.shape[0])
    h = u8(probes.shape[1])
    w = u8(probes.shape[2])
    for p in range(m):
        for i in range(h):
            for k in range(w):
                a = probes[p, i, k]
                n = numerators[p, i, k]
                probes[p, i, k] = complex(
                    a.real + weight[i, k] * n.real, a.imag + weight[i, k] * n.imag
                )


def step_object(
    canvas: Field,
    top: int,
    left: int,
    numerator: Field,
    power: Real,
    alpha: float,
    gamma: float,
) -> None:
    """Add alpha N / (gamma max S + (1 - gamma) S) to the object, over the bounds.

    Parameters
    ----------
    canvas : array (H, W) complex64
        The object.
    top, left : int
        First pixel of the bounds of the batch.
    numerator : array (h', w') complex64
        N, from `gather_object`.
    power : array (h', w') float32
        S, from `exit_sum`.
    alpha, gamma : float
        Size of the step, and share of the maximum.
    """
    h = u8(power.shape[0])
    w = u8(power.shape[1])
    t0 = u8(top)
    l0 = u8(left)
    most = np.zeros(w, f4)
    for i in range(h):
        for k in range(w):
            most[k] = power[i, k] if power[i, k] > most[k] else most[k]
    g0 = f4(gamma * max(most.max(), 1e-30))
    g1 = f4(1 - gamma)
    a = f4(alpha)
    for i in range(h):
        r = t0 + i
        for k in range(w):
            g = a / (g0 + g1 * power[i, k])
            o = canvas[r, l0 + k]
            n = numerator[i, k]
            canvas[r, l0 + k] = complex(o.real + g * n.real, o.imag + g * n.imag)


def shift(spectra: Field, along: Row, across: Row, out: Field) -> None:
    """Multiply spectra by the Fourier factors of a shift.

    Parameters
    ----------
    spectra : array (modes, h, w) complex64
        Zero frequency first.
    along, across : array (h,), (w,) complex64
        Factors of the rows and of the columns.
    out : array (modes, h, w) complex64
        Overwritten.
    """
    m = u8(spectra.shape[0])
    h = u8(spectra.shape[1])
    w = u8(spectra.shape[2])
    real = np.empty(w, f4)
    imag = np.empty(w, f4)
    for i in range(h):
        a = along[i]
        for k in range(w):
            b = across[k]
            real[k] = a.real * b.real - a.imag * b.imag
            imag[k] = a.real * b.imag + a.imag * b.real
        for p in range(m):
            for k in range(w):
                s = spectra[p, i, k]
                out[p, i, k] = complex(
                    s.real * real[k] - s.imag * imag[k],
                    s.real * imag[k] + s.imag * real[k],
                )


def add_shifted_back(spectra: Field, along: Row, across: Row, out: Field) -> None:
    """Add spectra times the conjugate Fourier factors of a shift.

    Parameters
    ----------
    spectra : array (modes, h, w) complex64
        Zero frequency first.
    along, across : array (h,), (w,) complex64
        Factors of the rows and of the columns.
    out : array (modes, h, w) complex64
        Added to.
    """
    m = u8(spectra.shape[0])
    h = u8(spectra.shape[1])
    w = u8(spectra.shape[2])
    real = np.empty(w, f4)
    imag = np.empty(w, f4)
    for i in range(h):
        a = along[i]
        for k in range(w):
            b = across[k]
            real[k] = a.real * b.real - a.imag * b.imag
            imag[k] = a.real * b.imag + a.imag * b.real
        for p in range(m):
            for k in range(w):
                s = spectra[p, i, k]
                n = out[p, i, k]
                out[p, i, k] = complex(
                    n.real + s.real * real[k] + s.imag * imag[k],
                    n.imag + s.imag * real[k] - s.real * imag[k],
                )
