"""Doors for others: another package's algorithm, refiner and format, once installed."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.core.registry import Registry
from napari_scicompty.formats import FORMATS
from napari_scicompty.refine import REFINERS
from small_scans import small_scan

EXAMPLE = Path(__file__).parent / "example_package"


class Own(sc.RPIE):
    """An algorithm that no table knows."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the example package was installed."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--target", str(target), str(EXAMPLE)]
    subprocess.run(command, check=True, timeout=120)
    return target


def python(code: str, site: Path, folder: Path, *args: str) -> str:
    """Run code where the example package is installed; return what it prints."""
    found = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": found},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_installed_package_adds_an_algorithm_a_refiner_and_a_format(
    installed: Path, tmp_path: Path
) -> None:
    small = small_scan()
    scan = small.scan
    with (tmp_path / "scan.lab").open("wb") as file:
        np.savez(file, patterns=scan.patterns, positions_m=scan.positions_m)
    told = python(
        """
import numpy as np
import napari_scicompty as sc
from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.refine import REFINERS
scan = sc.open_scan(
    "scan.lab", wavelength_m=1e-10, distance_m=1.0, detector_pixel_m=50e-6
)
kind, watched = ALGORITHMS["heavyball"], REFINERS["drift"]
start = sc.DiscProbe(5e-7)
result = sc.run(
    scan, kind(period=10), epochs=3, start=start, refine=[watched()], device="cpu"
)
assert result.error < 0.5, result.error
assert {r.quantity for r in result.history.refined} == {"drift"}
recipe = sc.Recipe(
    input={"path": "scan.lab", "wavelength_m": 1e-10, "distance_m": 1.0,
           "detector_pixel_m": 50e-6},
    start=start,
    stages=[{"algorithm": kind(period=10), "refine": (watched(every=2),), "epochs": 3}],
)
recipe.save("recipe.toml")
again = sc.Recipe.load("recipe.toml")
assert again.stages[0].algorithm == kind(period=10)
assert again.stages[0].refine == (watched(every=2),)
sc.save_result("result.h5", result, recipe)
further = sc.run(scan, kind(period=10), epochs=2, start=sc.open_result("result.h5"),
                 refine=[watched()], device="cpu")
whole = sc.run(scan, kind(period=10), epochs=5, start=start, refine=[watched()],
               device="cpu")
assert np.array_equal(further.object, whole.object)
print(result.settings["algorithm"]["name"])
""",
        installed,
        tmp_path,
    )
    assert told.split() == ["heavyball"]


def test_the_page_shows_the_example_as_it_is() -> None:
    page = EXAMPLE.parents[1] / "docs" / "extending.md"
    text = page.read_text(encoding="utf-8")
    shown = [EXAMPLE / "pyproject.toml", *sorted(EXAMPLE.rglob("*.py"))]
    for file in shown:
        if file.name != "__init__.py":
            assert file.read_text(encoding="utf-8") in text, file.name


def test_the_command_line_knows_what_is_installed(
    installed: Path, tmp_path: Path
) -> None:
    scan = small_scan().scan
    with (tmp_path / "scan.lab").open("wb") as file:
        np.savez(file, patterns=scan.patterns, positions_m=scan.positions_m)
    args = ["reconstruct", "scan.lab", "--wavelength-m", "1e-10", "--distance-m", "1"]
    args += ["--detector-pixel-m", "50e-6", "--algorithm", "heavyball", "--epochs", "2"]
    args += ["--start", "disc", "--radius-m", "5e-7", "--save", "r.h5"]
    code = "from napari_scicompty.cli import main; main()"
    python(code, installed, tmp_path, *args)
    result = sc.open_result(tmp_path / "r.h5")
    assert result.epoch == 2
    assert result.settings["algorithm"]["name"] == "heavyball"


def test_a_kind_can_be_registered_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(ALGORITHMS, "own", raising=False)
    with pytest.raises(sc.InputError, match="Own is not a known algorithm"):
        _recipe(Own()).to_toml()
    ALGORITHMS.register("own", Own)
    try:
        again = sc.Recipe.from_toml(_recipe(Own(gamma=0.3)).to_toml())
        assert again.stages[0].algorithm == Own(gamma=0.3)
    finally:
        del ALGORITHMS["own"]


