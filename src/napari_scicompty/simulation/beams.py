"""Beams on the sample, each with any number of incoherent modes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field
from scipy import special

from napari_scicompty.core.settings import Settings, setting
from napari_scicompty.optics.grids import frequencies
from napari_scicompty.simulation._grid import Grid, clouds, smoothed
from napari_scicompty.simulation._kinds import table_of
from napari_scicompty.simulation.pictures import Picture, Range, complex_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

_OUTSIDE = "the view must hold the beam; the nearest that works is 0.5"


class Beam(Settings):
    """A beam through an aperture; beyond a focus it is a spherical wave."""

    title: ClassVar[str] = ""
    kind: str = ""
    """Name of its line in the table of beams."""
    radius: float = setting(
        0.3,
        "Radius of the beam on the sample, as a share of the view",
        gt=0.02,
        le=0.5,
        reason=_OUTSIDE,
    )
    diffuser_rad: float = setting(
        0.0,
        "Phase that a diffuser puts on the beam (rms); structured beams converge "
        "faster",
        unit="rad",
        ge=0,
        le=5,
    )

    def radius_m(self, grid: Grid) -> float:
        """Radius of the lit spot on the sample.

        Parameters
        ----------
        grid : Grid
            Pixels and optics of the view.

        Returns
        -------
        float
            Metres.
        """
        return self.radius * grid.side_m

    def modes(
        self, grid: Grid, count: int, rng: np.random.Generator
    ) -> NDArray[np.complex128]:
        """Orthogonal modes (count, h, w) of unit power.

        Parameters
        ----------
        grid : Grid
            Pixels and optics of the view.
        count : int
            Modes wanted.
        rng : numpy.random.Generator
            Source of what is random.

        Returns
        -------
        array (count, h, w) complex128
            On the sample; sum |P|^2 of each is 1.
        """
        wave = smoothed(self.aperture(grid, rng) * self._diffuser(grid, rng))
        wave *= grid.wavefront()
        y, x = (c / self.radius_m(grid) for c in grid.coordinates())
        return orthonormal(wave * self.polynomials(y, x, count))

    def aperture(self, grid: Grid, rng: np.random.Generator) -> NDArray[np.complex128]:
        """Field (h, w) in the aperture, its wavefront flat.

        Parameters
        ----------
        grid : Grid
            Pixels and optics of the view.
        rng : numpy.random.Generator
            Source of what is random.

        Returns
        -------
        array (h, w) complex128
            In no special unit.
        """
        del rng
        return self.disc(grid).astype(complex)

    def disc(self, grid: Grid) -> NDArray[np.float64]:
        """Disc of the beam's radius (h, w).

        Parameters
        ----------
        grid : Grid
            Pixels and optics of the view.

        Returns
        -------
        array (h, w) float64
            1 inside, 0 outside.
        """
        return grid.disc(self.radius_m(grid))

    def polynomials(
        self, y: NDArray[np.float64], x: NDArray[np.float64], count: int
    ) -> NDArray[np.float64]:
        """Factors (count, h, w) that make modes of one wave: powers of y and x.

        Parameters
        ----------
        y, x : array (h, w) that broadcast
            From the middle, in radii of the beam.
        count : int
            Factors wanted.

        Returns
        -------
        array (count, h, w) float64
            The first one is 1.
        """
        return _powers(y, x, count)

    def _diffuser(self, grid: Grid, rng: np.random.Generator) -> NDArray[np.complex128]:
        texture = clouds(grid.shape, rng)
        texture = (texture - texture.mean()) / texture.std()
        return np.asarray(np.exp(1j * self.diffuser_rad * texture))


class DiscBeam(Beam):
    """A disc that is brighter in the middle, behind a diffuser."""

    title: ClassVar[str] = "Disc"
    kind: Literal["disc"] = setting("disc", "Kind of beam")
    diffuser_rad: float = setting(
        1.0,
        "Phase that a diffuser puts on the beam (rms); structured beams converge "
        "faster",
        unit="rad",
        ge=0,
        le=5,
    )

    def aperture(self, grid: Grid, rng: np.random.Generator) -> NDArray[np.complex128]:
        """Field (h, w) in the aperture, its wavefront flat."""
        del rng
        y, x = (c / self.radius_m(grid) for c in grid.coordinates())
        return np.asarray(self.disc(grid) * np.exp(-0.5 * (y**2 + x**2)) + 0j)


class SphericalBeam(Beam):
    """An even spherical wave in a disc; it needs a focus (focus_sample_m)."""

    title: ClassVar[str] = "Spherical wave"
    kind: Literal["spherical"] = setting("spherical", "Kind of beam")


class ZernikeBeam(Beam):
    """Zernike polynomials on a spherical wave: each mode is one, in Noll's order."""

    title: ClassVar[str] = "Zernike modes on a spherical wave"
    kind: Literal["zernike"] = setting("zernike", "Kind of beam")
    orders: int = setting(3, "Highest radial order of the aberrations", ge=2, le=8)
    aberration_rad: float = setting(
        0.0, "Aberrations of the wave, drawn at random (rms)", unit="rad", ge=0, le=10
    )

    def aperture(self, grid: Grid, rng: np.random.Generator) -> NDArray[np.complex128]:
        """Field (h, w) in the aperture, its wavefront flat but for the aberrations."""
        y, x = (c / self.radius_m(grid) for c in grid.coordinates())
        last = (self.orders + 1) * (self.orders + 2) // 2
        weights = rng.normal(size=last - 3)  # piston and tilts are no aberrations
        weights *= self.aberration_rad / np.linalg.norm(weights)
        inside = np.hypot(y, x) > 1
        shape = [np.where(inside, 0, zernike(j, y, x)) for j in range(4, last + 1)]
        phase = np.tensordot(weights, np.array(shape), 1)
        return np.asarray(self.disc(grid) * np.exp(1j * phase))

    def polynomials(
        self, y: NDArray[np.float64], x: NDArray[np.float64], count: int
    ) -> NDArray[np.float64]:
        """Factors (count, h, w) that make modes of one wave: Zernike polynomials."""
        return np.array([zernike(j, y, x) for j in range(1, count + 1)])


