"""Panels of a figure, placed in millimetres so that nothing is cut off."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from cmap import Colormap
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator
from matplotlib.transforms import ScaledTranslation
from scipy import ndimage

from napari_scicompty.analysis.complex_colours import complex_colours
from napari_scicompty.core.units import shown_length
from napari_scicompty.optics.modes import orthogonal_modes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.figures._options import FigureOptions

_MM = 1 / 25.4
_BAR_MM = 2.5
"""Width of a colour bar."""
_CURVE_MM = 45.0
"""Height of the error curve."""
_MODES_A_ROW = 5
_CYCLIC = {"romaO": "crameri:romaO", "twilight": "twilight", "phase": "cmocean:phase"}
_LEGEND = "hue: phase, brightness: |P|"
_PI_TICKS = {
    -math.pi: "\N{MINUS SIGN}π",
    -math.pi / 2: "\N{MINUS SIGN}π/2",
    0: "0",
    math.pi / 2: "π/2",
    math.pi: "π",
}


class _Page:
    """A page of given width that grows downwards as panels are put on it."""

    def __init__(self, options: FigureOptions) -> None:
        self.width = options.width_mm
        self.em = options.font_size_pt * 25.4 / 72
        self.y = self.margin = self.em / 2
        self.figure = Figure(figsize=(self.width * _MM, self.width * _MM))
        self._boxes: list[tuple[Axes, tuple[float, float, float, float]]] = []

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Add axes whose top left corner lies at (x, y)."""
        axes = self.figure.add_axes((0, 0, 1, 1), label=str(len(self._boxes)))
        self._boxes.append((axes, (x, y, width, height)))
        return axes

    def finish(self) -> Figure:
        """Give the page its height, and everything its place."""
        height = self.y + self.margin
        self.figure.set_size_inches(self.width * _MM, height * _MM)
        for axes, (x, y, w, h) in self._boxes:
            axes.set_position(
                (x / self.width, 1 - (y + h) / height, w / self.width, h / height)
            )
        return self.figure


def draw(snapshot: Snapshot, options: FigureOptions) -> Figure:
    """Put the panels that were asked for on a page: pictures, modes, curve."""
    page = _Page(options)
    pictures: list[str] = [n for n in dict.fromkeys(options.what) if n in _OBJECT]
    if pictures:
        _object_row(page, snapshot, options, pictures)
    if "modes" in options.what:
        _mode_rows(page, snapshot, options)
    if "error" in options.what:
        _curve(page, snapshot)
    return page.finish()


