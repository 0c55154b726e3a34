"""The code of README.md and of the pages in docs/ runs as it stands.

All blocks of a page run one after the other, in one namespace and one folder: Python
(``python``), and the lines of a shell that begin with ``scicompty`` (``bash``, ``sh``,
after a ``$`` in ``console``); recipes (``toml``) are read. Other lines of a shell,
which install something, are not looked at.

What a page takes for granted is made for it: the names of `names_of`, and small
simulated scans under the names of files that stand in the pages. To be quick, the text
is changed in one way before it runs: every number of epochs is 2.

A block that cannot run has a line before it that says why:
``<!-- not run: the reason -->``.
"""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

import napari_scicompty as sc
from napari_scicompty.cli import app
from napari_scicompty.results.foreign.ptypy import save_ptyr

ROOT = Path(__file__).parents[1]
PAGES = {p.name: p for p in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
FENCE = re.compile(
    r"(?:^(?P<mark>[ ]*<!-- not run: (?P<reason>.+?) -->)\n\s*)?"
    r"^(?P<indent>[ ]*)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```",
    re.DOTALL | re.MULTILINE,
)
SHELLS = ("bash", "sh", "console")
EPOCHS = re.compile(r"(\bepochs\s*=\s*|--epochs[ =])\d+")
ENERGY_EV, DISTANCE_M, PIXEL_M = 8800, 1.92, 75e-6
FRAME = 48
WAVELENGTH_M = sc.Geometry.from_energy(ENERGY_EV, DISTANCE_M, PIXEL_M).wavelength_m


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    language: str
    text: str
    line: int
    reason: str | None
    """Why it is not run."""

    @property
    def commands(self) -> list[list[str]]:
        """What a shell would hand to ``scicompty``, line by line."""
        lines = self.text.replace("\\\n", " ").splitlines()
        if self.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        words = [shlex.split(line.split(" > ")[0], comments=True) for line in lines]
        return [line[1:] for line in words if line[:1] == ["scicompty"]]

    @property
    def is_code(self) -> bool:
        """Whether there is something to be run."""
        if self.language in SHELLS:
            return bool(self.commands)
        return self.language in ("python", "toml")


def blocks_of(name: str) -> list[Block]:
    """Return the blocks of a page that hold something to be run."""
    page = PAGES[name].read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(page):
        indent = len(match["indent"])
        lines = [line[indent:] for line in match["text"].splitlines()]
        text = EPOCHS.sub(r"\g<1>2", "\n".join(lines))
        line = page.count("\n", 0, match.start("language")) + 1
        found.append(Block(match["language"], text, line, match["reason"]))
    return [block for block in found if block.is_code]


def experiment(**others: Any) -> sc.VirtualExperiment:
    """A small scan with the geometry that stands in the pages."""
    given: dict[str, Any] = {
        "wavelength_m": WAVELENGTH_M,
        "distance_m": DISTANCE_M,
        "path": {"rows": 4, "columns": 4, "step_px": 12},
        "detector": {"frame": FRAME, "pixel_m": PIXEL_M, "photons": 1e6},
    }
    return sc.VirtualExperiment(**given | others)


def near_field() -> sc.VirtualExperiment:
    """A near field of a parallel beam, in which the distance can be refined."""
    detector = {"frame": FRAME, "pixel_m": 1e-6, "photons": 1e6}
    return experiment(
        wavelength_m=1e-9, distance_m=0.05, propagation="near-field", detector=detector
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file that a page names."""
    folder = tmp_path_factory.mktemp("pages")
    scan, truth = sc.simulate(experiment())
    tifffile.imwrite(folder / "stack.tif", np.asarray(scan.patterns))
    np.savetxt(folder / "positions.txt", scan.positions_m[:, ::-1])
    sc.save_scan(folder / "scan.cxi", scan, truth)
    near, near_truth = sc.simulate(near_field())
    sc.save_scan(folder / "near.cxi", near, near_truth)
    (star,) = (b.text for b in blocks_of("script.md") if b.language == "toml")
    (folder / "star.toml").write_text(star)
    *_, last = (recipe := sc.Recipe.load(folder / "star.toml")).run()
    sc.save_result(folder / "result.h5", last, recipe=recipe)
    save_ptyr(folder / "other.ptyr", last)
    recipe = sc.Recipe.from_toml(
        '[input]\npath = "near.cxi"\n[[stage]]\nalgorithm = "rpie"\nepochs = 2', folder
    )
    recipe.save(folder / "near.toml")
    for name in ("probe.npy", "calibrated.npy"):
        np.save(folder / name, last.probe)
    for name, which in (("odd.h5", 1), ("even.h5", 0)):
        half = scan.exclude(np.arange(which, len(scan), 2))
        *_, last = sc.reconstruct(half, sc.RPIE(), epochs=2, start=sc.DiscProbe(1e-6))
        sc.save_result(folder / name, last)
    geometry = sc.Geometry(1.9687495e-12, 3.3255628, 0.00011)
    moved = (
        scan.positions_m / scan.pixel_size_m * geometry.pixel_size_m(scan.frame_shape)
    )
    with h5py.File(folder / "cryo_rotavirus_small.h5", "w") as file:
        file["diffraction"] = np.asarray(scan.patterns).astype(np.uint16)
        file["positions_xy_m"] = moved[:, ::-1]
        file["wavelength_m"] = geometry.wavelength_m
        file["distance_m"] = geometry.distance_m
        file["detector_pixel_m"] = geometry.detector_pixel_m[0]
    return folder


def names_of(page: str, folder: Path) -> dict[str, Any]:
    """What the blocks of a page may use without having made it."""
    scan, truth = sc.open_scan(folder / "scan.cxi"), sc.open_truth(folder / "scan.cxi")
    if page == "algorithms.md":  # it refines the distance, which the far field hides
        scan = sc.open_scan(folder / "near.cxi")
    return {
        "sc": sc,
        "np": np,
        "scan": scan,
        "truth": truth,
        "patterns": np.asarray(scan.patterns),
        "positions_m": scan.positions_m,
        "good": np.ones(scan.frame_shape, bool),
        "snapshot": sc.open_result(folder / "result.h5"),
    }


@pytest.mark.parametrize("page", [name for name in PAGES if blocks_of(name)])
def test_the_blocks_of_a_page_run(
    page: str, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "page"
    shutil.copytree(files, folder)
    if page == "formats.md":
        (folder / "scan.cxi").unlink()  # the page writes it
    monkeypatch.chdir(folder)
    names = names_of(page, files)
    for block in blocks_of(page):
        if block.reason is not None:
            continue
        where = f"{PAGES[page]}:{block.line}"
        if block.language == "python":
            # Line numbers of a traceback are those of the page.
            code = compile("\n" * block.line + block.text, PAGES[page], "exec")
            exec(code, names)
        elif block.language == "toml":
            recipe = tomllib.loads(block.text)
            if "input" not in recipe:  # stages alone
                recipe["input"] = {"path": "stack.tif"}
            sc.Recipe.from_dict(recipe, folder)
        for command in block.commands if block.language in SHELLS else ():
            done = CliRunner().invoke(app, command)
            said = done.output + done.stderr
            assert done.exit_code == 0, f"{where}: {command}: {said}{done.exception}"


if __name__ == "__main__":
    every = [block for name in PAGES for block in blocks_of(name)]
    print(f"{len(every)} blocks, {sum(b.reason is None for b in every)} run")
    for name in PAGES:
        for block in blocks_of(name):
            print(f"  {name}:{block.line} {block.language} {block.reason or ''}")
