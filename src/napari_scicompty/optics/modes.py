"""Probe modes: seeding weak ones, and putting mixed ones in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WEAK = 0.02
"""Power of each seeded extra mode, relative to the first."""


def with_weak_modes(
    first: NDArray[np.complex64], modes: int, seed: int, share: float = WEAK
) -> NDArray[np.complex64]:
    """Add weak modes to a probe: the first one times seeded, smooth random phasors.

    Identical modes would stay identical for ever: each needs a direction of its own.

    Parameters
    ----------
    first : (h, w) or (m, h, w)
        Probe mode(s) that are known; the last ones are cut off when m > `modes`.
    modes : int
        Number of modes wanted.
    seed : int
        Of the random phasors.
    share : float
        Power of each new mode relative to the first.

    Returns
    -------
    (modes, h, w) complex64
    """
    known = first[None] if first.ndim == 2 else first
    rng = np.random.default_rng([seed, 0x6D6F6465])
    h, w = known.shape[-2:]
    y, x = np.meshgrid(np.linspace(-1, 1, h), np.linspace(-1, 1, w), indexing="ij")
    extra = []
    for _ in range(modes - len(known)):
        slope = rng.normal(size=4)
        factor = slope[0] * y + slope[1] * x + 1j * (slope[2] * y + slope[3] * x)
        field = known[0] * factor
        scale = np.sqrt(share * _power(known[0]) / max(_power(field), 1e-30))
        extra.append(field * scale)
    return np.concatenate([known[:modes], *[e[None] for e in extra]]).astype(
        np.complex64
    )


def orthogonal_modes(probe: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """Rotate modes (m, h, w) to be mutually orthogonal, strongest first.

    The measured intensities do not change: only a unitary mixture of the modes is
    taken, from the eigenvectors of their Gram matrix.

    Thibault & Menzel, Nature 494, 68 (2013): incoherent modes are known only up to such
    a mixture.

    Parameters
    ----------
    probe : array (m, h, w) complex64
        Incoherent modes.

    Returns
    -------
    array (m, h, w) complex64
        Their sum of intensities is that of the given ones.
    """
    flat = probe.reshape(len(probe), -1).astype(np.complex128)
    _, vectors = np.linalg.eigh(flat.conj() @ flat.T)
    mixed = vectors[:, ::-1].T @ flat
    return mixed.reshape(probe.shape).astype(np.complex64)


def _power(field: NDArray[np.complexfloating]) -> float:
    return float((field.real**2 + field.imag**2).sum())
