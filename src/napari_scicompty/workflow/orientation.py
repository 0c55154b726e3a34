"""How the detector lies against the scan: one orientation, and how to take it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty import prepare
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.quarter_turns import flags_of, matrix_of, rotation, split

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan
    from napari_scicompty.formats.choices import OpenChoices
    from napari_scicompty.workflow.start import KnownProbe

_FLAGS = ("transpose", "flip_rows", "flip_columns", "swap_xy", "flip_x", "flip_y")
SURE = 0.95
"""Confidence from which an orientation counts as found."""


@dataclass(frozen=True, eq=False)
class OrientationCandidate:
    """One way in which the detector can lie against the scan, and how well it fits."""

    transpose: bool = False
    """Rows and columns of the patterns swapped; first."""
    flip_rows: bool = False
    """Patterns upside down."""
    flip_columns: bool = False
    """Patterns mirrored left to right."""
    swap_xy: bool = False
    """x and y of the positions swapped, after their signs."""
    flip_x: bool = False
    """Sign of x of the positions changed."""
    flip_y: bool = False
    """Sign of y of the positions changed."""
    rotation_deg: float = 0.0
    """Angle by which the positions are turned, from y towards x; last."""
    error: float = math.inf
    """Normalised error of pixels that took no part, mean of several seeds."""
    confidence: float = 0.0
    """Probability that it is the right one; the sum over all candidates is 1."""
    has_twin: bool = False
    """Whether the same with all positions negated fits as well: in far field."""
    start: KnownProbe | None = None
    """Start of the probe that fitted best with it."""
    picture: NDArray[np.complex64] | None = dataclasses.field(default=None, repr=False)
    """Object (H, W) after the tries, on larger pixels."""

    @property
    def is_sure(self) -> bool:
        """Whether it is found, and not only the best of several that fit alike."""
        return self.confidence >= SURE

    @property
    def is_as_opened(self) -> bool:
        """Whether it changes nothing."""
        return not self.changes

    @property
    def changes(self) -> dict[str, Any]:
        """What differs from the scan as it is, by the names of the choices."""
        found: dict[str, Any] = {n: True for n in _FLAGS if getattr(self, n)}
        if self.rotation_deg:
            found["rotation_deg"] = round(self.rotation_deg, 2)
        return found

    @property
    def words(self) -> str:
        """What is changed, in words."""
        words = [
            f"{name} {value:g}" if name == "rotation_deg" else name
            for name, value in self.changes.items()
        ]
        return " + ".join(words) or "as opened"

    def __str__(self) -> str:
        return f"{self.words}: error {self.error:.4f}, {self.confidence:.0%} sure"

    def apply(self, scan: Scan) -> Scan:
        """Turn the patterns and the positions of a scan.

        Parameters
        ----------
        scan : Scan
            That the candidate was found for.

        Returns
        -------
        Scan
            Its report says what was turned.
        """
        turned = prepare.orient(
            scan,
            transpose=self.transpose,
            flip_rows=self.flip_rows,
            flip_columns=self.flip_columns,
        )
        moved = self._positions_matrix
        if np.allclose(moved, np.eye(2), rtol=0, atol=1e-12):
            return turned
        middle = scan.positions_m[scan.included].mean(0)
        placed = (scan.positions_m - middle) @ moved.T + middle
        note = f"positions: turned by the orientation {self.words}"
        return turned.with_positions(placed).replace(report=(*turned.report, note))

    def choices(self, before: OpenChoices) -> dict[str, Any]:
        """Return the choices that open the same file with this orientation.

        Parameters
        ----------
        before : OpenChoices
            With which the scan was opened that the candidate was found for.

        Returns
        -------
        dict
            Names of choices to values. Where a beam centre or a size (rows, columns)
            was given, which counts in the turned patterns, the positions are turned
            instead, and the picture with them.

        Raises
        ------
        InputError
            Both a centre and a sheared or stretched scan were given.
        """
        frames, positions = self.frames_matrix, self._positions_matrix
        is_placed = before.center is not None or isinstance(before.crop, tuple)
        if is_placed:
            frames, positions = np.eye(2), frames.T @ positions
        old = matrix_of(before.transpose, before.flip_rows, before.flip_columns)
        alike = [flags_of(sign * frames @ old) for sign in (1, -1)[: 1 + self.has_twin]]
        transpose, rows, columns = min(alike, key=sum)
        degrees, quarter = split(positions @ rotation(before.rotation_deg))
        if not np.allclose(quarter, np.eye(2)) and (before.shear, before.aspect) != (
            0,
            1,
        ):
            raise InputError(
                "orientation: a scan that is sheared or stretched cannot be turned by "
                "its positions; leave center and crop out, or shear and aspect"
            )
        axes = matrix_of(before.swap_xy, before.flip_y, before.flip_x)
        if before.swap_xy:  # signs are changed before the swap
            axes = matrix_of(True, before.flip_x, before.flip_y)
        swap, flip_y, flip_x = flags_of(quarter @ axes)
        if swap:
            flip_y, flip_x = flip_x, flip_y
        return {
            "transpose": transpose,
            "flip_rows": rows,
            "flip_columns": columns,
            "swap_xy": swap,
            "flip_x": flip_x,
            "flip_y": flip_y,
            "rotation_deg": round(degrees, 2) + 0.0,
        }

    @property
    def frames_matrix(self) -> NDArray[np.float64]:
        """What is done to the patterns, as it acts on (y, x); shape (2, 2)."""
        return matrix_of(self.transpose, self.flip_rows, self.flip_columns)

    @property
    def _positions_matrix(self) -> NDArray[np.float64]:
        signs = matrix_of(False, self.flip_y, self.flip_x)
        swap = matrix_of(self.swap_xy, False, False)
        return rotation(self.rotation_deg) @ swap @ signs


def verdict(found: list[OrientationCandidate]) -> str:
    """Say in one sentence what was found.

    Parameters
    ----------
    found : list of OrientationCandidate
        From `find_orientation`, best first; at least one.

    Returns
    -------
    str
        Found and how sure, or undecided and between which.
    """
    best = found[0]
    if not best.is_sure:
        alike = [c.words for c in found if c.confidence > 0.05 * best.confidence]
        return (
            f"undecided: the best of {len(found)}, {best.words}, is right with "
            f"{best.confidence:.0%} only; as likely: {', '.join(alike[1:])}. More "
            "patterns or counts would tell"
        )
    sure = f"({_at_most(best.confidence)} sure)"
    if best.is_as_opened:
        return f"the orientation is right as it was opened {sure}"
    return f"the orientation is {best.words} {sure}"


def _at_most(confidence: float) -> str:
    return "over 99 %" if confidence > 0.99 else f"{100 * confidence:.0f} %"


def undecided_words(scan: Scan) -> str:
    """Say what no pattern can tell of the orientation.

    Parameters
    ----------
    scan : Scan
        Near field or far field.

    Returns
    -------
    str
        One sentence.
    """
    turned = (
        "patterns and positions turned or mirrored alike fit as well, and turn or "
        "mirror the picture"
    )
    if scan.geometry.propagation == "near-field":
        return f"What the data cannot tell: {turned}"
    return (
        f"What the data cannot tell: {turned}; so does the twin (all positions "
        "negated), which turns the picture by 180 degrees and negates its phase"
    )
