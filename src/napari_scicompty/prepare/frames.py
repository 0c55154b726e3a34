"""What preparation works on: patterns with their geometry, mask and report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import numpy as np

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.core.findings import Finding
    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.core.stacks import Stack


class Frames(Protocol):
    """A `Scan`, or what a reader found before it is checked as one."""

    @property
    def patterns(self) -> Stack:
        """Intensities (n, h, w), maybe a memory map or a `LazyStack`."""

    @property
    def geometry(self) -> Geometry:
        """How they were measured."""

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Good pixels (h, w); None when all are."""

    @property
    def report(self) -> tuple[str, ...]:
        """What was assumed or converted so far."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was odd so far."""

    def replace(self, **changes: object) -> Self:
        """Return a copy with some fields changed.

        Parameters
        ----------
        **changes : any
            New values, by the names of the fields.
        """


F = TypeVar("F", bound=Frames)


def good_pixels(scan: Frames) -> NDArray[np.bool_]:
    """Good pixels (h, w) of frames; all of them when there is no mask.

    Parameters
    ----------
    scan : Frames
        A scan, or what a reader found.

    Returns
    -------
    array (h, w) bool
        True = good.

    Raises
    ------
    InputError
        A mask of another shape than the patterns.
    """
    shape = frame_shape(scan)
    if scan.mask is None:
        return np.ones(shape, bool)
    if scan.mask.shape != shape:
        raise InputError(f"mask has shape {scan.mask.shape}, the patterns {shape}")
    return scan.mask


def frame_shape(scan: Frames) -> tuple[int, int]:
    """Shape (h, w) of one pattern.

    Parameters
    ----------
    scan : Frames
        A scan, or what a reader found.

    Returns
    -------
    (int, int)
        Pixels.
    """
    return (int(scan.patterns.shape[1]), int(scan.patterns.shape[2]))
