"""Complex pictures in colours: hue is the phase, brightness the magnitude."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from cmap import Colormap

if TYPE_CHECKING:
    from numpy.typing import NDArray

HUES = "cmocean:phase"
"""Equally bright all around, so that brightness can say the magnitude."""


def complex_colours(field: NDArray[np.complexfloating]) -> NDArray[np.float64]:
    """Colours (..., 3) from 0 to 1; the brightest stand for the 99.5th percentile.

    Parameters
    ----------
    field : array (...) complex
        The phase gives the hue, the magnitude the brightness.

    Returns
    -------
    array (..., 3) float64
        Red, green and blue, 0 to 1.
    """
    magnitude = np.abs(field)
    brightness = magnitude / max(float(np.percentile(magnitude, 99.5)), 1e-30)
    turn = np.angle(field) / (2 * np.pi) + 0.5
    hues = Colormap(HUES)(turn)[..., :3]
    return np.asarray(hues * brightness.clip(0, 1)[..., None])
