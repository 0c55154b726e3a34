"""The form of a virtual experiment: a section for each of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_scicompty.simulation import (
    BEAMS,
    OBJECTS,
    PATHS,
    Detector,
    Mistakes,
    VirtualExperiment,
)
from napari_scicompty.ui.widgets.forms import settings_form
from napari_scicompty.ui.widgets.kind_form import KindForm
from napari_scicompty.ui.widgets.sections import CollapsibleSection

if TYPE_CHECKING:
    from napari_scicompty.core.settings import Settings
    from napari_scicompty.ui.widgets.forms import SettingsForm

GEOMETRY = ("propagation", "wavelength_m", "distance_m", "focus_sample_m")
MODES = ("modes", "mode_ratio", "mode_weights")
TITLES = {
    "object": "Object",
    "probe": "Probe",
    "path": "Scan path",
    "geometry": "Geometry",
    "detector": "Detector",
    "mistakes": "Mistakes",
    "random": "Random numbers",
}


class ExperimentForm(QWidget):
    """Every setting of a virtual experiment."""

    touched = Signal(str)
    """A person has changed something in this section; it need not be valid."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._kinds: dict[str, KindForm] = {}
        self._parts: dict[str, SettingsForm] = {}
        self._own: dict[str, SettingsForm] = {}
        self._before: dict[str, SettingsForm] = {}
        self.sections: dict[str, CollapsibleSection] = {}
        for name, table in (("object", OBJECTS), ("probe", BEAMS), ("path", PATHS)):
            self._kinds[name] = self._kind_form(name, table, prefix)
        for name, model in (("detector", Detector), ("mistakes", Mistakes)):
            self._parts[name] = settings_form(model, None, f"{prefix}.{name}")
            self._listen(name, self._parts[name])
        for name, fields in (
            ("probe", MODES),
            ("geometry", GEOMETRY),
            ("random", ("seed",)),
        ):
            self._own[name] = settings_form(
                VirtualExperiment, None, prefix, only=fields
            )
            self._listen(name, self._own[name])
        self._lay_out()

    def _kind_form(
        self, name: str, table: dict[str, type[Settings]], prefix: str
    ) -> KindForm:
        titles = {
            kind: str(getattr(model, "title", kind)) for kind, model in table.items()
        }
        form = KindForm(table, titles, f"{prefix}.{name}.kind", f"{prefix}.{name}")
        form.combo.activated.connect(lambda _: self._kind_chosen(name))
        self._before[name] = form.form
        for each in form.forms.values():
            self._listen(name, each)
        return form

    def _kind_chosen(self, name: str) -> None:
        """Take along to another kind what a person has changed."""
        before, form = self._before[name], self._kinds[name].form
        fields = before.model.model_fields
        form.set_values(
            {n: v for n, v in before.values.items() if v != fields[n].default}
        )
        self._before[name] = form
        self.touched.emit(name)

    def _listen(self, name: str, form: SettingsForm) -> None:
        form.touched.connect(lambda: self.touched.emit(name))

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for name, title in TITLES.items():
            inside = QWidget()
            rows = QVBoxLayout(inside)
            rows.setContentsMargins(0, 0, 0, 0)
            if name in self._kinds:
                rows.addWidget(self._kinds[name])
            for forms in (self._parts, self._own):
                if name in forms:
                    rows.addWidget(forms[name].native)
            self.sections[name] = CollapsibleSection(title, inside)
            column.addWidget(self.sections[name])

    @property
    def value(self) -> VirtualExperiment:
        """The experiment; InputError when a field is not valid."""
        given: dict[str, Any] = {
            name: {"kind": kinds.name} | kinds.form.given
            for name, kinds in self._kinds.items()
        }
        given |= {name: form.given for name, form in self._parts.items()}
        for form in self._own.values():
            given |= form.given
        return VirtualExperiment(**given)

    def set_value(self, experiment: VirtualExperiment) -> None:
        """Fill every field."""
        for name, kinds in self._kinds.items():
            kinds.set_value(getattr(experiment, name))
            self._before[name] = kinds.form
        for name, form in self._parts.items():
            form.set_values(getattr(experiment, name))
        for form in self._own.values():
            form.set_values(experiment)
