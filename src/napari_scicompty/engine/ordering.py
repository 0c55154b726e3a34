"""Which patterns come when: the order of an epoch, and its batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_scicompty.optics.patches import intensity

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.model.estimate import Estimate

    Groups = list[list[int]]

_SALT = 0x6170617274
_NOWHERE = 2**30

DARK = 0.01
"""Share of the light on each side that counts as none."""


class ScanOrder:
    """The order in which an epoch visits the patterns; a function of the seed.

    Parameters
    ----------
    count : int
        Patterns.
    seed : int
        Of the order; the same seed gives the same one.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._seed = seed
        self._order: list[int] = []
        self._ends: frozenset[int] = frozenset()
        self.at = 0
        """Patterns of the order that were taken or passed over."""

    def begin(self, epoch: int, grouped: Callable[[int], Groups] | None = None) -> None:
        """Begin an epoch.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0; with the seed it fixes the order.
        grouped : callable, optional
            Gives groups of patterns from a seed; a batch does not reach over their
            ends. Without it every pattern is for itself.
        """
        rng = np.random.default_rng([self._seed, epoch])
        self.at, self._ends = 0, frozenset()
        if grouped is None:
            self._order = rng.permutation(self._count).tolist()
            return
        groups = grouped(self._seed)
        ordered = [groups[g] for g in rng.permutation(len(groups))]
        self._order = [j for group in ordered for j in group]
        self._ends = frozenset(np.cumsum([len(group) for group in ordered]).tolist())

    @property
    def over(self) -> bool:
        """Whether every pattern had its turn."""
        return self.at >= len(self._order)

    @property
    def share_done(self) -> float:
        """Share of the patterns that had their turn, 1 at the end of the epoch."""
        return self.at / max(len(self._order), 1)

    @property
    def visited(self) -> list[int]:
        """Patterns that had their turn."""
        return self._order[: self.at]

    def to_come(self, included: NDArray[np.bool_]) -> list[int]:
        """Patterns whose turn is still to come, those that are left out not among them.

        Parameters
        ----------
        included : (n,)
            Patterns that take part.

        Returns
        -------
        list of int
            Numbers of patterns, in their order.
        """
        return [j for j in self._order[self.at :] if included[j]]

    def take(self, size: int, included: NDArray[np.bool_]) -> list[int]:
        """Take the next batch: `size` patterns at most, none where all are left out.

        Parameters
        ----------
        size : int
            Patterns of a batch, at most.
        included : array (n,) bool
            Patterns that take part.

        Returns
        -------
        list of int
            Numbers of patterns; a batch never crosses the end of a group.
        """
        batch: list[int] = []
        order, at, last = self._order, self.at, len(self._order)
        while len(batch) < size and at < last:
            j = order[at]
            at += 1
            if included[j]:
                batch.append(j)
            if at in self._ends and batch:
                break
        self.at = at
        return batch


def groups_apart(
    corners: NDArray[np.int64], reach: tuple[int, int], size: int, seed: int
) -> Groups:
    """Put views that do not overlap into groups: a greedy colouring of a graph.

    Two views are neighbours in the graph where they overlap; a group, a colour, holds
    no neighbours. Patterns come in random order, each into the first group that has
    room for it.

    Parameters
    ----------
    corners : (n, 2)
        Where the views lie, in pixels.
    reach : (int, int)
        Views nearer than this along both axes overlap.
    size : int
        Patterns of a group at most.
    seed : int
        Of the order.

    Returns
    -------
    list of list of int
        Every pattern is in one of them.
    """
    order = np.random.default_rng([seed, _SALT]).permutation(len(corners))
    groups: Groups = []
    open_groups: list[int] = []
    held = np.full((0, size, 2), _NOWHERE)
    for j in order.tolist():
        away = np.abs(held - corners[j])
        clear = ~((away[..., 0] < reach[0]) & (away[..., 1] < reach[1])).any(1)
        place = int(clear.argmax()) if clear.any() else len(open_groups)
        if place == len(open_groups):
            open_groups.append(len(groups))
            groups.append([])
            held = np.concatenate([held, np.full((1, size, 2), _NOWHERE)])
        group = groups[open_groups[place]]
        held[place, len(group)] = corners[j]
        group.append(j)
        if len(group) == size:
            held = np.delete(held, place, 0)
            del open_groups[place]
    return groups


def non_overlapping(
    estimate: Estimate, count: int, size: int
) -> Callable[[int], Groups]:
    """Return what groups patterns (by a seed) whose beams do not overlap.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions as they are now.
    count : int
        Patterns of the scan.
    size : int
        Patterns of a group, at most.
    """
    corners = np.array(estimate.placement.corners(range(count)))
    reach = lit_size(estimate.probe_kept.copied())
    return lambda seed: groups_apart(corners, reach, size, seed)


def lit_size(probe: Tensor) -> tuple[int, int]:
    """Return rows and columns (y, x) that hold 98 % of the light of modes (m, h, w).

    Parameters
    ----------
    probe : Tensor (m, h, w) complex64
        Modes.
    """
    light = intensity(probe).sum(0).cpu().numpy()
    sides = []
    for axis in (1, 0):
        below = np.cumsum(light.sum(axis, dtype=float)) / light.sum(dtype=float)
        inside = np.flatnonzero((below > DARK) & (below < 1 - DARK))
        sides.append(len(inside) + 1)
    return sides[0], sides[1]