class PictureBeam(Beam):
    """Two pictures seen through an aperture: magnitude and phase."""

    title: ClassVar[str] = "Two pictures"
    kind: Literal["pictures"] = setting("pictures", "Kind of beam")
    magnitude: Picture = setting("cat", "Picture of the magnitude: name or file")
    phase: Picture = setting("astronaut", "Picture of the phase: name or file")
    magnitude_range: Range = setting((0.2, 1.0), "Magnitude of black and of white")
    phase_range_rad: Range = setting(
        (-math.pi / 2, math.pi / 2), "Phase of black and of white", unit="rad"
    )

    def aperture(self, grid: Grid, rng: np.random.Generator) -> NDArray[np.complex128]:
        """Field (h, w) in the aperture, its wavefront flat."""
        del rng
        ranges = (self.magnitude_range, self.phase_range_rad)
        side = 2 * math.ceil(self.radius * min(grid.shape) / 2) * 2
        side = min(side, *grid.shape)
        field = complex_picture(self.magnitude, self.phase, ranges, (side, side))
        before = [n // 2 - side // 2 for n in grid.shape]
        around = [(b, n - side - b) for b, n in zip(before, grid.shape, strict=True)]
        return np.asarray(np.pad(field, around, mode="edge") * self.disc(grid))


class ZonePlateBeam(Settings):
    """The first order of a zone plate with a central stop, beside its focus."""

    title: ClassVar[str] = "Zone plate"
    kind: Literal["zone-plate"] = setting("zone-plate", "Kind of beam")
    diameter_m: float = setting(
        200e-6, "Diameter of the zone plate", unit="m", gt=0, le=0.1
    )
    outer_zone_m: float = setting(
        100e-9, "Width of the outermost zone", unit="m", gt=0, le=1e-3
    )
    stop_m: float = setting(
        60e-6, "Diameter of the central stop", unit="m", ge=0, le=0.1
    )

    def focal_length_m(self, grid: Grid) -> float:
        """Focal length D * outermost zone / lambda.

        Parameters
        ----------
        grid : Grid
            Its wavelength counts.

        Returns
        -------
        float
            Metres.
        """
        return self.diameter_m * self.outer_zone_m / grid.wavelength_m

    def radius_m(self, grid: Grid) -> float:
        """Radius of the lit spot: of the cone, and not below the Airy disc's.

        Parameters
        ----------
        grid : Grid
            Pixels and optics of the view.

        Returns
        -------
        float
            Metres.
        """
        cone = abs(grid.focus_sample_m or 0) / self.focal_length_m(grid)
        return max(cone * self.diameter_m / 2, 1.22 * self.outer_zone_m)

    def modes(
        self, grid: Grid, count: int, rng: np.random.Generator
    ) -> NDArray[np.complex128]:
        """Orthogonal modes (count, h, w) of unit power: powers in the pupil.

        Parameters
        ----------
        grid : Grid
            Pixels and optics of the view.
        count : int
            Modes wanted.
        rng : numpy.random.Generator
            Source of what is random.

        Returns
        -------
        array (count, h, w) complex128
            On the sample; sum |P|^2 of each is 1.
        """
        del rng
        focal = self.focal_length_m(grid)
        rim, stop = self.diameter_m / (2 * focal), self.stop_m / (2 * focal)
        scale = grid.wavelength_m / grid.pixel_m
        y, x = (f * scale for f in frequencies(grid.shape))
        step = grid.wavelength_m / grid.side_m
        r = np.hypot(y, x)
        pupil = np.clip((rim - r) / step + 0.5, 0, 1)
        if stop > 0:
            pupil = pupil * np.clip((r - stop) / step + 0.5, 0, 1)
        # r is the sine of an angle: the way fs from the focus on turns the phase by
        # -pi fs r^2 / lambda (the carrier left out), and fs > 0 diverges.
        defocus = (grid.focus_sample_m or 0) / grid.wavelength_m
        wave = pupil * np.exp(-1j * np.pi * defocus * r**2)
        fields = np.fft.ifft2(wave * _powers(y / rim, x / rim, count))
        return orthonormal(np.fft.fftshift(fields, (-2, -1)))


AnyBeam = Annotated[
    DiscBeam | SphericalBeam | ZonePlateBeam | ZernikeBeam | PictureBeam,
    Field(discriminator="kind"),
]

BEAMS = table_of(AnyBeam)
"""Kind -> settings class."""


def orthonormal(fields: NDArray[np.complexfloating]) -> NDArray[np.complex128]:
    """Make fields (m, h, w) orthogonal, one after the other, and of unit power.

    Parameters
    ----------
    fields : array (m, h, w) complex
        None of them a mixture of the others.

    Returns
    -------
    array (m, h, w) complex128
        Sum |P|^2 of each is 1.
    """
    q, r = np.linalg.qr(fields.reshape(len(fields), -1).T)
    turn = np.exp(1j * np.angle(np.diag(r)))  # QR may turn a field by a phase
    return np.asarray((q * turn).T.reshape(fields.shape))


def zernike(
    number: int, y: NDArray[np.float64], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Zernike polynomial of Noll's index on the unit disc, of rms 1 there.

    R. J. Noll, J. Opt. Soc. Am. 66, 207 (1976), eqs. 1 and 2; the radial part as a
    Jacobi polynomial. The first one, piston, has index 1.

    Parameters
    ----------
    number : int
        Noll's index, from 1 on.
    y, x : array (...)
        Coordinates on the unit disc.

    Returns
    -------
    array (...) float64
        Beyond the disc, too, where it means nothing.

    Examples
    --------
    >>> zernike(1, np.array([0.0, 0.5]), np.array([0.0, 0.5]))
    array([1., 1.])
    """
    n = math.ceil((math.sqrt(8 * number + 1) - 3) / 2)
    place = number - n * (n + 1) // 2 - 1  # in its row: 0, 1, ... n
    m = place + (place + n) % 2
    radius, angle = np.hypot(y, x), np.arctan2(y, x)
    k = (n - m) // 2
    radial = (-1) ** k * radius**m * special.eval_jacobi(k, m, 0, 1 - 2 * radius**2)
    if m == 0:
        return np.asarray(math.sqrt(n + 1) * radial)
    turn = np.cos if number % 2 == 0 else np.sin
    return np.asarray(math.sqrt(2 * (n + 1)) * radial * turn(m * angle))


def _powers(
    y: NDArray[np.float64], x: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """y^a x^b (count, h, w), lowest orders first."""
    orders = [(total - i, i) for total in range(count) for i in range(total + 1)]
    return np.array([y**a * x**b for a, b in orders[:count]])
