"""Structural similarity of magnitude and phase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGMA = 1.5
"""Standard deviation of the gaussian window, in pixels (Wang et al. 2004)."""

REACH = 5
"""Pixels from the middle of the window to its rim."""


@dataclass(frozen=True)
class Similarity:
    """Mean structural similarity over the lit region; 1 is the same picture."""

    magnitude: float
    """Of |O|."""
    phase: float
    """Of arg O, unwrapped."""


def ssim(
    estimate: NDArray[np.complexfloating],
    truth: NDArray[np.complexfloating],
    lit: NDArray[np.bool_] | None = None,
) -> Similarity:
    """Structural similarity of magnitude and phase, averaged over the lit region.

    Wang et al., IEEE Trans. Image Process. 13, 600 (2004), with their gaussian window;
    averaged over the pixels whose whole window is lit. The range of the data is that
    of the truth over the lit region.

    The phase jumps where it wraps, and SSIM would take a jump for structure. So the
    truth's phase is unwrapped, and the estimate's is the truth's plus their difference,
    ``arg(o conj(t))``, which is small where the two agree: both lie on one branch, and
    where the truth cannot be unwrapped without a seam both have the same one. Phases
    are counted from the truth's smallest, as brightness is from black.

    Parameters
    ----------
    estimate, truth : (H, W)
        Align them first.
    lit : (H, W), optional
        Where to look; everywhere when left out.

    Returns
    -------
    Similarity
        Of magnitude and of phase; 1 where they are the same.

    Raises
    ------
    InputError
        A lit region in which no window of 11 x 11 pixels fits.
    """
    # Here, so that runs do without scikit-image.
    from skimage.restoration import unwrap_phase

    where = np.ones(truth.shape, bool) if lit is None else np.asarray(lit, bool)
    window = np.ones((2 * REACH + 1, 2 * REACH + 1), bool)
    inside = ndimage.binary_erosion(where, window)
    if not inside.any():
        raise InputError(
            "ssim: no window of 11 x 11 pixels lies in the lit region; compare a "
            "larger one"
        )
    difference = np.where(where, np.angle(estimate * truth.conj()), 0)
    phase = unwrap_phase(np.ma.masked_array(np.angle(truth), ~where), rng=0)
    phase = phase.filled(0) - phase.min()
    return Similarity(
        _mean_ssim(np.abs(estimate), np.abs(truth), where, inside),
        _mean_ssim(phase + difference, phase, where, inside),
    )


def _mean_ssim(
    ours: NDArray[np.floating],
    theirs: NDArray[np.floating],
    where: NDArray[np.bool_],
    inside: NDArray[np.bool_],
) -> float:
    """Average over `inside`; an even truth has no range, and its mean stands for it."""
    from skimage.metrics import structural_similarity

    ours, theirs = (np.where(where, v, 0).astype(float) for v in (ours, theirs))
    span = np.ptp(theirs[where]) or abs(theirs[where].mean()) or 1.0
    _, local = structural_similarity(
        ours,
        theirs,
        data_range=span,
        gaussian_weights=True,
        sigma=SIGMA,
        use_sample_covariance=False,
        full=True,
    )
    return float(local[inside].mean())
