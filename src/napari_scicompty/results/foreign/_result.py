"""A result of another package: what it holds, and how it becomes a start."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.quarter_turns import matrix_of
from napari_scicompty.data.canvas import Canvas, canvas_map, same_pixel
from napari_scicompty.data.snapshot import History, Snapshot
from napari_scicompty.optics.grids import middle, zero_pixel
from napari_scicompty.results.foreign._placing import at_other_pixels, probe_on
from napari_scicompty.results.foreign._twin import better_of_both

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.data.scan import Scan

    Pair = tuple[float, float]
    Turn = tuple[bool, bool, bool]

_SAME = 1e-3
"""Share of itself by which wavelength and distance may differ unsaid."""
_CLEARLY = 0.5
"""Positions that were turned must fit this much better than those that were not."""


@dataclass(frozen=True, eq=False)
class ForeignResult:
    """Object and probe that another package has reconstructed.

    Arrays are in the order of rows and columns; a view of the object begins at
    ``(positions_m - origin_m) / pixel_size_m``.
    """

    program: str
    """The package that wrote it."""
    path: Path
    """The file."""
    object: NDArray[np.complex64]
    """Transmission function, shape (H, W)."""
    probe: NDArray[np.complex64]
    """Probe modes, shape (modes, h, w), in the package's own unit."""
    pixel_size_m: Pair | None = None
    """Object pixel (y, x); None where the file does not tell."""
    positions_m: NDArray[np.float64] | None = None
    """(n, 2) as (y, x), in the package's own frame; None where there are none."""
    origin_m: Pair | None = None
    """Position of the view that begins at object pixel (0, 0); None where unknown."""
    wavelength_m: float | None = None
    """None where the file does not tell."""
    distance_m: float | None = None
    """Sample to detector; None where the file does not tell."""
    report: tuple[str, ...] = ()
    """What was assumed or left out."""

    def start_for(self, scan: Scan) -> Snapshot:
        """Bring it to the pixels and the frame of a scan; a run continues from there.

        Where both have as many positions, those of the file are turned and mirrored as
        fits the scan's best, and object and probe with them. The mean position then
        lies where that of the scan does; without positions in the file the middle of
        its object lies in the middle of the canvas. The probe gets the measured power.
        In far field both are conjugated where that fits the patterns clearly better.

        Parameters
        ----------
        scan : Scan
            What the run is to fit. Its positions and its geometry are taken.

        Returns
        -------
        Snapshot
            Of epoch 0, its error is NaN. What was done stands in its history.

        Raises
        ------
        InputError
            A file without the object pixel whose frames have other sides, or a probe
            that sends no light onto the object.
        """
        fitting = self.turned_to(scan.positions_m)
        placed = fitting._placed(
            Canvas.of(scan), scan.positions_m, scan.included, scan.geometry
        )
        light = canvas_map(
            placed.object.shape, placed.probe, placed.positions_px[scan.included]
        )
        power = float((light * np.abs(placed.object) ** 2).sum(dtype=float))
        if not 0 < power < math.inf:
            raise InputError(
                f"{self.path}: its probe sends no light onto its object where the scan "
                "has views; give a result of this scan"
            )
        factor = math.sqrt(float(scan.pattern_sum[scan.included].sum()) / power)
        note = f"its probe times {factor:.4g} has the measured power"
        start = placed.replace(
            probe=placed.probe * np.float32(factor),
            source=scan.source,
            history=placed.history.add(notes=[note]),
        )
        return better_of_both(start, scan)

    def beside(self, snapshot: Snapshot) -> Snapshot:
        """Bring it to the pixels and the frame of a result, to be judged with it.

        Parameters
        ----------
        snapshot : Snapshot
            A result of the same object.

        Returns
        -------
        Snapshot
            With the positions and the geometry of the other one.

        Raises
        ------
        InputError
            As of `start_for`.
        """
        used = np.arange(len(snapshot.positions_m))
        fitting = self.turned_to(snapshot.positions_m)
        return fitting._placed(
            snapshot.canvas, snapshot.positions_m, used, snapshot.geometry
        )

    def probe_for(self, scan: Scan) -> NDArray[np.complex64]:
        """Bring the probe alone to the pixels of a scan.

        Parameters
        ----------
        scan : Scan
            What the run is to fit.

        Returns
        -------
        array (modes, h, w) complex64
            Its power is that of the file.

        Raises
        ------
        InputError
            A file without the object pixel whose frames have other sides.
        """
        fitting = self.turned_to(scan.positions_m)
        step = fitting._step(scan.pixel_size_m, scan.frame_shape)
        return probe_on(fitting.probe, scan.frame_shape, step)

    def turned_to(self, positions_m: NDArray[np.float64]) -> Self:
        """Turn and mirror it so that its positions fit others, as well as they can.

        Parameters
        ----------
        positions_m : array (n, 2)
            Those of a scan, in the same order.

        Returns
        -------
        ForeignResult
            The same one where it has another number of positions, or where they fit.
        """
        own = self.positions_m
        if own is None or own.shape != positions_m.shape:
            return self
        there, here = own - own.mean(0), positions_m - positions_m.mean(0)

        def misfit(turn: Turn) -> float:
            return float(np.linalg.norm(there @ matrix_of(*turn).T - here))

        turns: list[Turn] = [
            (swap, y, x) for swap in (False, True) for y in (False, True)
            for x in (False, True)
        ]  # fmt: skip
        best = min(turns, key=misfit)
        if misfit(best) > _CLEARLY * misfit(turns[0]):
            return self
        return self._turned(*best)

    def _turned(self, swap: bool, flip_y: bool, flip_x: bool) -> Self:
        def pair(values: Sequence[float]) -> Pair:
            first, second = values[-2:]
            return (second, first) if swap else (first, second)

        def fields(array: NDArray[np.complex64]) -> NDArray[np.complex64]:
            turned = array.swapaxes(-1, -2) if swap else array
            rows = slice(None, None, -1 if flip_y else None)
            columns = slice(None, None, -1 if flip_x else None)
            return np.ascontiguousarray(turned[..., rows, columns])

        assert self.positions_m is not None
        pixel, origin = self.pixel_size_m, self.origin_m
        if pixel is not None:
            pixel = pair(pixel)
        if origin is not None and pixel is not None:
            room = np.subtract(pair(self.object.shape), pair(self.probe.shape)) * pixel
            y, x = pair(origin)
            origin = (-y - room[0] if flip_y else y, -x - room[1] if flip_x else x)
        names = ("rows and columns swapped",) * swap
        names += ("rows reversed",) * flip_y + ("columns reversed",) * flip_x
        note = f"turned as its positions fit: {', '.join(names)}"
        return dataclasses.replace(
            self,
            object=fields(self.object),
            probe=fields(self.probe),
            pixel_size_m=pixel,
            positions_m=self.positions_m @ matrix_of(swap, flip_y, flip_x).T,
            origin_m=origin,
            report=(*self.report, note),
        )

    def _placed(
        self,
        canvas: Canvas,
        positions_m: NDArray[np.float64],
        used: NDArray[np.integer],
        geometry: Geometry,
    ) -> Snapshot:
        """Resample object and probe onto a canvas."""
        view, pixel, own = canvas.view, canvas.pixel_size_m, self.pixel_size_m
        ratio = self._step(pixel, view)
        there, here, how = self._anchors(canvas, positions_m, used)
        first = there - here * ratio
        vacuum = _rim(self.object)
        changed = at_other_pixels(self.object - vacuum, canvas.shape, first, ratio)
        notes = [
            f"start from {self.path.name} of {self.program}",
            *self.report,
            *self._differences(geometry),
            how,
        ]
        if ratio != (1.0, 1.0) and own is not None:
            notes.append(
                f"object and probe resampled from pixels of {own[0]:.4g} x "
                f"{own[1]:.4g} m to {pixel[0]:.4g} x {pixel[1]:.4g} m"
            )
        elif own is None:
            notes.append("its object pixel is not told: that of the scan is taken")
        return Snapshot(
            epoch=0,
            error=math.nan,
            object=(vacuum + changed).astype(np.complex64),
            probe=probe_on(self.probe, view, ratio),
            positions_m=positions_m,
            origin_m=canvas.origin_m,
            pixel_size_m=pixel,
            pattern_error=np.full(len(positions_m), np.nan, np.float32),
            geometry=geometry,
            nominal_positions_m=positions_m,
            history=History(notes=tuple(notes)),
        )

    def _step(self, pixel: Pair, view: tuple[int, int]) -> Pair:
        """Return a pixel in pixels of its own; exactly 1 where both are the same."""
        own = self.pixel_size_m
        if own is None and self.probe.shape[-2:] != view:
            raise InputError(
                f"{self.path}: does not tell its object pixel, and its probe has "
                f"{self.probe.shape[-2]} x {self.probe.shape[-1]} pixels, the views "
                f"{view[0]} x {view[1]}; crop or rebin the scan as it was"
            )
        if own is None or same_pixel(own, pixel):
            return 1.0, 1.0
        return pixel[0] / own[0], pixel[1] / own[1]

    def _anchors(
        self,
        canvas: Canvas,
        positions_m: NDArray[np.float64],
        used: NDArray[np.integer],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
        """Find the same point on its object and on the canvas, in pixels of each."""
        own, origin, pixel = self.positions_m, self.origin_m, self.pixel_size_m
        if own is None or origin is None or pixel is None:
            there, here = (
                np.array([middle(n) for n in shape])
                for shape in (self.object.shape, canvas.shape)
            )
            return there, here, "no positions in the file: its object is centred"
        seen = positions_m if len(own) == len(positions_m) else positions_m[used]
        corners = (own - origin) / pixel
        there, here = (
            at.mean(0) + [zero_pixel(n) for n in view]
            for at, view in (
                (corners, self.probe.shape[-2:]),
                (canvas.to_pixels(seen), canvas.view),
            )
        )
        how = "placed by the mean of the positions"
        if len(own) != len(seen):
            how += f" ({len(own)} in the file, {len(seen)} in the scan)"
        return there, here, how

    def _differences(self, geometry: Geometry) -> Iterator[str]:
        """Yield in what the geometry of the file is another one."""
        for name, unit in (("wavelength_m", "wavelength"), ("distance_m", "distance")):
            then, now = getattr(self, name), getattr(geometry, name)
            if then is not None and abs(then - now) > _SAME * now:
                yield (
                    f"{unit} is {then:.6g} m in the file and {now:.6g} m in the scan; "
                    "that of the scan is used"
                )


def _rim(field: NDArray[np.complex64]) -> np.complex64:
    """Return the mean of the outermost pixels: what lies beyond them."""
    edges = (field[0], field[-1], field[:, 0], field[:, -1])
    return np.complex64(np.concatenate(edges).mean(dtype=complex))
