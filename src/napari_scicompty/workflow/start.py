"""Where a reconstruction begins: the first probe, given or to be found."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_scicompty.core.errors import InputError
from napari_scicompty.core.settings import Settings, setting
from napari_scicompty.data.canvas import Canvas, same_pixel
from napari_scicompty.data.snapshot import Snapshot
from napari_scicompty.engine.run_settings import MOST_MODES
from napari_scicompty.files.hdf5_reading import opened
from napari_scicompty.files.hdf5_values import read_small
from napari_scicompty.files.hdf5_writing import refuse_damaged
from napari_scicompty.files.reading import expanded, read_npy
from napari_scicompty.optics import modes as probe_modes
from napari_scicompty.optics import probes
from napari_scicompty.optics.patches import intensity
from napari_scicompty.optics.propagators import propagator_for, scan_order
from napari_scicompty.results.foreign import foreign_format, open_foreign_result
from napari_scicompty.workflow.convergent import ConvergentProbe
from napari_scicompty.workflow.only_for import only_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_scicompty.data.scan import Scan


_BRIGHTEST = 1e15
_KIND = "probe file (NPY, a result, or HDF5 with a dataset 'probe')"


class DiscProbe(Settings):
    """A disc; in a far-field cone beam a spherical wave in a disc.

    In near field Fresnel scaling has taken the spherical phase out of the wave.
    """

    radius_m: float = setting(
        ..., "Radius of the lit spot on the sample", unit="m", gt=0
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
            A disc wider than the view.
        """
        geometry = scan.geometry
        side = min(np.multiply(scan.frame_shape, scan.pixel_size_m))
        if 2 * self.radius_m > side:
            raise InputError(
                field="DiscProbe.radius_m",
                problem=f"a radius of {self.radius_m:.4g} m does not fit into the "
                f"view, which is {side:.4g} m wide",
                remedy=f"give at most {side / 2:.4g}, or check the geometry",
            )
        return probes.disc_probe(
            scan.frame_shape,
            scan.pixel_size_m,
            self.radius_m,
            geometry.wavelength_m,
            None if geometry.propagation == "near-field" else geometry.focus_sample_m,
        )


