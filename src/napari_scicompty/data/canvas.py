"""The canvas: object pixel, frame, and metres to pixels and back."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_scicompty.data.scan import Scan

MARGIN = 8
"""Pixels around the span of the views: room for drift and small corrections."""

WHOLE = 1e-3
"""Fractions of a pixel below this are whole (metres over pixel give 20.9999999)."""


SAME_PIXEL = 1e-3
"""Pixels that differ by this share of themselves are the same."""


def same_pixel(first: ArrayLike, second: ArrayLike) -> bool:
    """Whether two object pixels (y, x) in metres are the same, however small.

    Parameters
    ----------
    first, second : (float, float)
        (y, x) in metres.
    """
    return bool(np.allclose(first, second, rtol=SAME_PIXEL, atol=0))


@dataclass(frozen=True)
class Canvas:
    """The grid on which the object lies.

    ``positions_px = (positions_m - origin_m) / pixel_size_m`` is the top-left corner of
    each view. Positions in metres never change frame; the canvas may grow.
    """

    shape: tuple[int, int]
    """(H, W) of the object."""
    view: tuple[int, int]
    """(h, w) of one view."""
    pixel_size_m: tuple[float, float]
    """Object pixel (y, x)."""
    origin_m: tuple[float, float]
    """Position of pixel (0, 0), in the scan's own frame."""

    @classmethod
    def of(cls, scan: Scan, margin: int = MARGIN) -> Canvas:
        """Span of the positions + one view + `margin` pixels on every side.

        Those of patterns that are left out count where they lie among the others or
        within a view of them, so that parts of a scan lie on one and the same grid.

        Parameters
        ----------
        scan : Scan
            Its included positions are spanned.
        margin : int
            Pixels.

        Returns
        -------
        Canvas
            Of whole pixels.
        """
        pixel = np.array(scan.pixel_size_m)
        seen, view = scan.positions_m[scan.included], pixel * scan.frame_shape
        low, high = seen.min(0) - view, seen.max(0) + view
        every = scan.positions_m
        near = every[((every >= low) & (every <= high)).all(1)]
        low, high = near.min(0), near.max(0)
        size = [
            math.ceil(span - WHOLE) + length + 2 * margin
            for span, length in zip((high - low) / pixel, scan.frame_shape, strict=True)
        ]
        origin = low - margin * pixel
        return cls(
            (size[0], size[1]),
            scan.frame_shape,
            scan.pixel_size_m,
            (float(origin[0]), float(origin[1])),
        )

    def grown_for(self, positions_m: ArrayLike) -> tuple[Canvas, tuple[int, int]]:
        """Make room for views at these positions (n, 2), and a margin with it.

        Parameters
        ----------
        positions_m : array (n, 2)
            (y, x) in metres.

        Returns
        -------
        Canvas
            This one where every view fits.
        (int, int)
            Rows and columns that were put before the first.
        """
        corners = np.round(self.to_pixels(positions_m))
        low, high = corners.min(0), corners.max(0) + self.view
        before = np.where(low < 0, MARGIN - low, 0).astype(int)
        after = np.where(high > self.shape, high - self.shape + MARGIN, 0).astype(int)
        if not before.any() and not after.any():
            return self, (0, 0)
        size = self.shape + before + after
        origin = self.origin_m - before * np.array(self.pixel_size_m)
        grown = dataclasses.replace(
            self,
            shape=(int(size[0]), int(size[1])),
            origin_m=(float(origin[0]), float(origin[1])),
        )
        return grown, (int(before[0]), int(before[1]))

    def to_pixels(self, positions_m: ArrayLike) -> NDArray[np.float64]:
        """Top-left corners (n, 2) in pixels, whole where they are whole to 1e-3.

        Parameters
        ----------
        positions_m : array (n, 2)
            (y, x) in metres.

        Returns
        -------
        array (n, 2) float64
            (y, x) in pixels of the canvas.
        """
        corners = (np.asarray(positions_m, float) - self.origin_m) / self.pixel_size_m
        near = np.round(corners)
        return np.where(np.abs(corners - near) < WHOLE, near, corners)

    def to_metres(self, positions_px: ArrayLike) -> NDArray[np.float64]:
        """Positions (n, 2) in metres of top-left corners in pixels.

        Parameters
        ----------
        positions_px : array (n, 2)
            (y, x) in pixels of the canvas.

        Returns
        -------
        array (n, 2) float64
            (y, x) in metres.
        """
        return np.asarray(positions_px, float) * self.pixel_size_m + self.origin_m


def canvas_map(
    shape: Sequence[int],
    probe: NDArray[np.complex64],
    positions_px: NDArray[np.float64],
) -> NDArray[np.float32]:
    """How strongly each pixel of the canvas was lit: sum over views of sum_p |P_p|^2.

    Parameters
    ----------
    shape : (H, W)
        Pixels of the canvas.
    probe : array (modes, h, w) complex64
        The same at every position.
    positions_px : (n, 2)
        Top-left corners; the nearest pixel is taken.

    Returns
    -------
    array (H, W) float32
        In the unit of |P|^2, counts; views that leave the canvas are left out.
    """
    light = (probe.real**2 + probe.imag**2).sum(0)
    h, w = light.shape
    total = np.zeros(tuple(shape), np.float32)
    for y, x in np.round(positions_px).astype(int):
        if 0 <= y <= shape[0] - h and 0 <= x <= shape[1] - w:
            total[y : y + h, x : x + w] += light
    return total


def lit_region(canvas_map: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the object is trusted.

    The canvas map above 0.1 of its median over the pixels above 1 % of its maximum.

    Parameters
    ----------
    canvas_map : array (H, W) float32
        From the function `canvas_map`.

    Returns
    -------
    array (H, W) bool
        True = trusted.
    """
    bright = canvas_map[canvas_map > 0.01 * canvas_map.max()]
    return canvas_map > 0.1 * np.median(bright) if bright.size else canvas_map > 0
