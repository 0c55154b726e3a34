"""Each row of the page on strange files names a test that is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "strange_files.md"
ROWS = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
NAMED = [found for row in ROWS[1:] if (found := re.search(r"`(test_\w+)\.(\w+)`", row))]


def test_most_rows_have_a_test():
    assert len(NAMED) >= len(ROWS) - 4


@pytest.mark.parametrize("found", NAMED, ids=lambda found: found[2])
def test_the_test_of_a_row_is_there(found):
    tree = ast.parse((HERE / f"{found[1]}.py").read_text("utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert found[2] in names
