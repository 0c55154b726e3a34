"""The Geometry section: the fields, and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_scicompty.analysis.preflight import preflight, probe_overlap
from napari_scicompty.core.beam import beam_words, is_electrons, pixel_angle
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.units import shown_length
from napari_scicompty.formats import GEOMETRY_CHOICES, OVERRIDES, OpenChoices
from napari_scicompty.formats.choices import BEAM_CHOICES
from napari_scicompty.ui.reconstruction.focus_line import FocusLine
from napari_scicompty.ui.widgets.forms import settings_form
from napari_scicompty.ui.widgets.labels import colour_by_level, plain_label
from napari_scicompty.ui.widgets.sections import WrappedLabel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_scicompty.core.geometry import Geometry
    from napari_scicompty.data.scan import Scan
    from napari_scicompty.ui.session.controller import RunController


class GeometrySection(QWidget):
    """Wavelength, energy or voltage, distances, pixel; what follows from them below."""

    changed = Signal()
    file_wanted = Signal()
    """The scan should be opened with what its file says."""

    def __init__(self, prefix: str, controller: RunController) -> None:
        super().__init__()
        self.form = settings_form(OpenChoices, None, prefix, only=GEOMETRY_CHOICES)
        self.form.changed.connect(self._edited)
        self.derived = WrappedLabel()
        self.derived.setObjectName(f"{prefix}.derived")
        self.focus = FocusLine(prefix, controller)
        self.focus.taken.connect(lambda m: self.set_values({"focus_sample_m": m}))
        self.overridden = plain_label(name=f"{prefix}.overridden", wrap=True)
        self.take_file = QPushButton("Use the file's")
        self.take_file.setObjectName(f"{prefix}.use_file")
        self.take_file.setToolTip(
            "Empty these fields and open the scan as its file says"
        )
        self.take_file.clicked.connect(lambda: self._take_file())
        self._overridden: tuple[str, ...] = ()
        self._left: dict[str, dict[str, Any]] = {}
        """Fields of files that were left, by their paths."""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.form.native)
        layout.addWidget(self.overridden)
        layout.addWidget(self.take_file)
        layout.addWidget(self.derived)
        layout.addWidget(self.focus)

    @property
    def values(self) -> dict[str, Any]:
        """Geometry by name, None where nothing was given."""
        return self.form.values

    def set_values(self, values: dict[str, Any]) -> None:
        """Fill the fields."""
        self.form.set_values(values)

    def clear(self) -> None:
        """Empty all fields: they were about another file."""
        defaults = OpenChoices()
        self.set_values({name: getattr(defaults, name) for name in GEOMETRY_CHOICES})

    def change_file(self, before: str, now: str) -> bool:
        """Put away the fields of a file; show those of another, if there were some."""
        self._left[before] = self.values
        known = self._left.get(now)
        if known is None:
            self.clear()
        else:
            self.set_values(known)
        return known is not None

    def _take_file(self) -> None:
        """Empty the fields that override the file."""
        names = set(self._overridden)
        if "wavelength_m" in names:
            names |= set(BEAM_CHOICES)
        self.set_values(dict.fromkeys(names))
        self.file_wanted.emit()

    def _show_overridden(self, scan: Scan | None) -> None:
        """Say in amber which fields replace what the file says."""
        found = (
            [] if scan is None else [f for f in scan.findings if f.code == OVERRIDES]
        )
        self._overridden = tuple(finding.where for finding in found)
        colour_by_level(self.overridden, "warning")
        self.overridden.setText("\n".join(finding.what for finding in found))
        for widget in (self.overridden, self.take_file):
            widget.setVisible(bool(found))

    def show_scan(self, scan: Scan | None) -> None:
        """Fill empty fields with what the file said, and show what follows."""
        self._show_overridden(scan)
        if scan is not None:
            given = scan.geometry
            found = {
                "wavelength_m": given.wavelength_m,
                "distance_m": given.distance_m,
                "detector_pixel_m": given.detector_pixel_m[0],
                "focus_sample_m": given.focus_sample_m,
                "propagation": given.propagation,
            }
            placeholders = {
                k: v for k, v in found.items() if self.values.get(k) is None
            }
            if any(self.values.get(name) is not None for name in BEAM_CHOICES):
                placeholders.pop("wavelength_m", None)
            self.form.set_hints(placeholders)
        self.show_derived(scan)

    def show_derived(
        self, scan: Scan | None, probe: NDArray[np.complex64] | None = None
    ) -> None:
        """Show wavelength, object pixel, field of view and overlap.

        Parameters
        ----------
        probe : (modes, h, w), optional
            To say by how much the lit part overlaps, and not only the window.
        """
        if scan is None:
            self.derived.setText("Open a scan to see what follows from its geometry.")
            return
        changes = {
            k: v
            for k, v in self.values.items()
            if v is not None and k not in BEAM_CHOICES
        }
        geometry = scan.geometry
        try:
            geometry = self._with_beam(geometry.replace(**changes))
            values = preflight(scan, geometry)
        except InputError as error:
            self.derived.setText(str(error))
            return
        lit = "the lit probe by less"
        if probe is not None and probe.shape[-2:] == scan.frame_shape:
            lit = f"the lit probe by {100 * probe_overlap(scan, probe):.0f} %"
        pixel, view = values.pixel_size_m, values.field_of_view_m
        volts = self._voltage_given(scan)
        self.derived.setText(
            f"{values.propagation}\n"
            f"Fresnel number {values.fresnel_number:.3g}: {values.sampling}\n"
            f"{_scaled(geometry)}"
            f"wavelength {shown_length(geometry.wavelength_m)}"
            f"{beam_words(geometry, volts)}\n"
            f"{_angular(geometry, volts)}"
            f"object pixel {_pair(pixel, 1e9)} nm, object {values.canvas_shape[0]} x "
            f"{values.canvas_shape[1]} pixels\n"
            f"field of view {_pair(view, 1e6)} µm\n"
            f"step {values.step_px:.3g} pixels: the views overlap by "
            f"{100 * values.window_overlap:.0f} %, {lit}"
        )

    def _voltage_given(self, scan: Scan) -> bool:
        """Whether the beam is told by a voltage, here or when the scan was opened."""
        told = (self.values, scan.source.opened)
        beams = [{n for n in BEAM_CHOICES if v.get(n) is not None} for v in told]
        return "voltage_v" in (beams[0] or beams[1])

    def _with_beam(self, geometry: Geometry) -> Geometry:
        """Take wavelength, energy or voltage, whichever was given."""
        wavelength, energy, voltage = (self.values.get(n) for n in BEAM_CHOICES)
        rest = _all_but_wavelength(geometry)
        if energy is not None:
            return type(geometry).from_energy(energy, **rest)
        if voltage is not None:
            return type(geometry).from_voltage(voltage, **rest)
        return geometry.replace(wavelength_m=wavelength or geometry.wavelength_m)

    def _edited(self, name: str, value: Any) -> None:
        """Keep to one of wavelength, energy and voltage: the last that was typed."""
        if name in BEAM_CHOICES and value is not None:
            self.form.set_values(dict.fromkeys(set(BEAM_CHOICES) - {name}))
        self.changed.emit()


def _scaled(geometry: Geometry) -> str:
    """Say what Fresnel scaling makes of a cone beam."""
    if geometry.magnification == 1:
        return ""
    return (
        f"magnification {geometry.magnification:.4g}, effective distance "
        f"{geometry.effective_distance_m * 1e3:.4g} mm\n"
    )


def _angular(geometry: Geometry, voltage_given: bool) -> str:
    """Say what a detector pixel is in the units of electron microscopes."""
    if not is_electrons(geometry, voltage_given):
        return ""
    return f"detector pixel {pixel_angle(geometry)}\n"


def _pair(values: tuple[float, float], factor: float) -> str:
    y, x = (v * factor for v in values)
    return f"{y:.4g}" if abs(y - x) < 1e-3 * y else f"{y:.4g} x {x:.4g} (y, x)"


def _all_but_wavelength(geometry: Geometry) -> dict[str, Any]:
    names = ("distance_m", "detector_pixel_m", "focus_sample_m", "propagation")
    return {name: getattr(geometry, name) for name in names}
