"""The table of formats: what the page and the manifest say of it."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from napari_scicompty.formats import FORMATS, has_known_layout
from napari_scicompty.formats._hdf5 import SUFFIXES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
ROWS = {
    cells[0]: cells
    for line in PAGE.splitlines()
    if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 5
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_row_with_its_lines(name):
    module = FORMATS[name].module.rpartition(".")[2]
    cells = ROWS[f"`{module}`"]
    source = ROOT / "src" / "napari_scicompty" / "formats" / f"{module}.py"
    lines = len(source.read_text(encoding="utf-8").splitlines())
    assert abs(int(cells[4]) - lines) <= 10, f"{name}: {lines} lines"


def test_the_manifest_opens_the_suffixes_of_hdf5():
    manifest = yaml.safe_load((ROOT / "napari.yaml").read_text(encoding="utf-8"))
    (reader,) = manifest["contributions"]["readers"]
    patterns = set(reader["filename_patterns"])
    kinds = [f for f in FORMATS.values() if SUFFIXES[0] in f.suffixes]
    hdf5 = {f"*{suffix}" for kind in kinds for suffix in kind.suffixes}
    assert hdf5 <= patterns
    known = {f"*{suffix}" for kind in FORMATS.values() for suffix in kind.suffixes}
    assert patterns <= known


def test_only_files_of_known_programs_are_known(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["frames"] = np.ones((3, 16, 16))
    assert not has_known_layout(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file["ptychogram"], file["encoder"] = np.ones((3, 16, 16)), np.ones((3, 2))
    assert has_known_layout(tmp_path / "a.h5")


def test_names_of_modules_are_those_of_files():
    for kind in FORMATS.values():
        assert re.fullmatch(r"napari_scicompty\.formats\.\w+", kind.module)
