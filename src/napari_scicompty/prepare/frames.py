"""What preparation works on: patterns with their geometry, mask and report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_scicompty.findings import Finding
    from napari_scicompty.geometry import Geometry
    from napari_scicompty.stacks import Stack


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

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""


F = TypeVar("F", bound=Frames)


def frame_shape(scan: Frames) -> tuple[int, int]:
    """Shape (h, w) of one pattern."""
    return (int(scan.patterns.shape[1]), int(scan.patterns.shape[2]))
