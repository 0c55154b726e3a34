"""How far a run is: a frozen record that other threads may read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_scicompty.core.findings import Finding
    from napari_scicompty.data.snapshot import History


@dataclass(frozen=True)
class Progress:
    """What a run has done, at one moment between two batches."""

    epoch: int
    """Epochs that were completed."""
    last_epoch: int
    """Epoch at which the run ends."""
    first_epoch: int
    """Epoch at which it began."""
    patterns_visited: int
    """Of the epoch under way."""
    patterns: int
    """Of the scan."""
    elapsed_s: float
    """Seconds of computing of this run, pauses left out."""
    history: History
    """So far."""
    verdict: Finding | None = None
    """How it goes, in a sentence; None before the fifth epoch."""

    @property
    def epochs_done(self) -> float:
        """Epochs of this run, the one under way counted by its patterns."""
        under_way = self.patterns_visited / max(1, self.patterns)
        return self.epoch + under_way - self.first_epoch
