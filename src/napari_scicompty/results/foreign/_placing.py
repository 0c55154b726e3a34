"""Fields of other packages at the pixels of a scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.data.canvas import WHOLE
from napari_scicompty.optics.grids import zero_pixel
from napari_scicompty.optics.resampling import interpolation, resampled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Complex = NDArray[np.complex64]


def at_other_pixels(
    fields: Complex, shape: tuple[int, int], first: ArrayLike, step: Sequence[float]
) -> Complex:
    """Return fields (..., h, w) at other pixels, with nothing beyond their edges.

    Parameters
    ----------
    fields : array (..., h, w) complex64
        Such as an object without its vacuum.
    shape : (H, W)
        Pixels of the result.
    first : (y, x)
        Where its pixel (0, 0) lies, in pixels of `fields`; whole where nearly so.
    step : (y, x)
        Its pixel in pixels of `fields`.
    """
    corner = np.asarray(first, float)
    whole = np.round(corner)
    corner = np.where(np.abs(corner - whole) < WHOLE, whole, corner)
    maps = [
        interpolation(had, start + np.arange(size) * ratio, ratio)
        for had, size, start, ratio in zip(
            fields.shape[-2:], shape, corner, step, strict=True
        )
    ]
    return resampled(fields, maps).astype(np.complex64)


def probe_on(probe: Complex, shape: tuple[int, int], step: Sequence[float]) -> Complex:
    """Return probe modes (modes, h, w) on other pixels about their zero pixel.

    Parameters
    ----------
    probe : array (modes, h, w) complex64
        The same one is returned where nothing changes.
    shape : (h', w')
        Pixels of the result.
    step : (y, x)
        Its pixel in pixels of `probe`.
    """
    had = probe.shape[-2:]
    if had == shape and tuple(step) == (1.0, 1.0):
        return probe
    first = [
        zero_pixel(n) - zero_pixel(size) * ratio
        for n, size, ratio in zip(had, shape, step, strict=True)
    ]
    return at_other_pixels(probe, shape, first, step)
