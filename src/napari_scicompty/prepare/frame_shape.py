"""Orientation, crop and rebin: what changes the shape of the frames."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.host_memory import room_for_a_stack
from napari_scicompty.core.stacks import changed
from napari_scicompty.prepare.frames import F, frame_shape


def orient(
    scan: F,
    *,
    transpose: bool = False,
    flip_rows: bool = False,
    flip_columns: bool = False,
) -> F:
    """Turn the patterns (and the mask) so that they match the positions.

    The transpose comes first. Nothing is copied. Reversing an axis of even length puts
    the zero frequency one pixel lower, which only adds a linear phase to the probe; a
    beam centre given to `crop` counts in the turned frames.

    Parameters
    ----------
    scan : Scan
        Or what a reader found, before it is checked.
    transpose : bool
        Whether to swap rows and columns.
    flip_rows : bool
        Whether to reverse the order of the rows.
    flip_columns : bool
        Whether to reverse the order of the columns.

    Returns
    -------
    Scan
        With detector pixels in the new order, too.
    """
    done = [
        word
        for word, wanted in (
            ("transposed", transpose),
            ("rows reversed", flip_rows),
            ("columns reversed", flip_columns),
        )
        if wanted
    ]
    if not done:
        return scan
    rows, columns = (
        slice(None, None, -1 if f else 1) for f in (flip_rows, flip_columns)
    )

    def turned(array: Any) -> Any:
        if transpose:
            array = array.swapaxes(-1, -2)
        return array[..., rows, columns]

    pixel = scan.geometry.detector_pixel_m
    return scan.replace(
        patterns=turned(scan.patterns),
        mask=None if scan.mask is None else turned(scan.mask),
        geometry=scan.geometry.replace(
            detector_pixel_m=pixel[::-1] if transpose else pixel
        ),
        report=(*scan.report, f"patterns: {', '.join(done)}"),
    )


def from_corner(scan: F) -> F:
    """Bring the zero frequency from pixel (0, 0) to (h // 2, w // 2), mask and all.

    One new array where it fits, else as the patterns are read.

    Parameters
    ----------
    scan : Scan
        Or what a reader found, before it is checked.

    Returns
    -------
    Scan
        Its report says so.
    """
    patterns = changed(
        scan.patterns,
        lambda raw: np.fft.fftshift(raw, axes=(1, 2)),
        room_for_a_stack(),
    )
    return scan.replace(
        patterns=patterns,
        mask=None if scan.mask is None else np.fft.fftshift(scan.mask),
        report=(*scan.report, "patterns: zero frequency brought from the corner"),
    )


def crop(
    scan: F,
    size: int | tuple[int, int] | None = None,
    center: tuple[float, float] | None = None,
) -> F:
    """Cut the frames so that the beam centre becomes pixel (h // 2, w // 2).

    A view, not a copy. In far field the object pixel grows as the frame shrinks.

    Parameters
    ----------
    scan : Scan
        Or what a reader found, before it is checked.
    size : int or (h, w), optional
        New shape; when left out, the largest that fits around `center`, and even where
        something is cut off.
    center : (row, column), optional
        Beam centre in pixels of the frames as they are, rounded to whole pixels;
        (h // 2, w // 2) when left out.

    Returns
    -------
    Scan
        With smaller frames.

    Raises
    ------
    InputError
        A centre outside the frames, or a size that does not fit around it.
    """
    shape = frame_shape(scan)
    middle = (shape[0] // 2, shape[1] // 2) if center is None else center
    if not all(0 <= at < length for at, length in zip(middle, shape, strict=True)):
        raise InputError(
            f"center {middle} lies outside the frames of {_by(shape)} pixels; "
            "give the beam centre as (row, column)"
        )
    row, column = (
        min(round(at), length - 1) for at, length in zip(middle, shape, strict=True)
    )
    room = tuple(
        min(2 * at + 1, 2 * (length - at))
        for at, length in zip((row, column), shape, strict=True)
    )
    if size is None:
        wanted = tuple(
            most if most == length else most - most % 2
            for most, length in zip(room, shape, strict=True)
        )
    else:
        wanted = (size, size) if isinstance(size, int) else size
    if not all(0 < want <= most for want, most in zip(wanted, room, strict=True)):
        raise InputError(
            f"crop {_by(wanted)} around ({row}, {column}) does not fit into frames of "
            f"{_by(shape)} pixels; at most {_by(room)} fits"
        )
    if wanted == shape:
        return scan
    top, left = row - wanted[0] // 2, column - wanted[1] // 2
    cut = (..., slice(top, top + wanted[0]), slice(left, left + wanted[1]))
    return scan.replace(
        patterns=scan.patterns[cut],
        mask=None if scan.mask is None else scan.mask[cut],
        report=(
            *scan.report,
            f"patterns: cropped to {_by(wanted)} pixels around ({row}, {column})",
        ),
    )


def rebin(scan: F, factor: int) -> F:
    """Sum blocks of factor x factor detector pixels; one new array if it fits.

    Rows and columns that do not fill a block are cut off such that the zero frequency
    stays in the middle block. A block is good when all its pixels are.

    Parameters
    ----------
    scan : Scan
        Or what a reader found, before it is checked.
    factor : int
        Pixels of a block along each axis; 1 changes nothing.

    Returns
    -------
    Scan
        With the larger detector pixel.

    Raises
    ------
    InputError
        A factor below 1 or one that leaves no pixel.
    """
    shape = frame_shape(scan)
    if factor < 1 or factor > min(shape):
        raise InputError(
            f"rebin is {factor}; give a whole number from 1 to {min(shape)} for frames "
            f"of {_by(shape)} pixels"
        )
    if factor == 1:
        return scan
    rows, columns = (_blocks(length, factor) for length in shape)
    new = (rows[1], columns[1])
    cut = (
        ...,
        slice(rows[0], rows[0] + new[0] * factor),
        slice(columns[0], columns[0] + new[1] * factor),
    )
    blocks = (new[0], factor, new[1], factor)
    dtype = _sum_dtype(scan.patterns.dtype)
    patterns = changed(
        scan.patterns,
        lambda raw: raw[cut].reshape(len(raw), *blocks).sum((2, 4), dtype),
        room_for_a_stack(),
    )
    pixel = scan.geometry.detector_pixel_m
    return scan.replace(
        patterns=patterns,
        mask=None if scan.mask is None else scan.mask[cut].reshape(blocks).all((1, 3)),
        geometry=scan.geometry.replace(
            detector_pixel_m=(pixel[0] * factor, pixel[1] * factor)
        ),
        report=(
            *scan.report,
            f"patterns: {factor} x {factor} detector pixels summed, now {_by(new)}",
        ),
    )


def _blocks(length: int, factor: int) -> tuple[int, int]:
    """First pixel and number of blocks, with length // 2 in the middle block."""
    count = length // factor
    start = length // 2 - (factor - 1) // 2 - factor * (count // 2)
    return min(max(start, 0), length - count * factor), count


def _sum_dtype(dtype: np.dtype[np.generic]) -> np.dtype[np.generic]:
    """Choose a dtype in which sums of pixels do not overflow."""
    if dtype.kind == "f":
        return np.result_type(dtype, np.float32)
    wide = 4 if dtype.itemsize <= 2 else 8
    return np.dtype(f"{dtype.kind}{wide}")


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in shape)
