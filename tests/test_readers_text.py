"""Texts of positions with any number of columns, named or chosen."""

from __future__ import annotations

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.formats import MissingChoice, open_positions

N, H, W = 12, 16, 20
GEOMETRY = sc.Geometry(1e-10, 1.0, 50e-6)
PIXEL = np.array(GEOMETRY.pixel_size_m((H, W)))
_rng = np.random.default_rng(1)
YX = np.round(_rng.uniform(0, 30, (N, 2))) * PIXEL
PATTERNS = _rng.poisson(20, (N + 3, H, W)).astype(np.uint16)


def table(head: str, *columns: np.ndarray | list[str], sep: str = " ") -> str:
    rows = [sep.join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join([*([head] if head else []), *rows, ""])


Y, X = YX[:, 0], YX[:, 1]
LIGHT = np.linspace(1, 2, N)
NAMED = {
    "unit in brackets": table("x [um], y [um]", X * 1e6, Y * 1e6, sep=","),
    "in round ones": table("x(mm);y(mm)", X * 1e3, Y * 1e3, sep=";"),
    "at the end": table("x_um y_um", X * 1e6, Y * 1e6),
    "metres of a stage": table("sample_x_m\tsample_y_m", X, Y, sep="\t"),
    "y first": table("y_nm,x_nm", Y * 1e9, X * 1e9, sep=","),
    "without a unit": table("pos_x pos_y", X, Y),
    "more columns": table(
        "I0,x (um),T,y (um)", LIGHT, X * 1e6, LIGHT, Y * 1e6, sep=","
    ),
    "a time of day": table("time x_um y_um", ["12:30:05"] * N, X * 1e6, Y * 1e6),
    "in a comment": table("# theta x_um y_um", LIGHT, X * 1e6, Y * 1e6),
    "counted lines": table("index,x_m,y_m", range(1, N + 1), X, Y, sep=","),
    "exact before near": table("x y x_set y_set", X, Y, LIGHT, LIGHT),
}


@pytest.mark.parametrize("case", NAMED)
def test_named_columns_are_found(case, tmp_path):
    (tmp_path / "p.csv").write_text(NAMED[case])
    assert np.allclose(open_positions(tmp_path / "p.csv"), YX, rtol=1e-9, atol=0)


def opened(tmp_path, text, count=N, **choices):
    np.save(tmp_path / "a.npy", PATTERNS[:count])
    (tmp_path / "p.txt").write_text(text)
    return sc.open_scan(tmp_path / "a.npy", tmp_path / "p.txt", GEOMETRY, **choices)


CHOSEN = {
    "by name": ("a,b,c", {"x_column": "c", "y_column": "b"}),
    "by number": ("", {"x_column": "2", "y_column": "1"}),
    "over names": (
        "x_m,horizontal,vertical",
        {"x_column": "vertical", "y_column": "1"},
    ),
    "by name without its unit": (
        "a,b [um],c [um]",
        {"x_column": "c", "y_column": "b", "position_unit": "m"},
    ),
}


@pytest.mark.parametrize("case", CHOSEN)
def test_chosen_columns_are_read(case, tmp_path):
    head, choices = CHOSEN[case]
    scan = opened(tmp_path, table(head, LIGHT, Y, X, sep=","), **choices)
    assert np.allclose(scan.positions_m, YX, rtol=1e-12, atol=0)
    assert any("as chosen" in line for line in scan.report)


def test_columns_of_an_array_are_chosen_by_number(tmp_path):
    np.save(tmp_path / "a.npy", PATTERNS[:N])
    np.save(tmp_path / "p.npy", np.stack([Y, LIGHT, X], 1))
    choices = {"x_column": "2", "y_column": "0"}
    scan = sc.open_scan(tmp_path / "a.npy", tmp_path / "p.npy", GEOMETRY, **choices)
    assert np.array_equal(scan.positions_m, YX)


def test_a_column_of_frame_numbers_picks_the_patterns(tmp_path):
    numbers = np.delete(np.arange(N + 3), [2, 5, 9])
    text = table("frame,x_um,y_um,I0", numbers, X * 1e6, Y * 1e6, LIGHT, sep=",")
    scan = opened(tmp_path, text, N + 3)
    assert np.array_equal(scan.patterns, PATTERNS[numbers])
    assert np.allclose(scan.positions_m, YX)
    for line in (
        "p.txt: x from column 'x_um', y from 'y_um', by their names; not used: I0",
        "p.txt: column 'frame' numbers the patterns, from 0",
        "p.txt: positions taken as x (column), y (row) in um",
    ):
        assert line in scan.report


def test_a_chosen_unit_and_order_go_before_the_names(tmp_path):
    text = table("x_um,y_um", Y * 1e3, X * 1e3, sep=",")
    scan = opened(tmp_path, text, position_unit="mm", position_order="yx")
    assert np.allclose(scan.positions_m, YX)


BAD = {
    "no names": (table("", X, Y, LIGHT), {}, "holds 3 columns.*choose x_column"),
    "other names": (
        table("a b c", X, Y, LIGHT),
        {},
        r"\('a', 'b', 'c'\); choose x_col",
    ),
    "two of a kind": (
        table("x_set x_read y", X, X, Y),
        {},
        "choose x_column='x_set' or 'x_read'",
    ),
    "only one": (table("", X, Y, LIGHT), {"x_column": "0"}, "give both"),
    "the same": (
        table("", X, Y),
        {"x_column": "0", "y_column": "0"},
        "the same column",
    ),
    "not there": (
        table("a b", X, Y),
        {"x_column": "c", "y_column": "a"},
        "x_column='c' is not among its columns; choose one of 'a', 'b', or 0 to 1",
    ),
    "two units": (table("x_um y_mm", X, Y), {}, "no common unit"),
    "degrees": (table("x [deg] y [deg]", X, Y), {}, "choose position_unit"),
    "order, too": (
        table("", X, Y),
        {"x_column": "0", "y_column": "1", "position_order": "yx"},
        "position_order: x_column and y_column tell it",
    ),
    "a line too short": (table("x y t", X, Y, LIGHT) + "1 2\n", {}, "line 14: '1 2'"),
    "decimal commas": ("1,5 2,5\n", {}, "line 1: '1,5 2,5' has commas inside"),
    "and semicolons": ("1,5;2,5\n", {}, "write 1.5 for 1,5"),
    "half frames": (
        table("frame x y", np.arange(N) / 2, X, Y),
        {},
        "numbers of the patterns are not whole",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_columns_that_do_not_tell_are_refused(case, tmp_path):
    text, choices, says = BAD[case]
    with pytest.raises(sc.InputError, match=says) as caught:
        opened(tmp_path, text, **choices)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_missing_choice_can_be_asked_for(tmp_path):
    with pytest.raises(MissingChoice):
        opened(tmp_path, table("", X, Y, LIGHT))


def test_columns_are_for_texts(tmp_path):
    np.save(tmp_path / "a.npy", PATTERNS[:N])
    (tmp_path / "p.h5").write_bytes(b"x")
    choices = {"x_column": "0", "y_column": "1"}
    with pytest.raises(sc.InputError, match="x_column names a column of a text"):
        sc.open_scan(tmp_path / "a.npy", tmp_path / "p.h5", GEOMETRY, **choices)
    with pytest.raises(sc.InputError, match="give positions=FILE"):
        sc.open_scan(tmp_path / "a.npy", None, GEOMETRY, scan_step_m=1e-7, **choices)
