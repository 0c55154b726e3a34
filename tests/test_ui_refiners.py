"""A refiner that the window was not written for: its section, run, recipe and curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from qtpy.QtWidgets import QFileDialog

import napari_scicompty as sc
from napari_scicompty.core.errors import InputError
from napari_scicompty.core.settings import setting
from napari_scicompty.recipe import FileInput, Recipe, Stage
from napari_scicompty.refine import REFINERS, Refiner
from window import ENDLESS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from window import Window

    OpenWindow = Callable[[], Window]

pytestmark = pytest.mark.gui
R = "reconstruction"


class SteadyDrift(Refiner):
    """Changes nothing, and says by how much it would have."""

    title: ClassVar[str] = "Steady"
    quantity: ClassVar[str] = "drift"

    rate: float = setting(0.5, "What it says", gt=0)
    lag: int = setting(0, "Not used", ge=0, live=False)

    def before_step(self, *_: Any) -> None:
        """Keep nothing."""

    def after_step(self, *_: Any) -> None:
        """Take nothing."""

    def end_epoch(
        self, estimate: Any, measured: Any, errors: Any, state: dict[str, Any]
    ) -> float:
        """Count the epochs; return the rate."""
        state["epochs"] = state.get("epochs", 0) + 1
        return self.rate


class FallingDrift(SteadyDrift):
    """The same by another name."""

    title: ClassVar[str] = "Falling"


class Strange(sc.EPIE):
    """An algorithm that is in no table."""


@pytest.fixture
def drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of refiners with two of a new quantity."""
    monkeypatch.setitem(REFINERS, "steady-drift", SteadyDrift)
    monkeypatch.setitem(REFINERS, "falling-drift", FallingDrift)


def of_stage(folder: Path, *stages: Stage) -> Recipe:
    """Return a recipe of the small scan with these stages."""
    given = FileInput(
        path=str(folder / "stack.tif"),
        positions=str(folder / "positions.txt"),
        wavelength_m=1.5e-10,
        distance_m=2,
        detector_pixel_m=75e-6,
    )
    return Recipe(input=given, start=sc.DiscProbe(1e-6), stages=stages)


@pytest.mark.usefixtures("drift")
def test_a_new_quantity_has_its_section_and_is_kept_in_recipes(
    open_window: OpenWindow, folder: Path
) -> None:
    window = open_window()
    assert list(window.dock.sections)[5:8] == ["Positions", "Distance", "Drift"]
    assert window.widget(f"{R}.drift.refine").text() == "Refine drift"
    assert "as it was given" in window.text(f"{R}.drift.text")
    refine = (sc.LeastSquaresShift(rate_px=0.7), FallingDrift(rate=0.25, lag=3))
    recipe = of_stage(folder, Stage(refine=refine), Stage(algorithm=sc.EPIE()))
    window.dock.set_recipe(recipe)
    assert window.widget(f"{R}.drift.kind").currentText() == "Falling"
    assert window.dock.recipe() == recipe
    window.dock.live.stages.choose(1)
    assert not window.widget(f"{R}.drift.refine").isChecked()
    assert window.dock.recipe() == recipe
    assert Recipe.from_toml(window.dock.recipe().to_toml()) == recipe


@pytest.mark.usefixtures("drift")
def test_a_new_quantity_is_refined_changed_on_the_way_and_recorded(
    open_window: OpenWindow, folder: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    window = open_window()
    window.open(folder)
    window.run(ENDLESS)
    window.until_epoch(2)
    assert not window.controller.snapshot.history.refined
    assert not window.controller.made_by().stages[0].refine
    window.click(f"{R}.drift.refine")
    qtbot.waitUntil(lambda: len(window.controller.snapshot.history.refined) > 1)
    assert not window.widget(f"{R}.drift.lag").isEnabled()
    window.type(f"{R}.drift.rate", "0.125")
    assert "drift.rate = 0.125 from the next batch" in window.message
    qtbot.waitUntil(lambda: len(window.controller.snapshot.history.changes) == 2)
    window.until_epoch(window.controller.snapshot.epoch + 2)
    window.stop()
    result = window.controller.snapshot
    changes = [(c.path, c.value) for c in result.history.changes]
    assert changes == [("drift.enabled", True), ("drift.rate", 0.125)]
    seen = [item.change for item in result.history.refined]
    assert {0.5, 0.125} == set(seen) and seen[-1] == 0.125
    _, shown = window.dock.refiners["drift"].plot.curve.getData()
    assert list(shown) == seen
    assert "0.125" in window.text(f"{R}.drift.text")

    window.dock.result.save(str(tmp_path / "r.h5"))
    kept = sc.open_result(tmp_path / "r.h5")
    assert kept.settings["drift"]["rate"] == 0.125
    assert [(c.path, c.value) for c in kept.history.changes] == changes
    (stage,) = Recipe.load(tmp_path / "r.h5").stages
    assert [type(refiner) for refiner in stage.refine] == [SteadyDrift]
    window.click(f"{R}.reset")
    window.dock.result.open(tmp_path / "r.h5")
    window.until("ready")
    assert window.dock.recipe().stages[0].refine == (SteadyDrift(rate=0.125),)


def test_what_the_window_does_not_know_is_refused_not_dropped(
    open_window: OpenWindow, folder: Path
) -> None:
    window = open_window()
    before = window.dock.recipe
    window.dock.set_recipe(of_stage(folder, Stage(epochs=7)))
    shown = before()
    stages = {
        "no section for SteadyDrift": Stage(refine=(SteadyDrift(),)),
        "does not know Strange": Stage(algorithm=Strange()),
        "refined twice": Stage(
            refine=(sc.LeastSquaresShift(), sc.CrossCorrelationShift())
        ),
    }
    for why, stage in stages.items():
        for recipe in (of_stage(folder, stage), of_stage(folder, Stage(), stage)):
            with pytest.raises(InputError, match=why):
                window.dock.set_recipe(recipe)
            assert before() == shown, "nothing is filled in by half"
    for stage, name in (
        (Stage(algorithm=Strange()), "Strange"),
        (Stage(refine=(SteadyDrift(),)), "SteadyDrift"),
    ):
        with pytest.raises(
            InputError, match=f"{name} is not a known .* no recipe can name it"
        ):
            of_stage(folder, stage).to_toml()


def test_a_recipe_of_a_refiner_that_came_too_late_gives_a_sentence(
    open_window: OpenWindow,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window = open_window()
    monkeypatch.setitem(REFINERS, "steady-drift", SteadyDrift)
    path = tmp_path / "drift.toml"
    of_stage(folder, Stage(refine=(SteadyDrift(),))).save(path)
    monkeypatch.setattr(
        QFileDialog, "getOpenFileName", staticmethod(lambda *_, **__: (str(path), ""))
    )
    window.click(f"{R}.open_recipe")
    assert "no section for SteadyDrift (drift)" in window.message
    assert window.dock.recipe().stages[0].refine == ()
