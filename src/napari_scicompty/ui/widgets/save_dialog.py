"""Ask where to save, and before a file of somebody else's is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_scicompty.files.writing import ExistsError, checked_target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtpy.QtWidgets import QWidget


class Target(NamedTuple):
    """A file to be written."""

    path: str
    overwrite: bool
    """Whether a person has allowed to replace what is there."""


def chosen_target(
    parent: QWidget,
    path: str | None,
    question: tuple[str, str, str],
    *,
    suffix: str = "",
    inputs: Iterable[str | Path] = (),
) -> Target | None:
    """Return where to save; None where the person did not want to after all.

    Our own files are replaced without a question, as on the command line.

    Parameters
    ----------
    path : str, optional
        The file, where it is known already: then nothing is asked.
    question : (str, str, str)
        Title of the dialog, proposed name, and kinds of files.
    suffix : str
        Is added where the name has none.
    inputs
        Files that are never written over.

    Raises
    ------
    InputError
        An input, a folder, or with `path` a file that this program did not write.
    """
    is_asked = path is None
    if path is None:
        quietly = QFileDialog.Option.DontConfirmOverwrite
        path = QFileDialog.getSaveFileName(parent, *question, "", quietly)[0]
    if not path:
        return None
    if not Path(path).suffix:
        path += suffix
    try:
        checked_target(path, inputs=inputs)
    except ExistsError:
        if not is_asked:
            raise
        return Target(path, True) if _may_replace(parent, path) else None
    return Target(path, False)


def _may_replace(parent: QWidget, path: str) -> bool:
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Replace the file?")
    box.setText(f"{path} exists already.")
    box.setInformativeText("Its content will be lost.")
    box.setTextFormat(Qt.TextFormat.PlainText)
    replace = box.addButton("Replace", QMessageBox.ButtonRole.DestructiveRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(QMessageBox.StandardButton.Cancel)
    box.exec()
    return box.clickedButton() is replace
