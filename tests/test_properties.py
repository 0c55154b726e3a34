"""Whatever is written is read back; whatever bytes come, a sentence at worst."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import fuzz
import napari_scicompty as sc
from hostile import GEOMETRY, snapshot
from napari_scicompty.formats import open_positions, save_positions
from napari_scicompty.recipe import RunChoices, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

few = settings(
    derandomize=True,
    deadline=None,
    max_examples=20,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)

SHAPES = st.tuples(st.integers(1, 4), st.integers(8, 11), st.integers(8, 11))
DTYPES = st.sampled_from(["u1", "u2", ">u2", "i4", "f4", "f8"])


@st.composite
def stacks(draw: Any) -> np.ndarray:
    """Counts of any dtype, at least one of them above zero."""
    dtype, shape = np.dtype(draw(DTYPES)), draw(SHAPES)
    counts = st.integers(0, 254 if dtype.itemsize == 1 else 2**15 - 1)  # no marks
    stack = draw(arrays.arrays(np.int64, shape, elements=counts)).astype(dtype)
    stack.flat[0] = 1
    return stack


def _hdf5(path: Path, stack: np.ndarray, **options: Any) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=stack, **options)


WRITERS: dict[str, Callable[[Path, np.ndarray], Any]] = {
    "a.npy": np.save,
    "a.tif": lambda p, s: tifffile.imwrite(p, s, photometric="minisblack"),
    "packed.tif": lambda p, s: tifffile.imwrite(
        p, s, photometric="minisblack", compression="zlib"
    ),
    "a.h5": _hdf5,
    "packed.h5": lambda p, s: _hdf5(p, s, compression="gzip"),
    "a.cxi": lambda p, s: sc.save_scan(p, sc.Scan(s, _places(len(s)), GEOMETRY)),
}


def _places(count: int) -> np.ndarray:
    return np.arange(2.0 * count).reshape(count, 2) * 1e-6


@pytest.mark.parametrize("name", WRITERS)
@few
@given(stack=stacks())
def test_patterns_come_back(name: str, stack: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, name)
        WRITERS[name](path, stack)
        np.save(path.parent / "p.npy", _places(len(stack)))
        one = sc.open_scan(path, path.parent / "p.npy", GEOMETRY)
        assert one.patterns.dtype.newbyteorder("=") == stack.dtype.newbyteorder("=")
        assert np.array_equal(one.patterns, stack)


PLACES = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 9), st.just(2)),
    elements=st.floats(-1e300, 1e300),
)


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.npy"])
@few
@given(places=PLACES)
def test_positions_come_back_to_the_last_bit(name: str, places: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        save_positions(Path(scratch, name), places)
        assert np.array_equal(open_positions(Path(scratch, name)), places)


@pytest.mark.parametrize("name", fuzz.kinds())
@few
@given(data=st.binary(max_size=300), head=st.integers(0, 64))
def test_any_bytes_give_a_sentence_at_worst(name: str, data: bytes, head: int) -> None:
    """Bytes of any kind, alone and behind the first bytes of a valid file."""
    kind = fuzz.kinds()[name]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, f"a{kind.suffix}")
        first = b""
        if kind.write:
            kind.write[0](path)
            first = path.read_bytes()[:head]
        path.write_bytes(first + data)
        try:
            kind.read(path)
        except sc.InputError as error:
            assert "\n" not in str(error)


@few
@given(
    epochs=st.integers(0, 2**31 - 1),
    batch=st.none() | st.integers(1, 2**31 - 1),
    seed=st.integers(0, 2**53),
    excluded=st.lists(st.integers(0, 2**31 - 1), max_size=5),
    gamma=st.floats(0.01, 1),
)
def test_recipes_come_back(
    epochs: int, batch: int | None, seed: int, excluded: list[int], gamma: float
) -> None:
    stage = Stage(algorithm=sc.RPIE(gamma=gamma), epochs=epochs, batch=batch)
    recipe = sc.Recipe.of_experiment(sc.VirtualExperiment(), stage).replace(
        shared=RunChoices(seed=seed, excluded=tuple(excluded))
    )
    assert sc.Recipe.from_toml(recipe.to_toml()) == recipe


@few
@given(text=st.text(max_size=200))
def test_any_text_is_a_recipe_or_gets_a_sentence(text: str) -> None:
    for whole in (text, f"[virtual_experiment]\n{text}", f"[input]\npath = {text!r}"):
        try:
            sc.Recipe.from_toml(whole)
        except sc.InputError as error:
            assert str(error)


FIELD = arrays.arrays(
    np.complex64,
    st.tuples(st.integers(16, 20), st.integers(16, 20)),
    elements=st.complex_numbers(max_magnitude=1e6, width=64),
)


@few
@given(field=FIELD, epoch=st.integers(0, 10**6), error=st.floats(0, 1e6))
def test_results_come_back(field: np.ndarray, epoch: int, error: float) -> None:
    before = snapshot().replace(object=field, epoch=epoch, error=error)
    with tempfile.TemporaryDirectory() as scratch:
        sc.save_result(Path(scratch, "a.h5"), before)
        after = sc.open_result(Path(scratch, "a.h5"))
    assert np.array_equal(after.object, field) and after.object.dtype == field.dtype
    assert (after.epoch, after.error) == (epoch, error)
    assert np.array_equal(after.probe, before.probe)
