"""Old names: they work for one release with a warning; old files are migrated."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.algorithms import from_description
from napari_scicompty.core.former import FORMER
from napari_scicompty.core.renamed import FACE, FINDING, migrated, migrated_path
from napari_scicompty.engine.run_settings import RunSettings
from small_scans import small_scan

if TYPE_CHECKING:
    from pathlib import Path

OLD = """
[input]
path = "scan.cxi"

[run]
recorded = false

[[stage]]
apart = true
batch = 4
refine = [{ name = "valley-distance", literal_epochs = 12 }, "positions"]
"""


@pytest.mark.parametrize(("old", "new"), FACE.items())
def test_old_names_of_the_face_work_with_a_warning(old: str, new: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"{old} is now {new}"):
        assert getattr(sc, old) is getattr(sc, new)


def test_old_settings_work_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="apart is now non_overlapping"):
        assert RunSettings(apart=True).non_overlapping
    with pytest.warns(DeprecationWarning, match="recorded is now cuda_graphs"):
        assert not RunSettings(recorded=False).cuda_graphs


@pytest.mark.parametrize(("old", "new"), FINDING.items())
def test_old_attributes_of_a_finding_work_with_a_warning(old: str, new: str) -> None:
    finding = sc.Finding("alone", "positions", "one lies far away", "leave it out")
    with pytest.warns(DeprecationWarning, match=f"Finding.{old} is now {new}"):
        assert getattr(finding, old) == getattr(finding, new)
    assert not hasattr(finding, "level_of")


def test_an_old_recipe_is_migrated_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recipe = sc.Recipe.from_toml(OLD)
    (stage,) = recipe.stages
    assert stage.non_overlapping and stage.batch == 4
    assert not recipe.shared.cuda_graphs
    distance = stage.refine[0]
    assert isinstance(distance, sc.DefocusCoupledDistance)
    assert distance.clipped_epochs == 12
    assert "format_version = 3" in recipe.to_toml()
    assert sc.Recipe.from_toml(recipe.to_toml()) == recipe


def test_a_recipe_of_a_newer_version_is_refused() -> None:
    with pytest.raises(sc.InputError, match="format_version: 4 is of a newer"):
        sc.Recipe.from_toml("format_version = 4\n" + OLD)


def test_an_old_result_is_migrated_and_repeated(tmp_path: Path) -> None:
    scan, start = small_scan().scan, sc.DiscProbe(5e-7)
    chosen: dict[str, Any] = {"batch": 4, "non_overlapping": True, "device": "cpu"}
    result = sc.run(scan, sc.RPIE(), epochs=2, start=start, **chosen)
    path = tmp_path / "r.h5"
    sc.save_result(path, result)
    with h5py.File(path, "r+") as file:
        for place in ("settings", "history/runs"):
            text = file[place][()].decode()
            assert "non_overlapping" in text
            del file[place]
            old = text.replace("non_overlapping", "apart")
            file[place] = old.replace("cuda_graphs", "recorded")
        file.attrs["format_version"] = 1
        del file["checksums"]  # which the first results did not have
    opened = sc.open_result(path)
    assert opened.settings["run"]["non_overlapping"]
    assert opened.history.runs[0].run["non_overlapping"]
    assert "apart" not in opened.settings["run"]
    further = sc.run(scan, sc.RPIE(), epochs=1, start=opened, **chosen)
    whole = sc.run(scan, sc.RPIE(), epochs=3, start=start, **chosen)
    assert np.array_equal(further.object, whole.object)


def test_paths_of_settings_are_migrated() -> None:
    assert migrated_path("run.apart") == "run.non_overlapping"
    assert migrated_path("algorithm") == "algorithm"
    assert migrated({"name": "valleydistance"}) == {"name": "defocuscoupleddistance"}


AUTODIFF = """
[input]
path = "scan.cxi"

[[stage]]
algorithm = "autodiff"
rate_object = 0.1
"""


@pytest.mark.parametrize("version", ["", "format_version = 2\n"])
def test_what_an_old_recipe_leaves_out_has_the_default_of_then(version: str) -> None:
    (stage,) = sc.Recipe.from_toml(version + AUTODIFF).stages
    former = FORMER[3]["autodiff"]
    assert stage.algorithm == sc.AutoDiff(rate_object=0.1, **former)
    written = sc.Recipe.from_toml(version + AUTODIFF + "momentum_share = 0.5\n")
    assert written.stages[0].algorithm == stage.algorithm.replace(momentum_share=0.5)


def test_what_a_recipe_of_today_leaves_out_has_the_default_of_today() -> None:
    (stage,) = sc.Recipe.from_toml("format_version = 3\n" + AUTODIFF).stages
    assert stage.algorithm == sc.AutoDiff(rate_object=0.1)
    recipe = sc.Recipe.from_toml(AUTODIFF)
    assert sc.Recipe.from_toml(recipe.to_toml()) == recipe


def test_an_old_record_of_an_algorithm_is_repeated_as_it_was() -> None:
    former = FORMER[3]["autodiff"]
    today = sc.AutoDiff().described
    old = {name: value for name, value in today.items() if name not in former}
    assert from_description(today) == sc.AutoDiff()
    assert from_description(old) == sc.AutoDiff(**former)
