"""What can be odd about a scan: one small function a finding, in a table.

Each is asked of every `Scan` that is made, from a file or in a script, and again when
its positions or its geometry change. What only a file can tell is found by its reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.data.checks import frames, positions, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_scicompty.core.findings import Finding
    from napari_scicompty.data.scan import Scan

CHECKS: dict[str, Callable[[Scan], Finding | None]] = {
    "few-patterns": positions.few,
    "position-alone": positions.alone,
    "positions-repeated": positions.repeated,
    "axis-still": positions.still_axis,
    "canvas-empty": positions.empty_canvas,
    "mask-polarity": frames.small_mask,
    "markers-left": frames.markers_left,
    "saturated": frames.saturated,
    "sums-apart": frames.sums_apart,
    "frames-apart": frames.moments_apart,
    "frames-doubled": frames.doubled,
    "corner": frames.light_in_corner,
    "amplitudes": frames.roots_of_counts,
    "logarithms": values.logarithms_of_counts,
}
"""Code of the finding -> how it is found."""


def found_in(scan: Scan) -> Iterator[Finding]:
    """Yield what is odd about a scan whose sums are known.

    Parameters
    ----------
    scan : Scan
        What was measured.
    """
    for check in CHECKS.values():
        finding = check(scan)
        if finding is not None:
            yield finding
