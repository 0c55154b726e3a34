"""Number boxes, forms of every settings model, plots: typed into and clicked on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from magicgui.widgets.bases import ValueWidget
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QWidget,
)

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.engine.run_settings import RunSettings
from napari_scicompty.figures import FigureOptions
from napari_scicompty.formats import OpenChoices
from napari_scicompty.refine import REFINERS, LeastSquaresShift
from napari_scicompty.simulation import Detector, Mistakes
from napari_scicompty.ui.widgets.forms import NO_SETTINGS, settings_form
from napari_scicompty.ui.widgets.labels import colour_by_level
from napari_scicompty.ui.widgets.number_box import UnitSpinBox
from napari_scicompty.ui.widgets.plots import (
    ErrorPlot,
    PatternView,
    ScanPathView,
    StartLadderView,
)
from napari_scicompty.workflow.start import STARTS
from window import click_at, on_screen, type_into, unfold

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

    from napari_scicompty.core.settings import Settings
    from window import Window

pytestmark = pytest.mark.gui

MODELS: list[type[Settings]] = [
    *ALGORITHMS.values(),
    *STARTS.values(),
    RunSettings,
    OpenChoices,
    Detector,
    Mistakes,
    FigureOptions,
    *REFINERS.values(),
]


@pytest.fixture
def shown(qtbot: QtBot) -> Callable[[QWidget], Any]:
    """Show a widget in an active window."""

    def show(widget: QWidget) -> QWidget:
        qtbot.addWidget(widget)
        widget.show()
        widget.activateWindow()
        qtbot.waitUntil(widget.isActiveWindow)
        return widget

    return show


# -- number boxes ---------------------------------------------------------------------
@pytest.mark.parametrize("value", [1.2345e-10, 0.123456789e-9, 1e-15, 12345.6789])
def test_a_number_is_kept_to_the_last_bit(
    qtbot: QtBot, shown: Callable[..., Any], value: float
) -> None:
    spin = shown(UnitSpinBox("m"))
    heard: list[Any] = []
    spin.edited.connect(heard.append)
    spin.set_value(value)
    shown_as = float(spin.box.text()) * spin.box.factor
    assert shown_as == pytest.approx(value, rel=1e-5)
    spin.box.setFocus()
    qtbot.keyClick(spin.box, Qt.Key.Key_Return)
    spin.units.setFocus()
    assert (spin.value, heard) == (value, [])


@pytest.mark.parametrize(
    ("unit", "text", "value", "shown_in"),
    [
        ("eV", "8.8keV", 8800.0, "keV"),
        ("eV", "8.8 kev", 8800.0, "keV"),
        ("m", "0.14 nm", 0.14e-9, "nm"),
        ("m", "1.2345e-10 m", 1.2345e-10, "m"),
        ("m", "75 um", 75e-6, "µm"),
        ("m", "1,5 mm", 1.5e-3, "mm"),
        ("m", "-2 mm", -2e-3, "mm"),
        ("m", "1.4 A", 1.4e-10, None),
        ("rad", "90 deg", math.pi / 2, None),
        ("", "3.5", 3.5, None),
    ],
)
def test_a_typed_unit_is_switched_to(
    qtbot: QtBot,
    shown: Callable[..., Any],
    unit: str,
    text: str,
    value: float,
    shown_in: str | None,
) -> None:
    spin = shown(UnitSpinBox(unit))
    with qtbot.waitSignal(spin.edited) as edited:
        type_into(qtbot, spin.box, text)
    assert edited.args == [pytest.approx(value, rel=1e-15)]
    assert spin.value == edited.args[0]
    if shown_in is not None:
        assert spin.units.currentText() == shown_in


def test_leaving_a_box_takes_what_was_typed(
    qtbot: QtBot, shown: Callable[..., Any]
) -> None:
    spin = shown(UnitSpinBox("m"))
    spin.box.setFocus()
    qtbot.keyClicks(spin.box, "3 mm")
    assert spin.value is None
    qtbot.keyClick(spin.box, Qt.Key.Key_Tab)
    assert spin.value == 3e-3


def test_another_unit_leaves_the_value(qtbot: QtBot, shown: Callable[..., Any]) -> None:
    spin = shown(UnitSpinBox("m"))
    spin.set_value(1.5e-10)
    assert (spin.box.text(), spin.units.currentText()) == ("0.15", "nm")
    heard: list[Any] = []
    spin.edited.connect(heard.append)
    spin.units.setFocus()
    qtbot.keyClicks(spin.units, "pm")
    assert (spin.value, spin.box.text(), heard) == (1.5e-10, "150", [])


@pytest.mark.parametrize("text", ["abc", "", "nan", "3 parsec", "1e", "8.8 keV", "--3"])
def test_what_is_no_number_is_undone(
    qtbot: QtBot, shown: Callable[..., Any], text: str
) -> None:
    spin = shown(UnitSpinBox("m"))
    spin.set_value(0.07)
    before = spin.box.text()
    type_into(qtbot, spin.box, text)
    assert (spin.value, spin.box.text()) == (0.07, before)


def test_an_empty_optional_box_is_none(qtbot: QtBot, shown: Callable[..., Any]) -> None:
    spin = shown(UnitSpinBox("m", optional=True))
    spin.set_value(0.07)
    with qtbot.waitSignal(spin.edited) as edited:
        type_into(qtbot, spin.box, "")
    assert edited.args == [None]
    assert (spin.value, spin.box.text()) == (None, "")


def test_the_wheel_turns_only_a_box_in_focus(
    shown: Callable[..., Any],
) -> None:
    spin = shown(UnitSpinBox("m"))
    spin.set_value(2e-3)
    spin.units.setFocus()
    assert not _wheel(spin.box)
    assert spin.value == 2e-3
    spin.box.setFocus()
    assert _wheel(spin.box)
    assert spin.value == pytest.approx(2.1e-3)


def test_arrow_keys_stay_in_range(qtbot: QtBot, shown: Callable[..., Any]) -> None:
    spin = shown(UnitSpinBox("", minimum=0.0, maximum=2.0))
    spin.set_value(1.9)
    spin.box.setFocus()
    for _ in range(3):
        qtbot.keyClick(spin.box, Qt.Key.Key_Up)
    assert spin.value == 2.0
    qtbot.keyClick(spin.box, Qt.Key.Key_Down)
    assert spin.value == pytest.approx(1.9)


def _wheel(widget: QWidget) -> bool:
    """Turn the wheel up by one notch; whether the widget took it."""
    middle = QPointF(widget.rect().center())
    event = QWheelEvent(
        middle,
        widget.mapToGlobal(middle),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(widget, event)
    return event.isAccepted()


# -- forms ----------------------------------------------------------------------------
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_form_gives_back_what_it_shows(
    qtbot: QtBot, shown: Callable[..., Any], model: type[Settings]
) -> None:
    form = settings_form(model, None, "prefix")
    shown(form.native)
    needed = {n for n, f in model.model_fields.items() if f.is_required()}
    assert {n for n in needed if form.values[n] is not None} == set()
    form.set_values(
        dict.fromkeys(needed, 1.2345e-7)
        if model is not _file()
        else {"path": "probe.npy"}
    )
    given = {n: form.values[n] for n in needed}
    assert form.value == model(**given)
    for name in model.model_fields:
        widget = form.native.findChild(QWidget, f"prefix.{name}")
        assert widget is not None, name
        unfold(qtbot, widget)
        assert widget.isVisible(), name
        assert _tooltip(widget), f"{name} has no help"


def test_what_is_advanced_is_folded_away_and_counts_all_the_same(
    qtbot: QtBot, shown: Callable[..., Any]
) -> None:
    form = settings_form(LeastSquaresShift, None, "prefix")
    shown(form.native)
    rate, floor = (
        form.native.findChild(QWidget, f"prefix.{name}")
        for name in ("rate_px", "floor")
    )
    assert not rate.visibleRegion().isEmpty()
    assert floor.visibleRegion().isEmpty()
    heard: list[Any] = []
    form.changed.connect(lambda *change: heard.append(change))
    unfold(qtbot, floor)
    type_into(qtbot, floor, "0.5")
    assert heard == [("floor", 0.5)]
    assert form.value == LeastSquaresShift(floor=0.5)
    form.set_values(LeastSquaresShift(floor=0.25, rate_px=2))
    assert form.value == LeastSquaresShift(floor=0.25, rate_px=2)


def test_a_form_of_nothing_says_so(shown: Callable[..., Any]) -> None:
    form = settings_form(STARTS["back-propagated"], None, "prefix")
    label = shown(form.native).findChild(QLabel)
    assert label.isVisible()
    assert label.text() == NO_SETTINGS


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_value_out_of_range_is_red_and_goes_nowhere(
    qtbot: QtBot, shown: Callable[..., Any], model: type[Settings]
) -> None:
    form = settings_form(model, None, "prefix")
    shown(form.native)
    heard: list[Any] = []
    form.changed.connect(lambda name, value: heard.append((name, value)))
    for name, bad, good in _bounded(model):
        unit = " m" if name.endswith("_m") else ""
        widget = form.native.findChild(QWidget, f"prefix.{name}")
        unfold(qtbot, widget)
        type_into(qtbot, widget, f"{bad:g}{unit}")
        assert (heard, _is_red(widget)) == ([], True), name
        assert name in _tooltip(widget)
        type_into(qtbot, widget, f"{good:g}{unit}")
        assert heard == [(name, pytest.approx(good))]
        assert not _is_red(widget)
        heard.clear()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_is_not_live_is_locked_while_running(
    shown: Callable[..., Any], model: type[Settings]
) -> None:
    form = settings_form(model, None, "prefix")
    shown(form.native)
    for running in (True, False):
        form.set_running(running)
        for name, field in model.model_fields.items():
            live = field.json_schema_extra["live"]
            widget = form.native.findChild(QWidget, f"prefix.{name}")
            assert widget.isEnabled() == (live or not running), name


@pytest.mark.parametrize(
    ("model", "name", "text", "value"),
    [
        (RunSettings, "excluded", "3, 5", (3, 5)),
        (RunSettings, "excluded", "4", (4,)),
        (OpenChoices, "crop", "64", 64),
        (OpenChoices, "crop", "64, 32", (64, 32)),
        (OpenChoices, "center", "15.5, 16", (15.5, 16)),
        (OpenChoices, "dark", "dark, 2.tif", "dark, 2.tif"),
        (FigureOptions, "what", "modes", ("modes",)),
        (RunSettings, "excluded", "x", None),
        (OpenChoices, "crop", "wide", None),
        (OpenChoices, "center", "3", None),
        (FigureOptions, "what", "", None),
    ],
)
def test_lists_and_texts_are_typed(
    qtbot: QtBot,
    shown: Callable[..., Any],
    model: type[Settings],
    name: str,
    text: str,
    value: Any,
) -> None:
    form = settings_form(model, None, "prefix")
    shown(form.native)
    heard: list[Any] = []
    form.changed.connect(lambda *change: heard.append(change))
    widget = form.native.findChild(QWidget, f"prefix.{name}")
    assert isinstance(widget, QLineEdit)
    type_into(qtbot, widget, text)
    if value is None:
        assert (heard, _is_red(widget)) == ([], True)
    else:
        assert (heard[-1], _is_red(widget)) == ((name, value), False)
        assert getattr(form.value, name) == value


def test_boxes_and_lists_are_clicked(qtbot: QtBot, shown: Callable[..., Any]) -> None:
    form = settings_form(RunSettings, None, "prefix")
    shown(form.native)
    with qtbot.waitSignal(form.changed) as changed:
        box = form.native.findChild(QWidget, "prefix.freeze_probe")
        qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(8, 8))
    assert changed.args == ["freeze_probe", True]
    with qtbot.waitSignal(form.changed) as changed:
        qtbot.keyClicks(form.native.findChild(QWidget, "prefix.device"), "cpu")
    assert changed.args == ["device", "cpu"]
    assert form.value == RunSettings(freeze_probe=True, device="cpu")


def _file() -> type[Settings]:
    return STARTS["file"]


def _bounded(model: type[Settings]) -> list[tuple[str, float, float]]:
    """(field, a value out of its range, one in it) of every bound of every field."""
    found = []
    for name, field in model.model_fields.items():
        rules = {k: getattr(r, k, None) for r in field.metadata for k in r.__slots__}
        good = field.default if isinstance(field.default, float | int) else None
        for kind, by in (("ge", -1), ("gt", 0), ("le", 1), ("lt", 0)):
            if rules.get(kind) is not None:
                inside = rules[kind] - by or 0.125
                fits = inside if good is None else good
                found.append((name, rules[kind] + by, fits))
    return found


def _is_red(widget: QWidget) -> bool:
    """Whether the widget, or the row around it, has a red frame."""
    return any("#ff6b6b" in part.styleSheet() for part in _with_row(widget))


def _tooltip(widget: QWidget) -> str:
    return next((p.toolTip() for p in _with_row(widget) if p.toolTip()), "")


def _with_row(widget: QWidget) -> list[QWidget]:
    parent = widget.parentWidget()
    return [widget] if parent is None else [widget, parent]


# -- docks ----------------------------------------------------------------------------
def test_most_inputs_of_the_docks_are_magicgui_rows(
    open_window: Callable[[], Window],
) -> None:
    window = open_window()
    docks = [
        window.viewer.window.add_plugin_dock_widget("napari-scicompty", name)[1]
        for name in ("Reconstruction", "Virtual experiment", "Figure export")
    ]
    rows, others = [], []
    for dock in docks:
        for widget in dock.findChildren(QWidget):
            name = widget.objectName()
            if isinstance(widget, INPUTS) and name and not name.startswith("qt_"):
                (rows if _is_row(widget, dock) else others).append(name)
    share = len(rows) / len(rows + others)
    print(f"{len(rows)} of {len(rows + others)} inputs are magicgui rows: {share:.0%}")
    assert len(rows) > 300
    assert share >= 0.95, others


INPUTS = (QLineEdit, QAbstractSpinBox, QComboBox, QCheckBox)


def _is_row(widget: QWidget, dock: QWidget) -> bool:
    """Whether a widget is, or is in, what a magicgui widget with a value shows."""
    part: QWidget | None = widget
    while part is not None and part is not dock:
        if isinstance(getattr(part, "_magic_widget", None), ValueWidget):
            return True
        part = part.parentWidget()
    return False


@pytest.mark.parametrize(("text", "warning"), [("white", "#ffb454"), ("black", "#8a5")])
def test_a_warning_can_be_read_in_both_themes(
    shown: Callable[..., Any], text: str, warning: str
) -> None:
    parent = QWidget()
    parent.setStyleSheet(f"QWidget {{ color: {text}; }}")
    label = QLabel("careful", parent)
    shown(parent)
    colour_by_level(label, "warning")
    assert f"color: {warning}" in label.styleSheet()
    colour_by_level(label, "info")
    assert label.styleSheet() == ""


# -- plots ----------------------------------------------------------------------------
def test_the_error_plot_shows_a_curve_and_marks(shown: Callable[..., Any]) -> None:
    plot = shown(ErrorPlot())
    empty = _picture(plot)
    errors = [0.3, 0.1, math.nan, 0.0, 0.03]
    plot.set_history(range(5), errors, [(1.0, "alpha_object 0.2")])
    x, y = plot.curve.getOriginalDataset()
    np.testing.assert_array_equal(x, [0, 1, 4])
    np.testing.assert_array_equal(y, [0.3, 0.1, 0.03])
    assert [mark.value() for mark in plot.marks] == [1.0]
    assert not np.array_equal(_picture(plot), empty)
    plot.set_history((), (), ())
    assert plot.marks == []


def test_the_mean_pattern_marks_bad_pixels_and_the_centre(
    qtbot: QtBot, shown: Callable[..., Any]
) -> None:
    view = shown(PatternView())
    mean = np.arange(24.0).reshape(4, 6)
    good = mean != 7
    view.set_pattern(mean, good, (2, 3))
    assert view.image.image.shape == (4, 6)
    assert np.argwhere(view.bad.image[..., 3] > 0).tolist() == [[1, 1]]
    assert view.cross.getData() == ([3.5], [2.5])
    assert "1 pixels masked" in view.text.text()
    qtbot.waitUntil(lambda: view.plot.viewport().isVisible())
    spot = on_screen(view.plot, 4.5, 1.5)
    qtbot.mouseMove(view.plot.viewport(), spot)
    qtbot.waitUntil(lambda: "(1, 4): 10 counts" in view.text.text())
    with qtbot.waitSignal(view.centre_picked) as picked:
        for act in (qtbot.mouseClick, qtbot.mouseDClick, qtbot.mouseRelease):
            act(view.plot.viewport(), Qt.MouseButton.LeftButton, pos=spot)
    assert picked.args == [1, 4]


def test_a_click_on_the_scan_path_names_the_pattern(
    qtbot: QtBot, shown: Callable[..., Any]
) -> None:
    view = shown(ScanPathView())
    view.resize(400, 300)
    positions = np.array([[0, 0], [0, 2], [3, 0], [3, 2]]) * 1e-6
    view.set_positions(positions, np.float32([0.1, 0.2, np.nan, 0.4]), (2,))
    x, y = view.points.getData()
    np.testing.assert_allclose([y, x], positions.T * 1e6)
    assert [str(point.symbol()) for point in view.points.points()] == list("ooxo")
    assert "worst: 3" in view.text.text()
    with qtbot.waitSignal(view.pattern_clicked) as clicked:
        click_at(qtbot, view.plot, 2, 0)
    assert clicked.args == [1]


def test_a_click_on_the_ladder_takes_a_start(
    qtbot: QtBot, shown: Callable[..., Any]
) -> None:
    view = shown(StartLadderView())
    view.resize(400, 300)
    view.set_candidates([-1e-3, 0.0, 1e-3], [0.1, math.inf, 0.02], 2)
    np.testing.assert_array_equal(view.points.data["data"], [0, 2])
    colours = {p.data(): p.brush().color().name() for p in view.points.points()}
    assert colours[0] != colours[2]
    with qtbot.waitSignal(view.candidate_chosen) as chosen:
        click_at(qtbot, view.plot, -1, math.log10(0.1))
    assert chosen.args == [0]
    assert "(mm)" in view.plot.getAxis("bottom").labelString()


def test_the_ladder_of_electrons_is_in_micrometres(shown: Callable[..., Any]) -> None:
    view = shown(StartLadderView())
    view.set_candidates([-1.2e-5, math.nan, 1e-6], [0.1, 0.3, 0.02], 2)
    assert view.points.data["x"] == pytest.approx([-12, 1])
    assert "(µm)" in view.plot.getAxis("bottom").labelString()


def _picture(widget: QWidget) -> np.ndarray:
    image = widget.grab().toImage()
    bits = image.constBits()
    return np.frombuffer(bits.asarray(image.sizeInBytes()), np.uint8).copy()
