"""Detector pixels that are angles or spatial frequencies, as for electrons."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

MRAD, INVERSE = "detector_pixel_mrad", "detector_pixel_inv_angstrom"
_PIXELS = ("detector_pixel_m", MRAD, INVERSE)
_NOMINAL_M = 1.0
"""Distance that is taken where none is given: only pixel over distance counts."""


def merged(*levels: Mapping[str, Any]) -> dict[str, Any]:
    """Lay geometries over each other; of the three kinds of pixel the last one stays.

    Parameters
    ----------
    *levels : mapping
        Name of a field, or of a pixel that is an angle, to its value.

    Returns
    -------
    dict
        One of all.

    Raises
    ------
    InputError
        Two kinds of pixel in one of them.
    """
    values: dict[str, Any] = {}
    for level in levels:
        held = [name for name in _PIXELS if name in level]
        if len(held) > 1:
            raise InputError(f"{' and '.join(held)} are both given; give one")
        if held:
            values = {k: v for k, v in values.items() if k not in _PIXELS}
        values |= level
    return values


def with_pixel(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Work out the pixel in metres, at the distance that is given or at 1 m.

    An angle t per pixel is tan(t) at 1 m; a spatial frequency q is seen under the angle
    q times the wavelength. Without a wavelength both are left for later.

    Parameters
    ----------
    values : dict
        As of `merged`.

    Returns
    -------
    values : dict
        With a distance and a pixel in metres.
    notes : list of str
        How they came about.
    """
    name = next((n for n in (MRAD, INVERSE) if n in values), None)
    if name is None:
        return values, []
    rest = {k: v for k, v in values.items() if k != name}
    distance = rest.setdefault("distance_m", _NOMINAL_M)
    told = np.broadcast_to(np.asarray(values[name], float), 2)
    if not ((told > 0).all() and np.isfinite(told).all()):
        raise InputError(f"{name} is {values[name]}; give a number above zero")
    if name == INVERSE:
        if "wavelength_m" not in rest:
            return values | {"distance_m": distance}, []
        angles = told * 1e10 * rest["wavelength_m"]
    else:
        angles = told * 1e-3
    pixel = tuple(distance * math.tan(angle) for angle in angles)
    shown = " x ".join(dict.fromkeys(f"{side:.6g}" for side in told))
    unit = "1/angstrom" if name == INVERSE else "mrad"
    note = (
        f"detector pixel of {shown} {unit}: {pixel[0]:.6g} m at a distance of "
        f"{distance:.6g} m"
    )
    return rest | {"detector_pixel_m": pixel}, [note]
