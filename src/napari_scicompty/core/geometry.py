"""How a scan was measured: wavelength, distances and pixels."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, get_args

import numpy as np
from scipy import constants

from napari_scicompty.core.beam import beam_words
from napari_scicompty.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

Propagation = Literal["far-field", "near-field"]

_HC_EV_M = float(constants.h * constants.c / constants.e)


class BesideWavelength(TypedDict, total=False):
    """Fields of a `Geometry` but its wavelength, where they are given by name.

    Attributes
    ----------
    distance_m, detector_pixel_m, focus_sample_m, propagation
        As of `Geometry`.
    """

    distance_m: float
    detector_pixel_m: float | tuple[float, float]
    focus_sample_m: float | None
    propagation: Propagation


@dataclass(frozen=True)
class Geometry:
    """The configured geometry of an experiment, in SI units.

    Parameters
    ----------
    wavelength_m : float
        Wavelength of the illumination.
    distance_m : float
        Sample to detector.
    detector_pixel_m : float or (float, float)
        Detector pixel, one number or (y, x); after binning.
    focus_sample_m : float, optional
        Focus to sample; > 0 means that the focus lies upstream (a diverging beam).
    propagation : {"far-field", "near-field"}
        In near field the cone beam of `focus_sample_m` gives magnification, effective
        distance and effective pixel (Fresnel scaling theorem).

    Raises
    ------
    InputError
        A value that is not finite or not positive, or an unknown propagation.
    """

    wavelength_m: float
    distance_m: float
    detector_pixel_m: tuple[float, float]
    focus_sample_m: float | None = None
    propagation: Propagation = "far-field"

    def __init__(
        self,
        wavelength_m: float,
        distance_m: float,
        detector_pixel_m: float | tuple[float, float],
        focus_sample_m: float | None = None,
        propagation: Propagation = "far-field",
    ) -> None:
        try:
            pixel = np.ravel(detector_pixel_m)
        except ValueError:  # lists of unequal length
            pixel = np.zeros(0)
        if len(pixel) not in (1, 2):
            raise InputError(
                f"Geometry.detector_pixel_m is {detector_pixel_m}; give one number or "
                "(y, x), in metres",
                field="Geometry.detector_pixel_m",
            )
        fs = focus_sample_m
        values = {
            "wavelength_m": _number("wavelength_m", wavelength_m),
            "distance_m": _number("distance_m", distance_m),
            "detector_pixel_m": (
                _number("detector_pixel_m", pixel[0]),
                _number("detector_pixel_m", pixel[-1]),
            ),
            "focus_sample_m": None if fs is None else _number("focus_sample_m", fs),
            "propagation": propagation,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check()

    def check_distance_shows(self) -> None:
        """Refuse to refine the distance where no pattern can tell it.

        Raises
        ------
        InputError
            A far field, or a cone beam.
        """
        if self.propagation == "far-field":
            raise InputError(
                "refine: in the far field another distance only rescales the object "
                "pixel, and no pattern can tell; measure it, or refine positions only"
            )
        if self.focus_sample_m is not None:
            raise InputError(
                "refine: behind a point source the distance sets the magnification, "
                "and the probe takes up the defocus, so that no pattern can tell it; "
                "calibrate it, or refine positions only"
            )

    def _check(self) -> None:
        for name in ("wavelength_m", "distance_m", "detector_pixel_m"):
            numbers = np.atleast_1d(getattr(self, name))
            if not (np.isfinite(numbers).all() and (numbers > 0).all()):
                raise InputError(
                    f"Geometry.{name} is {getattr(self, name)}; give it in metres, "
                    "larger than zero",
                    field=f"Geometry.{name}",
                )
        fs = self.focus_sample_m
        if fs is not None and (not math.isfinite(fs) or fs == 0):
            raise InputError(
                f"Geometry.focus_sample_m is {fs}; give the distance from focus to "
                "sample in metres (negative for a focus downstream), or leave it out",
                field="Geometry.focus_sample_m",
            )
        if not isinstance(self.propagation, str) or (
            self.propagation not in get_args(Propagation)
        ):
            raise InputError(
                f"Geometry.propagation is {self.propagation!r}; choose 'far-field' or "
                "'near-field'",
                field="Geometry.propagation",
            )
        if abs(self.magnification) < 1e-6:
            raise InputError(
                f"Geometry.focus_sample_m is {fs}: the focus lies on the detector, and "
                "nothing is magnified; check the sign and the distance",
                field="Geometry.focus_sample_m",
            )

    @classmethod
    def from_energy(
        cls, energy_ev: float, *args: Any, **kwargs: Unpack[BesideWavelength]
    ) -> Self:
        """Photons of `energy_ev`; the other arguments are those of `Geometry`.

        Parameters
        ----------
        energy_ev : float
            Photon energy in eV.
        *args : any
            By place, what follows `wavelength_m` in `Geometry`.
        **kwargs : any
            The same by name.

        Returns
        -------
        Geometry
            With ``wavelength_m = h c / E``.

        Raises
        ------
        InputError
            An energy that is no number above zero, or as for `Geometry`.

        Examples
        --------
        >>> geometry = Geometry.from_energy(8800, 1.92, 75e-6)
        >>> f"{geometry.wavelength_m:.4g} m"
        '1.409e-10 m'
        """
        energy = _number("energy_ev", energy_ev, "electronvolt")
        if not energy > 0:
            raise InputError(f"energy_ev is {energy_ev}; give the photon energy in eV")
        return cls(_HC_EV_M / energy, *args, **kwargs)

    @classmethod
    def from_voltage(
        cls, voltage_v: float, *args: Any, **kwargs: Unpack[BesideWavelength]
    ) -> Self:
        """Electrons accelerated by `voltage_v` (relativistic wavelength).

        Parameters
        ----------
        voltage_v : float
            Accelerating voltage in V.
        *args : any
            By place, what follows `wavelength_m` in `Geometry`.
        **kwargs : any
            The same by name.

        Returns
        -------
        Geometry
            With ``wavelength_m = h c / sqrt(eV (eV + 2 m c^2))``.

        Raises
        ------
        InputError
            A voltage that is no number above zero, or as for `Geometry`.

        Examples
        --------
        >>> geometry = Geometry.from_voltage(300e3, 0.1, 50e-6)
        >>> f"{geometry.wavelength_m:.3g} m"
        '1.97e-12 m'
        """
        voltage = _number("voltage_v", voltage_v, "volt")
        if not voltage > 0:
            raise InputError(f"voltage_v is {voltage_v}; give the high voltage in volt")
        ev = constants.e * voltage
        rest = constants.m_e * constants.c**2
        return cls(
            float(constants.h * constants.c) / math.sqrt(ev * (ev + 2 * rest)),
            *args,
            **kwargs,
        )

    def replace(self, **changes: Any) -> Self:
        """Return a validated copy with some fields changed.

        Parameters
        ----------
        **changes : any
            New values, by the names of the fields.

        Raises
        ------
        InputError
            As for `Geometry`.
        """
        return dataclasses.replace(self, **changes)

    @property
    def described(self) -> dict[str, object]:
        """The fields that are set, as JSON can hold them."""
        fields = dataclasses.asdict(self) | {
            "detector_pixel_m": list(self.detector_pixel_m)
        }
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def energy_ev(self) -> float:
        """Photon energy in eV that belongs to the wavelength."""
        return _HC_EV_M / self.wavelength_m

    @property
    def voltage_v(self) -> float:
        """High voltage in volt of electrons of this wavelength (relativistic)."""
        rest_ev = constants.m_e * constants.c**2 / constants.e
        return math.hypot(self.energy_ev, rest_ev) - rest_ev

    @property
    def magnification(self) -> float:
        """Geometric magnification of a near-field cone beam; 1 otherwise."""
        if self.propagation == "far-field" or self.focus_sample_m is None:
            return 1.0
        return 1.0 + self.distance_m / self.focus_sample_m

    @property
    def effective_distance_m(self) -> float:
        """Distance of the equivalent parallel beam (Fresnel scaling theorem)."""
        return self.distance_m / self.magnification

    def fresnel_number(self, shape: tuple[int, int]) -> float:
        """Smaller side of the view squared, over wavelength times effective distance.

        Large: the detector sees a blurred shadow. Small: it sees a Fourier transform.

        Parameters
        ----------
        shape : (h, w)
            Pixels of a frame.

        Returns
        -------
        float
            Without a unit.
        """
        sides = zip(shape, self.pixel_size_m(shape), strict=True)
        side = min(n * pixel for n, pixel in sides)
        return side**2 / (self.wavelength_m * abs(self.effective_distance_m))

    def pixel_size_m(self, shape: tuple[int, int]) -> tuple[float, float]:
        """Object pixel (y, x) for frames of `shape` (h, w).

        Far field: wavelength * distance / (N * detector pixel). Near field: detector
        pixel over magnification.

        Parameters
        ----------
        shape : (h, w)
            Pixels of a frame.

        Returns
        -------
        (float, float)
            (y, x) in metres.

        Examples
        --------
        >>> geometry = Geometry.from_energy(8800, 1.92, 75e-6)
        >>> y, x = geometry.pixel_size_m((128, 128))
        >>> f"{y:.4g} m"
        '2.818e-08 m'
        """
        if self.propagation == "near-field":
            m = abs(self.magnification)
            return (self.detector_pixel_m[0] / m, self.detector_pixel_m[1] / m)
        reach = self.wavelength_m * self.distance_m
        return (
            reach / (shape[0] * self.detector_pixel_m[0]),
            reach / (shape[1] * self.detector_pixel_m[1]),
        )


def check_fields(values: Mapping[str, object], where: str) -> None:
    """Refuse fields of a stored geometry that this version does not know.

    Parameters
    ----------
    values : mapping
        Field name to value, as the file has them.
    where : str
        The file.

    Raises
    ------
    InputError
        Which one, in the file `where`.
    """
    known = {field.name for field in dataclasses.fields(Geometry)}
    if unknown := sorted(set(values) - known):
        raise InputError(
            f"{where}: its geometry has the field {unknown[0]!r}, which this version "
            "does not know; update napari-scicompty, or save the file again"
        )


def pixel_sentence(geometry: Geometry, shape: tuple[int, int]) -> str:
    """Say which numbers the object pixel of frames (h, w) follows from.

    Parameters
    ----------
    geometry : Geometry
        How it was measured.
    shape : (h, w)
        Pixels of a frame.

    Returns
    -------
    str
        One sentence, lengths in metres.
    """
    y, x = geometry.pixel_size_m(shape)
    size = f"{y:.4g} m" if math.isclose(y, x) else f"{y:.4g} m x {x:.4g} m"
    detector = " x ".join(f"{p:.4g}" for p in dict.fromkeys(geometry.detector_pixel_m))
    distance, focus = f"distance_m={geometry.distance_m:.4g}", geometry.focus_sample_m
    if geometry.propagation == "far-field":
        frame = " x ".join(str(n) for n in dict.fromkeys(shape))
        return (
            f"{size}, from wavelength_m={geometry.wavelength_m:.4g}"
            f"{beam_words(geometry)} times {distance} over {frame} pixels of "
            f"detector_pixel_m={detector}"
        )
    if focus is None:
        return f"{size}, that of detector_pixel_m, as no focus_sample_m magnifies it"
    return (
        f"{size}, from detector_pixel_m={detector} over the magnification of "
        f"{geometry.magnification:.4g} by {distance} and focus_sample_m={focus:.4g}"
    )


def _number(name: str, value: Any, unit: str = "metres") -> float:
    try:
        if isinstance(value, bool | np.bool_ | np.complexfloating):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"Geometry.{name} is {value!r}; give a number, in {unit}",
            field=f"Geometry.{name}",
        ) from error
