"""Pictures that objects and beams are drawn from: those of scikit-image, or files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np

from napari_scicompty.errors import InputError
from napari_scicompty.formats.choices import FilePath

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURES = {
    "astronaut": "astronaut",
    "brick": "brick",
    "camera": "camera",
    "cat": "chelsea",
    "coffee": "coffee",
    "coins": "coins",
    "galaxies": "hubble_deep_field",
    "grass": "grass",
    "gravel": "gravel",
    "moon": "moon",
    "retina": "retina",
    "tissue": "immunohistochemistry",
}
"""Name -> function of ``skimage.data``; only what comes with it, without a download."""

Range = tuple[float, float]


def is_file(picture: str) -> bool:
    """Whether a picture is given as a file, and not by name."""
    return picture not in PICTURES


Picture = Annotated[FilePath, is_file]
"""A name of `PICTURES`, or the path of an image file."""


def complex_picture(
    magnitude: str, phase: str, ranges: tuple[Range, Range], shape: tuple[int, int]
) -> NDArray[np.complex128]:
    """Make a field (H, W) of a picture of its magnitude and one of its phase.

    Parameters
    ----------
    ranges : (low, high) of the magnitude and of the phase in rad
        What black and white stand for.
    """
    (dim, bright), (early, late) = ranges
    modulus = dim + (bright - dim) * picture(magnitude, shape)
    angle = early + (late - early) * picture(phase, shape)
    return np.asarray(modulus * np.exp(1j * angle))


def picture(name: str, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Load a picture as grey values 0 to 1, cut to the shape's aspect and resized.

    Raises
    ------
    InputError
        A file that is missing or no image.
    """
    from skimage import transform

    grey = _loaded(name)
    high, wide = grey.shape
    scale = min(high / shape[0], wide / shape[1])
    h, w = (max(1, round(n * scale)) for n in shape)
    top, left = (high - h) // 2, (wide - w) // 2
    cut = transform.resize(
        grey[top : top + h, left : left + w], shape, order=3, anti_aliasing=True
    )
    low, peak = cut.min(), cut.max()
    return np.asarray((cut - low) / max(peak - low, 1e-12))


def _loaded(name: str) -> NDArray[np.float64]:
    from skimage import color, data, io, util

    if not is_file(name):
        raw = getattr(data, PICTURES[name])()
    else:
        path = Path(name).expanduser()
        try:
            raw = io.imread(path)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{name}: no picture can be read ({error}); give an image file or one "
                f"of {', '.join(PICTURES)}"
            ) from None
    grey = util.img_as_float(raw)
    if grey.ndim == 3:
        grey = color.rgb2gray(grey[..., :3])
    if grey.ndim != 2:
        raise InputError(
            f"{name}: has {grey.ndim} axes; give a grey or a colour picture"
        )
    return np.asarray(grey, np.float64)