def _recipe(algorithm: Any) -> sc.Recipe:
    stage = {"algorithm": algorithm, "epochs": 1}
    return sc.Recipe(input={"path": "scan.cxi"}, stages=[stage])


@pytest.mark.parametrize("table", [ALGORITHMS, REFINERS, FORMATS])
def test_what_does_not_fit_is_refused(table: Registry[Any]) -> None:
    with pytest.raises(sc.InputError, match="cannot be the"):
        table.register("odd", object())
    name, kind = next(iter(table.items()))
    table.register(name, kind)  # again does no harm
    other = list(table.values())[1]
    with pytest.raises(sc.InputError, match="already"):
        table.register(name, other)


def test_a_package_that_fails_is_left_out_and_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Point:
        name, value = "broken", "no_such_module:Thing"

        def load(self) -> Any:
            raise ImportError("no module named no_such_module")

    monkeypatch.setattr(
        "napari_scicompty.core.registry.entry_points", lambda group: [Point()]
    )
    table: Registry[Any] = Registry("napari_scicompty.algorithms", {}, callable)
    table.load_plugins()
    assert not table
    assert "'broken' (no_such_module:Thing) is left out" in caplog.text


# -- settings by keyword ------------------------------------------------------------
def test_settings_by_place_warn_and_surplus_ones_are_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sc.RPIE(0.1) == sc.RPIE(alpha_object=0.1)
    with pytest.warns(DeprecationWarning, match=r"RPIE\(alpha_object=0.1, alpha_probe"):
        assert sc.RPIE(0.1, 0.2).alpha_probe == 0.2
    with pytest.raises(sc.InputError, match="8 values are given, and it has 7"):
        sc.RPIE(0.1, 0.2, 0.3, 0.4, "off", 0.9, 3, "hello")
    with pytest.raises(sc.InputError, match="alpha_object: is given twice"):
        sc.RPIE(0.1, alpha_object=0.2)


# -- reconstruct and run ------------------------------------------------------------
def test_bad_input_is_refused_before_the_first_snapshot_is_asked_for() -> None:
    scan, stopped = small_scan().scan, sc.Controls()
    stopped.stop()
    for wrong, says in (
        ({"epochs": -5}, "epochs"),
        ({"epochs": 2, "start": "soon"}, "start: 'soon'"),
        ({"epochs": 2, "start": sc.DiscProbe}, "start: DiscProbe"),
        ({"epochs": 2, "refine": "focus"}, "refine: 'focus'"),
        ({"epochs": 2, "controls": stopped}, "are stopped already"),
    ):
        with pytest.raises(sc.InputError, match=says):
            sc.reconstruct(scan, sc.RPIE(), **wrong)
    with pytest.raises(sc.InputError, match="scan is a str"):
        sc.reconstruct("x", sc.RPIE(), epochs=2)


def test_run_returns_the_last_snapshot_and_keeps_no_other() -> None:
    scan, seen = small_scan().scan, []
    start = sc.DiscProbe(5e-7)
    result = sc.run(
        scan,
        sc.RPIE(),
        epochs=3,
        start=start,
        device="cpu",
        progress=lambda snapshot: seen.append(snapshot.epoch),
    )
    *_, last = sc.reconstruct(scan, sc.RPIE(), epochs=3, start=start, device="cpu")
    assert seen == [0, 1, 2, 3]
    assert np.array_equal(result.object, last.object)
    assert result.error == last.error


def test_run_is_the_function_after_every_import_that_the_pages_teach() -> None:
    pages = Path(__file__).parents[1].joinpath("docs").glob("*.md")
    modules = {
        word.strip("`.,()")
        for page in pages
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.lstrip().startswith(
            ("from napari_scicompty", "import napari_scicompty")
        )
        for word in line.split()
        if word.startswith("napari_scicompty")
    }
    assert modules
    code = "\n".join(f"import {name}" for name in sorted(modules))
    check = "import napari_scicompty as sc; assert callable(sc.run), sc.run"
    deep = "import napari_scicompty.engine.run, napari_scicompty.workflow.half_sets"
    subprocess.run(
        [sys.executable, "-c", f"{code}\n{deep}\n{check}"], check=True, timeout=120
    )
