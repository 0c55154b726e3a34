"""A drop-down of the datasets of an HDF5 file, those that fit first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.backends._qtpy.widgets import QBaseValueWidget
from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import QModelIndex, Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from napari_scicompty.ui.widgets.form_rows import WRONG, let_wheel_scroll
from napari_scicompty.ui.widgets.labels import plain_tip

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pydantic.fields import FieldInfo

    from napari_scicompty.formats import DatasetRow

NOT_USED = "not used"
_ROW = Qt.ItemDataRole.UserRole
_WIDEST_LIST = 640


class DatasetBox(QComboBox):
    """Choose a dataset from the list, or type its name; empty is none.

    The list has shape, value and unit beside the names, and what fits in bold.

    Parameters
    ----------
    choice : str
        The field of `OpenChoices` that the name is for.
    """

    chosen = Signal()
    """A person has chosen from the list, or typed."""

    def __init__(self, choice: str) -> None:
        super().__init__()
        self._choice = choice
        self._rows: dict[str, DatasetRow] = {}
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.setCompleter(None)  # else a name that begins as another becomes that one
        self.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self.setMinimumContentsLength(8)
        self.setItemDelegate(_WithShape(self))
        let_wheel_scroll(self)
        self.set_datasets(())
        self.activated.connect(self._tell)
        self.lineEdit().editingFinished.connect(self._text_left)

    @property
    def name(self) -> str | None:
        """Name of the dataset, as chosen or typed; None where there is none."""
        return self.currentText().strip() or None

    @property
    def dataset(self) -> DatasetRow | None:
        """The dataset of this name, if the file has it."""
        return self._rows.get((self.name or "").strip("/"))

    def set_name(self, name: str | None) -> None:
        """Show a name, whether or not it is in the list."""
        self.setCurrentText(name or "")
        self.setToolTip(plain_tip(name or ""))

    def set_datasets(self, rows: Sequence[DatasetRow]) -> None:
        """Offer these datasets; what is chosen stays."""
        name = self.name
        self._rows = {row.path: row for row in rows}
        self.clear()
        self.addItem("")
        bold = self.font()
        bold.setBold(True)
        for row in sorted(rows, key=lambda row: self._choice not in row.fits):
            self.addItem(row.path)
            self.setItemData(self.count() - 1, row, _ROW)
            if self._choice in row.fits:
                self.setItemData(self.count() - 1, bold, Qt.ItemDataRole.FontRole)
        self.set_name(name)

    def fitting(self, elsewhere: Collection[str]) -> list[str]:
        """Names that fit and are not used for something else."""
        return [
            row.path
            for row in self._rows.values()
            if self._choice in row.fits and row.path not in elsewhere
        ]

    def set_hint(self, hint: str) -> None:
        """Say, greyed, what holds while nothing is chosen."""
        self.lineEdit().setPlaceholderText(hint or NOT_USED)

    def mark(self, is_wrong: bool) -> None:
        """Draw a red frame, until something else is chosen."""
        self.setStyleSheet(WRONG if is_wrong else "")

    def showPopup(self) -> None:
        """Show the list, wide enough for its names."""
        wanted = self.view().sizeHintForColumn(0) + 24  # and a scroll bar
        self.view().setMinimumWidth(max(self.width(), min(wanted, _WIDEST_LIST)))
        super().showPopup()

    def _text_left(self) -> None:
        if self.lineEdit().isModified():
            self.lineEdit().setModified(False)
            self._tell()

    def _tell(self) -> None:
        self.mark(False)
        self.setToolTip(plain_tip(self.name or ""))
        self.chosen.emit()


class _QtDatasetEdit(QBaseValueWidget):
    """What magicgui needs to know of a dataset box."""

    def __init__(self, choice: str, **kwargs: Any) -> None:
        def make_box(parent: QWidget | None = None) -> DatasetBox:
            box = DatasetBox(choice)
            box.setParent(parent)
            return box

        super().__init__(make_box, "name", "set_name", "chosen", **kwargs)

    def _mgui_get_value(self) -> Any:
        return self._qwidget.name


class DatasetEdit(ValueWidget):
    """A magicgui widget around `DatasetBox`; its value is a name, or None.

    Parameters
    ----------
    name : str
        The field of `OpenChoices` that the name is for.
    """

    def __init__(self, name: str, field: FieldInfo) -> None:
        super().__init__(
            widget_type=_QtDatasetEdit,
            backend_kwargs={"choice": name},
            nullable=True,
            name=name,
            tooltip=field.description or "",
        )


class _WithShape(QStyledItemDelegate):
    """Writes shape, value and unit beside the name of a dataset."""

    def initStyleOption(
        self, option: QStyleOptionViewItem | None, index: QModelIndex
    ) -> None:
        """Fill in what is painted."""
        super().initStyleOption(option, index)
        if option is not None:
            row = index.data(_ROW)
            option.text = NOT_USED if row is None else f"{row.path}    {row}"