# -- the object ---------------------------------------------------------------------
def _object_row(
    page: _Page, snapshot: Snapshot, options: FigureOptions, names: list[str]
) -> None:
    whole = _without_specks(snapshot.lit)
    rows, columns = (np.flatnonzero(whole.any(axis)) for axis in (1, 0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    field, lit = snapshot.object[box], whole[box]
    if options.centre_phase:
        field = field * np.exp(-1j * np.angle(field[lit].mean()))
    beside = (_BAR_MM + 5.5 * page.em) if options.colour_bar else 0.0
    gap = 1.5 * page.em
    room = page.width - 2 * page.margin - gap * (len(names) - 1)
    width = room / len(names) - beside
    height = width * _aspect(field.shape, snapshot)
    top = page.y + 1.8 * page.em
    for i, name in enumerate(names):
        left = page.margin + i * (width + beside + gap)
        axes = page.axes(left, top, width, height)
        look = _OBJECT[name](field, lit, options)
        _picture(axes, look.pop("values"), snapshot, **look)
        axes.set_title(name.capitalize(), fontsize="medium")
        if options.scale_bar:
            _scale_bar(axes, field.shape[1], snapshot.pixel_size_m[1], page.em)
        if options.colour_bar:
            bar = page.axes(left + width + 0.6 * page.em, top, _BAR_MM, height)
            turn = name == "phase" and _is_full_turn(field, lit, options)
            _colour_bar(bar, axes, _UNITS[name], full_turn=turn)
    page.y = top + height + (2.2 * page.em if options.scale_bar else 0)


def _without_specks(lit: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest part and smooth its rim, which the probe's noise frays."""
    smooth = ndimage.binary_opening(lit, np.ones((3, 3)), iterations=2)
    parts, count = ndimage.label(ndimage.binary_fill_holes(smooth))
    if count == 0:
        return lit
    sizes = np.bincount(parts.ravel())[1:]
    return np.asarray(parts == 1 + int(np.argmax(sizes)))


def _phase(
    field: NDArray[np.complexfloating], lit: NDArray[np.bool_], options: FigureOptions
) -> dict[str, Any]:
    if not _is_full_turn(field, lit, options):
        return _scaled(np.angle(field), lit, options)
    return {
        "values": np.where(lit, np.angle(field), np.nan),
        "cmap": Colormap(_CYCLIC[options.phase_colours]).to_mpl(),
        "vmin": -math.pi,
        "vmax": math.pi,
    }


def _is_full_turn(
    field: NDArray[np.complexfloating], lit: NDArray[np.bool_], options: FigureOptions
) -> bool:
    """Whether the phase is drawn over a full turn, as the window draws it."""
    if options.phase_range != "auto":
        return options.phase_range == "full"
    low, high = np.percentile(np.angle(field[lit]), (0.5, 99.5))
    return bool(high - low >= math.pi)


def _magnitude(
    field: NDArray[np.complexfloating], lit: NDArray[np.bool_], options: FigureOptions
) -> dict[str, Any]:
    return _scaled(np.abs(field), lit, options)


def _scaled(
    values: NDArray[np.floating], lit: NDArray[np.bool_], options: FigureOptions
) -> dict[str, Any]:
    """Let the colours span what the lit region has, but for its extremes."""
    low, high = np.percentile(values[lit], (0.5, 99.5))
    return {
        "values": np.where(lit, values, np.nan),
        "cmap": Colormap(options.magnitude_colours).to_mpl(),
        "vmin": low,
        "vmax": high,
    }


_OBJECT = {"phase": _phase, "magnitude": _magnitude}
_UNITS = {"phase": "phase (rad)", "magnitude": "magnitude (1)"}


def _colour_bar(bar: Axes, picture: Axes, label: str, full_turn: bool) -> None:
    drawn = bar.figure.colorbar(picture.images[0], cax=bar)
    drawn.outline.set_linewidth(0.5)
    bar.tick_params(width=0.5, length=2)
    if full_turn:
        drawn.set_ticks(list(_PI_TICKS), labels=list(_PI_TICKS.values()))
    else:
        drawn.locator = MaxNLocator(5)
    drawn.set_label(label, labelpad=1)


# -- the probe ----------------------------------------------------------------------
def _mode_rows(page: _Page, snapshot: Snapshot, options: FigureOptions) -> None:
    """Orthogonal modes, strongest first: hue is the phase, brightness the magnitude."""
    modes = orthogonal_modes(snapshot.probe)
    power = (np.abs(modes.astype(np.complex128)) ** 2).sum((1, 2))
    a_row = max(3, min(len(modes), _MODES_A_ROW))
    gap = page.em
    width = (page.width - 2 * page.margin - gap * (a_row - 1)) / a_row
    height = width * _aspect(modes.shape[1:], snapshot)
    for first in range(0, len(modes), a_row):
        top = page.y + 2 * page.em
        for i, mode in enumerate(modes[first : first + a_row]):
            axes = page.axes(page.margin + i * (width + gap), top, width, height)
            _picture(axes, complex_colours(mode), snapshot)
            share = power[first + i] / power.sum()
            axes.set_title(f"Mode {first + i + 1}: {share:.1%}", fontsize="medium")
            if options.scale_bar:
                _scale_bar(axes, mode.shape[1], snapshot.pixel_size_m[1], page.em)
        page.y = top + height + (1.5 * page.em if options.scale_bar else 0)
    # Below the last row, at the right edge of its last picture.
    where = (1, -(page.y - top - height + 0.9 * page.em) / height)
    axes.text(*where, _LEGEND, transform=axes.transAxes, ha="right", va="center")
    page.y += 1.5 * page.em


# -- the run ------------------------------------------------------------------------
def _curve(page: _Page, snapshot: Snapshot) -> None:
    """Error against epoch, with a mark where a setting was changed."""
    left, top = page.margin + 5.5 * page.em, page.y + page.em
    axes = page.axes(left, top, page.width - left - 2 * page.margin, _CURVE_MM)
    history = snapshot.history
    axes.semilogy(history.epochs, history.errors, color="black", linewidth=1)
    for change in history.changes:
        axes.axvline(change.epoch, color="0.6", linewidth=0.8, linestyle="--")
    axes.set_xlabel("epoch")
    axes.set_ylabel("error (1)")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(which="both", width=0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_linewidth(0.5)
    page.y = top + _CURVE_MM + 2.4 * page.em + 3  # tick marks have a size of their own


# -- all pictures -------------------------------------------------------------------
def _picture(
    axes: Axes,
    values: NDArray[np.floating],
    snapshot: Snapshot,
    **look: Any,
) -> None:
    """Show an image with square metres and without axes."""
    pixel_y, pixel_x = snapshot.pixel_size_m
    # Phase jumps at the wrap: colours may be averaged, values may not.
    axes.imshow(values, aspect=pixel_y / pixel_x, interpolation_stage="rgba", **look)
    axes.set_axis_off()


def _aspect(shape: tuple[int, ...], snapshot: Snapshot) -> float:
    """Height over width of an image."""
    pixel_y, pixel_x = snapshot.pixel_size_m
    return shape[0] * pixel_y / (shape[1] * pixel_x)


def _scale_bar(axes: Axes, columns: int, pixel_m: float, em: float) -> None:
    """Draw a bar with its length below the picture, at its left edge."""
    length, label = round_length(columns * pixel_m / 3)
    move = ScaledTranslation(0, -0.7 * em * _MM, axes.figure.dpi_scale_trans)
    start, end = -0.5, -0.5 + length / pixel_m
    axes.plot(
        [start, end],
        [0, 0],
        transform=axes.get_xaxis_transform() + move,
        color="black",
        linewidth=2,
        solid_capstyle="butt",
        clip_on=False,
        scalex=False,
    )
    axes.text(
        end,
        0,
        f" {label}",
        transform=axes.get_xaxis_transform() + move,
        va="center",
        ha="left",
    )


def round_length(metres: float) -> tuple[float, str]:
    """Return the next smaller 1, 2 or 5 times a power of ten, and how it is written.

    >>> round_length(3.2e-6)[1]
    '2 µm'
    """
    power = 10.0 ** math.floor(math.log10(metres))
    length = max(step * power for step in (1, 2, 5) if step * power <= metres)
    return length, shown_length(length, ".3g")
