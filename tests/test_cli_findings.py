"""The command line says what was found to be odd, once, in its own words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pytest
from typer.testing import CliRunner

import napari_scicompty as sc
from napari_scicompty.cli import app

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENT = sc.VirtualExperiment(
    path={"rows": 5, "columns": 5, "step_px": 5},
    detector={"frame": 32, "photons": 1e5},
)
SCAN, _ = sc.simulate(EXPERIMENT)
GEOMETRY = [
    f"--wavelength-m={EXPERIMENT.wavelength_m}",
    f"--distance-m={EXPERIMENT.distance_m}",
    f"--detector-pixel-m={EXPERIMENT.detector.pixel_m}",
]
SHORT = [f"--radius-m={EXPERIMENT.probe_radius_m}", "--epochs=2", "--device=cpu"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("d.npy", SCAN.patterns)
    np.savetxt("p.txt", SCAN.positions_m[:, ::-1])
    far = SCAN.positions_m.copy()
    far[7] += 3000 * SCAN.pixel_size_m[0]
    np.savetxt("far.txt", far[:, ::-1])
    return tmp_path


def call(*arguments: str, code: int = 0) -> list[str]:
    result = CliRunner().invoke(app, list(arguments))
    said = result.output + result.stderr
    assert result.exit_code == code, said
    return said.splitlines()


@pytest.mark.parametrize("command", ["info", "reconstruct"])
def test_findings_are_warnings_said_once(command: str) -> None:
    more = SHORT if command == "reconstruct" else []
    said = call(command, "d.npy", "--positions=far.txt", *GEOMETRY, *more)
    alone = [line for line in said if "stand alone, up to" in line]
    assert len(alone) == 1 and alone[0].startswith("warning:")
    assert "--excluded=[7]" in alone[0]
    said = call(command, "d.npy", "--positions=p.txt", *GEOMETRY, *more)
    assert not [line for line in said if line.startswith("warning:")]


def test_the_remedy_works_as_it_is_written() -> None:
    files = ["d.npy", "--positions=far.txt", *GEOMETRY, *SHORT]
    call("reconstruct", *files, "--excluded=[7]", "--save=r.h5")
    assert max(sc.open_result("r.h5").object.shape) < 100
    said = call("info", "d.npy", "--positions=far.txt", *GEOMETRY, "--leave-out=7")
    assert not [line for line in said if line.startswith("warning:")]


def test_the_canvas_counts_in_the_memory_that_is_told() -> None:
    def told(positions: str) -> str:
        said = call("info", "d.npy", f"--positions={positions}", *GEOMETRY)
        return next(line for line in said if line.startswith("memory:"))

    assert "needs 1 MiB" in told("p.txt") or "needs 2 MiB" in told("p.txt")
    # 3,066^2 pixels: estimate, start, last good and shown state, and the map.
    needs = int(told("far.txt").split("needs ")[1].split(" MiB")[0])
    assert 300 < needs < 450


def test_a_voltage_is_taken_and_an_energy_of_electrons_questioned() -> None:
    rest = ["--positions=p.txt", "--position-unit=px", *GEOMETRY[1:]]
    np.savetxt("p.txt", SCAN.positions_m[:, ::-1] / SCAN.pixel_size_m)
    said = call("info", "d.npy", "--voltage-v=300e3", *rest)
    (wave,) = (line for line in said if line.startswith("wavelength:"))
    assert wave.endswith(" 1.9687 pm (electrons of 300 kV)")
    (pixel,) = (line for line in said if line.startswith("detector pixel:"))
    assert "mrad, " in pixel and pixel.endswith("1/Å)")
    slow = call("info", "d.npy", "--voltage-v=5e3", *rest)
    assert any("(electrons of 5 kV)" in line for line in slow)
    assert not [line for line in said if line.startswith("warning:")]
    said = call("info", "d.npy", "--energy-ev=300e3", *rest)
    (asked,) = (line for line in said if line.startswith("warning:"))
    assert "microscope" in asked and "--voltage-v=300000" in asked
    call("info", "d.npy", "--voltage-v=3e5", "--energy-ev=3e5", *rest, code=2)


def test_a_later_beam_replaces_that_of_a_recipe() -> None:
    call(
        *("reconstruct", "d.npy", "--positions=p.txt", *GEOMETRY, *SHORT),
        "--save-recipe=r.toml",
    )
    more = ["--voltage-v=81555", "--save-recipe=v.toml"]
    call("reconstruct", "--recipe=r.toml", "--position-unit=px", *more, code=2)
    made = sc.Recipe.load("v.toml").input
    assert made.voltage_v == 81555 and made.wavelength_m is None


def test_info_questions_an_energy_in_a_file() -> None:
    with h5py.File("arina.h5", "w") as file:
        file["entry/data/data"] = SCAN.patterns
        file["entry/detector/photon_energy"] = 300000.0
        file["entry/detector/photon_energy"].attrs["units"] = "eV"
        file["entry/beam/energy"] = 8.8
        file["entry/beam/energy"].attrs["units"] = "keV"
    said = call("info", "arina.h5")
    (asked,) = (line for line in said if line.startswith("warning:"))
    assert "photon_energy: 300000 eV" in asked and "--voltage-v=300000" in asked
    np.savetxt("px.txt", SCAN.positions_m[:, ::-1] / SCAN.pixel_size_m)
    keys = ["--data-key=entry/data/data", "--energy-key=entry/detector/photon_energy"]
    px = ["--positions=px.txt", "--position-unit=px"]
    said = call("info", "arina.h5", *px, *keys, *GEOMETRY[1:])
    (asked,) = (line for line in said if line.startswith("warning:"))
    assert "photon_energy: 300000 eV" in asked
    keys[1] = "--energy-key=entry/beam/energy"
    said = call("info", "arina.h5", *px, *keys, *GEOMETRY[1:])
    assert not [line for line in said if line.startswith("warning:")]


def test_whose_positions_a_continued_result_has_is_an_option() -> None:
    np.savetxt("other.txt", (SCAN.positions_m * (1, -1))[:, ::-1])
    first = ["d.npy", "--positions=p.txt", *GEOMETRY, *SHORT, "--save=r.h5"]
    call("reconstruct", *first)
    again = ["reconstruct", "--from=r.h5", "d.npy", "--positions=other.txt"]
    said = call(*again, "--epochs=1", "--save=a.h5")
    told = [line for line in said if "the sign of x is another one" in line]
    assert len(told) == 1 and told[0].startswith("warning:")
    assert "--positions-of=" in told[0]
    kept, old = sc.open_result("a.h5"), sc.open_result("r.h5")
    assert np.array_equal(kept.positions_m, old.positions_m)
    call(*again, "--epochs=1", "--positions-of=scan", "--save=b.h5")
    taken = sc.open_result("b.h5").positions_m
    assert np.allclose(taken, SCAN.positions_m * (1, -1), rtol=1e-12, atol=0)


# -- check ----------------------------------------------------------------------------
def test_check_says_what_is_well_and_what_is_not() -> None:
    said = call("check", "d.npy", "--positions=p.txt", *GEOMETRY)
    assert said and all(line.startswith("ok:") for line in said)
    said = call("check", "d.npy", "--positions=far.txt", *GEOMETRY)
    assert said[0].startswith("warning:") and "--excluded=[7]" in said[0]


def test_check_ends_with_1_where_no_picture_can_come() -> None:
    np.save("one.npy", SCAN.patterns[:2])
    np.savetxt("one.txt", SCAN.positions_m[:2, ::-1])
    said = call("check", "one.npy", "--positions=one.txt", *GEOMETRY, code=1)
    assert said[0].startswith("error:") and "only 2 pattern(s)" in said[0]
    call("check", "d.npy", "--positions=one.txt", *GEOMETRY, code=2)


def test_check_writes_a_list_for_programs() -> None:
    said = call("check", "d.npy", "--positions=far.txt", *GEOMETRY, "--json")
    found = {each["code"]: each for each in json.loads("\n".join(said))}
    assert found["position-alone"]["change"] == {"run.excluded": [7]}
    assert found["position-alone"]["patterns"] == [7]
    assert found["memory"]["level"] == "ok"


def test_a_centre_that_check_names_can_be_given() -> None:
    rolled = np.roll(SCAN.patterns, (4, -3), (1, 2))
    np.save("r.npy", rolled)
    said = call("check", "r.npy", "--positions=p.txt", *GEOMETRY)
    (told,) = (line for line in said if "centre of the light lies" in line)
    option = told.rpartition(": ")[2]
    assert option.startswith("--center=")
    said = call("check", "r.npy", "--positions=p.txt", *GEOMETRY, option)
    assert not [line for line in said if "centre of the light lies" in line]
