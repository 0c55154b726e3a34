"""Help that is read at 80 columns, and commands that the Tab key completes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import get_args

import pytest
import typer
from typer.testing import CliRunner

from napari_scicompty.algorithms import ALGORITHMS
from napari_scicompty.cli import _help, app
from napari_scicompty.cli._options import FLAGS
from napari_scicompty.cli._usual import USUAL
from napari_scicompty.figures import FigureOptions
from napari_scicompty.formats import OpenChoices
from napari_scicompty.refine import REFINERS
from napari_scicompty.simulation import PRESETS
from napari_scicompty.workflow.start import STARTS

COMMANDS = sorted(typer.main.get_command(app).commands)
BOTH = [(name, flag) for name in ["", *COMMANDS] for flag in ("--help", "--help-all")]
RUN = [sys.executable, "-c", "from napari_scicompty.cli import main; main()"]


def _help_of(name: str, flag: str = "--help", columns: int = 80) -> list[str]:
    arguments = [name, flag] if name else ["--help"]
    done = CliRunner().invoke(
        app, arguments, prog_name="scicompty", env={"COLUMNS": str(columns)}
    )
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


@pytest.mark.parametrize(("name", "flag"), BOTH)
def test_nothing_is_cut_at_80_columns(name: str, flag: str) -> None:
    narrow, wide = _help_of(name, flag), _help_of(name, flag, columns=100)
    assert max(map(len, narrow)) <= 80
    said = " ".join(narrow).split()
    assert said == " ".join(wide).split(), "a word is cut, or words are lost"
    assert not [word for word in said if "…" in word or word.endswith("...")]


def test_no_word_of_a_description_is_lost() -> None:
    said = " ".join(" ".join(_help_of("reconstruct", "--help-all")).split())
    kinds = (*ALGORITHMS.values(), *STARTS.values(), *REFINERS.values(), FigureOptions)
    for kind in kinds:
        for field in kind.model_fields.values():
            assert (field.description or "").rstrip(".") in said
    for path, flag in FLAGS.items():
        assert flag in said, path


@pytest.mark.parametrize("name", USUAL)
def test_the_short_help_has_a_line_an_option_and_examples(name: str) -> None:
    lines = _help_of(name)
    for flag, text in USUAL[name].lines.items():
        (line,) = [s for s in lines if s.startswith(f"  {flag} ")]
        assert line.endswith(text)
    assert len(USUAL[name].lines) <= 16
    assert len(lines) <= 50
    assert f"all of them: scicompty {name} --help-all" in " ".join(lines)
    known = " ".join(_help_of(name, "--help-all")).split()
    for example in USUAL[name].examples:
        assert f"  {example}" in lines
        flags = [word for word in example.split() if word.startswith("--")]
        assert set(flags) <= set(known)


def test_options_stand_in_groups() -> None:
    lines = _help_of("reconstruct", "--help-all")
    titles = [line[:-1] for line in lines if line.endswith(":") and line[0] != " "]
    groups = [t.partition(" (")[0].partition(":")[0] for t in titles]
    assert list(dict.fromkeys(groups)) == [
        "Input", "Geometry", "Start", "Algorithm", "Refinement", "Run", "Saving",
        "Help", "Other settings, by --set NAME=VALUE", "Examples",
    ]  # fmt: skip
    assert set(groups[:-3]) <= {panel.partition(":")[0] for panel in _help.PANELS}


def test_reconstruct_and_resolution_have_one_list() -> None:
    def options(name: str) -> list[str]:
        params = typer.main.get_command(app).commands[name].params
        return [param.name for param in params]

    first, second = options("reconstruct"), options("resolution")
    own = {"continued", "repeat", "resume", "save_recipe", "tiff"}
    assert set(first) - own == set(second) - {"result"}


# -- wrong words ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--algorithm=RPIE", "--algorithm is 'RPIE'; choose one of 'auto', 'rpie'"),
        ("--algorithm=epei", "did you mean 'epie'?"),
        ("--start=disk", "did you mean 'disc'?"),
        ("--refine=position", "--refine: 'position' is not known; give 'positions'"),
        ("--device=gpu", "--device: must be 'auto', 'cpu', 'cuda' or 'mps'"),
        ("--position-unit=micron", "--position-unit: must be 'auto', 'm', 'mm'"),
        ("--propagation=near", "did you mean 'near-field'?"),
        ("--set=positions.rate_px=-1", "--set positions.rate_px: must be greater"),
    ],
)
def test_a_wrong_word_is_refused_by_name(option: str, says: str) -> None:
    done = CliRunner().invoke(app, ["reconstruct", "a.tif", option])
    assert done.exit_code == 2
    assert says in done.output


# -- the Tab key ----------------------------------------------------------------------
def _completed(line: str) -> list[str]:
    """What bash is told to offer for the last word of a line."""
    words = line.split(" ")
    done = CliRunner().invoke(
        app,
        [],
        prog_name="scicompty",
        env={
            "_SCICOMPTY_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        },
    )
    assert done.exit_code == 0, done.output
    return done.output.split()


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("scicompty ", set(COMMANDS)),
        ("scicompty rec", {"reconstruct"}),
        ("scicompty reconstruct --algorithm ", set(ALGORITHMS)),
        ("scicompty resolution --algorithm e", {"epie"}),
        ("scicompty reconstruct --start ", set(STARTS)),
        ("scicompty reconstruct --refine ", {"positions", "distance", *REFINERS}),
        ("scicompty reconstruct --refine positions,di", {"positions,distance"}),
        ("scicompty reconstruct --device c", {"cpu", "cuda"}),
        (
            "scicompty info --position-unit ",
            set(get_args(OpenChoices.model_fields["position_unit"].annotation)),
        ),
        ("scicompty simulate --preset ", set(PRESETS)),
        ("scicompty reconstruct --set stage.ep", {"stage.epochs="}),
        ("scicompty reconstruct --set positions.rate", {"positions.rate_px="}),
    ],
)
def test_words_are_completed(line: str, offers: set[str]) -> None:
    assert set(_completed(line)) == offers


def test_options_are_completed() -> None:
    offered = _completed("scicompty reconstruct --")
    assert {"--algorithm", "--save", "--no-free-probe", "--help-all"} <= set(offered)
    assert _completed("scicompty frc --ov") == ["--overwrite"]


def test_the_installed_command_completes_in_a_shell_of_its_own() -> None:
    line = "scicompty reconstruct --algorithm a"
    told = {
        "_SCICOMPTY_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": "3",
    }
    done = subprocess.run(
        RUN, env=os.environ | told, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["auto", "autodiff"]


def test_the_lines_for_the_shell_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_SCICOMPTY_COMPLETE", "source_bash")
    done = CliRunner().invoke(app, [], prog_name="scicompty")
    assert "complete -o default -F" in done.output and "scicompty" in done.output


def test_help_says_what_a_setting_says() -> None:
    said = " ".join(" ".join(_help_of("info", "--help-all")).split())
    assert "Unit of --energy-key; auto: the file's, or eV. One of: auto, eV" in said
    assert "Photon energy, instead of the wavelength [eV]." in said
