"""Errors carry which setting is wrong, how, and what to do, beside the sentence."""

from __future__ import annotations

import copy
import pickle

import pytest

import napari_scicompty as sc
from napari_scicompty.core.errors import InputError

ERROR = InputError(field="run.modes", problem="must be whole", remedy="give 3")
BOTH = InputError.of([ERROR, InputError(field="run.seed", problem="is missing")])


def test_the_sentence_is_made_of_the_parts() -> None:
    assert str(ERROR) == "run.modes: must be whole; give 3"
    assert str(InputError("r.h5: is damaged")) == "r.h5: is damaged"
    assert str(InputError("a is 3", field="a")) == "a is 3"
    assert str(InputError(problem="no input", remedy="give one")) == (
        "no input; give one"
    )


@pytest.mark.parametrize("error", [ERROR, BOTH, InputError("plain")])
def test_copies_are_the_same(error: InputError) -> None:
    for same in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):
        assert str(same) == str(error)
        assert (same.field, same.problem, same.remedy) == (
            error.field,
            error.problem,
            error.remedy,
        )
        assert len(same.faults) == len(error.faults)
        assert same.told(str.upper) == error.told(str.upper)


def test_another_name_for_the_field() -> None:
    assert BOTH.told(lambda f: f"--{f[4:]}") == (
        "--modes: must be whole; give 3; --seed: is missing"
    )
    moved = BOTH.moved("run", "stage 2")
    assert (
        str(moved) == "stage 2.modes: must be whole; give 3; stage 2.seed: is missing"
    )
    assert moved.field == "stage 2.modes"
    assert ERROR.moved("start", "stage") is ERROR


def test_settings_say_which_field_in_data() -> None:
    with pytest.raises(InputError) as caught:
        sc.RPIE(gamma=7, beta="1")
    first = caught.value
    assert [e.field for e in first.faults or (first,)] == ["RPIE.beta"]
    with pytest.raises(InputError) as caught:
        sc.RPIE(gamma=7, beta=7)
    assert [e.field for e in caught.value.faults] == ["RPIE.beta", "RPIE.gamma"]
    with pytest.raises(InputError) as caught:
        sc.VirtualExperiment(detector={"photons": "9"})
    assert caught.value.field == "VirtualExperiment.detector.photons"
    with pytest.raises(InputError) as caught:
        sc.Recipe.from_dict({"input": {"path": "a"}, "stage": [{}, {"beta": 7}]})
    assert caught.value.field == "stage 2.beta"


def test_the_nearest_word_is_asked_for() -> None:
    part = {"input": {"path": "a"}}
    for data, near in (
        ({"start": {"name": "disk"}}, "did you mean 'disc'?"),
        ({"stage": [{"algorithm": "RPIE"}]}, "did you mean 'rpie'?"),
        ({"stage": [{"refine": ["position"]}]}, "did you mean 'positions'?"),
        ({"run": {"device": "cuda0"}}, "did you mean 'cuda'?"),
        ({"stages": [{}]}, "did you mean 'stage'?"),
    ):
        with pytest.raises(InputError) as caught:
            sc.Recipe.from_dict(part | data)
        assert str(caught.value).endswith(near)
