"""The start of a convergent beam: a round aperture, and the aberrations of a lens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.settings import Settings, setting
from napari_scicompty.optics import probes
from napari_scicompty.workflow.only_for import only_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan


class ConvergentProbe(Settings):
    """A convergent beam through a round aperture, as of an electron microscope.

    Signs are those of Krivanek's notation: a positive `defocus_m` (C10, overfocus)
    puts the focus upstream of the sample, as in `PupilProbe`.
    """

    semiangle_rad: float = setting(
        ...,
        "Half the opening angle of the beam",
        unit="rad",
        gt=0,
        le=1.5,
        title="Convergence semi-angle",
    )
    defocus_m: float = setting(
        0.0,
        "Focus to sample; positive: the focus lies upstream (diverging)",
        unit="m",
        title="Defocus (C10)",
    )
    astigmatism_m: float = setting(
        0.0,
        "C12: the defocus is larger by this along its angle, and smaller across",
        unit="m",
        title="Astigmatism (C12)",
    )
    astigmatism_deg: float = setting(
        0.0,
        "Angle of the astigmatism, from x (columns) towards y (rows)",
        unit="deg",
        title="Angle of the astigmatism",
    )
    spherical_m: float = setting(
        0.0, "C30, spherical aberration", unit="m", title="Spherical aberration (C30)"
    )

    def first_mode(self, scan: Scan) -> NDArray[np.complex64]:
        """Field (h, w), not yet scaled to the measured power.

        Parameters
        ----------
        scan : Scan
            What was measured.

        Returns
        -------
        array (h, w) complex64
            On the sample.

        Raises
        ------
        InputError
            A near field, or an aperture that is larger than the detector.
        """
        geometry = scan.geometry
        only_for("far-field", self, geometry)
        largest = geometry.wavelength_m / (2 * max(scan.pixel_size_m))
        if self.semiangle_rad > largest:
            raise InputError(
                field="ConvergentProbe.semiangle_rad",
                problem=f"{self.semiangle_rad * 1e3:.4g} mrad is more than the "
                f"detector sees, {largest * 1e3:.4g} mrad on each side of its middle",
                remedy="give a smaller angle, or check distance, detector pixel, crop "
                "and wavelength",
            )
        return probes.convergent_probe(
            scan.frame_shape,
            scan.pixel_size_m,
            geometry.wavelength_m,
            self.semiangle_rad,
            probes.Aberrations(
                self.defocus_m,
                self.astigmatism_m,
                float(np.radians(self.astigmatism_deg)),
                self.spherical_m,
            ),
        )
