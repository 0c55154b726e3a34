"""The Preset section: experiments of the papers, and what is known of them."""

from __future__ import annotations

from magicgui.widgets import ComboBox
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_scicompty.simulation import PRESETS, Preset, VirtualExperiment
from napari_scicompty.ui.widgets.sections import WrappedLabel

OWN = "Own settings"


class PresetSection(QWidget):
    """Choose an experiment of a paper; the fields are filled with it."""

    chosen = Signal(object)
    """A person has chosen this `Preset`."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        titles = [(preset.title, name) for name, preset in PRESETS.items()]
        self._row = ComboBox(choices=[(OWN, ""), *titles])
        self.combo: QComboBox = self._row.native
        self.combo.setObjectName(f"{prefix}.preset")
        self.combo.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.combo.activated.connect(self._activated)
        self.text = WrappedLabel()
        self.text.setObjectName(f"{prefix}.preset.text")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.combo)
        layout.addWidget(self.text)
        self._tell()

    @property
    def preset(self) -> Preset | None:
        """The preset on show."""
        return PRESETS.get(self.combo.currentData() or "")

    def show_which(self, experiment: VirtualExperiment) -> None:
        """Name the preset that this experiment is one of, but for its mistakes."""
        preset = self.preset
        if preset is None or not _is_of(experiment, preset):
            found = [n for n, p in PRESETS.items() if _is_of(experiment, p)]
            self.combo.setCurrentIndex(self.combo.findData(found[0]) if found else 0)
            self._tell()

    def _activated(self, _: int) -> None:
        self._tell()
        if self.preset is not None:
            self.chosen.emit(self.preset)

    def _tell(self) -> None:
        preset = self.preset
        self.combo.setToolTip(self.combo.currentText())
        self.text.setVisible(preset is not None)
        if preset is not None:
            self.text.setText(
                f"{preset.source}\nReported: {preset.claim}.\nChosen here: "
                f"{preset.chosen}."
            )


def _is_of(experiment: VirtualExperiment, preset: Preset) -> bool:
    """Whether an experiment is that of a preset; its mistakes may be others."""
    return experiment.replace(mistakes=preset.experiment.mistakes) == preset.experiment
