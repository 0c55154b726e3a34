"""Fields brought to other pixels: what both grids can hold stays as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.optics.grids import zero_pixel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Complex = NDArray[np.complex64]


def interpolation(
    size: int, places: NDArray[np.floating], step: float
) -> NDArray[np.float32]:
    """Return band-limited interpolation at `places`, as a matrix.

    ``b sinc(b (t - j))`` with b = 1, or less where samples become fewer (`step` > 1):
    what the new pixels cannot hold is left out. Beyond the samples there is nothing.

    Parameters
    ----------
    size : int
        Samples that are there.
    places : array (k,)
        Where the new ones lie, counted in samples from the first.
    step : float
        Distance of the new samples.

    Returns
    -------
    array (k, size) float32
        New samples are this times the old ones.
    """
    band = min(1.0, 1 / step)
    distance = places[:, None] - np.arange(size)
    return (band * np.sinc(band * distance)).astype(np.float32)


def resampled(
    fields: NDArray[np.complexfloating], maps: Sequence[NDArray[np.float32]]
) -> NDArray[np.complexfloating]:
    """Return fields (..., h, w) at other samples along both axes.

    Parameters
    ----------
    fields : array (..., h, w) complex
        What is resampled.
    maps : two arrays, (h', h) and (w', w)
        From `interpolation`.

    Returns
    -------
    array (..., h', w') complex64
        On the new grid.
    """
    rows, columns = maps
    return np.asarray(rows @ fields.astype(np.complex64) @ columns.T)


def with_frequencies(fields: Complex, shape: tuple[int, int]) -> Complex:
    """Return fields (..., h, w) on as many pixels as `shape` has, in the same length.

    Their Fourier transform is cut, or padded with zeros, about the zero frequency; in
    the unitary convention it stays as it is where both have it.

    Parameters
    ----------
    fields : array (..., h, w) complex64
        Such as probe modes.
    shape : (h', w')
        Pixels of the result.

    Returns
    -------
    array (..., h', w') complex64
        Its pixel (0, 0) lies where that of `fields` does.
    """
    axes = (-2, -1)
    spectrum = np.fft.fftshift(np.fft.fft2(fields, norm="ortho"), axes=axes)
    out = np.zeros((*fields.shape[:-2], *shape), np.complex64)
    had = fields.shape[-2:]
    sides = [min(pair) for pair in zip(had, shape, strict=True)]
    out[(..., *_middle(shape, sides))] = spectrum[(..., *_middle(had, sides))]
    whole = np.fft.ifft2(np.fft.ifftshift(out, axes=axes), norm="ortho")
    return whole.astype(np.complex64)


def _middle(whole: Sequence[int], sides: Sequence[int]) -> Any:
    """Return slices of a part whose zero frequency is that of the whole."""
    first = [
        zero_pixel(n) - zero_pixel(part) for n, part in zip(whole, sides, strict=True)
    ]
    return tuple(slice(at, at + part) for at, part in zip(first, sides, strict=True))
