"""A form of settings whose first fields are in sight, and the others folded away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_scicompty.ui.forms import settings_form
from napari_scicompty.ui.sections import CollapsibleSection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_scicompty.settings import Settings


class FoldedForm(QObject):
    """Two forms of one model that act as one `SettingsForm`.

    Parameters
    ----------
    first : sequence of str
        Fields that are always in sight.
    leave_out : sequence of str
        Fields that have no row.
    """

    changed = Signal(str, object)

    def __init__(
        self,
        model: type[Settings],
        prefix: str,
        first: Sequence[str],
        leave_out: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.model = model
        self._forms = (
            settings_form(model, None, prefix, only=first),
            settings_form(model, None, prefix, leave_out=(*first, *leave_out)),
        )
        self.native = QWidget()
        layout = QVBoxLayout(self.native)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._forms[0].native)
        layout.addWidget(CollapsibleSection("More settings", self._forms[1].native))
        for form in self._forms:
            form.changed.connect(self.changed.emit)

    @property
    def values(self) -> dict[str, Any]:
        """Values of the fields by name; None where a field is empty."""
        return {n: v for form in self._forms for n, v in form.values.items()}

    @property
    def value(self) -> Any:
        """The settings of the model; InputError where a field is not valid."""
        given = {n: v for form in self._forms for n, v in form.given.items()}
        return self.model(**given)

    def set_values(self, values: Settings | Mapping[str, Any]) -> None:
        """Fill fields; those that are not named stay as they are."""
        for form in self._forms:
            form.set_values(values)

    def set_running(self, running: bool) -> None:
        """Lock what cannot be changed while a run is under way."""
        for form in self._forms:
            form.set_running(running)
