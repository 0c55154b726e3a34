"""What a run needs of memory, as measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from napari_scicompty.data.canvas import Canvas
from napari_scicompty.engine.run_settings import AT_ONCE
from napari_scicompty.optics.propagators import wave_grid

if TYPE_CHECKING:
    from napari_scicompty.algorithms.base import Algorithm
    from napari_scicompty.data.scan import Scan


def memory_bytes(
    scan: Scan, algorithm: Algorithm, modes: int = 1, batch: int | None = None
) -> int:
    """Estimate the memory that a run needs whose patterns are all on its device.

    Amplitudes (float32) and `working_bytes`.

    Parameters
    ----------
    scan : Scan
        What was measured.
    algorithm : Algorithm
        The rule and its settings.
    modes : int
        Probe modes.
    batch : int, optional
        Positions per step; the algorithm's own choice when left out.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    InputError
        Positions that do not fit the object pixel.
    """
    amplitudes = 4 * len(scan) * math.prod(scan.frame_shape)
    return amplitudes + working_bytes(scan, algorithm, modes, batch)


def working_bytes(
    scan: Scan, algorithm: Algorithm, modes: int = 1, batch: int | None = None
) -> int:
    """Estimate what a run needs on its device beside the patterns.

    Object and probe, and the larger of a step and of the pass over all patterns at the
    end; parameters as of `memory_bytes`.

    Parameters
    ----------
    scan : Scan
        What was measured.
    algorithm : Algorithm
        The rule and its settings.
    modes : int
        Probe modes.
    batch : int, optional
        Positions per step; the algorithm's own choice when left out.

    Returns
    -------
    int
        Bytes.
    """
    view, canvas = math.prod(scan.frame_shape), math.prod(Canvas.of(scan).shape)
    grid = math.prod(wave_grid(scan.geometry, scan.frame_shape))
    size = min(batch or algorithm.batch_for(len(scan)), len(scan))
    step = algorithm.step_bytes(size, modes, view, grid, canvas)
    at_once = min(len(scan) * modes * view, max(AT_ONCE, modes * view))
    whole = 8 * at_once * 4 * grid // view
    held = 8 * (canvas + modes * view) + algorithm.kept_bytes(modes, view, canvas)
    return held + max(step, whole)


def copies_bytes(scan: Scan) -> int:
    """Estimate what a run holds of the object in the host's memory beside its device.

    The start, the last good state, the one that is looked at and the next, and a canvas
    map.

    Parameters
    ----------
    scan : Scan
        What was measured.

    Returns
    -------
    int
        Bytes.
    """
    return (4 * 8 + 4) * math.prod(Canvas.of(scan).shape)
