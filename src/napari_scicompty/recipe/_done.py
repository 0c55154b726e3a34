"""The stages of a run as they were carried out, which need not be as planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_scicompty.algorithms import from_description

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_scicompty.data.snapshot import Change
    from napari_scicompty.recipe.sections import Stage

    Parts = list[Stage]
    """What a stage has become: more than one where its algorithm was switched."""


def stages_done(
    planned: Sequence[Stage], epoch: int, changes: Iterable[Change] = ()
) -> tuple[Stage, ...]:
    """Return the stages that lead to `epoch`.

    A switch in mid-epoch is taken to the end of the epoch before: stages are made of
    whole epochs.

    Parameters
    ----------
    planned : sequence of Stage
        Stages as the recipe has them.
    epoch : int
        Epochs that were completed.
    changes : iterable of Change
        What was changed under way, in order.
    """
    stages = [[stage] for stage in planned]
    for change in changes:
        parts, at = _under_way(stages, change.epoch)
        if change.path == "algorithm":
            *earlier, last = parts
            done = at - sum(part.epochs for part in earlier)
            rest = max(0, last.epochs - done)
            new = last.replace(algorithm=from_description(change.value), epochs=rest)
            parts[:] = [*earlier, last.replace(epochs=done), new]
        elif change.path == "run.epochs":
            *earlier, last = parts
            epochs = change.value - sum(part.epochs for part in earlier)
            parts[:] = [*earlier, last.replace(epochs=max(0, epochs))]
    return _cut([part for parts in stages for part in parts], epoch)


def _under_way(stages: Sequence[Parts], epoch: int) -> tuple[Parts, int]:
    """Return the stage that an epoch belongs to, and how far into it that is."""
    for parts in stages[:-1]:
        length = sum(part.epochs for part in parts)
        if epoch < length:
            return parts, epoch
        epoch -= length
    return stages[-1], epoch


def _cut(stages: Sequence[Stage], epoch: int) -> tuple[Stage, ...]:
    """Return stages of `epoch` epochs together; the last one may become longer."""
    kept: list[Stage] = []
    for stage in stages:
        kept.append(stage.replace(epochs=min(stage.epochs, epoch)))
        epoch -= kept[-1].epochs
    kept[-1] = kept[-1].replace(epochs=kept[-1].epochs + epoch)
    return tuple(stage for stage in kept if stage.epochs) or (kept[0],)
