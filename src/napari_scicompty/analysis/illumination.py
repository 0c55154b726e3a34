"""What can be said of the probe: its modes as a space, its size, the gain over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.analysis.preflight import lit_diameter_px

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.data.snapshot import Snapshot


def principal_cosines(
    modes: NDArray[np.complexfloating], truth: NDArray[np.complexfloating]
) -> NDArray[np.float64]:
    """Cosines of the principal angles between two sets of modes, largest first.

    Incoherent modes are known only as a space: any unitary mixture fits as well.

    Parameters
    ----------
    modes, truth : array (m, h, w) complex
        Sets of modes, none of them a mixture of the others of its set.

    Returns
    -------
    array (m,) float64
        0 to 1; all 1 where both sets span the same space.
    """
    ours = np.linalg.qr(modes.reshape(len(modes), -1).T.astype(complex))[0]
    theirs = np.linalg.qr(truth.reshape(len(truth), -1).T.astype(complex))[0]
    return np.asarray(np.linalg.svd(ours.conj().T @ theirs, compute_uv=False))


def beam_diameter_m(snapshot: Snapshot) -> float:
    """Diameter of the disc as large as the part of the probe above 10 % of its maximum.

    Of the intensity of all modes together, in metres on the sample.

    Parameters
    ----------
    snapshot : Snapshot
        State of a reconstruction, such as a result.

    Returns
    -------
    float
        Metres.
    """
    pixel = float(np.sqrt(np.prod(snapshot.pixel_size_m)))
    return lit_diameter_px(snapshot.probe) * pixel


def ptychographic_resolution_gain(beam_m: float, resolution_m: float) -> float:
    """G_p = d / delta: how much finer the picture is than the beam that scanned it.

    Jacobsen, Deng & Nashed, J. Synchrotron Rad. 24, 1078 (2017), as used in [S1],
    supplement, eq. 2, with d = 9 um and delta = 50 nm: G_p = 180. Plain scanning
    microscopy with the same beam has a gain of 1. The paper counts the pixel as delta;
    the half period at which a ring correlation crosses its threshold says more, since a
    pixel may be smaller than what is resolved.

    Parameters
    ----------
    beam_m : float
        Diameter d of the beam on the sample, `beam_diameter_m` for one.
    resolution_m : float
        delta: half period that is resolved, or the object pixel.

    Returns
    -------
    float
        Without a unit.

    Examples
    --------
    >>> round(ptychographic_resolution_gain(9e-6, 50e-9))
    180
    """
    return beam_m / resolution_m
