"""How far every pattern is from its model, as it was visited last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_scicompty.engine.checkpoint import copied
from napari_scicompty.engine.run_settings import AT_ONCE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from napari_scicompty.data.snapshot import Snapshot
    from napari_scicompty.model.estimate import Estimate
    from napari_scicompty.model.measured import Measured


class PatternErrors:
    """Squared errors on the device, and which of them belong to this epoch.

    Parameters
    ----------
    power : (n,)
        Counts of each pattern.
    device : torch.device
        Where its tensors lie.
    """

    def __init__(self, power: NDArray[np.float64], device: torch.device) -> None:
        self.squared: Tensor = torch.zeros(len(power), device=device)
        """(n,): sum over good pixels of (sqrt(I_model) - sqrt(I))^2."""
        self._power = power
        self._visited = np.zeros(len(power), bool)
        self._visited_before = self._visited

    def take_up(
        self,
        squared: NDArray[np.floating] | Tensor,
        known: NDArray[np.bool_],
        visited: list[int],
    ) -> None:
        """Go on from errors (n,), of which some are known, some of this epoch.

        Parameters
        ----------
        squared : array or Tensor (n,)
            Squared errors, counts.
        known : array (n,) bool
            Which of them hold.
        visited : list of int
            Patterns that had their turn in this epoch.
        """
        if isinstance(squared, np.ndarray):
            squared = torch.from_numpy(squared.copy())
        self.squared.copy_(squared)
        self._visited_before = known
        self._visited[visited] = True

    def take_up_from(self, start: Snapshot, visited: list[int]) -> None:
        """Go on from the errors of a snapshot.

        Parameters
        ----------
        start : Snapshot
            Where the run begins.
        visited : list of int
            Patterns that had their turn in this epoch.
        """
        known = np.isfinite(start.pattern_error)
        shown = np.nan_to_num(start.pattern_error) * self._power
        self.take_up(start.state.get("squared_errors", shown), known, visited)

    @property
    def arrays(self) -> dict[str, NDArray[np.floating]]:
        """What is needed to go on exactly."""
        return {"squared_errors": copied(self.squared)}

    def begin_epoch(self) -> None:
        """Begin an epoch: nothing was visited in it yet."""
        self._visited_before = self._visited
        self._visited = np.zeros(len(self._power), bool)

    def visit(self, where: int | list[int], errors: Tensor | None = None) -> None:
        """Take note of patterns that were visited, and of errors known on the host.

        Parameters
        ----------
        where : int or list of int
            Numbers of the patterns.
        errors : Tensor (B,), optional
            Their squared errors, counts; left out where the device noted them.
        """
        if errors is not None:
            self.squared[where] = errors
        self._visited[where] = True

    def on_host(self) -> NDArray[np.floating]:
        """Return the squared errors (n,) as they are now."""
        return self.squared.cpu().numpy()

    @property
    def of_epoch(self) -> Tensor:
        """Squared errors (n,) of this epoch; zero where a pattern was not visited."""
        seen = torch.from_numpy(self._visited).to(self.squared.device)
        return torch.where(seen, self.squared, 0)

    def error(
        self, included: NDArray[np.bool_], squared: Tensor | None = None
    ) -> float:
        """Normalised error of the patterns that take part.

        Parameters
        ----------
        included : array (n,) bool
            Patterns that take part.
        squared : Tensor (n,), optional
            Squared errors; those noted so far when left out.

        Returns
        -------
        float
            Sum of the squared errors over the sum of the counts.
        """
        squared = self.squared if squared is None else squared
        counts = squared.cpu().numpy()[included].sum(dtype=float)
        return float(counts / self._power[included].sum())

    def known(self, included: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Patterns (n,) whose error is of this epoch or the one before.

        Parameters
        ----------
        included : array (n,) bool
            Patterns that take part.

        Returns
        -------
        array (n,) bool
            Never true for patterns that are left out.
        """
        return (self._visited | self._visited_before) & included

    def shares(self, squared: Tensor, known: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Normalised error of each pattern (n,); NaN where it is not known.

        Parameters
        ----------
        squared : Tensor (n,)
            Squared errors, counts.
        known : array (n,) bool
            Where they hold.

        Returns
        -------
        array (n,) float32
            Squared error over counts.
        """
        shares = squared.cpu().numpy() / np.maximum(self._power, 1e-30)
        return np.where(known, shares, np.nan).astype(np.float32)


def full_pass(
    estimate: Estimate, measured: Measured, included: NDArray[np.bool_]
) -> Tensor:
    """Return the squared error of each pattern (n,) of one and the same estimate.

    Parameters
    ----------
    estimate : Estimate
        Object, probe and positions as they are now.
    measured : Measured
        Amplitudes of the patterns.
    included : array (n,) bool
        Patterns that take part.
    """
    device = estimate.object.device
    squared = torch.zeros(len(included), device=device)
    size = max(1, AT_ONCE // estimate.probe_kept.pixels)
    indices = np.flatnonzero(included).tolist()
    for first in range(0, len(indices), size):
        batch = indices[first : first + size]
        where = torch.as_tensor(batch, device=device)
        squared[where] = measured.error(estimate.waves(batch), batch)
    return squared
