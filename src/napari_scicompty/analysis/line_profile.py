"""A profile along a line, and the widths of a peak and of an edge on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import CubicSpline

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Real = NDArray[np.float64]

Pair = tuple[float, float]

ENDS = 0.1
"""Share of the profile at either end that says what the level there is."""


@dataclass(frozen=True, eq=False)
class LineProfile:
    """Values along a line, one a pixel."""

    distance: Real
    """From the start, in pixels or metres, shape (n,)."""
    values: Real
    """Mean over the width of the line, shape (n,)."""

    @property
    def fwhm(self) -> float:
        """Full width at half maximum of the highest peak (or the deepest dip).

        Heights are counted from a straight line between the levels of the two ends, so
        that a sloping background does no harm. The maximum and both half heights are
        those of a cubic spline: sub-pixel. NaN where the peak has no two sides.
        """
        first, last = self._levels()
        ends = np.interp(self.distance, self.distance[[0, -1]], [first, last])
        above = self.values - ends
        above = above * np.sign(above[np.argmax(np.abs(above))])
        spline = CubicSpline(self.distance, above)
        turns = spline.derivative().roots(extrapolate=False)
        turns = np.append(turns, self.distance[np.argmax(above)])
        top = turns[np.argmax(spline(turns))]
        return _gap(spline.solve(spline(top) / 2, extrapolate=False), top)

    @property
    def edge_width(self) -> float:
        """Distance between 10 and 90 % of the step from one end's level to the other's.

        Next to the last crossing of 50 %; sub-pixel. NaN where there is no step.
        """
        first, last = self._levels()
        if first == last:
            return float("nan")
        spline = CubicSpline(self.distance, (self.values - first) / (last - first))
        at = {s: spline.solve(s, extrapolate=False) for s in (0.1, 0.5, 0.9)}
        if not all(len(places) for places in at.values()):
            return float("nan")
        middle = at[0.5][-1]
        below, over = at[0.1][at[0.1] < middle], at[0.9][at[0.9] > middle]
        if not (len(below) and len(over)):
            return float("nan")
        return float(over[0] - below[-1])

    def _levels(self) -> Pair:
        """Mean value of either end."""
        count = max(1, round(ENDS * len(self.values)))
        return float(self.values[:count].mean()), float(self.values[-count:].mean())


def line_profile(
    image: Real,
    start: Pair,
    end: Pair,
    width: int = 1,
    pixel_size_m: Pair | None = None,
) -> LineProfile:
    """Take a profile of a picture along a line, averaged over `width` pixels across.

    Parameters
    ----------
    image : (H, W)
        Real: magnitude or phase.
    start, end : (y, x)
        Ends of the line in pixels, both included.
    width : int
        Pixels across the line that are averaged.
    pixel_size_m : (y, x), optional
        Distances are then in metres.

    Returns
    -------
    LineProfile
        Distances and values, one a pixel; widths are its properties.

    Raises
    ------
    InputError
        A complex picture, an end outside, or a line shorter than 8 pixels.
    """
    if np.iscomplexobj(image):
        raise InputError("line_profile: give the magnitude or the phase of the object")
    ends = np.array([start, end], float)
    if (ends < 0).any() or (ends > np.subtract(image.shape, 1)).any():
        raise InputError(
            f"line_profile: the line from {start} to {end} leaves the picture of "
            f"{image.shape[0]} x {image.shape[1]} pixels"
        )
    along = ends[1] - ends[0]
    if np.hypot(*along) < 8:
        raise InputError(
            "line_profile: the line is shorter than 8 pixels; draw a longer one"
        )
    from skimage.measure import profile_line  # here, so that runs do without it

    values = profile_line(
        image, ends[0], ends[1], linewidth=width, order=3, mode="nearest"
    )
    steps = np.linspace(0, 1, len(values))
    total = np.hypot(*(along * (pixel_size_m or (1.0, 1.0))))
    return LineProfile(steps * total, np.asarray(values, float))


def _gap(places: Real, middle: float) -> float:
    """Distance between the nearest places on either side of the middle."""
    before, after = places[places < middle], places[places > middle]
    return float(after[0] - before[-1]) if len(before) and len(after) else float("nan")
