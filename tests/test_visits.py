"""The order of an epoch, its batches, and groups of views that lie apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import napari_scicompty as sc
from napari_scicompty.engine.ordering import ScanOrder, groups_apart
from napari_scicompty.engine.run import Run
from small_scans import settings, small_scan

EVERY = np.ones(60, bool)


def batches(
    visits: ScanOrder, size: int, included: np.ndarray = EVERY
) -> list[list[int]]:
    found = []
    while not visits.over:
        found.append(visits.take(size, included))
    return found


def corners(spread: int = 300) -> np.ndarray:
    return np.random.default_rng(1).integers(0, spread, (60, 2))


@pytest.mark.parametrize("size", [1, 7, 60])
def test_every_pattern_has_its_turn_once_an_epoch(size: int) -> None:
    included = EVERY.copy()
    included[[3, 17, 18]] = False
    orders = []
    for epoch, seed in [(0, 0), (0, 0), (1, 0), (0, 1)]:
        visits = ScanOrder(60, seed)
        visits.begin(epoch)
        to_come = visits.to_come(included)
        assert to_come == list(itertools.chain(*batches(visits, size, included)))
        assert sorted(visits.visited) == list(range(60))
        assert not visits.to_come(included)
        orders.append(visits.visited)
    assert orders[0] == orders[1]
    assert orders[0] != orders[2] and orders[0] != orders[3]


@pytest.mark.parametrize("reach", [(1, 1), (40, 60), (500, 500)])
@pytest.mark.parametrize("size", [2, 6])
def test_views_of_a_group_do_not_overlap(reach: tuple[int, int], size: int) -> None:
    places = corners()
    groups = groups_apart(places, reach, size, seed=3)
    assert sorted(itertools.chain(*groups)) == list(range(60))
    assert max(map(len, groups)) <= size
    for group in groups:
        for one, other in itertools.combinations(group, 2):
            away = np.abs(places[one] - places[other])
            assert (away >= reach).any()
    if reach == (500, 500):
        assert len(groups) == 60
    if reach == (1, 1):
        assert len(groups) == 60 / size
    if reach == (40, 60):  # no group could take a member of a later, smaller one
        small = [group for group in groups if len(group) < size]
        for one, other in itertools.combinations(small, 2):
            for j in other:
                away = np.abs(places[one] - places[j])
                assert (away < reach).all(1).any()


def test_batches_are_the_groups_in_a_new_order_each_epoch() -> None:
    groups = groups_apart(corners(), (40, 60), 6, seed=0)
    visits, seen = ScanOrder(60, 0), []
    for epoch in range(2):
        visits.begin(epoch, lambda _: groups)
        seen.append(batches(visits, 6))
        assert sorted(seen[-1]) == sorted(groups)
    assert seen[0] != seen[1]
    visits.begin(0, lambda _: groups)
    halves = batches(visits, 3)  # a smaller batch splits them
    assert max(map(len, halves)) == 3
    assert all(any(set(half) <= set(group) for group in groups) for half in halves)


def test_groups_apart_step_the_object_as_one_position_after_the_other() -> None:
    """With the true probe; six views by chance are behind."""
    small = small_scan((24, 24), (12, 12), step=8, whole=True)
    start = small.start(probe=small.probe.astype("c8"))
    errors = {}
    for name, chosen in {
        "one": {"batch": 1},
        "apart": {"batch": 6, "non_overlapping": True},
        "by chance": {"batch": 6},
    }.items():
        how = settings(epochs=4, freeze_probe=True, **chosen)
        run = Run(small.scan, sc.RPIE(), start, how)
        while not run.done:
            run.advance()
        errors[name] = run.full_error()[0]
    assert errors["apart"] == pytest.approx(errors["one"], rel=0.1)
    assert errors["apart"] < 0.85 * errors["by chance"]


def test_a_run_in_groups_continues_exactly() -> None:
    small = small_scan((24, 24), (8, 8), step=8)
    chosen = {"batch": 4, "non_overlapping": True}
    whole = Run(small.scan, sc.RPIE(), small.start(), settings(epochs=3, **chosen))
    part = Run(small.scan, sc.RPIE(), small.start(), settings(epochs=2, **chosen))
    while not whole.done:
        whole.advance()
    for _ in range(20):
        part.step()
    assert part.batch > 0
    left = settings(epochs=3 - part.epoch, **chosen)
    rest = Run(small.scan, sc.RPIE(), part.snapshot(), left)
    while not rest.done:
        rest.advance()
    assert np.array_equal(rest.snapshot().object, whole.snapshot().object)