class ZonePlateProbe(Settings):
    """The beam of a zone plate with a central stop, out of focus."""

    diameter_m: float = setting(..., "Diameter of the zone plate", unit="m", gt=0)
    outer_zone_m: float = setting(..., "Width of the outermost zone", unit="m", gt=0)
    stop_m: float = setting(0.0, "Diameter of the central stop", unit="m", ge=0)
    focus_sample_m: float | None = setting(
        None, "Focus to sample, positive upstream; empty takes the geometry's", unit="m"
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
            A near field, or no light on the detector.
        """
        geometry = scan.geometry
        only_for("far-field", self, geometry)
        focal = self.diameter_m * self.outer_zone_m / geometry.wavelength_m
        aperture = (self.stop_m / (2 * focal), self.diameter_m / (2 * focal))
        defocus = self.focus_sample_m
        if defocus is None:
            defocus = geometry.focus_sample_m or 0.0
        field = probes.zone_plate_probe(
            scan.frame_shape,
            scan.pixel_size_m,
            geometry.wavelength_m,
            aperture,
            defocus,
        )
        if not np.any(field):
            raise InputError(
                "ZonePlateProbe: no light passes between the stop and the rim on this "
                "detector; check the diameters, the outermost zone and the geometry"
            )
        return field


class PupilProbe(Settings):
    """The mean pattern's pupil, brought out of focus."""

    defocus_m: float = setting(
        ..., "Focus to sample; positive: the focus lies upstream (diverging)", unit="m"
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
            A near field.
        """
        only_for("far-field", self, scan.geometry)
        pupil = np.sqrt(scan.mean_pattern)
        return probes.defocused_pupil(
            pupil, scan.pixel_size_m, scan.geometry.wavelength_m, self.defocus_m
        )


class BackPropagatedProbe(Settings):
    """Near field: the mean pattern's amplitude, propagated back to the sample."""

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
            A far field.
        """
        only_for("near-field", self, scan.geometry)
        amplitude = np.sqrt(scan.mean_pattern).astype(np.complex64)
        propagator = propagator_for(scan.geometry, scan.frame_shape)
        field: NDArray[np.complex64] = propagator.backward(
            torch.from_numpy(amplitude)
        ).numpy()
        return field


class ProbeFile(Settings):
    """Probe modes from a file: NPY, a result of ours, or one of another package.

    Any other HDF5 file has them as the dataset ``probe``. Those of another package are
    brought to the object pixel of the scan where their file tells its own.
    """

    path: Path = setting(
        ..., "NPY or HDF5 file with the probe, (h, w) or (modes, h, w)"
    )
    frozen: bool = setting(False, "Never update it: a calibrated probe")

    def first_mode(self, scan: Scan) -> NDArray[np.complex64]:
        """Modes (modes, h, w), not yet scaled to the measured power.

        Parameters
        ----------
        scan : Scan
            What was measured.

        Returns
        -------
        array (h, w) or (modes, h, w) complex64
            As the file has it, or resampled.

        Raises
        ------
        InputError
            A file that cannot be read, or a probe of other pixels, too many modes
            or values that are not finite.
        """
        probe, pixel = _read_probe(expanded(self.path), scan)
        if probe.ndim not in (2, 3) or probe.shape[-2:] != scan.frame_shape:
            raise InputError(
                f"{self.path}: the probe has shape {probe.shape}, the patterns "
                f"{scan.frame_shape}; both must have the same pixels"
            )
        if len(probe) > MOST_MODES and probe.ndim == 3:
            raise InputError(
                f"{self.path}: the probe has {len(probe)} modes; a run takes at most "
                f"{MOST_MODES}: keep the first ones"
            )
        largest = float(np.abs(probe).max(initial=0))
        if not 0 < largest < _BRIGHTEST:  # NaN is neither
            raise InputError(
                f"{self.path}: the probe is empty, not finite, or its squares are "
                f"beyond single precision (largest {largest:.3g}); give another file"
            )
        if pixel is not None and not same_pixel(pixel, scan.pixel_size_m):
            raise InputError(
                f"{self.path}: its probe has pixels of {pixel[0]:.4g} m, the scan "
                f"{scan.pixel_size_m[0]:.4g} m: the same frames in other pixels are "
                "another beam; open the scan with the crop, rebin and geometry of that "
                "result, or take another start"
            )
        return probe.astype(np.complex64)


class AutoStart(Settings):
    """Far field: find the defocus of the mean pattern's pupil by trying.

    Near field: the mean pattern propagated back; there is nothing to search.
    """

    epochs: int = setting(6, "Epochs that the best candidates run for", ge=1)
    step_px2: float = setting(
        40.0, "Distance of the rungs, in square pixels of k (see docs)", gt=0, le=200
    )
    patterns: int = setting(
        100, "At most this many patterns, next to each other, are used", ge=16
    )
    coarse: bool = setting(
        True,
        "Try on larger pixels, and only the best for all epochs; off: every candidate "
        "on all pixels and for all epochs",
        title="Quick search",
    )


KnownProbe = (
    DiscProbe
    | ZonePlateProbe
    | ConvergentProbe
    | PupilProbe
    | BackPropagatedProbe
    | ProbeFile
)
Start = KnownProbe | AutoStart

STARTS: dict[str, type[Start]] = {
    "auto": AutoStart,
    "pupil": PupilProbe,
    "disc": DiscProbe,
    "zone-plate": ZonePlateProbe,
    "convergent": ConvergentProbe,
    "back-propagated": BackPropagatedProbe,
    "file": ProbeFile,
}
"""Name in recipes, forms and on the command line -> settings class."""


def begin(
    scan: Scan, start: KnownProbe, *, modes: int | None = None, seed: int = 0
) -> Snapshot:
    """Make the first state: a flat object, and the probe scaled to the measured power.

    Parameters
    ----------
    scan : Scan
        What was measured.
    start : KnownProbe
        How the probe begins.
    modes : int, optional
        Probe modes; 1 when left out, or as many as a probe file holds.
    seed : int
        Of the modes after the first.

    Returns
    -------
    Snapshot
        Of epoch 0; its error is NaN.
    """
    known = start.first_mode(scan)
    wanted = modes or (len(known) if known.ndim == 3 else 1)
    probe = probe_modes.with_weak_modes(known, wanted, seed)
    canvas = Canvas.of(scan)
    return Snapshot(
        epoch=0,
        error=math.nan,
        object=np.ones(canvas.shape, np.complex64),
        probe=_with_measured_power(probe, scan),
        positions_m=scan.positions_m,
        origin_m=canvas.origin_m,
        pixel_size_m=canvas.pixel_size_m,
        pattern_error=np.full(len(scan), np.nan, np.float32),
        geometry=scan.geometry,
        settings={"start": _described(start)},
        seed=seed,
        source=scan.source,
        nominal_positions_m=scan.positions_m,
    )


def _with_measured_power(
    probe: NDArray[np.complex64], scan: Scan
) -> NDArray[np.complex64]:
    """Scale so that the model's power on good pixels is the mean measured power."""
    propagator = propagator_for(scan.geometry, scan.frame_shape)
    wave = propagator.forward(torch.from_numpy(probe))
    light = scan_order(intensity(wave).sum(0).numpy(), scan.geometry)
    power = float(light[scan.good].sum())
    if power <= 0:
        raise InputError(
            field="start",
            problem="the probe sends no light to the good detector pixels",
        )
    target = float(scan.pattern_sum[scan.included].mean())
    return (probe * math.sqrt(target / power)).astype(np.complex64)


def from_description(description: dict[str, Any] | None) -> Start | None:
    """Return the start that a snapshot's settings describe, if they do.

    Parameters
    ----------
    description : dict, optional
        Name of the start and its settings.
    """
    if not description:
        return None
    values = {k: v for k, v in description.items() if k != "name"}
    return STARTS[description["name"]](**values)


def _described(start: Start) -> dict[str, object]:
    known = (key for key, kind in STARTS.items() if isinstance(start, kind))
    name = next(known, type(start).__name__)
    return {"name": name} | start.model_dump(mode="json")


def _read_probe(
    path: Path, scan: Scan
) -> tuple[NDArray[np.generic], NDArray[np.generic] | None]:
    """Read at most `MOST_MODES` modes as large as a frame; and the object pixel (y, x).

    Only our results know that pixel; those of other packages are resampled.
    """
    frame = math.prod(scan.frame_shape)
    most_bytes = MOST_MODES * frame * np.dtype(complex).itemsize
    if path.suffix.lower() == ".npy":
        return read_npy(path, _KIND, most_bytes), None
    refuse_damaged(path, ["/", "/probe"])
    if foreign_format(path) is not None:
        return open_foreign_result(path).probe_for(scan), None
    with opened(path, _KIND) as file:
        if (probe := file.get("probe")) is None:
            raise InputError(f"{path}: no dataset 'probe' in this HDF5 file")
        pixel = np.asarray(file.attrs.get("pixel_size_m", ()))
        known = pixel.shape == (2,) and pixel.dtype.kind == "f"
        return read_small(probe, "uifc", most_bytes), pixel if known else None
