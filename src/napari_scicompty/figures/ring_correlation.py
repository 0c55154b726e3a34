"""Figure of a Fourier ring correlation with its thresholds and crossings."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from napari_scicompty.core.units import SHOWN, UNITS, fitting, size
from napari_scicompty.figures import FigureOptions
from napari_scicompty.figures._output import write_figure
from napari_scicompty.files.writing import RING_TABLE, replacing

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from typing import Unpack

    from matplotlib.axes import Axes

    from napari_scicompty.analysis.ring_correlation import FourierRingCorrelation
    from napari_scicompty.files.writing import Door

WIDTH_MM = 120.0
_MM = 1 / 25.4
_ASPECT = 0.62
"""Height over width of the page."""
_THRESHOLDS = (("half_bit", "half-bit", "#0072b2"), ("one_bit", "1-bit", "#d55e00"))
_ROUND = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)


def save_ring_correlation(
    path: str | os.PathLike[str],
    frc: FourierRingCorrelation,
    *,
    overwrite: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
    **options: object,
) -> None:
    """Draw a ring correlation and save it; the suffix says how: PNG, SVG or PDF.

    Parameters
    ----------
    path
        Ends in ``.png``, ``.svg`` or ``.pdf``.
    frc
        What to draw.
    overwrite
        Whether a file that this program did not write may be replaced.
    inputs
        Files that are never written over.
    **options
        ``width_mm`` (120 when left out), ``dpi`` and ``font_size_pt`` of
        `FigureOptions`.

    Raises
    ------
    InputError
        Another suffix, an option that is not there or out of range, a folder that is
        missing or cannot be written.
    """
    chosen = FigureOptions(**{"width_mm": WIDTH_MM} | options)
    write_figure(
        path,
        lambda: draw_ring_correlation(frc, chosen),
        chosen.dpi,
        inputs=inputs,
        overwrite=overwrite,
    )


def draw_ring_correlation(
    frc: FourierRingCorrelation, options: FigureOptions
) -> Figure:
    """Draw the curve, both thresholds, and where it crosses them.

    The half period stands on the upper axis; what is drawn ends at the pixel.

    Parameters
    ----------
    frc : FourierRingCorrelation
        What to draw.
    options : FigureOptions
        Width and size of the text count.

    Returns
    -------
    matplotlib.figure.Figure
        To be saved or shown.
    """
    with mpl.rc_context({"font.size": options.font_size_pt}):
        width = options.width_mm * _MM
        figure = Figure(figsize=(width, _ASPECT * width), layout="constrained")
        axes = figure.add_subplot()
        unit = ring_unit(frc.pixel_m)
        frequency = frc.frequency * 1e3 * unit[0]
        axes.plot(frequency, frc.correlation, color="black", linewidth=1, label="FRC")
        for name, label, colour in _THRESHOLDS:
            crossing = getattr(frc, f"{name}_crossing")
            axes.plot(
                frequency[1:],
                getattr(frc, name)[1:],
                color=colour,
                linewidth=1,
                linestyle="--",
                label=f"{label}: {crossing}",
            )
            if crossing.frequency:
                at = crossing.frequency * 1e3 * unit[0]
                level = float(np.interp(at, frequency, getattr(frc, name)))
                axes.vlines(at, -1, level, color=colour, linewidth=0.5)
                axes.plot(at, level, "o", color=colour, markersize=4)
        _label(axes, frc, float(frequency[-1]), unit)
    return figure


def ring_unit(pixel_m: float) -> tuple[float, str, str]:
    """Length of a unit for half periods, its symbol, and that of a thousand of it.

    Parameters
    ----------
    pixel_m : float
        Object pixel in metres.

    Returns
    -------
    (float, str, str)
        Metres of the unit, its symbol, and the symbol of the larger unit, whose
        inverse counts the frequencies.
    """
    unit = fitting(pixel_m, ("um", "nm", "pm"), least=1)
    thousand = SHOWN[SHOWN.index(unit.name) - 1]
    return size(unit.name), unit.symbol, UNITS[thousand].symbol


def _label(
    axes: Axes, frc: FourierRingCorrelation, last: float, unit: tuple[float, str, str]
) -> None:
    """Name both axes; half periods stand where they are round."""
    axes.set_xlim(0, last)
    axes.set_ylim(min(-0.05, 1.1 * float(frc.correlation.min())), 1.02)
    axes.axhline(0, color="0.7", linewidth=0.5, zorder=0)
    axes.set_xlabel(f"spatial frequency (1/{unit[2]})")
    axes.set_ylabel("ring correlation (1)")
    axes.legend(frameon=False, loc="best")
    axes.spines["right"].set_visible(False)
    upper = axes.secondary_xaxis("top")
    places, labels = _half_periods(last)
    upper.set_xticks(places, labels)
    upper.set_xlabel(f"half period ({unit[1]})")
    for drawn in (axes, upper):
        drawn.tick_params(which="both", width=0.5)
        for spine in drawn.spines.values():
            spine.set_linewidth(0.5)


def _half_periods(last: float) -> tuple[list[float], list[str]]:
    """Round half periods, not too close to each other on the axis of frequencies."""
    finest = 500 / last
    power = 10.0 ** math.floor(math.log10(finest))
    rounds = [r * power * 10**i for i in range(3) for r in _ROUND]
    places: list[float] = []
    labels: list[str] = []
    for length in rounds:
        at = 500 / length
        if not 0.05 * last <= at <= 1.0001 * last:
            continue
        if not places or places[-1] - at > 0.08 * last:
            places.append(at)
            labels.append(f"{length:g}")
    return places, labels


def save_ring_table(
    path: str | os.PathLike[str], frc: FourierRingCorrelation, **door: Unpack[Door]
) -> None:
    """Save a ring correlation as CSV: the names of the columns, then a row a ring.

    Parameters
    ----------
    path : path
        Where to write.
    frc : FourierRingCorrelation
        Frequencies in cycles per metre.
    **door
        As in `files.writing.replacing`: ``overwrite=True``.

    Raises
    ------
    InputError
        A table that this program did not write, a folder that is missing or cannot be
        written, or a full disk.
    """
    columns = ("frequency", "correlation", "half_bit", "one_bit", "pixels")
    table = np.column_stack([getattr(frc, name) for name in columns])
    with replacing(path, **door) as part:
        np.savetxt(part, table, "%.6g", ",", header=RING_TABLE, comments="")
