"""Pictures that objects and beams are drawn from: those of scikit-image, or files."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Annotated

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.files.reading import MOST_BYTES, check_file, expanded, reading
from napari_scicompty.formats.choices import FilePath
from napari_scicompty.formats.tiff import check_chain

if TYPE_CHECKING:
    from pathlib import Path

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

_MOST_VALUES = 2**25
Range = tuple[float, float]


def is_file(picture: str) -> bool:
    """Whether a picture is given as a file, and not by name.

    Parameters
    ----------
    picture : str
        As a setting has it.
    """
    return picture not in PICTURES


Picture = Annotated[FilePath, is_file]
"""A name of `PICTURES`, or the path of an image file."""


def complex_picture(
    magnitude: str, phase: str, ranges: tuple[Range, Range], shape: tuple[int, int]
) -> NDArray[np.complex128]:
    """Make a field (H, W) of a picture of its magnitude and one of its phase.

    Parameters
    ----------
    magnitude, phase : str
        Names of pictures that come along, or files.
    ranges : (low, high) of the magnitude and of the phase in rad
        What black and white stand for.
    shape : (H, W)
        Pixels of the field.

    Returns
    -------
    array (H, W) complex128
        The phase in rad.
    """
    (dim, bright), (early, late) = ranges
    modulus = dim + (bright - dim) * picture(magnitude, shape)
    angle = early + (late - early) * picture(phase, shape)
    return np.asarray(modulus * np.exp(1j * angle))


def picture(name: str, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Load a picture as grey values 0 to 1, cut to the shape's aspect and resized.

    Parameters
    ----------
    name : str
        Of a picture that comes along, or a file.
    shape : (H, W)
        Pixels wanted.

    Returns
    -------
    array (H, W) float64
        The darkest pixel is 0, the brightest 1.

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
    from skimage import color, data, util

    raw = _read(expanded(name)) if is_file(name) else getattr(data, PICTURES[name])()
    is_colour = raw.ndim == 3 and raw.shape[2] >= 3
    if (
        not (is_colour or raw.ndim == 2)
        or 0 in raw.shape
        or raw.dtype.kind not in "buif"
    ):
        raise InputError(
            f"{name}: holds values of dtype {raw.dtype} and shape {raw.shape}; give a "
            "grey or a colour picture"
        )
    grey = util.img_as_float(color.rgb2gray(raw[..., :3]) if is_colour else raw)
    if not np.isfinite(grey).all():
        raise InputError(f"{name}: the picture is not finite; give another one")
    return np.asarray(grey, np.float64)


def _read(path: Path) -> NDArray[np.generic]:
    """Read a picture, after a look at its size: it may be packed beyond all measure."""
    import tifffile
    from PIL import Image
    from skimage import io

    kind = "picture"
    if not path.exists():
        raise InputError(
            f"{path}: no picture can be read, there is no such file; give an image "
            f"file or one of {', '.join(PICTURES)}"
        )
    check_file(path, kind, MOST_BYTES)
    with reading(path, kind), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix.lower() in (".tif", ".tiff"):
            check_chain(path)
            with tifffile.TiffFile(path) as file:
                shape = file.series[0].shape
        else:
            with Image.open(path) as image:
                shape = image.size
        if math.prod(shape) > _MOST_VALUES:
            raise InputError(
                f"{path}: the picture is {' x '.join(map(str, shape))} large; give one "
                "of at most some 6000 x 6000 pixels"
            )
        return np.asarray(io.imread(path))
