"""What preparation works on: patterns with their geometry, mask and report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_scicompty.geometry import Geometry

_CHUNK_BYTES = 64 * 2**20


class Frames(Protocol):
    """A `Scan`, or what a reader found before it is checked as one."""

    @property
    def patterns(self) -> NDArray[Any]:
        """Intensities (n, h, w), maybe a memory map."""

    @property
    def geometry(self) -> Geometry:
        """How they were measured."""

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """Good pixels (h, w); None when all are."""

    @property
    def report(self) -> tuple[str, ...]:
        """What was assumed or converted so far."""

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""


F = TypeVar("F", bound=Frames)


def frame_shape(scan: Frames) -> tuple[int, int]:
    """Shape (h, w) of one pattern."""
    return (int(scan.patterns.shape[1]), int(scan.patterns.shape[2]))


def chunks(patterns: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Yield (slice, patterns as stored) in pieces that fit memory."""
    n, h, w = patterns.shape
    step = max(1, _CHUNK_BYTES // max(1, 4 * h * w))
    for start in range(0, n, step):
        part = slice(start, min(n, start + step))
        yield part, patterns[part]
